//! Being asked to stop: once means after the step at hand, twice means now.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, pending};

/// Two requests to stop, as futures. Made by whoever listens to signals.
#[derive(Clone)]
pub struct Interrupts {
    first: Shared<BoxFuture<'static, ()>>,
    second: Shared<BoxFuture<'static, ()>>,
}

impl Interrupts {
    /// From two futures: the first request, and the second.
    pub fn new(first: BoxFuture<'static, ()>, second: BoxFuture<'static, ()>) -> Self {
        Self {
            first: first.shared(),
            second: second.shared(),
        }
    }

    /// Nobody ever asks.
    pub fn never() -> Self {
        Self::new(pending().boxed(), pending().boxed())
    }

    /// Somebody has asked to stop after the step at hand.
    pub fn asked(&self) -> bool {
        self.first.clone().now_or_never().is_some()
    }

    /// Becomes ready when somebody asks to stop after the step at hand.
    pub fn first(&self) -> Shared<BoxFuture<'static, ()>> {
        self.first.clone()
    }

    /// Becomes ready when somebody wants the step at hand stopped.
    pub fn aborted(&self) -> Shared<BoxFuture<'static, ()>> {
        self.second.clone()
    }
}
