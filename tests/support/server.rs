//! The built `chatroom`, running.

use super::http::Site;
use super::process::{Process, clean, tool};
use super::watch;
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The program under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chatroom"))
}

/// Copies the program under test. Another process does: what has a program open for writing, and be it a child of
/// another test's that was forked meanwhile, keeps it from being run.
pub fn copy_binary(to: &Path) {
    assert!(tool("cp").arg(binary()).arg(to).status().expect("cp").success(), "{}", to.display());
}

/// A command of it, without arguments, in a clean environment.
pub fn chatroom() -> Command {
    clean(binary())
}

/// A server that has said it is ready.
pub struct Server {
    process: Process,
    address: Address,
}

enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Server {
    /// `chatroom serve ROOT ARGS…` on a free port.
    pub fn serve(root: &Path, args: &[&str]) -> Server {
        Server::serve_on(SocketAddr::from(([127, 0, 0, 1], 0)), root, args)
    }

    /// The same on a given address: where an earlier one was, say.
    pub fn serve_on(address: SocketAddr, root: &Path, args: &[&str]) -> Server {
        let listen = address.to_string();
        Server::start(chatroom().arg("serve").arg(root).args(["--listen", &listen]).args(watch::args(args)))
    }

    /// `chatroom fastcgi ROOT ARGS…` on the socket `chatroom.sock` in `dir`.
    pub fn fastcgi_unix(root: &Path, dir: &Path, args: &[&str]) -> Server {
        let listen = format!("unix:{}", dir.join("chatroom.sock").display());
        Server::fastcgi(root, &listen, args)
    }

    /// `chatroom fastcgi ROOT ARGS…` on a free port.
    pub fn fastcgi_tcp(root: &Path, args: &[&str]) -> Server {
        Server::fastcgi(root, "127.0.0.1:0", args)
    }

    fn fastcgi(root: &Path, listen: &str, args: &[&str]) -> Server {
        Server::start(chatroom().arg("fastcgi").arg(root).args(["--listen", listen]).args(watch::args(args)))
    }

    /// Any command that ends up serving; returns when it has printed where.
    pub fn start(command: &mut Command) -> Server {
        let mut process = Process::spawn(command);
        let Some(line) = process.stdout_line() else {
            panic!("{} ended before it was ready", process.name());
        };
        let address =
            Address::parse(&line).unwrap_or_else(|| panic!("{} says {line:?}, not where it listens", process.name()));
        Server { process, address }
    }

    /// Where it listens, on TCP.
    pub fn addr(&self) -> SocketAddr {
        match &self.address {
            Address::Tcp(addr) => *addr,
            Address::Unix(path) => panic!("it listens on {}", path.display()),
        }
    }

    /// Where it listens, on a unix socket.
    pub fn socket(&self) -> &Path {
        match &self.address {
            Address::Unix(path) => path,
            Address::Tcp(addr) => panic!("it listens on {addr}"),
        }
    }

    /// Where it listens, in nginx's words: `unix:PATH` or `ADDRESS:PORT`.
    pub fn address(&self) -> String {
        match &self.address {
            Address::Unix(path) => format!("unix:{}", path.display()),
            Address::Tcp(addr) => addr.to_string(),
        }
    }

    /// What an HTTP client needs of it.
    pub fn site(&self) -> Site {
        Site::new(self.addr(), "")
    }

    /// `http://ADDRESS/`.
    pub fn url(&self) -> String {
        self.site().url("/")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it wrote to stderr.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// SIGHUP; returns once it serves again.
    pub fn reload(&mut self) {
        self.signal(Signal::SIGHUP);
        let line = self.process.stdout_line().unwrap_or_else(|| panic!("{} ended", self.process.name()));
        assert!(Address::parse(&line).is_some(), "{line:?}");
    }

    /// SIGTERM, and its exit status.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.stop(Signal::SIGTERM)
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }
}

impl Address {
    fn parse(line: &str) -> Option<Address> {
        if let Some(address) = line.strip_prefix("http://") {
            return address.strip_suffix('/')?.parse().ok().map(Address::Tcp);
        }
        let address = line.strip_prefix("fastcgi ")?;
        match address.strip_prefix("unix:") {
            Some(path) => Some(Address::Unix(path.into())),
            None => address.parse().ok().map(Address::Tcp),
        }
    }
}
