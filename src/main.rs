//! Parse, run, print one error, exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use chatroom::cli::{Cli, Command, PlaceOptions, ServerOptions};
use chatroom::gateway::cgi;
use chatroom::gateway::listen::{Address, Bound};
use chatroom::gateway::reload;
use chatroom::gateway::server::{self, Protocol, Stop};
use chatroom::shell::place::{Failure, Place};
use chatroom::shell::status::status;
use chatroom::shell::talk;
use chatroom::shell::{dropin, helpers, page};
use chatroom::store::root::DataRoot;
use clap::Parser;
use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    // A write beyond RLIMIT_FSIZE is to fail as any other, and not to end the process.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    if let Some(done) = helpers::run(&mut io::stdout()) {
        return match done {
            Ok(()) => ExitCode::SUCCESS,
            // A script's loop ends when nobody reads it any more.
            Err(error) if is_broken_pipe(&*error) => ExitCode::FAILURE,
            Err(error) => fail(&error),
        };
    }
    // Before all else, for each request is a process then.
    if cgi::is_cgi() {
        return cgi::run();
    }
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Failure) -> ExitCode {
    let _ = writeln!(io::stderr(), "chatroom: {error}");
    ExitCode::FAILURE
}

fn run(command: Command) -> Result<(), Failure> {
    let mut out = io::stdout();
    match command {
        Command::Serve { listen, options } => {
            check_root(&options)?;
            reload::hold()?;
            let bound = match Bound::inherited(Some(&listen))? {
                Some(passed) => passed,
                None => bind(&listen, &options)?,
            };
            announce(&match bound.address() {
                Address::Tcp(address) => format!("http://{address}/"),
                address => format!("http {address}"),
            });
            serve(bound, Protocol::Http, &options)
        }
        Command::Fastcgi { listen, options } => {
            check_root(&options)?;
            reload::hold()?;
            let bound = match (Bound::inherited(listen.as_ref())?, listen) {
                (Some(passed), _) => passed,
                (None, Some(address)) => bind(&address, &options)?,
                (None, None) => {
                    Err("there is no socket to serve: expected --listen unix:PATH or ADDR:PORT, or a socket \
                                     passed by spawn-fcgi or systemd")?
                }
            };
            announce(&format!("fastcgi {}", bound.address()));
            serve(bound, Protocol::FastCgi, &options)
        }
        Command::Say { room, text, user, place } => talk::say(&open(&place)?, &room, user.as_ref(), text.as_deref()),
        Command::Tail { room, lines, follow, place } => open(&place)?.tail(&room, lines, follow, &mut out),
        Command::Rooms { place } => talk::rooms(&open(&place)?, &mut out),
        Command::Status { url } => status(&url, &mut out),
        Command::Dropin { dir, remove: true, .. } => dropin::remove(&dir, &mut out),
        Command::Dropin { dir, replace, .. } => dropin::install(&dir, replace, &mut out),
        Command::Page { dir, programs } => page::install(&dir, &programs, &mut out),
        Command::Who { room, place } => talk::who(&open(&place)?, &room, &mut out),
    }
}

fn open(options: &PlaceOptions) -> Result<Place, Failure> {
    Place::open(&options.root, options.url.as_deref(), options.watch)
}

/// A root that is not there is noticed now, not at the first request.
fn check_root(options: &ServerOptions) -> Result<(), Failure> {
    let config = options.config();
    // A site's rooms may come to be at its first request.
    let path = match &config.sites {
        Some(sites) if config.root.is_none() => Some(sites.as_path().into()),
        _ => config.data_root(false),
    };
    let Some(path) = path else { return Ok(()) };
    DataRoot::open(&path).and_then(|root| root.rooms().map(drop)).map_err(|error| {
        format!("{}: the folder of rooms can't be opened: {error}; nothing is served", path.display())
    })?;
    Ok(())
}

fn bind(address: &Address, options: &ServerOptions) -> Result<Bound, Failure> {
    Bound::new(address, options.socket_mode())
        .map_err(|error| format!("{address}: can't listen: {error}; nothing is served").into())
}

/// Nobody needs to hear it: after a reload, whoever started the server may have gone.
fn announce(line: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn serve(bound: Bound, protocol: Protocol, options: &ServerOptions) -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).without_time().init();
    match server::run(&bound, protocol, &options.config(), options.workers())? {
        Stop::Ended => Ok(()),
        Stop::Reload => match reload::become_new(bound) {
            Ok(never) => match never {},
            Err(error) => Err(format!("can't become the new program: {error}; nothing is served any more").into()),
        },
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
