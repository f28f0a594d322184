//! What a stream is besides its bytes: the contents of `.log.stream`.

use serde::{Deserialize, Serialize};

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
    /// The last `Stream-Seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<String>,
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
        essence(&self.content_type) == "application/json"
    }

    /// Whether it is gone at `now`, having been used last at `touched` (both in milliseconds since 1970).
    pub fn is_expired(&self, now: i64, touched: i64) -> bool {
        let idle = self.ttl.is_some_and(|ttl| {
            let ttl = i64::try_from(ttl).unwrap_or(i64::MAX).saturating_mul(1000);
            now >= touched.saturating_add(ttl)
        });
        idle || self.expires.as_ref().is_some_and(|expiry| now >= expiry.unix_ms)
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
        Sidecar {
            generation: 7,
            content_type: "Text/Plain; x=y".into(),
            ttl: None,
            expires: None,
            closed: None,
            seq: None,
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is() {
        let expires = Some(Expiry { unix_ms: 5, text: "then".into() });
        let full = Sidecar { ttl: Some(3), expires, closed: Some(9), seq: Some("a".into()), ..plain() };
        for sidecar in [plain(), full] {
            assert_eq!(Sidecar::parse(&sidecar.to_bytes()).unwrap(), sidecar);
        }
        let newer = br#"{"generation":1,"content_type":"a/b","producers":{}}"#;
        for bad in [&b""[..], b"{", b"{}", b"[]", newer] {
            assert!(Sidecar::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
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
