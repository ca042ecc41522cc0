//! Network namespaces: interfaces, routes, rules and ports of their own.
//!
//! Here: naming the namespace of a process, and doing something inside of it. Not here: who gets one (`watchdog.sh`).

use std::fs::File;
use std::io::{Error, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::panic::resume_unwind;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const ATTEMPTS: u32 = 10;

/// The network namespace of a process. It exists at least as long as this value.
#[derive(Debug)]
pub struct Network(File);

impl Network {
    /// The namespace of a process.
    pub fn of(process: u32) -> Result<Self> {
        File::open(format!("/proc/{process}/ns/net")).map(Self)
    }

    /// Does something inside, on a thread of its own. Sockets that it makes and processes that it starts stay inside.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let inside = || {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|it| resume_unwind(it))
    }
}

/// Listens on one free port of the loopback address here and, when there is one, in another namespace.
pub(crate) fn listen(beside: Option<&Network>) -> Result<Vec<TcpListener>> {
    let mut last = Error::other("no attempt was made");
    for _ in 0..ATTEMPTS {
        let here = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let Some(beside) = beside else {
            return Ok(vec![here]);
        };
        let address = here.local_addr()?;
        // A port that is free here may be taken there.
        match beside.within(|| TcpListener::bind(address)) {
            Ok(there) => return Ok(vec![here, there]),
            Err(error) => last = error,
        }
    }
    Err(last)
}
