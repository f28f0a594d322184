//! Readers of what was said before: a reader far behind, and rooms with a long past.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use tempfile::TempDir;

use crate::cases::Bench;
use crate::message::Stamp;
use crate::quantile::median;
use crate::stream::Decoder;
use crate::support::http;
use crate::support::server::Server;
use crate::table::{Row, Table};

const LINES_BEHIND: u64 = 100_000;
const LINE_BYTES: usize = 100;
const LONG_LOG_BYTES: u64 = 1 << 30;
const SHORT_LOG_BYTES: u64 = 1 << 20;
/// How often a room is opened.
const TRIES: usize = 15;

/// So long may a read take.
const PATIENCE: Duration = Duration::from_secs(20);

/// All of it.
pub fn run(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let dir = TempDir::with_prefix("chatroom-bench-")?;
    for (room, bytes) in
        [("behind", LINES_BEHIND * LINE_BYTES as u64), ("long", LONG_LOG_BYTES), ("short", SHORT_LOG_BYTES)]
    {
        fs::create_dir(dir.path().join(room))?;
        write_log(&dir.path().join(room).join(".log"), bytes)?;
    }
    let server = Server::serve(dir.path(), &[]);
    behind(bench, server.addr(), table)?;
    long_past(server.addr(), table)
}

/// Opens a room whose log has so many bytes, and says how long that took.
type Opening<'a> = dyn Fn(&str, u64) -> io::Result<Duration> + 'a;

/// When the first line of a log of ours was said.
fn beginning() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0)).unwrap_or_default()
}

/// When line `number` was: a hundred a second.
fn said_at(number: u64) -> String {
    (beginning() + TimeDelta::seconds((number / 100) as i64)).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn write_log(path: &Path, bytes: u64) -> io::Result<()> {
    let (mut log, mut lines) = (BufWriter::with_capacity(1 << 20, File::create(path)?), Vec::new());
    for number in (0..bytes / LINE_BYTES as u64).step_by(100) {
        let time = said_at(number);
        lines.clear();
        (number..number + 100)
            .for_each(|number| Stamp { run: 0, number, nanos: 0 }.write_line(&mut lines, &time, LINE_BYTES));
        log.write_all(&lines)?;
    }
    log.flush()
}

fn behind(bench: &Bench, addr: SocketAddr, table: &mut Table) -> io::Result<()> {
    let (mut raw, mut json, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds.max(3) {
        let (bytes, seconds) = catch_up(addr, "raw")?;
        raw.push(bytes as f64 / 1e6 / seconds);
        copy.push(bytes as f64 / 1e6 / loopback(bytes)?);
        let (bytes, seconds) = catch_up(addr, "json")?;
        json.push(bytes as f64 / 1e6 / seconds);
    }
    for (format, rates) in [("raw", raw), ("json", json)] {
        let (rate, copy) = (median(&rates), median(&copy));
        table.add(
            Row::new(format!("a reader 100,000 messages behind, {format} (floor: a loopback copy): MB/s"))
                .floor(copy)
                .ours(rate)
                .at_least(200.0_f64.min(copy), " MB/s", rate),
        );
    }
    Ok(())
}

/// Bytes and seconds until the last of the messages has come.
fn catch_up(addr: SocketAddr, format: &str) -> io::Result<(usize, f64)> {
    let start = Instant::now();
    let zero = "0000000000000000_0000000000000000";
    let mut stream = ask(addr, &format!("/rooms/behind?format={format}&last_event_id={zero}"))?;
    let (mut decoder, mut buffer, mut bytes, mut next) = (Decoder::http(), vec![0; 1 << 18], 0, 0);
    while next < LINES_BEHIND {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Err(io::Error::other(format!("the stream ended after {next} messages")));
        }
        bytes += len;
        decoder.feed(&buffer[..len], &mut |line| {
            if let Some(stamp) = line.strip_prefix(b"data:").and_then(Stamp::find) {
                next = if stamp.number == next { next + 1 } else { u64::MAX };
            }
        });
    }
    if next != LINES_BEHIND {
        return Err(io::Error::other("the messages that a reader was behind came in another order"));
    }
    Ok((bytes, start.elapsed().as_secs_f64()))
}

/// Seconds for a plain copy of as many bytes from one thread to another.
fn loopback(bytes: usize) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut reader = TcpStream::connect(listener.local_addr()?)?;
    let (mut writer, _) = listener.accept()?;
    let start = Instant::now();
    let writing = thread::spawn(move || -> io::Result<()> {
        let block = vec![b'x'; 64 * 1024];
        (0..bytes).step_by(block.len()).try_for_each(|at| writer.write_all(&block[..block.len().min(bytes - at)]))
    });
    let mut buffer = vec![0; 1 << 18];
    while reader.read(&mut buffer)? > 0 {}
    let seconds = start.elapsed().as_secs_f64();
    writing.join().map_err(|_| io::Error::other("the writer panicked"))??;
    Ok(seconds)
}

fn ask(addr: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: text/event-stream\r\n\r\n")?;
    Ok(stream)
}

fn long_past(addr: SocketAddr, table: &mut Table) -> io::Result<()> {
    let lines = |bytes: u64| bytes / LINE_BYTES as u64;
    let history = |room: &str, _: u64| {
        let start = Instant::now();
        let reply = http::request(addr, "GET", &format!("/rooms/{room}?limit=200"), &[], b"");
        let messages = reply.json()["messages"].as_array().map_or(0, Vec::len);
        if messages == 200 { Ok(start.elapsed()) } else { Err(io::Error::other(format!("{messages} messages"))) }
    };
    let since = |room: &str, bytes: u64| {
        let middle = lines(bytes) / 2;
        let time = said_at(middle).replace(' ', "%20");
        first_event(addr, &format!("/rooms/{room}?format=raw&since={time}"), middle / 100 * 100)
    };
    let cursor = |room: &str, bytes: u64| {
        let middle = lines(bytes) / 2;
        let id = format!("0000000000000000_{:016}", middle * LINE_BYTES as u64);
        first_event(addr, &format!("/rooms/{room}?format=raw&last_event_id={id}"), middle)
    };
    let ways: [(&str, &Opening<'_>); 3] = [
        ("the last 200", &history),
        ("a stream since a time in the middle, at 100 lines a second", &since),
        ("a stream from a position in the middle", &cursor),
    ];
    for (what, open) in ways {
        let millis = |room: &str, bytes: u64| -> io::Result<f64> {
            let times: io::Result<Vec<f64>> =
                (0..TRIES).map(|_| open(room, bytes).map(|took| took.as_secs_f64() * 1e3)).collect();
            Ok(median(&times?))
        };
        let (long, short) = (millis("long", LONG_LOG_BYTES)?, millis("short", SHORT_LOG_BYTES)?);
        table.add(
            Row::new(format!("opening a room with a log of 1 GB, {what} (floor: the same with 1 MB): ms"))
                .floor(short)
                .ours(long)
                .at_most(5.0, " ms", long),
        );
    }
    Ok(())
}

/// How long it takes until the first message has come, which must be that of this number.
fn first_event(addr: SocketAddr, path: &str, expected: u64) -> io::Result<Duration> {
    let start = Instant::now();
    let mut stream = ask(addr, path)?;
    let (mut decoder, mut buffer, mut first) = (Decoder::http(), vec![0; 16 * 1024], None);
    while first.is_none() {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Err(io::Error::other(format!("{path}: no message came")));
        }
        decoder.feed(&buffer[..len], &mut |line| {
            first = first.or_else(|| line.strip_prefix(b"data:").and_then(Stamp::find));
        });
    }
    match first {
        Some(stamp) if stamp.number == expected => Ok(start.elapsed()),
        other => Err(io::Error::other(format!("{path}: {other:?} came first, not message {expected}"))),
    }
}
