//! What a stream is besides its bytes: the contents of `.log.stream`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::room::cursor::Lineage;
use crate::room::fork::Fork;
use crate::room::producer::{Claim, Progress};
use crate::wire::durable::Media;

/// The media type of a stream whose creator named none.
pub const DEFAULT_TYPE: &str = "application/octet-stream";

/// The media type of a stream without a sidecar: a chat room.
pub const ROOM_TYPE: &str = "text/plain";

/// A sidecar. Fields that this version does not know make it unreadable rather than being lost at the next change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// When the stream was created, in microseconds since 1970: one of the same name later has a higher one.
    pub generation: u64,
    /// Its media type, as its creator wrote it.
    pub content_type: String,
    /// After how many seconds without a read or a write it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// When it is gone: seconds since 1970, and as its creator wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// Where it was closed: bytes after this offset are not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<u64>,
    /// Where it comes from, where it is a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The last `Stream-Seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<String>,
    /// How far each producer has come.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub producers: BTreeMap<String, Progress>,
    /// An append of a producer's, or one that closes the stream, that was about to be made. It is only there while it
    /// is made, or where that was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
}

/// What an append was to do. Whether it did, the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Whose it is, where a producer makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Its `Stream-Seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<String>,
    /// Whether it closes the stream.
    pub closes: bool,
    /// How long the log was before it.
    pub at: u64,
    /// How many bytes it adds.
    pub len: usize,
    /// The first of them, to find them by.
    pub head: Vec<u8>,
    /// All of them, hashed.
    pub hash: String,
}

/// How many bytes an intent is found by.
const HEAD_BYTES: usize = 16;

impl Intent {
    /// The intent to add `bytes` to a log that is `at` long.
    pub fn new(claim: Option<Claim>, seq: Option<String>, closes: bool, at: u64, bytes: &[u8]) -> Intent {
        let head = bytes[..bytes.len().min(HEAD_BYTES)].to_vec();
        Intent { claim, seq, closes, at, len: bytes.len(), head, hash: hash(bytes) }
    }

    /// Where in `bytes` what it was to add ends; `None` where it is not there.
    pub fn end_in(&self, bytes: &[u8]) -> Option<usize> {
        let starts = memchr::memmem::find_iter(bytes, &self.head);
        let whole = |start: usize| bytes[start..].get(..self.len).is_some_and(|found| hash(found) == self.hash);
        starts.into_iter().find(|start| whole(*start)).map(|start| start + self.len)
    }
}

fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

/// A moment after which a stream is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// In milliseconds since 1970.
    pub unix_ms: i64,
    /// As it was written.
    pub text: String,
}

impl Sidecar {
    /// That of a new stream, open, of no generation yet.
    pub fn new(content_type: &str) -> Sidecar {
        Sidecar {
            generation: 0,
            content_type: content_type.to_owned(),
            ttl: None,
            expires: None,
            closed: None,
            fork: None,
            seq: None,
            producers: BTreeMap::new(),
            intent: None,
        }
    }

    /// Reads one. Fails on anything else, and says where.
    pub fn parse(bytes: &[u8]) -> Result<Sidecar, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers only: it always has a JSON form.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Whether the stream is of JSON values, one a line.
    pub fn is_json(&self) -> bool {
        self.media() == Media::Json
    }

    /// How the stream's bytes are told in events.
    pub fn media(&self) -> Media {
        match &*essence(&self.content_type) {
            "application/json" => Media::Json,
            text if text.starts_with("text/") => Media::Text,
            _ => Media::Bytes,
        }
    }

    /// What its positions are bound to.
    pub fn lineage(&self) -> Lineage {
        match &self.fork {
            Some(fork) => Lineage::of_fork(self.generation, &fork.inherited),
            None => Lineage::of_stream(self.generation),
        }
    }

    /// Whether it is gone at `now`, having been used last at `touched` (both in milliseconds since 1970).
    pub fn is_expired(&self, now: i64, touched: i64) -> bool {
        let idle = self.ttl.is_some_and(|ttl| {
            let ttl = i64::try_from(ttl).unwrap_or(i64::MAX).saturating_mul(1000);
            now >= touched.saturating_add(ttl)
        });
        idle || self.expires.as_ref().is_some_and(|expiry| now >= expiry.unix_ms)
    }

    /// What is so once an append was made, which ends at `end`.
    pub fn record(&mut self, claim: Option<Claim>, seq: Option<String>, closes: bool, end: u64) {
        if let Some(Claim { id, epoch, seq }) = claim {
            self.producers.insert(id, Progress { epoch, seq });
        }
        self.seq = seq.or(self.seq.take());
        self.closed = closes.then_some(end).or(self.closed);
        self.intent = None;
    }

    /// Whether it is configured as `other` is; what was written into it does not matter.
    pub fn is_like(&self, other: &Sidecar) -> bool {
        same_type(&self.content_type, &other.content_type)
            && self.ttl == other.ttl
            && self.expires.as_ref().map(|e| e.unix_ms) == other.expires.as_ref().map(|e| e.unix_ms)
            && self.closed.is_some() == other.closed.is_some()
    }
}

/// A media type without its parameters, in lower case.
pub fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// Whether two media types are the same, apart from parameters and case.
pub fn same_type(one: &str, other: &str) -> bool {
    essence(one) == essence(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Sidecar {
        Sidecar::new("Text/Plain; x=y")
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is() {
        let expires = Some(Expiry { unix_ms: 5, text: "then".into() });
        let full = Sidecar { ttl: Some(3), expires, closed: Some(9), seq: Some("a".into()), ..plain() };
        for sidecar in [plain(), full] {
            assert_eq!(Sidecar::parse(&sidecar.to_bytes()).unwrap(), sidecar);
        }
        let newer = br#"{"generation":1,"content_type":"a/b","unheard_of":{}}"#;
        for bad in [&b""[..], b"{", b"{}", b"[]", newer] {
            assert!(Sidecar::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn an_intent_finds_its_bytes_among_others() {
        let claim = Claim { id: "p".into(), epoch: 0, seq: 3 };
        let intent = Intent::new(Some(claim.clone()), None, true, 0, b"the very bytes, all of them");
        assert_eq!(intent.end_in(b"the very bytes, allthe very bytes, all of themx"), Some(46));
        assert_eq!(intent.end_in(b"the very bytes, all of the"), None);
        let mut sidecar = Sidecar { intent: Some(intent), ..plain() };
        assert_eq!(Sidecar::parse(&sidecar.to_bytes()).unwrap(), sidecar);
        sidecar.record(Some(claim), None, true, 9);
        assert_eq!((sidecar.closed, sidecar.producers["p"].seq, sidecar.intent), (Some(9), 3, None));
    }

    #[test]
    fn a_ttl_slides_and_an_expiry_does_not() {
        let slides = Sidecar { ttl: Some(2), ..plain() };
        assert!(!slides.is_expired(2999, 1000) && slides.is_expired(3000, 1000));
        assert!(!Sidecar { ttl: Some(u64::MAX), ..plain() }.is_expired(i64::MAX - 1, 0));
        let fixed = Sidecar { expires: Some(Expiry { unix_ms: 3000, text: String::new() }), ..plain() };
        assert!(!fixed.is_expired(2999, 0) && fixed.is_expired(3000, 2999));
        assert!(!plain().is_expired(i64::MAX, 0));
    }

    #[test]
    fn a_type_is_the_same_in_any_case() {
        assert!(plain().is_like(&Sidecar { generation: 8, content_type: "text/plain".into(), ..plain() }));
        assert!(!plain().is_like(&Sidecar { closed: Some(0), ..plain() }));
        assert!(!plain().is_like(&Sidecar { ttl: Some(0), ..plain() }));
    }
}
