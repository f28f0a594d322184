//! Server-Sent Events (WHATWG HTML, section 9.2).
//!
//! ```text
//! id: 0000000000000000_0000000000000042_a1b2c3d4e5f6
//! event: message
//! data: [2026-01-31 08:00:00] alice: hello
//!
//! ```
//!
//! A field ends at CR, LF or CRLF, so data is cut there into several `data:` lines, which a client
//! joins with LF again: nothing in a log can become a field of its own.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use memchr::memchr2;

/// Appends one event. `id` and `name` are ours, never from outside, or were [`field`]s; `data` may be anything.
pub fn event(out: &mut Vec<u8>, id: Option<&dyn Display>, name: &str, data: &[u8]) {
    open_event(out, id, name, data);
    out.push(b'\n');
}

/// The same without the blank line that ends it.
pub fn open_event(out: &mut Vec<u8>, id: Option<&dyn Display>, name: &str, data: &[u8]) {
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}"); // Into memory: it can't fail.
    }
    fields(out, name, data, |_| b"data: ");
}

/// Appends one event without an id whose data follows the colon at once, as far as a client does not take a blank for
/// its own.
pub fn bare_event(out: &mut Vec<u8>, name: &'static str, data: &[u8]) {
    fields(out, name, data, |line| if line.first() == Some(&b' ') { b"data: " } else { b"data:" });
    out.push(b'\n');
}

fn fields(out: &mut Vec<u8>, name: &str, data: &[u8], field: impl Fn(&[u8]) -> &'static [u8]) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    let mut rest = data;
    loop {
        out.extend_from_slice(field(rest));
        let Some(end) = memchr2(b'\r', b'\n', rest) else { break };
        out.extend_from_slice(&rest[..end]);
        out.push(b'\n');
        rest = &rest[end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
    }
    out.extend_from_slice(rest);
    out.push(b'\n');
}

/// What somebody wants as the value of a field of one line: without what would end it, or the field's meaning.
pub fn field(value: &str) -> String {
    value.chars().filter(|character| !matches!(character, '\r' | '\n' | '\0')).collect()
}

/// Appends how long a client waits before it reconnects, in whole milliseconds.
pub fn retry(out: &mut Vec<u8>, after: Duration) {
    let _ = write!(out, "retry: {}\n\n", after.as_millis());
}

/// A comment of `len` bytes in all (at least 4), which says nothing, shows that somebody is there and fills buffers.
pub fn padding(len: usize) -> Vec<u8> {
    let mut out = vec![b'.'; len.max(4)];
    out[0] = b':';
    let at = out.len() - 2;
    out[at..].copy_from_slice(b"\n\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: Option<&dyn Display>, data: &[u8]) -> String {
        let mut out = Vec::new();
        event(&mut out, id, "message", data);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_its_fields_and_a_blank_line() {
        assert_eq!(of(None, b"hello"), "event: message\ndata: hello\n\n");
        assert_eq!(of(Some(&7), b""), "id: 7\nevent: message\ndata: \n\n");
    }

    #[test]
    fn no_data_becomes_a_field() {
        assert_eq!(
            of(None, b"a\r\nid: 1\revent: evil\n\ndata: x\r"),
            "event: message\ndata: a\ndata: id: 1\ndata: event: evil\ndata: \ndata: data: x\ndata: \n\n"
        );
    }

    #[test]
    fn no_field_becomes_two() {
        assert_eq!(field("a\r\nb\0c\rd\n"), "abcd");
        let mut out = Vec::new();
        open_event(&mut out, None, "x", b"a");
        assert_eq!(out, b"event: x\ndata: a\n");
    }

    #[test]
    fn padding_is_one_comment_of_that_length() {
        for len in [4, 5, 8192] {
            let padding = padding(len);
            assert_eq!(padding.len(), len);
            assert!(padding.starts_with(b":") && padding.ends_with(b"\n\n"));
            assert_eq!(padding.iter().filter(|b| **b == b'\n').count(), 2);
        }
        let mut out = Vec::new();
        retry(&mut out, Duration::from_millis(1500));
        assert_eq!(out, b"retry: 1500\n\n");
    }
}
