//! What was said: pages of messages in JSON, and the log itself.

use std::ops::ControlFlow;

use chrono::Local;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::api::exchange::{Body, LogBody, Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::api::streams;
use crate::limits::{PAGE_DEFAULT_LINES, PAGE_MAX_BYTES, PAGE_MAX_LINES};
use crate::room::cursor::Cursor;
use crate::room::message::Message;
use crate::room::name::RoomName;
use crate::store::history::{each_line, start_of_last};
use crate::store::log::Log;
use crate::store::since::since;
use crate::wire::form::Fields;

/// The header that tells, beside a log as text, the position after its last line.
pub const NEXT: HeaderName = HeaderName::from_static("chatroom-next");

#[derive(Serialize)]
struct Page<'a> {
    room: &'a str,
    messages: Vec<Message>,
    /// Whether there are older ones; newer ones where the page comes `after` something.
    more: bool,
    /// The position after the last message: a stream from here goes on with the next.
    next: String,
}

/// A page of messages, the oldest first: the last ones, those `before` one, those `after` one, or those `since` a time.
pub fn page(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let query = request.query();
    let limit = number(&query, "limit", PAGE_MAX_LINES)?.unwrap_or(PAGE_DEFAULT_LINES);
    let log = Log::open(&site.room(name)?)?;
    let before = position(&query, "before", log.as_ref())?;
    let after = position(&query, "after", log.as_ref())?;
    let time = query.get("since").map(|text| streams::time("since", text)).transpose()?;
    let mut page = Page { room: name.as_str(), messages: Vec::new(), more: false, next: Cursor::ZERO.to_string() };
    let Some(log) = log else { return Ok(Response::json(StatusCode::OK, &page)) };
    let end = log.whole_before(log.size()?)?;
    let after = match time {
        Some(time) if before.is_none() && after.is_none() => Some(since(&log, time)?.ok_or_else(untimed)?),
        Some(_) => return Err(Problem::bad_request("`since` and a position are both there: expected one")),
        None => after,
    };
    let (from, to) = match (before, after) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("`before` and `after` are both there: expected one")),
        (None, Some(after)) => (after, end),
        // Before a message is before its line, which ends at its id.
        (Some(before), None) => {
            let to = log.whole_before(before.saturating_sub(1))?;
            (start_of_last(&log, to, limit, PAGE_MAX_BYTES)?, to)
        }
        (None, None) => (start_of_last(&log, end, limit, PAGE_MAX_BYTES)?, end),
    };
    let next = each_line(&log, from, to, |line| {
        if page.messages.len() == limit {
            return ControlFlow::Break(());
        }
        page.messages.push(Message::new(line.id, line.bytes, line.cut, &Local));
        let full = page.messages.len() == limit || line.id.offset() - from > PAGE_MAX_BYTES;
        if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let next = if limit == 0 { from } else { next? };
    page.more = if after.is_some() { next < end } else { from > 0 };
    page.next = log.cursor(next)?.to_string();
    Ok(Response::json(StatusCode::OK, &page))
}

fn untimed() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "parameter `since`: too much of the log has no times to find one by")
}

/// The log as it is, or its last lines (`tail=N`).
pub fn text(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let tail = number(&request.query(), "tail", usize::MAX)?;
    let plain = |body| Response::of(StatusCode::OK, "text/plain; charset=utf-8", body);
    let Some(log) = Log::open(&site.room(name)?)? else {
        return Ok(plain(Body::Whole(Default::default())).with(NEXT, id(Cursor::ZERO)?));
    };
    let end = log.whole_before(log.size()?)?;
    let from = match tail {
        Some(lines) => start_of_last(&log, end, lines, u64::MAX)?,
        None => 0,
    };
    let next = log.cursor(end)?;
    Ok(plain(Body::Log(LogBody::new(log, from, end))).with(NEXT, id(next)?))
}

fn id(cursor: Cursor) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(cursor.to_string()).map_err(Problem::bad_request)
}

pub(crate) fn number(query: &Fields, name: &str, max: usize) -> Result<Option<usize>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number <= max => Ok(Some(number)),
        _ => Err(Problem::bad_parameter(name, format_args!("{text:?} is not a number of lines: expected 0 to {max}"))),
    }
}

/// The offset a parameter points to. A position that does not hold any more is gone: nothing after
/// it can be shown that was not shown before, or not at all.
pub(crate) fn position(query: &Fields, name: &str, log: Option<&Log>) -> Result<Option<u64>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let cursor = Cursor::parse(text).map_err(|error| Problem::from((name, error)))?;
    let gone = |reason: &str| {
        let detail = format!("parameter `{name}`: the log was {reason} since {text}; begin anew without it");
        Problem::new(StatusCode::GONE, detail)
    };
    match log {
        Some(log) => log.resolve(&cursor)?.map(Some).map_err(|stale| gone(stale.reason())),
        None if cursor.offset() == 0 => Ok(Some(0)),
        None => Err(gone("removed")),
    }
}
