//! One who waits until a stream goes on, to ask again then: a long-poll.

use std::io;
use std::time::Duration;

use crate::live::admission::Slot;
use crate::live::feed::View;
use crate::room::cursor::Cursor;

/// A wait.
#[derive(Debug)]
pub struct Wait {
    /// Its place among the streams that one process serves, which says what it is about.
    pub slot: Slot,
    /// For what comes after this position.
    pub after: Cursor,
    /// How long, at most.
    pub time: Duration,
}

impl Wait {
    /// Whether there is something to say now: bytes, that it is closed or gone, or that the position does not hold.
    /// `epoch` is the life of the log in which the wait began.
    pub(super) fn is_over(&self, view: &View, epoch: u64) -> bool {
        let tip = &view.tip;
        tip.gone || tip.closed || tip.epoch != epoch || tip.end > self.after.offset()
    }

    /// The same as it begins, when the position is not known to hold.
    pub(super) fn is_vain(&self, view: &View) -> io::Result<bool> {
        let holds = match &view.log {
            Some(log) => log.resolve(&self.after)?.is_ok(),
            None => self.after.offset() == 0,
        };
        Ok(!holds || self.is_over(view, view.tip.epoch))
    }
}
