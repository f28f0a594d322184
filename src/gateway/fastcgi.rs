//! FastCGI behind a web server: one process, one request at a time on each connection, and live
//! streams that leave this file's hands for the hub's.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::api::exchange::{BadBody, Body, Response};
use crate::api::problem::Problem;
use crate::gateway::listen::Accepted;
use crate::gateway::server::{Connection, Server};
use crate::gateway::variables::{Mount, Variables};
use crate::limits::REQUEST_TIMEOUT;
use crate::live::encoding::Framing;
use crate::live::hub::Open;
use crate::live::socket::Socket;
use crate::live::stream::Stream;
use crate::live::subscriber::{Input, Outcome};
use crate::wire::cgi;
use crate::wire::fastcgi::record;
use crate::wire::fastcgi::session::{Event, Request, Session};

/// Serves the requests of one connection, until either side closes it.
pub fn serve(connection: Connection, accepted: Accepted) -> impl Future<Output = ()> {
    // No `async fn`, and a box around what a request needs: an idle stream is to hold none of it.
    let socket = accepted.into_socket().map(Rc::new);
    async move {
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => return debug!(%error, "a FastCGI connection can't be served"),
        };
        let mut session = Session::default();
        loop {
            match Box::pin(next_stream(&connection.server, &socket, &mut session)).await {
                Ok(Some((open, keep_conn))) => {
                    let outcome = open.serve(|bytes| meanwhile(&mut session, bytes)).await;
                    if outcome != Outcome::Complete || !keep_conn {
                        return;
                    }
                    session.answered();
                }
                Ok(None) => return,
                Err(error) => return debug!(%error, "a FastCGI connection ends"),
            }
        }
    }
}

enum Next {
    Request,
    Close,
    Stream(Box<Open>, bool),
}

/// Answers requests until one is for a stream; says whether the connection is kept after it. `None` where the
/// connection is to be closed.
async fn next_stream(
    server: &Rc<Server>,
    socket: &Rc<Socket>,
    session: &mut Session,
) -> io::Result<Option<(Box<Open>, bool)>> {
    while let Some(request) = next_request(server, socket, session).await? {
        match answer(server, socket, session, request).await? {
            Next::Request => session.answered(),
            Next::Close => break,
            Next::Stream(open, keep_conn) => return Ok(Some((open, keep_conn))),
        }
    }
    Ok(None)
}

async fn next_request(server: &Server, socket: &Socket, session: &mut Session) -> io::Result<Option<Request>> {
    let mut deadline = None;
    loop {
        while let Some(event) = session.next_event().map_err(malformed)? {
            match event {
                Event::Request(request) => return Ok(Some(request)),
                Event::Reply(reply) => socket.write_all(reply.into()).await?,
                Event::Aborted => {}
            }
        }
        let read = if session.is_idle() {
            // A connection that waits for its next request may wait for ever.
            deadline = None;
            tokio::select! {
                // What is there already is answered.
                biased;
                read = read(socket, session) => read?,
                () = server.stopped(), if session.has_answered() => return Ok(None),
            }
        } else {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + REQUEST_TIMEOUT);
            timeout_at(deadline, read(socket, session)).await??
        };
        if read == 0 {
            return Ok(None);
        }
    }
}

/// Waits until something can be read, and feeds it to the session; how much that was.
async fn read(socket: &Socket, session: &mut Session) -> io::Result<usize> {
    socket.read(|bytes| session.feed(bytes)).await
}

fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    warn!(%error, "a FastCGI connection is closed");
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What comes in while a stream goes out.
fn meanwhile(session: &mut Session, bytes: &[u8]) -> Input {
    session.feed(bytes);
    let mut replies = Vec::new();
    loop {
        match session.next_event() {
            Ok(None) if replies.is_empty() => return Input::Ignore,
            Ok(None) => return Input::Reply(replies.into()),
            Ok(Some(Event::Reply(reply))) => replies.extend(reply),
            Ok(Some(Event::Aborted)) => return Input::End,
            // There is none while another is answered.
            Ok(Some(Event::Request(_))) => return Input::Stop,
            Err(error) => {
                warn!(%error, "a FastCGI connection is closed");
                return Input::Stop;
            }
        }
    }
}

/// Waits until the peer gives up on its request. Says whether it wants the request ended in order.
async fn given_up(socket: &Socket, session: &mut Session) -> io::Result<bool> {
    loop {
        let mut input = Input::Ignore;
        if socket.read(|bytes| input = meanwhile(session, bytes)).await? == 0 {
            return Ok(false);
        }
        match input {
            Input::Ignore => {}
            Input::Reply(reply) => socket.write_all(reply).await?,
            Input::End => return Ok(true),
            Input::Stop => return Ok(false),
        }
    }
}

async fn answer(server: &Rc<Server>, socket: &Rc<Socket>, session: &mut Session, request: Request) -> io::Result<Next> {
    let Request { id, keep_conn, params, body } = request;
    let variables = Variables::new(params);
    let program = variables.program();
    // Without PATH_INFO, as in the parameters that nginx ships, the script's name is the path.
    let mut asked = variables.request(body.map(Bytes::from).ok_or(BadBody::TooLong), program, |script| Mount {
        mount: String::new(),
        path: script.to_owned(),
    });
    let next = if keep_conn { Next::Request } else { Next::Close };
    let response = match variables.config(server.config()) {
        Ok(config) => tokio::select! {
            biased;
            response = server.handle(&config, &mut asked) => response,
            // Only one that waits comes here.
            end = given_up(socket, session) => {
                if !end? {
                    return Ok(Next::Close);
                }
                let mut out = Vec::new();
                record::end(&mut out, id, record::Outcome::Complete);
                return socket.write_all(out.into()).await.map(|()| next);
            }
        },
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    };
    let only_head = asked.method == Method::HEAD;
    drop((variables, asked));
    let mut head = Vec::new();
    cgi::head(&mut head, response.status, &response.headers);
    match response.body {
        Body::Stream(stream) if !only_head => open(server, socket, *stream, head, id, keep_conn).await,
        body => send(socket, id, head, if only_head { Body::Whole(Bytes::new()) } else { body }).await.map(|()| next),
    }
}

async fn open(
    server: &Rc<Server>,
    socket: &Rc<Socket>,
    stream: Stream,
    head: Vec<u8>,
    id: u16,
    keep_conn: bool,
) -> io::Result<Next> {
    let problem = match server.hub.open(stream, socket.clone(), head, Framing::FastCgi, id) {
        Ok(Some(open)) => return Ok(Next::Stream(open, keep_conn)),
        Ok(None) => Problem::new(StatusCode::NOT_FOUND, "the room is gone"),
        Err(error) => Problem::from(error),
    };
    let Response { status, headers, body, .. } = problem.into_response();
    let mut head = Vec::new();
    cgi::head(&mut head, status, &headers);
    send(socket, id, head, body).await?;
    Ok(if keep_conn { Next::Request } else { Next::Close })
}

async fn send(socket: &Socket, id: u16, head: Vec<u8>, body: Body) -> io::Result<()> {
    let mut out = Vec::new();
    match body {
        Body::Whole(body) => record::stdout(&mut out, id, &[&head[..], &body].concat()),
        Body::Log(mut body) => {
            record::stdout(&mut out, id, &head);
            while let Some(bytes) = body.next_bytes()? {
                record::stdout(&mut out, id, &bytes);
                socket.write_all(std::mem::take(&mut out).into()).await?;
            }
        }
        Body::Stream(_) | Body::Wait(_) => record::stdout(&mut out, id, &head),
    }
    record::end(&mut out, id, record::Outcome::Complete);
    socket.write_all(out.into()).await
}
