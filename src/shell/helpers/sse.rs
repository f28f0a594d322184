//! `sse-start`, `sse-event`, `sse-event-id`, `sse-padding`, `sse-retry` and `sse-error`: for scripts that write streams
//! of their own. Each ends its events with padding, for whatever is on the way.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use serde_json::json;

use crate::limits::{HELPER_PADDING_BYTES, HELPER_PADDING_MAX_KB};
use crate::shell::place::Failure;
use crate::wire::sse;

const HEAD: &str = "Status: 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Cache-Control: no-cache\r\n\
    Connection: keep-alive\r\n\
    X-Accel-Buffering: no\r\n\
    Access-Control-Allow-Origin: *\r\n\
    Access-Control-Allow-Methods: GET, OPTIONS\r\n\
    Access-Control-Allow-Headers: Content-Type, Last-Event-ID\r\n\r\n";

const RETRY: Duration = Duration::from_millis(5000);

/// `sse-start`: the head of the answer, padding, and how long a client waits before it reconnects.
pub fn start(_: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.extend(sse::padding(HELPER_PADDING_BYTES[0]));
    sse::retry(&mut bytes, RETRY);
    Ok(out.write_all(&bytes)?)
}

/// `sse-event [TYPE=message] DATA…`: an event. Several DATA are one, with blanks between them.
pub fn event(arguments: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    match &texts(arguments)[..] {
        [] => Err("expected [TYPE] DATA; nothing is written".into()),
        [data] => padded(out, None, "message", data),
        [name, data @ ..] => padded(out, None, name, &data.join(" ")),
    }
}

/// `sse-event-id TYPE ID DATA…`: an event with an id.
pub fn event_with_id(arguments: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    match &texts(arguments)[..] {
        [name, id, data @ ..] if !data.is_empty() => padded(out, Some(id), name, &data.join(" ")),
        _ => Err("expected TYPE ID DATA; nothing is written".into()),
    }
}

/// `sse-padding [KB=2]`: a comment of so many thousand blanks.
pub fn padding(arguments: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let kilobytes: usize = number(arguments.first(), 2)?;
    if kilobytes > HELPER_PADDING_MAX_KB {
        return Err(format!("{kilobytes}: expected at most {HELPER_PADDING_MAX_KB}; nothing is written").into());
    }
    let mut bytes = blanks(kilobytes * 1000).into_bytes();
    bytes.push(b'\n');
    Ok(out.write_all(&bytes)?)
}

/// `sse-retry [3000]`: how many milliseconds a client waits before it reconnects.
pub fn retry(arguments: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    sse::retry(&mut bytes, Duration::from_millis(number(arguments.first(), 3000)?));
    Ok(out.write_all(&bytes)?)
}

/// `sse-error [500] [Internal Server Error]`: why the stream can't go on, as JSON.
pub fn error(arguments: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let code: u16 = number(arguments.first(), 500)?;
    let message = texts(arguments.get(1..).unwrap_or_default()).join(" ");
    let message = if message.is_empty() { "Internal Server Error" } else { &message };
    padded(out, None, "error", &json!({ "code": code, "message": message }).to_string())
}

fn padded(out: &mut dyn Write, id: Option<&str>, name: &str, data: &str) -> Result<(), Failure> {
    let (id, mut bytes) = (id.map(sse::field), Vec::new());
    sse::open_event(&mut bytes, id.as_ref().map(|id| id as &dyn Display), &sse::field(name), data.as_bytes());
    bytes.extend(blanks(HELPER_PADDING_BYTES[1]).bytes());
    bytes.push(b'\n');
    // One write: two that write to the same stream don't mix their events.
    Ok(out.write_all(&bytes)?)
}

fn blanks(count: usize) -> String {
    format!(": padding={:count$}\n", "")
}

fn texts(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

fn number<T: FromStr>(argument: Option<&OsString>, default: T) -> Result<T, Failure> {
    let Some(text) = argument.map(|text| text.to_string_lossy()).filter(|text| !text.is_empty()) else {
        return Ok(default);
    };
    text.parse().map_err(|_| format!("{text:?}: expected a number; nothing is written").into())
}
