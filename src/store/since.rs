//! Finding the first line since a time, in a log that may be large, in which not every line has a time, and whose clock
//! may have been set back: by an hour each autumn, for one.
//!
//! Two searches, each from the end back in ever larger steps and then by halves, find where the log passes that time,
//! and where it passed [`SINCE_SLACK`] before it. What lies between is read where it is small, and looked at in
//! [`SINCE_SAMPLES`] places where it is large. So little is read in any log.

use std::io;

use chrono::{NaiveDateTime, TimeDelta};
use memchr::memmem;

use crate::limits::{
    SINCE_LOOK_BYTES, SINCE_SAMPLES, SINCE_SCAN_MAX_BYTES, SINCE_SLACK, SINCE_SMALL_BYTES, STRETCH_MAX_BYTES,
};
use crate::room::line::{self, TIME_FORMAT};
use crate::store::log::Log;

/// How much of a line its time takes, with the brackets and the blank.
const TIME_BYTES: usize = "[2026-01-31 08:00:00] ".len();

/// Where the first line at or after `time` begins, in the server's local time; the end where there
/// is none. Times may go back a little within a log: then it is the first such line since
/// [`SINCE_SLACK`] before, but for times that went on for less than a [`SINCE_SAMPLES`]th of that
/// before they went back. `None` where [`SINCE_SCAN_MAX_BYTES`] without a time are in the way.
pub fn since(log: &Log, time: NaiveDateTime) -> io::Result<Option<u64>> {
    let early = time.checked_sub_signed(TimeDelta::from_std(SINCE_SLACK).unwrap_or_default()).unwrap_or(time);
    let [time, early] = [time, early].map(|time| time.format(TIME_FORMAT).to_string().into_bytes());
    let end = log.whole_before(log.size()?)?;
    let mut search = Search { log, left: SINCE_SCAN_MAX_BYTES };
    let Some(mut high) = search.passing(&time, end)? else { return Ok(None) };
    let Some(mut low) = search.passing(&early, high)? else { return Ok(None) };
    while high - low > SINCE_SMALL_BYTES {
        let Some(narrower) = search.sample(low, high, &time)? else { break };
        (low, high) = narrower;
    }
    Ok(match search.first(low, end, |found| found >= &time[..])? {
        Found::Line(start, _) => Some(start),
        Found::Nothing => Some(end),
        Found::TooFar => None,
    })
}

struct Search<'a> {
    log: &'a Log,
    /// How many bytes may still be read.
    left: u64,
}

enum Found {
    /// Where a line begins, and its time.
    Line(u64, Vec<u8>),
    Nothing,
    TooFar,
}

impl Search<'_> {
    /// A place behind a line before `time`, or the beginning, with no line before `time` soon after it. Looks in what
    /// is before `end`. `None` where it is too far to the next line with a time.
    fn passing(&mut self, time: &[u8], end: u64) -> io::Result<Option<u64>> {
        let (mut low, mut high, mut step) = (0, end, STRETCH_MAX_BYTES as u64);
        while high > low {
            let from = match low {
                0 => self.log.whole_before(high.saturating_sub(step))?,
                _ if high - low <= STRETCH_MAX_BYTES as u64 => break,
                _ => self.log.whole_before(low + (high - low) / 2)?.max(low),
            };
            step = step.saturating_mul(2);
            match self.first(from, high, |_| true)? {
                Found::Line(start, found) if found[..] < *time => low = self.after(start)?,
                Found::Line(..) | Found::Nothing => high = from,
                Found::TooFar => return Ok(None),
            }
        }
        Ok(Some(low))
    }

    /// The part of what is from `low` to `high` in which a line at or after `time` comes first, as far as looking in
    /// some places shows; `None` where it shows nothing.
    fn sample(&mut self, low: u64, high: u64, time: &[u8]) -> io::Result<Option<(u64, u64)>> {
        let (mut before, step) = (low, ((high - low) / SINCE_SAMPLES).max(SINCE_LOOK_BYTES));
        let mut place = low + step;
        while place < high {
            let from = self.after(place)?;
            if let Found::Line(start, found) = self.first(from, (from + SINCE_LOOK_BYTES).min(high), |_| true)? {
                if found[..] >= *time {
                    return Ok(Some((before, start)));
                }
                before = start;
            }
            place = place.max(from) + step;
        }
        Ok((before > low).then_some((before, high)))
    }

    /// The first line that begins from `from` (where one does) to `to`, has a time, and one that is
    /// `wanted`.
    fn first(&mut self, from: u64, to: u64, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Found> {
        let mut at = from;
        while at < to {
            if self.left == 0 {
                return Ok(Found::TooFar);
            }
            let block = self.log.read(at, (to - at).min(STRETCH_MAX_BYTES as u64) as usize)?;
            self.left = self.left.saturating_sub(block.len() as u64);
            let first = (at == from).then_some(0);
            let others = memmem::find_iter(&block, b"\n[").map(|newline| newline + 1);
            let next = at + block.len() as u64;
            for start in first.into_iter().chain(others) {
                let line = &block[start..block.len().min(start + TIME_BYTES)];
                if line.len() < TIME_BYTES && next < to {
                    // The rest is in the next block, which begins before this line.
                    break;
                }
                let line = memchr::memchr(b'\n', line).map_or(line, |newline| &line[..newline]);
                if let Some(time) = line::time_prefix(line).filter(|time| wanted(time)) {
                    return Ok(Found::Line(at + start as u64, time.to_vec()));
                }
            }
            if next >= to || block.is_empty() {
                break;
            }
            at = (next - 1).saturating_sub(TIME_BYTES as u64).max(at + 1);
        }
        Ok(Found::Nothing)
    }

    /// Where the line ends that begins at `start`.
    fn after(&self, start: u64) -> io::Result<u64> {
        Ok(self.log.line_end(start)?.unwrap_or_else(|end| end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(n: u32) -> NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap()
            + chrono::TimeDelta::minutes(i64::from(n))
    }

    /// A log, and the lines of it that have a time.
    #[derive(Default)]
    struct Sample {
        text: String,
        timed: Vec<(u64, NaiveDateTime)>,
    }

    impl Sample {
        fn line(&mut self, minute: u32, rest: &str) {
            self.timed.push((self.text.len() as u64, minutes(minute)));
            self.text += &format!("[{}]{rest}\n", minutes(minute).format(TIME_FORMAT));
        }

        fn untimed(&mut self, bytes: usize) {
            for n in 0..bytes / 16 {
                self.text += &format!("[some] output{:>2}\n", n % 100);
            }
        }

        /// Looks for each of these minutes, and compares with the slow and certain way.
        fn check(&self, times: impl IntoIterator<Item = u32>) {
            let log = Log::with(&self.text);
            for minute in times {
                let expected = self.timed.iter().find(|(_, time)| *time >= minutes(minute));
                let expected = expected.map_or(self.text.len() as u64, |(at, _)| *at);
                assert_eq!(since(&log, minutes(minute)).unwrap(), Some(expected), "minute {minute}");
            }
        }
    }

    #[test]
    fn since_finds_the_first_line_of_a_time_and_later() {
        // Two weeks in a log, with lines of no form among them, and an hour that comes twice.
        let mut sample = Sample::default();
        for n in 0..20_000u32 {
            sample.line(if n > 10_000 { n - 60 } else { n }, &format!(" a: {n}"));
            if n % 3 == 0 {
                sample.untimed(32);
            }
        }
        sample.check([0, 1, 500, 5_000, 9_941, 9_970, 10_000, 10_001, 15_000, 19_939, 19_940, 50_000]);
        sample.check((0..20_000).step_by(97));
    }

    #[test]
    fn times_are_found_wherever_they_are_in_what_is_read_at_once() {
        for pad in 0..=2 * TIME_BYTES {
            let mut sample = Sample::default();
            sample.line(0, &format!(" a: {}", "x".repeat(STRETCH_MAX_BYTES - 2 * TIME_BYTES - pad)));
            sample.line(600, "");
            sample.line(700, "no time, for it has no blank");
            sample.timed.pop();
            sample.untimed(100);
            sample.check([0, 1, 600, 601, 650, 701]);
        }
    }

    #[test]
    fn far_apart_times_are_found_and_too_far_ones_are_not_guessed() {
        let mut sample = Sample::default();
        for n in 0..8 {
            sample.line(n * 1000, " a: here");
            sample.untimed(300_000);
        }
        sample.check((0..8_500).step_by(500));

        let mut sample = Sample::default();
        sample.line(0, " a: long ago");
        sample.untimed(SINCE_SCAN_MAX_BYTES as usize + 100_000);
        assert_eq!(since(&Log::with(&sample.text), minutes(1)).unwrap(), None);
        for n in 1000..20_000 {
            sample.line(n, " a: now");
        }
        sample.check([10_000, 19_999, 20_000]);
        assert_eq!(since(&Log::with(&sample.text), minutes(1)).unwrap(), None);
    }

    #[test]
    fn the_first_of_two_equal_hours_is_found_where_much_was_said() {
        // A line each minute for days, and then one each second, with the hour from 2 to 3 twice.
        let mut sample = Sample::default();
        (0..10_000).for_each(|minute| sample.line(minute, " a: quiet"));
        let loud = (10_000..10_180).chain(10_120..10_400);
        for minute in loud {
            (0..240).for_each(|_| sample.line(minute, " a: loud"));
        }
        assert!(sample.text.len() as u64 > 2 * SINCE_SMALL_BYTES);
        sample.check((9_900..10_450).step_by(7));
        sample.check((10_115..10_185).chain([10_399, 10_400]));
    }

    #[test]
    fn a_log_without_times_has_none_since_any() {
        assert_eq!(since(&Log::with(""), minutes(0)).unwrap(), Some(0));
        assert_eq!(since(&Log::with("no time\n[2026-01-01 00:00:00] not whole"), minutes(0)).unwrap(), Some(8));
    }
}
