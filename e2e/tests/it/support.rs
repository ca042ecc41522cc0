//! What the tests share: hand-made deploys.

use std::collections::BTreeMap;

use e2e::command;
use e2e::images::BuildContext;
use e2e::stack::Stack;

/// A handler that answers with a word, a variable, and the request.
pub(crate) fn handler(word: &str) -> String {
    format!(
        "#!/bin/sh\nrequest=$(cat)\n\
         printf '{{\"word\":\"{word}\",\"who\":\"%s\",\"request\":%s}}' \"$WHO\" \"$request\"\n"
    )
}

/// Builds a function on the lambda base of a stack and pushes it into its registry.
pub(crate) fn push_function(stack: &Stack<'_>, name: &str, tag: &str, handler: &str) {
    let base = stack.host_image("esb-lambda-base", "1.4.2");
    let dockerfile = format!("FROM {base}\nCOPY handler /var/task/handler\n");
    let mut context = BuildContext::new(&dockerfile).unwrap();
    context.add("handler", handler.as_bytes(), 0o755).unwrap();
    let reference = stack.host_image(name, tag);
    context
        .build(stack.engine(), &reference, &BTreeMap::new())
        .unwrap();
    command::run(
        stack
            .engine()
            .docker()
            .args(["push", "--quiet", &reference]),
    )
    .unwrap();
}

/// Publishes a configuration file the way a deploy does: all of it at once.
pub(crate) fn publish(stack: &Stack<'_>, file: &str, text: &str) {
    let target = stack.config_dir().join(file);
    let fresh = target.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(&fresh, &target).unwrap();
}
