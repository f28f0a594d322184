//! `/rooms/ROOM`: a room's page, history, stream and log; saying something; making and deleting it.

use std::ops::ControlFlow;
use std::time::Instant;

use chrono::Local;
use http::header::{CONTENT_TYPE, HeaderValue, VARY};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::api::{assets, history, identity, streams};
use crate::config::Ack;
use crate::limits::{MESSAGE_MAX_BYTES, UNREAD_MAX_BYTES};
use crate::live::registry::OnDisk;
use crate::room::cursor::Cursor;
use crate::room::line::{self, Line, MessageText, Speaker};
use crate::room::message::Message;
use crate::room::name::{RoomName, UserName};
use crate::store::append::append;
use crate::store::history::each_line;
use crate::store::log::Log;
use crate::store::root::RoomDir;
use crate::wire::form::Fields;

const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";

/// Answers by method and, for GET, by what is accepted.
pub fn answer(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    match request.method {
        Method::GET | Method::HEAD => show(site, request, name),
        Method::POST => say(site, request, name),
        Method::PUT => {
            let new = site.root.create_room(name)?;
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(Response::json(status, &json!({ "room": name.as_str() })))
        }
        Method::DELETE if site.root.delete_room(name)? => Ok(Response::empty(StatusCode::NO_CONTENT)),
        Method::DELETE => Err(Problem::no_room(name)),
        _ => Err(Problem::method(METHODS)),
    }
}

fn show(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let known = request.accepts().find_map(|kind| match kind {
        "text/html" => Some(assets::page(request, Some(name))),
        streams::EVENT_STREAM => Some(streams::room(site, request, name)),
        "text/plain" => Some(history::text(site, request, name)),
        "application/json" => Some(history::page(site, request, name)),
        _ => None,
    });
    let response = known.unwrap_or_else(|| history::page(site, request, name))?;
    Ok(response.with(VARY, HeaderValue::from_static("Accept")))
}

fn say(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let room = site.room(name)?;
    let said = Said::read(request)?;
    let user = identity::speaker(request, said.user.as_deref())?;
    if let Some(message) = said.before(&room, &user)? {
        return Ok(Response::json(StatusCode::OK, &message));
    }
    let (message, on_disk) = write(site, &room, &user, &said.text)?;
    Ok(Response::json(StatusCode::CREATED, &message)
        .after(on_disk, |error| Problem::not_on_disk(&error).into_response()))
}

/// Writes what `user` says into the log. What was written, as everybody reads it, and what to wait for where it is to
/// be acknowledged only once it is on disk.
pub fn write(
    site: &Site<'_>,
    room: &RoomDir,
    user: &UserName,
    text: &str,
) -> Result<(Message, Option<OnDisk>), Problem> {
    if text.len() > MESSAGE_MAX_BYTES {
        return Err(Problem::too_long());
    }
    let text = MessageText::clean(text)
        .ok_or_else(|| Problem::bad_request("the message is empty: expected a text in `text`, `msg` or the body"))?;
    let line = line::compose(Local::now().naive_local(), user, &text);
    let begun = Instant::now();
    let appended = append(room, &line)?;
    if let Some(registry) = site.registry {
        registry.metrics.appended(begun.elapsed());
    }
    let message = Message::new(appended.id, line.strip_suffix(b"\n").unwrap_or(&line), None, &Local);
    let on_disk = match (site.ack, site.registry) {
        (Ack::Written, _) => Ok(None),
        (Ack::Synced, Some(registry)) => registry.commit(appended).map(Some),
        (Ack::Synced, None) => appended.sync().map(|()| None),
    };
    Ok((message, on_disk.map_err(|error| Problem::not_on_disk(&error))?))
}

/// What a body says, in whatever form.
struct Said {
    user: Option<String>,
    text: String,
    unless_after: Option<String>,
}

#[derive(Deserialize)]
struct SaidJson {
    user: Option<String>,
    text: String,
    unless_after: Option<String>,
}

impl Said {
    fn read(request: &Request) -> Result<Said, Problem> {
        let body = request.body()?;
        let kind = request.header(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or("").trim();
        let in_query = || request.query().get("user").map(str::to_owned);
        if kind.eq_ignore_ascii_case("application/json") {
            let said: SaidJson = serde_json::from_slice(body).map_err(|error| {
                Problem::bad_request(format_args!("the body is not JSON of the form {{\"user\",\"text\"}}: {error}"))
            })?;
            let user = said.user.filter(|user| !user.is_empty()).or_else(in_query);
            return Ok(Said { user, text: said.text, unless_after: said.unless_after });
        }
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let form = Fields::parse(body);
            if form.has("text") || form.has("msg") {
                let text = form.get("text").or(form.get("msg")).unwrap_or_default().to_owned();
                return Ok(Said {
                    user: form.get("user").map(str::to_owned).or_else(in_query),
                    text,
                    unless_after: None,
                });
            }
            // `curl -d 'text'` calls any text a form.
        }
        let text = std::str::from_utf8(body)
            .map_err(|_| Problem::bad_request("the body is not UTF-8: expected a text, a form or JSON"))?;
        Ok(Said { user: in_query(), text: text.to_owned(), unless_after: None })
    }

    /// The message, where it was said already: by the same user, since the position `unless_after`. Who does not know
    /// whether their message came through says it again so.
    fn before(&self, room: &RoomDir, user: &UserName) -> Result<Option<Message>, Problem> {
        let (Some(after), Some(log)) = (&self.unless_after, Log::open(room)?) else { return Ok(None) };
        let after = Cursor::parse(after).map_err(|error| Problem::from(("unless_after", error)))?;
        let (Ok(from), Some(text)) = (log.resolve(&after)?, MessageText::clean(&self.text)) else { return Ok(None) };
        let end = log.whole_before(log.size()?)?;
        let from = from.max(log.whole_before(end.saturating_sub(UNREAD_MAX_BYTES))?);
        let mut found = None;
        each_line(&log, from, end, |raw| {
            let line = Line::parse(raw.bytes);
            if line.speaker != Speaker::User(user.as_str()) || line.text != text.as_bytes() {
                return ControlFlow::Continue(());
            }
            found = Some(Message::new(raw.id, raw.bytes, raw.cut, &Local));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }
}
