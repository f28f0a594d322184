//! A log's last lines, and its lines one by one. Reads in proportion to the answer.

use std::io;
use std::ops::ControlFlow;

use crate::limits::{LINE_SEARCH_MAX_BYTES, PAGE_MAX_BYTES};
use crate::store::log::{Log, LogLine};

/// Where the last `count` lines before `end` begin; `end` is 0 or just after a `\n`. Where they
/// are longer than `max_bytes` it is fewer lines, but one at least.
pub fn start_of_last(log: &Log, end: u64, count: usize, max_bytes: u64) -> io::Result<u64> {
    if count == 0 {
        return Ok(end);
    }
    let full = |start: u64, from: u64| start < end && end - from > max_bytes;
    let (mut start, mut lines) = (end, 0);
    let (mut block_end, mut before) = (end.saturating_sub(1), 0);
    while block_end > 0 {
        let (block_start, block) = log.block_before(block_end, before)?;
        before = block.len();
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
        if start - block_end >= LINE_SEARCH_MAX_BYTES {
            // Nobody else waits until the beginning of such a line is found.
            (start, lines) = (block_end, lines + 1);
            if lines == count {
                return Ok(start);
            }
        }
        if full(start, block_end) {
            return Ok(start);
        }
    }
    Ok(0)
}

/// The last whole line, without its `\n`; of a long one, its beginning. `None` where there is none.
pub fn last_line(log: &Log) -> io::Result<Option<Vec<u8>>> {
    let (start, block) = log.block_before(log.size()?, 0)?;
    if let Some(end) = memchr::memrchr(b'\n', &block) {
        let before = memchr::memrchr(b'\n', &block[..end]).map(|newline| newline + 1);
        if let Some(line) = before.or_else(|| (start == 0).then_some(0)) {
            return Ok(Some(block[line..end].to_vec()));
        }
    }
    let end = log.whole_before(log.size()?)?;
    let stretch = log.stretch(start_of_last(log, end, 1, PAGE_MAX_BYTES)?)?;
    Ok(stretch.and_then(|stretch| stretch.lines().last().map(|line| line.bytes.to_vec())))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{LINE_MAX_BYTES, STRETCH_MAX_BYTES};

    /// The slow and certain way.
    fn starts(text: &str) -> Vec<u64> {
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at as u64 + 1)).collect()
    }

    #[test]
    fn the_last_lines_begin_where_counting_from_the_front_says() {
        let text: String = (0..9000).map(|n| format!("{n}{}\n", "y".repeat(n * 7 % 61))).collect();
        let (log, starts) = (Log::with(&text), starts(&text));
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
        let log = Log::with(&text);
        let end = text.len() as u64;
        assert_eq!(start_of_last(&log, end, 200, PAGE_MAX_BYTES).unwrap(), end - 4);
        assert_eq!(start_of_last(&log, end - 4, 200, PAGE_MAX_BYTES).unwrap(), 2);
    }

    #[test]
    fn the_beginning_of_a_very_long_line_is_not_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(10 * LINE_SEARCH_MAX_BYTES).unwrap();
        std::io::Write::write_all(&mut std::fs::OpenOptions::new().append(true).open(file.path()).unwrap(), b"\nb\n")
            .unwrap();
        let log = Log::of(file.reopen().unwrap()).unwrap();
        let end = log.size().unwrap();
        assert_eq!(start_of_last(&log, end, 1, PAGE_MAX_BYTES).unwrap(), end - 2);
        assert_eq!(start_of_last(&log, end, 2, PAGE_MAX_BYTES).unwrap(), end - 2, "a page of long lines has fewer");
        let end = end - 2;
        let start = start_of_last(&log, end, 1, PAGE_MAX_BYTES).unwrap();
        assert!((LINE_SEARCH_MAX_BYTES..=LINE_SEARCH_MAX_BYTES + STRETCH_MAX_BYTES as u64).contains(&(end - start)));
    }

    #[test]
    fn the_last_line_is_found_however_long() {
        for len in [0, 1, 4094, 4095, 4096, 4097, 9000, STRETCH_MAX_BYTES, LINE_MAX_BYTES + 1] {
            let line = "x".repeat(len);
            for before in ["", "before\n", "\n"] {
                for after in ["", "half"] {
                    let last = last_line(&Log::with(&format!("{before}{line}\n{after}"))).unwrap().unwrap();
                    assert_eq!(last.len(), len.min(LINE_MAX_BYTES), "{before:?} {after:?}");
                }
            }
        }
        assert_eq!((last_line(&Log::with("")).unwrap(), last_line(&Log::with("half")).unwrap()), (None, None));
    }

    #[test]
    fn lines_are_shown_up_to_the_end_that_was_asked_for() {
        let log = Log::with("a\nbb\nccc\nhalf");
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
