//! `chat-stream` and `chat-room-list-stream`: a room, and the list of rooms, live.

use std::time::Duration;

use chrono::NaiveDateTime;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
use http::header::{CACHE_CONTROL, CONNECTION, HeaderValue};
use serde_json::json;

use crate::api::dropin::find_room;
use crate::api::exchange::{Body, Request, Response};
use crate::api::site::Site;
use crate::api::streams;
use crate::live::encoding::Format;
use crate::live::feed::Topic;
use crate::live::stream::{Start, Stream};
use crate::room::cursor::Cursor;
use crate::room::line::TIME_FORMAT;
use crate::wire::form::Fields;
use crate::wire::sse;

/// How long the pages of these programs wait before they reconnect.
const RETRY: Duration = Duration::from_millis(5000);

const TOO_MANY: &str = "Too many streams";

/// A room, or an `error` event.
pub fn room(site: &Site<'_>, request: &Request) -> Response {
    respond(plan(site, request))
}

/// The list of rooms, or an `error` event.
pub fn rooms(site: &Site<'_>, request: &Request) -> Response {
    let slot = site.admit(Topic::Rooms, request.client).map_err(|_| (503, TOO_MANY));
    respond(slot.map(|slot| streams::plan(site, slot, prelude())))
}

fn respond(plan: Result<Stream, (u16, &'static str)>) -> Response {
    let response = match plan {
        Ok(stream) => streams::response(stream),
        Err((code, message)) => {
            let mut body = prelude();
            sse::event(&mut body, None, "error", json!({ "code": code, "message": message }).to_string().as_bytes());
            streams::response_of(Body::Whole(body.into()))
        }
    };
    response
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
        .with(CONNECTION, HeaderValue::from_static("keep-alive"))
        .with(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
        .with(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS"))
        .with(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, Last-Event-ID"))
}

fn plan(site: &Site<'_>, request: &Request) -> Result<Stream, (u16, &'static str)> {
    let query = request.query();
    let (name, room) = find_room(site, query.get("room").unwrap_or("General"))
        .map_err(|error| (if error == "Room not found" { 404 } else { 400 }, error))?;
    // A sweep that fails is no reason to show nothing.
    let _ = site.sweep(&name, &room);
    let slot = site.admit(Topic::Room(name), request.client).map_err(|_| (503, TOO_MANY))?;
    Ok(Stream { start: start(request, &query), format: Format::Raw, ..streams::plan(site, slot, prelude()) })
}

/// These programs never refuse a start: what they can't read is as if it were not there.
fn start(request: &Request, query: &Fields) -> Start {
    let id = request.header("last-event-id").or_else(|| query.get("last_event_id"));
    if let Some(cursor) = id.and_then(|id| Cursor::parse(id).ok()) {
        return Start::After(cursor);
    }
    let since = query.get("since").and_then(|since| NaiveDateTime::parse_from_str(since, TIME_FORMAT).ok());
    since.map_or(Start::Now, Start::Since)
}

fn prelude() -> Vec<u8> {
    let mut prelude = b": ........\n\n".to_vec();
    sse::retry(&mut prelude, RETRY);
    prelude
}
