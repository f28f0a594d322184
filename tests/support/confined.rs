//! A server in namespaces of its own, where a disk, or what the kernel gives to a user, can be made small: nobody else is
//! short of it.

use super::process::{Process, tool};
use super::rooms::Rooms;
use super::server::{Server, binary};
use nix::unistd::Uid;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A server and what it sees.
pub struct Confined {
    /// The server.
    pub server: Server,
    /// Its rooms, as it sees them.
    pub rooms: Rooms,
    root: PathBuf,
    in_user_namespace: bool,
    _dir: TempDir,
}

impl Confined {
    /// `chatroom serve` with a disk of this size for its rooms.
    pub fn with_disk(kilobytes: u32, args: &[&str]) -> Confined {
        Confined::in_mounts(&format!("mount -t tmpfs -o size={kilobytes}k,nr_inodes=64 none \"$ROOT\""), args)
    }

    /// `chatroom serve` where a script has changed what is mounted; the folder of rooms is `$ROOT`.
    pub fn in_mounts(script: &str, args: &[&str]) -> Confined {
        // Whoever is root needs no namespace of users, which some systems forbid.
        Confined::start(&["--mount"], !Uid::effective().is_root(), script, args)
    }

    /// `chatroom serve` in a network of its own, which a script has set up; the folder of rooms is `$ROOT`.
    pub fn in_network(script: &str, args: &[&str]) -> Confined {
        Confined::start(&["--net"], !Uid::effective().is_root(), script, args)
    }

    /// `chatroom serve` of a user who may have but so many inotify instances and watches.
    pub fn with_inotify(instances: u32, watches: u32, args: &[&str]) -> Confined {
        Confined::start(&[], true, &limits(instances, watches), args)
    }

    fn start(namespaces: &[&str], in_user_namespace: bool, script: &str, args: &[&str]) -> Confined {
        let dir = TempDir::with_prefix("confined-").expect("a temporary directory");
        let root = dir.path().to_owned();
        let mut command = tool("unshare");
        command.args(namespaces);
        if in_user_namespace {
            command.args(["--user", "--map-root-user"]);
        }
        let script = format!("{script} && exec \"$0\" serve \"$ROOT\" --listen 127.0.0.1:0 \"$@\"");
        command.args(["sh", "-ec", &script]).arg(binary()).args(args).env("ROOT", &root);
        let server = Server::start(&mut command);
        // What is mounted there is seen by this way only.
        let seen = PathBuf::from(format!("/proc/{}/root{}", server.pid(), root.display()));
        Confined { server, rooms: Rooms::at(seen), root, in_user_namespace, _dir: dir }
    }

    fn inside(&self, script: &str) -> Command {
        let mut command = tool("nsenter");
        command.args(["--target", &self.server.pid().to_string(), "--mount", "--net"]);
        if self.in_user_namespace {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["sh", "-ec", script]).env("ROOT", &self.root);
        command
    }

    /// Begins a script where the server is.
    pub fn spawn(&self, script: &str) -> Process {
        Process::spawn(&mut self.inside(script))
    }

    /// Runs a script where the server is.
    pub fn run(&self, script: &str) -> Output {
        let output = self.inside(script).output().expect("nsenter runs");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Changes how many inotify instances and watches it may have.
    pub fn set_inotify(&self, instances: u32, watches: u32) {
        self.run(&limits(instances, watches));
    }

    /// Takes what is left of the disk but so many pages: all other bytes, and all names.
    pub fn fill_but(&self, pages: u64) {
        let ballast = self.ballast();
        fs::create_dir(&ballast).expect("a directory");
        let mut file = fs::File::create(ballast.join("bytes")).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().expect("its length").len();
        file.set_len(length - pages * 4096).expect("a shorter file");
        (0..).take_while(|n| fs::File::create(ballast.join(n.to_string())).is_ok()).for_each(drop);
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_dir_all(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.rooms.root().join("ballast.")
    }
}

fn limits(instances: u32, watches: u32) -> String {
    let limit = |what: &str, most: u32| format!("echo {most} >/proc/sys/user/max_inotify_{what}");
    format!("{} && {}", limit("instances", instances), limit("watches", watches))
}

/// Sets a limit of a running process, soft and hard; `resource` as `prlimit` calls it.
pub fn limit(pid: u32, resource: &str, most: u64) {
    let mut command: Command = tool("prlimit");
    let status = command.args(["--pid", &pid.to_string(), &format!("--{resource}={most}:")]).status();
    assert!(status.expect("prlimit runs").success(), "--{resource}={most}");
}

/// How many descriptors a process has.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").count()
}

/// A figure of `/proc/PID/status`, in kilobytes.
pub fn kilobytes(pid: u32, name: &str) -> u64 {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let line = line.unwrap_or_else(|| panic!("no {name} in {status}"));
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How much memory a process has for itself alone, exactly, in kilobytes.
pub fn private_kilobytes(pid: u32) -> u64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    let rollup = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let figure = |line: &str| line.strip_prefix("Private_")?.split_whitespace().nth(1)?.parse::<u64>().ok();
    rollup.lines().filter_map(figure).sum()
}

/// Whether a process has this open: a part of the name of what a descriptor is.
pub fn has_open(pid: u32, what: &str) -> bool {
    let entries = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).expect("the process is there");
    entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| link.to_string_lossy().contains(what))
}
