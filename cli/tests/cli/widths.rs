//! What people read on terminals of 80 and of 120 columns, with and without colour, byte for byte.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rstest::rstest;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};

use crate::outputs::a_week;
use crate::support::{Machine, snapshots};

/// What a command writes to a terminal of so many columns.
fn on_a_terminal(machine: &Machine, args: &[&str], columns: u16, is_coloured: bool) -> String {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let line = open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let size = tcgetwinsize(&line).unwrap();
    let size = Winsize {
        ws_col: columns,
        ws_row: 50,
        ..size
    };
    tcsetwinsize(&line, size).unwrap();
    let mut command = machine.command(args);
    command.env("TERM", "xterm").stderr(Stdio::null());
    if !is_coloured {
        command.env("NO_COLOR", "1");
    }
    let mut command = {
        command.stdout(File::from(line));
        command
    };
    let mut running = command.spawn().unwrap();
    // The other side of the terminal is closed with the process, which ends the reading with an error.
    drop(command);
    let mut written = Vec::new();
    let read = File::from(screen).read_to_end(&mut written);
    assert!(read.is_err() || !written.is_empty());
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let text = String::from_utf8(written).unwrap().replace("\r\n", "\n");
    machine.named(&text)
}

#[rstest]
#[case::history("history", &["history"])]
#[case::status("status", &["status"])]
#[case::show("show", &["show"])]
#[case::show_all("show-v", &["show", "-v"])]
fn a_terminal_shows_this(
    #[case] name: &str,
    #[case] args: &[&str],
    #[values(80, 120)] columns: u16,
    #[values(false, true)] is_coloured: bool,
) {
    let machine = Machine::fresh();
    a_week(&machine);
    let shown = on_a_terminal(&machine, args, columns, is_coloured);
    let colour = if is_coloured { "-colour" } else { "" };
    let path = snapshots().join(format!("terminal-{name}-{columns}{colour}.txt"));
    snapbox::assert_data_eq!(shown, snapbox::Data::read_from(&path, None).raw());
}
