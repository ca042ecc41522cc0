//! The stack alone: a hand-written configuration, no deploy tool.

use std::process::Command;

use e2e::command;
use e2e::engine::TestEngine;
use e2e::stack::{RunnerMode, Stack, StackOptions};
use e2e::workspace;
use rstest::rstest;

use crate::process::eventually;
use crate::support::{handler, publish, push_function};

const ROUTING: &str = "
routes:
  - { path: /hello, method: POST, function: hello }
  - { path: /broken, method: get, function: broken }
  - { path: '/lost/{one}/{two}', method: GET, function: lost }
  - { path: /absent, method: GET, function: absent }
  - { path: /silent, function: hello }
";

/// A table of this name, with more of its keys, and a bucket.
fn resources(table: &str, more: &str) -> String {
    format!(
        "resources:\n  dynamodb:\n  - {{ TableName: {table}, BillingMode: PAY_PER_REQUEST, \
         AttributeDefinitions: [{{ AttributeName: id, AttributeType: S }}], \
         KeySchema: [{{ AttributeName: id, KeyType: HASH }}]{more} }}\n  s3: [{{ BucketName: bills, \
         LifecycleConfiguration: {{ Rules: [{{ Id: old, Status: Enabled, Prefix: a/, ExpirationInDays: 3 }}] }} }}]\n"
    )
}

fn functions(tag: &str, who: &str) -> String {
    format!(
        "
defaults:
  environment: {{ WHO: nobody, COUNT: '3' }}
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
#[case::by_the_docker_engine(RunnerMode::Docker)]
#[case::by_a_containerd_of_its_own(RunnerMode::Containerd)]
fn a_call_is_answered_by_the_function_that_is_published(#[case] mode: RunnerMode) {
    let options = StackOptions {
        mode,
        gateway_environment: [("WHO_IT_IS".to_owned(), "a secret".to_owned())].into(),
        ..StackOptions::default()
    };
    let stack = Stack::up(TestEngine::shared(), options).unwrap();
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

    // What the gateway puts in the place of references, of unknown ones, and of a literal dollar.
    for (written, seen) in [
        ("'${WHO_IT_IS}'", "a secret"),
        ("'${NOBODY}'", "${NOBODY}"),
        ("'$${WHO_IT_IS}'", "${WHO_IT_IS}"),
        ("'$LOG_LEVEL'", "INFO"),
    ] {
        publish(&stack, "functions.yml", &functions("1", written));
        let reply = stack.call("POST", "/hello", "{}").unwrap();
        assert_eq!(reply.json()["who"], seen, "{written}: {reply:?}");
    }

    // What is refused leaves the old configuration in force.
    publish(&stack, "functions.yml", &functions("1", "you"));
    assert_eq!(stack.call("POST", "/hello", "{}").unwrap().status, 200);
    for (file, text) in [
        ("functions.yml", functions("1", "off")),
        ("functions.yml", "functions: [hello]\n".to_owned()),
        ("functions.yml", "functions: {\n".to_owned()),
        ("routing.yml", "routes: {}\n".to_owned()),
    ] {
        publish(&stack, file, &text);
        let reply = stack.call("POST", "/hello", "{}").unwrap();
        assert_eq!(reply.json()["who"], "you", "{text}: {reply:?}");
    }
    publish(&stack, "functions.yml", &functions("1", "you"));
    publish(&stack, "routing.yml", ROUTING);

    let broken = stack.call("GET", "/broken", "").unwrap();
    assert_eq!(broken.status, 502);
    assert!(broken.body.contains("no such order"), "{broken:?}");
    let lost = stack.call("GET", "/lost/and/found", "").unwrap();
    assert_eq!(lost.status, 502);
    assert!(lost.body.contains("was the image pushed"), "{lost:?}");
    assert_eq!(stack.call("GET", "/absent", "").unwrap().status, 404);
    assert_eq!(stack.call("GET", "/hello", "").unwrap().status, 404);
    for method in ["GET", "POST", "ANY"] {
        let reply = stack.call(method, "/silent", "").unwrap();
        assert_eq!(reply.status, 404, "a route without a method: {reply:?}");
    }

    // Images whose tag has moved on go too.
    let (registry, project) = (stack.host_registry(), stack.project().to_owned());
    stack.down().unwrap();
    for names in [format!("{registry}/*/*"), format!("{project}/*")] {
        let names = format!("reference={names}");
        let mut list = TestEngine::shared().docker();
        let left = command::run(list.args(["image", "ls", "--filter", &names, "--quiet"]));
        assert_eq!(left.unwrap(), "", "{names}");
    }
}

#[test]
fn a_provisioner_makes_each_resource_once_and_fails_where_it_should() {
    let stack = Stack::up(TestEngine::shared(), StackOptions::default()).unwrap();
    let provision = || {
        let mut run = stack.compose();
        run.args(["--profile", "deploy", "run", "--rm", "--no-deps", "-T"]);
        command::run(run.arg("provisioner"))
    };
    assert!(provision().unwrap().contains("0 tables and 0 buckets"));

    // Lists at the top of the file are not read.
    let elsewhere = resources("elsewhere", "").replace("resources:", "other:");
    publish(&stack, "resources.yml", &elsewhere);
    provision().unwrap();
    assert_eq!(stack.tables().unwrap(), [""; 0]);

    publish(&stack, "resources.yml", &resources("orders", ""));
    assert!(provision().unwrap().contains("table `orders` created"));
    assert_eq!(stack.tables().unwrap(), ["orders"]);
    assert_eq!(stack.buckets().unwrap(), ["bills"]);
    let again = provision().unwrap();
    assert!(again.contains("table `orders` is there already"), "{again}");
    assert!(again.contains("bucket `bills` is there already"), "{again}");

    let unknown = resources("stock", ", TimeToLiveSpecification: { Enabled: true }");
    publish(&stack, "resources.yml", &unknown);
    let refused = provision().unwrap_err().to_string();
    let words = "Unknown parameter in input: \"TimeToLiveSpecification\"";
    assert!(refused.contains(words), "{refused}");
    assert_eq!(stack.tables().unwrap(), ["orders"]);
}

/// Each time that it hears of a tick it counts one more; a call by a route is answered with the number.
const TICKING: &str = r#"#!/bin/sh
request=$(cat)
[ "$request" = "$TICK" ] && echo >>/tmp/ticks
printf '{"ticks":%s}' "$(wc -l </tmp/ticks 2>/dev/null || echo 0)"
"#;

#[test]
fn a_schedule_fires_its_function_with_its_input() {
    let options = StackOptions {
        schedule_speed: 120,
        ..StackOptions::default()
    };
    let stack = Stack::up(TestEngine::shared(), options).unwrap();
    push_function(&stack, "hand/ticking", "1", TICKING);
    let mut functions = String::from("functions:\n");
    let mut routing = String::from("routes:\n");
    for (name, tick, schedule) in [
        (
            "rate",
            "tick",
            "{ schedule: { rate: rate(1 minute), input: tick } }",
        ),
        (
            "cron",
            r#"{"at": 1}"#,
            "{ schedule: { expression: 'cron(* * * * ? *)', input: { at: 1 } } }",
        ),
        (
            "typed",
            "{}",
            "{ type: schedule, expression: rate(1 minute) }",
        ),
        ("odd", "{}", "{ schedule: { rate: rate(1 fortnight) } }"),
    ] {
        functions.push_str(&format!(
            "  {name}:\n    image: registry:5000/hand/ticking:1\n    environment: {{ TICK: '{tick}' }}\n    events: [{schedule}]\n"
        ));
        routing.push_str(&format!(
            "  - {{ path: /{name}, method: GET, function: {name} }}\n"
        ));
    }
    publish(&stack, "routing.yml", &routing);
    publish(&stack, "functions.yml", &functions);
    let ticks = |name: &str| {
        let reply = stack.call("GET", &format!("/{name}"), "").unwrap();
        assert_eq!(reply.status, 200, "{reply:?}\n{}", stack.logs());
        reply.json()["ticks"].as_u64().unwrap()
    };
    eventually("a rate fires again and again", || ticks("rate") >= 2);
    eventually("a cron fires again and again", || ticks("cron") >= 2);
    assert_eq!((ticks("typed"), ticks("odd")), (0, 0));
    assert!(stack.logs().contains("odd: dropped: rate(1 fortnight)"));
}

#[test]
fn the_rules_of_the_gateway_hold_case_by_case() {
    let mut tests = e2e::python::command().unwrap();
    tests.args(["-B", "-m", "unittest", "discover", "--start-directory"]);
    let ran = command::output(tests.arg(workspace::fixture("stack/services"))).unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(!said.contains("Ran 0 tests"), "{said}");
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
        TestEngine::shared(),
        StackOptions {
            version: "2.0.1".to_owned(),
            api_version: Some("2.1".to_owned()),
            mode: RunnerMode::Containerd,
            ..StackOptions::default()
        },
    )
    .unwrap();
    let bare = Stack::up(
        TestEngine::shared(),
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
