//! `artifactctl` with boundaries at which a test can have it kill itself. Only the feature `failpoints` builds it.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::artifactctl()
}
