//! A subscription of the Durable Streams protocol: who is to be told that streams went on, how far they were
//! acknowledged, and the wake that is under way. Times and random numbers are handed in.
//!
//! A wake is due until its webhook took it or its event is in the wake stream; then it is held, for as long as the
//! lease goes: by the webhook at once, by a worker from its claim on. Each wake has a generation of its own, and what
//! is said of an earlier one is fenced off.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::limits::{WEBHOOK_RETRY_BASE, WEBHOOK_RETRY_MAX};
use crate::room::cursor::Cursor;
use crate::room::pattern::Pattern;

/// What is shown as acknowledged of a stream of which nothing is.
pub const BEFORE_FIRST: &str = "-1";

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Its name.
    pub id: String,
    /// When it was created, in microseconds since 1970: one of the same name later has a higher one.
    pub created: u64,
    /// What its creator asked for.
    pub asked: Asked,
    /// Where its creator reached this server: the mount's address, without a slash at its end.
    pub base: String,
    /// The streams it is about, by name.
    pub links: BTreeMap<String, Link>,
    /// How many wakes there were.
    pub generation: u64,
    /// The wake under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Wake>,
}

/// What a creator asks for. Who asks for the same again means the same subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// How it is told.
    pub way: Way,
    /// Which streams, by their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Which streams, each by its name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub streams: BTreeSet<String>,
    /// For how long a wake is held, in milliseconds.
    pub lease_ttl_ms: u64,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How a subscription is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By a request to this address.
    Webhook(String),
    /// By an event in this stream, whose readers claim the wake.
    PullWake(String),
}

/// A stream that a subscription is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Whether it was named.
    pub explicit: bool,
    /// Whether the pattern means it.
    pub matched: bool,
    /// How far it was acknowledged; `None` is before its first byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<String>,
}

/// A wake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wake {
    /// Its name.
    pub id: String,
    /// How far the streams went as it was told.
    pub tails: BTreeMap<String, String>,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a wake has come. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It is to be told.
    Due {
        /// How often that failed.
        failed: u32,
        /// Not before this time.
        at: i64,
    },
    /// Its event is in the wake stream; any worker may claim it.
    Offered,
    /// It is worked on.
    Held {
        /// The worker that claimed it; the webhook has no name.
        by: Option<String>,
        /// Then it is nobody's.
        until: i64,
    },
}

/// How far a stream goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail(Option<Cursor>);

/// How far streams go, by their names.
pub type Tails = BTreeMap<String, Tail>;

/// One stream, as clients are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name.
    pub path: String,
    /// `explicit` or `glob`.
    pub link_type: &'static str,
    /// How far it was acknowledged.
    pub acked_offset: String,
    /// How far it goes.
    pub tail_offset: String,
    /// Whether there is something between these.
    pub has_pending: bool,
}

/// Why a wake is not for who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another wake is under way, or none.
    Fenced,
    /// Somebody else works on it.
    Claimed(String),
    /// There is nothing to work on.
    Nothing,
}

impl Tail {
    /// That of a stream that ends at `end`; `None` is no stream.
    pub fn at(end: Option<Cursor>) -> Tail {
        Tail(end)
    }

    /// Whether the stream is there.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// The position, as clients know it.
    pub fn text(&self) -> String {
        self.0.unwrap_or(Cursor::ZERO).to_string()
    }

    fn is_empty(&self) -> bool {
        self.0.is_none_or(|end| end.offset() == 0)
    }
}

impl Link {
    /// A link to a stream that is acknowledged up to here.
    pub fn from(tail: &Tail) -> Link {
        Link { acked: tail.is_there().then(|| tail.text()), ..Link::default() }
    }

    /// Whether the stream has what was not acknowledged. Any other end than the known one is news: a log may also have
    /// been replaced.
    pub fn is_behind(&self, tail: &Tail) -> bool {
        !tail.is_empty() && self.acked.as_deref() != Some(tail.text().as_str())
    }

    /// Whether more of the same log is acknowledged than up to `tail`.
    fn is_ahead_of(&self, tail: &str) -> bool {
        let both = (self.acked.as_deref().map(Cursor::parse), Cursor::parse(tail));
        let (Some(Ok(acked)), Ok(tail)) = both else { return false };
        acked.generation() == tail.generation() && acked.offset() > tail.offset()
    }

    fn shown(&self, path: &str, tail: &Tail) -> Shown {
        Shown {
            path: path.to_owned(),
            link_type: if self.explicit { "explicit" } else { "glob" },
            acked_offset: self.acked.clone().unwrap_or_else(|| BEFORE_FIRST.to_owned()),
            tail_offset: tail.text(),
            has_pending: self.is_behind(tail),
        }
    }
}

impl Asked {
    /// Whether the pattern means the stream of this name. The wake stream is never meant: it would wake itself.
    pub fn means(&self, name: &str) -> bool {
        let wakes = matches!(&self.way, Way::PullWake(stream) if stream == name);
        !wakes && self.pattern.as_deref().is_some_and(|pattern| Pattern::parse(pattern).matches(name))
    }
}

impl Subscription {
    /// Its streams, as clients are shown them.
    pub fn shown(&self, tails: &Tails) -> Vec<Shown> {
        let links = self.links.iter().filter_map(|(name, link)| Some(link.shown(name, tails.get(name)?)));
        links.collect()
    }

    /// A stream that has what was not acknowledged, where there is one.
    pub fn pending<'a>(&'a self, tails: &Tails) -> Option<&'a str> {
        let mut links = self.links.iter();
        let behind = links.find(|(name, link)| tails.get(*name).is_some_and(|tail| link.is_behind(tail)));
        behind.map(|(name, _)| name.as_str())
    }

    /// When there is something to do without anything having changed, in milliseconds since 1970.
    pub fn due(&self) -> Option<i64> {
        match self.wake.as_ref()?.stage {
            Stage::Due { at, .. } => Some(at),
            Stage::Offered => None,
            Stage::Held { until, .. } => Some(until),
        }
    }

    /// Whether that time has come.
    pub fn is_due(&self, now: i64) -> bool {
        match &self.wake {
            Some(Wake { stage: Stage::Held { until, .. }, .. }) => has_come(*until, now, self.lease_end(0)),
            _ => self.is_to_be_told(now),
        }
    }

    /// Whether its last delivery failed.
    pub fn is_failing(&self) -> bool {
        matches!(&self.wake, Some(Wake { stage: Stage::Due { failed: 1.., .. }, .. }))
    }

    /// Ends a wake whose lease is over.
    pub fn expire(&mut self, now: i64) {
        if matches!(&self.wake, Some(Wake { stage: Stage::Held { .. }, .. })) && self.is_due(now) {
            self.wake = None;
        }
    }

    /// Begins a wake called `id` where none is under way and there is something pending. Says whether it did.
    pub fn wake(&mut self, id: impl FnOnce() -> String, now: i64, tails: &Tails) -> bool {
        if self.wake.is_some() || self.pending(tails).is_none() {
            return false;
        }
        self.generation += 1;
        self.wake = Some(Wake { id: id(), tails: BTreeMap::new(), stage: Stage::Due { failed: 0, at: now } });
        true
    }

    /// Whether the wake is to be told now.
    pub fn is_to_be_told(&self, now: i64) -> bool {
        let longest = i64::try_from(WEBHOOK_RETRY_MAX.as_millis()).unwrap_or(i64::MAX);
        matches!(&self.wake, Some(Wake { stage: Stage::Due { at, .. }, .. }) if has_come(*at, now, longest))
    }

    /// Notes how far the streams go as the wake is told.
    pub fn tell(&mut self, tails: &Tails) {
        if let Some(wake) = &mut self.wake {
            wake.tails = tails.iter().map(|(name, tail)| (name.clone(), tail.text())).collect();
        }
    }

    /// The wake of this generation was told.
    pub fn told(&mut self, generation: u64, now: i64) {
        let until = self.lease_end(now);
        let stage = match self.asked.way {
            Way::Webhook(_) => Stage::Held { by: None, until },
            Way::PullWake(_) => Stage::Offered,
        };
        if let (Some(wake), true) = (&mut self.wake, self.generation == generation)
            && matches!(wake.stage, Stage::Due { .. })
        {
            wake.stage = stage;
        }
    }

    /// It could not be told. `chance`, from 0 to below 1, spreads those who try again.
    pub fn failed(&mut self, generation: u64, now: i64, chance: f64) {
        if let (Some(wake), true) = (&mut self.wake, self.generation == generation)
            && let Stage::Due { failed, at } = &mut wake.stage
        {
            let Range { start, end } = pause(*failed);
            *failed = failed.saturating_add(1);
            *at = now + start + ((end - start) as f64 * chance) as i64;
        }
    }

    /// The wake of this generation is done, and all that it told of is acknowledged.
    pub fn acknowledge_told(&mut self, generation: u64) {
        if self.generation != generation {
            return;
        }
        let Some(wake) = self.wake.take() else { return };
        for (name, tail) in wake.tails {
            if let Some(link) = self.links.get_mut(&name).filter(|link| !link.is_ahead_of(&tail)) {
                link.acked = Some(tail);
            }
        }
    }

    /// A worker takes the wake, or, where it is quicker than what would wake it, begins one.
    pub fn claim(
        &mut self,
        worker: &str,
        id: impl FnOnce() -> String,
        now: i64,
        tails: &Tails,
    ) -> Result<&Wake, Refusal> {
        self.expire(now);
        if let Some(Wake { stage: Stage::Held { by, .. }, .. }) = &self.wake {
            return Err(Refusal::Claimed(by.clone().unwrap_or_default()));
        }
        if self.pending(tails).is_none() {
            return Err(Refusal::Nothing);
        }
        self.wake(id, now, tails);
        self.tell(tails);
        let held = Stage::Held { by: Some(worker.to_owned()), until: self.lease_end(now) };
        match &mut self.wake {
            Some(wake) => {
                wake.stage = held;
                Ok(wake)
            }
            None => Err(Refusal::Nothing),
        }
    }

    /// Fails unless the wake under way is this one, as who speaks knows it, and as its token says.
    pub fn check(&self, token: u64, generation: Option<u64>, id: Option<&str>) -> Result<(), Refusal> {
        let wake = self.wake.as_ref().filter(|wake| Some(wake.id.as_str()) == id);
        let is_it = wake.is_some() && token == self.generation && generation == Some(self.generation);
        if is_it { Ok(()) } else { Err(Refusal::Fenced) }
    }

    /// Who holds the wake is at work: the lease begins anew.
    pub fn extend(&mut self, now: i64) {
        let until = self.lease_end(now);
        if let Some(wake) = &mut self.wake {
            let by = match &mut wake.stage {
                Stage::Held { by, .. } => by.take(),
                Stage::Due { .. } | Stage::Offered => None,
            };
            wake.stage = Stage::Held { by, until };
        }
    }

    /// The wake is over.
    pub fn finish(&mut self) {
        self.wake = None;
    }

    fn lease_end(&self, now: i64) -> i64 {
        now.saturating_add(i64::try_from(self.asked.lease_ttl_ms).unwrap_or(i64::MAX))
    }
}

/// Whether it is `at` now. What is further away than it can be, and not only by the moment between two looks at a clock,
/// is from before the clock was set back, and has come, too.
fn has_come(at: i64, now: i64, longest: i64) -> bool {
    at <= now || at > now.saturating_add(longest.saturating_mul(2))
}

/// Between how many milliseconds one waits who failed so often before.
fn pause(failed: u32) -> Range<i64> {
    let longest = WEBHOOK_RETRY_BASE.saturating_mul(1 << failed.min(20)).min(WEBHOOK_RETRY_MAX);
    let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
    longest / 2..longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::cursor::Fingerprint;

    fn tails(offset: u64) -> Tails {
        let end = Cursor::new(offset, Fingerprint::of(1, &offset.to_be_bytes()));
        [("a".to_owned(), Tail::at(Some(end)))].into()
    }

    fn subscription(way: Way) -> Subscription {
        let asked =
            Asked { way, pattern: None, streams: ["a".to_owned()].into(), lease_ttl_ms: 1000, description: None };
        let links = [("a".to_owned(), Link { explicit: true, ..Link::from(&tails(0)["a"]) })].into();
        Subscription { id: "s".into(), created: 1, asked, base: String::new(), links, generation: 0, wake: None }
    }

    fn webhook() -> Subscription {
        subscription(Way::Webhook("https://example.org/".into()))
    }

    fn pulled() -> Subscription {
        subscription(Way::PullWake("wake".into()))
    }

    fn id() -> String {
        "w".into()
    }

    #[test]
    fn what_is_pending_wakes_once() {
        let mut it = webhook();
        assert!(!it.wake(id, 0, &tails(0)), "there is nothing in it");
        assert!(it.wake(id, 0, &tails(5)));
        assert!(!it.wake(id, 0, &tails(9)), "one is under way");
        assert!(it.is_to_be_told(0));
        it.tell(&tails(5));
        it.told(1, 0);
        assert!(!it.is_to_be_told(i64::MAX));
        it.acknowledge_told(1);
        assert_eq!((it.pending(&tails(5)), it.pending(&tails(9))), (None, Some("a")));
    }

    #[test]
    fn failures_are_tried_again_later_and_later() {
        let mut it = webhook();
        it.wake(id, 0, &tails(5));
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..30 {
            it.failed(1, now, 0.999);
            let due = it.due().unwrap();
            pauses.push(due - now);
            now = due;
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(pauses[0], 999);
        assert!(pauses[29] <= i64::try_from(WEBHOOK_RETRY_MAX.as_millis()).unwrap());
        assert!(it.is_failing() && it.is_to_be_told(now) && !it.is_to_be_told(now - 1));
    }

    #[test]
    fn an_earlier_wake_is_fenced_off() {
        let mut it = pulled();
        it.wake(id, 0, &tails(5));
        it.told(1, 0);
        it.claim("one", id, 0, &tails(5)).unwrap();
        assert_eq!(it.claim("two", id, 500, &tails(5)), Err(Refusal::Claimed("one".into())));
        assert_eq!(it.check(1, Some(1), Some("w")), Ok(()));
        it.extend(500);
        assert!(it.claim("two", id, 1400, &tails(5)).is_err(), "the lease goes on");
        it.claim("two", || "v".into(), 1501, &tails(5)).unwrap();
        assert_eq!(it.generation, 2);
        for (token, generation, id) in [(1, 1, "w"), (1, 2, "v"), (2, 1, "v"), (2, 2, "w")] {
            assert_eq!(it.check(token, Some(generation), Some(id)), Err(Refusal::Fenced));
        }
        assert_eq!(it.check(2, Some(2), Some("v")), Ok(()));
        it.failed(1, 0, 0.5);
        it.told(1, 0);
        it.acknowledge_told(1);
        assert!(it.check(2, Some(2), Some("v")).is_ok(), "what comes of an earlier wake changes nothing");
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_waiting() {
        let mut it = pulled();
        it.claim("one", id, 1_000_000, &tails(5)).unwrap();
        assert!(!it.is_due(999_999), "whose look at the clock is older takes nothing away");
        assert!(it.claim("two", id, 0, &tails(5)).is_ok());
        let mut it = webhook();
        it.wake(id, 1_000_000_000, &tails(5));
        assert!(it.is_to_be_told(0));
    }

    #[test]
    fn a_wake_stream_does_not_wake_itself() {
        let mut it = pulled();
        it.asked.pattern = Some("**".into());
        assert!(it.asked.means("a/b") && !it.asked.means("wake"));
    }
}
