//! Servers of Durable Streams. Each has one stream of text to which messages are posted as lines.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contestants::Contestant;
use crate::support::PATIENCE;
use crate::support::http;
use crate::support::process::{Process, tool};
use crate::support::server::Server;
use crate::support::wait::wait_until;

/// Its stream.
const PATH: &str = "/v1/stream/bench";

/// chatroom.
pub fn ours(root: &Path) -> io::Result<Contestant> {
    let server = Server::serve(root, &[]);
    let (addr, pid) = (server.addr(), server.pid());
    contestant(addr, pid, server)
}

/// The reference server of npm, in memory, as it is by default.
pub fn of_node() -> io::Result<Contestant> {
    start(|addr| {
        let mut node = tool("node");
        node.arg(installed("server.mjs")).arg(addr.port().to_string());
        node
    })
}

/// The crate, without its log of what was written: an acknowledgement means as much as ours.
pub fn of_crate(dir: &Path) -> io::Result<Contestant> {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/durable-streams/bin/durable-streams-server");
    if !server.is_file() {
        return Err(io::Error::other(format!("{} is not there: benches/streams installs it", server.display())));
    }
    start(|addr| {
        let mut command = Command::new(&server);
        command.args(["--host", "127.0.0.1", "--port", &addr.port().to_string(), "--durability", "memory"]);
        command.arg("--data-dir").arg(dir.join("crate"));
        command
    })
}

fn installed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/npm").join(name)
}

fn start(command: impl Fn(SocketAddr) -> Command) -> io::Result<Contestant> {
    let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let process = Process::spawn(&mut command(addr));
    wait_until("a server of streams listens", PATIENCE, || {
        assert!(!process.is_gone(), "it does not start: {}", process.stderr());
        TcpStream::connect(addr).is_ok()
    });
    let pid = process.pid();
    contestant(addr, pid, process)
}

fn contestant(addr: SocketAddr, pid: u32, part: impl std::any::Any) -> io::Result<Contestant> {
    let made = http::request(addr, "PUT", PATH, &[("Content-Type", "text/plain")], b"");
    if made.status != 201 {
        return Err(io::Error::other(format!("no stream could be created: {made:?}")));
    }
    let url = format!("http://{addr}{PATH}");
    let mut contestant = Contestant::of(&format!("{url}?offset=-1&live=sse"), vec![pid], part);
    contestant.post = Some(url);
    (contestant.takes_appends, contestant.whole_lines) = (false, true);
    Ok(contestant)
}
