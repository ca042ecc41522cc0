//! `esb` at a terminal: what is asked, what is shown, what is kept.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support::{ESB, Machine};

/// How long a program may take to say something.
const PATIENCE: Duration = Duration::from_secs(60);

const SECRET: &str = "canary-0b7d3a";

const TEMPLATE: &str = "Parameters:
  Stage: {Type: String, Description: which stage, AllowedValues: [dev, prod]}
  Password: {Type: String, NoEcho: true, MinLength: 3}
Conditions: {Guarded: !Not [!Equals [!Ref Password, open]]}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Handler: app.handler
      Runtime: python3.12
      Environment: {Variables: {STAGE: !Ref Stage, PASSWORD: !Ref Password, GUARDED: !If [Guarded, 'yes', 'no']}}
";

fn machine() -> Machine {
    let machine = Machine::fresh();
    fs::write(machine.work().join("template.yaml"), TEMPLATE).unwrap();
    fs::create_dir(machine.work().join("code")).unwrap();
    fs::write(machine.work().join("code/app.py"), "").unwrap();
    machine
}

/// A program at a terminal of its own.
struct Terminal {
    program: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    end: Receiver<std::io::Result<String>>,
    /// The program's side of the terminal, so that it stays when the program has ended.
    line: File,
    shown: String,
}

impl Terminal {
    fn with(machine: &Machine, more: &[&str]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let line = open(
            name.as_c_str(),
            OFlags::RDWR | OFlags::NOCTTY,
            Mode::empty(),
        )
        .unwrap();
        let line = File::from(line);
        let keyboard = File::from(keyboard);
        let generate = ["artifact", "generate", "--template", "template.yaml"];
        let mut program = machine
            .command_of(ESB, &[&generate, more].concat())
            .stdin(line.try_clone().unwrap())
            .stderr(line.try_clone().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, screen) = channel();
        let mut reader = keyboard.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(length) = reader.read(&mut bytes) {
                if send.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        // Standard output ends with the program.
        let mut results = program.stdout.take().unwrap();
        let (tell_end, end) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = results.read_to_string(&mut text);
            let _ = tell_end.send(read.map(|_| text));
        });
        Self {
            program,
            keyboard,
            screen,
            end,
            line,
            shown: String::new(),
        }
    }

    /// Waits until a text is on the screen, behind everything that was waited for before.
    fn expect(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let more = self.screen.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("`{text}` is not in:\n{}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
        let end = self.shown.find(text).unwrap() + text.len();
        self.shown.drain(..end);
    }

    fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The exit code, and everything that came to the screen since the last text that was waited for.
    fn ended(mut self) -> (i32, String) {
        let end = self.end.recv_timeout(PATIENCE);
        end.unwrap_or_else(|_| panic!("it goes on:\n{}", self.shown))
            .unwrap();
        let code = self.program.wait().unwrap().code().unwrap();
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ECHO | LocalModes::ISIG),
            "{modes:?}"
        );
        // What was written before this line is on the screen before it.
        self.line.write_all(b"<end>").unwrap();
        self.expect_end();
        (code, std::mem::take(&mut self.shown))
    }

    fn expect_end(&mut self) {
        while !self.shown.ends_with("<end>") {
            let more = self.screen.recv_timeout(PATIENCE).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and has been waited for.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The one file of saved answers, when there is one.
fn saved(machine: &Machine) -> Option<(u32, String)> {
    let answers = machine.work().join("../state/esb/answers");
    let mut files = fs::read_dir(answers).ok()?.map(|entry| entry.unwrap());
    let file = files.next()?;
    assert!(files.next().is_none(), "one run, one file");
    let mode = file.metadata().unwrap().permissions().mode() & 0o777;
    Some((mode, fs::read_to_string(file.path()).unwrap()))
}

fn functions(machine: &Machine) -> String {
    let path = "artifact/template/config/functions.yml";
    fs::read_to_string(machine.work().join(path)).unwrap()
}

#[test]
fn what_has_no_value_is_asked_for_and_a_secret_is_not_shown() {
    let machine = machine();
    let mut terminal = Terminal::with(&machine, &[]);
    terminal.expect("Stage (String; which stage) one of dev, prod: ");
    terminal.keys("prod\n");
    terminal.expect("prod");
    terminal.expect("Password (String; at least 3 characters): ");
    terminal.keys(&format!("{SECRET}\n"));
    let (code, shown) = terminal.ended();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    let functions = functions(&machine);
    assert!(functions.contains("STAGE: prod"), "{functions}");
    assert!(!functions.contains(SECRET), "{functions}");
    assert_eq!(saved(&machine), None, "nothing is kept unasked");
}

#[test]
fn an_answer_that_does_not_fit_is_asked_for_again() {
    let machine = machine();
    let mut terminal = Terminal::with(&machine, &[]);
    terminal.expect("dev, prod: ");
    terminal.keys("moon\n");
    terminal.expect("`moon` is not one of `dev`, `prod`");
    terminal.expect("dev, prod: ");
    terminal.keys("dev\n");
    terminal.expect("Password (String; at least 3 characters): ");
    terminal.keys("pw\n");
    terminal.expect("the value is shorter than 3 characters");
    terminal.expect("Password (String; at least 3 characters): ");
    terminal.keys(&format!("{SECRET}\n"));
    let (code, shown) = terminal.ended();
    assert_eq!(code, 0, "{shown}");
    assert!(functions(&machine).contains("STAGE: dev"));
}

#[test]
fn answers_are_kept_on_request_and_suggested_next_time_but_for_secrets() {
    let machine = machine();
    let mut terminal = Terminal::with(&machine, &["--save-defaults"]);
    terminal.expect("dev, prod: ");
    terminal.keys("prod\n");
    terminal.expect("Password (String; at least 3 characters): ");
    terminal.keys(&format!("{SECRET}\n"));
    assert_eq!(terminal.ended().0, 0);
    let kept = (0o600, "{\n  \"Stage\": \"prod\"\n}".to_owned());
    assert_eq!(saved(&machine), Some(kept));

    let refused = machine.esb(&["artifact", "generate", "--template", "template.yaml"]);
    assert_eq!(refused.code, 2, "an answer is a suggestion, and no value");
    let mut terminal = Terminal::with(&machine, &[]);
    terminal.expect("dev, prod [prod]: ");
    terminal.keys("\n");
    terminal.expect("Password (String; at least 3 characters): ");
    terminal.keys(&format!("{SECRET}\n"));
    assert_eq!(terminal.ended().0, 0);
    assert!(functions(&machine).contains("STAGE: prod"));
}

#[test]
fn a_prompt_for_a_secret_that_is_interrupted_leaves_the_terminal_as_it_was() {
    let machine = machine();
    let mut terminal = Terminal::with(&machine, &["--parameter", "Stage=dev", "--save-defaults"]);
    terminal.expect("Password (String; at least 3 characters): ");
    terminal.keys(&format!("{SECRET}\u{3}"));
    let (code, shown) = terminal.ended();
    assert_eq!(code, 130, "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!machine.work().join("artifact").exists());
    assert_eq!(saved(&machine), None);
}

#[test]
fn no_answer_at_all_ends_with_a_usage_error() {
    let machine = machine();
    let mut terminal = Terminal::with(&machine, &[]);
    for _ in 0..5 {
        terminal.expect("dev, prod: ");
        terminal.keys("moon\n");
    }
    terminal.expect("no answer for `Stage` fits after 5 tries");
    assert_eq!(terminal.ended().0, 2);

    let mut terminal = Terminal::with(&machine, &[]);
    terminal.expect("dev, prod: ");
    terminal.keys("\u{4}");
    terminal.expect("the terminal was closed before every parameter had a value");
    assert_eq!(terminal.ended().0, 2);
}
