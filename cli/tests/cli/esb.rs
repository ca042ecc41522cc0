//! `esb` from outside, without an engine: artifacts that are made, compared and refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rstest::rstest;
use serde_json::Value;

use crate::support::{ESB, Machine, copy, workspace};

/// How `docs/guide/producer.md` says that the artifact of the tests is made, from the root of the workspace.
const REGENERATE: &str = "cargo run -p artifactctl --bin esb -- artifact generate --template fixtures/sam/shop.yaml \
     --output fixtures/shop --registry registry:5000 --require gateway='>=1.4, <2'";

/// Makes the artifact of that template.
pub(crate) const SHOP: [&str; 6] = [
    "artifact",
    "generate",
    "--template",
    "sam/shop.yaml",
    "--output",
    "shop",
];

/// A machine that has the template of the tests.
pub(crate) fn with_shop() -> Machine {
    let machine = Machine::fresh();
    copy(
        &workspace().join("fixtures/sam"),
        &machine.work().join("sam"),
    );
    machine
}

/// Every file below a folder with mode and content, as text.
fn listing(folder: &Path) -> String {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read_to_string(&path).unwrap();
                let mode = meta.permissions().mode();
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                lines.push(format!("{name} {mode:o}\n{content}"));
            }
        }
    }
    lines.sort();
    lines.concat()
}

#[test]
fn the_artifact_of_the_tests_is_what_its_template_gives() {
    let documented = fs::read_to_string(workspace().join("docs/guide/producer.md")).unwrap();
    assert!(documented.contains(REGENERATE), "{REGENERATE}");
    let arguments = REGENERATE.split_once(" -- ").unwrap().1;
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("\"$0\" {arguments} --check"))
        .arg(ESB.1)
        .current_dir(workspace())
        .status()
        .unwrap();
    assert!(status.success(), "make it anew with `{REGENERATE}`");
}

#[test]
fn an_artifact_is_made_twice_byte_for_byte_and_is_current_then() {
    let machine = with_shop();
    let first = machine.esb(&SHOP);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let made = listing(&machine.work().join("shop"));
    fs::remove_dir_all(machine.work().join("shop")).unwrap();
    assert_eq!(machine.esb(&SHOP).code, 0);
    assert_eq!(listing(&machine.work().join("shop")), made);
    let check = machine.esb(&[&SHOP[..], &["--check"]].concat());
    assert_eq!(
        (check.code, check.stdout.as_str()),
        (0, "shop is current\n")
    );
}

#[test]
fn what_the_applier_says_of_a_generated_artifact_is_that_it_is_valid() {
    let machine = with_shop();
    assert_eq!(machine.esb(&SHOP).code, 0);
    for command in [
        &["manifest", "validate", "--artifact", "shop/artifact.yml"][..],
        &[
            "manifest",
            "sync-ids",
            "--check",
            "--artifact",
            "shop/artifact.yml",
        ],
    ] {
        let ran = machine.run(command);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn what_differs_is_named_and_nothing_is_written() {
    let machine = with_shop();
    assert_eq!(machine.esb(&SHOP).code, 0);
    let shop = machine.work().join("shop/shop");
    fs::write(shop.join("functions/shop-stock/src/app.py"), "changed").unwrap();
    fs::remove_file(shop.join("config/routing.yml")).unwrap();
    fs::write(shop.join("stray"), "").unwrap();
    let bootstrap = shop.join("functions/shop-hello-dev/src/bootstrap");
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o644)).unwrap();
    let before = listing(&machine.work().join("shop"));

    let ran = machine.esb(&[&SHOP[..], &["--check"]].concat());

    assert_eq!(ran.code, 11, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "shop/config/routing.yml is missing\n\
         shop/functions/shop-hello-dev/src/bootstrap differs\n\
         shop/functions/shop-stock/src/app.py differs\n\
         shop/stray does not belong there\n\
         shop is not what the templates give: 4 differences\n"
    );
    assert_eq!(listing(&machine.work().join("shop")), before);
}

#[test]
fn a_folder_that_is_no_artifact_is_never_replaced() {
    let machine = with_shop();
    let precious = machine.work().join("shop");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.txt"), "years of work").unwrap();

    let ran = machine.esb(&SHOP);

    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("`thesis.txt`"), "{}", ran.stderr);
    assert_eq!(listing(&precious), "thesis.txt 100644\nyears of work");
    let left: Vec<_> = fs::read_dir(machine.work()).unwrap().collect();
    assert_eq!(left.len(), 2, "no draft stays behind: {left:?}");
}

#[test]
fn a_failed_run_leaves_the_artifact_as_it_was() {
    let machine = with_shop();
    assert_eq!(machine.esb(&SHOP).code, 0);
    let before = listing(&machine.work().join("shop"));
    fs::remove_file(machine.work().join("sam/hello/bootstrap")).unwrap();
    fs::write(machine.work().join("sam/hello/other"), "").unwrap();

    let ran = machine.esb(&SHOP);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("needs `bootstrap`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("sam/shop.yaml:"), "{}", ran.stderr);
    assert_eq!(listing(&machine.work().join("shop")), before);
}

#[rstest]
#[case::no_template(&["--template", "none.yaml"], 2, "cannot read the template `none.yaml`: `[MACHINE]/here/none.yaml` does not exist")]
#[case::template_is_a_folder(&["--template", "sam"], 2, "it is not a file")]
#[case::unknown_parameter(&["--parameter", "Stge=dev"], 2, "did you mean `Stage`?")]
#[case::no_assignment(&["--parameter", "Stage"], 2, "NAME=VALUE")]
#[case::not_allowed(&["--parameter", "Stage=moon"], 3, "Stage")]
#[case::no_range(&["--require", "gateway=new"], 2, "no range of versions")]
#[case::no_function(&["--image-uri", "nobody=x:1"], 2, "`nobody`, which no template has")]
#[case::no_image_function(&["--image-uri", "shop-stock=x:1"], 2, "no image function")]
#[case::no_registry(&["--registry", "Bad Host"], 2, "the images cannot be named")]
#[case::no_runtime(&["--image-runtime", "shop-stock=cobol"], 2, "`cobol`")]
fn a_bad_command_line_has_its_exit_code_and_writes_nothing(
    #[case] more: &[&str],
    #[case] code: i32,
    #[case] words: &str,
) {
    let machine = with_shop();
    let ran = machine.esb(&[&SHOP[..], more].concat());
    assert_eq!(ran.code, code, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    assert!(!machine.work().join("shop").exists());
}

#[test]
fn a_missing_parameter_is_asked_for_at_a_terminal_only() {
    let machine = with_shop();
    let text = fs::read_to_string(machine.work().join("sam/shop.yaml")).unwrap();
    let text = text.replace("    Default: dev\n", "    Description: Which stage\n");
    fs::write(machine.work().join("sam/shop.yaml"), text).unwrap();

    let ran = machine.esb(&SHOP);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Stage (String): Which stage"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("hint: add `--parameter Stage=VALUE`\n"),
        "{}",
        ran.stderr
    );
    let ran = machine.esb(&[&SHOP[..], &["--parameter", "Stage=dev"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_link_out_of_the_code_is_refused_and_one_within_is_kept() {
    let machine = with_shop();
    let hello = machine.work().join("sam/hello");
    symlink("bootstrap", hello.join("inside")).unwrap();
    assert_eq!(machine.esb(&SHOP).code, 0);
    let kept = machine
        .work()
        .join("shop/shop/functions/shop-hello-dev/src/inside");
    assert_eq!(fs::read_link(kept).unwrap(), Path::new("bootstrap"));
    // Out and in again is out: a copy has no such folder.
    for target in [
        "/etc/hostname",
        "../stock/app.py",
        "../hello/bootstrap",
        "nothing",
    ] {
        symlink(target, hello.join("other")).unwrap();
        let ran = machine.esb(&SHOP);
        assert_eq!(ran.code, 3, "{target}: {}", ran.stderr);
        assert!(ran.stderr.contains("hello/other"), "{}", ran.stderr);
        fs::remove_file(hello.join("other")).unwrap();
    }
}

#[rstest]
#[case::no_archive(b"no archive".as_slice(), "cannot unpack `sam/hello.zip`: it is no zip archive that this tool reads: ")]
#[case::empty(
    b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    "its code in `hello.zip` has no files"
)]
fn a_bad_archive_is_refused_where_its_function_names_it(
    #[case] archive: &[u8],
    #[case] problem: &str,
) {
    let machine = with_shop();
    let template = machine.work().join("sam/shop.yaml");
    let text = fs::read_to_string(&template).unwrap();
    fs::write(
        &template,
        text.replace("CodeUri: hello/", "CodeUri: hello.zip"),
    )
    .unwrap();
    fs::write(machine.work().join("sam/hello.zip"), archive).unwrap();

    let ran = machine.esb(&SHOP);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let place = "sam/shop.yaml:30:7";
    assert!(ran.stderr.contains(place), "{}", ran.stderr);
    assert!(ran.stderr.contains(problem), "{}", ran.stderr);
    assert!(!machine.work().join("shop").exists());
}

#[test]
fn two_environments_of_a_project_share_no_image() {
    let machine = with_shop();
    let images = |env: &str| -> Vec<String> {
        let words = ["--project", "shop", "--env", env, "--registry", "reg:5000"];
        let ran = machine.esb(&[&SHOP[..], &words].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let path = machine.work().join("shop/shop/config/functions.yml");
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| line.contains("image: "));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let (dev, staging) = (images("dev"), images("staging"));
    assert_eq!(dev.len(), 2, "{dev:?}");
    for image in &dev {
        assert!(image.contains("reg:5000/shop/dev/"), "{image}");
        assert!(!staging.contains(image), "{image}");
    }
}

#[test]
fn the_value_of_a_secret_parameter_is_in_no_file_and_no_output() {
    const SECRET: &str = "canary-5f1c0e";
    let machine = with_shop();
    let text = fs::read_to_string(machine.work().join("sam/shop.yaml")).unwrap();
    let text = text
        .replace(
            "Parameters:\n",
            "Parameters:\n  Password:\n    Type: String\n    NoEcho: true\n",
        )
        .replace(
            "          TABLE: !Ref Items\n",
            "          TABLE: !Ref Items\n          DB: !Ref Password\n          URL: !Sub \"db://u:${Password}@h/$5\"\n",
        );
    fs::write(machine.work().join("sam/shop.yaml"), text).unwrap();
    fs::write(
        machine.work().join("values.env"),
        format!("Password={SECRET}\n"),
    )
    .unwrap();
    for more in [
        &["--bundle-manifest", "--format", "json", "-vvv"][..],
        &["--bundle-manifest", "--check", "-vvv"],
    ] {
        let file = ["--parameters-file", "values.env"];
        let ran = machine.esb(&[&SHOP[..], &file, more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET));
    }
    // Nobody needs to know it where the artifact is made.
    let ran = machine.esb(&[&SHOP[..], &["--bundle-manifest", "--check"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let made = listing(&machine.work().join("shop"));
    assert!(!made.contains(SECRET));
    assert!(
        made.contains("      DB: |2-\n        ${Password}\n")
            && made.contains("      URL: |2-\n        db://u:${Password}@h/$$5\n"),
        "{made}"
    );
    assert!(
        made.contains("required_secret_env:\n      - Password\n"),
        "{made}"
    );
}

/// Wherever a secret stands that would be written down, the error names the parameter and no character of its value.
#[rstest]
#[case::name("FunctionName: !Ref Password")]
#[case::part_of_a_name("FunctionName: !Sub \"shop-${Password}\"")]
#[case::handler("Handler: !Join [\".\", [app, !Ref Password]]")]
#[case::runtime("Runtime: !Ref Password")]
#[case::timeout("Timeout: !Ref Password")]
#[case::code("CodeUri: !Sub \"hello/${Password}\"")]
#[case::architecture("Architectures: [!Ref Password]")]
#[case::variable("Environment: { Variables: { URL: {\"Fn::Base64\": !Ref Password} } }")]
#[case::map_key("MemorySize: !FindInMap [Sizes, !Ref Password, a]")]
#[case::list_index("Timeout: !Select [!Ref Password, [1, 2]]")]
#[case::import("Handler: !ImportValue {\"Fn::Sub\": \"${Password}\"}")]
#[case::encoded("Handler: {\"Fn::Base64\": !Ref Password}")]
#[case::path(
    "Events: { Get: { Type: Api, Properties: { Path: !Sub \"/${Password}\", Method: get } } }"
)]
#[case::schedule("Events: { At: { Type: Schedule, Properties: { Schedule: !Ref Password } } }")]
fn the_value_of_a_secret_parameter_is_in_no_error(#[case] property: &str) {
    const SECRET: &str = "canary-5f1c0e";
    let machine = Machine::fresh();
    let template = format!(
        "Parameters:\n  Password: {{ Type: String, NoEcho: true }}\nMappings:\n  Sizes: {{ x: {{ a: 1 }} }}\nResources:\n  Hello:\n    \
         Type: AWS::Serverless::Function\n    Properties:\n      {property}\n"
    );
    let rest = [
        "Runtime: python3.12",
        "Handler: app.handler",
        "CodeUri: hello/",
    ];
    let key = |line: &str| line.split(':').next().unwrap().to_owned();
    let rest = rest.iter().filter(|line| key(line) != key(property));
    let rest: Vec<String> = rest.map(|line| format!("      {line}\n")).collect();
    fs::write(machine.work().join("t.yaml"), template + &rest.concat()).unwrap();
    fs::write(
        machine.work().join("values.env"),
        format!("Password={SECRET}\n"),
    )
    .unwrap();
    fs::create_dir(machine.work().join("hello")).unwrap();
    fs::write(machine.work().join("hello/app.py"), "").unwrap();
    let words = [
        "artifact",
        "generate",
        "--template",
        "t.yaml",
        "--parameters-file",
        "values.env",
    ];
    for more in [&[][..], &["-vvv", "--format", "json"]] {
        let ran = machine.esb(&[&words[..], more].concat());
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("Password"), "{}", ran.stderr);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(SECRET), "{text}");
            assert!(!text.contains("Y2FuYXJ5LTVmMWMwZQ"), "{text}");
        }
    }
    assert!(!machine.work().join("artifact").exists());
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let machine = with_shop();
    let places = [&["--manifest", "elsewhere/a.yml"][..], &[]];
    for more in places {
        let generate = || {
            let ran = machine.esb(&[&SHOP[..], &["--format", "json"], more].concat());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            serde_json::from_str::<Value>(&ran.stdout).unwrap()["written"] == true
        };
        let file = machine.work().join("shop/shop/config/functions.yml");
        assert!(generate());
        let written = fs::metadata(&file).unwrap().ino();
        assert!(!generate());
        assert_eq!(fs::metadata(&file).unwrap().ino(), written);
        let left = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains(".esb-");
        let beside = fs::read_dir(machine.work()).unwrap().map(Result::unwrap);
        assert_eq!(beside.filter(left).count(), 0);
        fs::write(&file, "edited: by hand\n").unwrap();
        assert!(generate());
        let restored = fs::read_to_string(&file).unwrap();
        assert!(!restored.contains("by hand"), "{restored}");
    }
    let ran = machine.esb(&SHOP);
    assert!(ran.stdout.starts_with("unchanged "), "{}", ran.stdout);
}

#[test]
fn several_templates_give_one_manifest() {
    let machine = with_shop();
    let sam = machine.work().join("sam");
    fs::create_dir(sam.join("more")).unwrap();
    fs::write(
        sam.join("more/shop.yaml"),
        "Resources:\n  Files:\n    Type: AWS::S3::Bucket\n    Properties: {BucketName: files}\n",
    )
    .unwrap();
    let ran = machine.esb(
        &[
            &SHOP[..],
            &[
                "--template",
                "sam/more/shop.yaml",
                "--manifest",
                "elsewhere/a.yml",
                "--format",
                "json",
            ],
        ]
        .concat(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(said["type"], "generated");
    assert_eq!(said["entries"].as_array().unwrap().len(), 2);
    assert!(!machine.work().join("shop/artifact.yml").exists());
    let manifest = fs::read_to_string(machine.work().join("elsewhere/a.yml")).unwrap();
    assert!(
        manifest.contains("artifact_root: ../shop/shop\n"),
        "{manifest}"
    );
    assert!(
        manifest.contains("artifact_root: ../shop/shop-2\n"),
        "{manifest}"
    );
    let valid = machine.run(&["manifest", "validate", "--artifact", "elsewhere/a.yml"]);
    assert_eq!(valid.code, 0, "{}", valid.stderr);
}

#[test]
fn applying_is_the_same_as_the_appliers() {
    let machine = with_shop();
    assert_eq!(machine.esb(&SHOP).code, 0);
    let apply = [
        "--artifact",
        "shop/artifact.yml",
        "--out",
        "out",
        "--container-registry",
        "registry:5000",
    ];
    let ours = machine.esb(&[&["artifact", "apply"][..], &apply].concat());
    let theirs = machine.run(&[&["deploy"][..], &apply].concat());
    assert_eq!((ours.code, theirs.code), (9, 9), "{}", ours.stderr);
    let deploy = machine.esb(&[
        "deploy",
        "--template",
        "sam/shop.yaml",
        "--output",
        "shop",
        "--out",
        "out",
        "--container-registry",
        "registry:5000",
    ]);
    assert_eq!(deploy.code, 9, "{}", deploy.stderr);
    assert!(
        deploy.stderr.contains("the stack cannot be seen"),
        "{}",
        deploy.stderr
    );
    let history = machine.run(&["history"]);
    assert!(history.stdout.contains("esb-dev/dev"), "{}", history.stdout);
}
