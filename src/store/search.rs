//! Finding lines of a log by what they say, the newest first. Reads in proportion to what it was allowed.

use std::io;
use std::ops::ControlFlow;

use crate::limits::SEARCH_BLOCK_BYTES;
use crate::room::line;
use crate::store::history::each_line;
use crate::store::log::{Log, LogLine};

/// What is looked for: words that are all to be in a line, in its name or its text, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    words: Vec<String>,
}

/// What was found.
#[derive(Debug)]
pub struct Found<T> {
    /// The newest lines that match, the oldest of them first.
    pub lines: Vec<T>,
    /// All between here and the end was looked through: where to go on, unless it is 0.
    pub from: u64,
}

impl Wanted {
    /// The words of `text`. `None` where it has none.
    pub fn parse(text: &str) -> Option<Wanted> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        (!words.is_empty()).then_some(Wanted { words })
    }

    /// Whether a line, without its `\n`, is wanted. What happened to the room is not.
    pub fn is_in(&self, raw: &[u8]) -> bool {
        let said = line::time_prefix(raw).map_or(raw, |time| &raw[(time.len() + 2).min(raw.len())..]);
        let said = String::from_utf8_lossy(said).to_lowercase();
        self.words.iter().all(|word| said.contains(word)) && !line::is_system(raw)
    }
}

/// The last `limit` lines before `end` that are wanted; `end` is 0 or just after a `\n`. Stops once about `max_bytes`
/// were read.
pub fn last_wanted<T>(
    log: &Log,
    end: u64,
    wanted: &Wanted,
    limit: usize,
    max_bytes: u64,
    mut show: impl FnMut(LogLine<'_>) -> T,
) -> io::Result<Found<T>> {
    // The newest first, until they are turned round.
    let mut lines = Vec::new();
    let mut to = end;
    while to > 0 && end - to < max_bytes {
        let from = log.whole_before(to.saturating_sub(SEARCH_BLOCK_BYTES))?;
        let (mut here, mut start) = (Vec::new(), from);
        each_line(log, from, to, |line| {
            if wanted.is_in(line.bytes) {
                here.push((start, show(line)));
            }
            start = line.id.offset();
            ControlFlow::Continue(())
        })?;
        to = from;
        while let Some((start, line)) = here.pop() {
            lines.push(line);
            if lines.len() == limit {
                lines.reverse();
                return Ok(Found { lines, from: start });
            }
        }
    }
    lines.reverse();
    Ok(Found { lines, from: to })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Wanted {
        Wanted::parse(text).unwrap()
    }

    #[test]
    fn all_words_in_any_case_but_not_the_time_and_not_what_happened_to_the_room() {
        let line = "[2026-01-31 08:00:00] Mira: Die lange LEITER ist zurück".as_bytes();
        for yes in ["leiter", "mira Lange", "ZURÜCK", "lang"] {
            assert!(wanted(yes).is_in(line), "{yes}");
        }
        for no in ["2026", "leiter kurz", "08:00"] {
            assert!(!wanted(no).is_in(line), "{no}");
        }
        assert!(wanted("2026").is_in(b"no time: 2026"));
        assert!(!wanted("joined").is_in(b"[2026-01-31 08:00:00] log: al joined the room."));
        assert_eq!(Wanted::parse(" \t"), None);
    }

    #[test]
    fn pages_of_what_was_found_are_together_all_of_it() {
        let text: String = (0..13_000)
            .map(|n| format!("[2026-01-31 08:00:00] al: {n} {}\n", if n % 7 == 0 { "seven" } else { "other" }))
            .collect();
        let log = Log::with(&text);
        for (limit, max_bytes) in [(100, u64::MAX), (1000, u64::MAX), (1000, 1)] {
            let (mut end, mut all) = (text.len() as u64, Vec::new());
            while end > 0 {
                let found = last_wanted(&log, end, &wanted("seven"), limit, max_bytes, |line| {
                    String::from_utf8(line.bytes.to_vec()).unwrap()
                })
                .unwrap();
                assert!(found.from < end);
                all.splice(0..0, found.lines);
                end = found.from;
            }
            let expected: Vec<&str> = text.lines().filter(|line| line.ends_with("seven")).collect();
            assert_eq!(all, expected, "{limit} at a time");
        }
    }
}
