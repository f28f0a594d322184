//! One request, one process: CGI (RFC 3875), under fcgiwrap, Apache, lighttpd or busybox httpd. No
//! runtime and, on Linux, no other thread.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::api::dropin::Program;
use crate::api::exchange::{BadBody, Body, Response};
use crate::api::problem::Problem;
use crate::api::router;
use crate::api::site::Site;
use crate::config::Config;
use crate::gateway::variables::{Mount, Variables};
use crate::limits::BODY_MAX_BYTES;
use crate::live::admission::Admission;
use crate::live::solo;
use crate::live::stream::Stream;
use crate::store::root::DataRoot;
use crate::store::watch::WatchMode;
use crate::wire::cgi;

/// Whether this process was started as a CGI program: the environment says so, or its name is a
/// drop-in's.
pub fn is_cgi() -> bool {
    env::var_os("GATEWAY_INTERFACE").is_some() || program_by_name().is_some()
}

fn program_by_name() -> Option<Program> {
    let name = env::args_os().next()?;
    Program::named(Path::new(&name).file_name().and_then(OsStr::to_str)?)
}

/// Answers the one request. An answer that could not be given whole is told in the exit code, for
/// nobody reads standard error here, and fcgiwrap has it closed when its client goes.
pub fn run() -> ExitCode {
    let variables = Variables::new(env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect());
    let mut out = io::stdout();
    match answer(&variables, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chatroom: the answer was cut short: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(variables: &Variables, out: &mut (impl Write + AsFd)) -> io::Result<()> {
    let program = variables.program().or_else(program_by_name);
    let request = variables
        .request(read_body(variables)?, program, |script| Mount { mount: script.to_owned(), path: String::new() });
    let (response, watch) = match open(variables) {
        Ok((root, config)) => {
            let pace = config.pace(!variables.is_flushed());
            (
                router::handle(
                    &Site { root, pace, registry: None, ack: config.ack, admission: Admission::new(config.bounds) },
                    &request,
                ),
                config.watch,
            )
        }
        Err(problem) => (problem.into_response(), WatchMode::Auto),
    };
    send(response, request.method == Method::HEAD, watch, out)
}

fn open(variables: &Variables) -> Result<(Arc<DataRoot>, Config), Problem> {
    let broken = |detail: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail);
    let config = variables.config(&Config::default()).map_err(|error| broken(error.to_string()))?;
    let path = config.root().ok_or_else(|| {
        broken("CHATROOM_ROOT is not set: expected the path of the folder of rooms, as a CGI parameter".into())
    })?;
    let root = DataRoot::open(path)
        .map_err(|error| broken(format!("CHATROOM_ROOT: the folder of rooms can't be opened: {}", error.kind())))?;
    Ok((Arc::new(root), config))
}

fn read_body(variables: &Variables) -> io::Result<Result<Bytes, BadBody>> {
    let length = variables.content_length();
    if length > BODY_MAX_BYTES as u64 {
        return Ok(Err(BadBody::TooLong));
    }
    let mut body = Vec::new();
    io::stdin().take(length).read_to_end(&mut body)?;
    Ok(Ok(body.into()))
}

fn send(response: Response, only_head: bool, watch: WatchMode, out: &mut (impl Write + AsFd)) -> io::Result<()> {
    let mut head = Vec::new();
    cgi::head(&mut head, response.status, &response.headers);
    match response.body {
        _ if only_head => out.write_all(&head)?,
        Body::Whole(body) => out.write_all(&[&head[..], &body].concat())?,
        Body::Log(mut body) => {
            out.write_all(&head)?;
            while let Some(bytes) = body.next_bytes()? {
                out.write_all(&bytes)?;
            }
        }
        Body::Stream(stream) => return serve(*stream, watch, head, out),
    }
    out.flush()
}

fn serve(stream: Stream, watch: WatchMode, head: Vec<u8>, out: &mut (impl Write + AsFd)) -> io::Result<()> {
    if solo::serve(stream, watch, head, out)? {
        return Ok(());
    }
    // It was there a moment ago.
    let gone = Problem::new(StatusCode::NOT_FOUND, "the room is gone").into_response();
    send(gone, false, watch, out)
}
