//! A reload: the process becomes the program that has its name now, with the same arguments, the same environment and the
//! same listening socket. Connections that come meanwhile wait in that socket's queue, so none is refused; and it stays
//! the same process to whoever supervises it.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{SigSet, Signal};

use crate::gateway::listen::Bound;
use crate::limits::{POLL_EVERY, RELOAD_WAIT};

/// Lets signals wait that stop or reload a server: in this thread, and in those that it starts from now on. To be called
/// before anybody can know that there is a server: it would end by them as a crash does.
pub fn hold() -> io::Result<()> {
    Ok(signals().thread_block()?)
}

/// Waits for one of those that wait. What nobody takes goes on waiting, also for the program after this one: so none is
/// lost.
pub fn next() -> io::Result<Signal> {
    Ok(signals().wait()?)
}

/// Whether the program that has this one's name now can be run at all: one that can't must not end one that serves.
pub fn is_possible() -> io::Result<()> {
    let mut command = program()?;
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut asked = command.spawn()?;
    let deadline = Instant::now() + RELOAD_WAIT;
    let why = loop {
        match asked.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => break status.to_string(),
            None if Instant::now() > deadline => {
                asked.kill()?;
                asked.wait()?;
                break "it does not end".to_owned();
            }
            None => thread::sleep(POLL_EVERY),
        }
    };
    Err(io::Error::other(format!("the program that is there now can't say its version: {why}")))
}

/// Becomes that program. Returns only where that fails. Signals are to be held.
pub fn become_new(bound: Bound) -> io::Result<Infallible> {
    let socket = bound.hand_on()?;
    Err(program()?.args(std::env::args_os().skip(1)).stdin(socket).exec())
}

/// The program, by the name by which this one was called.
fn program() -> io::Result<Command> {
    let name = std::env::args_os().next().filter(|name| !name.is_empty());
    Ok(Command::new(name.map_or_else(std::env::current_exe, |name| Ok(name.into()))?))
}

/// What stops or reloads a server.
fn signals() -> SigSet {
    SigSet::from_iter([Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT])
}
