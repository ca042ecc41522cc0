//! The stack alone: a hand-written configuration, no deploy tool.

use std::process::Command;

use e2e::command;
use e2e::engine::Engine;
use e2e::stack::{Mode, Stack, StackOptions};
use rstest::rstest;

use crate::support::{handler, publish, push_function};

const ROUTING: &str = "
routes:
  - { path: /hello, method: POST, function: hello }
  - { path: /broken, function: broken }
  - { path: '/lost/{proxy+}', method: ANY, function: lost }
  - { path: /absent, function: absent }
";

fn functions(tag: &str, who: &str) -> String {
    format!(
        "
defaults:
  environment: {{ WHO: nobody, COUNT: 3 }}
functions:
  hello:
    image: registry:5000/hand/hello:{tag}
    environment: {{ WHO: {who} }}
  broken: {{ image: 'registry:5000/hand/broken:1' }}
  lost: {{ image: 'registry:5000/hand/lost:1' }}
"
    )
}

/// One stack for the whole story, because each step starts where the last one ended.
#[rstest]
#[case::by_the_docker_engine(Mode::Docker)]
#[case::by_a_containerd_of_its_own(Mode::Containerd)]
fn a_call_is_answered_by_the_function_that_is_published(#[case] mode: Mode) {
    let options = StackOptions {
        mode,
        ..StackOptions::default()
    };
    let stack = Stack::up(Engine::shared(), options).unwrap();
    let before = stack.call("POST", "/hello", "{}").unwrap();
    assert_eq!(before.status, 404, "nothing is published yet: {before:?}");

    push_function(&stack, "hand/hello", "1", &handler("first"));
    push_function(
        &stack,
        "hand/broken",
        "1",
        "#!/bin/sh\necho 'no such order' >&2\nexit 3\n",
    );
    publish(&stack, "functions.yml", &functions("1", "me"));
    publish(&stack, "routing.yml", ROUTING);

    let first = stack.call("POST", "/hello", "{\"x\":1}").unwrap();
    assert_eq!(first.status, 200, "{first:?}\n{}", stack.logs());
    let answer = first.json();
    assert_eq!(answer["word"], "first");
    assert_eq!(answer["who"], "me");
    assert_eq!(answer["request"]["body"], "{\"x\":1}");
    assert_eq!(answer["request"]["path"], "/hello");
    let container = stack.function_containers().unwrap();
    assert_eq!(container.len(), 1);

    assert_eq!(stack.call("POST", "/hello", "{}").unwrap().status, 200);
    assert_eq!(stack.function_containers().unwrap(), container, "kept warm");

    // The same tag, another image: the digest tells.
    push_function(&stack, "hand/hello", "1", &handler("second"));
    let second = stack.call("POST", "/hello", "{}").unwrap();
    assert_eq!(second.json()["word"], "second", "{second:?}");

    // The same image, another environment.
    publish(&stack, "functions.yml", &functions("1", "you"));
    let third = stack.call("POST", "/hello", "{}").unwrap();
    assert_eq!(third.json()["who"], "you", "{third:?}");
    assert_eq!(stack.function_containers().unwrap().len(), 1, "replaced");

    // A secret of the stack in place of a text; and one that the stack has not.
    std::fs::write(stack.secrets_dir().join("Who"), "a secret").unwrap();
    let with_secret = |name: &str| {
        let secret = format!("secrets: {{ WHO: {name} }}");
        functions("1", "you").replace("environment: { WHO: you }", &secret)
    };
    publish(&stack, "functions.yml", &with_secret("Who"));
    let fourth = stack.call("POST", "/hello", "{}").unwrap();
    assert_eq!(fourth.json()["who"], "a secret", "{fourth:?}");
    publish(&stack, "functions.yml", &with_secret("Nobody"));
    let fifth = stack.call("POST", "/hello", "{}").unwrap();
    assert_eq!(fifth.status, 500, "{fifth:?}");
    publish(&stack, "functions.yml", &functions("1", "you"));
    assert_eq!(stack.call("POST", "/hello", "{}").unwrap().status, 200);

    let broken = stack.call("GET", "/broken", "").unwrap();
    assert_eq!(broken.status, 502);
    assert!(broken.body.contains("no such order"), "{broken:?}");
    let lost = stack.call("GET", "/lost/and/found", "").unwrap();
    assert_eq!(lost.status, 502);
    assert!(lost.body.contains("was the image pushed"), "{lost:?}");
    assert_eq!(stack.call("GET", "/absent", "").unwrap().status, 404);
    assert_eq!(stack.call("GET", "/hello", "").unwrap().status, 404);

    // Images whose tag has moved on go too.
    let (registry, project) = (stack.host_registry(), stack.project().to_owned());
    stack.down().unwrap();
    for names in [format!("{registry}/*/*"), format!("{project}/*")] {
        let names = format!("reference={names}");
        let mut list = Engine::shared().docker();
        let left = command::run(list.args(["image", "ls", "--filter", &names, "--quiet"]));
        assert_eq!(left.unwrap(), "", "{names}");
    }
}

#[test]
fn a_provisioner_makes_each_resource_once_and_fails_where_it_should() {
    let stack = Stack::up(Engine::shared(), StackOptions::default()).unwrap();
    let provision = || {
        let mut run = stack.compose();
        run.args(["--profile", "deploy", "run", "--rm", "--no-deps", "-T"]);
        command::run(run.arg("provisioner"))
    };
    publish(
        &stack,
        "resources.yml",
        "dynamodb: [{ TableName: orders }]\ns3: [{ BucketName: invoices }]\n",
    );
    assert!(provision().unwrap().contains("table `orders` created"));
    let again = provision().unwrap();
    assert!(again.contains("table `orders` is there already"), "{again}");

    publish(
        &stack,
        "resources.yml",
        "resources: { dynamodb: [{ TableName: fail-orders }] }\n",
    );
    let refused = provision().unwrap_err().to_string();
    assert!(refused.contains("cannot create the table"), "{refused}");
}

fn inspect(stack: &Stack<'_>, service: &str, format: &str) -> String {
    let only = [
        format!("label=com.docker.compose.project={}", stack.project()),
        format!("label=com.docker.compose.service={service}"),
    ];
    let mut list: Command = stack.engine().docker();
    let id = command::run(list.args(["ps", "-q", "--filter", &only[0], "--filter", &only[1]]));
    let id = id.unwrap();
    let mut inspect = stack.engine().docker();
    let shown = command::run(inspect.args(["inspect", "--format", format, id.trim()]));
    shown.unwrap().trim().to_owned()
}

#[test]
fn a_stack_shows_its_version_and_mode_the_way_it_was_asked_to() {
    let labelled = Stack::up(
        Engine::shared(),
        StackOptions {
            version: "2.0.1".to_owned(),
            api_version: Some("2.1".to_owned()),
            mode: Mode::Containerd,
            ..StackOptions::default()
        },
    )
    .unwrap();
    let bare = Stack::up(
        Engine::shared(),
        StackOptions {
            api_version: None,
            labels: false,
            ..StackOptions::default()
        },
    )
    .unwrap();
    let labels = "{{index .Config.Labels \"com.esb.version\"}} \
        {{index .Config.Labels \"com.esb.api_version\"}} {{index .Config.Labels \"com.esb.mode\"}}";
    for service in ["gateway", "runtime-node"] {
        assert_eq!(inspect(&labelled, service, labels), "2.0.1 2.1 containerd");
        let image = inspect(&labelled, service, "{{.Config.Image}}");
        let name = format!("/esb-{service}-containerd:2.0.1");
        assert!(image.ends_with(&name), "{image}");
    }
    for service in ["gateway", "agent"] {
        assert_eq!(inspect(&bare, service, labels), "", "no label at all");
        let image = inspect(&bare, service, "{{.Config.Image}}");
        assert!(image.ends_with(&format!("/esb-{service}:1.4.2")), "{image}");
    }
}
