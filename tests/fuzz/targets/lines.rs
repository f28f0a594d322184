//! Lines, positions and names.

use std::borrow::Cow;

use chatroom::api::dropin::answer;
use chatroom::room::cursor::Cursor;
use chatroom::room::line::{self, Line, MessageText, Speaker, TIME_FORMAT};
use chatroom::room::message::Message;
use chatroom::room::name::{RoomName, UserName};
use chatroom::room::stream_name::StreamName;
use chrono::{FixedOffset, NaiveDateTime};
use percent_encoding::percent_decode_str;

pub const WORDS: &[&[u8]] = &[
    b"[2026-01-31 08:00:00] ",
    b"[2024-02-29 23:59:59] ",
    b"alice: ",
    b"log: ",
    b"0000000000000000_0000000000000042",
    b"_a1b2c3d4e5f6",
    b"../",
    b"%2e%2e%2f",
    b"\xc0\xae",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xae",
    b"\r\n",
    b"__ds/",
    b"<script>&\"'",
];

/// A log's line: reading is total, writing is one line, and what is written is read again.
pub fn line(input: &[u8]) {
    for raw in input.split(|byte| *byte == b'\n') {
        let line = Line::parse(raw);
        assert!(raw.ends_with(line.text));
        assert_eq!(line.time.is_some(), line::time_prefix(raw).is_some());
        assert_eq!(line.speaker == Speaker::System, line::is_system(raw));
        assert!(line.time.is_some() || line.text == raw && line.speaker == Speaker::Nobody);
        if let Some(time) = line.time {
            assert_eq!(time.format(TIME_FORMAT).to_string().as_bytes(), line::time_prefix(raw).unwrap());
        }
        let zone = FixedOffset::east_opt(3600).unwrap();
        let message = serde_json::to_vec(&Message::new(Cursor::ZERO, raw, None, &zone)).unwrap();
        assert!(!message.contains(&b'\n'), "a message in JSON is one line");
        let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
        assert!(message["text"].is_string());
    }
    let text = String::from_utf8_lossy(input);
    let Some(clean) = MessageText::clean(&text) else { return };
    let time = NaiveDateTime::parse_from_str("2026-01-31 08:00:00", TIME_FORMAT).unwrap();
    let written = line::compose(time, &UserName::anonymous(), &clean);
    let (end, raw) = written.split_last().unwrap();
    assert_eq!(*end, b'\n');
    assert!(str::from_utf8(raw).unwrap().chars().all(|c| c == '\t' || !c.is_control()), "one line, no controls");
    let read = Line::parse(raw);
    assert_eq!((read.time, read.speaker, read.text), (Some(time), Speaker::User("Anonymous"), clean.as_bytes()));
    assert!(!line::restore(read.text).contains('\u{2028}'), "a newline is one again");
    let again = MessageText::clean(&line::restore(read.text)).unwrap();
    let trimmed = |text: &MessageText| line::restore(text.as_bytes()).trim_end_matches('\n').to_owned();
    assert_eq!(trimmed(&again), trimmed(&clean), "what is read says the same when it is said again");
}

/// A position: what is taken for one is shown as it came.
pub fn cursor(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Cursor::parse(&text) {
        Ok(cursor) => {
            assert_eq!(cursor.to_string(), text);
            assert!(matches!(text.len(), 33 | 46) && text.is_ascii());
        }
        Err(error) => assert!(error.to_string().len() < 1200 && !error.to_string().contains(char::is_control)),
    }
}

/// A room's or a user's name is a component of a path, and never a hidden one.
pub fn names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let safe = |text: &str| {
        (1..=64).contains(&text.len())
            && text.chars().all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_'))
    };
    let room = RoomName::parse(&text);
    assert_eq!(room.is_ok(), safe(&text));
    let user = UserName::parse(&text);
    assert_eq!(user.is_ok(), safe(&text) && text != "log");
    for error in [room.map(drop).err(), user.map(drop).err()].into_iter().flatten() {
        assert!(error.to_string().len() < 1200 && !error.to_string().contains(char::is_control), "{error}");
    }
}

/// A stream's name is one component of its own, and says which stream it is.
pub fn stream_name(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(name) = StreamName::parse(&text) else { return };
    let directory = name.directory();
    assert_eq!(percent_decode_str(directory).decode_utf8().unwrap(), text, "two streams can't have one directory");
    assert!(!directory.is_empty() && directory.len() <= 224);
    assert!(directory.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte)), "{directory}");
    let encoded = directory.contains('%');
    assert_eq!(RoomName::parse(directory).is_ok(), !encoded && directory.len() <= 64, "a room is a stream of its name");
}

/// Text as HTML is text, also within quotes.
pub fn html(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut out = String::new();
    answer::escape(&mut out, &text);
    assert!(!out.contains(['<', '>', '"', '\'']), "{out}");
    let back = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(Cow::from(out), |text, (from, to)| text.replace(from, to).into());
    assert_eq!(back, text);
}
