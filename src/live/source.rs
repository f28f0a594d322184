//! Where a feed's lines or bytes come from.

use std::io;
use std::sync::Arc;

use crate::live::feed::Topic;
use crate::store::log::Log;
use crate::store::root::DataRoot;
use crate::store::stream_tail::StreamTail;
use crate::store::tail::{Look, Tail};

/// A source.
#[derive(Debug)]
pub(super) enum Source {
    /// There is none: the list of rooms and their counts have no log.
    None,
    /// The lines of a room's log.
    Room(Tail),
    /// The bytes of a stream.
    Stream(StreamTail),
}

impl Source {
    /// The source of what `topic` is about, from now on; `None` where there is no such thing.
    pub(super) fn open(root: &DataRoot, topic: &Topic) -> io::Result<Option<Source>> {
        Ok(match topic {
            Topic::Rooms | Topic::Counts => Some(Source::None),
            Topic::Room(room) if root.room(room)?.is_none() => None,
            Topic::Room(room) => Some(Source::Room(Tail::open(root, room)?)),
            Topic::Stream(stream) => StreamTail::open(root, stream)?.map(Source::Stream),
        })
    }

    /// The log, where there is one.
    pub(super) fn log(&self) -> Option<&Arc<Log>> {
        match self {
            Source::None => None,
            Source::Room(tail) => tail.log(),
            Source::Stream(tail) => tail.log(),
        }
    }

    /// How far it was read.
    pub(super) fn end(&self) -> u64 {
        match self {
            Source::None => 0,
            Source::Room(tail) => tail.end(),
            Source::Stream(tail) => tail.end(),
        }
    }

    /// How far it can be read, as far as is known.
    pub(super) fn reach(&self) -> u64 {
        match self {
            Source::Stream(tail) => tail.reach(),
            other => other.end(),
        }
    }

    /// Whether nothing comes after the end any more.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Source::Stream(tail) if tail.is_closed())
    }

    /// Looks what is new.
    pub(super) fn look(&mut self, root: &DataRoot) -> io::Result<Look> {
        match self {
            Source::None => Ok(Look::Nothing),
            Source::Room(tail) => tail.look(root),
            Source::Stream(tail) => tail.look(root),
        }
    }
}
