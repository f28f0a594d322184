//! `chatroom fastcgi` on a socket that spawn-fcgi opened for it.

use super::PATIENCE;
use super::process::{Process, tool};
use super::server::binary;
use super::wait::wait_until;
use nix::sys::signal::Signal;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use tempfile::TempDir;

/// A running `chatroom fastcgi`, with the socket as its descriptor 0.
pub struct SpawnFcgi {
    process: Process,
    socket: PathBuf,
    _dir: TempDir,
}

impl SpawnFcgi {
    /// `spawn-fcgi -n -s SOCKET -- chatroom fastcgi ROOT ARGS…`.
    pub fn start(root: &Path, args: &[&str]) -> SpawnFcgi {
        let dir = TempDir::with_prefix("spawn-fcgi-").expect("a temporary directory");
        let socket = dir.path().join("chatroom.sock");
        let process = Process::spawn(
            tool("spawn-fcgi")
                .args(["-n", "-s"])
                .arg(&socket)
                .arg("--")
                .arg(binary())
                .arg("fastcgi")
                .arg(root)
                .args(args),
        );
        wait_until("spawn-fcgi listens", PATIENCE, || {
            assert!(!process.is_gone(), "spawn-fcgi: {}", process.stderr());
            UnixStream::connect(&socket).is_ok()
        });
        SpawnFcgi { process, socket, _dir: dir }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The same in nginx's words: `unix:PATH`.
    pub fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// The process id of chatroom: spawn-fcgi became it.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it wrote to stderr.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// SIGTERM, and its exit status.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.stop(Signal::SIGTERM)
    }
}
