//! A file that a running program can't read for a while: the kernel answers each read with EIO, as it does where a disk is
//! broken. `strace` makes it so.

use super::PATIENCE;
use super::process::{Process, tool};
use super::wait::wait_until;
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;

/// The file can't be read for as long as this is there.
pub struct Unreadable {
    strace: Process,
}

impl Unreadable {
    /// From now on the process, in all its threads, can't read the file that has this path, whatever file that is.
    pub fn begin(pid: u32, path: &Path) -> Unreadable {
        let mut command = failing(path);
        let strace = Process::spawn(command.args(["-p", &pid.to_string()]));
        // It says so once it has all threads.
        wait_until("strace has the process", PATIENCE, || strace.stderr().contains(" attached") || strace.is_gone());
        assert!(!strace.is_gone(), "strace can't have the process: {}", strace.stderr());
        Unreadable { strace }
    }

    /// How many reads failed so far.
    pub fn failures(&self) -> usize {
        self.strace.stderr().matches("(INJECTED)").count()
    }

    /// It can be read again.
    pub fn end(mut self) {
        self.strace.stop(Signal::SIGINT);
        assert!(self.failures() > 0, "nothing was read, so nothing failed: {}", self.strace.stderr());
    }
}

/// `strace`, of whatever is said behind it, with a file that can't be read.
pub fn failing(path: &Path) -> Command {
    let mut command = tool("strace");
    // The file by the name that the kernel has for it.
    let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    command.arg("-f").arg("-P").arg(path).args(["-e", "trace=read,pread64", "-e", "inject=read,pread64:error=EIO"]);
    command
}
