//! GET and HEAD: a part of a stream, and what it is.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};

use super::headers::{CLOSED, EXPIRES_AT, TRUE, TTL, UP_TO_DATE, type_of, with_next};
use super::live::{self, Live};
use super::{open, used};
use crate::api::exchange::{Body, LogBody, Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::room::cursor::Cursor;
use crate::room::sidecar::Sidecar;
use crate::room::stream_name::StreamName;
use crate::store::stream::StreamLog;

pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Where a read begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    Beginning,
    Now,
    After(Cursor),
}

/// A stream, open, and where in it a read begins.
pub(super) struct Opened<'a> {
    pub(super) sidecar: Option<&'a Sidecar>,
    pub(super) log: StreamLog<'a>,
    pub(super) begin: From,
    pub(super) from: u64,
}

/// A part of a stream, from `offset` on; live, also what comes after it.
pub(super) fn read(site: &Site<'_>, request: &Request, name: &StreamName) -> Result<Response, Problem> {
    let live = Live::of(request)?;
    // One that has waited is about the position at which it began to.
    let begin = request.waited.map_or_else(|| From::of(request), |waited| Ok(From::After(waited)))?;
    let (room, sidecar, seen) = open(site, name)?;
    used(&room, sidecar.as_ref())?;
    let sidecar = sidecar.as_ref();
    let log = StreamLog::open_before(&room, sidecar, seen)?;
    let from = match &begin {
        From::Beginning => 0,
        From::Now => log.end(),
        From::After(cursor) => log.resolve(cursor)?.map_err(|stale| {
            let detail = format!("parameter `offset`: the stream was {} since; begin anew without it", stale.reason());
            Problem::new(StatusCode::GONE, detail)
        })?,
    };
    let opened = Opened { sidecar, log, begin, from };
    match live {
        None => finish(opened, request.header(IF_NONE_MATCH)),
        Some(Live::LongPoll) => live::long_poll(site, request, name, opened),
        Some(Live::Sse) => live::sse(site, request, name, opened),
    }
}

/// What there is to be read now, but not to one who knows it: whose tags say so.
pub(super) fn finish(opened: Opened<'_>, known: Option<&str>) -> Result<Response, Problem> {
    let Opened { sidecar, log, begin, from } = opened;
    let to = log.read_to(from)?;
    let at_end = to == log.end();
    let is_closed = at_end && sidecar.is_some_and(|sidecar| sidecar.closed.is_some());
    let next = log.cursor(to)?;
    let tag = format!("\"{from}-{next}{}\"", if is_closed { "-closed" } else { "" });
    let finish = |response: Response| {
        let mut response = with_next(response, next)?;
        if at_end {
            response = response.with(UP_TO_DATE, TRUE);
        }
        if is_closed {
            response = response.with(CLOSED, TRUE);
        }
        if matches!(begin, From::Now) {
            return Ok(response.with(CACHE_CONTROL, NO_STORE));
        }
        Ok(response.with(ETAG, HeaderValue::try_from(&tag).map_err(Problem::bad_request)?))
    };
    let known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    if known && !matches!(begin, From::Now) {
        return finish(Response::empty(StatusCode::NOT_MODIFIED));
    }
    let body = if sidecar.is_some_and(Sidecar::is_json) {
        Body::Whole(log.values(from, to)?.into())
    } else {
        match log.into_log() {
            Some(file) => Body::Log(LogBody::new(file, from, to)),
            None => Body::Whole(Default::default()),
        }
    };
    finish(Response::of(StatusCode::OK, "text/plain", body).with(CONTENT_TYPE, type_of(sidecar)?))
}

/// What a stream is. Not a use of it.
pub(super) fn head(site: &Site<'_>, name: &StreamName) -> Result<Response, Problem> {
    let (room, sidecar, seen) = open(site, name)?;
    let sidecar = sidecar.as_ref();
    let log = StreamLog::open_before(&room, sidecar, seen)?;
    let mut response =
        Response::empty(StatusCode::OK).with(CONTENT_TYPE, type_of(sidecar)?).with(CACHE_CONTROL, NO_STORE);
    if let Some(ttl) = sidecar.and_then(|sidecar| sidecar.ttl) {
        response = response.with(TTL, ttl.into());
    }
    if let Some(expiry) = sidecar.and_then(|sidecar| sidecar.expires.as_ref()) {
        response = response.with(EXPIRES_AT, HeaderValue::try_from(&expiry.text).map_err(Problem::bad_request)?);
    }
    if sidecar.is_some_and(|sidecar| sidecar.closed.is_some()) {
        response = response.with(CLOSED, TRUE);
    }
    with_next(response, log.cursor(log.end())?)
}

impl From {
    fn of(request: &Request) -> Result<From, Problem> {
        let mut offsets = form_urlencoded::parse(request.query.as_bytes()).filter(|(name, _)| name == "offset");
        let Some((_, offset)) = offsets.next() else { return Ok(From::Beginning) };
        if offsets.next().is_some() {
            return Err(Problem::bad_parameter("offset", "it is there more than once: expected one"));
        }
        match &*offset {
            "-1" => Ok(From::Beginning),
            "now" => Ok(From::Now),
            token => Cursor::parse(token).map(From::After).map_err(|error| Problem::from(("offset", error))),
        }
    }
}
