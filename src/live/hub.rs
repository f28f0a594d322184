//! The readers of one worker. When a feed has something new, each reader that is at the tip is
//! written the shared bytes in a loop, without a task waking for it; what its socket does not take
//! at once waits, and only that reader with it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::limits::{ACTIVITY_EVERY, STUCK_MAX, SWEEP_EVERY, WRITE_MAX_BYTES};
use crate::live::attendance;
use crate::live::encoding::Framing;
use crate::live::feed::{Changes, Feed, Topic, View};
use crate::live::reader::{End, Reader};
use crate::live::registry::{Inbox, Key, Registry, Slot};
use crate::live::socket::Socket;
use crate::live::stream::Stream;
use crate::room::name::{RoomName, UserName};
use crate::store::avatars;
use crate::store::root::DataRoot;
use crate::store::watch::Hint;

/// How much one reader is written at a stretch before others have their turn.
const TURN_MAX_BYTES: usize = 16 * WRITE_MAX_BYTES;

/// The readers of one worker.
pub struct Hub {
    registry: Arc<Registry>,
    inbox: Arc<Inbox>,
    /// One worker of all looks after avatars.
    leads: bool,
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
}

struct Subscriber {
    feed: Arc<Feed>,
    reader: Reader,
    socket: Rc<Socket>,
    /// What the socket did not take yet.
    unsent: Bytes,
    stuck_since: Option<Instant>,
    failed: Option<Outcome>,
    /// Wakes the task that waits for the socket.
    waker: Option<Waker>,
    /// Its index among the readers of its feed.
    index: usize,
    _slot: Option<Slot>,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All was said and sent.
    Complete,
    /// The reader went.
    Gone,
    /// The reader took nothing for too long.
    Stuck,
    /// The log could not be read.
    Unreadable,
}

/// What the peer's bytes mean while a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Ignore,
    /// It wants these bytes between what the stream says.
    Reply(Bytes),
    /// It wants no more.
    Stop,
}

impl Hub {
    /// The hub of the worker of this number.
    pub fn new(registry: Arc<Registry>, worker: usize, grace: Duration) -> Rc<Hub> {
        let inbox = registry.inbox(worker);
        Rc::new(Hub {
            registry,
            inbox,
            leads: worker == 0,
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

    /// Hands on what happens, until it is dropped.
    pub async fn run(&self) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looked_after = Instant::now();
        loop {
            let has_readers = !self.rooms.borrow().is_empty();
            tokio::select! {
                hints = self.inbox.take() => {
                    let mut changed: HashMap<Key, Changes> = HashMap::new();
                    for (root, hint) in hints {
                        for (key, changes) in self.concerned(&root, &hint) {
                            let known = changed.entry(key).or_default();
                            *known = known.and(changes);
                        }
                    }
                    for (key, changes) in changed {
                        self.refresh(&key, changes).await;
                    }
                }
                // Without readers there is nothing to wake up for.
                () = self.arrived.notified(), if !has_readers => {}
                _ = sweep.tick(), if has_readers => {
                    self.sweep(Instant::now());
                    if self.leads && looked_after.elapsed() > ACTIVITY_EVERY {
                        looked_after = Instant::now();
                        self.look_after_avatars();
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
    ) -> io::Result<Option<Open>> {
        let Some(feed) = self.registry.feed(&stream.root, &stream.topic)? else { return Ok(None) };
        // A position that was given out by somebody who has read further must not seem to be of
        // another log: the feed reads up to here, too.
        while feed.refresh(Changes { log: true, ..Changes::default() })? {}
        let view = feed.view();
        let reader = Reader::open(&mut stream, &view, framing, request, Instant::now())?;
        let subscriber = Rc::new(RefCell::new(Subscriber {
            feed,
            reader,
            socket,
            unsent: framing.frame(head),
            stuck_since: None,
            failed: None,
            waker: None,
            index: 0,
            _slot: stream.slot.take(),
        }));
        let open = Open::take(self, &stream, subscriber);
        if self.stopping.get() {
            open.subscriber.borrow_mut().finish(End::Stopping, &view);
        }
        open.subscriber.borrow_mut().flush(&view);
        Ok(Some(open))
    }

    /// Serves a stream to its end. `input` is shown what the peer sends meanwhile.
    pub async fn serve(&self, open: Open, mut input: impl FnMut(&[u8]) -> Input) -> Outcome {
        poll_fn(|cx| open.subscriber.borrow_mut().poll(cx, &mut input)).await
    }

    /// Tells all readers that the server stops.
    pub fn stop(&self) {
        self.stopping.set(true);
        for local in self.rooms.borrow().values() {
            for reader in &local.readers {
                let view = reader.borrow().feed.view();
                reader.borrow_mut().finish(End::Stopping, &view);
            }
        }
    }

    fn concerned(&self, root: &Arc<DataRoot>, hint: &Hint) -> Vec<(Key, Changes)> {
        let rooms = self.rooms.borrow();
        let about = |topic: &Topic| {
            let key = (root.clone(), topic.clone());
            let changes = Changes::of(hint, topic)?;
            rooms.contains_key(&key).then_some((key, changes))
        };
        match hint {
            Hint::Rooms => about(&Topic::Rooms).into_iter().collect(),
            Hint::Room(room) | Hint::Log(room) | Hint::Members(room) => {
                about(&Topic::Room(room.clone())).into_iter().collect()
            }
            Hint::Everything => {
                rooms.keys().filter(|(other, _)| other == root).filter_map(|(_, topic)| about(topic)).collect()
            }
        }
    }

    async fn refresh(&self, key: &Key, changes: Changes) {
        loop {
            let Some(feed) = self.rooms.borrow().get(key).map(|local| local.feed.clone()) else { return };
            let more = feed.refresh(changes).unwrap_or_else(|error| {
                warn!(room = ?feed.topic(), %error, "can't be read: its streams wait for the next change");
                false
            });
            self.fan_out(key);
            if !more {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn fan_out(&self, key: &Key) {
        if let Some(local) = self.rooms.borrow().get(key) {
            let view = local.feed.view();
            for reader in &local.readers {
                let mut reader = reader.borrow_mut();
                if !Arc::ptr_eq(&reader.feed, &local.feed) {
                    reader.wake();
                } else if reader.stuck_since.is_none() {
                    reader.flush(&view);
                }
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
        if !self.registry.attendance.depart(&root, &room, &user) || self.stopping.get() {
            return;
        }
        let hub = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(hub.grace).await;
            if hub.registry.attendance.is_here(&root, &room, &user) {
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

/// An open stream's place in the hub, for as long as it is served.
pub struct Open {
    hub: Rc<Hub>,
    key: Key,
    subscriber: Rc<RefCell<Subscriber>>,
    user: Option<(RoomName, UserName)>,
}

impl Open {
    fn take(hub: &Rc<Hub>, stream: &Stream, subscriber: Rc<RefCell<Subscriber>>) -> Open {
        let key = (stream.root.clone(), stream.topic.clone());
        let user = match (&stream.topic, &stream.user) {
            (Topic::Room(room), Some(user)) => {
                hub.registry.attendance.arrive(&stream.root, room, user);
                Some((room.clone(), user.clone()))
            }
            _ => None,
        };
        let mut rooms = hub.rooms.borrow_mut();
        let feed = subscriber.borrow().feed.clone();
        let local = rooms.entry(key.clone()).or_insert_with(|| Local { feed: feed.clone(), readers: Vec::new() });
        // A room that was removed and made again has another feed. Readers of the old one learn
        // from it that it is gone.
        local.feed = feed;
        subscriber.borrow_mut().index = local.readers.len();
        local.readers.push(subscriber.clone());
        drop(rooms);
        hub.arrived.notify_one();
        Open { hub: hub.clone(), key, subscriber, user }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut rooms = self.hub.rooms.borrow_mut();
        if let Some(local) = rooms.get_mut(&self.key) {
            let index = self.subscriber.borrow().index;
            local.readers.swap_remove(index);
            if let Some(moved) = local.readers.get(index) {
                moved.borrow_mut().index = index;
            }
            if local.readers.is_empty() {
                rooms.remove(&self.key);
            }
        }
        drop(rooms);
        if let Some((room, user)) = self.user.take() {
            self.hub.depart(self.key.0.clone(), room, user);
        }
    }
}

impl Subscriber {
    /// Writes what is ready, as far as the socket takes it.
    fn flush(&mut self, view: &View) {
        let now = Instant::now();
        let mut written = 0;
        while self.failed.is_none() {
            if !self.unsent.is_empty() {
                match self.socket.try_write(std::slice::from_ref(&self.unsent)) {
                    Ok(len) => {
                        drop(self.unsent.split_to(len));
                        self.stuck_since = None;
                    }
                    Err(error) => return self.could_not_write(&error, now),
                }
                continue;
            }
            if self.reader.has_ended() {
                return self.wake();
            }
            if written > TURN_MAX_BYTES {
                // The rest when it is this reader's turn again.
                return self.wake();
            }
            let mut pieces = Vec::new();
            if let Err(error) = self.reader.gather(view, now, &mut pieces) {
                warn!(%error, "a stream ends: its log can't be read");
                return self.fail(Outcome::Unreadable);
            }
            if pieces.is_empty() {
                return;
            }
            written += pieces.iter().map(Bytes::len).sum::<usize>();
            self.write(pieces, now);
        }
    }

    /// Writes `pieces`, and keeps what the socket does not take.
    fn write(&mut self, mut pieces: Vec<Bytes>, now: Instant) {
        match self.socket.try_write(&pieces) {
            Ok(mut len) => {
                pieces.retain_mut(|piece| {
                    let sent = len.min(piece.len());
                    len -= sent;
                    drop(piece.split_to(sent));
                    !piece.is_empty()
                });
                self.keep(pieces);
            }
            Err(error) => {
                self.keep(pieces);
                self.could_not_write(&error, now);
            }
        }
    }

    fn keep(&mut self, pieces: Vec<Bytes>) {
        self.unsent = match <[Bytes; 1]>::try_from(pieces) {
            Ok([piece]) => piece,
            Err(pieces) => pieces.concat().into(),
        };
    }

    fn could_not_write(&mut self, error: &io::Error, now: Instant) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.stuck_since.get_or_insert(now);
            self.wake();
        } else {
            self.fail(Outcome::Gone);
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.stuck_since.is_some_and(|since| now.duration_since(since) > STUCK_MAX) {
            return self.fail(Outcome::Stuck);
        }
        if self.unsent.is_empty() && now >= self.reader.deadline() {
            let mut pieces = Vec::new();
            self.reader.tick(now, &mut pieces);
            self.write_own(pieces, now);
        }
    }

    fn finish(&mut self, end: End, view: &View) {
        let now = Instant::now();
        let mut pieces = Vec::new();
        if !self.unsent.is_empty() {
            pieces.push(std::mem::take(&mut self.unsent));
        }
        // What is ready to be sent comes first.
        if self.reader.gather(view, now, &mut pieces).is_ok() {
            self.reader.finish(end, now, &mut pieces);
        }
        self.write_own(pieces, now);
    }

    fn write_own(&mut self, pieces: Vec<Bytes>, now: Instant) {
        if !pieces.is_empty() {
            self.write(pieces, now);
        }
        if self.reader.has_ended() || !self.unsent.is_empty() {
            self.wake();
        }
    }

    fn fail(&mut self, outcome: Outcome) {
        self.failed = Some(outcome);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Waits for the end: of the stream, or of the peer's interest in it.
    fn poll(&mut self, cx: &mut Context<'_>, input: &mut impl FnMut(&[u8]) -> Input) -> Poll<Outcome> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        let mut buffer = [0; 512];
        while let Poll::Ready(ready) = self.socket.poll_readable(cx) {
            match ready.and_then(|()| self.socket.try_read(&mut buffer)) {
                Ok(0) => return Poll::Ready(Outcome::Gone),
                Ok(len) => match input(&buffer[..len]) {
                    Input::Ignore => {}
                    Input::Reply(reply) => {
                        let unsent = std::mem::take(&mut self.unsent);
                        self.keep(vec![unsent, reply]);
                    }
                    Input::Stop => return Poll::Ready(Outcome::Gone),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(Outcome::Gone),
            }
        }
        loop {
            if let Some(failure) = self.failed {
                return Poll::Ready(failure);
            }
            if self.unsent.is_empty() && self.reader.has_ended() {
                return Poll::Ready(Outcome::Complete);
            }
            if !self.unsent.is_empty() && self.socket.poll_writable(cx).is_pending() {
                return Poll::Pending;
            }
            let before = self.unsent.len();
            let view = self.feed.view();
            self.flush(&view);
            if self.unsent.is_empty() && before == 0 {
                return Poll::Pending;
            }
        }
    }
}
