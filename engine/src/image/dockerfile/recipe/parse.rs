//! From one instruction to what it does.

use super::{
    Action, Check, CommandLine, NotAssembled, Reader, RecipeStep, Setting, StageBase, Transfer,
    Word, from_flag, refused,
};
use crate::image::dockerfile::reach::is_remote;
use crate::image::dockerfile::split::Instruction;
use crate::image::dockerfile::text::Piece;
use crate::image::dockerfile::walk::{SCRATCH, shown};
use crate::image::dockerfile::words::{self as line, Flag};
use crate::image::reference::Reference;

/// The flags of COPY and ADD that are understood.
const TRANSFER_FLAGS: [&str; 3] = ["from", "chown", "chmod"];
/// The flags of HEALTHCHECK that are understood.
const CHECK_FLAGS: [&str; 4] = ["interval", "timeout", "start-period", "retries"];
/// Arguments that say on which machine a build runs, or what only newer builders set.
const ONLY_BUILDER: [&str; 6] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETSTAGE",
    "SOURCE_DATE_EPOCH",
];

type Pairs = Vec<(Word, Word)>;

impl Reader<'_> {
    /// Reads one instruction of the stage with this number.
    pub(super) fn step(
        &self,
        instruction: &Instruction,
        own: usize,
    ) -> Result<RecipeStep, NotAssembled> {
        let (keyword, rest) = line::instruction(instruction.line());
        let name = keyword.text.to_ascii_uppercase();
        let at = self.line_of(keyword);
        let refuse = |why: &str| refused(at, &name, why);
        if instruction.heredocs {
            return Err(refuse("it has a heredoc"));
        }
        let (flags, arguments) = line::flags(rest);
        let known: &[&str] = match name.as_str() {
            "COPY" | "ADD" => &TRANSFER_FLAGS,
            "HEALTHCHECK" => &CHECK_FLAGS,
            "RUN" => return Err(refuse("it runs a command")),
            _ => &[],
        };
        if let Some(flag) = flags.iter().find(|flag| !known.contains(&flag.parts().0)) {
            let flag = shown(flag.parts().0);
            return Err(refuse(&format!("its flag `--{flag}` is not understood")));
        }
        if arguments.text.is_empty() {
            return Err(refuse("it has no argument"));
        }
        let action = match name.as_str() {
            "ARG" => Action::Arg(self.arguments(at, arguments)?),
            "COPY" | "ADD" => {
                let transfer = self.transfer(&name, &flags, arguments, own);
                Action::Copy(transfer.map_err(|why| refuse(&why))?)
            }
            "WORKDIR" => Action::Workdir(self.word(arguments.text)),
            _ => Action::Set(self.setting(&name, &flags, arguments).map_err(refuse)?),
        };
        Ok(RecipeStep {
            line: at,
            name: name.clone(),
            action,
        })
    }

    fn setting(
        &self,
        name: &str,
        flags: &[Flag],
        rest: Piece<'_>,
    ) -> Result<Setting, &'static str> {
        let word = || self.word(rest.text);
        Ok(match name {
            "CMD" => Setting::Cmd(command(rest.text)?),
            "ENTRYPOINT" => Setting::Entrypoint(command(rest.text)?),
            "ENV" => Setting::Env(self.pairs(rest)?),
            "EXPOSE" => Setting::Expose(rest.words().map(|port| self.word(port.text)).collect()),
            "HEALTHCHECK" => Setting::Healthcheck(check(flags, rest)?),
            "LABEL" => Setting::Label(self.pairs(rest)?),
            "MAINTAINER" => Setting::Maintainer(rest.text.to_owned()),
            "ONBUILD" => return Err("it is for images that build on this one"),
            "SHELL" => match command(rest.text)? {
                CommandLine::Exec(shell) if !shell.is_empty() => Setting::Shell(shell),
                CommandLine::Exec(_) | CommandLine::Shell(_) => {
                    return Err("it is no JSON array of texts");
                }
            },
            "STOPSIGNAL" => Setting::Stopsignal(word()),
            "USER" => Setting::User(word()),
            "VOLUME" => Setting::Volume(self.list(rest)?),
            _ => return Err("it is no instruction that this tool knows"),
        })
    }

    /// The names of ARG, with their defaults.
    pub(super) fn arguments(
        &self,
        at: u32,
        rest: Piece<'_>,
    ) -> Result<Vec<(String, Option<Word>)>, NotAssembled> {
        let words = line::quoted_words(rest.text, self.parts.escape);
        let mut arguments = Vec::new();
        for word in &words {
            let (name, default) = match word.split_once('=') {
                None => (*word, None),
                Some((name, default)) => (name, Some(self.word(default))),
            };
            let is_plain = |c: char| c.is_alphanumeric() || "_-.".contains(c);
            if name.is_empty() || !name.chars().all(is_plain) {
                let why = format!("`{}` is no plain name", shown(name));
                return Err(refused(at, "ARG", &why));
            }
            if ONLY_BUILDER.contains(&name) {
                return Err(refused(
                    at,
                    "ARG",
                    &format!("only a builder knows `{name}`"),
                ));
            }
            if words.len() > 1 && default.as_ref().is_some_and(Word::has_variables) {
                let why = "builders differ on whether a default sees the names of its own line";
                return Err(refused(at, "ARG", why));
            }
            arguments.push((name.to_owned(), default));
        }
        Ok(arguments)
    }

    /// `name=value …`, or `name any text`.
    fn pairs(&self, rest: Piece<'_>) -> Result<Pairs, &'static str> {
        let words = line::quoted_words(rest.text, self.parts.escape);
        if let Some(first) = words.first().filter(|first| !first.contains('=')) {
            let value = rest.text[first.len()..].trim();
            if value.is_empty() {
                return Err("a name has no value");
            }
            return Ok(vec![(self.word(first), self.word(value))]);
        }
        let pair = |word: &&str| {
            let (name, value) = word.split_once('=').ok_or("a word has no `=`")?;
            if name.is_empty() {
                return Err("a name is empty");
            }
            Ok((self.word(name), self.word(value)))
        };
        words.iter().map(pair).collect()
    }

    /// A JSON array, or words.
    fn list(&self, rest: Piece<'_>) -> Result<Vec<Word>, &'static str> {
        if let Some(words) = texts(rest.text)? {
            return Ok(words.iter().map(|word| self.word(word)).collect());
        }
        Ok(rest.words().map(|word| self.word(word.text)).collect())
    }

    fn transfer(
        &self,
        name: &str,
        flags: &[Flag],
        rest: Piece<'_>,
        own: usize,
    ) -> Result<Transfer, String> {
        let value = |flag: &str| {
            let found = flags.iter().rev().find(|known| known.parts().0 == flag);
            found.map(|found| found.value(flag).map(|value| value.text.to_owned()))
        };
        let mut sources = self.list(rest)?;
        let destination = sources.pop().filter(|_| !sources.is_empty());
        let Some(destination) = destination else {
            return Err("it names no source, or no destination".to_owned());
        };
        if rest.words().any(|word| is_remote(word.text)) {
            return Err("a source is fetched".to_owned());
        }
        let unpacks = name == "ADD";
        let from = match from_flag(flags) {
            None => None,
            Some(_) if unpacks => return Err("its flag `--from` is not understood".to_owned()),
            Some(from) => Some(self.copied_from(&from, own)?),
        };
        let chmod =
            match value("chmod").flatten() {
                None => None,
                Some(mode) => Some(octal(&mode).ok_or_else(|| {
                    format!("the mode `{}` is not octal, at most 777", shown(&mode))
                })?),
            };
        Ok(Transfer {
            unpacks,
            from,
            sources,
            destination,
            chown: value("chown").flatten().map(|owner| self.word(&owner)),
            chmod,
        })
    }

    fn copied_from(&self, from: &str, own: usize) -> Result<StageBase, String> {
        match self.copied_stage(from) {
            Some(stage) if stage < own => Ok(StageBase::Stage(stage)),
            Some(_) => Err(format!("the stage `{}` is not an earlier one", shown(from))),
            None if from == SCRATCH || from.contains('$') || from.parse::<i64>().is_ok() => {
                Err(format!("`{}` is neither a stage nor an image", shown(from)))
            }
            None => match Reference::parse(from) {
                Ok(reference) => Ok(StageBase::Image(reference)),
                Err(_) => Err(format!("`{}` is no image", shown(from))),
            },
        }
    }
}

fn octal(mode: &str) -> Option<u32> {
    let digits = mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(mode, 8).ok().filter(|_| digits)?;
    (mode <= 0o777).then_some(mode)
}

/// A JSON array of texts; none when the text is no JSON array.
fn texts(text: &str) -> Result<Option<Vec<String>>, &'static str> {
    if let Some(words) = line::json_strings(text) {
        return Ok(Some(words));
    }
    if text.starts_with('[') && serde_json::from_str::<serde_json::Value>(text).is_ok() {
        return Err("its JSON array holds something else than texts");
    }
    Ok(None)
}

fn command(text: &str) -> Result<CommandLine, &'static str> {
    Ok(match texts(text)? {
        Some(words) => CommandLine::Exec(words),
        None => CommandLine::Shell(text.to_owned()),
    })
}

fn check(flags: &[Flag], rest: Piece<'_>) -> Result<Check, &'static str> {
    let (kind, rest) = line::instruction(rest);
    if kind.text.eq_ignore_ascii_case("NONE") {
        return match (flags, rest.text) {
            ([], "") => Ok(Check::default()),
            _ => Err("`NONE` takes nothing"),
        };
    }
    if !kind.text.eq_ignore_ascii_case("CMD") || rest.text.is_empty() {
        return Err("it is neither `NONE` nor `CMD` with a command");
    }
    let value = |name: &str| flags.iter().rev().find_map(|flag| flag.value(name));
    let time = |name: &str| match value(name) {
        None => Ok(0),
        Some(text) => duration(text.text).ok_or("a duration is not understood"),
    };
    let retries = match value("retries").map(|value| value.text) {
        None | Some("") => 0,
        Some(text) => {
            let retries = text.parse::<u16>();
            retries.map_err(|_| "its flag `--retries` is no number")?
        }
    };
    Ok(Check {
        command: Some(command(rest.text)?),
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start-period")?,
        retries: i64::from(retries),
    })
}

/// Whole numbers with units, `1h30m`, of at least a millisecond in all; as nanoseconds.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let nanoseconds = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(nanoseconds)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}
