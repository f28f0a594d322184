//! Hints for a program that sleeps in `poll(2)`: a CGI process, or `chatroom tail -f`.

use std::collections::HashSet;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::store::root::DataRoot;
use crate::store::watch::{Hint, WatchMode, Watcher};

/// Hints that wait, and a pipe that is readable while there are any.
#[derive(Debug)]
pub struct Bell {
    hints: Arc<Mutex<HashSet<Hint>>>,
    pipe: PipeReader,
}

impl Bell {
    /// A bell, and the watcher that rings it.
    pub fn new(root: &DataRoot, mode: WatchMode) -> io::Result<(Bell, Arc<Watcher>)> {
        let (pipe, rope) = io::pipe()?;
        let hints: Arc<Mutex<HashSet<Hint>>> = Arc::default();
        let waiting = hints.clone();
        let ring = move |hint| {
            let mut waiting = lock(&waiting);
            // One byte stands for all hints that wait: the pipe is never full.
            if waiting.is_empty() {
                let _ = (&rope).write(b"!");
            }
            waiting.insert(hint);
        };
        let watcher = Watcher::new(root, mode, Arc::new(ring));
        Ok((Bell { hints, pipe }, Arc::new(watcher)))
    }

    /// Sleeps until a hint comes or the time is `due`. Says whether `out` is still read, as far as
    /// the kernel knows.
    pub fn wait(&self, out: BorrowedFd<'_>, due: Option<Instant>) -> io::Result<bool> {
        loop {
            let timeout = match due.map(|due| due.saturating_duration_since(Instant::now())) {
                // A millisecond more: it is never woken too early only to sleep again.
                Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
                None => PollTimeout::NONE,
            };
            // Nothing is asked of `out`: that its reader has hung up is told unasked.
            let mut fds = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN), PollFd::new(out, PollFlags::empty())];
            match poll(&mut fds, timeout) {
                Err(Errno::EINTR) => continue,
                done => done?,
            };
            return Ok(fds[1].revents().is_none_or(|events| events.is_empty()));
        }
    }

    /// Takes the hints that wait.
    pub fn take(&self) -> io::Result<HashSet<Hint>> {
        let mut waiting = lock(&self.hints);
        if !waiting.is_empty() {
            (&self.pipe).read_exact(&mut [0])?;
        }
        Ok(std::mem::take(&mut *waiting))
    }
}

fn lock(hints: &Mutex<HashSet<Hint>>) -> MutexGuard<'_, HashSet<Hint>> {
    hints.lock().unwrap_or_else(PoisonError::into_inner)
}
