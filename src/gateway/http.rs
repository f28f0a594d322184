//! HTTP/1.1 by itself: hyper reads requests and writes answers. A live stream leaves its hands: the
//! socket goes to the hub, which keeps a tenth of the memory for it, and the answer ends where the
//! connection does (RFC 9112, section 6.3), so that its bytes are the same for all readers.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, DATE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use tracing::debug;

use crate::api::exchange::{BadBody, Body, LogBody, Request, Response};
use crate::api::problem::Problem;
use crate::gateway::listen::Accepted;
use crate::gateway::server::{Connection, Server};
use crate::limits::{BODY_MAX_BYTES, DISCARD_MAX_BYTES, HEAD_MAX_BYTES, REQUEST_TIMEOUT};
use crate::live::encoding::Framing;
use crate::live::hub::Open;
use crate::live::stream::Stream;
use crate::live::subscriber::Input;
use crate::wire::cgi;

/// For whom a proxy asks; each adds one at the end.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Serves the requests of one connection, until either side closes it.
pub fn serve(connection: Connection, accepted: Accepted) -> impl Future<Output = ()> {
    // No `async fn`, and boxes around what requests need: an idle stream is to hold none of it.
    let requests = Box::pin(requests(connection.server.clone(), accepted));
    async move {
        let opened = match requests.await {
            Some((accepted, taken)) => Box::pin(open(&connection.server, accepted, taken)).await,
            None => Ok(None),
        };
        match opened {
            Ok(Some(open)) => drop(open.serve(|_| Input::Ignore).await),
            Ok(None) => {}
            Err(error) => debug!(%error, "an HTTP connection ends"),
        }
    }
}

/// Answers requests until one is for a stream; `None` where the connection ends before that.
async fn requests(server: Rc<Server>, accepted: Accepted) -> Option<(Accepted, Taken)> {
    let peer = accepted.peer();
    match accepted {
        Accepted::Tcp(socket) => converse(&server, socket, peer).await.map(|(s, t)| (Accepted::Tcp(s), t)),
        Accepted::Unix(socket) => converse(&server, socket, peer).await.map(|(s, t)| (Accepted::Unix(s), t)),
    }
}

/// A stream that was asked for, taken from hyper before it is answered.
struct Taken {
    head: Vec<u8>,
    stream: Box<Stream>,
}

/// Answers requests, until the connection ends or a stream is asked for.
async fn converse<S>(server: &Rc<Server>, socket: S, peer: Option<IpAddr>) -> Option<(S, Taken)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let taken: Rc<RefCell<Option<Taken>>> = Rc::default();
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (server, taken) = (server.clone(), taken.clone());
        Box::pin(async move {
            let only_head = request.method() == Method::HEAD;
            let response = answer(&server, request, peer).await;
            match response.body {
                Body::Stream(stream) if !only_head => {
                    *taken.borrow_mut() = Some(Taken { head: stream_head(response.status, response.headers), stream });
                    // hyper is to write nothing more: the connection is taken from it.
                    pending().await
                }
                _ => Ok::<_, Infallible>(into_hyper(response)),
            }
        })
    });
    let (heard, blocked) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let io = Observed { io: TokioIo::new(socket), heard: heard.clone(), blocked: blocked.clone() };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(io, service);
    let mut stopped = pin!(server.stopped());
    let (mut stopping, mut told) = (false, false);
    let ended = poll_fn(|cx| {
        stopping = stopping || stopped.as_mut().poll(cx).is_ready();
        loop {
            match connection.poll_without_shutdown(cx) {
                Poll::Ready(done) => return Poll::Ready(Some(done)),
                // What hyper still has to write of an earlier answer comes first.
                Poll::Pending if taken.borrow().is_some() && !blocked.get() => return Poll::Ready(None),
                // Who only just connected has a request on its way, and hyper would close on it.
                Poll::Pending if stopping && !told && heard.get() => {
                    told = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    match ended {
        Some(done) => {
            if let Err(error) = done {
                debug!(%error, "an HTTP connection ends");
            }
            None
        }
        None => {
            let parts = connection.into_parts();
            let taken = taken.borrow_mut().take()?;
            Some((parts.io.io.into_inner(), taken))
        }
    }
}

async fn answer(server: &Server, request: hyper::Request<Incoming>, peer: Option<IpAddr>) -> Response {
    let (parts, mut body) = request.into_parts();
    if let Some(why) = ambiguous(parts.version, &parts.headers) {
        return Problem::bad_request(why).into_response().with(CONNECTION, HeaderValue::from_static("close"));
    }
    let body = match timeout(REQUEST_TIMEOUT, Limited::new(&mut body, BODY_MAX_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            // Who is still writing would see a reset connection and no answer.
            let _ = timeout(REQUEST_TIMEOUT, discard(body)).await;
            Err(BadBody::TooLong)
        }
        Ok(Err(_)) => return Problem::bad_request("the body did not come whole").into_response(),
        Err(_) => return Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time").into_response(),
    };
    let mut request = Request {
        method: parts.method,
        mount: String::new(),
        path: percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        client: client(peer, &parts.headers),
        headers: parts.headers,
        body,
        authenticated: None,
        waited: None,
    };
    server.handle(server.config(), &mut request).await
}

/// Why a proxy before us may have taken a request for another one than we do (RFC 9112, sections 3.2 and 6.1).
fn ambiguous(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || hosts == 0 && version == Version::HTTP_11 {
        return Some("expected one `Host`");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let known = codings.next().is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    (!known || codings.next().is_some()).then_some("`Transfer-Encoding`: expected `chunked`, once, or none")
}

/// Reads what is left of a body, as far as that is worth it, and keeps none of it.
async fn discard(mut body: Incoming) {
    let mut left = DISCARD_MAX_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Who asks. One who connects from this machine, or over a Unix socket, is a proxy, and its word is taken for whom it
/// asks.
fn client(peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    if peer.is_some_and(|peer| !peer.to_canonical().is_loopback()) {
        return peer;
    }
    let forwarded = headers.get_all(FORWARDED_FOR).into_iter().next_back();
    let nearest = forwarded.and_then(|list| list.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    nearest.or(peer)
}

fn stream_head(status: StatusCode, mut headers: HeaderMap) -> Vec<u8> {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    headers.extend(HeaderValue::try_from(date).ok().map(|date| (DATE, date)));
    let mut head = Vec::new();
    cgi::http_head(&mut head, status, &headers);
    head
}

async fn open(server: &Rc<Server>, accepted: Accepted, taken: Taken) -> io::Result<Option<Box<Open>>> {
    let socket = Rc::new(accepted.into_socket()?);
    let problem = match server.hub.open(*taken.stream, socket.clone(), taken.head, Framing::Plain, 0) {
        Ok(Some(open)) => return Ok(Some(open)),
        Ok(None) => Problem::new(StatusCode::NOT_FOUND, "the room is gone"),
        Err(error) => Problem::from(error),
    };
    let Response { status, headers, body, .. } = problem.into_response();
    let mut whole = stream_head(status, headers);
    if let Body::Whole(body) = body {
        whole.extend_from_slice(&body);
    }
    socket.write_all(whole.into()).await.map(|()| None)
}

fn into_hyper(response: Response) -> hyper::Response<Content> {
    let content = match response.body {
        Body::Whole(bytes) => Content::Whole(Some(bytes)),
        Body::Log(log) => Content::Log(log),
        Body::Stream(_) | Body::Wait(_) => Content::Whole(None),
    };
    let mut answer = hyper::Response::new(content);
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    answer
}

/// A body as hyper sends it.
enum Content {
    Whole(Option<Bytes>),
    Log(LogBody),
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = match &mut *self {
            Content::Whole(bytes) => Ok(bytes.take()),
            Content::Log(log) => log.next_bytes(),
        };
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Content::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Content::Log(log) => log.remaining(),
        })
    }
}

/// A socket that tells whether anything was read from it, and whether hyper has something left to write.
struct Observed<S> {
    io: TokioIo<S>,
    heard: Rc<Cell<bool>>,
    blocked: Rc<Cell<bool>>,
}

impl<S: tokio::io::AsyncRead + Unpin> Read for Observed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        self.heard.set(self.heard.get() || read.is_ready());
        read
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> Write for Observed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.blocked.set(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.blocked.set(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
