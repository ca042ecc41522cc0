//! The walk over a Dockerfile's instructions: stages and images. The paths of the context are noted in `reach`.

use std::collections::{BTreeMap, BTreeSet};

use super::reach::{Origin, Sources};
use super::scope::{Scope, TooMany};
use super::shell::Unexpanded;
use super::split::{Fault, Instruction, Split, split};
use super::text::Piece;
use super::words::{self, Flag};
use super::{DockerfileWarning, RewriteContext, Rewritten, place};
use crate::contract::did_you_mean;
use crate::image::LAMBDA_BASE;
use crate::image::proxy::is_predefined;
use crate::image::reference::Reference;

/// Every instruction of the engine's own frontend.
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
/// How many stages a Dockerfile may have.
pub(super) const MAX_STAGES: usize = 64;
/// How many external images a Dockerfile may name.
const MAX_BASES: usize = 64;
/// How many warnings are kept.
const MAX_WARNINGS: usize = 64;
/// The name of the image that holds nothing.
pub(super) const SCRATCH: &str = "scratch";
/// Flags that the classic builder knows; any other needs `BuildKit`.
const CLASSIC_FLAGS: [&str; 8] = [
    "platform",
    "chown",
    "from",
    "interval",
    "timeout",
    "start-period",
    "start-interval",
    "retries",
];

/// Walks a Dockerfile. Each base that has a pin is named by that instead.
pub(super) fn walk(
    text: &str,
    context: &RewriteContext<'_>,
    pins: &BTreeMap<Reference, Reference>,
) -> Result<Rewritten, Fault> {
    let parts = split(text)?;
    let mut walk = Walk::new(text, context, pins, &parts);
    for instruction in &parts.instructions {
        walk.instruction(instruction)?;
    }
    walk.finish()
}

/// One change: these bytes of the source become this text.
type Edit = (std::ops::Range<usize>, String);

pub(super) struct Walk<'a> {
    pub(super) source: &'a str,
    context: &'a RewriteContext<'a>,
    pins: &'a BTreeMap<Reference, Reference>,
    pub(super) escape: char,
    /// The names of all stages, in lower case: `--from` may name a later one.
    all_stages: BTreeSet<String>,
    stage_count: usize,
    global: Scope,
    /// The stages begun so far that have names, in lower case, with what their children inherit.
    stages: BTreeMap<String, Scope>,
    pub(super) current: Option<Stage>,
    begun: usize,
    edits: Vec<Edit>,
    bases: Vec<Reference>,
    foreign: Vec<Reference>,
    pub(super) sources: Sources,
    declared_proxies: Vec<(String, u32)>,
    heredoc: Option<u32>,
    /// The text names its own frontend, which may know more than the engine's.
    has_frontend: bool,
    buildkit: bool,
    pub(super) warnings: Vec<DockerfileWarning>,
}

/// The stage that instructions belong to.
pub(super) struct Stage {
    name: Option<String>,
    pub(super) scope: Scope,
}

impl<'a> Walk<'a> {
    fn new(
        source: &'a str,
        context: &'a RewriteContext<'a>,
        pins: &'a BTreeMap<Reference, Reference>,
        parts: &Split,
    ) -> Self {
        let froms = parts.instructions.iter().filter_map(|instruction| {
            let (name, rest) = words::instruction(instruction.line());
            name.text.eq_ignore_ascii_case("FROM").then_some(rest)
        });
        let names: Vec<Option<String>> = froms
            .map(|rest| words::flags(rest).1.words().nth(2))
            .map(|name| name.map(|name| name.text.to_lowercase()))
            .collect();
        Self {
            source,
            context,
            pins,
            escape: parts.escape,
            stage_count: names.len(),
            all_stages: names.into_iter().flatten().collect(),
            global: Scope::global(),
            stages: BTreeMap::new(),
            current: None,
            begun: 0,
            edits: Vec::new(),
            bases: Vec::new(),
            foreign: Vec::new(),
            sources: Sources::default(),
            declared_proxies: Vec::new(),
            heredoc: None,
            has_frontend: parts.syntax,
            buildkit: parts.syntax,
            warnings: Vec::new(),
        }
    }

    fn finish(mut self) -> Result<Rewritten, Fault> {
        if self.current.is_none() {
            return Err(fault(0, "the Dockerfile has no FROM"));
        }
        self.edits.sort_by_key(|(span, _)| span.start);
        let mut text = String::with_capacity(self.source.len());
        let mut copied = 0;
        for (span, replacement) in &self.edits {
            text.push_str(&self.source[copied..span.start]);
            text.push_str(replacement);
            copied = span.end;
        }
        text.push_str(&self.source[copied..]);
        let (sources, source_lines) = self.sources.into_parts();
        Ok(Rewritten {
            text,
            bases: self.bases,
            foreign: self.foreign,
            sources,
            source_lines,
            declared_proxies: self.declared_proxies,
            heredoc: self.heredoc,
            builder_needs_buildkit: self.buildkit,
            warnings: self.warnings,
        })
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        self.buildkit |= instruction.heredocs;
        let (name, rest) = words::instruction(instruction.line());
        let keyword = self.known(name)?;
        if instruction.heredocs && !self.has_frontend {
            self.heredoc(name.start());
        }
        if self.current.is_none() && !matches!(keyword.as_str(), "FROM" | "ARG") {
            let message = format!("`{}` stands before the first FROM", shown(name.text));
            return Err(fault(name.start(), &message));
        }
        match keyword.as_str() {
            "FROM" => self.from(rest),
            "ARG" | "ENV" => {
                if keyword == "ARG" {
                    self.declared(name.start(), rest.text);
                }
                self.variables(&keyword, rest.text)
                    .map_err(|TooMany| fault(name.start(), "the Dockerfile has too many variables"))
            }
            "ONBUILD" => {
                let (name, rest) = words::instruction(rest);
                let keyword = self.known(name)?;
                self.command(&keyword, rest)
            }
            _ => self.command(&keyword, rest),
        }
    }

    /// The name of an instruction in upper case, when there is such an instruction.
    fn known(&self, name: Piece<'_>) -> Result<String, Fault> {
        let keyword = name.text.to_ascii_uppercase();
        if self.has_frontend || INSTRUCTIONS.contains(&keyword.as_str()) {
            return Ok(keyword);
        }
        let question = did_you_mean(&keyword, INSTRUCTIONS.into_iter());
        let question = question.map_or_else(String::new, |question| format!("; {question}"));
        let message = format!("`{}` is no instruction{question}", shown(name.text));
        Err(fault(name.start(), &message))
    }

    fn heredoc(&mut self, offset: usize) {
        let message =
            "a heredoc needs Docker Engine 23.0, or the first line `# syntax=docker/dockerfile:1`";
        self.heredoc.get_or_insert(place(self.source, offset).0);
        if self.warnings.iter().all(|known| known.message != message) {
            self.warn(offset, message.to_owned());
        }
    }

    /// Notes predefined arguments that a stage declares.
    fn declared(&mut self, offset: usize, text: &str) {
        if self.current.is_none() {
            return;
        }
        let (line, _) = place(self.source, offset);
        for word in words::quoted_words(text, self.escape) {
            let name = word.split('=').next().unwrap_or(word);
            if is_predefined(name) {
                self.declared_proxies.push((name.to_owned(), line));
            }
        }
    }

    /// RUN, COPY and ADD; nothing else reaches images or the context.
    fn command(&mut self, keyword: &str, rest: Piece<'_>) -> Result<(), Fault> {
        let (flags, arguments) = words::flags(rest);
        self.buildkit |= flags
            .iter()
            .any(|flag| !CLASSIC_FLAGS.contains(&flag.parts().0));
        match keyword {
            "RUN" => self.run(&flags),
            "COPY" => self.copy(&flags, arguments),
            "ADD" => {
                let pinned = flags.iter().any(|flag| flag.value("checksum").is_some());
                let origin = if pinned {
                    Origin::Pinned
                } else {
                    Origin::Anywhere
                };
                self.paths(arguments, origin);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn variables(&mut self, keyword: &str, text: &str) -> Result<(), TooMany> {
        match (&mut self.current, keyword) {
            (None, _) => self.global.global_arguments(text, self.escape),
            (Some(stage), "ARG") => stage.scope.arguments(text, self.escape, &self.global),
            (Some(stage), _) => stage.scope.environment(text, self.escape),
        }
    }

    /// Begins a stage.
    fn from(&mut self, rest: Piece<'_>) -> Result<(), Fault> {
        let (flags, arguments) = words::flags(rest);
        let platform = flags.iter().find_map(|flag| flag.value("platform"));
        self.buildkit |= platform.is_some_and(|value| value.text.contains('$'));
        let words: Vec<_> = arguments.words().collect();
        let (image, name) = match words.as_slice() {
            [image] => (*image, None),
            [image, r#as, name] if r#as.text.eq_ignore_ascii_case("AS") => {
                (*image, Some(name.text.to_lowercase()))
            }
            [] => return Err(fault(rest.start(), "FROM names no image")),
            [_, odd, ..] => {
                return Err(fault(
                    odd.start(),
                    "FROM takes an image, or an image, `AS` and a name",
                ));
            }
        };
        if self.begun >= MAX_STAGES {
            return Err(fault(
                image.start(),
                "the Dockerfile has more than 64 stages",
            ));
        }
        self.begun += 1;
        if let Some(Stage {
            name: Some(name),
            scope,
        }) = self.current.take()
        {
            self.stages.insert(name, scope);
        }
        let expanded = self
            .global
            .expand(image.text, self.escape)
            .map_err(|why| fault(image.start(), &needs_value(image.text, why)))?;
        let parent = self.stages.get(&expanded.to_lowercase()).map(Scope::child);
        if parent.is_none() && expanded != SCRATCH {
            let base = self.image(image, &expanded)?;
            if platform.is_some() && !self.foreign.contains(&base) {
                self.foreign.push(base);
            }
        }
        let scope = parent.unwrap_or_else(Scope::stage);
        self.current = Some(Stage { name, scope });
        Ok(())
    }

    fn copy(&mut self, flags: &[Flag], arguments: Piece<'_>) -> Result<(), Fault> {
        let from = flags.iter().rev().find_map(|flag| flag.value("from"));
        match from.filter(|from| !from.text.is_empty()) {
            None => {
                self.paths(arguments, Origin::Context);
                Ok(())
            }
            Some(from) => self.copy_from(from),
        }
    }

    /// `COPY --from`: a stage by name or number, or an image.
    fn copy_from(&mut self, from: Piece<'_>) -> Result<(), Fault> {
        if let Ok(number) = from.text.parse::<i64>() {
            let known = usize::try_from(number).is_ok_and(|number| number < self.stage_count);
            if known {
                return Ok(());
            }
            return Err(fault(
                from.start(),
                &format!("there is no stage `{number}`"),
            ));
        }
        self.named(from, "--from")
    }

    fn run(&mut self, flags: &[Flag]) -> Result<(), Fault> {
        for flag in flags {
            if let Some(mount) = flag.value("mount") {
                self.mount(mount)?;
            }
        }
        Ok(())
    }

    fn mount(&mut self, mount: Piece<'_>) -> Result<(), Fault> {
        let fields = words::mount_fields(mount);
        let field = |names: &[&str]| {
            let found = fields
                .iter()
                .rev()
                .find(|(key, _)| names.contains(&key.as_str()));
            found.map(|(_, value)| *value)
        };
        if let Some(from) = field(&["from"]).filter(|from| !from.text.is_empty()) {
            return self.named(from, "from");
        }
        self.bind(mount.start(), field(&["type"]), field(&["source", "src"]));
        Ok(())
    }

    /// A `from` that is a stage's name or an image; Docker expands no variables there.
    fn named(&mut self, from: Piece<'_>, option: &str) -> Result<(), Fault> {
        if from.text.contains('$') {
            let message = format!(
                "`{option}` takes no variables; name the image in a FROM … AS stage and use the stage here"
            );
            return Err(fault(from.start(), &message));
        }
        if from.text == SCRATCH || self.all_stages.contains(&from.text.to_lowercase()) {
            return Ok(());
        }
        self.image(from, from.text).map(|_| ())
    }

    /// Notes an external image, and rewrites it where it stands.
    fn image(&mut self, place: Piece<'_>, written: &str) -> Result<Reference, Fault> {
        let refuse =
            |why: &dyn std::fmt::Display| fault(place.start(), &format!("not an image: {why}"));
        let reference = Reference::parse(written).map_err(|why| refuse(&why))?;
        let rewritten = self.rewritten(&reference).map_err(|why| refuse(&why))?;
        let built = self.pins.get(&rewritten).unwrap_or(&rewritten);
        if *built != reference {
            self.edits.push((place.span(), built.to_string()));
        }
        if self.bases.contains(&rewritten) {
            return Ok(rewritten);
        }
        if self.bases.len() >= MAX_BASES {
            return Err(fault(
                place.start(),
                "the Dockerfile names more than 64 images",
            ));
        }
        self.bases.push(rewritten.clone());
        Ok(rewritten)
    }

    /// The reference for this deploy. Only a lambda base gets a tag, and only where it has none of its own.
    fn rewritten(&self, reference: &Reference) -> Result<Reference, crate::image::ReferenceError> {
        if reference.last_part() != LAMBDA_BASE {
            return Ok(self.context.registries.for_host(reference));
        }
        let moving = reference.digest.is_none()
            && reference.tag.as_deref().is_none_or(|tag| tag == "latest");
        let reference = self.context.registries.own_for_host(reference);
        if !moving {
            return Ok(reference);
        }
        let tags = [self.context.stack_version, self.context.esb_tag];
        let given = tags
            .into_iter()
            .flatten()
            .find(|tag| !tag.trim().is_empty());
        reference.with_tag(given.unwrap_or("latest").trim())
    }

    pub(super) fn warn(&mut self, offset: usize, message: String) {
        if self.warnings.len() >= MAX_WARNINGS {
            return;
        }
        let (line, _) = place(self.source, offset);
        self.warnings.push(DockerfileWarning { line, message });
    }
}

fn fault(offset: usize, message: &str) -> Fault {
    Fault {
        offset,
        message: message.to_owned(),
    }
}

/// A text of the Dockerfile, safe to show: control characters escaped, cut to 80 characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

fn needs_value(image: &str, why: Unexpanded) -> String {
    let image = shown(image);
    match why {
        Unexpanded::Syntax(why) => format!("`{image}` cannot be read: {why}"),
        Unexpanded::Unset(name) => {
            let name = shown(&name);
            format!(
                "`{image}` needs `{name}`, which has no value; give it a default with `ARG {name}=…`"
            )
        }
        Unexpanded::Unknown(name) => {
            let name = shown(&name);
            format!(
                "`{image}` needs `{name}`, whose value this file does not settle; write the image out"
            )
        }
    }
}
