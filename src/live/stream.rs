//! What a reader asked for: the plan of a stream, before any byte of it.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::live::admission::Slot;
use crate::live::encoding::Format;
use crate::room::cursor::Cursor;
use crate::room::name::UserName;

/// A stream to be opened.
#[derive(Debug)]
pub struct Stream {
    /// Its place among the streams that one process serves, which says what it is about.
    pub slot: Slot,
    /// Where it begins.
    pub start: Start,
    /// What messages look like.
    pub format: Format,
    /// Whose it is: a web avatar of this name stays while it lives.
    pub user: Option<UserName>,
    /// A client of a stream gets no `Stream-Cursor` below this one.
    pub cursor: u64,
    /// What is sent before the first event: `retry:` and, maybe, comments.
    pub prelude: Vec<u8>,
    /// Whether it ends with the first thing that happens: then a cache in the way has to hand it on.
    pub once: bool,
    /// Its timing and padding.
    pub pace: Pace,
}

/// A stream's timing and padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// After how long a silence it says `ping`.
    pub ping: Duration,
    /// How long it lives.
    pub lifetime: Duration,
    /// How long a long-poll waits.
    pub long_poll: Duration,
    /// Whether what it says is followed by padding that pushes it through buffers.
    pub padding: bool,
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With what comes from now on.
    Now,
    /// After this position.
    After(Cursor),
    /// With the first line at or after this time, in the server's local time.
    Since(NaiveDateTime),
}
