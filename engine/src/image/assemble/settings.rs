//! Instructions that change the configuration alone.

use super::configuration::Healthcheck;
use super::stage::Stage;
use crate::image::dockerfile::{Check, CommandLine, Setting, Word};

/// The shell, when neither the base nor the Dockerfile names one.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// The signals by their names, without `SIG`.
const SIGNALS: [&str; 31] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN",
    "TTOU", "URG", "USR1", "USR2", "WINCH", "XCPU",
];

impl Stage<'_> {
    /// Carries one out; the text is what it did.
    pub(super) fn set(&mut self, setting: &Setting) -> Result<String, String> {
        match setting {
            Setting::Cmd(command) => {
                let command = self.command(command);
                self.has_command = true;
                self.configuration.config.args_escaped = true;
                let done = list(&command);
                self.configuration.config.cmd = command;
                Ok(done)
            }
            Setting::Entrypoint(command) => {
                let command = self.command(command);
                let config = &mut self.configuration.config;
                if !self.has_command {
                    config.cmd.clear();
                }
                config.entrypoint = command;
                Ok(list(&config.entrypoint))
            }
            Setting::Env(pairs) => {
                let pairs = self.expand_pairs(pairs)?;
                for (name, value) in &pairs {
                    self.variables.insert(name.clone(), value.clone());
                    set_variable(&mut self.configuration.config.env, name, value);
                }
                Ok(joined(&pairs))
            }
            Setting::Expose(words) => {
                let words = self.expand_all(words)?.join(" ");
                for port in words.split_whitespace() {
                    let exposed = ports(port).ok_or_else(|| not_understood(port))?;
                    self.configuration.config.exposed_ports.extend(exposed);
                }
                Ok(words)
            }
            Setting::Healthcheck(check) => {
                let (check, done) = healthcheck(check);
                self.configuration.config.healthcheck = Some(check);
                Ok(done)
            }
            Setting::Label(pairs) => {
                let pairs = self.expand_pairs(pairs)?;
                let done = joined(&pairs);
                self.configuration.config.labels.extend(pairs);
                Ok(done)
            }
            Setting::Maintainer(name) => {
                self.configuration.author = Some(name.clone());
                Ok(name.clone())
            }
            Setting::Shell(shell) => {
                self.configuration.config.shell.clone_from(shell);
                Ok(list(shell))
            }
            Setting::Stopsignal(word) => {
                let signal = self.expand(word)?;
                if !is_signal(&signal) {
                    return Err(not_understood(&signal));
                }
                self.configuration.config.stop_signal.clone_from(&signal);
                Ok(signal)
            }
            Setting::User(word) => {
                let user = self.expand(word)?;
                self.configuration.config.user.clone_from(&user);
                Ok(user)
            }
            Setting::Volume(words) => {
                let volumes = self.expand_all(words)?;
                if volumes.iter().any(|volume| volume.trim().is_empty()) {
                    return Err("a volume has no name".to_owned());
                }
                let done = volumes.join(" ");
                self.configuration.config.volumes.extend(volumes);
                Ok(done)
            }
        }
    }

    fn command(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(text) => {
                let shell = &self.configuration.config.shell;
                let mut words = if shell.is_empty() {
                    SHELL.map(str::to_owned).to_vec()
                } else {
                    shell.clone()
                };
                words.push(text.clone());
                words
            }
        }
    }

    fn expand_pairs(&self, pairs: &[(Word, Word)]) -> Result<Vec<(String, String)>, String> {
        let expand = |(name, value): &(Word, Word)| Ok((self.expand(name)?, self.expand(value)?));
        pairs.iter().map(expand).collect()
    }
}

fn set_variable(environment: &mut Vec<String>, name: &str, value: &str) {
    let pair = format!("{name}={value}");
    let own = |known: &&mut String| known.split('=').next() == Some(name);
    match environment.iter_mut().find(own) {
        Some(known) => *known = pair,
        None => environment.push(pair),
    }
}

/// `80`, `80/udp`, `80-82`; a protocol in any case.
fn ports(text: &str) -> Option<Vec<String>> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return None;
    }
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    let (first, last) = match numbers.split_once('-') {
        None => (number(numbers)?, number(numbers)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    (first <= last).then(|| {
        (first..=last)
            .map(|port| format!("{port}/{protocol}"))
            .collect()
    })
}

fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number) && !text.starts_with('+');
    }
    let name = text.to_ascii_uppercase();
    SIGNALS.contains(&name.strip_prefix("SIG").unwrap_or(&name))
}

fn healthcheck(check: &Check) -> (Healthcheck, String) {
    let (test, done) = match &check.command {
        None => (vec!["NONE".to_owned()], "NONE".to_owned()),
        Some(CommandLine::Shell(text)) => (
            vec!["CMD-SHELL".to_owned(), text.clone()],
            format!("CMD {text}"),
        ),
        Some(CommandLine::Exec(words)) => {
            let test = std::iter::once("CMD".to_owned()).chain(words.iter().cloned());
            (test.collect(), format!("CMD {}", list(words)))
        }
    };
    let healthcheck = Healthcheck {
        test,
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        start_interval: 0,
        retries: check.retries,
    };
    (healthcheck, done)
}

fn list(words: &[String]) -> String {
    serde_json::to_string(words).expect("texts are valid JSON")
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(" ")
}

fn not_understood(text: &str) -> String {
    format!("`{}` is not understood", text.escape_debug())
}
