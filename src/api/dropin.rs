//! Answers under the names of the shell CGI programs that people have, as those answer: always with
//! status 200, in the forms that their pages read.

use std::time::Duration;

use chrono::NaiveDateTime;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};
use serde_json::json;

use crate::api::exchange::{BadBody, Body, Request, Response};
use crate::api::identity;
use crate::api::site::Site;
use crate::api::{room, streams};
use crate::limits::MESSAGE_MAX_BYTES;
use crate::live::encoding::Format;
use crate::live::feed::Topic;
use crate::live::registry::OnDisk;
use crate::live::stream::{Start, Stream};
use crate::room::cursor::Cursor;
use crate::room::line::TIME_FORMAT;
use crate::room::name::{RoomName, UserName};
use crate::store::avatars;
use crate::store::root::RoomDir;
use crate::wire::form::Fields;
use crate::wire::{json, sse};

/// How long the pages of these programs wait before they reconnect.
const RETRY: Duration = Duration::from_millis(5000);

const NOT_SENT: &str = "Failed to send message";

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `chat-stream`: a room, live.
    Stream,
    /// `chat-list-avatars`: who is in a room.
    ListAvatars,
    /// `chat-send-message`: say something.
    SendMessage,
}

const PROGRAMS: [(&str, Program); 3] = [
    ("chat-stream", Program::Stream),
    ("chat-list-avatars", Program::ListAvatars),
    ("chat-send-message", Program::SendMessage),
];

impl Program {
    /// The program of this name.
    pub fn named(name: &str) -> Option<Program> {
        PROGRAMS.iter().find(|(other, _)| *other == name).map(|(_, program)| *program)
    }

    /// The program that a path within the mount names.
    pub fn of_path(path: &str) -> Option<Program> {
        Program::named(path.strip_prefix('/')?)
    }

    /// Its path within a mount.
    pub fn path(self) -> String {
        let name = PROGRAMS.iter().find(|(_, program)| *program == self).map_or("", |(name, _)| name);
        format!("/{name}")
    }

    /// Its answer.
    pub fn run(self, site: &Site<'_>, request: &Request) -> Response {
        match self {
            Program::Stream => stream(site, request),
            Program::ListAvatars => list_avatars(site, &request.query()),
            Program::SendMessage => match send_message(site, request) {
                Ok(on_disk) => html("success", "✓ Message sent").after(on_disk, |_| html("error", NOT_SENT)),
                Err(text) => html("error", &text),
            },
        }
    }
}

/// Which room the fields name, or what these programs say where they can't.
fn find_room(site: &Site<'_>, name: &str) -> Result<(RoomName, RoomDir), &'static str> {
    let name = RoomName::parse(name.trim()).map_err(|_| "Invalid room name")?;
    match site.root.room(&name) {
        Ok(Some(room)) => Ok((name, room)),
        _ => Err("Room not found"),
    }
}

fn list_avatars(site: &Site<'_>, query: &Fields) -> Response {
    let members = || {
        let name = query.get("room").filter(|name| !name.trim().is_empty()).ok_or("Room name required")?;
        let (name, room) = find_room(site, name)?;
        let swept = site.sweep(&name, &room).and_then(|()| avatars::members(&room));
        swept.map_err(|_| "Room not found")
    };
    let mut body = match members() {
        Ok(members) => json::spaced(&members),
        Err(error) => json::spaced(&json!({ "error": error })),
    };
    body.push(b'\n');
    Response::new(StatusCode::OK, "application/json", body)
}

fn send_message(site: &Site<'_>, request: &Request) -> Result<Option<OnDisk>, String> {
    if request.is_cross_site() {
        return Err("A page of another site may not send messages".into());
    }
    let too_long = || format!("Message too long: at most {MESSAGE_MAX_BYTES} bytes");
    let body = request.body().map_err(|bad| match bad {
        BadBody::TooLong => too_long(),
        BadBody::CutShort => NOT_SENT.to_owned(),
    })?;
    let fields = if request.method == Method::POST && !body.is_empty() { Fields::parse(body) } else { request.query() };
    let (Some(name), Some(text)) = (fields.get("room"), fields.get("msg")) else {
        return Err("Room and message required".into());
    };
    RoomName::parse(name.trim()).map_err(|_| "Invalid room name")?;
    let user = match fields.get("user") {
        Some("log") => return Err("Invalid username. 'log' is a reserved name.".into()),
        Some(user) => {
            UserName::parse(user).map_err(|_| "Invalid username. Only alphanumeric, underscore, and hyphen allowed.")?
        }
        None => UserName::anonymous(),
    };
    let user = identity::speaker(request, Some(user.as_str())).map_err(|_| "Invalid username.")?;
    let (_, room) = find_room(site, name)?;
    room::write(site, &room, &user, text).map(|(_, on_disk)| on_disk).map_err(|problem| match problem.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_long(),
        StatusCode::BAD_REQUEST => "Room and message required".into(),
        _ => NOT_SENT.into(),
    })
}

fn stream(site: &Site<'_>, request: &Request) -> Response {
    let response = match plan(site, request) {
        Ok(stream) => streams::response(stream),
        Err((code, message)) => {
            let mut body = prelude();
            sse::event(&mut body, None, "error", json!({ "code": code, "message": message }).to_string().as_bytes());
            streams::response_of(Body::Whole(body.into()))
        }
    };
    response
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
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
    let slot = site.admit(Topic::Room(name), request.client).map_err(|_| (503, "Too many streams"))?;
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

fn html(class: &str, text: &str) -> Response {
    let body = format!("<div class=\"demo-result {class}\">\n  <p>{text}</p>\n</div>\n");
    Response::new(StatusCode::OK, "text/html", body)
}
