//! Waiting for what sends no event.

use std::thread;
use std::time::{Duration, Instant};

/// Looks every few milliseconds until `done`, and panics with `what` after `deadline`.
///
/// For outside programs only: nobody is told that another process has begun to listen, has written its pid file, or is
/// gone. Whatever can be read from a socket or a pipe is waited for there.
pub fn wait_until(what: &str, deadline: Duration, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
