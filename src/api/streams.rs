//! Live streams: of a room, and of the list of rooms.

use std::time::Duration;

use chrono::{DateTime, Local, NaiveDateTime};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};

use crate::api::exchange::{Body, Request, Response};
use crate::api::identity;
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::limits::{LIFETIME_JITTER, RETRY_BASE, WAIT_MAX};
use crate::live::admission::Slot;
use crate::live::encoding::Format;
use crate::live::feed::Topic;
use crate::live::stream::{Pace, Start, Stream};
use crate::room::cursor::Cursor;
use crate::room::line::TIME_FORMAT;
use crate::room::name::{RoomName, UserName};
use crate::wire::form::Fields;
use crate::wire::sse;

/// The media type of Server-Sent Events.
pub const EVENT_STREAM: &str = "text/event-stream";

/// Tells nginx not to keep back what comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The stream of the list of rooms.
pub fn rooms(site: &Site<'_>, request: &Request) -> Result<Response, Problem> {
    let slot = site.admit(Topic::Rooms, request.client)?;
    Ok(response(waiting(plan(site, slot, prelude()), &request.query())?))
}

/// The stream of how many messages each room has.
pub fn counts(site: &Site<'_>, request: &Request) -> Result<Response, Problem> {
    let slot = site.admit(Topic::Counts, request.client)?;
    Ok(response(waiting(plan(site, slot, prelude()), &request.query())?))
}

/// The stream of a room.
pub fn room(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let query = request.query();
    let format = match query.get("format") {
        None | Some("json") => Format::Json,
        Some("raw") => Format::Raw,
        Some(other) => {
            return Err(Problem::bad_parameter("format", format_args!("{other:?}: expected `json` or `raw`")));
        }
    };
    let start = start(request, &query)?;
    let user = match query.get("user") {
        Some(name) => Some(identity::speaker(request, Some(name))?),
        None => identity::authenticated(request)?,
    };
    // Whose stream it is says who is here.
    if user.is_some() && request.is_cross_site() {
        return Err(Problem::cross_site());
    }
    let dir = site.room(name)?;
    site.sweep(name, &dir)?;
    let slot = site.admit(Topic::Room(name.clone()), request.client)?;
    Ok(response(waiting(Stream { start, format, user, ..plan(site, slot, prelude()) }, &query)?))
}

/// The same for one who asks to `wait` so many seconds for one thing to happen, because something in the way keeps
/// answers back until they are whole.
fn waiting(stream: Stream, query: &Fields) -> Result<Stream, Problem> {
    let Some(text) = query.get("wait") else { return Ok(stream) };
    let max = WAIT_MAX.as_secs();
    match text.parse() {
        Ok(seconds) if (1..=max).contains(&seconds) => {
            let lifetime = stream.pace.lifetime.min(Duration::from_secs(seconds));
            Ok(Stream { once: true, pace: Pace { lifetime, ..stream.pace }, ..stream })
        }
        _ => Err(Problem::bad_parameter("wait", format_args!("{text:?}: expected 1 to {max} seconds"))),
    }
}

/// The plan of a stream from now on, of JSON, for nobody in particular.
pub fn plan(site: &Site<'_>, slot: Slot, prelude: Vec<u8>) -> Stream {
    let lifetime = site.pace.lifetime.mul_f64(1.0 - LIFETIME_JITTER * fastrand::f64());
    Stream {
        slot,
        start: Start::Now,
        format: Format::Json,
        user: None::<UserName>,
        cursor: 0,
        prelude,
        once: false,
        pace: Pace { lifetime, ..site.pace },
    }
}

/// Where a request wants its stream to begin. The header that a browser sends when it reconnects
/// wins over what the address said when it first connected.
pub fn start(request: &Request, query: &Fields) -> Result<Start, Problem> {
    let header = request.header("last-event-id").filter(|id| !id.is_empty());
    if let Some((name, id)) =
        header.map(|id| ("Last-Event-ID", id)).or_else(|| query.get("last_event_id").map(|id| ("last_event_id", id)))
    {
        let cursor = Cursor::parse(id).map_err(|error| Problem::from((name, error)))?;
        return Ok(Start::After(cursor));
    }
    let Some(since) = query.get("since") else { return Ok(Start::Now) };
    time("since", since).map(Start::Since)
}

/// The time that the parameter `name` says, in the server's local time.
pub fn time(name: &str, text: &str) -> Result<NaiveDateTime, Problem> {
    parse_time(text).ok_or_else(|| {
        let expected = "expected YYYY-MM-DD HH:MM:SS in the server's local time, or RFC 3339";
        Problem::bad_parameter(name, format_args!("{text:?} is no time: {expected}"))
    })
}

fn parse_time(text: &str) -> Option<NaiveDateTime> {
    let local = NaiveDateTime::parse_from_str(text, TIME_FORMAT).ok();
    // A `+` in a query is a blank.
    local.or_else(|| {
        let text = text.replace(' ', "+");
        DateTime::parse_from_rfc3339(&text).ok().map(|time| time.with_timezone(&Local).naive_local())
    })
}

fn prelude() -> Vec<u8> {
    let mut prelude = Vec::new();
    sse::retry(&mut prelude, jittered(RETRY_BASE));
    prelude
}

fn jittered(base: Duration) -> Duration {
    base.mul_f64(1.0 + fastrand::f64())
}

/// The answer that is this stream.
pub fn response(stream: Stream) -> Response {
    response_of(Body::Stream(Box::new(stream)))
}

/// An answer of events.
pub fn response_of(body: Body) -> Response {
    Response::of(StatusCode::OK, EVENT_STREAM, body)
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"))
        .with(UNBUFFERED, HeaderValue::from_static("no"))
}
