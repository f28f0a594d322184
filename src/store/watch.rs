//! Noticing that files changed. A hint only says "look": it may come late, twice or for nothing,
//! and what is true is read from the files.
//!
//! Directories are watched, not files, so that a log that is rotated, replaced or made again is
//! seen. Where a watch can't be had (no inotify instance left, a file system without), that
//! directory is polled, until a watch can be had again.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::limits::{POLL_EVERY, REWATCH_EVERY};
use crate::room::name::{RoomName, UserName};
use crate::room::stream_name::StreamName;
use crate::store::root::{DataRoot, LOG_NAME};
use crate::store::sidecar::SIDECAR_NAME;
use crate::store::stamps::Stamps;

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WatchMode {
    /// By the kernel (inotify, kqueue), and by polling where that can't be had.
    #[default]
    Auto,
    /// As auto, but a process of one stream (CGI, tail -f) takes no inotify instance: dnotify.
    Dnotify,
    /// By looking every 20 ms.
    Poll,
}

/// What may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Which rooms there are.
    Rooms,
    /// A room or stream may have come, gone, or be another directory now.
    Room(StreamName),
    /// Its log, or what the sidecar says of it.
    Log(StreamName),
    /// Who is in a room.
    Members(RoomName),
    /// Subscriptions.
    Subscriptions,
    /// Anything: hints were lost.
    Everything,
}

/// A directory to watch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// The data root: rooms come and go.
    Root,
    /// A room or stream: its log, its sidecar, and avatars that come and go.
    Room(StreamName),
    /// An avatar: its attributes.
    Avatar(RoomName, UserName),
    /// The files of subscriptions.
    Subscriptions,
}

impl Place {
    /// Where it is in the data root at `root`.
    pub fn path(&self, root: &Path) -> PathBuf {
        match self {
            Place::Root => root.to_owned(),
            Place::Room(room) => root.join(room.directory()),
            Place::Avatar(room, user) => root.join(room.as_str()).join(user.avatar_dir()),
            Place::Subscriptions => root.join(DataRoot::SERVICE),
        }
    }
}

/// Watches places of one data root.
pub trait Watch: Send + Sync {
    /// From now on changes of `place` give hints, until it was unwatched as often as watched. What
    /// changed before is to be read after this call.
    fn watch(&self, place: &Place);

    /// Ends what one [`Watch::watch`] began.
    fn unwatch(&self, place: &Place);

    /// Watches the directory that has the name of `place` now, where the watch may have been lost:
    /// it stays with a directory that is moved away. Says whether it is another watch; what changed
    /// before is to be read after this call, then.
    fn renew(&self, place: &Place) -> bool;
}

/// Receives hints, on a thread of the watcher's: it must be quick, and must not call the watcher.
pub type Sink = Arc<dyn Fn(Hint) + Send + Sync>;

/// Watches on a thread of its own, for the many rooms and streams of a server.
pub struct Watcher {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    sink: Sink,
    state: Mutex<State>,
    /// Counts moves and removals: with each, `notify` drops the watches of that path and below,
    /// also where the same directory comes back.
    drops: Arc<AtomicU64>,
}

struct State {
    native: Option<RecommendedWatcher>,
    may_watch: bool,
    places: HashMap<Place, Watched>,
    polling: bool,
}

struct Watched {
    users: usize,
    /// What the kernel watches; else it is polled.
    native: Option<Native>,
    seen: Stamps,
}

/// A watch of the kernel's: of which directory, and since which drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Native {
    inode: u64,
    drops: u64,
}

impl Watcher {
    /// A watcher of nothing yet.
    pub fn new(root: &DataRoot, mode: WatchMode, sink: Sink) -> Watcher {
        let state = State { native: None, may_watch: mode != WatchMode::Poll, places: HashMap::new(), polling: false };
        let root = root.path().to_owned();
        Watcher { shared: Arc::new(Shared { root, sink, state: Mutex::new(state), drops: Arc::default() }) }
    }

    /// How many places the kernel watches, and how many are polled.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.shared.lock();
        let kernel = state.places.values().filter(|watched| watched.native.is_some()).count();
        (kernel, state.places.len() - kernel)
    }
}

impl Watch for Watcher {
    fn watch(&self, place: &Place) {
        let mut state = self.shared.lock();
        if let Some(watched) = state.places.get_mut(place) {
            watched.users += 1;
            return;
        }
        let path = self.shared.path(place);
        let native = self.shared.watch_natively(&mut state, &path);
        let seen = self.shared.stamps(place);
        state.places.insert(place.clone(), Watched { users: 1, native, seen });
        self.shared.poll_if_needed(&mut state);
    }

    fn unwatch(&self, place: &Place) {
        let mut state = self.shared.lock();
        let Some(watched) = state.places.get_mut(place) else { return };
        watched.users -= 1;
        if watched.users == 0 {
            let native = watched.native.is_some();
            state.places.remove(place);
            if let (true, Some(watcher)) = (native, &mut state.native) {
                // It fails where the directory is gone, and with it the watch.
                let _ = watcher.unwatch(&self.shared.path(place));
            }
        }
    }

    fn renew(&self, place: &Place) -> bool {
        let mut state = self.shared.lock();
        let path = self.shared.path(place);
        let drops = self.shared.drops.load(Ordering::Acquire);
        let now = inode(&path).map(|inode| Native { inode, drops });
        match state.places.get(place) {
            Some(watched) if watched.native.is_some() && watched.native != now => {}
            _ => return false,
        }
        if let Some(watcher) = &mut state.native {
            let _ = watcher.unwatch(&path);
        }
        if let Some(watched) = state.places.get_mut(place) {
            watched.native = None;
        }
        let native = self.shared.watch_natively(&mut state, &path);
        let seen = self.shared.stamps(place);
        if let Some(watched) = state.places.get_mut(place) {
            (watched.native, watched.seen) = (native, seen);
        }
        self.shared.poll_if_needed(&mut state);
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, place: &Place) -> PathBuf {
        place.path(&self.root)
    }

    fn stamps(&self, place: &Place) -> Stamps {
        Stamps::of(&self.root, place)
    }

    /// Asks the kernel to watch `path`.
    fn watch_natively(&self, state: &mut State, path: &Path) -> Option<Native> {
        if !state.may_watch {
            return None;
        }
        if state.native.is_none() {
            let (root, sink, drops) = (self.root.clone(), self.sink.clone(), self.drops.clone());
            state.native = notify::recommended_watcher(move |event| receive(&root, &sink, &drops, event)).ok();
        }
        // Both as of before: what happens meanwhile renews the watch at the next hint.
        let native = Native { drops: self.drops.load(Ordering::Acquire), inode: inode(path)? };
        // inotify has one watch for a directory, by whatever name. A second name for one would take
        // it from the first, so it is polled.
        let is_link = fs::symlink_metadata(path).ok()?.is_symlink();
        if is_link || state.places.values().any(|other| other.native.is_some_and(|n| n.inode == native.inode)) {
            return None;
        }
        state.native.as_mut()?.watch(path, RecursiveMode::NonRecursive).ok()?;
        Some(native)
    }

    fn poll_if_needed(self: &Arc<Self>, state: &mut State) {
        if state.polling || state.places.values().all(|watched| watched.native.is_some()) {
            return;
        }
        let shared = Arc::downgrade(self);
        state.polling = thread::Builder::new().name("poll".into()).spawn(move || poll(&shared)).is_ok();
    }

    /// One look at each polled place, and the hints that come of it. `false` where none is polled.
    fn look(&self) -> bool {
        let polled: Vec<(Place, Stamps)> = {
            let mut state = self.lock();
            let polled: Vec<_> = state
                .places
                .iter()
                .filter(|(_, watched)| watched.native.is_none())
                .map(|(place, watched)| (place.clone(), watched.seen))
                .collect();
            state.polling = !polled.is_empty();
            polled
        };
        for (place, seen) in &polled {
            let now = self.stamps(place);
            if let Some(watched) = self.lock().places.get_mut(place) {
                watched.seen = now;
            }
            for hint in now.hints(place, seen) {
                (self.sink)(hint);
            }
        }
        !polled.is_empty()
    }

    /// Tries to have polled places watched by the kernel again.
    fn rewatch(&self) {
        let mut state = self.lock();
        let polled: Vec<Place> =
            state.places.iter().filter(|(_, w)| w.native.is_none()).map(|(place, _)| place.clone()).collect();
        let mut watched_again = false;
        for place in &polled {
            let native = self.watch_natively(&mut state, &self.path(place));
            watched_again |= native.is_some();
            if let Some(watched) = state.places.get_mut(place) {
                watched.native = native;
            }
        }
        drop(state);
        if watched_again {
            // What changed between the last look and the watch.
            (self.sink)(Hint::Everything);
        }
    }
}

fn poll(shared: &Weak<Shared>) {
    let mut rewatched = Instant::now();
    loop {
        let Some(shared) = shared.upgrade() else { return };
        if !shared.look() {
            return;
        }
        if rewatched.elapsed() > REWATCH_EVERY && shared.lock().may_watch {
            rewatched = Instant::now();
            shared.rewatch();
        }
        drop(shared);
        thread::sleep(POLL_EVERY);
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.ino())
}

fn receive(root: &Path, sink: &Sink, drops: &AtomicU64, event: notify::Result<notify::Event>) {
    let Ok(event) = event else { return sink(Hint::Everything) };
    if event.need_rescan() {
        return sink(Hint::Everything);
    }
    // What is only opened or read did not change; our own reads would wake us.
    if matches!(event.kind, EventKind::Access(_)) {
        return;
    }
    if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
        drops.fetch_add(1, Ordering::AcqRel);
    }
    for path in &event.paths {
        hint(root, sink, path);
    }
}

fn hint(root: &Path, sink: &Sink, path: &Path) {
    let Ok(inner) = path.strip_prefix(root) else { return };
    let mut parts = inner.iter().filter_map(|part| part.to_str());
    let Some(room) = parts.next() else { return sink(Hint::Everything) };
    if room == DataRoot::SERVICE {
        return sink(Hint::Subscriptions);
    }
    let Some(stream) = StreamName::of_directory(room) else { return };
    match parts.next() {
        None => {
            if stream.room().is_some() {
                sink(Hint::Rooms);
            }
            sink(Hint::Room(stream));
        }
        Some(LOG_NAME | SIDECAR_NAME) => sink(Hint::Log(stream)),
        Some(name) if name.starts_with('.') => {
            if let Some(room) = stream.room() {
                sink(Hint::Members(room));
            }
        }
        Some(_) => {}
    }
}
