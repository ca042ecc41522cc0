//! Pictures of what the programs print, made from real runs: the tutorial's artifact on a real stack.
//!
//! Here: the runs, and drawing their text as SVG. Not here: the words (`cli`), the tutorial as such (`docs/guide/tutorial.md`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::artifactctl;
use crate::command::{self, CommandError};
use crate::engine::TestEngine;
use crate::stack::{CONTAINER_REGISTRY, Stack, StackError, StackOptions};
use crate::workspace;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// A program could not be built or started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The stack did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A file could not be written.
    #[error("cannot write `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A command ended in another way than its picture should show.
    #[error("`{line}` ended with {code:?}:\n{shown}")]
    Ended {
        /// What was typed.
        line: String,
        /// The exit code.
        code: Option<i32>,
        /// What was printed.
        shown: String,
    },
}

/// Where the pictures are.
pub fn folder() -> PathBuf {
    workspace::root().join("docs/guide/pictures")
}

const FUNCTIONS: &str = "config/functions.yml";
const DOCKERFILE: &str = "functions/hello/Dockerfile";
const SOUND: &str = "FROM esb-lambda-base:latest\nCOPY functions/hello/handler /var/task/handler\n";

/// Runs the programs and draws what they print.
pub fn make(engine: &TestEngine, mut say: impl FnMut(&str)) -> Result<(), PictureError> {
    say("building artifactctl, and the stack");
    let program = artifactctl::build()?;
    let stack = Stack::up(engine, StackOptions::default())?;
    let home = tempfile::tempdir_in(engine.folder()).map_err(failed(engine.folder()))?;
    let session = Session {
        program,
        stack: &stack,
        home: home.path().join("todo"),
    };
    session.write_artifact()?;
    for (name, typed, code) in [
        ("plan-first", &["artifactctl plan"][..], 0),
        ("deploy-first", &["artifactctl deploy"], 0),
    ] {
        say(name);
        session.picture(name, typed, code)?;
    }
    let functions = "GREETING: hello there";
    session.edit(FUNCTIONS, "GREETING: hi", functions)?;
    session.picture("plan", &["artifactctl plan"], 0)?;
    session.picture(
        "deploy",
        &[
            "artifactctl deploy -m 'a friendlier greeting'",
            "artifactctl deploy",
        ],
        0,
    )?;
    say("a deploy that fails, and a typo");
    session.edit(
        DOCKERFILE,
        SOUND,
        &format!("{SOUND}RUN cp nothing /var/task/\n"),
    )?;
    session.picture("failed", &["artifactctl deploy"], 6)?;
    session.picture("status", &["artifactctl status"], 0)?;
    session.picture("history", &["artifactctl history"], 0)?;
    session.edit("config/routing.yml", "function: hello", "function: helo")?;
    session.picture("typo", &["artifactctl validate"], 3)?;
    stack.down()?;
    Ok(())
}

/// A folder with the tutorial's artifact, and the stack that it is deployed to.
struct Session<'a> {
    program: PathBuf,
    stack: &'a Stack<'a>,
    home: PathBuf,
}

impl Session<'_> {
    fn write_artifact(&self) -> Result<(), PictureError> {
        let project = self.stack.project();
        let out = self.stack.config_dir();
        let files = [
            (
                "artifact.yml",
                format!(
                    "schema_version: \"1\"\nproject: {project}\nenv: dev\nmode: docker\nartifacts:\n  \
                     - artifact_root: .\n    runtime_config_dir: config\n"
                ),
            ),
            (
                FUNCTIONS,
                format!(
                    "functions:\n  hello:\n    image: {CONTAINER_REGISTRY}/pictures/hello:1\n    \
                     environment:\n      GREETING: hi\n"
                ),
            ),
            (
                "config/routing.yml",
                "routes:\n  - path: /hello\n    method: GET\n    function: hello\n".to_owned(),
            ),
            (
                "functions/hello/handler",
                "#!/bin/sh\necho '{}'\n".to_owned(),
            ),
            (DOCKERFILE, SOUND.to_owned()),
        ];
        for (name, text) in files {
            self.write(&Path::new("artifact").join(name), &text)?;
        }
        let handler = self.home.join("artifact/functions/hello/handler");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&handler, mode).map_err(failed(&handler))?;
        let file = format!(
            "artifact = \"artifact/artifact.yml\"\nout = \"{}\"\n",
            out.display()
        );
        self.write(Path::new("artifactctl.toml"), &file)
    }

    fn write(&self, name: &Path, text: &str) -> Result<(), PictureError> {
        let path = self.home.join(name);
        let folder = path.parent().unwrap_or(&self.home);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        fs::write(&path, text).map_err(failed(&path))
    }

    fn edit(&self, name: &str, from: &str, to: &str) -> Result<(), PictureError> {
        let name = Path::new("artifact").join(name);
        let path = self.home.join(&name);
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        self.write(&name, &text.replace(from, to))
    }

    /// Types lines, each of which ends so, and draws all that is printed.
    fn picture(&self, name: &str, typed: &[&str], code: i32) -> Result<(), PictureError> {
        let mut screen = String::new();
        for line in typed {
            let mut shell = artifactctl::command(Path::new("sh"), self.stack);
            let path = std::env::var("PATH").unwrap_or_default();
            let programs = self.program.parent().unwrap_or(Path::new("."));
            shell
                .args(["-c", &format!("{line} 2>&1")])
                .current_dir(&self.home)
                .env("PATH", format!("{}:{path}", programs.display()))
                .env("ARTIFACTCTL_JOURNAL", self.home.join("journal"))
                .env("CLICOLOR_FORCE", "1")
                .env("USER", "sato");
            let ran = command::output(&mut shell)?;
            let shown = self.without_names(&String::from_utf8_lossy(&ran.stdout));
            if ran.status.code() != Some(code) {
                return Err(PictureError::Ended {
                    line: (*line).to_owned(),
                    code: ran.status.code(),
                    shown,
                });
            }
            screen.push_str(&format!("\u{1b}[1m$ {line}\u{1b}[0m\n{shown}"));
        }
        let path = folder().join(format!("{name}.svg"));
        fs::create_dir_all(folder()).map_err(failed(&path))?;
        fs::write(&path, svg(&screen)).map_err(failed(&path))
    }

    /// The names of this run's folders, ports and machine, as somebody else would have them.
    fn without_names(&self, text: &str) -> String {
        let host = rustix::system::uname();
        text.replace(
            &*self.stack.config_dir().to_string_lossy(),
            "/srv/stack/config",
        )
        .replace(&*self.home.to_string_lossy(), "/srv/todo")
        .replace(self.stack.project(), "esb-dev")
        .replace(&self.stack.host_registry(), "127.0.0.1:5010")
        .replace(
            &format!("sato@{}", host.nodename().to_string_lossy()),
            "sato@laptop",
        )
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> PictureError {
    let path = path.to_owned();
    move |source| PictureError::File { path, source }
}

/// Columns after which a line goes on below, as a terminal of this width shows it.
const COLUMNS: usize = 100;

/// Text with the sequences of a terminal, drawn.
fn svg(screen: &str) -> String {
    const LINE: usize = 19;
    const CHARACTER: f64 = 8.4;
    let mut body = String::new();
    let mut row = 0;
    let mut colour = "";
    for line in screen.lines() {
        let mut column = 0;
        for (at, part) in line.split('\u{1b}').enumerate() {
            let text = match part.split_once('m') {
                Some((sequence, text)) if at > 0 => {
                    colour = style(sequence);
                    text
                }
                Some(_) | None => part,
            };
            let mut text: Vec<char> = text.chars().collect();
            while !text.is_empty() {
                if column == COLUMNS {
                    (row, column) = (row + 1, 0);
                }
                let rest = text.split_off(text.len().min(COLUMNS - column));
                let shown: String = text.iter().collect();
                #[expect(clippy::cast_precision_loss, reason = "few columns")]
                let x = 16.0 + column as f64 * CHARACTER;
                body.push_str(&format!(
                    "<text x=\"{x:.1}\" y=\"{}\"{colour}>{}</text>\n",
                    (row + 2) * LINE,
                    escaped(&shown)
                ));
                column += text.len();
                text = rest;
            }
        }
        row += 1;
    }
    let height = (row + 2) * LINE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"872\" height=\"{height}\" \
         font-family=\"ui-monospace, Menlo, 'DejaVu Sans Mono', monospace\" font-size=\"14\" \
         fill=\"#d8dee9\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1d2129\"/>\n{body}</svg>\n"
    )
}

/// How a sequence of the terminal is drawn.
fn style(sequence: &str) -> &'static str {
    match sequence {
        "[1" => " font-weight=\"bold\"",
        "[2" => " fill=\"#8891a0\"",
        "[31" => " fill=\"#f27d84\"",
        "[32" => " fill=\"#9ccf7a\"",
        "[33" => " fill=\"#e8c46a\"",
        _ => "",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_terminal_is_drawn_in_its_colours_and_says_the_same() {
        let drawn = svg("a <b>\n\u{1b}[32mgood\u{1b}[0m rest\n");
        assert!(drawn.contains(">a &lt;b&gt;</text>"), "{drawn}");
        assert!(drawn.contains("fill=\"#9ccf7a\">good</text>"), "{drawn}");
        assert!(drawn.contains("\"57\"> rest</text>"), "{drawn}");
        assert!(!drawn.contains('\u{1b}'), "{drawn}");
    }

    #[test]
    fn a_long_line_goes_on_below() {
        let drawn = svg(&"x".repeat(COLUMNS + 1));
        let long = format!("y=\"38\">{}</text>", "x".repeat(COLUMNS));
        assert!(drawn.contains(&long), "{drawn}");
        assert!(drawn.contains("y=\"57\">x</text>"), "{drawn}");
    }
}
