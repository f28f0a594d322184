//! A real fcgiwrap, which runs CGI programs for nginx.

use super::PATIENCE;
use super::process::{Process, tool};
use super::wait::wait_until;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
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
        Fcgiwrap::start_by(tool("fcgiwrap"), workers)
    }

    /// The same, with this in its environment.
    pub fn start_with(workers: usize, name: &str, value: &Path) -> Fcgiwrap {
        let mut command = tool("fcgiwrap");
        command.env(name, value);
        Fcgiwrap::start_by(command, workers)
    }

    /// The same, in a user namespace that has but so many inotify instances: nobody else is short of them.
    pub fn start_with_instances(workers: usize, instances: usize) -> Fcgiwrap {
        let script = format!("echo {instances} >/proc/sys/user/max_inotify_instances && exec fcgiwrap \"$@\"");
        let mut command = tool("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", &script, "sh"]);
        Fcgiwrap::start_by(command, workers)
    }

    fn start_by(mut command: Command, workers: usize) -> Fcgiwrap {
        let dir = TempDir::with_prefix("fcgiwrap-").expect("a temporary directory");
        let socket = dir.path().join("fcgiwrap.sock");
        let process =
            Process::spawn(command.args(["-c", &workers.to_string(), "-s"]).arg(format!("unix:{}", socket.display())));
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
