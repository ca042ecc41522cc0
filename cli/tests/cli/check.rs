//! `esb artifact generate --check` with every flag: it says whether the artifact on disk is what the same command would make,
//! and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;

use crate::support::{Machine, Ran};

const TEMPLATE: &str = "\
Parameters:
  Stage: {Type: String, Default: dev}
  Owner: {Type: String, Default: nobody}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: hello/
      Environment: {Variables: {STAGE: !Ref Stage, OWNER: !Ref Owner, KEY: '{{resolve:secretsmanager:shop:SecretString:key}}'}}
  Image:
    Type: AWS::Serverless::Function
    Metadata: {EsbHooks: hooks/}
    Properties: {PackageType: Image, ImageUri: \"registry.example/server:3\"}
";

/// What lies beside the template.
const FILES: [(&str, &str); 8] = [
    ("template.yaml", TEMPLATE),
    ("more.yaml", "Resources: {Files: {Type: AWS::S3::Bucket}}\n"),
    ("hello/app.py", ""),
    ("hooks/preload.js", ""),
    ("dev.env", "Stage=dev\n"),
    ("prod.env", "Stage=prod\n"),
    ("prod.json", r#"{"Stage": "prod"}"#),
    (
        "sam.toml",
        "[default.deploy.parameters]\nparameter_overrides = \"Stage=dev\"\n\
         [prod.deploy.parameters]\nparameter_overrides = \"Stage=prod\"\n",
    ),
];

/// A flag, the words that the artifact on disk was made with, and the words of the check: first those that give the same
/// artifact, then those that give another.
struct Row {
    flag: &'static str,
    made: &'static [&'static str],
    same: &'static [&'static [&'static str]],
    other: &'static [&'static [&'static str]],
}

const ROWS: &[Row] = &[
    Row {
        flag: "template",
        made: &[],
        same: &[
            &["--template", "template.yaml"],
            &["--template", "./template.yaml"],
        ],
        other: &[
            &["--template", "more.yaml"],
            &["--template", "template.yaml", "--template", "more.yaml"],
        ],
    },
    Row {
        flag: "template",
        made: &["--template", "template.yaml", "--template", "more.yaml"],
        same: &[],
        other: &[
            &["--template", "more.yaml", "--template", "template.yaml"],
            &["--template", "template.yaml"],
        ],
    },
    Row {
        flag: "output",
        made: &["--output", "build"],
        same: &[&["--output", "./build"], &["--output", "hello/../build"]],
        other: &[&["--output", "elsewhere"], &[]],
    },
    Row {
        flag: "manifest",
        made: &["--manifest", "made.yml"],
        same: &[&["--manifest", "./made.yml"]],
        other: &[
            &["--manifest", "other.yml"],
            &[],
            &["--manifest", "artifact/artifact.yml"],
        ],
    },
    Row {
        flag: "manifest",
        made: &[],
        same: &[&["--manifest", "artifact/artifact.yml"]],
        other: &[&["--manifest", "made.yml"]],
    },
    Row {
        flag: "parameter",
        made: &["--parameter", "Stage=prod"],
        same: &[&["--parameter", "Stage=dev", "--parameter", "Stage=prod"]],
        other: &[
            // What is given makes the id, even where it is the default.
            &["--parameter", "Stage=prod", "--parameter", "Owner=nobody"],
            &["--parameter", "Stage=dev"],
            &["--parameter", "Stage=prod", "--parameter", "Owner=somebody"],
            &[],
        ],
    },
    Row {
        flag: "parameters-file",
        made: &["--parameters-file", "prod.env"],
        same: &[
            &["--parameters-file", "prod.json"],
            &[
                "--parameters-file",
                "dev.env",
                "--parameters-file",
                "prod.env",
            ],
        ],
        other: &[
            &["--parameters-file", "dev.env"],
            &[
                "--parameters-file",
                "prod.env",
                "--parameters-file",
                "dev.env",
            ],
            &["--parameters-file", "prod.env", "--parameter", "Stage=test"],
            &[],
        ],
    },
    Row {
        flag: "samconfig-env",
        made: &["--parameters-file", "sam.toml", "--samconfig-env", "prod"],
        same: &[&["--parameters-file", "prod.env"]],
        other: &[&["--parameters-file", "sam.toml"]],
    },
    Row {
        flag: "env",
        made: &[],
        same: &[&["--env", "dev"]],
        other: &[
            &["--env", "test"],
            &["--env", "test", "--project", "esb-dev"],
        ],
    },
    Row {
        flag: "project",
        made: &[],
        same: &[&["--project", "esb-dev"]],
        other: &[&["--project", "shop"]],
    },
    Row {
        flag: "mode",
        made: &[],
        same: &[&["--mode", "docker"]],
        other: &[&["--mode", "containerd"]],
    },
    Row {
        flag: "api-version",
        made: &[],
        same: &[&["--api-version", "1.0"]],
        other: &[&["--api-version", "1.1"]],
    },
    Row {
        flag: "esb-version",
        made: &["--esb-version", "1.4.2"],
        same: &[],
        other: &[
            &["--esb-version", "1.4.3"],
            &["--esb-version", "latest"],
            &[],
        ],
    },
    Row {
        flag: "require",
        made: &["--require", "gateway=^1.4", "--require", "agent=>=1"],
        same: &[&["--require", "agent=>=1", "--require", "gateway=^1.4"]],
        other: &[
            &["--require", "gateway=^1.4"],
            &["--require", "gateway=^1.4", "--require", "agent=>=2"],
            &[],
        ],
    },
    Row {
        flag: "image-uri",
        made: &[],
        same: &[&["--image-uri", "Image=registry.example/server:3"]],
        other: &[&["--image-uri", "Image=registry.example/server:4"]],
    },
    Row {
        flag: "image-runtime",
        made: &["--image-runtime", "Image=nodejs22.x"],
        same: &[&["--image-runtime", "Image=nodejs20.x"]],
        other: &[&["--image-runtime", "Image=python3.12"], &[]],
    },
    Row {
        flag: "base",
        made: &["--base", "python=registry.example/python:1"],
        same: &[&["--base", "python3.12=registry.example/python:1"]],
        other: &[&["--base", "python=registry.example/python:2"], &[]],
    },
    Row {
        flag: "build-image",
        made: &["--build-image", "java=registry.example/java:1"],
        same: &[&["--build-image", "java=registry.example/java:2"], &[]],
        other: &[],
    },
    Row {
        flag: "secret-name",
        made: &[],
        same: &[&[
            "--secret-name",
            "secretsmanager:shop:SecretString:key=shop_key",
        ]],
        other: &[&[
            "--secret-name",
            "resolve:secretsmanager:shop:SecretString:key=KEY",
        ]],
    },
    Row {
        flag: "tag",
        made: &[],
        same: &[&["--tag", "latest"]],
        other: &[&["--tag", "v2"]],
    },
    Row {
        flag: "registry",
        made: &["--registry", "registry.example"],
        same: &[],
        other: &[&["--registry", "registry.example:5000"], &[]],
    },
    Row {
        flag: "no-stack-defaults",
        made: &[],
        same: &[],
        other: &[&["--no-stack-defaults"]],
    },
    Row {
        flag: "allow-unknown",
        made: &[],
        same: &[&["--allow-unknown"]],
        other: &[],
    },
    Row {
        flag: "bundle-manifest",
        made: &["--bundle-manifest"],
        same: &[],
        other: &[&[]],
    },
    Row {
        flag: "bundle-manifest",
        made: &[],
        same: &[],
        other: &[&["--bundle-manifest"]],
    },
];

/// Flags that are not about what the artifact is, or that `--check` refuses.
const ELSEWHERE: [&str; 17] = [
    "build-images",
    "check",
    "container-registry",
    "fallback-registry",
    "format",
    "help",
    "host-registry",
    "journal",
    "layer",
    "no-cache",
    "platform",
    "project-file",
    "quiet",
    "sam-build",
    "save-defaults",
    "strict-warnings",
    "verbose",
];

fn machine() -> Machine {
    let machine = Machine::fresh();
    for (path, text) in FILES {
        let path = machine.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    machine
}

fn generate(machine: &Machine, words: &[&str], more: &[&str]) -> Ran {
    machine.esb(&[&["artifact", "generate"], words, more].concat())
}

/// Every file and folder of the machine, with what it holds.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
            found.insert(path, Vec::new());
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn a_check_finds_what_each_flag_would_change_and_writes_nothing() {
    for Row {
        flag,
        made,
        same,
        other,
    } in ROWS
    {
        for (words, code) in same
            .iter()
            .map(|words| (words, 0))
            .chain(other.iter().map(|words| (words, 11)))
        {
            let at = format!("--{flag}: made with {made:?}, asked with {words:?}");
            let machine = machine();
            let ran = generate(&machine, made, &[]);
            assert_eq!(ran.code, 0, "{at}: {}", ran.stderr);
            let before = everything(&machine.work());
            assert_eq!(generate(&machine, made, &["--check"]).code, 0, "{at}");
            let ran = generate(&machine, words, &["--check"]);
            assert_eq!(ran.code, code, "{at}: {}{}", ran.stdout, ran.stderr);
            assert_eq!(everything(&machine.work()), before, "{at}");
            assert_eq!(generate(&machine, words, &[]).code, 0, "{at}");
            assert_eq!(generate(&machine, words, &["--check"]).code, 0, "{at}");
        }
    }
}

#[test]
fn every_flag_of_generate_has_a_row() {
    let help = Machine::fresh().esb(&["artifact", "generate", "--help"]);
    let flags: BTreeSet<&str> = help
        .stdout
        .lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .filter_map(|line| line.split_once("--")?.1.split([' ', '.']).next())
        .collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.flag).chain(ELSEWHERE).collect();
    assert_eq!(flags, rows);
}

/// The template, the code and the files of parameters count as they are today.
#[rstest]
#[case::template(
    "template.yaml",
    "# a comment: the manifest has the template's digest\n"
)]
#[case::code("hello/app.py", "# changed\n")]
#[case::hook("hooks/preload.js", "// changed\n")]
#[case::parameters("dev.env", "Owner=somebody\n")]
fn a_check_reads_the_files_of_today(#[case] file: &str, #[case] more: &str) {
    let machine = machine();
    let words = ["--parameters-file", "dev.env"];
    assert_eq!(generate(&machine, &words, &[]).code, 0);
    assert_eq!(generate(&machine, &words, &["--check"]).code, 0);
    let path = machine.work().join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + more).unwrap();
    assert_eq!(generate(&machine, &words, &["--check"]).code, 11);
}
