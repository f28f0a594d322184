//! `/v1/stream/NAME`: the Durable Streams protocol over rooms. A stream is a room's log as bytes; what bytes can't
//! say is in its sidecar.

mod append;
mod create;
mod fork;
mod headers;
mod live;
mod producers;
mod read;
mod subscriptions;

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
use crate::store::forks;
use crate::store::log::Log;
use crate::store::root::{DataRoot, Locked, RoomDir};
use crate::store::settle::settle;
use crate::store::sidecar::{self, SIDECAR_NAME, SidecarError};

const METHODS: &str = "GET, HEAD, PUT, POST, DELETE, OPTIONS";

/// What a request may carry, as a browser asks before it sends it.
const ASKED: &str = "content-type, if-none-match, stream-seq, stream-ttl, stream-expires-at, \
                     stream-closed, stream-forked-from, stream-fork-offset, stream-fork-sub-offset, producer-id, producer-epoch, producer-seq";

/// No page of another site may embed what it may not read.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Whoever creates a stream says what its type is. Opened as a page, it is one of no origin and without scripts.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");

/// Answers a request for the stream called `name`, percent-decoded.
pub fn answer(site: &Site<'_>, request: &Request, name: &str) -> Response {
    if let Some(control) = name.strip_prefix("__ds/") {
        return of(Ok(subscriptions::answer(site, request, control)));
    }
    let answer = StreamName::parse(name).map_err(Problem::from).and_then(|name| match request.method {
        Method::GET => read::read(site, request, &name),
        Method::HEAD => read::head(site, &name),
        Method::PUT => create::create(site, request, &name),
        Method::POST => append::append(site, request, &name),
        Method::DELETE => delete(site, &name),
        Method::OPTIONS => Ok(options()),
        _ => Err(Problem::method(METHODS)),
    });
    of(answer)
}

/// The answer, of whatever kind it is.
fn of(answer: Result<Response, Problem>) -> Response {
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
    let (locked, sidecar) = locked(&site.root, name)?;
    forks::remove(&site.root, name, locked, sidecar.as_ref(), now_ms())?;
    Ok(Response::empty(StatusCode::NO_CONTENT))
}

/// The directory of a stream that is there, its sidecar where it is no chat room, and how long its log was before that
/// was read.
fn open(site: &Site<'_>, name: &StreamName) -> Result<(RoomDir, Option<Sidecar>, u64), Problem> {
    loop {
        let room = site.root.stream(name)?.map_or_else(|| Err(absent(&site.root, name)), Ok)?;
        let seen = Log::open(&room)?.map_or(Ok(0), |log| log.size())?;
        match sidecar::read(&room).map_err(|error| unreadable(name, error))? {
            // Cut short while it was to be closed, or under way: whoever has the lock finds out.
            Some((Sidecar { intent: Some(intent), .. }, _)) if intent.closes => {
                drop(room);
                locked(&site.root, name)?;
            }
            Some((sidecar, touched)) if sidecar.is_expired(now_ms(), touched) => {
                // Whoever finds it expired removes it; locked, it is looked at again.
                drop(room);
                return locked(&site.root, name).and(Err(no_stream(name)));
            }
            found => return Ok((room, found.map(|(sidecar, _)| sidecar), seen)),
        }
    }
}

/// The same, locked.
fn locked(root: &DataRoot, name: &StreamName) -> Result<(Locked, Option<Sidecar>), Problem> {
    let locked = root.lock_stream(name)?.map_or_else(|| Err(absent(root, name)), Ok)?;
    match sidecar::read(&locked.room).map_err(|error| unreadable(name, error))? {
        Some((sidecar, touched)) if sidecar.is_expired(now_ms(), touched) => {
            forks::remove(root, name, locked, Some(&sidecar), now_ms())?;
            Err(absent(root, name))
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

/// Why there is no stream of this name: there is none, or it was deleted and has forks.
fn absent(root: &DataRoot, name: &StreamName) -> Problem {
    match forks::is_kept(root, name, now_ms()) {
        Ok(true) => {
            Problem::new(StatusCode::GONE, format_args!("the stream {name} was deleted; there are forks of it still"))
        }
        Ok(false) => no_stream(name),
        Err(error) => error.into(),
    }
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
