//! Linux: an inotify instance of the process's own; dnotify for what that doesn't take, as when the
//! user's instances are used up; and a look every 20 ms at what can't be watched at all.
//!
//! The kernel says when to look, and the stamps say what is new.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::stat::fstat;

use crate::limits::POLL_EVERY;
use crate::store::bell::dnotify::{Dnotify, Kind};
use crate::store::bell::{Bell, sleep};
use crate::store::root::DataRoot;
use crate::store::stamps::Stamps;
use crate::store::watch::{Hint, Place, Watch, WatchMode};

/// A bell of one thread's. Each place is watched once: there is one feed.
pub(super) struct KernelBell {
    root: PathBuf,
    mode: WatchMode,
    inotify: Option<Inotify>,
    /// Opened when it is needed; `None` where the kernel has none.
    dnotify: OnceLock<Option<Dnotify>>,
    places: Mutex<HashMap<Place, Watched>>,
}

struct Watched {
    way: Way,
    seen: Stamps,
}

/// How a place is watched.
enum Way {
    Inotify(WatchDescriptor),
    /// The directory is watched while it is open.
    Dnotify(OwnedFd),
    Poll,
}

/// Who called.
struct Rung {
    by_inotify: HashSet<WatchDescriptor>,
    by_dnotify: Vec<Kind>,
    /// Events were lost.
    all: bool,
}

impl KernelBell {
    pub(super) fn new(root: &DataRoot, mode: WatchMode) -> KernelBell {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        KernelBell {
            root: root.path().to_owned(),
            mode,
            inotify: (mode == WatchMode::Auto).then(|| Inotify::init(flags).ok()).flatten(),
            dnotify: OnceLock::new(),
            places: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Watched>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, place: &Place) -> Watched {
        let path = place.path(&self.root);
        let way = self.by_inotify(&path).or_else(|| self.by_dnotify(&path, kind(place))).unwrap_or(Way::Poll);
        let seen = if needs_stamps(place, &way) { Stamps::of(&self.root, place) } else { Stamps::default() };
        Watched { way, seen }
    }

    fn by_inotify(&self, path: &Path) -> Option<Way> {
        // Not what is only opened or read: our own reads would wake us.
        let changes = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF;
        self.inotify.as_ref()?.add_watch(path, changes).ok().map(Way::Inotify)
    }

    fn by_dnotify(&self, path: &Path, kind: Kind) -> Option<Way> {
        if self.mode == WatchMode::Poll {
            return None;
        }
        let dnotify = self.dnotify.get_or_init(|| Dnotify::open().ok()).as_ref()?;
        dnotify.watch(path, kind).ok().map(Way::Dnotify)
    }

    /// Ends a watch that is no longer among `places`.
    fn end(&self, watched: &Watched, places: &HashMap<Place, Watched>) {
        // A directory of two names has one watch of inotify's.
        if let (Way::Inotify(own), Some(inotify)) = (&watched.way, &self.inotify)
            && !places.values().any(|other| matches!(other.way, Way::Inotify(watch) if watch == *own))
        {
            // It fails where the directory is gone, and with it the watch.
            let _ = inotify.rm_watch(*own);
        }
    }

    fn rung(&self) -> nix::Result<Rung> {
        let mut rung = Rung { by_inotify: HashSet::new(), by_dnotify: Vec::new(), all: false };
        if let Some(inotify) = &self.inotify {
            loop {
                match inotify.read_events() {
                    Ok(events) => {
                        rung.all |= events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
                        rung.by_inotify.extend(events.iter().map(|event| event.wd));
                    }
                    Err(Errno::EAGAIN) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        if let Some(dnotify) = self.dnotify.get().and_then(Option::as_ref) {
            rung.by_dnotify = dnotify.changed()?;
        }
        Ok(rung)
    }
}

impl Watch for KernelBell {
    fn watch(&self, place: &Place) {
        let watched = self.begin(place);
        self.lock().insert(place.clone(), watched);
    }

    fn unwatch(&self, place: &Place) {
        let mut places = self.lock();
        if let Some(watched) = places.remove(place) {
            self.end(&watched, &places);
        }
    }

    fn renew(&self, place: &Place) -> bool {
        let mut places = self.lock();
        let Some(old) = places.get_mut(place) else { return false };
        let new = self.begin(place);
        if new.way.is_of_the_same_directory(&old.way) {
            return false;
        }
        let old = std::mem::replace(old, new);
        self.end(&old, &places);
        true
    }
}

impl Bell for KernelBell {
    fn wait(&self, out: BorrowedFd<'_>, due: Option<Instant>) -> io::Result<bool> {
        let mut ears = Vec::new();
        ears.extend(self.inotify.as_ref().map(AsFd::as_fd));
        ears.extend(self.dnotify.get().and_then(Option::as_ref).map(AsFd::as_fd));
        let polls = self.lock().values().any(|watched| matches!(watched.way, Way::Poll));
        let look = polls.then(|| Instant::now() + POLL_EVERY);
        sleep(&ears, out, [look, due].into_iter().flatten().min())
    }

    fn take(&self) -> io::Result<HashSet<Hint>> {
        let rung = self.rung()?;
        if rung.all {
            return Ok(HashSet::from([Hint::Everything]));
        }
        let mut places = self.lock();
        let rang = |watched: &Watched, kind: Kind| match &watched.way {
            Way::Inotify(watch) => rung.by_inotify.contains(watch),
            Way::Dnotify(_) => rung.by_dnotify.contains(&kind),
            Way::Poll => true,
        };
        // What happens to a room's name is heard in the root, so one stands for both.
        let folders = places.iter().any(|(place, watched)| kind(place) == Kind::Folder && rang(watched, Kind::Folder));
        let mut hints = HashSet::new();
        for (place, watched) in places.iter_mut() {
            let has_rung = if kind(place) == Kind::Folder { folders } else { rang(watched, Kind::Avatar) };
            match place {
                _ if !has_rung => {}
                Place::Avatar(room, _) if !needs_stamps(place, &watched.way) => {
                    hints.insert(Hint::Members(room.clone()));
                }
                _ => {
                    let now = Stamps::of(&self.root, place);
                    hints.extend(now.hints(place, &watched.seen));
                    watched.seen = now;
                }
            }
        }
        Ok(hints)
    }
}

impl Way {
    fn is_of_the_same_directory(&self, other: &Way) -> bool {
        match (self, other) {
            (Way::Inotify(one), Way::Inotify(other)) => one == other,
            (Way::Dnotify(one), Way::Dnotify(other)) => inode(one).is_some_and(|one| Some(one) == inode(other)),
            (Way::Poll, Way::Poll) => true,
            _ => false,
        }
    }
}

fn inode(directory: &OwnedFd) -> Option<(u64, u64)> {
    fstat(directory).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Whether it takes a look to tell what is new. There is but one thing to hear from an avatar.
fn needs_stamps(place: &Place, way: &Way) -> bool {
    kind(place) == Kind::Folder || matches!(way, Way::Poll)
}

fn kind(place: &Place) -> Kind {
    match place {
        Place::Root | Place::Room(_) | Place::Subscriptions => Kind::Folder,
        Place::Avatar(..) => Kind::Avatar,
    }
}
