//! One line of a log: `[2026-01-31 08:00:00] alice: good morning`.
//!
//! Reading is total: any bytes are a line, only with fewer parts. Writing is strict: one message
//! is one line, whatever the text holds, so nobody can forge a second one.

use std::borrow::Cow;

use chrono::NaiveDateTime;

use crate::room::name::{SYSTEM, UserName};

/// How a line's time is written, in the server's local time.
pub const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

const TIME_LEN: usize = "2026-01-31 08:00:00".len();

/// What stands in the log for a newline within a message: U+2028 LINE SEPARATOR.
const LINE_SEPARATOR: char = '\u{2028}';

/// A line's parts. What is missing in the line is `None` here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The time as it stands between the brackets, in the server's local time.
    pub time: Option<NaiveDateTime>,
    /// Who said it.
    pub speaker: Speaker<'a>,
    /// The rest: all of the line where it has no other part.
    pub text: &'a [u8],
}

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker<'a> {
    /// The line has no name, or no time before it: some program's output, most often.
    Nobody,
    /// A system line, of the name `log`.
    System,
    /// A user's name.
    User(&'a str),
}

impl<'a> Line<'a> {
    /// Reads a line, given without its `\n`. Never fails.
    pub fn parse(raw: &'a [u8]) -> Self {
        let Some((time, rest)) = split_time(raw) else {
            return Line { time: None, speaker: Speaker::Nobody, text: raw };
        };
        match split_name(rest) {
            Some((name, text)) => {
                let speaker = if name == SYSTEM { Speaker::System } else { Speaker::User(name) };
                Line { time: Some(time), speaker, text }
            }
            None => Line { time: Some(time), speaker: Speaker::Nobody, text: rest },
        }
    }
}

/// The local time a line begins with, as its 19 bytes, which sort as the times do.
pub fn time_prefix(raw: &[u8]) -> Option<&[u8]> {
    split_time(raw).map(|_| &raw[1..1 + TIME_LEN])
}

/// Whether a line is the system's. Most that are not are told from their 27th byte.
pub fn is_system(raw: &[u8]) -> bool {
    const AFTER_TIME: &[u8] = b"] log:";
    raw.get(1 + TIME_LEN..).is_some_and(|rest| rest.starts_with(AFTER_TIME)) && split_time(raw).is_some()
}

fn split_time(raw: &[u8]) -> Option<(NaiveDateTime, &[u8])> {
    let inner = raw.strip_prefix(b"[")?;
    let (time, rest) = inner.split_at_checked(TIME_LEN)?;
    let rest = rest.strip_prefix(b"] ").or_else(|| (rest == b"]").then_some(b""))?;
    // The exact form only: chrono alone would take `2026-1-31 8:0:0` with other spacing.
    let digits = |range: std::ops::Range<usize>| {
        time[range].iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
    };
    for (at, separator) in [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')] {
        if time[at] != separator {
            return None;
        }
    }
    let date = chrono::NaiveDate::from_ymd_opt(digits(0..4)? as i32, digits(5..7)?, digits(8..10)?)?;
    let time = date.and_hms_opt(digits(11..13)?, digits(14..16)?, digits(17..19)?)?;
    Some((time, rest))
}

fn split_name(rest: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr::memchr(b':', rest)?;
    let name = std::str::from_utf8(&rest[..colon]).ok()?;
    if name != SYSTEM && UserName::parse(name).is_err() {
        return None;
    }
    let text = &rest[colon + 1..];
    Some((name, text.strip_prefix(b" ").unwrap_or(text)))
}

/// The line of a message, with its `\n`.
pub fn compose(time: NaiveDateTime, speaker: &UserName, text: &MessageText) -> Vec<u8> {
    format!("[{}] {speaker}: {}\n", time.format(TIME_FORMAT), text.0).into_bytes()
}

/// The line of something that happened to the room, with its `\n`.
pub fn compose_system(time: NaiveDateTime, event: &SystemEvent<'_>) -> Vec<u8> {
    format!("[{}] {SYSTEM}: {event}\n", time.format(TIME_FORMAT)).into_bytes()
}

/// What happens to a room and is written into its log.
#[derive(Debug, Clone, Copy)]
pub enum SystemEvent<'a> {
    /// Somebody came.
    Joined(&'a UserName),
    /// Somebody went.
    Left(&'a UserName),
    /// Somebody was not heard of for a while.
    Away(&'a UserName),
    /// Somebody is called otherwise now.
    Renamed(&'a UserName, &'a UserName),
}

impl std::fmt::Display for SystemEvent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SystemEvent::Joined(user) => write!(f, "{user} joined the room."),
            SystemEvent::Left(user) => write!(f, "{user} left the room."),
            SystemEvent::Away(user) => write!(f, "{user} went AFK."),
            SystemEvent::Renamed(old, new) => write!(f, "{old} changed their name to {new}."),
        }
    }
}

/// A text that fits in one line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageText(String);

impl MessageText {
    /// Makes `text` fit: newlines (CR, LF, CRLF) become U+2028, other control characters but TAB
    /// are dropped, newlines at its end too. `None` where nothing is left to say.
    pub fn clean(text: &str) -> Option<Self> {
        let mut clean = String::with_capacity(text.len());
        let mut chars = text.trim_end_matches(['\r', '\n']).chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\r' => {
                    chars.next_if_eq(&'\n');
                    clean.push(LINE_SEPARATOR);
                }
                '\n' => clean.push(LINE_SEPARATOR),
                '\t' => clean.push(c),
                c if c.is_control() => {}
                c => clean.push(c),
            }
        }
        let blank = clean.chars().all(|c| c.is_whitespace());
        (!blank).then_some(MessageText(clean))
    }

    /// It in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The text of a stored line as its author wrote it: U+2028 is a newline again, and what is not
/// UTF-8 becomes U+FFFD.
pub fn restore(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    if text.contains(LINE_SEPARATOR) { text.replace(LINE_SEPARATOR, "\n").into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, TIME_FORMAT).unwrap()
    }

    #[test]
    fn a_whole_line() {
        let line = Line::parse(b"[2026-01-31 08:00:00] alice: good: morning");
        assert_eq!(line.time, Some(at("2026-01-31 08:00:00")));
        assert_eq!(line.speaker, Speaker::User("alice"));
        assert_eq!(line.text, b"good: morning");
        assert_eq!(Line::parse(b"[2026-01-31 08:00:00] log: a joined the room.").speaker, Speaker::System);
    }

    #[test]
    fn any_other_bytes_are_a_line_with_fewer_parts() {
        for raw in [
            &b""[..],
            b"no time: at all",
            b"[2026-02-30 08:00:00] alice: no such day",
            b"[2026-01-31 8:00:00 ] alice: hi",
            b"[2026-01-31 08:00:00]alice: no blank",
            b"[",
            b"[2026-01-31 08:00:0",
            "[２０２６-01-31 08] x".as_bytes(),
            b"\xff\xfe\x00",
        ] {
            let line = Line::parse(raw);
            assert_eq!(line, Line { time: None, speaker: Speaker::Nobody, text: raw });
        }
        let line = Line::parse(b"[2026-01-31 08:00:00] two words: text");
        assert_eq!((line.speaker, line.text), (Speaker::Nobody, &b"two words: text"[..]));
        assert!(line.time.is_some());
        assert_eq!(Line::parse(b"[2026-01-31 08:00:00]").text, b"");
    }

    #[test]
    fn a_text_can_not_leave_its_line() {
        let clean = |t: &str| MessageText::clean(t).map(|t| t.0);
        assert_eq!(clean("a\nb\r\nc\rd").unwrap(), "a\u{2028}b\u{2028}c\u{2028}d");
        assert_eq!(clean("a\0\u{1b}[31m\u{85}\tb\x7f").unwrap(), "a[31m\tb");
        assert_eq!(clean("hello\n\n").unwrap(), "hello");
        assert_eq!(clean("\n \t\r"), None);
        assert_eq!(restore("a\u{2028}b".as_bytes()), "a\nb");
    }

    #[test]
    fn what_was_composed_is_read_again() {
        let alice = UserName::parse("alice").unwrap();
        let text = MessageText::clean("x\n[2026-01-31 08:00:00] log: forged").unwrap();
        let raw = compose(at("2026-01-31 08:00:00"), &alice, &text);
        assert_eq!(raw.iter().filter(|b| **b == b'\n').count(), 1);
        let line = Line::parse(raw.strip_suffix(b"\n").unwrap());
        assert_eq!(line.speaker, Speaker::User("alice"));
        assert_eq!(restore(line.text), "x\n[2026-01-31 08:00:00] log: forged");
        let raw = compose_system(at("2026-01-31 08:00:00"), &SystemEvent::Joined(&alice));
        assert_eq!(raw, b"[2026-01-31 08:00:00] log: alice joined the room.\n");
    }
}
