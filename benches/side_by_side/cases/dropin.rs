//! The programs under their shell names, through nginx and fcgiwrap as sites have them: what a request takes beside an
//! empty CGI program's, and what a stream costs on which nothing happens.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::accounting::{Usage, children};
use crate::cases::Bench;
use crate::quantile::median;
use crate::support::fcgiwrap::Fcgiwrap;
use crate::support::http::Connection;
use crate::support::nginx::{self, Nginx};
use crate::support::process::tool;
use crate::support::server::binary;
use crate::table::{Row, Table};

const LINES: usize = 100_000;
const ROOMS: usize = 20;
const REQUESTS: usize = 200;
const STREAMS: usize = 10;
const IDLE: Duration = Duration::from_secs(20);

/// `/bin/true`, with the head of an answer.
const EMPTY_PROGRAM: &str = r#"
#include <stdio.h>
int main(void) {
    return puts("Status: 200 OK\r\nContent-Type: text/html\r\n\r\n") < 0;
}
"#;

/// All of it.
pub fn run(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let dir = TempDir::with_prefix("chatroom-bench-")?;
    let rooms = dir.path().join(".sitedata/main/chatrooms");
    let line = |n: usize| format!("[2026-01-31 08:00:00] user{}: message {n}, {}\n", n % 7, "x".repeat(n % 100));
    for room in 0..ROOMS {
        fs::create_dir_all(rooms.join(format!("bench{room}")))?;
        fs::write(rooms.join(format!("bench{room}/.log")), (0..100).map(line).collect::<String>())?;
    }
    fs::write(rooms.join("bench0/.log"), (0..LINES).map(line).collect::<String>())?;
    let programs = dir.path().join("cgi");
    for (build, binary) in [("", binary().to_owned()), ("static", static_build()?)] {
        fs::create_dir_all(programs.join(build))?;
        for name in ["chat-send-message", "chat-list-rooms", "chat-get-messages", "chat-stream"] {
            symlink(&binary, programs.join(build).join(name))?;
        }
    }
    build_empty(&programs)?;
    let fcgiwrap = Fcgiwrap::start_with(STREAMS + 2, "WIZARDRY_SITES_DIR", dir.path());
    let nginx = Nginx::start(&nginx::dropin_conf(&programs, fcgiwrap.socket()));
    requests(bench, &nginx, table)?;
    idle_stream(&nginx, &fcgiwrap, table)
}

/// What `cargo static` builds.
fn static_build() -> io::Result<PathBuf> {
    let targets = binary().ancestors().nth(2).into_iter().flat_map(fs::read_dir).flatten();
    let built = targets.filter_map(|target| Some(target.ok()?.path().join("release/chatroom")));
    let mut newest = built.filter(|path| path.is_file() && path != binary());
    newest.next().ok_or_else(|| io::Error::other("there is no static build: run `cargo static`"))
}

fn build_empty(programs: &Path) -> io::Result<()> {
    let source = programs.join("empty.c");
    fs::write(&source, EMPTY_PROGRAM)?;
    match tool("cc").args(["-O2", "-o"]).args([&programs.join("empty"), &source]).status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("the C program can't be built")),
    }
}

/// A request: what it is, its method, path and body, and what the answer has.
type Request = (&'static str, &'static str, &'static str, &'static [u8], &'static str);

const OURS: [Request; 3] = [
    ("to send", "POST", "chat-send-message", b"room=bench1&user=al&msg=hello", "Message sent"),
    ("to list 20 rooms", "GET", "chat-list-rooms", b"", "bench19"),
    ("to read 200 of 100,000 lines", "GET", "chat-get-messages?room=bench0", b"", "message 99999"),
];

/// Each in turn with an empty one, by either build.
fn requests(bench: &Bench, nginx: &Nginx, table: &mut Table) -> io::Result<()> {
    for (what, method, program, body, has) in OURS {
        let paths = ["/cgi/empty".to_owned(), format!("/cgi/{program}"), format!("/cgi/static/{program}")];
        let mut times = [const { Vec::new() }; 3];
        let mut connection = Connection::open(nginx.addr());
        for number in 0..REQUESTS * bench.rounds {
            // nginx closes one after a thousand requests.
            if number % 100 == 99 {
                connection = Connection::open(nginx.addr());
            }
            for (which, (path, times)) in paths.iter().zip(&mut times).enumerate() {
                // The empty one reads no body, so it is sent none.
                let (method, body, has) = if which == 0 { ("GET", &b""[..], "") } else { (method, body, has) };
                let start = Instant::now();
                let reply = connection.request(method, path, &[], body);
                times.push(start.elapsed().as_secs_f64() * 1e3);
                if reply.status != 200 || !reply.text().contains(has) {
                    return Err(io::Error::other(format!("{path}: {reply:?}")));
                }
            }
        }
        let [empty, ours, static_build] = times.map(|times| median(&times));
        let what = format!("a shell program's name, {what} (floor: an empty CGI program): ms");
        table.add(Row::new(what).floor(empty).ours(ours).at_most(1.5, " floor", ours / empty));
        let row = Row::new("the same by `cargo static`: ms").floor(empty).ours(static_build);
        table.add(row.at_most(1.5, " floor", static_build / empty));
    }
    Ok(())
}

/// `chat-stream` in a quiet room, ten times: what the processes have in common is nobody's own.
fn idle_stream(nginx: &Nginx, fcgiwrap: &Fcgiwrap, table: &mut Table) -> io::Result<()> {
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut connection = Connection::open(nginx.addr());
        connection.send("GET", "/cgi/chat-stream?room=bench1", &[], b"");
        let (_, _, mut body) = connection.into_body("GET");
        io::Read::read_exact(&mut body, &mut [0])?;
        streams.push(body);
    }
    thread::sleep(Duration::from_secs(1));
    let programs: Vec<u32> = children(fcgiwrap.pid()).into_iter().flat_map(children).collect();
    let before = Usage::of_all(&programs);
    thread::sleep(IDLE);
    let after = Usage::of_all(&programs);
    let count = programs.len() as f64 / STREAMS as f64;
    let kilobytes = after.private as f64 / 1000.0 / STREAMS as f64;
    let wakes = (after.sleeps - before.sleeps) as f64;
    table.add(Row::new("a shell program's name, an idle stream: processes").ours(count).at_most(1.0, "", count));
    table.add(Row::new("the same: wake-ups in 20 s").ours(wakes).at_most(0.0, "", wakes));
    table.add(Row::new("the same: private memory, KB").ours(kilobytes).at_most(300.0, " KB", kilobytes));
    Ok(())
}
