//! CGI: what it takes to start a process for each request, and what one costs that waits.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::accounting::Usage;
use crate::cases::Bench;
use crate::publish::Publisher;
use crate::quantile::{median, quantile};
use crate::support::fastcgi::{Client, params};
use crate::support::fcgiwrap::Fcgiwrap;
use crate::support::process::{clean, tool};
use crate::support::server::{binary, chatroom};
use crate::table::{Row, Table};

const EXECS: usize = 200;
const FIRST_EVENTS: usize = 40;
const IDLE: Duration = Duration::from_secs(10);

/// The least that a CGI program does.
const C_PROGRAM: &str = r#"
#include <unistd.h>
int main(void) {
    static const char answer[] = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nok\n";
    return write(1, answer, sizeof answer - 1) < 0;
}
"#;

/// All of it.
pub fn run(_: &Bench, table: &mut Table) -> io::Result<()> {
    let dir = TempDir::with_prefix("chatroom-bench-")?;
    fs::create_dir(dir.path().join("bench0"))?;
    fs::write(dir.path().join("bench0/.log"), b"")?;
    exec_to_exit(dir.path(), table)?;
    first_event(dir.path(), table);
    idle(dir.path(), table)
}

fn exec_to_exit(dir: &Path, table: &mut Table) -> io::Result<()> {
    let (source, program) = (dir.join("least.c"), dir.join("least"));
    fs::write(&source, C_PROGRAM)?;
    if !tool("cc").args(["-O2", "-static", "-o"]).args([&program, &source]).status()?.success() {
        return Err(io::Error::other("the C program can't be built"));
    }
    let (mut least, mut nothing, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..EXECS {
        least.push(millis(&mut cgi(clean(&program), dir, "/healthz"))?);
        nothing.push(millis(&mut cgi(clean("/bin/true"), dir, "/healthz"))?);
        ours.push(millis(&mut cgi(chatroom(), dir, "/healthz"))?);
    }
    let (least, nothing, ours) = (median(&least), median(&nothing), median(&ours));
    table.add(Row::new("CGI, exec to exit (floor: a static C program): ms").floor(least).ours(ours).at_most(
        3.0,
        " floor",
        ours / least,
    ));
    table.add(Row::new("CGI, exec to exit of `/bin/true`: ms").floor(nothing));
    Ok(())
}

/// The environment that a web server gives.
fn cgi(mut command: Command, root: &Path, path: &str) -> Command {
    command.env("GATEWAY_INTERFACE", "CGI/1.1").env("CHATROOM_ROOT", root).env("NO_BUFFERING", "1");
    command.env("HTTP_ACCEPT", "text/event-stream").env("CHATROOM_PING", "3600");
    for (name, value) in params("GET", path, "format=raw") {
        command.env(name, value);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn millis(command: &mut Command) -> io::Result<f64> {
    let start = Instant::now();
    let status = command.status()?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    if status.success() { Ok(took) } else { Err(io::Error::other(format!("{command:?}: {status}"))) }
}

/// Through fcgiwrap: until a stream's first event has come, and until `/bin/true` has said nothing.
fn first_event(root: &Path, table: &mut Table) {
    let fcgiwrap = Fcgiwrap::start(2);
    let (root, program) = (root.to_string_lossy(), binary().to_string_lossy());
    let (mut ours, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..FIRST_EVENTS {
        for (script, times) in [(&*program, &mut ours), ("/bin/true", &mut nothing)] {
            let mut params = params("GET", "/rooms/bench0", "");
            params.retain(|(name, _)| *name != "SCRIPT_FILENAME");
            params.extend([("SCRIPT_FILENAME", script), ("CHATROOM_ROOT", &*root), ("NO_BUFFERING", "1")]);
            // It is to make room for the next.
            params.extend([("HTTP_ACCEPT", "text/event-stream"), ("CHATROOM_LIFETIME", "0.03")]);
            let start = Instant::now();
            let mut client = Client::unix(fcgiwrap.socket());
            client.write(&crate::support::fastcgi::request(1, false, &params, b""));
            if script == program {
                client.stdout_until("event: members");
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            client.outcome(1);
            if script != program {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let (ours, nothing) = (median(&ours), median(&nothing));
    table.add(
        Row::new("CGI through fcgiwrap, to a stream's first event (floor: to the end of `/bin/true`): ms")
            .floor(nothing)
            .ours(ours)
            .at_most(3.0, " ms more", ours - nothing),
    );
}

/// A stream that is a process; killed when it is let go.
struct Stream {
    child: Child,
    /// Tells when a message has come.
    said: mpsc::Receiver<Instant>,
}

impl Stream {
    fn open(root: &Path) -> io::Result<Stream> {
        let mut child = cgi(chatroom(), root, "/rooms/bench0").stdout(Stdio::piped()).spawn()?;
        let mut out = child.stdout.take().ok_or_else(|| io::Error::other("stdout is not piped"))?;
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            let (mut buffer, mut rest) = ([0; 16 * 1024], Vec::new());
            while let Ok(len @ 1..) = out.read(&mut buffer) {
                rest.extend_from_slice(&buffer[..len]);
                // One for the members at first, one for each message.
                while let Some(at) = memchr::memmem::find(&rest, b"\ndata: ") {
                    rest.drain(..=at);
                    let _ = say.send(Instant::now());
                }
            }
        });
        let stream = Stream { child, said };
        stream.next()?;
        Ok(stream)
    }

    fn next(&self) -> io::Result<Instant> {
        let patience = Duration::from_secs(10);
        self.said.recv_timeout(patience).map_err(|_| io::Error::other("a CGI stream says nothing"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// 100 streams, for which there are watches, and 200, for which there are not enough.
fn idle(root: &Path, table: &mut Table) -> io::Result<()> {
    let mut publisher = Publisher::append(&root.join("bench0/.log"))?;
    let mut streams = Vec::new();
    for count in [100, 200] {
        while streams.len() < count {
            streams.push(Stream::open(root)?);
        }
        let pids: Vec<u32> = streams.iter().map(|stream| stream.child.id()).collect();
        thread::sleep(Duration::from_secs(1));
        let before = Usage::of_all(&pids);
        thread::sleep(IDLE);
        let after = Usage::of_all(&pids);
        let percent = (after.cpu_ns - before.cpu_ns) as f64 / 1e7 / IDLE.as_secs_f64();
        let wakes = (after.sleeps - before.sleeps) as f64 / IDLE.as_secs_f64() / count as f64;
        if count == 100 {
            let kilobytes = after.private as f64 / 1000.0 / count as f64;
            table
                .add(Row::new("CGI, idle stream: private memory, KB").ours(kilobytes).at_most(300.0, " KB", kilobytes));
            table.add(Row::new("CGI, 100 idle streams: wake-ups of each a second").ours(wakes).at_most(0.0, "", wakes));
        } else {
            table.add(Row::new("CGI, 200 idle streams: % of a core").ours(percent).at_most(2.0, " %", percent));
        }
        let mut late = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            publisher.publish(b"[2026-01-31 08:00:00] bench: hello\n")?;
            for stream in &streams {
                late.push(stream.next()?.duration_since(start).as_secs_f64() * 1e3);
            }
            thread::sleep(Duration::from_millis(300));
        }
        let row = Row::new(format!("CGI, {count} streams: the last of them has a message after, ms"));
        let worst = quantile(&mut late, 1.0);
        table.add(if count == 200 { row.ours(worst).at_most(20.0, " ms", worst) } else { row.ours(worst) });
    }
    Ok(())
}
