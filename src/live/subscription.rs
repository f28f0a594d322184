//! One reader's place in a feed: a state machine without I/O and without a clock. The driver shows
//! it where the feed stands and what time it is, and does what it says.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Where a feed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Counts the lives of the log: another one means that positions of before don't hold.
    pub epoch: u64,
    /// Why the last life ended.
    pub reason: &'static str,
    /// Where a reader begins whose position does not hold.
    pub fresh: u64,
    /// The end of the log's last whole line.
    pub end: u64,
    /// Counts the states (members, or rooms), from 1.
    pub state: u64,
    /// Counts what members do, from 0: nothing.
    pub presence: u64,
    /// Nothing comes after `end`: the stream is closed.
    pub closed: bool,
    /// The room is no more.
    pub gone: bool,
}

/// One reader's place.
#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    epoch: u64,
    offset: u64,
    /// The last state it was told; 0 before the first.
    told: u64,
    /// The last it was told of what members do.
    told_presence: u64,
    /// The position did not hold from the start: why. It begins at `offset` instead.
    stale: Option<&'static str>,
    spoke: Instant,
    ping: Duration,
    ends: Instant,
}

/// What is to be sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// That the position did not hold, for this reason, and where it goes on.
    Reset(&'static str, u64),
    /// The state as it is now.
    State,
    /// What members do now.
    Presence,
    /// Lines after this offset; then [`Subscription::advance`].
    Lines(u64),
    /// That the stream is closed, and all of it was handed out; nothing comes after it.
    Closed,
    /// That the room is gone; nothing comes after it.
    Gone,
    /// Nothing yet.
    Wait,
}

/// What the time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It has been silent for long: show that it lives.
    Ping,
    /// It has lived for long: end it.
    Timeout,
}

impl Subscription {
    /// A reader of a feed that stands at `tip`: where it starts, or why it can't go on where it
    /// wanted to and where it begins instead.
    pub fn new(
        tip: &Tip,
        start: Result<u64, (&'static str, u64)>,
        now: Instant,
        ping: Duration,
        lifetime: Duration,
    ) -> Subscription {
        Subscription {
            epoch: tip.epoch,
            offset: start.unwrap_or_else(|(_, fresh)| fresh),
            told: 0,
            told_presence: 0,
            stale: start.err().map(|(reason, _)| reason),
            spoke: now,
            ping,
            ends: now + lifetime,
        }
    }

    /// Where it is: everything before has been handed out.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether its position holds: not where it still has to tell that it does not.
    pub fn holds(&self) -> bool {
        self.stale.is_none()
    }

    /// What is to be sent next, now that the feed stands at `tip`. Each is said once.
    pub fn next(&mut self, tip: &Tip) -> Step {
        if tip.gone {
            return Step::Gone;
        }
        if self.told > 0 && (self.epoch != tip.epoch || self.stale.is_some()) {
            let (reason, fresh) = match self.stale.take() {
                Some(reason) if self.epoch == tip.epoch => (reason, self.offset),
                _ => (tip.reason, tip.fresh),
            };
            (self.epoch, self.offset) = (tip.epoch, fresh);
            return Step::Reset(reason, fresh);
        }
        if self.told != tip.state {
            self.told = tip.state;
            return Step::State;
        }
        if self.told_presence != tip.presence {
            self.told_presence = tip.presence;
            return Step::Presence;
        }
        if self.offset < tip.end {
            return Step::Lines(self.offset);
        }
        if tip.closed { Step::Closed } else { Step::Wait }
    }

    /// The lines of `range` have been handed out.
    pub fn advance(&mut self, range: Range<u64>) {
        debug_assert_eq!(range.start, self.offset);
        self.offset = range.end;
    }

    /// Something was sent.
    pub fn spoke(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// What the time asks for.
    pub fn tick(&self, now: Instant) -> Option<Beat> {
        if now >= self.ends {
            Some(Beat::Timeout)
        } else if now >= self.spoke + self.ping {
            Some(Beat::Ping)
        } else {
            None
        }
    }

    /// When its life ends.
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// When to ask again, if nothing is sent before.
    pub fn deadline(&self) -> Instant {
        self.ends.min(self.spoke + self.ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIP: Tip =
        Tip { epoch: 0, reason: "", fresh: 0, end: 100, state: 1, presence: 0, closed: false, gone: false };
    const PING: Duration = Duration::from_secs(30);
    const LIFE: Duration = Duration::from_secs(3600);

    fn at(start: Result<u64, (&'static str, u64)>) -> Subscription {
        Subscription::new(&TIP, start, Instant::now(), PING, LIFE)
    }

    #[test]
    fn state_first_then_lines_then_nothing() {
        let mut reader = at(Ok(40));
        assert_eq!(reader.next(&TIP), Step::State);
        assert_eq!(reader.next(&TIP), Step::Lines(40));
        assert_eq!(reader.next(&TIP), Step::Lines(40), "until it was handed out");
        reader.advance(40..90);
        assert_eq!(reader.next(&TIP), Step::Lines(90));
        reader.advance(90..120);
        assert_eq!(reader.next(&TIP), Step::Wait, "a file may be read beyond where the feed stands");
        assert_eq!(reader.next(&Tip { end: 130, ..TIP }), Step::Lines(120));
    }

    #[test]
    fn the_end_of_a_closed_stream_is_told_once_all_of_it_was() {
        let tip = Tip { closed: true, ..TIP };
        let mut reader = at(Ok(40));
        assert_eq!((reader.next(&tip), reader.next(&tip)), (Step::State, Step::Lines(40)));
        reader.advance(40..100);
        assert_eq!((reader.next(&TIP), reader.next(&tip)), (Step::Wait, Step::Closed));
    }

    #[test]
    fn of_many_states_the_last_is_told_once() {
        let mut reader = at(Ok(100));
        assert_eq!(reader.next(&TIP), Step::State);
        assert_eq!(reader.next(&Tip { state: 9, ..TIP }), Step::State);
        assert_eq!(reader.next(&Tip { state: 9, ..TIP }), Step::Wait);
    }

    #[test]
    fn what_members_do_is_told_after_who_they_are_and_not_where_they_do_nothing() {
        let mut reader = at(Ok(100));
        let tip = Tip { presence: 3, end: 120, ..TIP };
        assert_eq!(reader.next(&tip), Step::State);
        assert_eq!(reader.next(&tip), Step::Presence);
        assert_eq!(reader.next(&tip), Step::Lines(100));
    }

    #[test]
    fn another_life_of_the_log_is_a_reset_once() {
        let mut reader = at(Ok(100));
        reader.next(&TIP);
        let tip = Tip { epoch: 1, reason: "truncated", fresh: 5, end: 20, ..TIP };
        assert_eq!(reader.next(&tip), Step::Reset("truncated", 5));
        assert_eq!(reader.next(&tip), Step::Lines(5));
        reader.advance(5..20);
        assert_eq!(reader.next(&tip), Step::Wait);
    }

    #[test]
    fn a_position_that_does_not_hold_is_told_after_the_state() {
        let mut reader = at(Err(("edited", 60)));
        assert_eq!(reader.next(&TIP), Step::State);
        assert!(!reader.holds());
        assert_eq!(reader.next(&TIP), Step::Reset("edited", 60));
        assert!(reader.holds());
        assert_eq!(reader.next(&TIP), Step::Lines(60));
    }

    #[test]
    fn a_room_that_is_gone_is_the_end() {
        assert_eq!(at(Ok(0)).next(&Tip { gone: true, ..TIP }), Step::Gone);
    }

    #[test]
    fn a_ping_only_after_silence_and_an_end_in_any_case() {
        let start = Instant::now();
        let mut reader = Subscription::new(&TIP, Ok(0), start, PING, LIFE);
        assert_eq!(reader.tick(start + PING - Duration::from_millis(1)), None);
        assert_eq!(reader.deadline(), start + PING);
        assert_eq!(reader.tick(start + PING), Some(Beat::Ping));
        reader.spoke(start + PING);
        assert_eq!(reader.tick(start + PING * 2 - Duration::from_millis(1)), None);
        reader.spoke(start + LIFE);
        assert_eq!(reader.tick(start + LIFE), Some(Beat::Timeout));
        assert_eq!(reader.deadline(), start + LIFE);
    }
}
