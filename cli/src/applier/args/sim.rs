//! The words of `sim`.

use std::path::PathBuf;

use testing::SimulatedFault;

#[derive(Debug, clap::Args)]
pub(crate) struct SimArgs {
    /// The manifest, artifact.yml
    #[arg(long, value_name = "PATH")]
    pub(crate) artifact: PathBuf,
    /// A service of the simulated stack and its version; repeatable [default: the oldest that the artifact asks for]
    #[arg(long, value_name = "SERVICE=VERSION", value_parser = service)]
    pub(crate) stack: Vec<(String, String)>,
    /// What goes wrong once, as `image:refused` or `publish:killed-after`; the deploy then goes on
    #[arg(long, value_name = "STEP:FAULT")]
    pub(crate) fault: Option<SimulatedFault>,
    /// Compare the events with a pattern, as `assert` does; exits 10 when they differ, however the deploy ended
    #[arg(long, value_name = "PATTERN")]
    pub(crate) expect: Option<String>,
}

fn service(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((service, version)) if !service.is_empty() && !version.is_empty() => {
            Ok((service.to_owned(), version.to_owned()))
        }
        Some(_) | None => Err("write SERVICE=VERSION, as gateway=1.4.2".to_owned()),
    }
}
