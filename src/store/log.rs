//! A room's log, open for reading: whole lines from a position on, and positions that check
//! themselves. Reads in proportion to what is asked for, never to the log.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::limits::{
    BACKWARD_FIRST_BYTES, FINGERPRINT_WINDOW_BYTES, LINE_MAX_BYTES, LINE_SEARCH_MAX_BYTES, STRETCH_MAX_BYTES,
};
use crate::room::cursor::{Cursor, Lineage};
use crate::store::root::RoomDir;
use crate::wire::lines;

/// An open log. It stays the same file whatever becomes of its name.
#[derive(Debug)]
pub struct Log {
    file: File,
    inode: u64,
    lineage: Lineage,
}

/// Some whole lines of a log, one after the other, or some bytes of one whose lines mean nothing.
#[derive(Debug)]
pub struct Stretch {
    lineage: Lineage,
    /// The lines, and before them what the first one's fingerprint needs.
    bytes: Vec<u8>,
    window: usize,
    from: u64,
    to: u64,
    /// The whole length of its only line and the position after it, where only the line's
    /// beginning was read.
    cut: Option<(u64, Cursor)>,
}

/// One line of a stretch.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// Its bytes, without the `\n`.
    pub bytes: &'a [u8],
    /// The position after it: its id.
    pub id: Cursor,
    /// Its whole length, where `bytes` is only its beginning.
    pub cut: Option<u64>,
}

/// Why a position does not hold any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The log is shorter now.
    Truncated,
    /// Another file has taken the log's place.
    Replaced,
    /// Its bytes are others.
    Edited,
    /// There is no log.
    Removed,
}

impl Stale {
    /// One word for it, as `reset` events say it.
    pub fn reason(self) -> &'static str {
        match self {
            Stale::Truncated => "truncated",
            Stale::Replaced => "replaced",
            Stale::Edited => "edited",
            Stale::Removed => "removed",
        }
    }
}

impl Log {
    /// Opens the log of `room`; `None` where it has none yet.
    pub fn open(room: &RoomDir) -> io::Result<Option<Log>> {
        room.open_log()?.map(Log::of).transpose()
    }

    /// An open file.
    pub fn of(file: File) -> io::Result<Log> {
        let inode = file.metadata()?.ino();
        Ok(Log { file, inode, lineage: Lineage::of_file(inode) })
    }

    /// The same, with positions of this stream's.
    pub fn of_lineage(self, lineage: Lineage) -> Log {
        Log { lineage, ..self }
    }

    /// A log of this text, for tests.
    #[cfg(test)]
    pub fn with(text: &str) -> Log {
        let mut file = tempfile::tempfile().expect("a temporary file");
        io::Write::write_all(&mut file, text.as_bytes()).expect("room for it");
        Log::of(file).expect("a file")
    }

    /// What the file system calls it.
    pub fn identity(&self) -> u64 {
        self.inode
    }

    /// Its length in bytes now, with a last line that may not be whole yet.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Reads at most `len` bytes at `at`: fewer where the log ends before.
    pub fn read(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        // No larger than what is there: the bytes may be kept for a while.
        let len = match len {
            0..=BACKWARD_FIRST_BYTES => len,
            _ => len.min(usize::try_from(self.size()?.saturating_sub(at)).unwrap_or(usize::MAX)),
        };
        let mut bytes = vec![0; len];
        let mut read = 0;
        while read < len {
            match self.file.read_at(&mut bytes[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The block before `end` that is looked at after one of `before` bytes: little at first, for what is looked for is
    /// near most often. Where it begins, and its bytes.
    pub fn block_before(&self, end: u64, before: usize) -> io::Result<(u64, Vec<u8>)> {
        let len = (4 * before).clamp(BACKWARD_FIRST_BYTES, STRETCH_MAX_BYTES) as u64;
        let start = end.saturating_sub(len);
        Ok((start, self.read(start, (end - start) as usize)?))
    }

    /// Copies its first `len` bytes to `to`, at the beginning; where the file system can, they share them. Fails where
    /// there are fewer.
    pub fn copy(&self, len: u64, to: &File) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        // Not byte by byte: the standard library has the kernel copy from file to file.
        let copied = io::copy(&mut file.take(len), &mut &*to)?;
        if copied < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The bytes just before `offset` that its fingerprint is made of.
    pub fn window(&self, offset: u64) -> io::Result<Vec<u8>> {
        let len = offset.min(FINGERPRINT_WINDOW_BYTES);
        self.read(offset - len, len as usize)
    }

    /// The position `offset`, which is 0 or, where lines mean something, just after a `\n`.
    pub fn cursor(&self, offset: u64) -> io::Result<Cursor> {
        Ok(Cursor::of(&self.lineage, offset, &self.window(offset)?))
    }

    /// The offset that `cursor` points to, where it still holds.
    pub fn resolve(&self, cursor: &Cursor) -> io::Result<Result<u64, Stale>> {
        let offset = cursor.offset();
        if *cursor == Cursor::ZERO {
            return Ok(Ok(0));
        }
        if cursor.generation() != self.lineage.generation(offset) {
            return Ok(Err(Stale::Replaced));
        }
        if offset > self.size()? {
            return Ok(Err(Stale::Truncated));
        }
        let window = self.window(offset)?;
        // Where a very long line was divided there is no `\n`.
        let holds = match cursor.fingerprint() {
            Some(_) => *cursor == Cursor::of(&self.lineage, offset, &window),
            None => offset == 0 || window.last() == Some(&b'\n'),
        };
        Ok(if holds { Ok(offset) } else { Err(Stale::Edited) })
    }

    /// Where the last whole line before `end` ends: `end` itself where it is just after a `\n`. Where
    /// there is no `\n` within [`LINE_SEARCH_MAX_BYTES`], so far before it.
    pub fn whole_before(&self, end: u64) -> io::Result<u64> {
        self.last_line_end(end.saturating_sub(LINE_SEARCH_MAX_BYTES), end)
    }

    /// Where the line ends that goes on at `from`: just after its `\n`, or [`LINE_SEARCH_MAX_BYTES`]
    /// later, where there is none before; `Err` with the log's end where that comes first.
    pub fn line_end(&self, from: u64) -> io::Result<Result<u64, u64>> {
        let farthest = from + LINE_SEARCH_MAX_BYTES;
        // Most often it is near.
        let (mut at, mut len) = (from, STRETCH_MAX_BYTES / 64);
        loop {
            let block = self.read(at, len.min((farthest - at) as usize))?;
            if let Some(newline) = memchr::memchr(b'\n', &block) {
                return Ok(Ok(at + newline as u64 + 1));
            }
            (at, len) = (at + block.len() as u64, STRETCH_MAX_BYTES);
            if at == farthest {
                return Ok(Ok(at));
            }
            if block.is_empty() {
                return Ok(Err(at));
            }
        }
    }

    /// The next whole lines after `from`, which is 0 or just after a `\n`; `None` where there is
    /// none yet. At most [`STRETCH_MAX_BYTES`], or one line of any length, of which at most
    /// [`LINE_MAX_BYTES`] are read.
    pub fn stretch(&self, from: u64) -> io::Result<Option<Stretch>> {
        self.stretch_searched(from, &mut 0)
    }

    /// The next bytes after `from` and up to `end`, whatever they are; `None` where there is none. At most
    /// [`STRETCH_MAX_BYTES`]; where there are more, `text` is cut after a line or at least after a character.
    pub fn piece(&self, from: u64, end: u64, text: bool) -> io::Result<Option<Stretch>> {
        let window = from.min(FINGERPRINT_WINDOW_BYTES) as usize;
        let len = end.saturating_sub(from).min(STRETCH_MAX_BYTES as u64) as usize;
        let mut bytes = self.read(from - window as u64, window + len)?;
        if bytes.len() <= window {
            return Ok(None);
        }
        let to = from + (bytes.len() - window) as u64;
        if text && to < end {
            let kept = match lines::whole(&bytes[window..]) {
                0 => bytes.len() - window - cut_character(&bytes[window..]),
                whole => whole,
            };
            bytes.truncate(window + kept);
        }
        let to = from + (bytes.len() - window) as u64;
        Ok(Some(Stretch { lineage: self.lineage.clone(), bytes, window, from, to, cut: None }))
    }

    /// [`Log::stretch`] of what is before `end`, which is just after a `\n`.
    pub fn stretch_before(&self, from: u64, end: u64) -> io::Result<Option<Stretch>> {
        let stretch = if from < end { self.stretch(from)? } else { None };
        Ok(stretch.map(|stretch| stretch.before(end)).filter(|stretch| !stretch.is_empty()))
    }

    /// Where the last whole line ends of what is between `from` and `to`: `from` where none does.
    pub fn last_line_end(&self, from: u64, to: u64) -> io::Result<u64> {
        let (mut to, mut before) = (to, 0);
        while to > from {
            let (start, block) = self.block_before(to, before)?;
            if let Some(at) = memchr::memrchr(b'\n', &block) {
                return Ok((start + at as u64 + 1).max(from));
            }
            (to, before) = (start, block.len());
        }
        Ok(from)
    }

    /// How many bytes just before `end` are the beginning of a character that goes on.
    pub fn cut_character_before(&self, end: u64) -> io::Result<u64> {
        let len = end.min(3);
        Ok(cut_character(&self.read(end - len, len as usize)?) as u64)
    }

    /// [`Log::stretch`] for one who asks again and again while a long line grows: `searched` keeps
    /// how far no `\n` was found.
    pub fn stretch_searched(&self, from: u64, searched: &mut u64) -> io::Result<Option<Stretch>> {
        let window = from.min(FINGERPRINT_WINDOW_BYTES);
        let mut bytes = self.read(from - window, window as usize + STRETCH_MAX_BYTES)?;
        let window = window as usize;
        if bytes.len() < window {
            return Ok(None);
        }
        let whole = lines::whole(&bytes[window..]);
        if whole > 0 {
            bytes.truncate(window + whole);
            let to = from + whole as u64;
            return Ok(Some(Stretch { lineage: self.lineage.clone(), bytes, window, from, to, cut: None }));
        }
        if bytes.len() < window + STRETCH_MAX_BYTES {
            return Ok(None);
        }
        let known = from + STRETCH_MAX_BYTES as u64;
        match self.line_end(known.max(*searched))? {
            Err(end) => {
                *searched = end;
                Ok(None)
            }
            Ok(to) => self.long_line(from, to.min(from + LINE_SEARCH_MAX_BYTES), window),
        }
    }

    fn long_line(&self, from: u64, to: u64, window: usize) -> io::Result<Option<Stretch>> {
        let len = to - from - 1;
        let shown = len.min(LINE_MAX_BYTES as u64) as usize;
        let mut bytes = self.read(from - window as u64, window + shown)?;
        if bytes.len() < window + shown {
            // Truncated since the newline was found.
            return Ok(None);
        }
        let mut cut = None;
        if len > LINE_MAX_BYTES as u64 {
            cut = Some((len, self.cursor(to)?));
            bytes.truncate(bytes.len() - cut_character(&bytes[window..]));
        }
        bytes.push(b'\n');
        Ok(Some(Stretch { lineage: self.lineage.clone(), bytes, window, from, to, cut }))
    }
}

/// How many bytes at the end of `line` are the beginning of a UTF-8 character that goes on.
fn cut_character(line: &[u8]) -> usize {
    let behind = line.iter().rev().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let len = match line.len().checked_sub(behind + 1).map(|lead| line[lead]) {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 0,
    };
    if behind + 1 < len { behind + 1 } else { 0 }
}

impl Stretch {
    /// The offsets it reaches from and to.
    pub fn range(&self) -> Range<u64> {
        self.from..self.to
    }

    /// How many bytes it keeps in memory.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no lines, which no stretch is.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.window
    }

    /// What was before its first line when it was read.
    pub fn window(&self) -> &[u8] {
        &self.bytes[..self.window]
    }

    /// All its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.window..]
    }

    /// Its part before the offset `end`.
    fn before(mut self, end: u64) -> Stretch {
        if end < self.to && self.cut.is_none() {
            self.bytes.truncate(self.window + end.saturating_sub(self.from) as usize);
            self.to = end;
        }
        self
    }

    /// How many lines it has.
    pub fn count(&self) -> u64 {
        memchr::memchr_iter(b'\n', &self.bytes[self.window..]).count() as u64
    }

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = LogLine<'_>> {
        lines::each(&self.bytes[self.window..]).map(|(bytes, end)| match self.cut {
            Some((len, id)) => LogLine { bytes, id, cut: Some(len) },
            None => LogLine { bytes, id: self.cursor_after(end), cut: None },
        })
    }

    /// What is before its end: what the next stretch should have before its first line. `log` is the
    /// one it was read from, which is asked where only a line's beginning was read.
    pub fn end_window(&self, log: &Log) -> io::Result<Vec<u8>> {
        match self.cut {
            Some(_) => log.window(self.to),
            None => Ok(self.bytes[self.bytes.len() - self.to.min(FINGERPRINT_WINDOW_BYTES) as usize..].to_vec()),
        }
    }

    /// The position after its last line.
    pub fn end(&self) -> Cursor {
        self.cut.map_or_else(|| self.cursor_after(self.bytes.len() - self.window), |(_, id)| id)
    }

    fn cursor_after(&self, end: usize) -> Cursor {
        let offset = self.from + end as u64;
        let end = self.window + end;
        let window = &self.bytes[end - offset.min(FINGERPRINT_WINDOW_BYTES) as usize..end];
        Cursor::of(&self.lineage, offset, window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::name::RoomName;
    use crate::store::root::DataRoot;

    fn log_of(bytes: &[u8]) -> (tempfile::TempDir, Log) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("R")).unwrap();
        std::fs::write(dir.path().join("R/.log"), bytes).unwrap();
        let root = DataRoot::open(dir.path()).unwrap();
        let room = root.room(&RoomName::parse("R").unwrap()).unwrap().unwrap();
        let log = Log::open(&room).unwrap().unwrap();
        (dir, log)
    }

    fn all(log: &Log) -> Vec<(Vec<u8>, Cursor, Option<u64>)> {
        let (mut at, mut lines) = (0, Vec::new());
        while let Some(stretch) = log.stretch(at).unwrap() {
            lines.extend(stretch.lines().map(|l| (l.bytes.to_vec(), l.id, l.cut)));
            assert_eq!(stretch.end(), lines.last().unwrap().1);
            at = stretch.range().end;
        }
        lines
    }

    #[test]
    fn every_id_resolves_to_where_its_line_ends() {
        let text: String = (0..20_000).map(|n| format!("line {n} {}\n", "x".repeat(n % 40))).collect();
        let (_dir, log) = log_of(text.as_bytes());
        let lines = all(&log);
        assert_eq!(lines.len(), 20_000);
        let mut offset = 0;
        for (bytes, id, _) in lines {
            offset += bytes.len() as u64 + 1;
            assert_eq!(log.resolve(&id).unwrap(), Ok(offset));
            assert_eq!(log.cursor(offset).unwrap(), id);
        }
        assert_eq!(log.whole_before(offset).unwrap(), offset);
        assert_eq!(log.whole_before(offset - 1).unwrap(), offset - 1 - "line 19999 ".len() as u64 - 39);
    }

    #[test]
    fn a_half_line_is_none_and_a_long_one_is_cut_between_characters() {
        let long = format!("x{}", "é".repeat(LINE_MAX_BYTES));
        let (_dir, log) = log_of(format!("a\n{long}\nb\nhalf").as_bytes());
        let lines = all(&log);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1].2, Some(long.len() as u64));
        assert_eq!(String::from_utf8(lines[1].0.clone()).unwrap().len(), LINE_MAX_BYTES - 1);
        assert_eq!(lines[1].1, log.cursor(2 + long.len() as u64 + 1).unwrap());
        assert_eq!(cut_character("aé".as_bytes()), 0);
        assert_eq!(cut_character(&"a😀".as_bytes()[..4]), 3);
        assert_eq!(cut_character(b"\x80\x80\x80\x80"), 0);
        assert_eq!(lines[2].0, b"b");
        let whole = "x".repeat(LINE_MAX_BYTES);
        let (_dir, log) = log_of(format!("{whole}\n").as_bytes());
        assert_eq!(all(&log)[0].2, None);
    }

    #[test]
    fn a_line_without_an_end_in_sight_is_divided_and_its_positions_hold() {
        let (dir, log) = log_of(b"a\n");
        let file = std::fs::OpenOptions::new().append(true).open(dir.path().join("R/.log")).unwrap();
        file.set_len(2 + 3 * LINE_SEARCH_MAX_BYTES + 5).unwrap();
        std::io::Write::write_all(&mut &file, b"\nb\n").unwrap();
        let lines = all(&log);
        let ends: Vec<u64> = lines.iter().map(|(_, id, _)| id.offset()).collect();
        let divided = |n: u64| 2 + n * LINE_SEARCH_MAX_BYTES;
        assert_eq!(ends, [2, divided(1), divided(2), divided(3), divided(3) + 6, divided(3) + 8]);
        assert!(lines[1..4].iter().all(|(bytes, _, cut)| bytes.len() == LINE_MAX_BYTES && cut.is_some()));
        for (_, id, _) in &lines {
            assert_eq!(log.resolve(id).unwrap(), Ok(id.offset()));
        }
        assert_eq!(log.whole_before(divided(3)).unwrap(), divided(2));
    }

    #[test]
    fn a_cursor_notices_what_became_of_its_log() {
        let (dir, log) = log_of(b"one\ntwo\nthree\n");
        let id = log.cursor(8).unwrap();
        let path = dir.path().join("R/.log");
        let again = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            log.resolve(&id).unwrap()
        };
        assert_eq!(again(b"one\ntwo\nmore\n"), Ok(8));
        assert_eq!(again(b"one\n"), Err(Stale::Truncated));
        assert_eq!(again(b"one\ntwO\nthree\n"), Err(Stale::Edited));
        let bare = Cursor::parse("0000000000000000_0000000000000007").unwrap();
        assert_eq!(log.resolve(&bare).unwrap(), Err(Stale::Edited));
    }
}
