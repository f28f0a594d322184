//! A watcher on its own thread, and a pipe that is readable while there are hints.

use std::collections::HashSet;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::store::bell::{Bell, sleep};
use crate::store::root::DataRoot;
use crate::store::watch::{Hint, Place, Watch, WatchMode, Watcher};

/// Hints that wait, the pipe, and who pulls.
pub(super) struct RopeBell {
    hints: Arc<Mutex<HashSet<Hint>>>,
    pipe: PipeReader,
    watcher: Watcher,
}

impl RopeBell {
    /// A bell, and the watcher that rings it.
    pub(super) fn new(root: &DataRoot, mode: WatchMode) -> io::Result<RopeBell> {
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
        Ok(RopeBell { hints, pipe, watcher })
    }
}

impl Watch for RopeBell {
    fn watch(&self, place: &Place) {
        self.watcher.watch(place);
    }

    fn unwatch(&self, place: &Place) {
        self.watcher.unwatch(place);
    }

    fn renew(&self, place: &Place) -> bool {
        self.watcher.renew(place)
    }
}

impl Bell for RopeBell {
    fn wait(&self, out: BorrowedFd<'_>, due: Option<Instant>) -> io::Result<bool> {
        sleep(&[self.pipe.as_fd()], out, due)
    }

    fn take(&self) -> io::Result<HashSet<Hint>> {
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
