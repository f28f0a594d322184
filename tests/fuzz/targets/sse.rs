//! Server-Sent Events: what is written, and what the command line reads, against a decoder of our tests' own.

use chatroom::wire::{events, lines, sse};

use super::{halves, pieces};
use crate::support::sse::{Decoder, Event};

pub const WORDS: &[&[u8]] =
    &[b"\r\n", b"\n\n", b"\r", b"data: ", b"id: 7\n", b"event: x\n", b"retry: 5\n", b": ", b"\0", b"\xef\xbb\xbf"];

/// Whatever is said in an event, and whatever it is called, it is read as one event that says so; and so is the next.
pub fn encoder(input: &[u8]) {
    let (name, data) = halves(input);
    let name = sse::field(&String::from_utf8_lossy(name));
    let mut bytes = Vec::new();
    sse::event(&mut bytes, Some(&"an id"), &name, data);
    sse::event(&mut bytes, None, "next", b"");
    let mut decoder = Decoder::default();
    let read: Vec<Event> = pieces(&bytes, data).into_iter().flat_map(|piece| decoder.feed(piece)).collect();
    let event = |event: &str, data: &str, id: Option<&str>| Event {
        event: event.to_owned(),
        data: data.to_owned(),
        id: id.map(str::to_owned),
        last_event_id: "an id".to_owned(),
    };
    let data = text(data);
    let name = if name.is_empty() { "message" } else { &name };
    assert_eq!(read, [event(name, &data, Some("an id")), event("next", "", None)]);
    assert!(decoder.comments.is_empty() && decoder.retry.is_none());
    let ours: Vec<String> = ours(&bytes).into_iter().map(|event| text(&event.data)).collect();
    assert_eq!(ours, [&data, ""], "and the command line reads the same");
}

/// What the command line reads is what a browser reads, for all that has LF at the ends of its lines.
pub fn reader(input: &[u8]) {
    let bytes: Vec<u8> = input.iter().copied().filter(|byte| *byte != b'\r').collect();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let theirs: Vec<_> =
        Decoder::default().feed(bytes).into_iter().map(|e| (e.event, e.data, e.last_event_id)).collect();
    let ours: Vec<_> = ours(bytes).into_iter().map(|e| (e.name, text(&e.data), e.id)).collect();
    assert_eq!(ours, theirs);
}

fn ours(bytes: &[u8]) -> Vec<events::Event> {
    let mut decoder = events::Decoder::default();
    lines::each(bytes).filter_map(|(line, _)| decoder.line(line)).collect()
}

/// As a browser has it: LF for every line's end.
fn text(data: &[u8]) -> String {
    let mut lines = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        lines.push(String::from_utf8_lossy(&rest[..at]));
        rest = &rest[at + if rest[at..].starts_with(b"\r\n") { 2 } else { 1 }..];
    }
    lines.push(String::from_utf8_lossy(rest));
    lines.join("\n")
}
