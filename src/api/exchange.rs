//! Requests and answers, as every gateway sees them.

use std::io;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Method, StatusCode};

use crate::limits::STRETCH_MAX_BYTES;
use crate::live::registry::OnDisk;
use crate::live::stream::Stream;
use crate::live::wait::Wait;
use crate::room::cursor::Cursor;
use crate::store::log::Log;
use crate::wire::form::Fields;

/// A request.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// What the web server strips: where chatroom is mounted, without a slash at its end.
    pub mount: String,
    /// The path within the mount, decoded.
    pub path: String,
    /// The query, as it came.
    pub query: String,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Result<Bytes, BadBody>,
    /// Where it comes from, as far as is known.
    pub client: Option<IpAddr>,
    /// Who the front end says it is, having made sure (`REMOTE_USER`).
    pub authenticated: Option<String>,
    /// For what comes after this position it has waited, and it waits no longer.
    pub waited: Option<Cursor>,
}

/// Why a request has no body that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadBody {
    /// It is longer than is read.
    TooLong,
    /// It ended before its length did.
    CutShort,
}

impl Request {
    /// The body, where it came whole.
    pub fn body(&self) -> Result<&[u8], BadBody> {
        self.body.as_deref().map_err(|bad| *bad)
    }

    /// The query's fields.
    pub fn query(&self) -> Fields {
        Fields::parse(self.query.as_bytes())
    }

    /// The text of a header field, where it is there and is text.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a page of another site made a browser send it (Fetch Metadata).
    pub fn is_cross_site(&self) -> bool {
        self.header("sec-fetch-site") == Some("cross-site")
    }

    /// The media types it accepts, in its order, without their parameters.
    pub fn accepts(&self) -> impl Iterator<Item = &str> {
        let types = self.header(http::header::ACCEPT).unwrap_or("").split(',');
        types.map(|one| one.split(';').next().unwrap_or("").trim())
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields, without those that depend on how it is carried.
    pub headers: HeaderMap,
    /// The rest.
    pub body: Body,
    /// What has to be done before it is true.
    pub unsettled: Option<Unsettled>,
    /// What a CGI process exits with that gave it: 0 but where a shell program's caller expects another.
    pub exit_status: u8,
}

/// What an answer waits for.
pub enum Unsettled {
    /// That something is on disk; what the answer is where it can't be.
    OnDisk(OnDisk, fn(io::Error) -> Response),
    /// Work that takes longer than others should wait for; its outcome is the answer.
    Work(Box<dyn FnOnce() -> Response + Send>),
}

impl std::fmt::Debug for Unsettled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unsettled::OnDisk(..) => "OnDisk",
            Unsettled::Work(_) => "Work",
        })
    }
}

/// An answer's body.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// A part of a log.
    Log(LogBody),
    /// A live stream, to be opened. The head is sent first.
    Stream(Box<Stream>),
    /// None yet: the request is to be asked again, as one that has waited, once the wait is over.
    Wait(Box<Wait>),
}

/// A part of a log, read as it is sent.
#[derive(Debug)]
pub struct LogBody {
    log: Log,
    at: u64,
    to: u64,
}

impl Response {
    /// An answer with this status, type and body.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
        Response::of(status, content_type, Body::Whole(body.into()))
    }

    /// The same with any kind of body.
    pub fn of(status: StatusCode, content_type: &'static str, body: Body) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Response { status, headers, body, unsettled: None, exit_status: 0 }
    }

    /// An answer in JSON.
    pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Response {
        match serde_json::to_vec(value) {
            Ok(body) => Response::new(status, "application/json", body),
            Err(_) => Response::new(StatusCode::INTERNAL_SERVER_ERROR, "application/json", "null"),
        }
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Response {
        let mut response = Response::new(status, "text/plain", "");
        response.headers.remove(CONTENT_TYPE);
        response
    }

    /// With this header field, too.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Response {
        self.headers.insert(name, value);
        self
    }

    /// This answer once `on_disk` is true; where that fails, what `otherwise` makes of it.
    pub fn after(mut self, on_disk: Option<OnDisk>, otherwise: fn(io::Error) -> Response) -> Response {
        self.unsettled = on_disk.map(|on_disk| Unsettled::OnDisk(on_disk, otherwise));
        self
    }

    /// The answer that `work` comes to, which a server does on another thread.
    pub fn of_work(work: impl FnOnce() -> Response + Send + 'static) -> Response {
        let mut response = Response::empty(StatusCode::OK);
        response.unsettled = Some(Unsettled::Work(Box::new(work)));
        response
    }

    /// This answer, with which a CGI process exits so.
    pub fn exiting(mut self, status: u8) -> Response {
        self.exit_status = status;
        self
    }

    /// The answer, once what it says is true.
    pub async fn settled(mut self) -> Response {
        match self.unsettled.take() {
            None => self,
            Some(Unsettled::OnDisk(on_disk, otherwise)) => {
                match on_disk.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())) {
                    Ok(()) => self,
                    Err(error) => otherwise(error),
                }
            }
            Some(Unsettled::Work(work)) => {
                let done = tokio::task::spawn_blocking(work).await;
                done.unwrap_or_else(|_| Response::empty(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }

    /// How long the body is, where it is known.
    pub fn content_length(&self) -> Option<u64> {
        match &self.body {
            Body::Whole(bytes) => Some(bytes.len() as u64),
            Body::Log(log) => Some(log.remaining()),
            Body::Stream(_) | Body::Wait(_) => None,
        }
    }
}

impl LogBody {
    /// The bytes of `log` from one offset to another.
    pub fn new(log: Log, from: u64, to: u64) -> LogBody {
        LogBody { log, at: from, to }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> u64 {
        self.to - self.at
    }

    /// The next bytes; `None` at the end. Fails where the log is shorter now than was promised.
    pub fn next_bytes(&mut self) -> io::Result<Option<Bytes>> {
        if self.at == self.to {
            return Ok(None);
        }
        let bytes = self.log.read(self.at, self.remaining().min(STRETCH_MAX_BYTES as u64) as usize)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += bytes.len() as u64;
        Ok(Some(bytes.into()))
    }
}
