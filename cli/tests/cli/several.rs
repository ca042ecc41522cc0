//! Which templates a run of `esb` takes, and what several of them have to do with each other.

use std::fs;

use crate::support::Machine;

#[test]
fn a_template_that_nobody_names_is_the_one_in_the_current_folder_and_none_above() {
    const BUCKET: &str = "Resources: {Files: {Type: AWS::S3::Bucket}}\n";
    let machine = Machine::fresh();
    let above = machine.work().join("../template.yaml");
    fs::write(above, BUCKET).unwrap();
    let generate = ["artifact", "generate"];

    let none = machine.esb(&generate);
    assert_eq!(none.code, 2, "{}", none.stderr);
    assert!(none.stderr.contains("--template PATH"), "{}", none.stderr);
    fs::write(machine.work().join("template.yml"), BUCKET).unwrap();
    let one = machine.esb(&generate);
    assert_eq!(one.code, 0, "{}", one.stderr);
    fs::write(machine.work().join("template.json"), "{}").unwrap();
    let several = machine.esb(&generate);
    assert_eq!(several.code, 2, "{}", several.stderr);
    assert!(several.stderr.contains("has several"), "{}", several.stderr);
}

/// The lines of the manifest that say which entry is where, sorted.
fn entries(machine: &Machine) -> Vec<String> {
    let manifest = fs::read_to_string(machine.work().join("artifact/artifact.yml")).unwrap();
    let entries = manifest.split("  - artifact_root: ").skip(1);
    let mut entries: Vec<String> = entries
        .map(|entry| entry.split("env: ").next().unwrap().to_owned())
        .collect();
    entries.sort();
    entries
}

#[test]
fn the_order_of_templates_changes_nothing_but_the_order_of_entries() {
    let machine = Machine::fresh();
    for folder in ["a", "b"] {
        let text = format!(
            "Parameters:\n  Stage: {{Type: String, Default: x}}\n  Only{folder}: {{Type: String, Default: x}}\n\
             Resources:\n  Fn:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: .\n      Handler: a.b\n      \
             Runtime: python3.12\n      Events: {{Get: {{Type: Api, Properties: {{Path: /x, Method: GET}}}}}}\n  \
             Items: {{Type: AWS::Serverless::SimpleTable}}\n"
        );
        let folder = machine.work().join(folder);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("template.yaml"), text).unwrap();
        fs::write(folder.join("a.py"), "").unwrap();
    }
    let values = ["--parameter", "Stage=dev", "--parameter", "Onlya=1"];
    let generate = |first: &str, second: &str| {
        let templates = [
            "artifact",
            "generate",
            "--template",
            first,
            "--template",
            second,
        ];
        let ran = machine.esb(&[&templates[..], &values].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (entries(&machine), ran.stderr)
    };

    let (forth, warned) = generate("a/template.yaml", "b/template.yaml");
    let (back, _) = generate("b/template.yaml", "./a/template.yaml");

    assert_eq!(forth, back);
    assert!(forth[0].contains("Onlya: \"1\""), "{forth:?}");
    assert!(
        forth[1].contains("Stage: dev") && !forth[1].contains("Onlya"),
        "{forth:?}"
    );
    for shared in ["function `Fn`", "route `GET /x`", "table `Items`"] {
        let line = format!("{shared}: it stands in the place of the one of `a/template.yaml`");
        assert!(warned.contains(&line), "{warned}");
    }
    let twice = [
        "artifact",
        "generate",
        "--template",
        "a/template.yaml",
        "--template",
        "./a/template.yaml",
    ];
    let ran = machine.esb(&twice);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`a/template.yaml` twice"),
        "{}",
        ran.stderr
    );
}
