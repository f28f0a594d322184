//! What the workers of a process share: feeds that somebody reads, the watchers that tell of
//! changes, who is here, who is let in, and what is counted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use tokio::sync::{Notify, oneshot};

use crate::live::admission::{Admission, Bounds};
use crate::live::attendance::Attendance;
use crate::live::deliverer::Deliverer;
use crate::live::feed::{Feed, Topic};
use crate::live::metrics::Metrics;
use crate::live::webhook::Reach;
use crate::store::append::Appended;
use crate::store::commit::Committer;
use crate::store::root::DataRoot;
use crate::store::subscriptions::Subscriptions;
use crate::store::watch::{Hint, Watch, WatchMode, Watcher};

/// A feed's name within a process.
pub type Key = (Arc<DataRoot>, Topic);

/// Resolves when a line is on disk.
pub type OnDisk = oneshot::Receiver<io::Result<()>>;

/// What the workers share.
pub struct Registry {
    mode: WatchMode,
    inboxes: Vec<Arc<Inbox>>,
    roots: Mutex<HashMap<Arc<DataRoot>, Arc<Watcher>>>,
    feeds: Mutex<HashMap<Key, Weak<Feed>>>,
    committer: Mutex<Option<Committer>>,
    deliverer: Mutex<Option<Deliverer>>,
    /// Where hints for it come in, once it is there.
    delivered: Arc<OnceLock<Arc<Inbox>>>,
    /// Where webhooks may be.
    pub reach: Reach,
    /// Who is here.
    pub attendance: Attendance,
    /// How many streams there may be.
    pub admission: Arc<Admission>,
    /// When the process began to serve.
    pub started: SystemTime,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Hints for one worker, each once until it takes them, and since when.
pub type Hints = HashMap<(Arc<DataRoot>, Hint), Instant>;

/// Where hints for one worker come in.
#[derive(Debug, Default)]
pub struct Inbox {
    hints: Mutex<Hints>,
    filled: Notify,
}

impl Registry {
    /// A registry for `workers` workers, which serve streams within `bounds`, and call webhooks within `reach`.
    pub fn new(workers: usize, mode: WatchMode, bounds: Bounds, reach: Reach) -> Arc<Registry> {
        Arc::new(Registry {
            mode,
            inboxes: (0..workers).map(|_| Arc::default()).collect(),
            roots: Mutex::default(),
            feeds: Mutex::default(),
            committer: Mutex::default(),
            deliverer: Mutex::default(),
            delivered: Arc::default(),
            reach,
            attendance: Attendance::default(),
            admission: Admission::new(bounds),
            started: SystemTime::now(),
            metrics: Arc::default(),
        })
    }

    /// The inbox of the worker of this number.
    pub fn inbox(&self, worker: usize) -> Arc<Inbox> {
        self.inboxes[worker].clone()
    }

    /// The feed about this, the same for all who ask while somebody has it; `None` where there
    /// is no such room.
    pub fn feed(&self, key: &Key) -> io::Result<Option<Arc<Feed>>> {
        let (root, topic) = key;
        let watcher = self.watcher(root);
        let mut feeds = lock(&self.feeds);
        if let Some(feed) = feeds.get(key).and_then(Weak::upgrade).filter(|feed| !feed.view().tip.gone) {
            return Ok(Some(feed));
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = Feed::open(root, topic, &watcher, &self.metrics)?.map(Arc::new);
        if let Some(feed) = &feed {
            feeds.insert(key.clone(), Arc::downgrade(feed));
        }
        Ok(feed)
    }

    /// The topics of all feeds that somebody reads.
    pub fn topics(&self) -> Vec<Key> {
        lock(&self.feeds).iter().filter(|(_, feed)| feed.strong_count() > 0).map(|(key, _)| key.clone()).collect()
    }

    /// Puts a line on disk; what is returned resolves when it is there, or to why it may not be.
    pub fn commit(&self, line: Appended) -> io::Result<OnDisk> {
        let mut committer = lock(&self.committer);
        let started = match committer.take() {
            Some(started) => started,
            None => Committer::start()?,
        };
        let (tell, on_disk) = oneshot::channel();
        // Nobody hears it where the one who asked has gone.
        committer.insert(started).commit(line, Box::new(move |done| drop(tell.send(done))));
        Ok(on_disk)
    }

    /// Has the subscriptions of `root` looked after from now on.
    pub fn deliver(self: &Arc<Self>, root: &Arc<DataRoot>) -> io::Result<()> {
        let mut deliverer = lock(&self.deliverer);
        let started = match deliverer.take() {
            Some(started) => started,
            None => {
                Deliverer::start(Arc::downgrade(self), self.delivered.get_or_init(Arc::default).clone(), self.reach)?
            }
        };
        deliverer.insert(started).take(root);
        Ok(())
    }

    /// The same where there may be any.
    pub fn resume(self: &Arc<Self>, root: &Arc<DataRoot>) -> io::Result<()> {
        if Subscriptions::open(root)?.is_some() { self.deliver(root) } else { Ok(()) }
    }

    /// How many directories the kernel watches, and how many are polled.
    pub fn watches(&self) -> (usize, usize) {
        let counts = lock(&self.roots).values().map(|watcher| watcher.counts()).collect::<Vec<_>>();
        counts.into_iter().fold((0, 0), |(kernel, polled), count| (kernel + count.0, polled + count.1))
    }

    pub(super) fn watcher(&self, root: &Arc<DataRoot>) -> Arc<dyn Watch> {
        let mut roots = lock(&self.roots);
        let watcher = roots.entry(root.clone()).or_insert_with(|| {
            let (inboxes, delivered, hinted) = (self.inboxes.clone(), self.delivered.clone(), root.clone());
            let sink = move |hint: Hint| {
                inboxes.iter().chain(delivered.get()).for_each(|inbox| inbox.put(&hinted, &hint));
            };
            Arc::new(Watcher::new(root, self.mode, Arc::new(sink)))
        });
        watcher.clone()
    }
}

impl Inbox {
    /// Puts a hint in.
    pub fn put(&self, root: &Arc<DataRoot>, hint: &Hint) {
        if let Entry::Vacant(vacant) = lock(&self.hints).entry((root.clone(), hint.clone())) {
            vacant.insert(Instant::now());
            self.filled.notify_one();
        }
    }

    /// Waits for hints, and takes them.
    pub async fn take(&self) -> Hints {
        self.filled.notified().await;
        std::mem::take(&mut *lock(&self.hints))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
