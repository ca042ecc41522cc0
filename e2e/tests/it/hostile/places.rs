//! Something else in the place of each file that is read.

use std::fs;
use std::os::unix::fs::symlink;

use super::{THINGS, Thing, limited, refused};
use crate::refusal::{Bench, DEPLOY, contents};

/// A file that is read, and how a refusal names it.
struct Role {
    path: &'static str,
    named: &'static str,
}

const ROLES: [Role; 5] = [
    Role {
        path: "artifact/svc-a/config/functions.yml",
        named: "svc-a/config/functions.yml`",
    },
    Role {
        path: "artifact/svc-a/config/routing.yml",
        named: "svc-a/config/routing.yml`",
    },
    Role {
        path: "artifact/svc-b/config/resources.yml",
        named: "svc-b/config/resources.yml`",
    },
    Role {
        path: "artifact/svc-a/functions/orders-list/Dockerfile",
        named: "the Dockerfile of the function `orders-list`",
    },
    Role {
        path: "secrets.env",
        named: "the secret file",
    },
];

/// A bench with a secret file that is asked for.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.edit(
        "artifact/artifact.yml",
        "    artifact_root: svc-a\n",
        "    artifact_root: svc-a\n    required_secret_env: [AUTH_PASS]\n",
    );
    bench.write("secrets.env", "AUTH_PASS=hunter2\n");
    bench
}

fn deploy(bench: &Bench) -> std::process::Command {
    let mut deploy = limited(bench, &DEPLOY);
    deploy.args(["--secret-env", "secrets.env"]);
    deploy
}

#[test]
fn what_stands_in_the_place_of_a_file_is_named_and_not_opened() {
    for Role { path, named } in ROLES {
        for Thing {
            name,
            make,
            rule,
            words,
        } in THINGS
        {
            let what = format!("{name} in place of {path}");
            let bench = bench();
            bench.remove(path);
            make(&bench.path(path));
            let rule = format!("error[{rule}]: ");
            refused(&what, &mut deploy(&bench), 3, &[&rule, named, words]);
            assert!(!bench.journal().exists(), "{what}");
        }
    }
}

/// The manifest is named by the user, so that a symlink to a file is followed, and one to a device is what it leads to.
#[test]
fn what_stands_in_the_place_of_the_manifest_is_named_and_not_opened() {
    let manifest = "artifact/artifact.yml";
    for Thing {
        name, make, words, ..
    } in THINGS
    {
        let bench = bench();
        bench.remove(manifest);
        make(&bench.path(manifest));
        let words = ["artifact/artifact.yml", words];
        refused(name, &mut deploy(&bench), 3, &words);
        for verb in ["validate", "sync-ids"] {
            let arguments = ["manifest", verb, "--artifact", manifest];
            refused(name, &mut limited(&bench, &arguments), 3, &words);
        }
    }
    let bench = bench();
    bench.remove(manifest);
    symlink("/dev/zero", bench.path(manifest)).unwrap();
    let words = ["is a device, not a file"];
    refused("a link to a device", &mut deploy(&bench), 3, &words);
}

/// What COPY reaches is hashed, so that a device would be read for ever; a file of 100 GiB is more than an image may hold.
#[test]
fn what_stands_among_the_inputs_of_a_build_is_named_and_not_opened() {
    let handler = "artifact/svc-a/functions/orders-list/src/handler";
    for Thing {
        name, make, words, ..
    } in THINGS
    {
        // A folder of that name is copied, and a link is copied as it is.
        if name.contains("directory") || name.contains("symlink") {
            continue;
        }
        let bench = bench();
        bench.remove(handler);
        make(&bench.path(handler));
        let words = match name {
            "a file of 100 GiB" => "are more than 10737418240 bytes",
            _ => words,
        };
        refused(name, &mut deploy(&bench), 3, &["orders-list", words]);
        assert!(!bench.journal().exists(), "{name}");
    }
}

/// A hard link cannot be told from the file itself: what lies below the root belongs to the artifact, whatever other names
/// it has. It is read, and never written.
#[test]
fn a_second_name_of_a_file_is_that_file() {
    let bench = bench();
    let (one, other) = (
        bench.path("artifact/svc-a/config/functions.yml"),
        bench.path("functions.yml"),
    );
    fs::rename(&one, &other).unwrap();
    fs::hard_link(&other, &one).unwrap();
    let before = contents(&bench.path("artifact"));
    // The artifact is accepted: what is missing is the engine.
    refused("a hard link", &mut deploy(&bench), 9, &["Docker engine"]);
    assert_eq!(contents(&bench.path("artifact")), before);
}

#[test]
fn what_stands_in_the_place_of_an_export_is_named_and_not_opened() {
    for Thing {
        name, make, words, ..
    } in THINGS
    {
        let bench = Bench::new();
        make(&bench.path("export.jsonl"));
        let (code, words) = match name {
            // Its first line has no end, which is found where the longest line ends.
            "a file of 100 GiB" => (8, ["line 1: it is longer than", "export the journal again"]),
            _ => (2, ["export.jsonl`", words]),
        };
        let mut import = limited(&bench, &["import", "export.jsonl"]);
        refused(name, &mut import, code, &words);
        assert!(!bench.journal().join("esb-dev").exists(), "{name}");
    }
}

/// What has no end is not kept before it is looked at: the disk would be full long before 4 GiB.
#[test]
fn an_endless_export_on_standard_input_ends_at_its_first_line() {
    let bench = Bench::new();
    fs::create_dir(bench.path("tmp")).unwrap();
    let mut import = std::process::Command::new("sh");
    // Files of this process, the spool among them, may have 64 MiB.
    let line = "ulimit -f 65536; exec timeout --signal=KILL 60 \"$0\" import - < /dev/zero";
    import.args(["-c", line]).arg(crate::refusal::program());
    bench.prepare(&mut import);
    import.env("TMPDIR", bench.path("tmp"));
    let said = std::process::Command::output(&mut import).unwrap();
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(8), "{stderr}");
    assert!(stderr.contains("line 1: it is longer than"), "{stderr}");
}
