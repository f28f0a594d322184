//! A real nginx, with the configurations of `nginx/` as they are but for addresses and paths.

use super::PATIENCE;
use super::http::Site;
use super::process::{Process, tool};
use super::wait::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitStatus;
use tempfile::TempDir;

/// A running nginx in a directory of its own.
pub struct Nginx {
    process: Process,
    addr: SocketAddr,
    _dir: TempDir,
}

/// `nginx/cgi.conf` for a CGI program behind fcgiwrap.
pub fn cgi(program: &Path, root: &Path, fcgiwrap_socket: &Path) -> Nginx {
    Nginx::start(&cgi_conf(program, root, fcgiwrap_socket))
}

/// The text that [`cgi`] starts, for tests that change it further with [`edit`].
pub fn cgi_conf(program: &Path, root: &Path, fcgiwrap_socket: &Path) -> String {
    let conf = shipped("cgi.conf");
    let conf = edit(&conf, "unix:/run/fcgiwrap.socket;", &format!("unix:{};", fcgiwrap_socket.display()));
    let conf = edit(&conf, "/usr/lib/cgi-bin/chatroom;", &format!("{};", program.display()));
    edit(&conf, "/srv/chatrooms;", &format!("{};", root.display()))
}

/// `nginx/fastcgi.conf` for a FastCGI server at `unix:PATH` or `ADDRESS:PORT`.
pub fn fastcgi(address: &str, root: &Path) -> Nginx {
    Nginx::start(&fastcgi_conf(address, root))
}

/// The text that [`fastcgi`] starts, for tests that change it further with [`edit`].
pub fn fastcgi_conf(address: &str, root: &Path) -> String {
    let conf = shipped("fastcgi.conf");
    let conf = edit(&conf, "unix:/run/chatroom.sock;", &format!("{address};"));
    edit(&conf, "/srv/chatrooms;", &format!("{};", root.display()))
}

/// `nginx/dropin.conf` for the CGI programs of a folder, run by what is at `socket`, for tests that change it further
/// with [`edit`].
pub fn dropin_conf(programs: &Path, socket: &Path) -> String {
    let pass = format!("unix:{};", socket.display());
    let conf = shipped("dropin.conf").replace("unix:/run/fcgiwrap.socket;", &pass);
    edit(&conf, "SCRIPT_FILENAME /srv/site/cgi/$program;", &format!("SCRIPT_FILENAME {}/$program;", programs.display()))
}

/// `nginx/proxy.conf` for an HTTP server.
pub fn proxy(addr: SocketAddr) -> Nginx {
    Nginx::start(&proxy_conf(addr))
}

/// The text that [`proxy`] starts, for tests that change it further with [`edit`].
pub fn proxy_conf(addr: SocketAddr) -> String {
    edit(&shipped("proxy.conf"), "server 127.0.0.1:8081;", &format!("server {addr};"))
}

/// Replaces what occurs exactly once in a configuration.
pub fn edit(conf: &str, from: &str, to: &str) -> String {
    assert_eq!(conf.matches(from).count(), 1, "{from:?} must occur exactly once in\n{conf}");
    conf.replacen(from, to, 1)
}

impl Nginx {
    /// Starts nginx with a whole configuration in the shape of the shipped ones: it has a line `http {`, and says
    /// `user www-data;` and `listen 127.0.0.1:8080;`. It gets a free port instead.
    pub fn start(conf: &str) -> Nginx {
        // Between our look and nginx's bind somebody else may take the port.
        (0..5).find_map(|_| Nginx::try_start(conf, free_port())).expect("nginx finds a free port")
    }

    /// `None` where the port is taken.
    fn try_start(conf: &str, addr: SocketAddr) -> Option<Nginx> {
        let dir = TempDir::with_prefix("nginx-").expect("a temporary directory");
        let pid_file = dir.path().join("chatroom-nginx.pid");
        let conf_file = dir.path().join("nginx.conf");
        fs::write(&conf_file, localise(conf, addr)).expect("the configuration is written");
        let mut process = Process::spawn(
            tool("nginx").arg("-p").arg(dir.path()).arg("-c").arg(&conf_file).args(["-g", "daemon off;"]),
        );
        // It writes the file after it has begun to listen, so connections succeed from then on.
        wait_until("nginx has written its pid file", PATIENCE, || {
            process.is_gone() || fs::read_to_string(&pid_file).is_ok_and(|pid| pid.trim_end() == pid_of(&process))
        });
        if process.is_gone() {
            process.wait(PATIENCE);
            let stderr = process.stderr();
            assert!(stderr.contains("Address already in use"), "nginx does not start: {stderr}");
            return None;
        }
        Some(Nginx { process, addr, _dir: dir })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// chatroom as it is reached through it, with the shipped configurations.
    pub fn site(&self) -> Site {
        Site::new(self.addr, "/chat")
    }

    /// The master's process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it logged.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// SIGKILL to its worker; the master starts another.
    pub fn kill9_worker(&self) {
        let children = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = fs::read_to_string(&children).unwrap_or_else(|error| panic!("{children}: {error}"));
        for worker in children.split_whitespace() {
            let worker = worker.parse().expect("a process id");
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(worker), Signal::SIGKILL);
        }
    }

    /// Ends it at once, streams too.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.stop(Signal::SIGTERM)
    }
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What must differ on a tests' machine: the port, workers that may enter a private temporary directory (the tests'
/// own user), and temporary files there. Its pid file is relative to `-p` already.
fn localise(conf: &str, addr: SocketAddr) -> String {
    let conf = edit(conf, "listen 127.0.0.1:8080;", &format!("listen {addr};"));
    let conf = edit(&conf, "user www-data;", "user root;");
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths = kinds.map(|kind| format!("{kind}_temp_path {kind};\n"));
    edit(&conf, "\nhttp {\n", &format!("\nhttp {{\n{}", paths.concat()))
}

fn pid_of(process: &Process) -> String {
    process.pid().to_string()
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}
