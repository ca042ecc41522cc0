//! Dockerfiles of functions.
//!
//! Pure. Every path is one of the build context, which begins at the artifact root: `functions/<name>/…`.

use std::collections::BTreeMap;

use engine::image::dockerfile::{DockerfileError, Embedding, embed};

use super::install::{Install, Needs};

use crate::model::{Family, ImageConfig};

/// Where code lies in an image.
const TASK: &str = "/var/task/";

/// What a Dockerfile copies besides the code, from the function's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extras {
    /// Folders below `layers/`, the lowest first.
    pub(super) layers: Vec<String>,
    /// Files at the top of `hooks/`; none when there are no hooks.
    pub(super) hooks: Option<Vec<String>>,
}

/// The Dockerfile of a zip function.
pub(super) fn zip(
    function: &str,
    base: &str,
    family: Family,
    handler: &str,
    install: Install,
    extras: &Extras,
) -> String {
    let mut text = format!("FROM {base}\n");
    text.push_str(&extras.copies(function));
    text.push_str(&extras.environment(family));
    text.push_str(&with_code(function, install));
    text.push_str(&format!("CMD {}\n", exec_form(&[handler.to_owned()])));
    text
}

/// The lines that bring the code and what it needs.
fn with_code(function: &str, install: Install) -> String {
    let from = format!("functions/{function}/src");
    let code = format!("COPY {from}/ {TASK}\n");
    let (needs, lists, run) = match install {
        Install::Nothing => return code,
        Install::Pip { offline, needs } => {
            let mut lists = format!("COPY {from}/requirements.txt {TASK}\n");
            let mut options = String::new();
            if offline {
                lists.push_str(&format!("COPY {from}/wheelhouse/ {TASK}wheelhouse/\n"));
                options = format!(" --no-index --find-links {TASK}wheelhouse");
            }
            let run = format!(
                "python -m pip install --no-cache-dir{options} --requirement {TASK}requirements.txt --target {TASK}"
            );
            (needs, lists, run)
        }
        Install::Npm { locked, needs } => {
            let (lock, word) = if locked {
                (format!(" {from}/package-lock.json"), "ci")
            } else {
                (String::new(), "install")
            };
            let lists = format!("COPY {from}/package.json{lock} {TASK}\n");
            let run = format!("npm {word} --omit=dev --no-audit --no-fund");
            (needs, lists, run)
        }
    };
    let run = format!("RUN cd {TASK} && {run}\n");
    match needs {
        Needs::List => lists + &run + &code,
        Needs::Code => code + &run,
    }
}

/// The Dockerfile of an image function: the image, and what the template changes about it.
pub(super) fn wrapper(
    function: &str,
    image: &str,
    config: &ImageConfig,
    family: Option<Family>,
    extras: &Extras,
) -> String {
    let mut text = format!("FROM {image}\n");
    text.push_str(&extended(function, config, family, extras));
    text
}

/// The Dockerfile that a function brought, as it is built from the artifact root, and what the template adds.
pub(super) fn own(
    function: &str,
    text: &str,
    target: Option<&str>,
    args: &BTreeMap<String, String>,
    config: &ImageConfig,
    family: Option<Family>,
    extras: &Extras,
) -> Result<String, DockerfileError> {
    let embedding = Embedding {
        folder: &format!("functions/{function}/src"),
        target,
        args,
    };
    let mut text = embed(text, &embedding)?;
    let more = extended(function, config, family, extras);
    if !more.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&more);
    Ok(text)
}

fn extended(
    function: &str,
    config: &ImageConfig,
    family: Option<Family>,
    extras: &Extras,
) -> String {
    let mut text = extras.copies(function);
    if let Some(family) = family {
        text.push_str(&extras.environment(family));
    }
    if let Some(folder) = &config.working_directory {
        text.push_str(&format!("WORKDIR {}\n", literal(folder)));
    }
    // An ENTRYPOINT resets the CMD of the image, so that it stands first.
    if let Some(words) = &config.entry_point {
        text.push_str(&format!("ENTRYPOINT {}\n", exec_form(words)));
    }
    if let Some(words) = &config.command {
        text.push_str(&format!("CMD {}\n", exec_form(words)));
    }
    text
}

impl Extras {
    fn copies(&self, function: &str) -> String {
        let mut text = String::new();
        for layer in &self.layers {
            text.push_str(&format!(
                "COPY functions/{function}/layers/{layer}/ /opt/\n"
            ));
        }
        if self.hooks.is_some() {
            text.push_str(&format!("COPY functions/{function}/hooks/ /opt/hooks/\n"));
        }
        text
    }

    /// What makes a runtime load hooks before the function, where it has a way to.
    fn environment(&self, family: Family) -> String {
        let holds = |name: &str| {
            let hooks = self.hooks.as_ref();
            hooks.is_some_and(|hooks| hooks.iter().any(|hook| hook == name))
        };
        match family {
            Family::Python if self.hooks.is_some() => {
                "ENV PYTHONPATH=/opt/hooks${PYTHONPATH:+:$PYTHONPATH}\n".to_owned()
            }
            Family::Nodejs if holds("preload.js") => {
                "ENV NODE_OPTIONS=\"--require /opt/hooks/preload.js\"\n".to_owned()
            }
            Family::Java if holds("agent.jar") => {
                "ENV JAVA_TOOL_OPTIONS=\"-javaagent:/opt/hooks/agent.jar\"\n".to_owned()
            }
            Family::Python | Family::Nodejs | Family::Java | Family::Provided => String::new(),
        }
    }
}

/// A list of words as Docker runs it without a shell.
fn exec_form(words: &[String]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| serde_json::Value::from(word.as_str()).to_string())
        .collect();
    format!("[{}]", words.join(", "))
}

/// A text in which Docker sees no variable, quote or escape.
fn literal(text: &str) -> String {
    let mut literal = String::new();
    for c in text.chars() {
        if matches!(c, '$' | '\\' | '"' | '\'') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("/srv/app one", "/srv/app one")]
    #[case::variable("/srv/$app", "/srv/\\$app")]
    #[case::quotes("/srv/\"a\"'b'", "/srv/\\\"a\\\"\\'b\\'")]
    #[case::escape("/srv\\a", "/srv\\\\a")]
    fn docker_sees_no_sign_of_its_own_in_a_text(#[case] text: &str, #[case] written: &str) {
        assert_eq!(literal(text), written);
    }

    /// Hooks are loaded where a runtime has a way to, and only those that are there.
    #[rstest]
    #[case::python(Family::Python, &["any.py"], "ENV PYTHONPATH=/opt/hooks${PYTHONPATH:+:$PYTHONPATH}\n")]
    #[case::nodejs(Family::Nodejs, &["preload.js"], "ENV NODE_OPTIONS=\"--require /opt/hooks/preload.js\"\n")]
    #[case::nodejs_other(Family::Nodejs, &["any.js"], "")]
    #[case::java(Family::Java, &["agent.jar"], "ENV JAVA_TOOL_OPTIONS=\"-javaagent:/opt/hooks/agent.jar\"\n")]
    #[case::java_other(Family::Java, &["any.jar"], "")]
    #[case::provided(Family::Provided, &["preload.js", "agent.jar"], "")]
    fn a_runtime_loads_the_hooks_that_are_there(
        #[case] family: Family,
        #[case] hooks: &[&str],
        #[case] line: &str,
    ) {
        let hooks = hooks.iter().map(|hook| (*hook).to_owned()).collect();
        let extras = Extras {
            hooks: Some(hooks),
            ..Extras::default()
        };
        assert_eq!(extras.environment(family), line);
        assert_eq!(Extras::default().environment(family), "");
    }
}
