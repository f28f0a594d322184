//! A line of a log as the API shows it, in JSON.

use chrono::{NaiveDateTime, Offset, SecondsFormat, TimeZone};
use serde::Serialize;

use crate::room::cursor::Cursor;
use crate::room::line::{self, Line, Speaker};

/// A message: `{"id","time","from","text","kind"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Where its line ends: resuming from here goes on after it.
    pub id: String,
    /// When, with the server's offset from UTC at that time (RFC 3339), where the line says.
    pub time: Option<String>,
    /// Who said it, where it was a user.
    pub from: Option<String>,
    /// What was said; line breaks within it are `\n`.
    pub text: String,
    /// What kind of line it is.
    pub kind: Kind,
    /// The line's whole length in bytes, where it was too long to be shown whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<u64>,
}

/// Kinds of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A user said it.
    Message,
    /// It happened to the room (`log: alice joined the room.`).
    System,
    /// A line of no known form, shown as it is.
    Line,
}

impl Message {
    /// The message of the line `raw` that ends at `id`, in a log that counts time in `zone`.
    pub fn new<Z: TimeZone>(id: Cursor, raw: &[u8], cut: Option<u64>, zone: &Z) -> Self {
        let line = Line::parse(raw);
        let (from, kind) = match line.speaker {
            Speaker::User(name) => (Some(name.to_owned()), Kind::Message),
            Speaker::System => (None, Kind::System),
            Speaker::Nobody => (None, Kind::Line),
        };
        Message {
            id: id.to_string(),
            time: line.time.map(|time| rfc3339(time, zone)),
            from,
            text: line::restore(line.text.strip_suffix(b"\r").unwrap_or(line.text)).into_owned(),
            kind,
            cut,
        }
    }
}

/// A local time with its offset. Where the clock was set back it is the earlier of the two; where
/// it was set forward and the time never was, the offset is the one before.
fn rfc3339<Z: TimeZone>(time: NaiveDateTime, zone: &Z) -> String {
    let offset = zone
        .offset_from_local_datetime(&time)
        .earliest()
        .map_or_else(|| zone.offset_from_utc_datetime(&time).fix(), |offset| offset.fix());
    match offset.from_local_datetime(&time).single() {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Secs, false),
        None => time.format("%Y-%m-%dT%H:%M:%S").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    fn json(raw: &[u8]) -> String {
        let zone = FixedOffset::east_opt(3600).unwrap();
        serde_json::to_string(&Message::new(Cursor::ZERO, raw, None, &zone)).unwrap()
    }

    #[test]
    fn the_three_kinds() {
        let id = Cursor::ZERO;
        assert_eq!(
            json("[2026-01-31 08:00:00] al: a\u{2028}b".as_bytes()),
            format!(r#"{{"id":"{id}","time":"2026-01-31T08:00:00+01:00","from":"al","text":"a\nb","kind":"message"}}"#)
        );
        assert_eq!(
            json(b"[2026-01-31 08:00:00] log: al left the room.\r"),
            format!(
                r#"{{"id":"{id}","time":"2026-01-31T08:00:00+01:00","from":null,"text":"al left the room.","kind":"system"}}"#
            )
        );
        assert_eq!(
            json(b"/dev/sda1 \xff"),
            format!(r#"{{"id":"{id}","time":null,"from":null,"text":"/dev/sda1 {}","kind":"line"}}"#, '\u{fffd}')
        );
    }
}
