//! Hints for a program that sleeps in `poll(2)`: a CGI process, or `chatroom tail -f`. On Linux
//! without a thread; elsewhere the server's [watcher] pulls a rope.
//!
//! [watcher]: crate::store::watch::Watcher

#[cfg(target_os = "linux")]
mod dnotify;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(any(not(target_os = "linux"), test))]
mod rope;

use std::collections::HashSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::store::root::DataRoot;
use crate::store::watch::{Hint, Watch, WatchMode};

/// Watches for one who sleeps until there is a hint.
pub trait Bell: Watch {
    /// Sleeps until there may be hints or the time is `due`. Says whether `out` is still read, as
    /// far as the kernel knows.
    fn wait(&self, out: BorrowedFd<'_>, due: Option<Instant>) -> io::Result<bool>;

    /// Takes the hints that wait.
    fn take(&self) -> io::Result<HashSet<Hint>>;
}

/// A bell for places of `root`.
pub fn hang(root: &DataRoot, mode: WatchMode) -> io::Result<Arc<dyn Bell>> {
    #[cfg(target_os = "linux")]
    return Ok(Arc::new(kernel::KernelBell::new(root, mode)));
    #[cfg(not(target_os = "linux"))]
    return Ok(Arc::new(rope::RopeBell::new(root, mode)?));
}

/// Sleeps until one of `ears` is readable, the time is `due`, or nobody reads `out` any more: says
/// whether somebody does.
fn sleep(ears: &[BorrowedFd<'_>], out: BorrowedFd<'_>, due: Option<Instant>) -> io::Result<bool> {
    // Nothing is asked of `out`: that its reader has hung up is told unasked.
    let mut fds = vec![PollFd::new(out, PollFlags::empty())];
    fds.extend(ears.iter().map(|ear| PollFd::new(*ear, PollFlags::POLLIN)));
    loop {
        let timeout = match due.map(|due| due.saturating_duration_since(Instant::now())) {
            // A millisecond more: it is never woken too early only to sleep again.
            Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => {}
            done => {
                done?;
                return Ok(fds[0].revents().is_none_or(|events| events.is_empty()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::name::{RoomName, UserName};
    use crate::store::watch::Place;
    use std::fs;
    use std::os::fd::AsFd;

    /// All hints that come of `change`, up to `last`.
    fn hints(bell: &dyn Bell, last: &Hint, change: impl FnOnce()) -> HashSet<Hint> {
        change();
        // Whose reader stays, so that only a hint ends the sleep.
        let (_reader, out) = io::pipe().unwrap();
        let mut hints = HashSet::new();
        while !hints.contains(last) {
            assert!(bell.wait(out.as_fd(), None).unwrap());
            hints.extend(bell.take().unwrap());
        }
        hints
    }

    /// dnotify is not among them: its signals would end the tests' process, which has more threads.
    fn each(test: impl Fn(&DataRoot, &dyn Bell)) {
        for way in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            let root = DataRoot::open(dir.path()).unwrap();
            match way {
                0 => test(&root, &*hang(&root, WatchMode::Auto).unwrap()),
                1 => test(&root, &*hang(&root, WatchMode::Poll).unwrap()),
                2 => test(&root, &rope::RopeBell::new(&root, WatchMode::Auto).unwrap()),
                _ => test(&root, &rope::RopeBell::new(&root, WatchMode::Poll).unwrap()),
            }
        }
    }

    #[test]
    fn a_change_rings_and_says_what() {
        each(|root, bell| {
            let room = RoomName::parse("R").unwrap();
            let alice = UserName::parse("alice").unwrap();
            let dir = root.path_of(&room);
            fs::create_dir(&dir).unwrap();
            bell.watch(&Place::Root);
            bell.watch(&Place::Room((&room).into()));
            let log = Hint::Log((&room).into());
            hints(bell, &log, || fs::write(dir.join(".log"), "one\n").unwrap());
            let members = Hint::Members(room.clone());
            hints(bell, &members, || fs::create_dir(dir.join(".alice")).unwrap());
            bell.watch(&Place::Avatar(room.clone(), alice.clone()));
            assert!(!bell.renew(&Place::Avatar(room.clone(), alice.clone())), "it is the same directory");
            hints(bell, &members, || fs::write(dir.join(".alice/user.web_avatar"), "1").unwrap());
            bell.unwatch(&Place::Avatar(room.clone(), alice));
            let other = hints(bell, &Hint::Rooms, || fs::create_dir(root.path().join("Other")).unwrap());
            assert!(!other.contains(&Hint::Everything), "{other:?}");
        });
    }

    #[test]
    fn a_room_that_is_made_again_is_watched_again() {
        each(|root, bell| {
            let room = RoomName::parse("R").unwrap();
            let dir = root.path_of(&room);
            fs::create_dir(&dir).unwrap();
            let place = Place::Room((&room).into());
            bell.watch(&Place::Root);
            bell.watch(&place);
            for _ in 0..3 {
                hints(bell, &Hint::Room((&room).into()), || {
                    fs::remove_dir(&dir).unwrap();
                    fs::create_dir(&dir).unwrap();
                });
                bell.renew(&place);
                hints(bell, &Hint::Log((&room).into()), || fs::write(dir.join(".log"), "one\n").unwrap());
                fs::remove_file(dir.join(".log")).unwrap();
            }
        });
    }
}
