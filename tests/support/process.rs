//! A program under test or beside it: what it prints is collected, and it never outlives its test.

use super::PATIENCE;
use super::wait::wait_until;
use super::watch;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Lets this process, and those that it starts from now on, have as many descriptors as may be; how many that is.
pub fn raise_descriptors() -> usize {
    let most = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit").1;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("a soft limit may be as the hard one");
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// A command for an installed program, in an environment without anything of chatroom's.
pub fn tool(program: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file());
    let Some(file) = found else {
        panic!("{program} is not installed; tests/run installs it");
    };
    clean(file)
}

/// A command with no input, no `CHATROOM_…`, CGI or systemd variable that the tests' own shell may have, in UTC.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if ["CHATROOM_", "WIZARDRY_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            command.env_remove(name);
        }
    }
    for name in ["GATEWAY_INTERFACE", "LISTEN_FDS", "LISTEN_PID"] {
        command.env_remove(name);
    }
    command.envs(watch::forced().map(|way| ("CHATROOM_WATCH", way)));
    command.env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// A running child, the leader of a process group of its own: what it starts in turn ends with it.
pub struct Process {
    name: String,
    child: Child,
    exit: Option<ExitStatus>,
    stdout: Receiver<String>,
    stderr: Collected,
}

impl Process {
    /// Starts the command, with both outputs collected.
    pub fn spawn(command: &mut Command) -> Process {
        let name = name_of(command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdout = lines(child.stdout.take().expect("stdout is piped"));
        let stderr = Collected::from(child.stderr.take().expect("stderr is piped"));
        Process { name, child, exit: None, stdout, stderr }
    }

    /// The command line that it runs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id, which is also the id of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its stdout, or `None` where it closed that.
    pub fn stdout_line(&mut self) -> Option<String> {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} prints nothing", self.name),
        }
    }

    /// What it has written to stderr so far; all of it where it has ended.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if self.exit.is_none() {
            kill(self.group(), signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        }
    }

    /// Whether it has ended by itself.
    pub fn is_gone(&self) -> bool {
        self.exit.is_some() || {
            // It stays a zombie until `reap`, so that its number, and its group's, can be nobody else's.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            !matches!(waitid(Id::Pid(self.group()), flags), Ok(WaitStatus::StillAlive))
        }
    }

    /// Waits for its end, and ends what is left of its group.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        wait_until(&format!("{} ends", self.name), deadline, || self.is_gone());
        self.reap()
    }

    /// Asks it to end, and waits for that.
    pub fn stop(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait(PATIENCE)
    }

    /// Ends it as a crash would.
    pub fn kill9(&mut self) -> ExitStatus {
        self.reap()
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn reap(&mut self) -> ExitStatus {
        if let Some(exit) = self.exit {
            return exit;
        }
        // Fails only where all of the group is gone already.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let exit = self.child.wait().expect("a child can be waited for");
        self.exit = Some(exit);
        self.stderr.finish();
        exit
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
        if thread::panicking() {
            eprintln!("--- stderr of {}\n{}---", self.name, self.stderr());
        }
    }
}

/// The command line, without the environment.
fn name_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Reads lines for as long as anybody holds the other end.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            // Nobody may want it; the pipe is emptied all the same, or the writer would stop at a full one.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// The text that comes out of a pipe, while it comes.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Collected {
    fn from(mut pipe: impl Read + Send + 'static) -> Collected {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let (open, end) = mpsc::channel::<()>();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                shared.lock().expect("nobody panics with it").extend(&buffer[..count]);
            }
            drop(open);
        });
        Collected { bytes, end }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for the pipe's end. Not for long: a grandchild that left the group may hold it.
    fn finish(&self) {
        let _ = self.end.recv_timeout(Duration::from_secs(1));
    }
}
