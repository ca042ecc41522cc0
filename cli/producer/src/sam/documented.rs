//! The tables of `docs/guide/producer.md`, made from the lists that the code reads by. `SNAPSHOTS=overwrite` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::property::{Properties, Support};
use super::{bucket, event, function, globals, layer, table, trigger, types};
use crate::intrinsics::{FUNCTIONS, PSEUDO};
use crate::report::TemplateRule;
use crate::template::{Kind, NESTED, REFUSED};
use crate::testing::check_page;

const PAGE: &str = "docs/guide/producer.md";
const MAKER: &str = "cli/producer/src/sam/documented.rs";

/// Functions of conditions.
pub(super) const CONDITIONS: [&str; 5] =
    ["Condition", "Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or"];

/// Everything that has a list of properties.
pub(super) fn all() -> Vec<&'static Properties> {
    let mut all = vec![
        &function::properties::SERVERLESS,
        &function::properties::LAMBDA,
        &function::properties::METADATA,
        &function::properties::LAYER_METADATA,
        &layer::SERVERLESS,
        &layer::LAMBDA,
        &table::properties::TABLE,
        &table::properties::SIMPLE,
        &bucket::PROPERTIES,
    ];
    all.push(&event::EVENT);
    all.extend(event::TYPES);
    all
}

#[test]
fn the_documented_properties_are_those_of_the_code() {
    let mut made = String::new();
    for properties in all() {
        let title = properties.of.trim_matches('`');
        let title = if event::TYPES.iter().any(|known| known.of == properties.of) {
            format!("Event `{title}`")
        } else if title.starts_with("AWS::") {
            format!("`{title}`")
        } else {
            properties.of.to_owned()
        };
        write!(made, "\n### {title}\n\n| property | | |\n|---|---|---|\n").unwrap();
        for property in properties.list {
            let (path, word, says) = (property.path, property.support.word(), property.says);
            writeln!(made, "| `{path}` | {word} | {says} |").unwrap();
        }
    }
    made.push('\n');
    check_page(PAGE, MAKER, "properties", &made);
}

#[test]
fn the_documented_types_are_those_of_the_code() {
    let mut made = String::from("\n| type of resource | |\n|---|---|\n");
    for kind in Kind::ALL {
        let attributes = kind.attributes().join("`, `");
        writeln!(
            made,
            "| `{}` | read; `Fn::GetAtt`: `{attributes}` |",
            kind.name()
        )
        .unwrap();
    }
    for (name, says) in trigger::TYPES {
        writeln!(made, "| `{name}` | read for what calls functions: {says} |").unwrap();
    }
    for name in NESTED {
        writeln!(made, "| `{name}` | read: a template beside this one |").unwrap();
    }
    for (name, why) in types::NO_EFFECT {
        writeln!(made, "| `{name}` | no effect: {why} |").unwrap();
    }
    for (name, why) in types::LEFT_OUT {
        writeln!(made, "| `{name}` | left out: {why} |").unwrap();
    }
    made.push_str("| every other | left out |\n\n| type of event | |\n|---|---|\n");
    for properties in event::TYPES {
        writeln!(made, "| `{}` | read |", properties.of).unwrap();
    }
    let others = event::LEFT_OUT.join("`, `");
    writeln!(made, "| `{others}`, and every other | left out |").unwrap();
    made.push_str("\n| word of a resource | |\n|---|---|\n");
    for (name, says) in types::ATTRIBUTES {
        writeln!(made, "| `{name}` | {says} |").unwrap();
    }
    made.push_str("\n| section of `Globals` | |\n|---|---|\n");
    for name in globals::READ {
        writeln!(
            made,
            "| `{name}` | read: mappings merge, lists append, the rest is overridden |"
        )
        .unwrap();
    }
    writeln!(
        made,
        "| `{}` | `{}` are read: a warning when no function answers preflight requests. `Auth` is left out, the rest has no effect |",
        globals::APIS.join("`, `"),
        globals::PREFLIGHT.join("` and `"),
    )
    .unwrap();
    writeln!(
        made,
        "| `{}` | left out |\n",
        globals::LEFT_OUT.join("`, `")
    )
    .unwrap();
    check_page(PAGE, MAKER, "types", &made);
}

#[test]
fn the_documented_functions_are_those_of_the_code() {
    let mut made = String::from("\n| function | |\n|---|---|\n");
    writeln!(made, "| `{}` | read |", FUNCTIONS.join("`, `")).unwrap();
    writeln!(
        made,
        "| `{}` | read in `Conditions` |",
        CONDITIONS.join("`, `")
    )
    .unwrap();
    for (name, instead) in REFUSED {
        writeln!(made, "| `{name}` | refused: {instead} |").unwrap();
    }
    writeln!(
        made,
        "| `{}` | read, by `Ref` and `Fn::Sub` |\n",
        PSEUDO.join("`, `")
    )
    .unwrap();
    check_page(PAGE, MAKER, "functions", &made);
}

#[test]
fn the_documented_rules_are_those_of_the_code() {
    let mut made = String::from("\n| rule | level | says |\n|---|---|---|\n");
    for rule in TemplateRule::ALL {
        let (level, says) = rule.meaning();
        writeln!(made, "| `{}` | {level} | {says} |", rule.name()).unwrap();
    }
    made.push('\n');
    check_page(PAGE, MAKER, "rules", &made);
}

#[test]
fn every_list_of_properties_is_sorted_and_whole() {
    for properties in all() {
        let paths: Vec<&str> = properties
            .list
            .iter()
            .map(|property| property.path)
            .collect();
        let sorted: Vec<&str> = paths
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(paths, sorted, "{}", properties.of);
        for property in properties.list {
            if let Some((parent, _)) = property.path.rsplit_once('.') {
                let parent = properties.find(parent).expect("its mapping is there");
                assert_eq!(parent.support, Support::Read, "{}", property.path);
            }
        }
    }
}
