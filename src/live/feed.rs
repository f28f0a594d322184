//! What all readers of a room have in common, read and encoded once: its tail, the last stretch of
//! it, and who is there. The list of rooms is such a feed too, without a log, and so is how many
//! messages each has. A stream is one without members.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;

use crate::limits::{PAGE_MAX_BYTES, RESET_LINES, RING_MAX_BATCHES, RING_MAX_BYTES};
use crate::live::encoding::{Encoding, Framing};
use crate::live::metrics::Metrics;
use crate::live::source::Source;
use crate::live::subscription::Tip;
use crate::room::cursor::Cursor;
use crate::room::name::RoomName;
use crate::room::stream_name::StreamName;
use crate::store::count::Counts;
use crate::store::log::{Log, Stale, Stretch};
use crate::store::root::DataRoot;
use crate::store::tail::Look;
use crate::store::watch::{Hint, Place, Watch};
use crate::store::{avatars, history, presence};
use crate::wire::{json, sse};

/// What a feed is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Which rooms there are.
    Rooms,
    /// How many messages each room has.
    Counts,
    /// A room: its messages and members.
    Room(RoomName),
    /// A stream: its bytes.
    Stream(StreamName),
}

/// What is known to have changed, maybe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// The log.
    pub log: bool,
    /// The state: members, rooms, or counts.
    pub state: bool,
    /// Whether the room is there at all.
    pub place: bool,
}

/// A feed. Shared by the workers; whoever hears of a change first reads it for all.
pub struct Feed {
    topic: Topic,
    root: Arc<DataRoot>,
    watcher: Arc<dyn Watch>,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    /// Which rooms' counts may have changed.
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    all: bool,
    rooms: Vec<RoomName>,
}

struct Inner {
    source: Source,
    counts: Counts,
    /// What is watched beside the feed's own places: the avatars of a room, or the rooms that are counted.
    watched: HashSet<Place>,
    ring: VecDeque<Arc<Batch>>,
    ring_bytes: usize,
    view: Arc<View>,
}

/// Where a feed stands, and what is at hand to show for it.
#[derive(Clone)]
pub struct View {
    /// Where it stands.
    pub tip: Tip,
    /// The log, where there is one.
    pub log: Option<Arc<Log>>,
    /// Whether it is about something that has positions: a room, with or without a log.
    pub has_positions: bool,
    /// How far the log is known to reach: more than was read where there is more.
    pub reach: u64,
    state: Arc<State>,
    presence: Arc<State>,
    batches: Vec<Arc<Batch>>,
}

/// What members do, as an event.
const PRESENCE: &str = "presence";

/// The state as an event.
struct State {
    json: Vec<u8>,
    name: &'static str,
    framed: [OnceLock<Bytes>; 2],
}

/// Some lines, in the forms that readers asked for.
pub struct Batch {
    stretch: Stretch,
    /// How many they are.
    pub lines: u64,
    encoded: [OnceLock<Bytes>; Encoding::COUNT],
}

impl Topic {
    /// Whether it is about what is in this directory.
    fn is_in(&self, stream: &StreamName) -> bool {
        match self {
            Topic::Rooms | Topic::Counts => false,
            Topic::Room(room) => room.as_str() == stream.directory(),
            Topic::Stream(own) => own == stream,
        }
    }
}

impl Changes {
    /// All of it.
    pub const ALL: Changes = Changes { log: true, state: true, place: true };

    /// What a hint means for a feed about `topic`; `None` where it is not concerned.
    pub fn of(hint: &Hint, topic: &Topic) -> Option<Changes> {
        let mut changes = Changes::default();
        match (hint, topic) {
            (Hint::Everything, _) => changes = Changes::ALL,
            (Hint::Rooms, Topic::Rooms | Topic::Counts) => changes.state = true,
            (Hint::Log(stream) | Hint::Room(stream), Topic::Counts) if stream.room().is_some() => changes.state = true,
            (Hint::Room(hinted), topic) if topic.is_in(hinted) => changes = Changes::ALL,
            (Hint::Log(hinted), topic) if topic.is_in(hinted) => changes.log = true,
            (Hint::Members(hinted), Topic::Room(room)) if hinted == room => changes.state = true,
            _ => return None,
        }
        Some(changes)
    }

    /// Both.
    pub fn and(self, other: Changes) -> Changes {
        Changes { log: self.log | other.log, state: self.state | other.state, place: self.place | other.place }
    }
}

impl Feed {
    /// The feed about `topic`; `None` where there is no such room. Its places are watched from here
    /// on.
    pub fn open(
        root: &Arc<DataRoot>,
        topic: &Topic,
        watcher: &Arc<dyn Watch>,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Option<Feed>> {
        // The watches first: nothing that comes after reading may go unnoticed.
        let places = places(topic);
        places.iter().for_each(|place| watcher.watch(place));
        let inner = match Inner::open(root, topic) {
            Ok(Some(inner)) => inner,
            other => {
                places.iter().for_each(|place| watcher.unwatch(place));
                return other.map(|_| None);
            }
        };
        let feed = Feed {
            topic: topic.clone(),
            root: root.clone(),
            watcher: watcher.clone(),
            metrics: metrics.clone(),
            inner: Mutex::new(inner),
            noted: Mutex::new(Noted { all: true, rooms: Vec::new() }),
        };
        feed.refresh(Changes { state: true, ..Changes::default() })?;
        Ok(Some(feed))
    }

    /// What it is about.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// What is counted of it.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What a hint means for it; `None` where it is not concerned.
    pub fn concern(&self, hint: &Hint) -> Option<Changes> {
        let changes = Changes::of(hint, &self.topic)?;
        if self.topic == Topic::Counts {
            let mut noted = lock(&self.noted);
            match hint {
                Hint::Log(stream) => noted.rooms.extend(stream.room()),
                _ => noted.all = true,
            }
        }
        Some(changes)
    }

    /// Whether it still has to count what was there before it.
    pub fn is_counting(&self) -> bool {
        self.topic == Topic::Counts && self.view().tip.state == 0
    }

    /// Where it stands, as of the last [`Feed::refresh`].
    pub fn view(&self) -> Arc<View> {
        self.lock().view.clone()
    }

    /// Reads what may have changed, but of the log only the next stretch. What is still to be read
    /// then, once what there is has been handed on.
    pub fn refresh(&self, changes: Changes) -> io::Result<Option<Changes>> {
        let mut inner = self.lock();
        if inner.view.tip.gone {
            return Ok(None);
        }
        if changes.place {
            // The watch first: nothing that comes after reading may go unnoticed.
            for place in places(&self.topic) {
                self.watcher.renew(&place);
            }
            // What was written into a log before its room went comes before that the room is gone.
            if self.read_log(&mut inner)? {
                // But who is there does not wait for the end of a log that may have none.
                let more = changes.state && self.read_state(&mut inner, false)?;
                return Ok(Some(Changes { state: more, ..changes }));
            }
        }
        let mut more = Changes::default();
        let state = if changes.state || changes.place { self.read_state(&mut inner, true) } else { Ok(false) };
        // What is said goes on also where it can't be found out who is there.
        more.log = changes.log && self.read_log(&mut inner)?;
        more.state = state?;
        Ok((more != Changes::default()).then_some(more))
    }

    /// Reads all that may have changed, up to the end that the log has now.
    pub fn catch_up(&self, changes: Changes) -> io::Result<()> {
        lock(&self.noted).all |= changes.state;
        let end = self.lock().view.log.as_ref().map_or(Ok(0), |log| log.size())?;
        let mut unread = Some(changes);
        while let Some(changes) = unread {
            unread = self.refresh(changes)?;
            // What has come since is not waited for: it may be without end.
            if self.view().tip.end >= end {
                break;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// One look at the log. Says whether it found anything.
    fn read_log(&self, inner: &mut Inner) -> io::Result<bool> {
        let found = inner.source.look(&self.root)?;
        let closed = inner.source.is_closed();
        match found {
            Look::Nothing if closed != inner.view.tip.closed => inner.update(|tip| tip.closed = closed),
            Look::Nothing => return Ok(false),
            Look::Grew(stretch) => {
                let (end, batch) = (stretch.range().end, Batch::new(stretch));
                self.metrics.messages.inc_by(batch.lines);
                inner.keep(batch);
                inner.update(|tip| (tip.end, tip.closed) = (end, closed));
            }
            Look::Reset(stale) => inner.begin_anew(stale),
        }
        Ok(true)
    }

    /// Reads the state; that there is none any more is told where it `may_end`. Says whether there is more to read.
    fn read_state(&self, inner: &mut Inner, may_end: bool) -> io::Result<bool> {
        match &self.topic {
            Topic::Rooms => {
                let rooms = self.root.rooms()?;
                let names: Vec<&str> = rooms.iter().map(RoomName::as_str).collect();
                inner.set_state("rooms", serde_json::to_vec(&names)?);
            }
            Topic::Counts => return self.count(inner),
            Topic::Room(name) => match self.root.room(name)? {
                None if may_end => inner.update(|tip| tip.gone = true),
                None => {}
                Some(room) => {
                    let mut members = avatars::members(&room)?;
                    // Attributes are in the avatars' own directories.
                    let avatars = members.iter().map(|member| Place::Avatar(name.clone(), member.username.clone()));
                    if self.watch_within(inner, avatars.collect()) {
                        // Their attributes may have come before the watches did.
                        members = avatars::members(&room)?;
                    }
                    inner.set_state("members", json::spaced(&members));
                    inner.set_presence(serde_json::to_vec(&presence::presence(&room, &members))?);
                }
            },
            Topic::Stream(name) => {
                if may_end && self.root.stream(name)?.is_none() {
                    inner.update(|tip| tip.gone = true);
                }
            }
        }
        Ok(false)
    }

    /// Counts what is new. Says whether there is more.
    fn count(&self, inner: &mut Inner) -> io::Result<bool> {
        let noted = std::mem::take(&mut *lock(&self.noted));
        if noted.all {
            let rooms = self.root.rooms().inspect_err(|_| lock(&self.noted).all = true)?;
            self.watch_within(inner, rooms.iter().map(|room| Place::Room(room.into())).collect());
            inner.counts.list(rooms);
        }
        noted.rooms.into_iter().for_each(|room| inner.counts.note(room));
        let more = inner.counts.go_on(&self.root)?;
        if !more {
            let counts = serde_json::to_vec(&inner.counts)?;
            inner.set_state("counts", counts);
        }
        Ok(more)
    }

    /// Watches these places, beside the feed's own, and no others. Says whether any watch is new.
    fn watch_within(&self, inner: &mut Inner, here: HashSet<Place>) -> bool {
        inner.watched.difference(&here).for_each(|gone| self.watcher.unwatch(gone));
        let mut any_new = false;
        for stayed in inner.watched.intersection(&here) {
            any_new |= self.watcher.renew(stayed);
        }
        for new in here.difference(&inner.watched) {
            self.watcher.watch(new);
            any_new = true;
        }
        inner.watched = here;
        any_new
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        places(&self.topic).iter().for_each(|place| self.watcher.unwatch(place));
        std::mem::take(&mut self.lock().watched).iter().for_each(|place| self.watcher.unwatch(place));
    }
}

fn places(topic: &Topic) -> Vec<Place> {
    match topic {
        Topic::Rooms | Topic::Counts => vec![Place::Root],
        Topic::Room(room) => vec![Place::Root, Place::Room(room.into())],
        Topic::Stream(stream) => vec![Place::Root, Place::Room(stream.clone())],
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn open(root: &DataRoot, topic: &Topic) -> io::Result<Option<Inner>> {
        let Some(source) = Source::open(root, topic)? else { return Ok(None) };
        // A stream has but one state: that it is there.
        let state = u64::from(matches!(source, Source::Stream(_)));
        let (end, closed) = (source.end(), source.is_closed());
        let view = View {
            tip: Tip { epoch: 0, reason: "", fresh: 0, end, state, presence: 0, closed, gone: false },
            log: source.log().cloned(),
            has_positions: !matches!(source, Source::None),
            reach: source.reach(),
            state: Arc::new(State::new("", Vec::new())),
            presence: Arc::new(State::new(PRESENCE, b"{}".to_vec())),
            batches: Vec::new(),
        };
        Ok(Some(Inner {
            source,
            counts: Counts::default(),
            watched: HashSet::new(),
            ring: VecDeque::new(),
            ring_bytes: 0,
            view: Arc::new(view),
        }))
    }

    /// The log is another now: its life ends, and a new one begins.
    fn begin_anew(&mut self, stale: Stale) {
        let (end, closed) = (self.source.end(), self.source.is_closed());
        let fresh = match (&self.source, self.source.log()) {
            // Where its last lines can't be found, what comes is shown.
            (Source::Room(_), Some(log)) => {
                history::start_of_last(log, end, RESET_LINES, PAGE_MAX_BYTES).unwrap_or(end)
            }
            _ => 0,
        };
        self.ring.clear();
        self.ring_bytes = 0;
        self.update(|tip| {
            tip.epoch += 1;
            tip.reason = stale.reason();
            (tip.fresh, tip.end, tip.closed) = (fresh, end, closed);
        });
    }

    /// Keeps lines for the readers, and drops the oldest where that is too much.
    fn keep(&mut self, batch: Batch) {
        self.ring_bytes += batch.stretch.len();
        self.ring.push_back(Arc::new(batch));
        while self.ring.len() > 1 && (self.ring_bytes > RING_MAX_BYTES || self.ring.len() > RING_MAX_BATCHES) {
            if let Some(oldest) = self.ring.pop_front() {
                self.ring_bytes -= oldest.stretch.len();
            }
        }
    }

    fn set_state(&mut self, name: &'static str, json: Vec<u8>) {
        if json == self.view.state.json {
            return;
        }
        self.update(|tip| tip.state += 1);
        self.with_view(|view| view.state = Arc::new(State::new(name, json)));
    }

    fn set_presence(&mut self, json: Vec<u8>) {
        if json == self.view.presence.json {
            return;
        }
        self.update(|tip| tip.presence += 1);
        self.with_view(|view| view.presence = Arc::new(State::new(PRESENCE, json)));
    }

    fn update(&mut self, change: impl FnOnce(&mut Tip)) {
        let mut tip = self.view.tip;
        change(&mut tip);
        let (log, reach) = (self.source.log().cloned(), self.source.reach());
        let batches = self.ring.iter().cloned().collect();
        self.with_view(|view| (view.tip, view.log, view.reach, view.batches) = (tip, log, reach, batches));
    }

    fn with_view(&mut self, change: impl FnOnce(&mut View)) {
        let mut view = View::clone(&self.view);
        change(&mut view);
        self.view = Arc::new(view);
    }
}

impl View {
    /// The lines that begin at `offset`, where they are still at hand.
    pub fn batch(&self, offset: u64) -> Option<&Batch> {
        let batch = self.batches.iter().rev().find(|batch| batch.stretch.range().start == offset);
        batch.map(Arc::as_ref)
    }

    /// The state as an event without an id.
    pub fn state(&self, framing: Framing) -> Bytes {
        self.state.framed(framing)
    }

    /// What members do, as an event without an id.
    pub fn presence(&self, framing: Framing) -> Bytes {
        self.presence.framed(framing)
    }

    /// The state as the first event of a reader, which tells it where it is.
    pub fn state_event(&self, at: Option<Cursor>) -> Vec<u8> {
        self.state.event(at)
    }

    /// The id of `offset` in the log as it is.
    pub fn cursor(&self, offset: u64) -> io::Result<Cursor> {
        self.log.as_ref().map_or(Ok(Cursor::ZERO), |log| log.cursor(offset))
    }
}

impl State {
    fn new(name: &'static str, json: Vec<u8>) -> State {
        State { json, name, framed: Default::default() }
    }

    fn event(&self, at: Option<Cursor>) -> Vec<u8> {
        let mut out = Vec::new();
        sse::event(&mut out, at.as_ref().map(|id| id as _), self.name, &self.json);
        out
    }

    fn framed(&self, framing: Framing) -> Bytes {
        self.framed[framing as usize].get_or_init(|| framing.frame(self.event(None))).clone()
    }
}

impl Batch {
    fn new(stretch: Stretch) -> Batch {
        // Of what is no lines, one reads at a time counts as one message.
        Batch { lines: stretch.count().max(1), stretch, encoded: Default::default() }
    }

    /// Its lines as events.
    pub fn encoded(&self, encoding: Encoding) -> Bytes {
        self.encoded[encoding.index()].get_or_init(|| encoding.of(&self.stretch)).clone()
    }

    /// What it is made of.
    pub fn stretch(&self) -> &Stretch {
        &self.stretch
    }

    /// The offsets its lines reach from and to.
    pub fn range(&self) -> Range<u64> {
        self.stretch.range()
    }
}
