//! The growing end of one room's log, and what happens to it: lines come, and the file under the
//! name may be truncated, rotated, edited, removed or made again at any time.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::room::name::RoomName;
use crate::store::log::{Log, Stale, Stretch};
use crate::store::root::{DataRoot, LOG_NAME};

/// Where a room's log ends, as far as it was read.
#[derive(Debug)]
pub struct Tail {
    room: RoomName,
    path: PathBuf,
    log: Option<Arc<Log>>,
    end: u64,
    /// What was just before `end` when it was read.
    window: Vec<u8>,
    searched: u64,
}

/// What a look found.
#[derive(Debug)]
pub enum Look {
    /// Nothing new.
    Nothing,
    /// Whole lines after the last end. There may be more.
    Grew(Stretch),
    /// The log is not the one that was read so far. The end is that of the log as it is now.
    Reset(Stale),
}

impl Tail {
    /// The end of the log of `room` now. A room without a log has an empty one.
    pub fn open(root: &DataRoot, room: &RoomName) -> io::Result<Tail> {
        let path = root.path_of(room).join(LOG_NAME);
        let mut tail = Tail { room: room.clone(), path, log: None, end: 0, window: Vec::new(), searched: 0 };
        tail.reopen(root)?;
        Ok(tail)
    }

    /// The log, where there is one.
    pub fn log(&self) -> Option<&Arc<Log>> {
        self.log.as_ref()
    }

    /// Just after the last whole line that was read.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Looks what is new. To be called until nothing is.
    pub fn look(&mut self, root: &DataRoot) -> io::Result<Look> {
        let named = match self.path.metadata() {
            Ok(meta) => Some((meta.ino(), meta.len())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(error) => return Err(error),
        };
        let Some(log) = self.log.clone() else {
            if named.is_none() {
                return Ok(Look::Nothing);
            }
            self.reopen(root)?;
            // A log that comes into being is read from its beginning.
            (self.end, self.window) = (0, Vec::new());
            return self.log.clone().map_or(Ok(Look::Nothing), |log| self.grow(root, &log));
        };
        match named {
            Some((identity, len)) if identity == log.identity() => {
                if len < self.end {
                    self.restart(root, Stale::Truncated)
                } else if len > self.end {
                    self.grow(root, &log)
                } else if log.window(self.end)? == self.window {
                    Ok(Look::Nothing)
                } else {
                    // `echo … > .log`, with a line as long as what was there.
                    self.restart(root, Stale::Edited)
                }
            }
            // Rotated away: what was written into it before that comes first.
            other => match self.grow(root, &log)? {
                Look::Nothing if self.end == 0 => {
                    self.reopen(root)?;
                    (self.end, self.window) = (0, Vec::new());
                    self.log.clone().map_or(Ok(Look::Nothing), |log| self.grow(root, &log))
                }
                Look::Grew(stretch) => Ok(Look::Grew(stretch)),
                _ => self.restart(root, if other.is_some() { Stale::Replaced } else { Stale::Removed }),
            },
        }
    }

    fn grow(&mut self, root: &DataRoot, log: &Log) -> io::Result<Look> {
        let Some(stretch) = log.stretch_searched(self.end, &mut self.searched)? else { return Ok(Look::Nothing) };
        if stretch.window() != self.window {
            return self.restart(root, Stale::Edited);
        }
        self.window = stretch.end_window(log)?;
        (self.end, self.searched) = (stretch.range().end, 0);
        Ok(Look::Grew(stretch))
    }

    fn restart(&mut self, root: &DataRoot, stale: Stale) -> io::Result<Look> {
        self.reopen(root)?;
        Ok(Look::Reset(stale))
    }

    /// Begins at the end of the log that is there now. Where that can't be read nothing is another: the next look finds
    /// what this one did.
    fn reopen(&mut self, root: &DataRoot) -> io::Result<()> {
        let log = match root.room(&self.room)? {
            Some(room) => Log::open(&room)?.map(Arc::new),
            None => None,
        };
        let (end, window) = match &log {
            Some(log) => {
                let end = log.whole_before(log.size()?)?;
                (end, log.window(end)?)
            }
            None => (0, Vec::new()),
        };
        (self.log, self.end, self.window, self.searched) = (log, end, window, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    struct Bench {
        dir: tempfile::TempDir,
        root: DataRoot,
        tail: Tail,
    }

    impl Bench {
        fn new(text: &str) -> Bench {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("R")).unwrap();
            let root = DataRoot::open(dir.path()).unwrap();
            fs::write(dir.path().join("R/.log"), text).unwrap();
            let tail = Tail::open(&root, &RoomName::parse("R").unwrap()).unwrap();
            Bench { dir, root, tail }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("R/.log")
        }

        fn append(&self, text: &str) {
            fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(self.path())
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        }

        /// All that looking finds, in short.
        fn looks(&mut self) -> Vec<String> {
            let mut found = Vec::new();
            loop {
                match self.tail.look(&self.root).unwrap() {
                    Look::Nothing => return found,
                    Look::Grew(stretch) => {
                        found.extend(stretch.lines().map(|l| String::from_utf8_lossy(l.bytes).into_owned()));
                    }
                    Look::Reset(stale) => found.push(format!("<{}>", stale.reason())),
                }
            }
        }
    }

    #[test]
    fn whole_lines_only_and_each_once() {
        let mut bench = Bench::new("old\nhal");
        assert_eq!(bench.looks(), [""; 0]);
        bench.append("f\nnew\nha");
        assert_eq!(bench.looks(), ["half", "new"]);
        bench.append("lf again");
        assert_eq!(bench.looks(), [""; 0]);
        bench.append("\n");
        assert_eq!(bench.looks(), ["half again"]);
    }

    #[test]
    fn a_long_line_grows_slowly() {
        let mut bench = Bench::new("");
        let piece = "x".repeat(100_000);
        for _ in 0..5 {
            bench.append(&piece);
            assert_eq!(bench.looks(), [""; 0]);
        }
        bench.append("\nshort\n");
        let found = bench.looks();
        assert_eq!((found[0].len(), found[1].as_str()), (500_000, "short"));
    }

    #[test]
    fn rotation_shows_the_last_of_the_old_log_first() {
        let mut bench = Bench::new("a\n");
        bench.append("late\n");
        fs::rename(bench.path(), bench.dir.path().join("R/.log.1")).unwrap();
        bench.append("fresh\n");
        assert_eq!(bench.looks(), ["late", "<replaced>"]);
        assert_eq!(bench.tail.end(), 6);
        bench.append("more\n");
        assert_eq!(bench.looks(), ["more"]);
    }

    #[test]
    fn truncation_edit_removal_and_return_are_noticed() {
        let mut bench = Bench::new("aaaa\nbbbb\n");
        fs::write(bench.path(), "b\n").unwrap();
        assert_eq!(bench.looks(), ["<truncated>"]);
        fs::write(bench.path(), "B\n").unwrap();
        assert_eq!(bench.looks(), ["<edited>"], "of the same length");
        fs::write(bench.path(), "c\nlonger than before\n").unwrap();
        assert_eq!(bench.looks(), ["<edited>"]);
        fs::remove_file(bench.path()).unwrap();
        assert_eq!(bench.looks(), ["<removed>"]);
        bench.append("again\n");
        assert_eq!(bench.looks(), ["again"]);
        fs::remove_dir_all(bench.dir.path().join("R")).unwrap();
        assert_eq!(bench.looks(), ["<removed>"]);
        fs::create_dir(bench.dir.path().join("R")).unwrap();
        bench.append("anew\n");
        assert_eq!(bench.looks(), ["anew"]);
    }

    #[test]
    fn an_empty_log_that_is_replaced_loses_nothing() {
        let mut bench = Bench::new("");
        fs::remove_file(bench.path()).unwrap();
        bench.append("first\n");
        assert_eq!(bench.looks(), ["first"]);
    }
}
