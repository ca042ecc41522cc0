//! Nothing of a template is dropped silently, proved from outside: every key and every item of every template of the fixtures is
//! replaced by nonsense, and taken out, and each time the model or the report has to show it. Only what the report names already,
//! or what is listed here, may be without a trace.

use std::collections::BTreeSet;
use std::path::Path;

use engine::yaml::{self, Entry, Map, Node, ParseLimits, Span, Value};

use super::golden::{folders, input_of, shown, template_of};
use super::report::Report;
use super::sam;
use super::template::{Template, is_call, shorthand};

/// What may be nonsense without a trace: a pattern of its path (`*` is one key or item), and why.
const UNREAD: [(&str, &str); 1] = [("Mappings/*/*", "a row that nothing asks for in this run")];

/// What may be taken out without a trace besides, and why.
const CHECKS_AND_DEFAULTS: [(&str, &str); 35] = [
    ("AWSTemplateFormatVersion", "a check"),
    ("Transform", "a check"),
    ("Transform/*", "a check"),
    ("Parameters/*/AllowedPattern", "a check"),
    ("Parameters/*/AllowedValues", "a check"),
    ("Parameters/*/AllowedValues/*", "a check"),
    ("Parameters/*/ConstraintDescription", "of a check"),
    ("Parameters/*/Default", "a value was given"),
    ("Parameters/*/MaxLength", "a check"),
    ("Parameters/*/MaxValue", "a check"),
    ("Parameters/*/MinLength", "a check"),
    ("Parameters/*/MinValue", "a check"),
    ("Mappings/*/*/*", "of a row that nothing asks for"),
    ("Mappings/*/*/*/*", "of a row that nothing asks for"),
    ("Resources/*/Condition", "it holds"),
    ("Resources/*/Properties/Architectures", "as without it"),
    ("Resources/Configured/Properties/CodeUri", "as without it"),
    (
        "Resources/*/Properties/FunctionUrlConfig/AuthType",
        "as without it",
    ),
    ("Resources/Model/Metadata/Dockerfile", "as without it"),
    ("Resources/Zip/Metadata/Dockerfile", "as without it"),
    ("Resources/Zip/Metadata/DockerContext", "as without it"),
    (
        "Resources/Greeter/Metadata/BuildProperties/Minify",
        "as without it",
    ),
    ("Resources/Worker/Properties/Handler", "as without it"),
    ("Resources/Image/Metadata/Dockerfile", "as without it"),
    ("Resources/Rust/Properties/Handler", "as without it"),
    (
        "Resources/Front/Properties/Events/Rest/Properties/Method",
        "as without it",
    ),
    (
        "Resources/Always/Properties/Environment/Variables/GONE",
        "it is `AWS::NoValue`",
    ),
    (
        "Resources/Always/Properties/ReservedConcurrentExecutions",
        "it is `AWS::NoValue`",
    ),
    ("Resources/Uses/Properties/Layers/1", "it is `AWS::NoValue`"),
    (
        "Resources/Cleaner/Properties/Events/Morning/Properties/State",
        "as without it",
    ),
    (
        "Resources/Site/Properties/Events/*",
        "two that ask for the same",
    ),
    (
        "Resources/Site/Properties/Events/*/Properties",
        "as without it",
    ),
    (
        "Resources/Site/Properties/Events/*/Properties/Path",
        "as without it",
    ),
    (
        "Resources/Uploads/Properties/LifecycleConfiguration/Rules/*/*/*",
        "the same",
    ),
    (
        "Resources/Uploads/Properties/LifecycleConfiguration/Rules/*/*",
        "of a rule that is left out, which the report says at what cannot be read of it",
    ),
];

/// A way into a tree: keys and positions.
type Way = Vec<Step>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

/// A template and what it gives.
struct Subject {
    name: String,
    file: &'static str,
    text: String,
    tree: Node,
    folder: std::path::PathBuf,
}

impl Subject {
    /// None for a template that is refused: everything is wrong about it already.
    fn of(folder: &Path) -> Option<(Self, Report, String)> {
        let (file, text) = template_of(folder);
        let tree = yaml::parse_shorthand(&text, &ParseLimits::default(), shorthand).ok()?;
        let subject = Self {
            name: folder.file_name()?.to_string_lossy().into_owned(),
            file,
            text,
            tree,
            folder: folder.to_owned(),
        };
        let (report, outcome) = subject.outcome(subject.tree.clone());
        (!report.is_fatal()).then_some((subject, report, outcome))
    }

    /// What a tree gives: its report, and the whole of it as text.
    fn outcome(&self, tree: Node) -> (Report, String) {
        let template = match Template::of(self.file, &self.text, tree) {
            Ok(template) => template,
            Err(report) => return (report.clone(), shown(&report)),
        };
        match sam::resolve(&template, &input_of(&self.folder)) {
            Ok((app, report)) => {
                let model = serde_json::to_string(&app).unwrap();
                let text = model + &shown(&report);
                (report, text)
            }
            Err(report) => (report.clone(), shown(&report)),
        }
    }

    /// The outcome of the tree with something else at one place; with nothing there for none.
    fn outcome_with(&self, way: &[Step], other: Option<&Node>) -> String {
        let mut tree = self.tree.clone();
        change(&mut tree, way, other);
        self.outcome(tree).1
    }
}

/// Puts something else at one place of a tree.
fn change(tree: &mut Node, way: &[Step], other: Option<&Node>) {
    let (step, rest) = way.split_first().expect("the root is not changed");
    match (&mut tree.value, step) {
        (Value::Map(map), Step::Key(key)) if rest.is_empty() => match other {
            Some(other) => map.get_mut(key).unwrap().node.value = other.value.clone(),
            None => drop(map.remove(key)),
        },
        (Value::List(items), Step::Item(at)) if rest.is_empty() => match other {
            Some(other) => items[*at].value = other.value.clone(),
            None => drop(items.remove(*at)),
        },
        (Value::Map(map), Step::Key(key)) => {
            change(&mut map.get_mut(key).unwrap().node, rest, other);
        }
        (Value::List(items), Step::Item(at)) => change(&mut items[*at], rest, other),
        (other, step) => panic!("{step:?} leads nowhere in {other:?}"),
    }
}

/// Every key and item of a tree, but for those below what a report names. A function with its arguments is one value.
fn ways(node: &Node, way: &Way, named: &BTreeSet<(u32, u32)>, found: &mut Vec<Way>) {
    let mut visit = |step: Step, node: &Node| {
        let way: Way = way.iter().cloned().chain([step]).collect();
        found.push(way.clone());
        ways(node, &way, named, found);
    };
    match &node.value {
        Value::Map(map) if is_call(map) || map.contains_key("Condition") && map.len() == 1 => {}
        Value::Map(map) => {
            for (key, Entry { key_span, node }) in map {
                if !named.contains(&place(*key_span)) {
                    visit(Step::Key(key.clone()), node);
                }
            }
        }
        Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                if !named.contains(&place(item.span)) {
                    visit(Step::Item(at), item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn place(span: Span) -> (u32, u32) {
    (span.line, span.column)
}

fn nonsense() -> Node {
    let inside = Node {
        span: Span::default(),
        value: Value::String("nonsense".to_owned()),
    };
    let entry = Entry {
        key_span: Span::default(),
        node: inside,
    };
    Node {
        span: Span::default(),
        value: Value::Map(Map::from([("Nonsense".to_owned(), entry)])),
    }
}

fn written(way: &[Step]) -> String {
    let steps = way.iter().map(|step| match step {
        Step::Key(key) => key.clone(),
        Step::Item(at) => at.to_string(),
    });
    steps.collect::<Vec<_>>().join("/")
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(&path)
            .all(|(pattern, part)| *pattern == "*" || pattern == part)
}

/// Everything that leaves no trace when it is replaced (or taken out), as `template: path`.
fn without_trace(other: Option<&Node>) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut silent = Vec::new();
    for folder in folders() {
        let Some((subject, report, outcome)) = Subject::of(&folder) else {
            continue;
        };
        let named: BTreeSet<_> = report
            .findings
            .iter()
            .map(|finding| (finding.place.line, finding.place.column))
            .collect();
        let mut found = Vec::new();
        ways(&subject.tree, &Way::new(), &named, &mut found);
        for way in found {
            count += 1;
            if subject.outcome_with(&way, other) == outcome {
                silent.push(format!("{}: {}", subject.name, written(&way)));
            }
        }
    }
    (count, silent)
}

/// What is left of the silent ones without those that are allowed to be.
fn not_allowed(silent: Vec<String>, allowed: &[(&str, &str)]) -> String {
    let is_allowed = |line: &String| {
        let path = line.split_once(": ").unwrap().1;
        allowed.iter().any(|(pattern, _)| fits(pattern, path))
    };
    let rest = silent.into_iter().filter(|line| !is_allowed(line));
    rest.collect::<Vec<_>>().join("\n")
}

#[test]
fn nonsense_in_place_of_anything_is_noticed() {
    let (count, silent) = without_trace(Some(&nonsense()));
    assert_eq!(not_allowed(silent, &UNREAD), "");
    assert!(count > 500, "{count}");
}

#[test]
fn what_is_taken_out_is_missed_unless_it_is_a_check_or_a_default() {
    let (_, silent) = without_trace(None);
    let allowed = [&UNREAD[..], &CHECKS_AND_DEFAULTS].concat();
    assert_eq!(not_allowed(silent, &allowed), "");
}
