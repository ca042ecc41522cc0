//! The log on standard error: warnings for everybody, more for whoever asks.

use std::fmt;
use std::io::{self, Write};

use engine::redact::credentials;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::page::is_coloured;

/// Sets up logging to standard error: warnings, or more with each `-v`; `ARTIFACTCTL_LOG` overrides.
pub(crate) fn begin(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // The HTTP and registry clients log requests with their headers at their finest levels; those stay off.
    let filter =
        format!("{level},hyper=warn,hyper_util=warn,reqwest=warn,bollard=warn,rustls=warn");
    let filter =
        EnvFilter::try_from_env("ARTIFACTCTL_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Clean(io::stderr()))
        .with_ansi(is_coloured(&io::stderr()))
        .event_format(Sentence {
            names_module: verbose > 0,
        })
        .init();
}

/// An event as every other message of the programs begins: `warning: `, then what happened. Which module says so is for whoever asks
/// for more.
struct Sentence {
    names_module: bool,
}

impl<S, N> FormatEvent<S, N> for Sentence
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        let level = match *about.level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "{level}: ")?;
        if self.names_module {
            write!(writer, "{}: ", about.target())?;
        }
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Writes log lines without credentials, each in one line. The log writes each of its lines at once.
struct Clean<W>(W);

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(one_line(&credentials(&text)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A text of several lines in one: whatever an error says in its second line is no line of the log. A quoted field has its line
/// breaks as `\n`, which nobody reads.
fn one_line(text: &str) -> String {
    let (text, end) = match text.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (text, ""),
    };
    let mut line = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some('n')) => {
                rest.next();
                line.push_str("; ");
            }
            // A backslash that was escaped itself.
            ('\\', Some('\\')) => {
                rest.next();
                line.push_str("\\\\");
            }
            ('\n', _) => line.push_str("; "),
            (c, _) => line.push(c),
        }
    }
    line + end
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("warning: the registry is away\n", "warning: the registry is away\n")]
    #[case(
        "warning: failed\nwarning: forged\n",
        "warning: failed; warning: forged\n"
    )]
    #[case(
        "warning: error=\"first\\nsecond\"\n",
        "warning: error=\"first; second\"\n"
    )]
    #[case("warning: path=\"C:\\\\new\"\n", "warning: path=\"C:\\\\new\"\n")]
    fn a_warning_is_one_line(#[case] text: &str, #[case] expected: &str) {
        let mut written = Vec::new();
        Clean(&mut written).write_all(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
