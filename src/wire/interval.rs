//! The arithmetic of `Stream-Cursor`: the number of the interval of time in which an answer was given. A client sends
//! it back, and gets a higher one, so that no cache gives it the same answer for ever, while all who ask within one
//! interval ask for the same address.

use crate::limits::{CURSOR_EPOCH_SECS, CURSOR_INTERVAL_SECS, CURSOR_JITTER};

/// The interval at `unix_secs`, in seconds since 1970.
pub fn at(unix_secs: u64) -> u64 {
    unix_secs.saturating_sub(CURSOR_EPOCH_SECS) / CURSOR_INTERVAL_SECS
}

/// What a client gets in the interval `now` which sent `known`, if it sent any: always more than that. `random` spreads
/// those apart that came too early.
pub fn after(now: u64, known: Option<u64>, random: u64) -> u64 {
    match known {
        Some(known) if known >= now => known.saturating_add(1 + random % CURSOR_JITTER),
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_more_than_it_sent() {
        assert_eq!(at(CURSOR_EPOCH_SECS + 2 * CURSOR_INTERVAL_SECS), 2);
        assert_eq!((at(0), at(CURSOR_EPOCH_SECS + CURSOR_INTERVAL_SECS - 1)), (0, 0));
        assert_eq!((after(9, None, 5), after(9, Some(8), 5)), (9, 9));
        for random in [0, 1, CURSOR_JITTER, u64::MAX] {
            for known in [9, 10, 1 << 52] {
                assert!((known + 1..=known + CURSOR_JITTER).contains(&after(9, Some(known), random)));
            }
        }
    }
}
