//! A Dockerfile that was written for a folder of its own, made to build from a context in which that folder lies deeper.

use std::collections::BTreeMap;
use std::ops::Range;

use super::heredoc;
use super::reach::is_remote;
use super::split::{Fault, Split, split};
use super::text::Piece;
use super::walk::shown;
use super::words;
use super::{DockerfileError, MAX_SOURCE, located};

/// Where a Dockerfile's folder lies in the context, and what its build would have been told.
#[derive(Debug, Clone, Copy)]
pub struct Embedding<'a> {
    /// The folder, from the root of the context; no `/` at its ends.
    pub folder: &'a str,
    /// The stage that is built; none is the last.
    pub target: Option<&'a str>,
    /// Build arguments: they become the defaults of the file's own `ARG`s.
    pub args: &'a BTreeMap<String, String>,
}

/// Rewrites the sources of COPY, ADD and bind mounts to lie below a folder, gives arguments their values, and cuts off what
/// follows the wanted stage. Every other byte stays.
pub fn embed(text: &str, embedding: &Embedding<'_>) -> Result<String, DockerfileError> {
    let at = |fault| located(text, fault);
    if text.len() > MAX_SOURCE {
        return Err(at(fault(0, "the Dockerfile is larger than 1 MiB")));
    }
    let parts = split(text).map_err(at)?;
    let end = match embedding.target {
        None => text.len(),
        Some(target) => end_of_stage(text, &parts, target).map_err(at)?,
    };
    let mut edits = Vec::new();
    for instruction in &parts.instructions {
        if instruction.line().start() < end {
            instruction_edits(instruction.line(), &parts, embedding, &mut edits).map_err(at)?;
        }
    }
    edits.sort_by_key(|(span, _): &Edit| span.start);
    let mut embedded = String::with_capacity(text.len());
    let mut copied = 0;
    for (span, replacement) in &edits {
        embedded.push_str(&text[copied..span.start]);
        embedded.push_str(replacement);
        copied = span.end;
    }
    embedded.push_str(&text[copied..end]);
    Ok(embedded)
}

/// These bytes of the source become this text.
type Edit = (Range<usize>, String);

fn fault(offset: usize, message: &str) -> Fault {
    Fault {
        offset,
        message: message.to_owned(),
    }
}

/// Where the stage of this name or number ends: at the FROM after it, or at the end of the file.
fn end_of_stage(text: &str, parts: &Split, target: &str) -> Result<usize, Fault> {
    let mut number = 0;
    let mut found = false;
    for instruction in &parts.instructions {
        let (name, rest) = words::instruction(instruction.line());
        if !name.text.eq_ignore_ascii_case("FROM") {
            continue;
        }
        if found {
            return Ok(name.start());
        }
        let own = words::flags(rest).1.words().nth(2);
        found = own.is_some_and(|own| own.text.eq_ignore_ascii_case(target))
            || target.parse() == Ok(number);
        number += 1;
    }
    if found {
        Ok(text.len())
    } else {
        Err(fault(
            0,
            &format!("the Dockerfile has no stage `{}`", shown(target)),
        ))
    }
}

fn instruction_edits(
    line: Piece<'_>,
    parts: &Split,
    embedding: &Embedding<'_>,
    edits: &mut Vec<Edit>,
) -> Result<(), Fault> {
    let (mut name, mut rest) = words::instruction(line);
    if name.text.eq_ignore_ascii_case("ONBUILD") {
        (name, rest) = words::instruction(rest);
    }
    let (flags, arguments) = words::flags(rest);
    let from = flags.iter().any(|flag| {
        let from = flag.value("from");
        from.is_some_and(|from| !from.text.is_empty())
    });
    match name.text.to_ascii_uppercase().as_str() {
        "COPY" if !from => copied(arguments, embedding.folder, edits),
        "ADD" => copied(arguments, embedding.folder, edits),
        "RUN" => {
            for mount in flags.iter().filter_map(|flag| flag.value("mount")) {
                mounted(mount, embedding.folder, edits)?;
            }
            Ok(())
        }
        "ARG" => given(rest, parts.escape, embedding.args, edits),
        _ => Ok(()),
    }
}

/// The sources of COPY and ADD: all arguments but the last.
fn copied(arguments: Piece<'_>, folder: &str, edits: &mut Vec<Edit>) -> Result<(), Fault> {
    let moves = |source: &str| heredoc::parse(source).is_none() && !is_remote(source);
    if let Some(mut words) = words::json_strings(arguments.text) {
        let sources = words.len().saturating_sub(1);
        for source in &mut words[..sources] {
            if moves(source) {
                *source = moved(source, folder, arguments.start())?;
            }
        }
        let text = serde_json::Value::from(words).to_string();
        edits.push((arguments.span(), text));
        return Ok(());
    }
    let words: Vec<Piece<'_>> = arguments.words().collect();
    let Some((_, sources)) = words.split_last() else {
        return Ok(());
    };
    for source in sources.iter().filter(|source| moves(source.text)) {
        let text = moved(source.text, folder, source.start())?;
        edits.push((source.span(), text));
    }
    Ok(())
}

/// The source of a bind mount; a mount without one is of the whole folder.
fn mounted(mount: Piece<'_>, folder: &str, edits: &mut Vec<Edit>) -> Result<(), Fault> {
    let fields = words::mount_fields(mount);
    let field = |names: &[&str]| {
        let mut found = fields.iter().rev();
        found
            .find(|(key, _)| names.contains(&key.as_str()))
            .map(|(_, value)| *value)
    };
    let from = field(&["from"]).is_some_and(|from| !from.text.is_empty());
    let bind = field(&["type"]).is_none_or(|kind| kind.text.eq_ignore_ascii_case("bind"));
    if from || !bind {
        return Ok(());
    }
    if let Some(source) = field(&["source", "src"]) {
        let text = moved(source.text, folder, source.start())?;
        edits.push((source.span(), text));
    } else {
        let end = mount.span().end;
        edits.push((end..end, format!(",source={folder}")));
    }
    Ok(())
}

/// A source below the folder. One that goes up out of it has nothing to go to.
fn moved(source: &str, folder: &str, offset: usize) -> Result<String, Fault> {
    let mut depth = 0_usize;
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => {
                let message = format!(
                    "`{}` leads out of the folder of the Dockerfile",
                    shown(source)
                );
                return Err(fault(offset, &message));
            }
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    let source = source.trim_start_matches("./").trim_start_matches('/');
    if matches!(source, "" | ".") {
        return Ok(format!("{folder}/"));
    }
    Ok(format!("{folder}/{source}"))
}

/// Arguments that were given become the defaults of the ARGs that take them.
/// A value that no line can hold is refused: what follows its line break would be an instruction.
fn given(
    rest: Piece<'_>,
    escape: char,
    args: &BTreeMap<String, String>,
    edits: &mut Vec<Edit>,
) -> Result<(), Fault> {
    let mut from = 0;
    for word in words::quoted_words(rest.text, escape) {
        let Some(at) = rest.text[from..].find(word).map(|at| from + at) else {
            return Ok(());
        };
        from = at + word.len();
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        if let Some(value) = args.get(name) {
            if value.contains(char::is_control) {
                let message = format!(
                    "the argument `{}` holds a line break or another control character",
                    shown(name)
                );
                return Err(fault(rest.start(), &message));
            }
            let piece = rest.slice(at..from);
            edits.push((piece.span(), format!("{name}={}", quoted(value, escape))));
        }
    }
    Ok(())
}

/// A value in double quotes, in which nothing has a meaning.
fn quoted(value: &str, escape: char) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        if c == '"' || c == '$' || c == escape {
            quoted.push(escape);
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn embedded(text: &str, target: Option<&str>, args: &[(&str, &str)]) -> Result<String, String> {
        let args = args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let embedding = Embedding {
            folder: "functions/f/src",
            target,
            args: &args,
        };
        embed(text, &embedding).map_err(|error| error.to_string())
    }

    #[rstest]
    #[case::file("COPY app.py /x/", "COPY functions/f/src/app.py /x/")]
    #[case::several("COPY a b ./", "COPY functions/f/src/a functions/f/src/b ./")]
    #[case::whole("COPY . .", "COPY functions/f/src/ .")]
    #[case::rooted("COPY /a /b", "COPY functions/f/src/a /b")]
    #[case::dotted("COPY ./a/../b /b", "COPY functions/f/src/a/../b /b")]
    #[case::flags("COPY --chown=1:1 a b", "COPY --chown=1:1 functions/f/src/a b")]
    #[case::json(r#"COPY ["a b", "c"]"#, r#"COPY ["functions/f/src/a b","c"]"#)]
    #[case::stage("COPY --from=build /a /b", "COPY --from=build /a /b")]
    #[case::url("ADD https://x.example/a /b", "ADD https://x.example/a /b")]
    #[case::add("ADD a.tar /b", "ADD functions/f/src/a.tar /b")]
    #[case::variable("COPY ${DIR}/a /b", "COPY functions/f/src/${DIR}/a /b")]
    #[case::heredoc("COPY <<E /b\na\nE", "COPY <<E /b\na\nE")]
    #[case::continued(
        "COPY a \\\n  b /c",
        "COPY functions/f/src/a \\\n  functions/f/src/b /c"
    )]
    #[case::onbuild("ONBUILD COPY a b", "ONBUILD COPY functions/f/src/a b")]
    #[case::mount(
        "RUN --mount=type=bind,source=a,target=/a true",
        "RUN --mount=type=bind,source=functions/f/src/a,target=/a true"
    )]
    #[case::mount_of_all(
        "RUN --mount=type=bind,target=/a true",
        "RUN --mount=type=bind,target=/a,source=functions/f/src true"
    )]
    #[case::cache(
        "RUN --mount=type=cache,target=/a true",
        "RUN --mount=type=cache,target=/a true"
    )]
    #[case::text("RUN echo COPY a b", "RUN echo COPY a b")]
    fn sources_lie_below_the_folder(#[case] line: &str, #[case] expected: &str) {
        let text = format!("FROM base AS build\n{line}\n");
        let expected = format!("FROM base AS build\n{expected}\n");
        assert_eq!(embedded(&text, None, &[]), Ok(expected));
    }

    #[rstest]
    #[case(
        "COPY ../a /b",
        "line 2, column 6: `../a` leads out of the folder of the Dockerfile"
    )]
    #[case(
        "COPY a/../../b /b",
        "line 2, column 6: `a/../../b` leads out of the folder of the Dockerfile"
    )]
    fn a_source_above_the_folder_is_refused(#[case] line: &str, #[case] expected: &str) {
        let text = format!("FROM base\n{line}\n");
        assert_eq!(embedded(&text, None, &[]), Err(expected.to_owned()));
    }

    #[rstest]
    #[case("a", "FROM x AS a\nCOPY --from=0 a b\n")]
    #[case("B", "FROM x AS a\nCOPY --from=0 a b\nFROM y as b\nRUN b\n")]
    #[case("1", "FROM x AS a\nCOPY --from=0 a b\nFROM y as b\nRUN b\n")]
    #[case("2", "FROM x AS a\nCOPY --from=0 a b\nFROM y as b\nRUN b\nFROM z\n")]
    fn what_follows_the_wanted_stage_goes(#[case] target: &str, #[case] expected: &str) {
        let text = "FROM x AS a\nCOPY --from=0 a b\nFROM y as b\nRUN b\nFROM z\n";
        assert_eq!(embedded(text, Some(target), &[]), Ok(expected.to_owned()));
    }

    #[test]
    fn a_stage_that_is_not_there_is_refused() {
        let refused = embedded("FROM x AS a\n", Some("b"), &[]);
        assert_eq!(
            refused,
            Err("line 1, column 1: the Dockerfile has no stage `b`".to_owned())
        );
    }

    #[test]
    fn arguments_become_defaults() {
        let text = "ARG V=1\nFROM x:$V\nARG V\nARG W=\"a b\" U\nENV V=2\n";
        let args = [("V", "2 $x"), ("U", "q\"\\"), ("N", "n")];
        assert_eq!(
            embedded(text, None, &args),
            Ok(
                "ARG V=\"2 \\$x\"\nFROM x:$V\nARG V=\"2 \\$x\"\nARG W=\"a b\" U=\"q\\\"\\\\\"\nENV V=2\n"
                    .to_owned()
            )
        );
    }
}
