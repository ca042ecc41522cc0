//! Dockerfiles made by chance, and made smaller until every line is needed for the difference that they show.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, prop_oneof};
use proptest::sample::select;

/// What is copied from the context.
const SOURCES: [&str; 16] = [
    "a.py",
    "d",
    "d/",
    "d/deep",
    "d/*",
    "d/inside",
    "*.py",
    "?.txt",
    "empty",
    "link",
    "link-to-d",
    "link-to-d/h.py",
    "run.sh",
    "tree",
    "tree2",
    "tree/srv/*",
];
/// What is copied from the base, or from a stage over it.
const BASE_SOURCES: [&str; 10] = [
    "/srv",
    "/srv/sub",
    "/file",
    "/link-to-file",
    "/link-to-srv/sub",
    "/odd",
    "/usr/bin/*",
    "/usr",
    "/setgid",
    "/bin/tool",
];
/// Where it goes.
const DESTINATIONS: [&str; 20] = [
    "/",
    ".",
    "./",
    "rel",
    "rel/",
    "../up",
    "/x",
    "/x/",
    "/x/y/z",
    "/x/y/z/",
    "/odd",
    "/srv/",
    "/srv/sub",
    "/link-to-srv",
    "/link-to-srv/new",
    "/link-to-file",
    "/dangling",
    "/lib/below/",
    "/bin",
    "/file",
];
/// Instructions that move, name or set something.
const OTHERS: [&str; 18] = [
    "WORKDIR /x",
    "WORKDIR rel/../deep",
    "WORKDIR /link-to-srv/w",
    "WORKDIR /odd",
    "USER app",
    "USER 7:8",
    "USER root:web",
    "ENV A=x$A",
    "ENV B=\"$A\" E=${E:-e}",
    "ARG V=$A",
    "LABEL l=$A$V",
    "CMD [\"c\"]",
    "CMD c $A",
    "ENTRYPOINT [\"e\"]",
    "ENTRYPOINT e",
    "SHELL [\"/s\", \"-x\"]",
    "EXPOSE 1$A/udp",
    "VOLUME /$A",
];

/// A Dockerfile: perhaps a stage, and the last one over the base, that stage or nothing.
pub(super) fn dockerfiles() -> impl Strategy<Value = String> {
    let over = select(vec!["@base", "@base", "one", "scratch"]);
    let stages = (vec(line(), 0..4), over, vec(line(), 1..6));
    stages.prop_map(|(first, over, last)| {
        let mut text = String::new();
        let mut stage = "@base";
        if !first.is_empty() {
            // Nothing but the base stands above the first stage.
            let lines = first.concat().replace("@stage", "@base");
            text = format!("FROM @base AS one\n{lines}");
            stage = "one";
        }
        let over = if over == "one" { stage } else { over };
        text + &format!("FROM {over}\n{}", last.concat().replace("@stage", stage))
    })
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => copy("", &SOURCES),
        1 => copy("--from=@stage ", &BASE_SOURCES),
        2 => select(OTHERS.to_vec()).prop_map(|line| format!("{line}\n")),
    ]
}

fn copy(from: &'static str, sources: &[&'static str]) -> impl Strategy<Value = String> {
    let owner = option::of(select(vec!["app", "7", "app:web", "7:8", "9:app"]));
    let mode = option::weighted(0.2, select(vec!["600", "755", "0711"]));
    let sources = vec(select(sources.to_vec()), 1..3);
    let words = (owner, mode, sources, select(DESTINATIONS.to_vec()));
    words.prop_map(move |(owner, mode, sources, destination)| {
        let owner = owner.map_or_else(String::new, |owner| format!("--chown={owner} "));
        let mode = mode.map_or_else(String::new, |mode| format!("--chmod={mode} "));
        let is_folder = sources.len() == 1 || destination.ends_with(['/', '.']);
        let slash = if is_folder { "" } else { "/" };
        let sources = sources.join(" ");
        format!("COPY {from}{owner}{mode}{sources} {destination}{slash}\n")
    })
}
