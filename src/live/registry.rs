//! What the workers of a process share: feeds that somebody reads, the watchers that tell of
//! changes, who is here, and how many streams there are.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::live::attendance::Attendance;
use crate::live::feed::{Feed, Topic};
use crate::store::root::DataRoot;
use crate::store::watch::{Hint, Watch, WatchMode, Watcher};

/// A feed's name within a process.
pub type Key = (Arc<DataRoot>, Topic);

/// What the workers share.
pub struct Registry {
    mode: WatchMode,
    inboxes: Vec<Arc<Inbox>>,
    roots: Mutex<HashMap<Arc<DataRoot>, Arc<dyn Watch>>>,
    feeds: Mutex<HashMap<Key, Weak<Feed>>>,
    streams: Arc<AtomicUsize>,
    max_streams: usize,
    /// Who is here.
    pub attendance: Attendance,
}

/// Hints for one worker, each once until it takes them.
#[derive(Debug, Default)]
pub struct Inbox {
    hints: Mutex<HashSet<(Arc<DataRoot>, Hint)>>,
    filled: Notify,
}

/// One stream's place among the streams that a process serves; free again when it is dropped.
#[derive(Debug)]
pub struct Slot(Arc<AtomicUsize>);

impl Registry {
    /// A registry for `workers` workers, which serve at most `max_streams` streams.
    pub fn new(workers: usize, mode: WatchMode, max_streams: usize) -> Arc<Registry> {
        Arc::new(Registry {
            mode,
            inboxes: (0..workers).map(|_| Arc::default()).collect(),
            roots: Mutex::default(),
            feeds: Mutex::default(),
            streams: Arc::default(),
            max_streams,
            attendance: Attendance::default(),
        })
    }

    /// The inbox of the worker of this number.
    pub fn inbox(&self, worker: usize) -> Arc<Inbox> {
        self.inboxes[worker].clone()
    }

    /// A place for one more stream; `None` where there are as many as may be.
    pub fn reserve(&self) -> Option<Slot> {
        let taken = self
            .streams
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < self.max_streams).then_some(taken + 1));
        taken.ok().map(|_| Slot(self.streams.clone()))
    }

    /// How many streams one process serves at most.
    pub fn max_streams(&self) -> usize {
        self.max_streams
    }

    /// The feed about `topic`, the same for all who ask while somebody has it; `None` where there
    /// is no such room.
    pub fn feed(&self, root: &Arc<DataRoot>, topic: &Topic) -> io::Result<Option<Arc<Feed>>> {
        let key = (root.clone(), topic.clone());
        let watcher = self.watcher(root);
        let mut feeds = lock(&self.feeds);
        if let Some(feed) = feeds.get(&key).and_then(Weak::upgrade).filter(|feed| !feed.view().tip.gone) {
            return Ok(Some(feed));
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = Feed::open(root, topic, &watcher)?.map(Arc::new);
        if let Some(feed) = &feed {
            feeds.insert(key, Arc::downgrade(feed));
        }
        Ok(feed)
    }

    /// The topics of all feeds that somebody reads.
    pub fn topics(&self) -> Vec<Key> {
        lock(&self.feeds).iter().filter(|(_, feed)| feed.strong_count() > 0).map(|(key, _)| key.clone()).collect()
    }

    fn watcher(&self, root: &Arc<DataRoot>) -> Arc<dyn Watch> {
        let mut roots = lock(&self.roots);
        roots
            .entry(root.clone())
            .or_insert_with(|| {
                let (inboxes, hinted) = (self.inboxes.clone(), root.clone());
                let sink = move |hint: Hint| inboxes.iter().for_each(|inbox| inbox.put(&hinted, &hint));
                Arc::new(Watcher::new(root, self.mode, Arc::new(sink)))
            })
            .clone()
    }
}

impl Inbox {
    fn put(&self, root: &Arc<DataRoot>, hint: &Hint) {
        if lock(&self.hints).insert((root.clone(), hint.clone())) {
            self.filled.notify_one();
        }
    }

    /// Waits for hints, and takes them.
    pub async fn take(&self) -> HashSet<(Arc<DataRoot>, Hint)> {
        self.filled.notified().await;
        std::mem::take(&mut *lock(&self.hints))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
