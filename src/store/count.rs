//! How many messages each room has: counted once, and from then on only what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use memchr::memchr_iter;
use serde::{Serialize, Serializer};

use crate::limits::{COUNT_TURN_BYTES, COUNT_TURN_ROOMS, STRETCH_MAX_BYTES};
use crate::room::line;
use crate::room::name::RoomName;
use crate::store::log::Log;
use crate::store::root::{DataRoot, is_out_of_descriptors};

/// The messages of each room. As JSON: `{"General":3,"Ops":0}`, in the byte order of the names.
#[derive(Debug, Default)]
pub struct Counts {
    rooms: BTreeMap<RoomName, Count>,
    unread: BTreeSet<RoomName>,
}

impl Counts {
    /// There are these rooms now. All of them are looked at again.
    pub fn list(&mut self, rooms: Vec<RoomName>) {
        let mut before = std::mem::take(&mut self.rooms);
        self.unread = rooms.iter().cloned().collect();
        let known = |name: RoomName| {
            let count = before.remove(&name).unwrap_or_default();
            (name, count)
        };
        self.rooms = rooms.into_iter().map(known).collect();
    }

    /// The log of `room` may be another, or longer.
    pub fn note(&mut self, room: RoomName) {
        if self.rooms.contains_key(&room) {
            self.unread.insert(room);
        }
    }

    /// Counts some of what is new. Says whether there is more.
    pub fn go_on(&mut self, root: &DataRoot) -> io::Result<bool> {
        let mut left = COUNT_TURN_BYTES;
        for _ in 0..COUNT_TURN_ROOMS {
            let Some(name) = self.unread.first().cloned() else { return Ok(false) };
            let count = self.rooms.entry(name.clone()).or_default();
            let log = match root.room(&name)? {
                Some(room) => match Log::open(&room) {
                    Err(error) if is_out_of_descriptors(&error) => return Err(error),
                    // What is no log has no messages.
                    opened => opened.unwrap_or_default(),
                },
                None => None,
            };
            match log {
                Some(log) => {
                    // What can't be read is not counted, and keeps nobody else from it.
                    if count.go_on(&log, &mut left).unwrap_or(false) {
                        return Ok(true);
                    }
                }
                None => *count = Count::default(),
            }
            self.unread.remove(&name);
        }
        Ok(!self.unread.is_empty())
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.rooms.iter().map(|(name, count)| (name.as_str(), count.messages)))
    }
}

/// How many of one log's lines are messages, as far as it was read.
#[derive(Debug, Default)]
struct Count {
    identity: u64,
    /// Just after the last whole line that was counted.
    end: u64,
    /// What was just before `end` then.
    window: Vec<u8>,
    messages: u64,
}

impl Count {
    /// Counts what is new, as long as there are bytes `left` to be read. Says whether there is more.
    fn go_on(&mut self, log: &Log, left: &mut u64) -> io::Result<bool> {
        let is_same =
            log.identity() == self.identity && self.end <= log.size()? && log.window(self.end)? == self.window;
        if !is_same {
            *self = Count { identity: log.identity(), ..Count::default() };
        }
        let more = loop {
            let block = log.read(self.end, STRETCH_MAX_BYTES)?;
            *left = left.saturating_sub(block.len() as u64);
            let mut from = 0;
            for newline in memchr_iter(b'\n', &block) {
                self.messages += u64::from(!line::is_system(&block[from..newline]));
                from = newline + 1;
            }
            if from == 0 && block.len() == STRETCH_MAX_BYTES {
                // A line that is longer than that: its beginning says what it is.
                let Ok(end) = log.line_end(self.end)? else { break false };
                self.messages += u64::from(!line::is_system(&block));
                *left = left.saturating_sub(end - self.end);
                self.end = end;
            } else {
                self.end += from as u64;
                if block.len() < STRETCH_MAX_BYTES {
                    break false;
                }
            }
            if *left == 0 {
                break true;
            }
        };
        self.window = log.window(self.end)?;
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    fn append(path: &Path, text: &str) {
        fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn counted(counts: &mut Counts, root: &DataRoot) -> String {
        while counts.go_on(root).unwrap() {}
        serde_json::to_string(&counts).unwrap()
    }

    #[test]
    fn messages_are_counted_once_and_what_is_new_after_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::open(dir.path()).unwrap();
        let log = |room: &str| dir.path().join(room).join(".log");
        for room in ["A", "B"] {
            fs::create_dir(dir.path().join(room)).unwrap();
        }
        let mut counts = Counts::default();
        counts.list(root.rooms().unwrap());
        assert_eq!(counted(&mut counts, &root), r#"{"A":0,"B":0}"#);
        let line =
            "[2026-01-31 08:00:00] al: log: no\nlog: not either\n\n[2026-01-31 08:00:00] log: al joined the room.\n";
        append(&log("A"), line);
        append(&log("A"), "half");
        assert_eq!(counted(&mut counts, &root), r#"{"A":0,"B":0}"#, "nobody said that it changed");
        counts.note(RoomName::parse("A").unwrap());
        counts.note(RoomName::parse("Nowhere").unwrap());
        assert_eq!(counted(&mut counts, &root), r#"{"A":3,"B":0}"#);
        append(&log("A"), &format!(" a line\n{}\n{}", "x".repeat(3 * STRETCH_MAX_BYTES), line.repeat(5000)));
        append(&log("B"), line);
        fs::create_dir(dir.path().join("C")).unwrap();
        counts.list(root.rooms().unwrap());
        assert_eq!(counted(&mut counts, &root), r#"{"A":15005,"B":3,"C":0}"#);
        // A log that is another is counted anew, also where it is as long as before.
        fs::write(log("B"), line.replace("log: al", "bob: al")).unwrap();
        fs::remove_dir_all(dir.path().join("C")).unwrap();
        fs::write(log("A"), "one\n").unwrap();
        counts.list(root.rooms().unwrap());
        assert_eq!(counted(&mut counts, &root), r#"{"A":1,"B":4}"#);
        fs::remove_file(log("A")).unwrap();
        fs::create_dir(log("A")).unwrap();
        counts.list(root.rooms().unwrap());
        assert_eq!(counted(&mut counts, &root), r#"{"A":0,"B":4}"#);
    }

    #[test]
    fn much_is_counted_in_turns() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = 3 * COUNT_TURN_BYTES / 16;
        fs::write(file.path(), "fifteen letters\n".repeat(lines as usize)).unwrap();
        let log = Log::of(file.reopen().unwrap()).unwrap();
        let (mut count, mut turns) = (Count::default(), 1);
        while count.go_on(&log, &mut { COUNT_TURN_BYTES }).unwrap() {
            turns += 1;
        }
        assert_eq!((count.messages, turns), (lines, 4));
    }
}
