//! Which paths of the context the instructions of a walk reach.

use std::collections::BTreeSet;

use super::heredoc;
use super::place;
use super::shell::Unexpanded;
use super::text::Piece;
use super::walk::{Walk, shown};
use super::words;
use crate::image::sources;
use crate::redact::credentials;

/// The part of an artifact that no build sees.
const OUTSIDE: &str = "runtime-base";

/// Paths of the context, each once, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Sources {
    paths: Vec<String>,
    lines: Vec<u32>,
    known: BTreeSet<String>,
}

impl Sources {
    fn add(&mut self, path: String, line: u32) {
        if self.known.insert(path.clone()) {
            self.paths.push(path);
            self.lines.push(line);
        }
    }

    /// The paths, and the line of each.
    pub(super) fn into_parts(self) -> (Vec<String>, Vec<u32>) {
        (self.paths, self.lines)
    }
}

/// Where the sources of an instruction may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the context.
    Context,
    /// In the context, or fetched from a URL or a git repository.
    Anywhere,
    /// The same, with a checksum in the Dockerfile.
    Pinned,
}

impl Walk<'_> {
    /// The sources among the arguments of COPY and ADD: all but the last.
    pub(super) fn paths(&mut self, arguments: Piece<'_>, origin: Origin) {
        let start = arguments.start();
        let words = words::json_strings(arguments.text)
            .unwrap_or_else(|| arguments.words().map(|word| word.text.to_owned()).collect());
        let Some((_, sources)) = words.split_last() else {
            return;
        };
        for source in sources {
            if heredoc::parse(source).is_none() {
                self.source(start, source, origin);
            }
        }
    }

    /// Notes one source.
    fn source(&mut self, offset: usize, written: &str, origin: Origin) {
        let Some(stage) = &self.current else { return };
        let expanded = stage.scope.expand(written, self.escape);
        let known = expanded.as_deref().unwrap_or(written);
        match origin {
            Origin::Anywhere if is_remote(known) => {
                let message = format!(
                    "`{}` is fetched during the build, and a change of it does not cause one; add `--checksum`",
                    shown(&credentials(known))
                );
                return self.warn(offset, message);
            }
            Origin::Pinned if is_remote(known) => return,
            Origin::Context | Origin::Anywhere | Origin::Pinned => {}
        }
        let path = match expanded {
            Ok(path) => sources::normalised(&path),
            Err(Unexpanded::Unset(name) | Unexpanded::Unknown(name)) => {
                let message = format!(
                    "`{}` depends on `{}`, which only the build knows: any change of the context causes a build",
                    shown(written),
                    shown(&name)
                );
                self.warn(offset, message);
                ".".to_owned()
            }
            Err(Unexpanded::Syntax(_)) => ".".to_owned(),
        };
        let below = path.strip_prefix(OUTSIDE);
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let message = format!(
                "`{}` is not part of any build: `{OUTSIDE}` is left out",
                shown(&path)
            );
            self.warn(offset, message);
        }
        let (line, _) = place(self.source, offset);
        self.sources.add(path, line);
    }

    /// The source of a mount of the context; only bind mounts have one.
    pub(super) fn bind(
        &mut self,
        offset: usize,
        kind: Option<Piece<'_>>,
        source: Option<Piece<'_>>,
    ) {
        // A type with a variable may be `bind` as well.
        let kind = kind.map_or("bind", |kind| kind.text);
        if kind.eq_ignore_ascii_case("bind") || kind.contains('$') {
            let source = source.map_or(".", |source| source.text);
            self.source(offset, source, Origin::Context);
        }
    }
}

/// What ADD fetches instead of taking it from the context: URLs and git addresses.
pub(in crate::image) fn is_remote(source: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://"];
    let scp = source
        .split_once('@')
        .is_some_and(|(user, rest)| user == "git" && rest.contains(':'));
    scp || schemes.iter().any(|scheme| source.starts_with(scheme))
}
