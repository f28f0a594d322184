//! What a file system says of files without their being read: enough to see that they changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::STAMP_SETTLES;
use crate::store::root::LOG_NAME;
use crate::store::watch::{Hint, Place};

/// What is compared of a place: the directory itself and, of a room, its log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stamps {
    directory: Option<Stamp>,
    log: Option<Stamp>,
}

#[derive(Debug, Clone, Copy)]
struct Stamp {
    /// Device, inode, length, time of the last change of the bytes, and of anything.
    state: (u64, u64, u64, Duration, Duration),
    /// Whether any later change makes another stamp: not within the same tick of the clock.
    settled: bool,
}

impl Stamps {
    /// Those of `place` in the data root at `root`, now.
    pub fn of(root: &Path, place: &Place) -> Stamps {
        let path = place.path(root);
        let log = matches!(place, Place::Room(_)).then(|| stamp(&path.join(LOG_NAME))).flatten();
        Stamps { directory: stamp(&path), log }
    }

    /// What may have changed of `place` since `before`.
    pub fn hints(&self, place: &Place, before: &Stamps) -> Vec<Hint> {
        let directory = differ(self.directory, before.directory);
        match place {
            Place::Root if directory => vec![Hint::Rooms],
            Place::Room(room) => {
                let mut hints = Vec::new();
                if directory {
                    hints.push(Hint::Room(room.clone()));
                    hints.extend(room.room().map(Hint::Members));
                }
                if differ(self.log, before.log) {
                    hints.push(Hint::Log(room.clone()));
                }
                hints
            }
            Place::Avatar(room, _) if directory => vec![Hint::Members(room.clone())],
            Place::Subscriptions if directory => vec![Hint::Subscriptions],
            _ => Vec::new(),
        }
    }
}

fn differ(now: Option<Stamp>, before: Option<Stamp>) -> bool {
    match (now, before) {
        (Some(now), Some(before)) => now.state != before.state || !before.settled,
        (now, before) => now.is_some() != before.is_some(),
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    // The clock first: were it read later, a stamp would seem more settled than it was.
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let meta = fs::metadata(path).ok()?;
    let time = |seconds: i64, nanos: i64| Duration::new(seconds.try_into().unwrap_or(0), nanos.try_into().unwrap_or(0));
    let modified = time(meta.mtime(), meta.mtime_nsec());
    let changed = time(meta.ctime(), meta.ctime_nsec());
    let settled = clock.abs_diff(modified.max(changed)) >= STAMP_SETTLES;
    Some(Stamp { state: (meta.dev(), meta.ino(), meta.len(), modified, changed), settled })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::stream_name::StreamName;
    use std::fs::File;

    fn hints(now: &Stamps, before: &Stamps) -> Vec<Hint> {
        now.hints(&Place::Room(StreamName::parse("R").unwrap()), before)
    }

    #[test]
    fn a_change_within_the_same_tick_is_looked_for_however_late() {
        let dir = tempfile::tempdir().unwrap();
        let room = dir.path().join("R");
        fs::create_dir(&room).unwrap();
        let log = File::create(room.join(".log")).unwrap();
        let place = Place::Room(StreamName::parse("R").unwrap());
        let fresh = Stamps::of(dir.path(), &place);
        assert_eq!(hints(&fresh, &fresh).len(), 3, "what was just made may change without a trace");
        let long_ago = SystemTime::now() - 2 * STAMP_SETTLES;
        log.set_modified(long_ago).unwrap();
        let mut old = Stamps::of(dir.path(), &place);
        assert_eq!(hints(&old, &old).len(), 3, "the time of a change counts, too");
        // As if it had been looked at a moment after the last change.
        for stamp in [&mut old.directory, &mut old.log].into_iter().flatten() {
            stamp.settled = true;
        }
        assert_eq!(hints(&old, &old), []);
        log.set_len(1).unwrap();
        assert_eq!(hints(&Stamps::of(dir.path(), &place), &old).len(), 1);
        fs::remove_dir_all(&room).unwrap();
        assert_eq!(hints(&Stamps::of(dir.path(), &place), &old).len(), 3);
        assert_eq!(hints(&Stamps::default(), &Stamps::default()), []);
    }
}
