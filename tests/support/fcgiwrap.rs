//! A real fcgiwrap, which runs CGI programs for nginx.

use super::PATIENCE;
use super::process::{Process, tool};
use super::wait::wait_until;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A running fcgiwrap and the workers that it forked.
pub struct Fcgiwrap {
    process: Process,
    socket: PathBuf,
    _dir: TempDir,
}

impl Fcgiwrap {
    /// `fcgiwrap -c WORKERS -s unix:SOCKET`. As many requests, and so streams, run at once.
    pub fn start(workers: usize) -> Fcgiwrap {
        let dir = TempDir::with_prefix("fcgiwrap-").expect("a temporary directory");
        let socket = dir.path().join("fcgiwrap.sock");
        let process = Process::spawn(
            tool("fcgiwrap").args(["-c", &workers.to_string(), "-s"]).arg(format!("unix:{}", socket.display())),
        );
        wait_until("fcgiwrap listens", PATIENCE, || {
            assert!(!process.is_gone(), "fcgiwrap does not start: {}", process.stderr());
            UnixStream::connect(&socket).is_ok()
        });
        Fcgiwrap { process, socket, _dir: dir }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The id of its process and of the group that its workers and CGI programs are in.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it and its CGI programs wrote to stderr.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Ends it and all it runs, as a crash would.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }
}
