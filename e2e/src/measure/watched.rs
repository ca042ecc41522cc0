//! What a deploy costs that is looked at while it runs.
//!
//! Here: somebody who watches and somebody who asks again and again, as processes. Not here: what they are told (`artifactctl watch`, `history`).

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Bench, Figure, MeasureError, Sizes};
use crate::artifactctl;

/// Functions of each deploy.
const FUNCTIONS: usize = 8;
/// How often the history is asked for.
const ASKING: Duration = Duration::from_millis(100);

/// Ends with its owner.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        // One that has ended already is what we want.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Bench<'_> {
    /// Cold deploys that are looked at, each next to one that is not; which of the two comes first changes.
    pub(super) fn watched(
        &self,
        sizes: Sizes,
        say: &mut impl FnMut(&str),
    ) -> Result<Figure, MeasureError> {
        let mut ratios = Vec::new();
        for pair in 0..sizes.pairs {
            let alone = || {
                let artifact = self.artifact(&format!("alone{pair}"), FUNCTIONS)?;
                self.deploy_directly(&artifact)
            };
            let (alone, (watched, answers)) = if pair % 2 == 0 {
                (alone()?, self.looked_at(pair)?)
            } else {
                let watched = self.looked_at(pair)?;
                (alone()?, watched)
            };
            let ratio = watched.as_secs_f64() / alone.as_secs_f64();
            say(&format!(
                "{FUNCTIONS} functions, cold: {:.2} s; watched, and asked for the history {answers} times: {:.2} s; ratio {ratio:.2}",
                alone.as_secs_f64(),
                watched.as_secs_f64(),
            ));
            ratios.push(ratio);
        }
        let what =
            "cold with a watch and a history ten times a second, share of without".to_owned();
        Ok(Figure::of(what, 1.1, ratios))
    }

    /// Deploys while somebody watches and somebody asks for the history; how long it took, and how often there was an answer.
    fn looked_at(&self, pair: usize) -> Result<(Duration, usize), MeasureError> {
        let env = format!("watched{pair}");
        let artifact = self.artifact(&env, FUNCTIONS)?;
        let target = format!("{}/{env}", self.stack.project());
        let _watch = Watch(self.ask(&["watch", "--new", &target]).spawn()?);
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut answers = 0;
                while !ended.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    // Before the first event there is no such target.
                    answers += usize::from(self.ask(&["history", &target]).status()?.success());
                    thread::sleep(ASKING.saturating_sub(asked.elapsed()));
                }
                Ok::<_, MeasureError>(answers)
            });
            let took = self.deploy_directly(&artifact);
            ended.store(true, Ordering::Relaxed);
            let answers = asking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((took?, answers))
        })
    }

    /// A command that reads the journal, and whose answer nobody reads.
    fn ask(&self, words: &[&str]) -> Command {
        let mut command = artifactctl::command(&self.program, self.stack);
        command
            .args(words)
            .arg("--journal")
            .arg(self.folder.join("journal"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}
