//! The growing end of a stream: as a room's [tail], but of bytes, and up to where the stream was closed.
//!
//! [tail]: crate::store::tail

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::{LINE_SEARCH_MAX_BYTES, STAMP_SETTLES};
use crate::room::sidecar::Sidecar;
use crate::room::stream_name::StreamName;
use crate::store::log::{Log, Stale, Stretch};
use crate::store::root::{DataRoot, LOG_NAME, RoomDir};
use crate::store::sidecar::{self, SIDECAR_NAME, SidecarError};
use crate::store::tail::Look;
use crate::wire::durable::Media;

/// Where a stream ends, as far as it was read.
#[derive(Debug)]
pub struct StreamTail {
    name: StreamName,
    log_path: PathBuf,
    sidecar_path: PathBuf,
    kind: Kind,
    log: Option<Arc<Log>>,
    end: u64,
    /// What was just before `end` when it was read.
    window: Vec<u8>,
    /// How far what can be read now is known to reach.
    reach: u64,
    searched: u64,
}

/// What its sidecar says; without one, that it is a chat room.
#[derive(Debug, Clone, Default)]
struct Kind {
    stamp: Option<Stamp>,
    /// Whether any later sidecar has another stamp: not within the same tick of the clock.
    settled: bool,
    sidecar: Option<Arc<Sidecar>>,
}

/// A sidecar's inode, and when it changed last.
type Stamp = (u64, Duration);

impl StreamTail {
    /// The end of the stream now; `None` where there is none of that name.
    pub fn open(root: &DataRoot, name: &StreamName) -> io::Result<Option<StreamTail>> {
        let directory = root.path().join(name.directory());
        let mut tail = StreamTail {
            name: name.clone(),
            log_path: directory.join(LOG_NAME),
            sidecar_path: directory.join(SIDECAR_NAME),
            kind: Kind::default(),
            log: None,
            end: 0,
            window: Vec::new(),
            reach: 0,
            searched: 0,
        };
        let Some(room) = root.stream(name)? else { return Ok(None) };
        tail.kind = tail.kind_in(&room)?;
        tail.reopen(&room)?;
        Ok(Some(tail))
    }

    /// The log, where there is one.
    pub fn log(&self) -> Option<&Arc<Log>> {
        self.log.as_ref()
    }

    /// Just after the last byte that was read.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How far it reaches, as of the last look: more than was read where there is more.
    pub fn reach(&self) -> u64 {
        self.reach.max(self.end)
    }

    /// How its bytes are told in events.
    pub fn media(&self) -> Media {
        self.kind.sidecar.as_ref().map_or(Media::Text, |sidecar| sidecar.media())
    }

    /// Whether nothing comes after its end any more.
    pub fn is_closed(&self) -> bool {
        self.closed().is_some() && self.end >= self.reach
    }

    /// Looks what is new. To be called until nothing is.
    pub fn look(&mut self, root: &DataRoot) -> io::Result<Look> {
        let named = stat(&self.log_path)?.map(|meta| (meta.ino(), meta.len()));
        // The length first. Before a stream is closed its sidecar says that it is about to be, so what was there
        // before the sidecar said nothing of it is part of the stream.
        if !self.kind.settled || self.stamp()? != self.kind.stamp {
            let Some(room) = root.stream(&self.name)? else { return Ok(Look::Nothing) };
            let kind = self.kind_in(&room)?;
            let (was, is) = (self.kind.generation(), kind.generation());
            self.kind = kind;
            if was != is {
                self.reopen(&room)?;
                return Ok(Look::Reset(Stale::Replaced));
            }
        }
        if self.kind.sidecar.as_ref().and_then(|sidecar| sidecar.intent.as_ref()).is_some_and(|intent| intent.closes) {
            // Where it ends is known in a moment, and then the sidecar is another.
            return Ok(Look::Nothing);
        }
        let Some(log) = self.log.clone() else {
            let Some(room) = named.and(root.stream(&self.name)?) else { return Ok(Look::Nothing) };
            self.reopen(&room)?;
            // A log that comes into being is read from its beginning.
            self.rewind();
            return self.log.clone().map_or(Ok(Look::Nothing), |log| self.grow(&log, log.size()?));
        };
        match named {
            Some((inode, len)) if inode == log.identity() => {
                if len < self.end {
                    return self.restart(root, Stale::Truncated);
                }
                match self.grow(&log, len)? {
                    Look::Nothing if log.window(self.end)? != self.window => self.restart(root, Stale::Edited),
                    Look::Reset(stale) => self.restart(root, stale),
                    found => Ok(found),
                }
            }
            // Rotated away: what was written into it before that comes first.
            other => match self.grow(&log, log.size()?)? {
                Look::Grew(stretch) => Ok(Look::Grew(stretch)),
                _ => self.restart(root, if other.is_some() { Stale::Replaced } else { Stale::Removed }),
            },
        }
    }

    /// What comes next in `log`, which is `len` long.
    fn grow(&mut self, log: &Log, len: u64) -> io::Result<Look> {
        self.reach = self.reach_in(log, len)?;
        let Some(stretch) = next(log, self.media(), self.end, self.reach)? else { return Ok(Look::Nothing) };
        if stretch.window() != self.window {
            return Ok(Look::Reset(Stale::Edited));
        }
        self.window = stretch.end_window(log)?;
        self.end = stretch.range().end;
        Ok(Look::Grew(stretch))
    }

    /// How much of `len` bytes can be told: not more than the stream has, of lines only whole ones, and of text whole
    /// characters.
    fn reach_in(&mut self, log: &Log, len: u64) -> io::Result<u64> {
        let closed = self.closed();
        let len = closed.map_or(len, |closed| closed.min(len));
        if len <= self.reach {
            return Ok(len.max(self.end));
        }
        if self.kind.is_lines() {
            let from = self.end.max(self.reach);
            let whole = log.last_line_end(from.max(self.searched), len)?;
            if whole > from.max(self.searched) {
                return Ok(whole);
            }
            self.searched = len;
            // A line without an end in sight is divided.
            return Ok(if len - from >= LINE_SEARCH_MAX_BYTES { from + LINE_SEARCH_MAX_BYTES } else { from });
        }
        match self.media() {
            Media::Text if closed.is_none() => Ok((len - log.cut_character_before(len)?).max(self.end)),
            _ => Ok(len),
        }
    }

    fn closed(&self) -> Option<u64> {
        self.kind.sidecar.as_ref()?.closed
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        let changed = |meta: &Metadata| {
            Duration::new(meta.ctime().try_into().unwrap_or(0), meta.ctime_nsec().try_into().unwrap_or(0))
        };
        Ok(stat(&self.sidecar_path)?.map(|meta| (meta.ino(), changed(&meta))))
    }

    fn kind_in(&self, room: &RoomDir) -> io::Result<Kind> {
        // The clock and the stamp first: what changes meanwhile has another, or is looked at again.
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = self.stamp()?;
        let changed = stamp.map_or(Duration::ZERO, |(_, changed)| changed);
        let settled = clock.abs_diff(changed) >= STAMP_SETTLES;
        let sidecar = sidecar::read(room).map_err(|error| match error {
            SidecarError::File(error) => error,
            SidecarError::Unreadable(why) => io::Error::new(io::ErrorKind::InvalidData, why),
        })?;
        Ok(Kind { stamp, settled, sidecar: sidecar.map(|(sidecar, _)| Arc::new(sidecar)) })
    }

    fn restart(&mut self, root: &DataRoot, stale: Stale) -> io::Result<Look> {
        match root.stream(&self.name)? {
            Some(room) => self.reopen(&room)?,
            None => {
                self.log = None;
                self.rewind();
            }
        }
        Ok(Look::Reset(stale))
    }

    /// Begins at the end of the log that is there now.
    fn reopen(&mut self, room: &RoomDir) -> io::Result<()> {
        self.rewind();
        let log = Log::open(room)?;
        self.log = match &self.kind.sidecar {
            Some(sidecar) => log.map(|log| log.of_lineage(sidecar.lineage())),
            None => log,
        }
        .map(Arc::new);
        if let Some(log) = self.log.clone() {
            let size = log.size()?;
            if self.kind.is_lines() {
                let size = self.closed().map_or(size, |closed| closed.min(size));
                self.end = log.whole_before(size)?;
            } else {
                self.end = self.reach_in(&log, size)?;
            }
            (self.reach, self.window) = (self.end, log.window(self.end)?);
        }
        Ok(())
    }

    fn rewind(&mut self) {
        (self.end, self.window, self.reach, self.searched) = (0, Vec::new(), 0, 0);
    }
}

impl Kind {
    /// `None` for a chat room.
    fn generation(&self) -> Option<u64> {
        self.sidecar.as_ref().map(|sidecar| sidecar.generation)
    }

    /// Whether only whole lines count: in chat rooms and streams of JSON.
    fn is_lines(&self) -> bool {
        self.sidecar.as_ref().is_none_or(|sidecar| sidecar.is_json())
    }
}

/// The next part of a stream after `from`, where it can be read up to `end`.
pub fn next(log: &Log, media: Media, from: u64, end: u64) -> io::Result<Option<Stretch>> {
    match media {
        Media::Json => log.stretch_before(from, end),
        _ => log.piece(from, end, media == Media::Text),
    }
}

fn stat(path: &Path) -> io::Result<Option<Metadata>> {
    match path.metadata() {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
