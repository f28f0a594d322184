//! Events of Durable Streams: `data` with a part of a stream, `control` with where the stream goes on.
//!
//! ```text
//! event: data
//! data:[{"n":1},{"n":2}]
//!
//! event: control
//! data:{"streamNextOffset":"…","streamCursor":"3171","upToDate":true}
//!
//! ```
//!
//! Their data follows the colon at once, with a blank between only where it begins with one.

use std::fmt::Display;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::wire::ndjson::Array;
use crate::wire::{lines, sse};

/// How the bytes of a stream become the data of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// As they are; what is not UTF-8 there is not told apart. CR, LF and CRLF all arrive as LF.
    Text,
    /// Each line is a value of an array.
    Json,
    /// In base64.
    Bytes,
}

/// What a `control` event says besides where the stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is more.
    Behind,
    /// That was all, for now.
    UpToDate,
    /// That was all, for ever.
    Closed,
}

/// Appends a `data` event with `bytes`, which follow `before` in the stream. Appends nothing where they say nothing.
pub fn data(out: &mut Vec<u8>, media: Media, before: &[u8], bytes: &[u8]) {
    match media {
        Media::Text => {
            // A CRLF that was cut through: its CR was told as a line's end.
            let divided = before.last() == Some(&b'\r') && bytes.first() == Some(&b'\n');
            let bytes = if divided { &bytes[1..] } else { bytes };
            if !bytes.is_empty() {
                sse::bare_event(out, "data", bytes);
            }
        }
        Media::Json => {
            let mut array = Array::default();
            lines::each(bytes).for_each(|(line, _)| array.push(line));
            if !array.is_empty() {
                sse::bare_event(out, "data", &array.into_bytes());
            }
        }
        Media::Bytes => sse::bare_event(out, "data", STANDARD.encode(bytes).as_bytes()),
    }
}

/// Appends a `control` event: the stream goes on at `next`. `cursor` is the `Stream-Cursor`, which a closed stream
/// needs no more.
pub fn control(out: &mut Vec<u8>, next: &dyn Display, cursor: u64, standing: Standing) {
    let mut json = Vec::new();
    let _ = write!(json, "{{\"streamNextOffset\":\"{next}\""); // Into memory: it can't fail.
    if standing != Standing::Closed {
        let _ = write!(json, ",\"streamCursor\":\"{cursor}\"");
    }
    if standing != Standing::Behind {
        json.extend_from_slice(b",\"upToDate\":true");
    }
    if standing == Standing::Closed {
        json.extend_from_slice(b",\"streamClosed\":true");
    }
    json.push(b'}');
    sse::bare_event(out, "control", &json);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(media: Media, before: &[u8], bytes: &[u8]) -> String {
        let mut out = Vec::new();
        data(&mut out, media, before, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_keeps_its_lines_and_blanks() {
        assert_eq!(of(Media::Text, b"", b"a\r\n b\rc\n"), "event: data\ndata:a\ndata:  b\ndata:c\ndata:\n\n");
        assert_eq!(of(Media::Text, b"x\r", b"\ny"), "event: data\ndata:y\n\n", "a CRLF in two is one line's end");
        assert_eq!(of(Media::Text, b"x\r", b"\n"), "");
        assert_eq!(of(Media::Text, b"x\n", b"\n"), "event: data\ndata:\ndata:\n\n");
    }

    #[test]
    fn json_is_an_array_and_other_bytes_are_base64() {
        assert_eq!(of(Media::Json, b"", b"{\"n\":1}\n2\n"), "event: data\ndata:[{\"n\":1},2]\n\n");
        assert_eq!(of(Media::Json, b"", b"\n"), "");
        assert_eq!(of(Media::Bytes, b"", b"Hello"), "event: data\ndata:SGVsbG8=\n\n");
    }

    #[test]
    fn a_control_says_where_and_how_far() {
        let of = |standing| {
            let mut out = Vec::new();
            control(&mut out, &7, 3, standing);
            String::from_utf8(out).unwrap()
        };
        let event = |json: &str| format!("event: control\ndata:{json}\n\n");
        assert_eq!(of(Standing::Behind), event(r#"{"streamNextOffset":"7","streamCursor":"3"}"#));
        assert_eq!(of(Standing::UpToDate), event(r#"{"streamNextOffset":"7","streamCursor":"3","upToDate":true}"#));
        assert_eq!(of(Standing::Closed), event(r#"{"streamNextOffset":"7","upToDate":true,"streamClosed":true}"#));
    }
}
