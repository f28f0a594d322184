//! The subscriptions of one data root in the process that delivers: what they are about is watched, a wake begins when
//! a stream went on, and is told. The files are what is true; they are changed under their lock only, by requests too.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::sync::Arc;

use chrono::Utc;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tracing::{debug, warn};

use crate::limits::SUBSCRIPTION_LINKS_MAX;
use crate::live::signature::SigningKey;
use crate::room::stream_name::StreamName;
use crate::room::subscription::{Link, Subscription, Tails, Way};
use crate::store::events;
use crate::store::root::DataRoot;
use crate::store::subscriptions::{Stamp, SubscriptionError, Subscriptions};
use crate::store::tails::{tail, tails};
use crate::store::watch::{Hint, Place, Watch};

/// The subscriptions of a data root.
pub(super) struct Desk {
    root: Arc<DataRoot>,
    watcher: Arc<dyn Watch>,
    subscriptions: Subscriptions,
    key: SigningKey,
    /// As they were last seen, and in which file.
    known: BTreeMap<String, (Option<Stamp>, Subscription)>,
    /// Streams that are watched: those that are there, of all that subscriptions are about.
    watched: HashSet<StreamName>,
    /// Subscriptions whose webhook is being called.
    calling: HashSet<String>,
    /// Something could not be done, and is to be tried again.
    pub(super) is_behind: bool,
    /// No other process delivers while it is open.
    _delivers: File,
}

/// A webhook to call.
#[derive(Debug)]
pub(super) struct Call {
    /// Whose.
    pub(super) root: Arc<DataRoot>,
    /// Of which subscription.
    pub(super) id: String,
    /// Of which wake.
    pub(super) generation: u64,
    /// Where it is.
    pub(super) url: String,
    /// What it is told.
    pub(super) body: String,
    /// The header field that signs this.
    pub(super) signature: String,
}

impl Desk {
    /// The subscriptions of `root`; `None` where another process delivers.
    pub(super) fn open(root: &Arc<DataRoot>, watcher: Arc<dyn Watch>) -> io::Result<Option<Desk>> {
        let subscriptions = Subscriptions::open_or_create(root)?;
        let Some(delivers) = subscriptions.deliver()? else { return Ok(None) };
        let key = SigningKey::of(&subscriptions)?;
        watcher.watch(&Place::Root);
        watcher.watch(&Place::Subscriptions);
        Ok(Some(Desk {
            root: root.clone(),
            watcher,
            subscriptions,
            key,
            known: BTreeMap::new(),
            watched: HashSet::new(),
            calling: HashSet::new(),
            is_behind: false,
            _delivers: delivers,
        }))
    }

    /// When there is something to do, whatever happens, in milliseconds since 1970.
    pub(super) fn due(&self) -> Option<i64> {
        let waiting = self.known.iter().filter(|(id, _)| !self.calling.contains(*id));
        waiting.filter_map(|(_, (_, subscription))| subscription.due()).min()
    }

    /// What is to be done as the time has come.
    pub(super) fn tick(&mut self, calls: &mut Vec<Call>) {
        let now = now_ms();
        let due = self.known.iter().filter(|(_, (_, subscription))| subscription.is_due(now));
        let due: Vec<String> = due.map(|(id, _)| id.clone()).filter(|id| !self.calling.contains(id)).collect();
        due.iter().for_each(|id| self.advance(id, &[], calls));
    }

    /// What is to be done as something may have changed.
    pub(super) fn hear(&mut self, hint: &Hint, calls: &mut Vec<Call>) {
        match hint {
            Hint::Members(_) => {}
            Hint::Subscriptions => self.reread(calls),
            Hint::Log(stream) => self.went_on(stream, calls),
            Hint::Room(stream) => self.came_or_went(stream, calls),
            Hint::Rooms | Hint::Everything => self.look(calls),
        }
    }

    /// Looks at everything.
    pub(super) fn look(&mut self, calls: &mut Vec<Call>) {
        self.is_behind = false;
        self.watcher.renew(&Place::Root);
        for stream in &self.watched {
            self.watcher.renew(&Place::Room(stream.clone()));
        }
        self.reread(calls);
        let streams = match self.root.streams() {
            Ok(streams) => streams.iter().map(StreamName::text).collect::<Vec<_>>(),
            Err(error) => return self.fail(&error),
        };
        let ids: Vec<String> = self.known.keys().cloned().collect();
        ids.iter().for_each(|id| self.advance(id, &streams, calls));
        self.watch_no_others();
    }

    /// A webhook was called.
    pub(super) fn called(&mut self, call: &Call, outcome: Result<bool, String>, calls: &mut Vec<Call>) {
        self.calling.remove(&call.id);
        let now = now_ms();
        let noted = self.change(&call.id, |subscription| match &outcome {
            Ok(true) => subscription.acknowledge_told(call.generation),
            Ok(false) => subscription.told(call.generation, now),
            Err(why) => {
                warn!(subscription = call.id, why, "the webhook could not be told, and is tried again");
                subscription.failed(call.generation, now, fastrand::f64());
            }
        });
        if let Err(error) = noted {
            self.fail(&error);
        }
        self.advance(&call.id, &[], calls);
    }

    /// The files may be others.
    fn reread(&mut self, calls: &mut Vec<Call>) {
        // The watch first: nothing that comes after reading may go unnoticed.
        self.watcher.renew(&Place::Subscriptions);
        let listed = Subscriptions::open_or_create(&self.root).and_then(|subscriptions| {
            self.subscriptions = subscriptions;
            self.subscriptions.list()
        });
        let listed: BTreeMap<String, Stamp> = match listed {
            Ok(listed) => listed.into_iter().collect(),
            Err(error) => return self.fail(&error),
        };
        let before = self.known.len();
        self.known.retain(|id, _| listed.contains_key(id));
        if self.known.len() < before {
            self.watch_no_others();
        }
        for (id, stamp) in listed {
            if self.known.get(&id).is_some_and(|(known, _)| *known == Some(stamp)) {
                continue;
            }
            match self.subscriptions.read(&id) {
                Ok(Some(read)) => {
                    let is_new = self.known.insert(id.clone(), (Some(stamp), read.clone()));
                    if is_new.is_none_or(|(_, known)| known != read) {
                        self.begin(&id, calls);
                    }
                }
                Ok(None) => {}
                Err(error) => warn!(%error, "a subscription can't be used, and is left as it is"),
            }
        }
    }

    /// A subscription is there that was not known so.
    fn begin(&mut self, id: &str, calls: &mut Vec<Call>) {
        let has_pattern = self.known.get(id).is_some_and(|(_, known)| known.asked.pattern.is_some());
        let streams = if has_pattern { self.root.streams() } else { Ok(Vec::new()) };
        match streams {
            Ok(streams) => self.advance(id, &streams.iter().map(StreamName::text).collect::<Vec<_>>(), calls),
            Err(error) => self.fail(&error),
        }
    }

    fn went_on(&mut self, stream: &StreamName, calls: &mut Vec<Call>) {
        let name = stream.text();
        let about = |(_, subscription): &(_, Subscription)| subscription.links.contains_key(&name);
        if !self.known.values().any(about) {
            return;
        }
        let tail = match tail(&self.root, &name) {
            Ok(tail) => tail,
            Err(error) => return self.fail(&error),
        };
        let behind = self.known.iter().filter(|(_, (_, subscription))| {
            subscription.wake.is_none() && subscription.links.get(&name).is_some_and(|link| link.is_behind(&tail))
        });
        let behind: Vec<String> = behind.map(|(id, _)| id.clone()).collect();
        behind.iter().for_each(|id| self.advance(id, &[], calls));
    }

    fn came_or_went(&mut self, stream: &StreamName, calls: &mut Vec<Call>) {
        if self.watched.contains(stream) {
            self.watcher.renew(&Place::Room(stream.clone()));
        }
        let name = stream.text();
        let about = self
            .known
            .iter()
            .filter(|(_, (_, subscription))| subscription.links.contains_key(&name) || subscription.asked.means(&name));
        let about: Vec<String> = about.map(|(id, _)| id.clone()).collect();
        about.iter().for_each(|id| self.advance(id, std::slice::from_ref(&name), calls));
        if !about.is_empty() {
            self.watch_no_others();
        }
    }

    /// Brings a subscription up to date: its links, where `streams` may be new; its wake; and who is to be told of that.
    fn advance(&mut self, id: &str, streams: &[String], calls: &mut Vec<Call>) {
        match self.advanced(id, streams) {
            Ok(call) => calls.extend(call),
            Err(error) => self.fail(&error),
        }
    }

    fn advanced(&mut self, id: &str, streams: &[String]) -> Result<Option<Call>, SubscriptionError> {
        let locked = self.subscriptions.lock()?;
        let now = now_ms();
        let Some(mut subscription) = locked.read(id)? else { return Ok(None) };
        let before = subscription.clone();
        for name in streams.iter().filter(|name| subscription.asked.means(name)) {
            if subscription.links.len() >= SUBSCRIPTION_LINKS_MAX && !subscription.links.contains_key(name) {
                warn!(
                    subscription = id,
                    stream = name,
                    "it is about {SUBSCRIPTION_LINKS_MAX} streams, and not this one"
                );
                continue;
            }
            subscription.links.entry(name.clone()).or_default().matched = true;
        }
        // The watches first: nothing that comes after reading may go unnoticed.
        for stream in subscription.links.keys().filter_map(|name| StreamName::parse(name).ok()) {
            if !self.watched.contains(&stream) && self.root.stream(&stream)?.is_some() {
                self.watcher.watch(&Place::Room(stream.clone()));
                self.watched.insert(stream);
            }
        }
        let tails = tails(&self.root, subscription.links.keys())?;
        forget_gone(&mut subscription, &tails);
        subscription.expire(now);
        subscription.wake(wake_id, now, &tails);
        let is_told = subscription.is_to_be_told(now) && !self.calling.contains(id);
        if is_told {
            subscription.tell(&tails);
        }
        if subscription != before {
            // Before anybody is told: what they say of it must be known.
            locked.write(&subscription, false)?;
        }
        let mut call = None;
        match &subscription.asked.way {
            Way::Webhook(url) if is_told => {
                self.calling.insert(id.to_owned());
                let (body, signature) = notification(&subscription, &tails, &self.key);
                let (root, url, generation) = (self.root.clone(), url.clone(), subscription.generation);
                call = Some(Call { root, id: id.to_owned(), generation, url, body, signature });
            }
            Way::PullWake(stream) if is_told => {
                match events::say(&self.root, stream, &event(&subscription, &tails)) {
                    Ok(()) => subscription.told(subscription.generation, now),
                    Err(error) => {
                        warn!(subscription = id, %error, "the wake stream takes no event, and is tried again");
                        subscription.failed(subscription.generation, now, fastrand::f64());
                    }
                }
                locked.write(&subscription, false)?;
            }
            _ => {}
        }
        drop(locked);
        self.know(subscription);
        Ok(call)
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Subscription)) -> Result<(), SubscriptionError> {
        let locked = self.subscriptions.lock()?;
        let Some(mut subscription) = locked.read(id)? else { return Ok(()) };
        change(&mut subscription);
        locked.write(&subscription, false)?;
        drop(locked);
        self.know(subscription);
        Ok(())
    }

    fn know(&mut self, subscription: Subscription) {
        let stamp = self.known.get(&subscription.id).and_then(|(stamp, _)| *stamp);
        self.known.insert(subscription.id.clone(), (stamp, subscription));
    }

    /// Ends the watches of streams that no subscription is about, or that are gone.
    fn watch_no_others(&mut self) {
        let about = |name: &str| self.known.values().any(|(_, subscription)| subscription.links.contains_key(name));
        let is_there = |stream: &StreamName| self.root.stream(stream).is_ok_and(|found| found.is_some());
        let (kept, others) = std::mem::take(&mut self.watched)
            .into_iter()
            .partition::<HashSet<_>, _>(|stream| about(&stream.text()) && is_there(stream));
        self.watched = kept;
        others.into_iter().for_each(|stream| self.watcher.unwatch(&Place::Room(stream)));
    }

    fn fail(&mut self, error: &dyn std::error::Error) {
        self.is_behind = true;
        warn!(error = %error, root = %self.root.path().display(), "subscriptions can't be looked after, and are tried again");
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.watcher.unwatch(&Place::Root);
        self.watcher.unwatch(&Place::Subscriptions);
        self.watched.drain().for_each(|stream| self.watcher.unwatch(&Place::Room(stream)));
    }
}

/// What is said of a stream that is gone holds for no other of its name.
fn forget_gone(subscription: &mut Subscription, tails: &Tails) {
    subscription.links.retain(|name, link| {
        let is_there = tails.get(name).is_none_or(|tail| tail.is_there());
        if !is_there {
            debug!(stream = name, "it is gone");
            *link = Link { explicit: link.explicit, ..Link::default() };
        }
        is_there || link.explicit
    });
}

/// What a webhook is told, and the header field that signs it.
fn notification(subscription: &Subscription, tails: &Tails, key: &SigningKey) -> (String, String) {
    let id = utf8_percent_encode(&subscription.id, IN_PATH);
    let body = json!({
        "subscription_id": subscription.id,
        "wake_id": subscription.wake.as_ref().map(|wake| &wake.id),
        "generation": subscription.generation,
        "streams": subscription.shown(tails),
        "callback_url": format!("{}/v1/stream/__ds/subscriptions/{id}/callback", subscription.base),
        "callback_token": key.token(subscription),
    });
    let body = body.to_string();
    let signature = key.header(Utc::now().timestamp(), &body);
    (body, signature)
}

/// What is never to be encoded in a path is not.
const IN_PATH: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What workers are told.
fn event(subscription: &Subscription, tails: &Tails) -> String {
    let event = json!({
        "type": "wake",
        "subscription_id": subscription.id,
        "stream": subscription.pending(tails).unwrap_or_default(),
        "generation": subscription.generation,
        "ts": now_ms(),
    });
    event.to_string()
}

/// A name for a wake. It is no secret.
pub fn wake_id() -> String {
    format!("w_{:016x}", fastrand::u64(..))
}

fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}
