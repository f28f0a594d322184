//! Positions in a log, and ids of messages, which are the same.
//!
//! `GGGGGGGGGGGGGGGG_BBBBBBBBBBBBBBBB_FFFFFFFFFFFF`: 16 decimal digits of generation, 16 of byte
//! offset just after a line's `\n`, and 12 hexadecimal digits of fingerprint: a hash of the file's
//! identity and the bytes just before the offset. Ids of one log sort as their lines do, resuming
//! is one `pread`, and a cursor into a log that was truncated, replaced or edited since does not
//! match any more. The fingerprint may be missing; a cursor without one is checked only for
//! pointing behind a `\n`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const DIGITS: usize = 16;
const FINGERPRINT_DIGITS: usize = 12;
const FINGERPRINT_MASK: u64 = (1 << (4 * FINGERPRINT_DIGITS)) - 1;

/// A position in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    generation: u64,
    offset: u64,
    fingerprint: Option<Fingerprint>,
}

/// What a log looks like just before a position: 48 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

/// What the positions of a log are bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    own: Origin,
    /// What those of a fork's first bytes are bound to, in the order of their offsets; of others, nothing.
    inherited: Arc<[Inherited]>,
}

/// The log that a position was first given out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    generation: u64,
    identity: u64,
}

/// A stretch of a fork whose positions are those of the log that it was copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inherited {
    /// The last of its offsets. It begins after the stretch before it.
    pub until: u64,
    /// The log that it was written to.
    pub origin: Origin,
}

impl Lineage {
    /// That of a room's log, which is one file: the one that the file system calls so.
    pub fn of_file(inode: u64) -> Lineage {
        Origin { generation: 0, identity: inode }.into()
    }

    /// That of a stream that was created as this generation: it is the same whichever file its bytes are in.
    pub fn of_stream(generation: u64) -> Lineage {
        Origin { generation, identity: generation }.into()
    }

    /// That of a stream that was created as this generation and as a fork, whose first bytes have these origins.
    pub fn of_fork(generation: u64, inherited: &[Inherited]) -> Lineage {
        Lineage { inherited: inherited.into(), ..Lineage::of_stream(generation) }
    }

    /// What a fork at `offset` inherits: the origins of all that is before it.
    pub fn before(&self, offset: u64) -> Vec<Inherited> {
        let own = Inherited { until: u64::MAX, origin: self.own };
        let mut inherited = Vec::new();
        for stretch in self.inherited.iter().chain([&own]) {
            inherited.push(Inherited { until: stretch.until.min(offset), ..*stretch });
            if stretch.until >= offset {
                break;
            }
        }
        inherited
    }

    /// Which life of which log the position at `offset` is one of.
    pub fn generation(&self, offset: u64) -> u64 {
        self.origin(offset).generation
    }

    fn origin(&self, offset: u64) -> Origin {
        let inherited = self.inherited.iter().find(|stretch| offset <= stretch.until);
        inherited.map_or(self.own, |stretch| stretch.origin)
    }
}

impl From<Origin> for Lineage {
    fn from(own: Origin) -> Lineage {
        Lineage { own, inherited: Arc::default() }
    }
}

/// Why something is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a position: expected 16 digits, _, 16 digits and, at most, _ and 12 hexadecimal digits")]
pub struct CursorError(String);

impl Fingerprint {
    /// The fingerprint of a position with `window` before it, in a file that the file system
    /// calls `identity` (its inode number).
    pub fn of(identity: u64, window: &[u8]) -> Self {
        Fingerprint(xxh3_64_with_seed(window, identity) & FINGERPRINT_MASK)
    }
}

impl Cursor {
    /// The beginning of every log.
    pub const ZERO: Cursor = Cursor { generation: 0, offset: 0, fingerprint: None };

    /// The position `offset` of a room's log, which looks so just before it.
    pub fn new(offset: u64, fingerprint: Fingerprint) -> Self {
        let fingerprint = (offset > 0).then_some(fingerprint);
        Cursor { generation: 0, offset, fingerprint }
    }

    /// The position `offset` of a log of this `lineage`, with `window` before it.
    pub fn of(lineage: &Lineage, offset: u64, window: &[u8]) -> Self {
        let Origin { generation, identity } = lineage.origin(offset);
        let fingerprint = (offset > 0).then(|| Fingerprint::of(identity, window));
        Cursor { generation, offset, fingerprint }
    }

    /// Reads a cursor. Fails on any other form.
    pub fn parse(text: &str) -> Result<Self, CursorError> {
        Self::parts(text).ok_or_else(|| CursorError(text.chars().take(80).collect()))
    }

    fn parts(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let decimal = |part: &str| {
            (part.len() == DIGITS && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let generation = decimal(parts.next()?)?;
        let offset = decimal(parts.next()?)?;
        let fingerprint = match parts.next() {
            None => None,
            Some(part) => {
                let form = part.len() == FINGERPRINT_DIGITS
                    && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                Some(Fingerprint(form.then(|| u64::from_str_radix(part, 16).ok())??))
            }
        };
        parts.next().is_none().then_some(Cursor { generation, offset, fingerprint })
    }

    /// Which life of the log it points into.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The byte offset: just after a line's `\n`, or 0.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What the log looked like before it, where the cursor says.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}_{:016}", self.generation, self.offset)?;
        match self.fingerprint {
            Some(Fingerprint(bits)) => write!(f, "_{bits:012x}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        for offset in [0, 1, 42, 9_999_999_999_999_999] {
            let cursor = Cursor::new(offset, Fingerprint::of(7, b"window"));
            assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }
        assert_eq!(Cursor::ZERO.to_string(), "0000000000000000_0000000000000000");
        assert_eq!(Cursor::parse("0000000000000000_0000000000000042").unwrap().offset(), 42);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "0",
            "-1",
            "now",
            "0000000000000000_000000000000004",
            "0000000000000000_00000000000000423",
            "0000000000000000_+000000000000042",
            "0000000000000000_0000000000000042_",
            "0000000000000000_0000000000000042_xyz",
            "0000000000000000_0000000000000042_ABCDEFABCDEF",
            "0000000000000000_0000000000000042_a1b2c3d4e5f6_",
            "0000000000000000_0000000000000042\n",
        ] {
            assert!(Cursor::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ids_sort_as_their_lines_do() {
        let ids: Vec<String> =
            [1, 9, 10, 99, 100_000].iter().map(|o| Cursor::new(*o, Fingerprint(*o % 7)).to_string()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn a_forks_positions_are_its_sources_up_to_where_it_was_forked() {
        let source = Lineage::of_stream(5);
        let fork = Lineage::of_fork(6, &source.before(10));
        let second = Lineage::of_fork(7, &fork.before(20));
        let at = |lineage: &Lineage, offset| Cursor::of(lineage, offset, b"window");
        for offset in [0, 1, 10] {
            assert_eq!(at(&fork, offset), at(&source, offset));
            assert_eq!(at(&second, offset), at(&source, offset));
        }
        assert_ne!(at(&fork, 11), at(&source, 11));
        assert_eq!((at(&second, 20), second.generation(21)), (at(&fork, 20), 7));
        assert_eq!(Lineage::of_fork(8, &second.before(10)).inherited.len(), 1);
        assert_eq!(Lineage::of_fork(8, &source.before(0)).generation(0), 5);
    }

    #[test]
    fn a_fingerprint_knows_the_file_and_the_bytes() {
        let one = Fingerprint::of(1, b"same");
        assert_eq!(one, Fingerprint::of(1, b"same"));
        assert_ne!(one, Fingerprint::of(2, b"same"));
        assert_ne!(one, Fingerprint::of(1, b"Same"));
    }
}
