//! `live=`: reads that go on, as long-polls and as Server-Sent Events.

use chrono::Utc;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};

use super::headers::{CLOSED, TRUE, UP_TO_DATE, with_next};
use super::read::{From, NO_STORE, Opened, finish};
use crate::api::exchange::{Body, Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::api::streams;
use crate::live::encoding::Format;
use crate::live::feed::Topic;
use crate::live::stream::{Start, Stream};
use crate::live::wait::Wait;
use crate::room::sidecar::Sidecar;
use crate::room::stream_name::StreamName;
use crate::wire::durable::{Media, Standing};
use crate::wire::interval;

const CURSOR: HeaderName = HeaderName::from_static("stream-cursor");
const ENCODING: HeaderName = HeaderName::from_static("stream-sse-data-encoding");

/// How a read goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    LongPoll,
    Sse,
}

impl Live {
    /// The one that a request asks for, if any.
    pub(super) fn of(request: &Request) -> Result<Option<Live>, Problem> {
        let query = request.query();
        let live = match query.get("live") {
            None => return Ok(None),
            Some("long-poll") => Live::LongPoll,
            Some("sse") => Live::Sse,
            Some(other) => {
                let expected = format_args!("{other:?}: expected `long-poll` or `sse`");
                return Err(Problem::bad_parameter("live", expected));
            }
        };
        if !query.has("offset") {
            return Err(Problem::bad_parameter("offset", "it is missing: with `live`, expected where to begin"));
        }
        Ok(Some(live))
    }
}

/// What is there after the position, at once, or as soon as there is something; at the end of the wait, that there is
/// nothing.
pub(super) fn long_poll(
    site: &Site<'_>,
    request: &Request,
    name: &StreamName,
    opened: Opened<'_>,
) -> Result<Response, Problem> {
    let is_closed = opened.sidecar.is_some_and(|sidecar| sidecar.closed.is_some());
    let cursor = HeaderValue::from(cursor(request)?);
    if opened.from < opened.log.end() {
        return Ok(finish(opened, None)?.with(CURSOR, cursor));
    }
    let after = opened.log.cursor(opened.from)?;
    if request.waited.is_none() && !is_closed {
        let slot = site.admit(Topic::Stream(name.clone()), request.client)?;
        let wait = Wait { slot, after, time: site.pace.long_poll };
        return Ok(Response::of(StatusCode::OK, "text/plain", Body::Wait(Box::new(wait))));
    }
    let mut response = with_next(Response::empty(StatusCode::NO_CONTENT), after)?
        .with(CACHE_CONTROL, NO_STORE)
        .with(UP_TO_DATE, TRUE)
        .with(CURSOR, cursor);
    if is_closed {
        response = response.with(CLOSED, TRUE);
    }
    Ok(response)
}

/// What is there after the position and what comes, as events.
pub(super) fn sse(
    site: &Site<'_>,
    request: &Request,
    name: &StreamName,
    opened: Opened<'_>,
) -> Result<Response, Problem> {
    let media = opened.sidecar.map_or(Media::Text, Sidecar::media);
    let slot = site.admit(Topic::Stream(name.clone()), request.client)?;
    let start = match opened.begin {
        From::Now => Start::Now,
        _ => Start::After(opened.log.cursor(opened.from)?),
    };
    let format = Format::Bytes(media, Standing::UpToDate);
    let stream = Stream { start, format, cursor: cursor(request)?, ..streams::plan(site, slot, Vec::new()) };
    let response = streams::response(stream);
    Ok(if media == Media::Bytes { response.with(ENCODING, HeaderValue::from_static("base64")) } else { response })
}

/// The `Stream-Cursor` that a request gets.
fn cursor(request: &Request) -> Result<u64, Problem> {
    let query = request.query();
    let known = query.get("cursor").filter(|known| !known.is_empty()).map(|known| {
        let digits = known.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| known.parse().ok()).flatten();
        number.ok_or_else(|| Problem::bad_parameter("cursor", format_args!("{known:?}: expected a number")))
    });
    let now = interval::at(u64::try_from(Utc::now().timestamp()).unwrap_or_default());
    Ok(interval::after(now, known.transpose()?, fastrand::u64(..)))
}
