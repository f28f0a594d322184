//! Requests and answers, as every gateway sees them.

use std::io;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
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

    /// Whether a page of another origin made a browser send it: browsers say so themselves (Fetch Metadata), but older
    /// ones, and all without TLS, only where the page came from (`Origin`).
    pub fn is_cross_site(&self) -> bool {
        match (self.headers.get("sec-fetch-site"), self.headers.get(ORIGIN)) {
            (Some(site), _) => !matches!(site.as_bytes(), b"same-origin" | b"none"),
            (None, Some(origin)) => !origin.to_str().is_ok_and(|origin| self.is_own_origin(origin)),
            (None, None) => false,
        }
    }

    /// Whether the host of `origin` is the one that was asked: by the client, or, as a proxy tells, before it. No page can
    /// make a browser send another `Host`, nor `X-Forwarded-Host` without being asked first.
    fn is_own_origin(&self, origin: &str) -> bool {
        let Some((_, origin)) = origin.split_once("://") else { return false };
        let forwarded = self.header("x-forwarded-host").unwrap_or("").split(',');
        forwarded.chain(self.header(HOST)).any(|host| same_host(host.trim(), origin))
    }

    /// The media types it accepts, in its order, without their parameters.
    pub fn accepts(&self) -> impl Iterator<Item = &str> {
        let types = self.header(http::header::ACCEPT).unwrap_or("").split(',');
        types.map(|one| one.split(';').next().unwrap_or("").trim())
    }
}

/// Whether both name the same host. Proxies may not know at which port they are reached: it counts where both name one.
fn same_host(one: &str, other: &str) -> bool {
    let ((one, one_port), (other, other_port)) = (host_and_port(one), host_and_port(other));
    let same_port = one_port.is_none() || other_port.is_none() || one_port == other_port;
    !one.is_empty() && one.eq_ignore_ascii_case(other) && same_port
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // A `]` ends an IPv6 address, which has colons of its own.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cross_site(headers: &[(&'static str, &'static str)]) -> bool {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Request {
            method: Method::POST,
            mount: String::new(),
            path: String::new(),
            query: String::new(),
            headers: headers.collect(),
            body: Ok(Bytes::new()),
            client: None,
            authenticated: None,
            waited: None,
        }
        .is_cross_site()
    }

    #[test]
    fn browsers_say_where_a_request_comes_from() {
        for site in ["cross-site", "same-site", "anything"] {
            assert!(is_cross_site(&[("sec-fetch-site", site), ("origin", "http://a"), ("host", "a")]), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert!(!is_cross_site(&[("sec-fetch-site", site), ("origin", "http://b"), ("host", "a")]), "{site}");
        }
        assert!(!is_cross_site(&[]), "no browser");
    }

    #[test]
    fn older_ones_say_it_by_the_origin() {
        for (origin, host) in [
            ("http://a.example", "a.example"),
            ("https://A.example", "a.example:8443"),
            ("https://a.example:8443", "a.example"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[::1]", "[::1]:8080"),
        ] {
            assert!(!is_cross_site(&[("origin", origin), ("host", host)]), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "null"),
            ("", ""),
            ("http://", ""),
            ("http://b.example", "a.example"),
            ("http://a.example.b.example", "a.example"),
            ("http://a.example:1", "a.example:2"),
            ("http://[::1]", "[::2]"),
        ] {
            assert!(is_cross_site(&[("origin", origin), ("host", host)]), "{origin} {host}");
        }
        let proxied = ("x-forwarded-host", "a.example, inner");
        assert!(!is_cross_site(&[("origin", "https://a.example"), ("host", "127.0.0.1:8081"), proxied]));
        assert!(is_cross_site(&[("origin", "https://b.example"), ("host", "127.0.0.1:8081"), proxied]));
    }
}
