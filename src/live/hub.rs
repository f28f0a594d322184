//! The readers of one worker. When a feed has something new, each reader that is at the tip is
//! written the shared bytes in a loop, without a task waking for it; what its socket does not take
//! at once waits, and only that reader with it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::limits::{ACTIVITY_EVERY, RECONNECT_EACH, RETRY_BASE, SWEEP_EVERY};
use crate::live::admission::Slot;
use crate::live::attendance;
use crate::live::encoding::Framing;
use crate::live::feed::{Changes, Feed, Topic};
use crate::live::reader::{End, Reader};
use crate::live::registry::{Inbox, Key, Registry};
use crate::live::socket::Socket;
use crate::live::stream::Stream;
use crate::live::subscriber::{Input, Outcome, Subscriber, Turn};
use crate::live::wait::Wait;
use crate::room::name::{RoomName, UserName};
use crate::store::avatars;
use crate::store::root::DataRoot;
use crate::store::watch::Hint;

/// The readers of one worker.
pub struct Hub {
    registry: Arc<Registry>,
    inbox: Arc<Inbox>,
    grace: Duration,
    rooms: RefCell<HashMap<Key, Local>>,
    /// The first reader has come, after there was none.
    arrived: Notify,
    stopping: Cell<bool>,
}

/// A feed's readers on this worker.
struct Local {
    feed: Arc<Feed>,
    readers: Vec<Rc<RefCell<Subscriber>>>,
    /// How many wait for it, and what wakes them.
    waiting: usize,
    changed: Rc<Notify>,
}

impl Local {
    fn of(feed: &Arc<Feed>) -> Local {
        Local { feed: feed.clone(), readers: Vec::new(), waiting: 0, changed: Rc::default() }
    }

    fn is_idle(&self) -> bool {
        self.readers.is_empty() && self.waiting == 0
    }
}

impl Hub {
    /// The hub of the worker of this number.
    pub fn new(registry: Arc<Registry>, worker: usize, grace: Duration) -> Rc<Hub> {
        let inbox = registry.inbox(worker);
        Rc::new(Hub {
            registry,
            inbox,
            grace,
            rooms: RefCell::default(),
            arrived: Notify::new(),
            stopping: Cell::new(false),
        })
    }

    /// What the workers share.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Hands on what happens, for ever.
    pub async fn run(&self) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looked_after = Instant::now();
        // What may have changed and was not all read yet; what could not be read.
        let (mut unread, mut failed) = (Unread::new(), Unread::new());
        loop {
            let has_readers = !self.rooms.borrow().is_empty();
            tokio::select! {
                hints = self.inbox.take() => {
                    for ((root, hint), since) in hints {
                        for (key, changes) in self.concerned(&root, &hint) {
                            note(&mut unread, key, changes, since);
                        }
                    }
                }
                // Without readers there is nothing to wake up for.
                () = self.arrived.notified(), if !has_readers => {}
                _ = sweep.tick(), if has_readers => {
                    self.sweep(Instant::now());
                    failed.drain().for_each(|(key, (changes, since))| note(&mut unread, key, changes, since));
                    if looked_after.elapsed() > ACTIVITY_EVERY {
                        looked_after = Instant::now();
                        self.look_after_avatars();
                    }
                }
                () = tokio::task::yield_now(), if !unread.is_empty() => {}
            }
            // Each room has its turn: a busy one does not keep the others waiting.
            for (key, (changes, since)) in std::mem::take(&mut unread) {
                match self.refresh(&key, changes, since) {
                    Ok(None) => {}
                    Ok(Some(more)) => note(&mut unread, key, more, since),
                    Err(error) => {
                        warn!(room = ?key.1, %error, "can't be read, and is tried again");
                        note(&mut failed, key, changes, since);
                    }
                }
            }
        }
    }

    /// Begins a stream on `socket`. `head` goes before all; `request` is the FastCGI request that it
    /// answers. `None` where the room is not there (any more): then nothing was sent.
    pub fn open(
        self: &Rc<Self>,
        mut stream: Stream,
        socket: Rc<Socket>,
        head: Vec<u8>,
        framing: Framing,
        request: u16,
    ) -> io::Result<Option<Box<Open>>> {
        let key = stream.slot.key().clone();
        let Some(feed) = self.feed(&key)? else { return Ok(None) };
        if feed.is_counting() {
            // Nobody else says that there is more.
            self.inbox.put(&key.0, &Hint::Rooms);
        }
        let view = feed.view();
        let reader = Reader::open(&mut stream, &view, framing, request, Instant::now())?;
        let head = reader.framed(head);
        let subscriber = Rc::new(RefCell::new(Subscriber::new(feed, reader, socket, head)));
        let open = Open::take(self, stream, subscriber);
        if self.stopping.get() {
            open.subscriber.borrow_mut().finish(self.stopped());
        }
        let mut turn = Turn::begin();
        open.subscriber.borrow_mut().flush(&view, &mut turn);
        self.registry.metrics.add(turn.tally);
        Ok(Some(Box::new(open)))
    }

    /// The feed about `key`, read up to now; `None` where there is no such thing.
    fn feed(&self, key: &Key) -> io::Result<Option<Arc<Feed>>> {
        let Some(feed) = self.registry.feed(key)? else { return Ok(None) };
        // A position that was given out by somebody who has read further must not seem to be of
        // another log: the feed reads up to here, too. Hints for a feed without readers on this worker
        // were not for it, so then it reads the state, too.
        let is_new = !self.rooms.borrow().contains_key(key);
        feed.catch_up(Changes { log: true, state: is_new, place: false })?;
        Ok(Some(feed))
    }

    /// Waits until there is something to say to one who waits, or its time is over, or the server stops.
    pub async fn wait(self: &Rc<Self>, wait: &Wait) -> io::Result<()> {
        let Some(feed) = self.feed(wait.slot.key())? else { return Ok(()) };
        let waiting = Waiting::begin(self, wait.slot.key().clone(), &feed);
        let epoch = feed.view().tip.epoch;
        if wait.is_vain(&feed.view())? {
            return Ok(());
        }
        let come = async {
            loop {
                let mut changed = pin!(waiting.changed.notified());
                // From here on no change goes unnoticed.
                changed.as_mut().enable();
                if self.stopping.get() || wait.is_over(&feed.view(), epoch) {
                    return;
                }
                changed.await;
            }
        };
        // Its time being over is an answer, too.
        let _ = tokio::time::timeout(wait.time, come).await;
        Ok(())
    }

    /// Tells all readers that the server stops.
    pub fn stop(&self) {
        self.stopping.set(true);
        for local in self.rooms.borrow().values() {
            for reader in &local.readers {
                reader.borrow_mut().finish(self.stopped());
            }
            local.changed.notify_waiters();
        }
    }

    /// How a stream ends when the server stops: not all of them are to come back at once.
    fn stopped(&self) -> End {
        let streams = u32::try_from(self.registry.admission.count()).unwrap_or(u32::MAX);
        let spread = RETRY_BASE.max(RECONNECT_EACH.saturating_mul(streams));
        End::Stopping(RETRY_BASE + spread.mul_f64(fastrand::f64()))
    }

    fn concerned(&self, root: &Arc<DataRoot>, hint: &Hint) -> Vec<(Key, Changes)> {
        let rooms = self.rooms.borrow();
        let about = |topic: Topic| {
            let key = (root.clone(), topic);
            let changes = rooms.get(&key)?.feed.concern(hint)?;
            Some((key, changes))
        };
        match hint {
            Hint::Rooms => [about(Topic::Rooms), about(Topic::Counts)].into_iter().flatten().collect(),
            Hint::Members(room) => about(Topic::Room(room.clone())).into_iter().collect(),
            // The deliverer hears of them.
            Hint::Subscriptions => Vec::new(),
            // A room is a stream, too.
            Hint::Room(stream) | Hint::Log(stream) => {
                let room = stream.room().and_then(|room| about(Topic::Room(room)));
                [room, about(Topic::Stream(stream.clone())), about(Topic::Counts)].into_iter().flatten().collect()
            }
            Hint::Everything => {
                rooms.keys().filter(|(other, _)| other == root).filter_map(|(_, topic)| about(topic.clone())).collect()
            }
        }
    }

    fn refresh(&self, key: &Key, changes: Changes, since: Instant) -> io::Result<Option<Changes>> {
        let Some(feed) = self.rooms.borrow().get(key).map(|local| local.feed.clone()) else { return Ok(None) };
        let more = feed.refresh(changes);
        // What was read before something failed is handed on, too.
        self.fan_out(key, since);
        more
    }

    fn fan_out(&self, key: &Key, since: Instant) {
        if let Some(local) = self.rooms.borrow().get(key) {
            let (view, mut turn) = (local.feed.view(), Turn::begin());
            for reader in &local.readers {
                let mut reader = reader.borrow_mut();
                if !Arc::ptr_eq(reader.feed(), &local.feed) {
                    reader.wake();
                } else if !reader.is_stuck() {
                    reader.flush(&view, &mut turn);
                }
            }
            local.changed.notify_waiters();
            self.registry.metrics.add(turn.tally);
            if turn.tally.deliveries > 0 {
                self.registry.metrics.delivered(since.elapsed());
            }
        }
    }

    fn sweep(&self, now: Instant) {
        for local in self.rooms.borrow().values() {
            for reader in &local.readers {
                reader.borrow_mut().tick(now);
            }
        }
    }

    /// Web avatars with a stream are heard of; those without one for long are away.
    fn look_after_avatars(&self) {
        let attendance = &self.registry.attendance;
        for (root, room, user) in attendance.all() {
            let touched = root.room(&room).and_then(|dir| dir.map_or(Ok(false), |dir| avatars::touch(&dir, &user)));
            if let Err(error) = touched {
                debug!(%room, %user, %error, "can't note the activity");
            }
        }
        for (root, topic) in self.registry.topics() {
            let Topic::Room(room) = topic else { continue };
            let keep = |user: &UserName| attendance.is_here(&root, &room, user);
            let swept = root.room(&room).and_then(|dir| dir.map_or(Ok(()), |dir| attendance::sweep(&dir, keep)));
            if let Err(error) = swept {
                debug!(%room, %error, "can't look for avatars that are away");
            }
        }
    }

    /// The last stream of a web avatar is gone: it leaves, unless it comes back within the grace.
    fn depart(self: &Rc<Self>, root: Arc<DataRoot>, room: RoomName, user: UserName) {
        let Some(departure) = self.registry.attendance.depart(&root, &room, &user) else { return };
        if self.stopping.get() {
            return;
        }
        let hub = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(hub.grace).await;
            if !hub.registry.attendance.is_final(&root, &room, &user, departure) {
                return;
            }
            let left = || -> io::Result<()> {
                let Some(dir) = root.room(&room)? else { return Ok(()) };
                if avatars::member(&dir, &user)?.is_some_and(|member| member.is_web) {
                    attendance::leave(&dir, &user)?;
                }
                Ok(())
            };
            if let Err(error) = left() {
                warn!(%room, %user, %error, "can't take the avatar away");
            }
        });
    }
}

/// What may have changed, and since when it is known.
type Unread = HashMap<Key, (Changes, Instant)>;

fn note(unread: &mut Unread, key: Key, changes: Changes, since: Instant) {
    let (known, known_since) = unread.entry(key).or_insert((changes, since));
    (*known, *known_since) = (known.and(changes), since.min(*known_since));
}

/// An open stream's place in the hub, for as long as it is served.
pub struct Open {
    hub: Rc<Hub>,
    subscriber: Rc<RefCell<Subscriber>>,
    user: Option<UserName>,
    slot: Slot,
}

impl Open {
    /// Serves the stream to its end. `input` is shown what the peer sends meanwhile.
    pub fn serve(self: Box<Self>, mut input: impl FnMut(&[u8]) -> Input) -> impl Future<Output = Outcome> {
        // No `async fn`: that would keep its arguments twice, for each idle stream.
        poll_fn(move |cx| self.subscriber.borrow_mut().poll(cx, &mut input))
    }

    fn take(hub: &Rc<Hub>, stream: Stream, subscriber: Rc<RefCell<Subscriber>>) -> Open {
        let Stream { slot, user, .. } = stream;
        let key = slot.key();
        if let ((root, Topic::Room(room)), Some(user)) = (key, &user) {
            hub.registry.attendance.arrive(root, room, user);
        }
        let mut rooms = hub.rooms.borrow_mut();
        let feed = subscriber.borrow().feed().clone();
        let local = rooms.entry(key.clone()).or_insert_with(|| Local::of(&feed));
        // A room that was removed and made again has another feed. Readers of the old one learn
        // from it that it is gone.
        local.feed = feed;
        subscriber.borrow_mut().index = local.readers.len();
        local.readers.push(subscriber.clone());
        drop(rooms);
        hub.arrived.notify_one();
        Open { hub: hub.clone(), subscriber, user, slot }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut rooms = self.hub.rooms.borrow_mut();
        let key = self.slot.key();
        if let Some(local) = rooms.get_mut(key) {
            let index = self.subscriber.borrow().index;
            local.readers.swap_remove(index);
            if let Some(moved) = local.readers.get(index) {
                moved.borrow_mut().index = index;
            }
            if local.is_idle() {
                rooms.remove(key);
            }
        }
        drop(rooms);
        if let ((root, Topic::Room(room)), Some(user)) = (key, self.user.take()) {
            self.hub.depart(root.clone(), room.clone(), user);
        }
    }
}

/// One who waits, for as long as it does.
struct Waiting {
    hub: Rc<Hub>,
    key: Key,
    changed: Rc<Notify>,
}

impl Waiting {
    fn begin(hub: &Rc<Hub>, key: Key, feed: &Arc<Feed>) -> Waiting {
        let mut rooms = hub.rooms.borrow_mut();
        let local = rooms.entry(key.clone()).or_insert_with(|| Local::of(feed));
        local.feed = feed.clone();
        local.waiting += 1;
        let changed = local.changed.clone();
        drop(rooms);
        hub.arrived.notify_one();
        Waiting { hub: hub.clone(), key, changed }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut rooms = self.hub.rooms.borrow_mut();
        if let Some(local) = rooms.get_mut(&self.key) {
            local.waiting -= 1;
            if local.is_idle() {
                rooms.remove(&self.key);
            }
        }
    }
}
