//! The messages of a run: each says which run it is of, its number, and when it was published.

use memchr::memchr;

/// What a message says about itself: `@RUN/NUMBER/NANOS/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Tells the messages of a run from those of another one in the same log.
    pub run: u64,
    /// Counts from 0.
    pub number: u64,
    /// When it was published, by the client's monotonic clock.
    pub nanos: u64,
}

impl Stamp {
    /// Appends a log line of `size` bytes, or as many as the stamp needs.
    pub fn write_line(&self, out: &mut Vec<u8>, time: &str, size: usize) {
        let from = out.len();
        let Stamp { run, number, nanos } = self;
        out.extend_from_slice(format!("[{time}] bench: @{run}/{number}/{nanos}/ ").as_bytes());
        out.resize((from + size.saturating_sub(1)).max(out.len()), b'x');
        out.push(b'\n');
    }

    /// The stamp in the `data` of an event: the line as it is, or within JSON.
    pub fn find(data: &[u8]) -> Option<Stamp> {
        let mut rest = &data[memchr(b'@', data)? + 1..];
        let mut number = || {
            let end = memchr(b'/', rest)?;
            let digits = &rest[..end];
            rest = &rest[end + 1..];
            digits.iter().try_fold(0u64, |value, byte| {
                byte.is_ascii_digit().then(|| value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
            })
        };
        Some(Stamp { run: number()?, number: number()?, nanos: number()? })
    }
}
