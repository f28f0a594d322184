//! Producers that may repeat themselves: each numbers what it sends, and what was taken once is not taken again.

use serde::{Deserialize, Serialize};

/// Which message of a producer it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Who sends.
    pub id: String,
    /// In which of its lives: it counts them, so that an earlier one is known for what it is.
    pub epoch: u64,
    /// The number of the message in that life, from 0.
    pub seq: u64,
}

/// How far a producer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Its life.
    pub epoch: u64,
    /// The last message that was taken.
    pub seq: u64,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the next one.
    New,
    /// It was taken before; this is how far the producer is.
    Duplicate(Progress),
    /// The producer has another life since: this epoch.
    Stale(u64),
    /// Some are missing before it: this one was expected.
    Gap(u64),
    /// A new life does not begin with 0.
    LateStart,
}

/// Judges a message of a producer that has come so far.
pub fn judge(known: Option<Progress>, claim: &Claim) -> Verdict {
    match known {
        None if claim.seq == 0 => Verdict::New,
        None => Verdict::Gap(0),
        Some(known) if claim.epoch < known.epoch => Verdict::Stale(known.epoch),
        Some(known) if claim.epoch > known.epoch => {
            if claim.seq == 0 {
                Verdict::New
            } else {
                Verdict::LateStart
            }
        }
        Some(known) if claim.seq <= known.seq => Verdict::Duplicate(known),
        Some(known) if claim.seq == known.seq + 1 => Verdict::New,
        Some(known) => Verdict::Gap(known.seq + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_once_and_none_left_out() {
        let progress = Progress { epoch: 2, seq: 5 };
        let known = Some(progress);
        let verdict = |known, epoch, seq| judge(known, &Claim { id: "p".into(), epoch, seq });
        assert_eq!(verdict(None, 7, 0), Verdict::New);
        assert_eq!(verdict(None, 0, 1), Verdict::Gap(0));
        assert_eq!(verdict(known, 2, 6), Verdict::New);
        assert_eq!(verdict(known, 2, 7), Verdict::Gap(6));
        for seq in [0, 5] {
            assert_eq!(verdict(known, 2, seq), Verdict::Duplicate(progress));
        }
        assert_eq!(verdict(known, 1, 6), Verdict::Stale(2));
        assert_eq!((verdict(known, 3, 0), verdict(known, 3, 6)), (Verdict::New, Verdict::LateStart));
    }
}
