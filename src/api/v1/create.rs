//! PUT: a stream comes into being, or is there already as it should be.

use chrono::Utc;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::headers::{CLOSED, EXPIRES_AT, TRUE, bad, body, closes, expires_at, text, ttl, type_of, with_next};
use super::{locked, used};
use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::config::Ack;
use crate::room::sidecar::{DEFAULT_TYPE, ROOM_TYPE, Sidecar};
use crate::room::stream_name::StreamName;
use crate::store::root::RoomDir;
use crate::store::sidecar;
use crate::store::stream::{StreamLog, add};
use crate::wire::ndjson;

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Creates a stream, with a first body where there is one.
pub(super) fn create(site: &Site<'_>, request: &Request, name: &StreamName) -> Result<Response, Problem> {
    let wanted = wanted(request)?;
    let body = body(request)?;
    let bytes = if wanted.is_json() && !body.is_empty() {
        ndjson::lines(body).map_err(|error| Problem::bad_request(format_args!("the body is not JSON: {error}")))?
    } else {
        body.to_vec()
    };
    let closes = closes(request);
    let synced = site.ack == Ack::Synced;
    loop {
        match locked(site, name) {
            Ok((there, is)) => {
                let same = match &is {
                    Some(is) => is.is_like(&wanted),
                    None => wanted.is_like(&Sidecar::new(ROOM_TYPE)),
                };
                if !same {
                    return Err(Problem::new(
                        StatusCode::CONFLICT,
                        format_args!("the stream {name} is there, and configured otherwise; nothing was written"),
                    ));
                }
                used(&there.room, is.as_ref())?;
                return answer(StatusCode::OK, &there.room, is.as_ref(), request);
            }
            Err(problem) if problem.status() == StatusCode::NOT_FOUND => {}
            Err(problem) => return Err(problem),
        }
        let created = site.root.create_stream(name, |room| {
            let generation = u64::try_from(Utc::now().timestamp_micros()).unwrap_or_default();
            let closed = closes.then_some(bytes.len() as u64);
            let sidecar = Sidecar { generation, closed, ..wanted.clone() };
            room.open_log_for_append()?;
            if !bytes.is_empty() {
                let added = add(room, Some(&sidecar), &bytes)?;
                if synced {
                    added.sync()?;
                }
            }
            sidecar::create(room, &sidecar, synced)?;
            Ok(sidecar)
        })?;
        // `None`: somebody else was quicker, and theirs is looked at.
        if let Some((room, sidecar)) = created {
            return answer(StatusCode::CREATED, &room, Some(&sidecar), request);
        }
    }
}

fn answer(
    status: StatusCode,
    room: &RoomDir,
    sidecar: Option<&Sidecar>,
    request: &Request,
) -> Result<Response, Problem> {
    let log = StreamLog::open(room, sidecar)?;
    let mut response = Response::empty(status).with(CONTENT_TYPE, type_of(sidecar)?);
    if status == StatusCode::CREATED {
        response = response.with(LOCATION, location(request)?);
    }
    if sidecar.is_some_and(|sidecar| sidecar.closed.is_some()) {
        response = response.with(CLOSED, TRUE);
    }
    with_next(response, log.cursor(log.end())?)
}

/// The configuration that a request asks for. Where it is closed is known later.
fn wanted(request: &Request) -> Result<Sidecar, Problem> {
    let (ttl, expires) = (ttl(request)?, expires_at(request)?);
    if ttl.is_some() && expires.is_some() {
        return Err(bad(&EXPIRES_AT, "`stream-ttl` is there, too: expected one of them"));
    }
    let content_type = text(request, &CONTENT_TYPE)?.map(str::trim).filter(|given| !given.is_empty());
    let closed = closes(request).then_some(0);
    Ok(Sidecar { ttl, expires, closed, ..Sidecar::new(content_type.unwrap_or(DEFAULT_TYPE)) })
}

/// The stream's address; without an origin where the request does not say which one it used.
fn location(request: &Request) -> Result<HeaderValue, Problem> {
    let path = utf8_percent_encode(&request.path, IN_PATH);
    let mount = &request.mount;
    let scheme = if request.header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let location = match request.header(HOST) {
        Some(host) => format!("{scheme}://{host}{mount}{path}"),
        None => format!("{mount}{path}"),
    };
    HeaderValue::try_from(location).map_err(Problem::bad_request)
}
