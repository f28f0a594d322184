//! `/v1/stream/NAME`: the Durable Streams protocol over rooms. A stream is a room's log as bytes; what bytes can't
//! say is in its sidecar.

mod append;
mod create;
mod headers;
mod producers;
mod read;

use chrono::Utc;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ALLOW, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue,
};
use http::{Method, StatusCode};

use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::room::sidecar::Sidecar;
use crate::room::stream_name::{StreamName, StreamNameError};
use crate::store::root::{Locked, RoomDir};
use crate::store::settle::settle;
use crate::store::sidecar::{self, SIDECAR_NAME, SidecarError};

const METHODS: &str = "GET, HEAD, PUT, POST, DELETE, OPTIONS";

/// What a request may carry, as a browser asks before it sends it.
const ASKED: &str = "content-type, if-none-match, stream-seq, stream-ttl, stream-expires-at, \
                     stream-closed, producer-id, producer-epoch, producer-seq";

/// No page of another site may embed what it may not read.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Whoever creates a stream says what its type is. Opened as a page, it is one of no origin and without scripts.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");

/// Answers a request for the stream called `name`, percent-decoded.
pub fn answer(site: &Site<'_>, request: &Request, name: &str) -> Response {
    let answer = StreamName::parse(name).map_err(Problem::from).and_then(|name| {
        headers::refuse_what_is_not_built(request)?;
        match request.method {
            Method::GET => read::read(site, request, &name),
            Method::HEAD => read::head(site, &name),
            Method::PUT => create::create(site, request, &name),
            Method::POST => append::append(site, request, &name),
            Method::DELETE => delete(site, &name),
            Method::OPTIONS => Ok(options()),
            _ => Err(Problem::method(METHODS)),
        }
    });
    let answer = answer.unwrap_or_else(Problem::into_response);
    answer.with(RESOURCE_POLICY, HeaderValue::from_static("same-origin")).with(CONTENT_SECURITY_POLICY, POLICY)
}

fn options() -> Response {
    Response::empty(StatusCode::NO_CONTENT)
        .with(ALLOW, HeaderValue::from_static(METHODS))
        .with(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS))
        .with(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ASKED))
}

fn delete(site: &Site<'_>, name: &StreamName) -> Result<Response, Problem> {
    let (locked, _) = locked(site, name)?;
    site.root.delete_stream(name, &locked)?;
    Ok(Response::empty(StatusCode::NO_CONTENT))
}

/// The directory of a stream that is there, and its sidecar where it is no chat room.
fn open(site: &Site<'_>, name: &StreamName) -> Result<(RoomDir, Option<Sidecar>), Problem> {
    let room = site.root.stream(name)?.ok_or_else(|| no_stream(name))?;
    match sidecar::read(&room).map_err(|error| unreadable(name, error))? {
        // Cut short while it was to be closed, or under way: whoever has the lock finds out.
        Some((Sidecar { intent: Some(intent), .. }, _)) if intent.closes => {
            drop(room);
            locked(site, name).map(|(locked, sidecar)| (locked.room, sidecar))
        }
        Some((sidecar, touched)) if sidecar.is_expired(now_ms(), touched) => {
            // Whoever finds it expired removes it; locked, it is looked at again.
            drop(room);
            locked(site, name).and(Err(no_stream(name)))
        }
        found => Ok((room, found.map(|(sidecar, _)| sidecar))),
    }
}

/// The same, locked.
fn locked(site: &Site<'_>, name: &StreamName) -> Result<(Locked, Option<Sidecar>), Problem> {
    let locked = site.root.lock_stream(name)?.ok_or_else(|| no_stream(name))?;
    match sidecar::read(&locked.room).map_err(|error| unreadable(name, error))? {
        Some((sidecar, touched)) if sidecar.is_expired(now_ms(), touched) => {
            site.root.delete_stream(name, &locked)?;
            Err(no_stream(name))
        }
        Some((mut sidecar, _)) if sidecar.intent.is_some() => {
            settle(&locked, &mut sidecar)?;
            Ok((locked, Some(sidecar)))
        }
        found => Ok((locked, found.map(|(sidecar, _)| sidecar))),
    }
}

/// Where a stream lives only while it is used, it lives on from now.
fn used(room: &RoomDir, sidecar: Option<&Sidecar>) -> Result<(), Problem> {
    match sidecar {
        Some(Sidecar { ttl: Some(_), .. }) => Ok(sidecar::touch(room)?),
        _ => Ok(()),
    }
}

fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

fn no_stream(name: &StreamName) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format_args!("there is no stream {name}"))
}

fn unreadable(name: &StreamName, error: SidecarError) -> Problem {
    match error {
        SidecarError::File(error) => error.into(),
        SidecarError::Unreadable(why) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format_args!(
                "{name}/{SIDECAR_NAME} is not a sidecar of this version: {why}; the stream is as it was, and is not \
                 served here until that file is repaired or removed"
            ),
        ),
    }
}

impl From<StreamNameError> for Problem {
    fn from(error: StreamNameError) -> Problem {
        let status = match error {
            StreamNameError::Empty | StreamNameError::Reserved => StatusCode::NOT_FOUND,
            StreamNameError::TooLong => StatusCode::URI_TOO_LONG,
        };
        Problem::new(status, error)
    }
}
