//! What is asked of fields.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use journal::transfer::{self, Whole};
use rstest::rstest;
use serde_json::{Value, json};

use super::super::{TimedEvent, fields};
use super::{carrying, image, mismatch, pattern};
use crate::machine::{Event, payload_json};

fn observed(versions: &[(&str, Option<&str>)]) -> TimedEvent {
    let container = |(service, version): &(&str, Option<&str>)| {
        let version = version.map(|value| json!({"value": value, "source": "esb_label"}));
        json!({"service": service, "version": version, "tag": "1"})
    };
    let containers: Vec<Value> = versions.iter().map(container).collect();
    let engine = json!({"version": "20.10.24+dfsg1", "api_version": "1.41"});
    let payload = json!({"observation": {"containers": containers, "engine": engine}});
    carrying("Observed", payload)
}

#[rstest]
#[case::at_least("gateway.version >= 1.4", true)]
#[case::partial("gateway.version = 1.4", true)]
#[case::partial_other("gateway.version != 1.4", false)]
#[case::newer("gateway.version > 1.4", false)]
#[case::numbers_and_not_texts("gateway.version < 1.10", true)]
#[case::exact("gateway.version = v1.4.2", true)]
#[case::every_container("agent.version >= 1.3", false)]
#[case::every_container_is("agent.version >= 1.2", true)]
#[case::unknown("provisioner.version >= 0.1", false)]
#[case::unknown_is_nothing("provisioner.version = null", true)]
#[case::no_such_service("runtime-node.version != 1.0", false)]
#[case::engine("observation.engine.version >= 20.10", true)]
#[case::partial_found("observation.engine.api_version >= 1.40", true)]
#[case::any_container("observation.containers.version.value = 1.2", true)]
fn versions_are_compared_as_semver_has_it(#[case] predicate: &str, #[case] holds: bool) {
    let event = observed(&[
        ("gateway", Some("v1.4.2")),
        ("agent", Some("1.3.0")),
        ("agent", Some("1.2.9")),
        ("provisioner", None),
    ]);
    let compared = pattern(&format!("Observed[{predicate}]")).compare(&[event]);
    assert_eq!(compared.is_ok(), holds, "{compared:?}");
}

#[rstest]
#[case("Merged[changes.added>0]", true)]
#[case("Merged[changes.added = 2]", true)]
#[case("Merged[changes.added=\"functions/orders\"]", true)]
#[case("Merged[changes.added=functions/stock]", false)]
#[case("Merged[changes.added!=functions/stock]", true)]
#[case("Merged[changes.added!=functions/orders]", false)]
#[case("Merged[changes.removed=0, warnings=0]", true)]
#[case("Merged[files.functions=sha256:aa]", true)]
#[case("Merged[files=1]", true)]
#[case("Merged[images.document.count >= 2]", false)]
#[case("Merged[images.document = null]", true)]
#[case("Merged[actor=\"mori@build-7\", attempt=1]", true)]
#[case("_[attempt>1]", false)]
#[case("!Merged[changes.added>5]", true)]
fn lists_are_compared_by_length_or_by_what_is_in_them(#[case] text: &str, #[case] holds: bool) {
    let changes = json!({"added": ["functions/orders", "routes/GET /orders"], "removed": []});
    let images = json!({"stated": ["orders"]});
    let payload = json!({"changes": changes, "warnings": [], "images": images, "files": {"functions": "sha256:aa"}});
    let compared = pattern(text).compare(&[carrying("Merged", payload)]);
    assert_eq!(compared.is_ok(), holds, "{compared:?}");
}

#[rstest]
#[case("function=orders", true)]
#[case("function!=orders", false)]
#[case("reused=false", true)]
#[case("reused!=false", false)]
#[case("source=built", true)]
#[case("assembled=false", true)]
#[case("duration_ms<5000", true)]
#[case("duration_ms>=4999.5", false)]
fn an_image_is_asked_for_its_function_and_how_it_came_about(
    #[case] predicate: &str,
    #[case] holds: bool,
) {
    let compared =
        pattern(&format!("ImageBuilt[{predicate}]")).compare(&[image("orders", "built", 4000)]);
    assert_eq!(compared.is_ok(), holds, "{compared:?}");
}

#[test]
fn what_was_found_is_named() {
    let event = observed(&[("gateway", Some("1.3.9"))]);
    let text = "Observed[gateway.version>=1.4, agent.version>=1]";
    let found = mismatch(pattern(text).compare(&[event]).unwrap_err());
    let reasons = [
        "`agent.version` is nothing that runs",
        "`gateway.version` is `1.3.9`",
    ];
    assert_eq!(found.reasons, reasons);
}

/// What a payload holds, as paths. Names below a `*` of the list are any.
fn leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push(name.clone());
                found.push(path.clone());
                leaves(value, path, found);
                path.pop();
            }
        }
        Value::Array(values) => {
            for value in values {
                leaves(value, path, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every field of every frozen journal can be asked for, of whichever schema it is.
#[rstest]
fn every_field_that_was_ever_recorded_can_be_asked_for(
    #[files("../fixtures/journals/v*/deploy-*.jsonl")]
    #[files("../fixtures/journals/v*/target-*.jsonl")]
    path: PathBuf,
) {
    let mut unknown = Vec::new();
    transfer::check_each(BufReader::new(File::open(&path).unwrap()), |whole| {
        let Whole::Event(event) = whole else { return };
        let header = &event.header;
        let payload = payload_json(&header.kind, header.schema, &event.payload).unwrap();
        let mut found = Vec::new();
        leaves(&payload, &mut Vec::new(), &mut found);
        unknown.extend(found.into_iter().filter(|path| {
            let mut listed = fields::of_kind(&header.kind).iter();
            // What is owned is said in full by schema 1 only, key by key.
            path[0] != "ownership" && !listed.any(|(listed, _)| fields::fits(listed, path))
        }));
    })
    .unwrap();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_kind_has_a_field() {
    for kind in Event::KINDS {
        assert!(!fields::of_kind(kind).is_empty(), "{kind}");
    }
}
