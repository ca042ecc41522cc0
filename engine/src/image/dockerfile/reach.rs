//! Which paths of the context the instructions of a walk reach.

use super::heredoc;
use super::shell::Unexpanded;
use super::text::Piece;
use super::walk::{Walk, shown};
use super::words::{self, Flag};
use crate::image::proxy::redact_url;
use crate::image::sources;

/// The part of an artifact that no build sees.
const OUTSIDE: &str = "runtime-base";
impl Walk<'_> {
    /// The sources of ADD; a pinned one from elsewhere is as good as a file.
    pub(super) fn add(&mut self, flags: &[Flag], arguments: Piece<'_>) {
        let pinned = flags.iter().any(|flag| flag.value("checksum").is_some());
        self.paths(arguments, !pinned);
    }

    /// The sources among the arguments of COPY and ADD: all but the last. `remote_warns` says that one fetched from
    /// elsewhere is worth a warning.
    pub(super) fn paths(&mut self, arguments: Piece<'_>, remote_warns: bool) {
        let start = arguments.start();
        let words = words::json_strings(arguments.text)
            .unwrap_or_else(|| arguments.words().map(|word| word.text.to_owned()).collect());
        let Some((_, sources)) = words.split_last() else {
            return;
        };
        for source in sources {
            if heredoc::parse(source).is_some() {
                continue;
            }
            let expanded = self.expanded(source);
            if is_remote(&expanded) {
                if remote_warns {
                    let source = shown(&redact_url(&expanded));
                    let message = format!(
                        "`{source}` is fetched during the build, and a change of it does not cause one; add `--checksum`"
                    );
                    self.warn(start, message);
                }
                continue;
            }
            self.path(start, source);
        }
    }

    /// A word with its variables replaced, or as it is when that cannot be done here.
    fn expanded(&self, word: &str) -> String {
        let scope = self.current.as_ref().map(|stage| &stage.scope);
        let expanded = scope.map(|scope| scope.expand(word, self.escape));
        expanded
            .and_then(Result::ok)
            .unwrap_or_else(|| word.to_owned())
    }

    /// Notes a path of the context.
    fn path(&mut self, offset: usize, written: &str) {
        let Some(stage) = &self.current else { return };
        let path = match stage.scope.expand(written, self.escape) {
            Ok(path) => sources::normalised(&path),
            Err(Unexpanded::Unset(name) | Unexpanded::Unknown(name)) => {
                let written = shown(written);
                let message = format!(
                    "`{written}` depends on `{}`, which only the build knows: any change of the context causes a build",
                    shown(&name)
                );
                self.warn(offset, message);
                ".".to_owned()
            }
            Err(Unexpanded::Syntax(_)) => ".".to_owned(),
        };
        if path == OUTSIDE
            || path
                .strip_prefix(OUTSIDE)
                .is_some_and(|rest| rest.starts_with('/'))
        {
            let message = format!(
                "`{}` is not part of any build: `runtime-base` is left out",
                shown(&path)
            );
            self.warn(offset, message);
        }
        if !self.sources.contains(&path) {
            self.sources.push(path);
        }
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
            self.path(offset, source.map_or(".", |source| source.text));
        }
    }
}

/// What ADD fetches instead of taking it from the context: URLs and git addresses.
fn is_remote(source: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://"];
    let scp = source
        .split_once('@')
        .is_some_and(|(user, rest)| user == "git" && rest.contains(':'));
    scp || schemes.iter().any(|scheme| source.starts_with(scheme))
}
