//! `chat-stream`, `chat-room-list-stream` and `chat-unread-counts`: a room, the list of rooms, and how many messages
//! each has, live.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use chrono::NaiveDateTime;
use http::Method;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
use http::header::{CACHE_CONTROL, CONNECTION, HeaderValue};
use serde_json::json;

use crate::api::dropin::{ROOM_NOT_FOUND, answer, find_room};
use crate::api::exchange::{Body, Request, Response};
use crate::api::site::Site;
use crate::api::{identity, streams};
use crate::live::admission::Full;
use crate::live::encoding::Format;
use crate::live::feed::Topic;
use crate::live::stream::{Start, Stream};
use crate::room::cursor::Cursor;
use crate::room::line::TIME_FORMAT;
use crate::room::name::UserName;
use crate::wire::form::Fields;
use crate::wire::sse;

/// How long the pages of these programs wait before they reconnect.
const RETRY: Duration = Duration::from_millis(5000);

const TOO_MANY: &str = "Too many streams";

/// Why there is no stream. It is an event in any case: a browser comes back after that, but not after a status.
enum Refusal {
    /// As JSON with a code.
    Coded(u16, Cow<'static, str>),
    /// As a sentence.
    Plain(&'static str),
}

impl From<Full> for Refusal {
    fn from(_: Full) -> Refusal {
        Refusal::Coded(503, TOO_MANY.into())
    }
}

impl From<answer::Refusal> for Refusal {
    fn from(refusal: answer::Refusal) -> Refusal {
        match refusal {
            answer::Refusal::Said(text) => Refusal::Coded(if text == ROOM_NOT_FOUND { 404 } else { 400 }, text),
            answer::Refusal::Later(_) => Refusal::Coded(503, "The server is busy".into()),
        }
    }
}

/// A room, or an `error` event.
pub fn room(site: &Site<'_>, request: &Request) -> Response {
    respond(request, || plan(site, request))
}

/// The list of rooms, or an `error` event.
pub fn rooms(site: &Site<'_>, request: &Request) -> Response {
    respond(request, || Ok(streams::plan(site, site.admit(Topic::Rooms, request.client)?, prelude())))
}

/// How many messages each room has, or an `error` event.
pub fn counts(site: &Site<'_>, request: &Request) -> Response {
    respond(request, || {
        let query = request.query();
        let user = query.get("username").ok_or(Refusal::Plain("Username required"))?;
        UserName::parse(user).map_err(|_| Refusal::Plain("Invalid username"))?;
        Ok(streams::plan(site, site.admit(Topic::Counts, request.client)?, prelude()))
    })
}

fn respond(request: &Request, plan: impl FnOnce() -> Result<Stream, Refusal>) -> Response {
    // A browser that asks beforehand whether it may is told so.
    if request.method == Method::OPTIONS {
        return allowing(streams::response_of(Body::Whole(Bytes::new())));
    }
    allowing(match plan() {
        Ok(stream) => streams::response(stream),
        Err(refusal) => {
            let data = match refusal {
                Refusal::Coded(code, message) => json!({ "code": code, "message": message }).to_string(),
                Refusal::Plain(message) => message.to_owned(),
            };
            let mut body = prelude();
            sse::event(&mut body, None, "error", data.as_bytes());
            streams::response_of(Body::Whole(body.into())).exiting(1)
        }
    })
}

fn allowing(response: Response) -> Response {
    response
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
        .with(CONNECTION, HeaderValue::from_static("keep-alive"))
        .with(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
        .with(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS"))
        .with(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, Last-Event-ID"))
}

fn plan(site: &Site<'_>, request: &Request) -> Result<Stream, Refusal> {
    let query = request.query();
    let (name, room) = find_room(site, query.get("room").unwrap_or("General"))?;
    // A sweep that fails is no reason to show nothing.
    let _ = site.sweep(&name, &room);
    let user = query.get("user").and_then(|user| UserName::parse(user).ok());
    // Pages of other sites may read, and nobody is here by them.
    let user = user.filter(|user| !request.is_cross_site() && identity::may_act_for(request, user).is_ok());
    let slot = site.admit(Topic::Room(name), request.client)?;
    Ok(Stream { start: start(request, &query), format: Format::Raw, user, ..streams::plan(site, slot, prelude()) })
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
