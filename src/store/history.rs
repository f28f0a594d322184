//! Finding a place in a log: its last lines, or the first line since a time. Reads in proportion
//! to the answer.

use std::io;
use std::ops::ControlFlow;

use chrono::NaiveDateTime;

use crate::limits::{SINCE_SLACK, STRETCH_MAX_BYTES};
use crate::room::line::{self, TIME_FORMAT};
use crate::store::log::{Log, LogLine};

/// Where the last `count` lines before `end` begin; `end` is 0 or just after a `\n`. Where they
/// are longer than `max_bytes` it is fewer lines, but one at least.
pub fn start_of_last(log: &Log, end: u64, count: usize, max_bytes: u64) -> io::Result<u64> {
    if count == 0 {
        return Ok(end);
    }
    let full = |start: u64, from: u64| start < end && end - from > max_bytes;
    let (mut start, mut lines) = (end, 0);
    let mut block_end = end.saturating_sub(1);
    while block_end > 0 {
        let block_start = block_end.saturating_sub(STRETCH_MAX_BYTES as u64);
        let block = log.read(block_start, (block_end - block_start) as usize)?;
        for newline in memchr::memrchr_iter(b'\n', &block) {
            let found = block_start + newline as u64 + 1;
            if full(start, found) {
                return Ok(start);
            }
            start = found;
            lines += 1;
            if lines == count {
                return Ok(start);
            }
        }
        block_end = block_start;
        if full(start, block_end) {
            return Ok(start);
        }
    }
    Ok(0)
}

/// Shows `visit` each whole line from `from` to `to`, until it breaks. Says where the last line
/// that it was shown ends.
pub fn each_line(
    log: &Log,
    from: u64,
    to: u64,
    mut visit: impl FnMut(LogLine<'_>) -> ControlFlow<()>,
) -> io::Result<u64> {
    let mut at = from;
    while at < to {
        let Some(stretch) = log.stretch(at)? else { break };
        for line in stretch.lines().take_while(|line| line.id.offset() <= to) {
            at = line.id.offset();
            if visit(line).is_break() {
                return Ok(at);
            }
        }
        if stretch.range().end > to {
            break;
        }
    }
    Ok(at)
}

/// Where the first line at or after `time` begins, in the server's local time; the end where there
/// is none. Times may go back a little within a log: then it is the first such line since
/// [`SINCE_SLACK`] before.
pub fn since(log: &Log, time: NaiveDateTime) -> io::Result<u64> {
    let written = |time: NaiveDateTime| time.format(TIME_FORMAT).to_string().into_bytes();
    let early =
        written(time.checked_sub_signed(chrono::TimeDelta::from_std(SINCE_SLACK).unwrap_or_default()).unwrap_or(time));
    let time = written(time);
    let end = log.whole_before(log.size()?)?;
    let (mut low, mut high) = (0, end);
    while high - low > STRETCH_MAX_BYTES as u64 {
        let middle = low + (high - low) / 2;
        let from = log.whole_before(middle)?.max(low);
        let found = first_line(log, from, high, |_| true)?;
        match found {
            Some((_, after, line_time)) if line_time < early && after > low => low = after,
            _ => high = from.max(low),
        }
        if high == low {
            break;
        }
    }
    Ok(first_line(log, low, end, |line_time| line_time >= &time[..])?.map_or(end, |(start, ..)| start))
}

type TimedLine = (u64, u64, Vec<u8>);

/// The first line from `from` to `to` that has a time, and one that is `wanted`: its start, its
/// end and its time.
fn first_line(log: &Log, from: u64, to: u64, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Option<TimedLine>> {
    let mut start = from;
    let mut found = None;
    each_line(log, from, to, |line| match line::time_prefix(line.bytes) {
        Some(time) if wanted(time) => {
            found = Some((start, line.id.offset(), time.to_vec()));
            ControlFlow::Break(())
        }
        _ => {
            start = line.id.offset();
            ControlFlow::Continue(())
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PAGE_MAX_BYTES;
    use crate::room::name::RoomName;
    use crate::store::root::DataRoot;

    fn log_of(text: &str) -> Log {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("R")).unwrap();
        std::fs::write(dir.path().join("R/.log"), text).unwrap();
        let room = DataRoot::open(dir.path()).unwrap().room(&RoomName::parse("R").unwrap()).unwrap();
        Log::open(&room.unwrap()).unwrap().unwrap()
    }

    /// The slow and certain way.
    fn starts(text: &str) -> Vec<u64> {
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at as u64 + 1)).collect()
    }

    #[test]
    fn the_last_lines_begin_where_counting_from_the_front_says() {
        let text: String = (0..9000).map(|n| format!("{n}{}\n", "y".repeat(n * 7 % 61))).collect();
        let (log, starts) = (log_of(&text), starts(&text));
        for end in [9000, 8999, 5000, 1, 0] {
            for count in [0, 1, 2, 200, 8999, 9000, 10_000] {
                let expected = starts[end - count.min(end)];
                assert_eq!(
                    start_of_last(&log, starts[end], count, PAGE_MAX_BYTES).unwrap(),
                    expected,
                    "{count} before {end}"
                );
            }
        }
    }

    #[test]
    fn a_page_of_long_lines_has_fewer_of_them_but_one() {
        let long = "z".repeat(PAGE_MAX_BYTES as usize);
        let text = format!("a\n{long}\nb\nc\n");
        let log = log_of(&text);
        let end = text.len() as u64;
        assert_eq!(start_of_last(&log, end, 200, PAGE_MAX_BYTES).unwrap(), end - 4);
        assert_eq!(start_of_last(&log, end - 4, 200, PAGE_MAX_BYTES).unwrap(), 2);
    }

    fn minutes(n: u32) -> NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap()
            + chrono::TimeDelta::minutes(i64::from(n))
    }

    #[test]
    fn since_finds_the_first_line_of_a_time_and_later() {
        // Two days in a log, with lines of no form among them, and an hour that comes twice.
        let mut text = String::new();
        let mut timed = Vec::new();
        for n in 0..20_000u32 {
            let minute = if n > 10_000 { n - 60 } else { n };
            timed.push((text.len() as u64, minutes(minute)));
            text += &format!("[{}] a: {n}\n", minutes(minute).format(TIME_FORMAT));
            if n % 3 == 0 {
                text += "some output\n";
            }
        }
        let log = log_of(&text);
        for minute in [0, 1, 500, 5_000, 9_941, 9_970, 10_000, 10_001, 15_000, 19_939, 19_940, 50_000] {
            let time = minutes(minute);
            let expected = timed.iter().find(|(_, t)| *t >= time).map_or(text.len() as u64, |(at, _)| *at);
            assert_eq!(since(&log, time).unwrap(), expected, "minute {minute}");
        }
        assert_eq!(since(&log_of(""), minutes(0)).unwrap(), 0);
        assert_eq!(since(&log_of("no time\n"), minutes(0)).unwrap(), 8);
    }

    #[test]
    fn lines_are_shown_up_to_the_end_that_was_asked_for() {
        let log = log_of("a\nbb\nccc\nhalf");
        let mut seen = Vec::new();
        let at = each_line(&log, 2, 9, |line| {
            seen.push(line.bytes.to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!((at.unwrap(), seen), (9, vec![b"bb".to_vec(), b"ccc".to_vec()]));
        assert_eq!(each_line(&log, 0, 99, |_| ControlFlow::Break(())).unwrap(), 2);
        assert_eq!(each_line(&log, 0, 5, |_| ControlFlow::Continue(())).unwrap(), 5);
    }
}
