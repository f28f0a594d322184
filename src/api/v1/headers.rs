//! The header fields of the protocol.

use chrono::DateTime;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use crate::api::exchange::{BadBody, Request, Response};
use crate::api::problem::Problem;
use crate::limits::BODY_MAX_BYTES;
use crate::room::cursor::Cursor;
use crate::room::sidecar::{Expiry, ROOM_TYPE, Sidecar};

pub(super) const NEXT_OFFSET: HeaderName = HeaderName::from_static("stream-next-offset");
pub(super) const UP_TO_DATE: HeaderName = HeaderName::from_static("stream-up-to-date");
pub(super) const CLOSED: HeaderName = HeaderName::from_static("stream-closed");
pub(super) const SEQ: HeaderName = HeaderName::from_static("stream-seq");
pub(super) const TTL: HeaderName = HeaderName::from_static("stream-ttl");
pub(super) const EXPIRES_AT: HeaderName = HeaderName::from_static("stream-expires-at");
pub(super) const TRUE: HeaderValue = HeaderValue::from_static("true");

/// A problem with a header field.
pub(super) fn bad(name: &HeaderName, why: impl std::fmt::Display) -> Problem {
    Problem::bad_request(format_args!("header `{name}`: {why}; nothing was written"))
}

/// The text of a header field; `None` where there is no such field. Fails where it is no text.
pub(super) fn text<'a>(request: &'a Request, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let Some(value) = request.headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| bad(name, "expected visible ASCII"))
}

/// The body, where it came whole and is not too long.
pub(super) fn body(request: &Request) -> Result<&[u8], Problem> {
    request.body().map_err(|bad| match bad {
        BadBody::TooLong => {
            let detail = format!("the body is too long: expected at most {BODY_MAX_BYTES} bytes; nothing was written");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        }
        BadBody::CutShort => bad.into(),
    })
}

/// Whether the request closes the stream.
pub(super) fn closes(request: &Request) -> bool {
    request.header(CLOSED).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// `Stream-TTL`, in seconds.
pub(super) fn ttl(request: &Request) -> Result<Option<u64>, Problem> {
    let Some(value) = text(request, &TTL)? else { return Ok(None) };
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = (digits && (value == "0" || !value.starts_with('0'))).then(|| value.parse().ok()).flatten();
    number.map(Some).ok_or_else(|| bad(&TTL, format_args!("{value:?}: expected a whole number of seconds")))
}

/// `Stream-Expires-At`.
pub(super) fn expires_at(request: &Request) -> Result<Option<Expiry>, Problem> {
    let Some(value) = text(request, &EXPIRES_AT)? else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(value)
        .map_err(|_| bad(&EXPIRES_AT, format_args!("{value:?}: expected a time of RFC 3339")))?;
    Ok(Some(Expiry { unix_ms: time.timestamp_millis(), text: value.to_owned() }))
}

/// The media type that a stream has.
pub(super) fn type_of(sidecar: Option<&Sidecar>) -> Result<HeaderValue, Problem> {
    let media_type = sidecar.map_or(ROOM_TYPE, |sidecar| &sidecar.content_type);
    HeaderValue::try_from(media_type)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the stream's sidecar has no usable content type"))
}

/// The answer with where the stream goes on.
pub(super) fn with_next(response: Response, next: Cursor) -> Result<Response, Problem> {
    let next = HeaderValue::try_from(next.to_string()).map_err(Problem::bad_request)?;
    Ok(response.with(NEXT_OFFSET, next))
}
