//! A stream: a room's log as bytes with a beginning, positions and an end.

use std::io;
use std::ops::ControlFlow;

use crate::limits::READ_MAX_BYTES;
use crate::room::cursor::{Cursor, Lineage};
use crate::room::sidecar::Sidecar;
use crate::store::append::{Appended, append, append_bytes};
use crate::store::history::each_line;
use crate::store::log::{Log, Stale};
use crate::store::root::RoomDir;
use crate::wire::ndjson::Array;

/// A stream's log as it is now. It stays the same file whatever becomes of its name.
#[derive(Debug)]
pub struct StreamLog<'a> {
    sidecar: Option<&'a Sidecar>,
    log: Option<Log>,
    end: u64,
}

impl<'a> StreamLog<'a> {
    /// Opens it.
    pub fn open(room: &RoomDir, sidecar: Option<&'a Sidecar>) -> io::Result<Self> {
        StreamLog::open_before(room, sidecar, u64::MAX)
    }

    /// The same, as far as it is before the offset `seen`. Without a lock the log's length must be older than what the
    /// sidecar says: else what a shell added behind an append that closed the stream would be taken for a part of it.
    pub fn open_before(room: &RoomDir, sidecar: Option<&'a Sidecar>, seen: u64) -> io::Result<Self> {
        let log = Log::open(room)?;
        let log = match sidecar {
            Some(sidecar) => log.map(|log| log.of_lineage(sidecar.lineage())),
            None => log,
        };
        let mut stream = StreamLog { sidecar, log, end: 0 };
        if let Some(log) = &stream.log {
            let size = log.size()?.min(seen);
            let size = sidecar.and_then(|sidecar| sidecar.closed).map_or(size, |closed| closed.min(size));
            stream.end = if stream.is_lines() { log.whole_before(size)? } else { size };
        }
        Ok(stream)
    }

    /// Where it ends, for now: of lines, only whole ones count.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The position at `offset`.
    pub fn cursor(&self, offset: u64) -> io::Result<Cursor> {
        match &self.log {
            Some(log) => log.cursor(offset),
            None => Ok(Cursor::of(&self.lineage(), 0, &[])),
        }
    }

    /// What its positions are bound to.
    pub fn lineage(&self) -> Lineage {
        match (self.sidecar, &self.log) {
            (Some(sidecar), _) => sidecar.lineage(),
            (None, log) => Lineage::of_file(log.as_ref().map_or(0, Log::identity)),
        }
    }

    /// The offset `units` on from `offset`: bytes, or, in a stream of lines, lines. `None` where it ends before.
    pub fn beyond(&self, offset: u64, units: u64) -> io::Result<Option<u64>> {
        if !self.is_lines() || units == 0 {
            return Ok(offset.checked_add(units).filter(|end| *end <= self.end));
        }
        let Some(log) = &self.log else { return Ok(None) };
        let (mut end, mut left, is_json) = (offset, units, self.sidecar.is_some_and(Sidecar::is_json));
        each_line(log, offset, self.end, |line| {
            // A blank line, which only a shell can have written, is no value.
            let counts = !is_json || !line.bytes.trim_ascii().is_empty();
            (end, left) = (line.id.offset(), left - u64::from(counts));
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((left == 0).then_some(end))
    }

    /// The offset that `cursor` points to, where it still holds.
    pub fn resolve(&self, cursor: &Cursor) -> io::Result<Result<u64, Stale>> {
        if cursor.offset() == 0 && cursor.generation() == 0 {
            return Ok(Ok(0));
        }
        let Some(sidecar) = self.sidecar else {
            return match &self.log {
                Some(log) => log.resolve(cursor),
                None => Ok(Err(Stale::Removed)),
            };
        };
        let (offset, lineage) = (cursor.offset(), sidecar.lineage());
        if cursor.generation() != lineage.generation(offset) {
            return Ok(Err(Stale::Replaced));
        }
        if offset > self.end {
            return Ok(Err(Stale::Truncated));
        }
        let Some(log) = &self.log else { return Ok(Ok(0)) };
        let window = log.window(offset)?;
        let there = Cursor::of(&lineage, offset, &window);
        let between = self.is_lines() && !matches!(window.last(), None | Some(b'\n'));
        let holds = !between && cursor.fingerprint().is_none_or(|print| Some(print) == there.fingerprint());
        Ok(if holds { Ok(offset) } else { Err(Stale::Edited) })
    }

    /// Where a read from `from` ends: at most [`READ_MAX_BYTES`] on, and in a chat room behind a whole line.
    pub fn read_to(&self, from: u64) -> io::Result<u64> {
        let to = self.end.min(from + READ_MAX_BYTES);
        match &self.log {
            Some(log) if to < self.end && self.is_lines() => match log.whole_before(to)? {
                whole if whole > from => Ok(whole),
                _ => Ok(log.line_end(to)?.unwrap_or(self.end).min(self.end)),
            },
            _ => Ok(to),
        }
    }

    /// The values of a stream of JSON from `from` to `to`.
    pub fn values(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let mut array = Array::default();
        if let Some(log) = &self.log {
            each_line(log, from, to, |line| {
                array.push(line.bytes);
                ControlFlow::Continue(())
            })?;
        }
        Ok(array.into_bytes())
    }

    /// The file, to be read from; `None` where there is none yet.
    pub fn into_log(self) -> Option<Log> {
        self.log
    }

    fn is_lines(&self) -> bool {
        self.sidecar.is_none_or(Sidecar::is_json)
    }
}

/// Adds to a stream: whole lines to one of lines, any bytes to another.
pub fn add(room: &RoomDir, sidecar: Option<&Sidecar>, bytes: &[u8]) -> io::Result<Appended> {
    match sidecar {
        Some(sidecar) if !sidecar.is_json() => append_bytes(room, bytes),
        _ => append(room, bytes),
    }
}
