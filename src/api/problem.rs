//! Errors, as problem documents (RFC 9457).

use std::fmt::Display;
use std::io;

use http::StatusCode;
use http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use crate::api::exchange::{BadBody, Response};
use crate::limits;
use crate::live::admission::Full;
use crate::room::cursor::CursorError;
use crate::room::name::{NameError, RoomName, UserName};
use crate::store::root::is_out_of_descriptors;

/// Why a request can't be answered as it wanted.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    /// One more field that the answer has.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// What a program is told beside it: the member `error`.
    error: Option<Box<Value>>,
}

impl Problem {
    /// A problem of this kind; `detail` names the input, what was expected and what follows.
    pub fn new(status: StatusCode, detail: impl Display) -> Problem {
        Problem { status, detail: detail.to_string(), header: None, error: None }
    }

    /// The request makes no sense.
    pub fn bad_request(detail: impl Display) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A parameter makes no sense.
    pub fn bad_parameter(name: &str, why: impl Display) -> Problem {
        Problem::bad_request(format_args!("parameter `{name}`: {why}"))
    }

    /// There is no such room.
    pub fn no_room(room: &RoomName) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format_args!("there is no room {room}"))
    }

    /// There is nobody of that name in the room.
    pub fn no_member(user: &UserName) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format_args!("{user} is not in the room"))
    }

    /// There is nothing at that path.
    pub fn no_resource() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "there is nothing here: see /rooms for the rooms")
    }

    /// The method does not fit.
    pub fn method(allowed: &'static str) -> Problem {
        let detail = format_args!("this method does not apply here: expected one of {allowed}").to_string();
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// The body, or the message in it, is too long.
    pub fn too_long() -> Problem {
        let limit = limits::MESSAGE_MAX_BYTES;
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format_args!("the message is too long: expected at most {limit} bytes; nothing was written"),
        )
    }

    /// A message is in its log, and the disk did not take it.
    pub fn not_on_disk(error: &io::Error) -> Problem {
        let detail = format_args!("the message is in the log, but may not be on disk: {}", error.kind()).to_string();
        Problem::new(status_of(error), detail)
    }

    /// A page of another site wanted to change something.
    pub fn cross_site() -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "a page of another site may change nothing here")
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// The same, which says to a program, in `error`, that it is `code`, and what else it is to know.
    pub fn coded(mut self, code: &'static str, more: Value) -> Problem {
        let mut error = json!({"code": code, "message": self.detail});
        if let (Some(error), Value::Object(more)) = (error.as_object_mut(), more) {
            error.extend(more);
        }
        self.error = Some(Box::new(error));
        self
    }

    /// What may be otherwise in a moment.
    fn later(self) -> Problem {
        self.with(RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER.as_secs()))
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Some(document), Some(error)) = (document.as_object_mut(), self.error) {
            document.insert("error".into(), *error);
        }
        let response = Response::new(self.status, "application/problem+json", document.to_string());
        match self.header {
            Some(header) => response.with(header.0, header.1),
            None => response,
        }
    }
}

impl From<Full> for Problem {
    fn from(full: Full) -> Problem {
        let detail = match full {
            Full::All(max) => format!("all {max} streams of this server are taken"),
            Full::Room(max) => format!("all {max} streams of this room are taken"),
            Full::Client(max) => format!("all {max} streams that one client may have are taken"),
        };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).later()
    }
}

impl From<BadBody> for Problem {
    fn from(bad: BadBody) -> Problem {
        match bad {
            BadBody::TooLong => Problem::too_long(),
            BadBody::CutShort => Problem::bad_request("the body ended before its length did; nothing was written"),
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Problem {
        Problem::bad_request(error)
    }
}

impl From<(&str, CursorError)> for Problem {
    fn from((name, error): (&str, CursorError)) -> Problem {
        Problem::bad_parameter(name, error)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        if is_out_of_descriptors(&error) {
            return Problem::new(status_of(&error), "the server has no descriptor left to open a file").later();
        }
        // The kind alone: an error's text may hold paths of this machine.
        Problem::new(status_of(&error), format_args!("the files of the room can't be used: {}", error.kind()))
    }
}

fn status_of(error: &io::Error) -> StatusCode {
    use io::ErrorKind::{AlreadyExists, FileTooLarge, QuotaExceeded, StorageFull};
    if is_out_of_descriptors(error) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StatusCode::INSUFFICIENT_STORAGE,
        AlreadyExists => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
