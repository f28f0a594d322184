//! One request, one process: CGI (RFC 3875), under fcgiwrap, Apache, lighttpd or busybox httpd. No
//! runtime and, on Linux, no other thread.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IoSlice, IsTerminal, Read, Write};
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
use crate::limits::{BODY_MAX_BYTES, DISCARD_MAX_BYTES};
use crate::live::admission::Admission;
use crate::live::solo::{self, Solo};
use crate::live::stream::Stream;
use crate::store::root::DataRoot;
use crate::store::watch::WatchMode;
use crate::wire::cgi;

/// What a process exits with whose settings make no sense.
const BAD_SETTING: u8 = 2;

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
        Ok(status) => ExitCode::from(status),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chatroom: the answer was cut short: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(variables: &Variables, out: &mut (impl Write + AsFd)) -> io::Result<u8> {
    let program = variables.program().or_else(program_by_name);
    let mut request = variables
        .request(read_body(variables)?, program, |script| Mount { mount: script.to_owned(), path: String::new() });
    let (response, watch) = match open(variables, program.is_some()) {
        Ok((root, config)) => {
            let pace = config.pace(!variables.is_flushed());
            let admission = Admission::new(config.bounds);
            let site = Site { root, pace, registry: None, ack: config.ack, admission };
            let mut response = router::handle(&site, &request);
            if let Body::Wait(wait) = &response.body {
                response = match solo::wait(wait, config.watch, out) {
                    Ok(false) => return Ok(0),
                    Ok(true) => {
                        request.waited = Some(wait.after);
                        router::handle(&site, &request)
                    }
                    Err(error) => Problem::from(error).into_response(),
                };
            }
            (response, config.watch)
        }
        Err((problem, exit_status)) => (problem.into_response().exiting(exit_status), WatchMode::Auto),
    };
    let exit_status = response.exit_status;
    send(response, request.method == Method::HEAD, watch, out).map(|()| exit_status)
}

fn open(variables: &Variables, by_shell_name: bool) -> Result<(Arc<DataRoot>, Config), (Problem, u8)> {
    let broken = |detail: String| (Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail), 0);
    let defaults = Config { home: env::home_dir(), ..Config::default() };
    let config = variables.config(&defaults);
    let config = config.map_err(|error| (broken(error.to_string()).0, BAD_SETTING))?;
    let path = config.data_root(by_shell_name).ok_or_else(|| {
        broken("CHATROOM_ROOT is not set: expected the path of the folder of rooms, as a CGI parameter".into())
    })?;
    let root = if by_shell_name { DataRoot::open_or_create(&path) } else { DataRoot::open(&path) };
    let root =
        root.map_err(|error| broken(format!("CHATROOM_ROOT: the folder of rooms can't be opened: {}", error.kind())))?;
    Ok((Arc::new(root), config))
}

fn read_body(variables: &Variables) -> io::Result<Result<Bytes, BadBody>> {
    let limit = BODY_MAX_BYTES as u64;
    // Who calls a program from a shell says no length: then what is piped into it is the body.
    let piped = || variables.is_posted_by_a_shell() && !io::stdin().is_terminal();
    let said = variables.content_length();
    let length = if said == 0 && piped() { u64::MAX } else { said };
    let mut body = Vec::new();
    io::stdin().take(length.min(limit + 1)).read_to_end(&mut body)?;
    if body.len() as u64 <= limit && said <= limit {
        return Ok(Ok(body.into()));
    }
    // fcgiwrap calls it an error of ours where it can't hand on all of a body.
    let rest = (length - body.len() as u64).min(DISCARD_MAX_BYTES as u64);
    io::copy(&mut io::stdin().take(rest), &mut io::sink())?;
    Ok(Err(BadBody::TooLong))
}

fn send(response: Response, only_head: bool, watch: WatchMode, out: &mut (impl Write + AsFd)) -> io::Result<()> {
    let mut head = Vec::new();
    cgi::head(&mut head, response.status, &response.headers);
    match response.body {
        _ if only_head => out.write_all(&head)?,
        Body::Whole(body) => write_both(out, &head, &body)?,
        Body::Log(mut body) => {
            out.write_all(&head)?;
            while let Some(bytes) = body.next_bytes()? {
                out.write_all(&bytes)?;
            }
        }
        Body::Stream(stream) => return serve(*stream, watch, head, out),
        Body::Wait(_) => out.write_all(&head)?,
    }
    out.flush()
}

/// Writes a head and a body, at once where the system takes them.
fn write_both(out: &mut impl Write, head: &[u8], body: &[u8]) -> io::Result<()> {
    let pieces = [IoSlice::new(head), IoSlice::new(body)];
    let written = match out.write_vectored(&pieces) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        done => done?,
    };
    out.write_all(&head[written.min(head.len())..])?;
    out.write_all(&body[written.saturating_sub(head.len())..])
}

fn serve(stream: Stream, watch: WatchMode, head: Vec<u8>, out: &mut (impl Write + AsFd)) -> io::Result<()> {
    let problem = match Solo::open(stream, watch) {
        Ok(Some(solo)) => return solo.serve(head, out),
        // It was there a moment ago.
        Ok(None) => Problem::new(StatusCode::NOT_FOUND, "the room is gone"),
        Err(error) => Problem::from(error),
    };
    send(problem.into_response(), false, watch, out)
}
