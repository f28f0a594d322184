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
        let kind = tail.kind_in(&room)?;
        tail.reopen(Some(&room), kind)?;
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
            if self.kind.generation() != kind.generation() {
                self.reopen(Some(&room), kind)?;
                return Ok(Look::Reset(Stale::Replaced));
            }
            self.kind = kind;
        }
        if self.kind.sidecar.as_ref().and_then(|sidecar| sidecar.intent.as_ref()).is_some_and(|intent| intent.closes) {
            // Where it ends is known in a moment, and then the sidecar is another.
            return Ok(Look::Nothing);
        }
        let Some(log) = self.log.clone() else {
            let Some(room) = named.and(root.stream(&self.name)?) else { return Ok(Look::Nothing) };
            self.reopen(Some(&room), self.kind.clone())?;
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
        self.reopen(root.stream(&self.name)?.as_ref(), self.kind.clone())?;
        Ok(Look::Reset(stale))
    }

    /// Begins at the end of the log that is there now. Where that can't be read nothing is another: the next look finds
    /// what this one did.
    fn reopen(&mut self, room: Option<&RoomDir>, kind: Kind) -> io::Result<()> {
        let (name, log_path, sidecar_path) = (self.name.clone(), self.log_path.clone(), self.sidecar_path.clone());
        let mut new = StreamTail {
            name,
            log_path,
            sidecar_path,
            kind,
            log: None,
            end: 0,
            window: Vec::new(),
            reach: 0,
            searched: 0,
        };
        if let Some(log) = room.map_or(Ok(None), Log::open)? {
            let log = Arc::new(match &new.kind.sidecar {
                Some(sidecar) => log.of_lineage(sidecar.lineage()),
                None => log,
            });
            let size = log.size()?;
            new.end = if new.kind.is_lines() {
                log.whole_before(new.closed().map_or(size, |closed| closed.min(size)))?
            } else {
                new.reach_in(&log, size)?
            };
            (new.reach, new.window, new.log) = (new.end, log.window(new.end)?, Some(log));
        }
        *self = new;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::STRETCH_MAX_BYTES;
    use crate::room::sidecar::Intent;
    use std::fs;
    use std::io::Write;

    struct Bench {
        dir: tempfile::TempDir,
        root: DataRoot,
        tail: StreamTail,
    }

    impl Bench {
        /// A stream of this type, or a chat room.
        fn new(media_type: Option<&str>, bytes: &[u8]) -> Bench {
            let dir = tempfile::tempdir().unwrap();
            let root = DataRoot::open(dir.path()).unwrap();
            fs::create_dir(dir.path().join("S")).unwrap();
            fs::write(dir.path().join("S/.log"), bytes).unwrap();
            let name = StreamName::parse("S").unwrap();
            if let Some(media_type) = media_type {
                let room = root.stream(&name).unwrap().unwrap();
                sidecar::create(&room, &Sidecar::new(media_type), false).unwrap();
            }
            let tail = StreamTail::open(&root, &name).unwrap().unwrap();
            Bench { dir, root, tail }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("S/.log")
        }

        fn append(&self, bytes: &[u8]) {
            fs::OpenOptions::new().append(true).create(true).open(self.path()).unwrap().write_all(bytes).unwrap();
        }

        fn change(&self, change: impl FnOnce(&mut Sidecar)) {
            let room = self.root.stream(&self.tail.name).unwrap().unwrap();
            let (mut sidecar, _) = sidecar::read(&room).unwrap().unwrap();
            change(&mut sidecar);
            sidecar::create(&room, &sidecar, false).unwrap();
        }

        /// All that looking finds, in short.
        fn looks(&mut self) -> Vec<String> {
            let mut found = Vec::new();
            loop {
                match self.tail.look(&self.root).unwrap() {
                    Look::Nothing => return found,
                    Look::Grew(stretch) => {
                        assert_eq!(stretch.range().end, self.tail.end());
                        found.push(String::from_utf8_lossy(stretch.bytes()).into_owned());
                    }
                    Look::Reset(stale) => found.push(format!("<{}>", stale.reason())),
                }
            }
        }
    }

    #[test]
    fn bytes_come_at_once_text_in_whole_characters_and_lines_whole() {
        let mut bytes = Bench::new(Some("image/png"), b"old");
        bytes.append(b"\xc3");
        assert_eq!(bytes.looks(), ["\u{fffd}"]);
        let mut text = Bench::new(Some("text/markdown"), b"old");
        text.append(b"a\xc3");
        assert_eq!(text.looks(), ["a"]);
        text.append(b"\xa9b");
        assert_eq!(text.looks(), ["éb"]);
        for media_type in [None, Some("application/json")] {
            let mut lines = Bench::new(media_type, b"1\n2");
            assert_eq!(lines.tail.end(), 2);
            lines.append(b"3");
            assert_eq!(lines.looks(), [""; 0]);
            lines.append(b"\n4\n5");
            assert_eq!(lines.looks(), ["23\n4\n"]);
        }
    }

    #[test]
    fn much_comes_in_pieces_that_say_whether_there_is_more() {
        let mut bench = Bench::new(Some("text/plain"), b"");
        let text = "é".repeat(STRETCH_MAX_BYTES);
        bench.append(b"x");
        bench.append(text.as_bytes());
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        while let Look::Grew(stretch) = bench.tail.look(&bench.root).unwrap() {
            assert!(std::str::from_utf8(stretch.bytes()).is_ok());
            all.extend_from_slice(stretch.bytes());
            ends.push(bench.tail.end() == bench.tail.reach());
        }
        assert_eq!(all, ["x".as_bytes(), text.as_bytes()].concat());
        assert_eq!(ends, [false, false, true]);
    }

    #[test]
    fn a_long_line_of_a_chat_room_comes_in_pieces_once_it_is_whole() {
        let mut bench = Bench::new(None, b"");
        let line = "x".repeat(3 * STRETCH_MAX_BYTES);
        bench.append(line.as_bytes());
        assert_eq!(bench.looks(), [""; 0]);
        bench.append(b"\nnext\nha");
        assert_eq!(bench.looks().concat(), line + "\nnext\n");
    }

    #[test]
    fn what_comes_after_the_end_is_not_read_and_what_may_be_is_waited_with() {
        let mut bench = Bench::new(Some("text/plain"), b"one");
        let intent = Intent::new(None, None, true, 3, b"two");
        bench.change(|sidecar| sidecar.intent = Some(intent));
        bench.append(b"twolate");
        assert_eq!(bench.looks(), [""; 0]);
        bench.change(|sidecar| sidecar.record(None, None, true, 6));
        assert!(!bench.tail.is_closed());
        assert_eq!(bench.looks(), ["two"]);
        assert!(bench.tail.is_closed());
        bench.append(b"later");
        assert_eq!(bench.looks(), [""; 0]);
    }

    #[test]
    fn each_fate_of_a_log_is_noticed() {
        let mut bench = Bench::new(Some("text/plain"), b"aaaabbbb");
        fs::write(bench.path(), "b").unwrap();
        assert_eq!(bench.looks(), ["<truncated>"]);
        fs::write(bench.path(), "B").unwrap();
        assert_eq!(bench.looks(), ["<edited>"], "of the same length");
        fs::write(bench.path(), "c, longer than before").unwrap();
        assert_eq!(bench.looks(), ["<edited>"]);
        bench.append(b"late");
        fs::rename(bench.path(), bench.dir.path().join("S/.log.1")).unwrap();
        bench.append(b"fresh");
        assert_eq!(bench.looks(), ["late", "<replaced>"]);
        fs::remove_file(bench.path()).unwrap();
        assert_eq!(bench.looks(), ["<removed>"]);
        bench.append(b"again");
        assert_eq!(bench.looks(), ["again"]);
        bench.change(|sidecar| sidecar.generation += 1);
        assert_eq!(bench.looks(), ["<replaced>"], "it is another stream of the same name");
    }
}
