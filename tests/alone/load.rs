//! Many writers and readers at once: whatever happens, everybody reads the file.
//!
//! Shells append in bursts and in pieces that end within lines, people post, and meanwhile some readers read on, some
//! are cut off at random and resume, and some read nothing until all is over. Each must have every line of the file,
//! once and in order.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;

use super::support::fastcgi::{self, Client, params};
use super::support::http::Site;
use super::support::rooms::Rooms;
use super::support::seeded::Seeded;
use super::support::server::Server;
use super::support::sse::{Decoder, Stream};

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];
const FROM_THE_START: &str = "/rooms/R?format=raw&last_event_id=0000000000000000_0000000000000000";
const THE_END: &str = "this is the end";

/// Whole lines, twenty in a write; more in all than the sockets of one who does not read take.
fn write_in_bursts(mut log: File) {
    for burst in 0..80 {
        let lines: Vec<u8> =
            (0..20).flat_map(|n| format!("burst {burst}.{n} {}\n", "b".repeat(2500)).into_bytes()).collect();
        log.write_all(&lines).unwrap();
        thread::yield_now();
    }
}

/// Pieces that end anywhere: what others write may come between, and then is part of the line.
fn write_in_pieces(mut log: File, mut seeded: Seeded) {
    let lines: String = (0..1000).map(|n| format!("pieces {n} {}\n", "p".repeat(seeded.below(600) as usize))).collect();
    let mut rest = lines.as_bytes();
    while !rest.is_empty() {
        let (piece, more) = rest.split_at((1 + seeded.below(900) as usize).min(rest.len()));
        log.write_all(piece).unwrap();
        rest = more;
    }
}

fn post(site: &Site) {
    for n in 0..200 {
        let answer = site.post("/rooms/R?user=al", "text/plain", format!("posted {n} {}", "q".repeat(300)).as_bytes());
        assert_eq!(answer.status, 201);
    }
}

/// Reads to the end; `cut` says, before each line, whether the stream is cut off there.
fn read(site: &Site, mut stream: Stream, mut cut: impl FnMut() -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != THE_END) {
        let event = stream.next();
        assert_ne!(event.event, "reset");
        if event.event == "message" {
            lines.push(event.data);
            if cut() {
                stream = Stream::resume(site, "/rooms/R?format=raw", &event.last_event_id);
            }
        }
    }
    lines
}

fn load(watch: &str, workers: &str) {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"");
    let server = Server::serve(rooms.root(), &["--watch", watch, "--workers", workers]);
    let site = &server.site();
    let open = || Stream::open(site, FROM_THE_START, EVENTS);
    let everybody_read = thread::scope(|threads| {
        let stopped: Vec<Stream> = (0..2).map(|_| open()).collect();
        let steady = (0..6).map(|_| threads.spawn(|| read(site, open(), || false)));
        let resuming = (0..4).map(|seed| {
            let mut seeded = Seeded(seed);
            threads.spawn(move || read(site, open(), || seeded.below(200) == 0))
        });
        let readers: Vec<_> = steady.chain(resuming).collect();
        let writers = [
            threads.spawn(|| write_in_bursts(rooms.open("R"))),
            threads.spawn(|| write_in_pieces(rooms.open("R"), Seeded(7))),
            threads.spawn(|| post(site)),
        ];
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        rooms.append("R", format!("{THE_END}\n").as_bytes());
        let mut read_by: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        // Now those that have read nothing yet.
        read_by.extend(stopped.into_iter().map(|stream| read(site, stream, || false)));
        read_by
    });
    assert_are_the_file(&rooms, &everybody_read);
    let metrics = site.get("/metrics");
    assert!(!metrics.text().contains("chatroom_catch_up_reads_total 0\n"), "nobody was behind: {}", metrics.text());
}

fn assert_are_the_file(rooms: &Rooms, everybody_read: &[Vec<String>]) {
    let log = String::from_utf8(rooms.log("R")).unwrap();
    let file: Vec<&str> = log.lines().collect();
    for (reader, lines) in everybody_read.iter().enumerate() {
        let wrong =
            (0..file.len().max(lines.len())).find(|n| lines.get(*n).map(String::as_str) != file.get(*n).copied());
        assert_eq!(wrong, None, "reader {reader}, of {} lines, where the file has {}", lines.len(), file.len());
    }
}

#[test]
fn everybody_reads_the_file() {
    load("auto", "1");
}

#[test]
fn everybody_reads_the_file_from_two_workers() {
    load("auto", "2");
}

#[test]
fn everybody_reads_the_file_where_it_is_polled() {
    load("poll", "1");
}

/// A stream over FastCGI, as a web server reads it.
struct Request {
    client: Client,
    decoder: Decoder,
}

impl Request {
    fn ask(socket: &Path) -> Request {
        let mut asked = params("GET", "/rooms/R", "format=raw&last_event_id=0000000000000000_0000000000000000");
        asked.push(("HTTP_ACCEPT", "text/event-stream"));
        let mut client = Client::unix(socket);
        client.write(&fastcgi::request(1, true, &asked, b""));
        Request { client, decoder: Decoder::default() }
    }

    fn read(mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while lines.last().is_none_or(|line| line != THE_END) {
            let record = self.client.record().expect("the stream goes on");
            let events = self.decoder.feed(&record.content);
            lines.extend(events.into_iter().filter(|event| event.event == "message").map(|event| event.data));
        }
        lines
    }
}

#[test]
fn a_unix_socket_that_is_full_is_waited_for() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let open = || Request::ask(server.socket());
    let (steady, stopped) = (open(), open());
    let everybody_read = thread::scope(|threads| {
        let steady = threads.spawn(|| steady.read());
        write_in_bursts(rooms.open("R"));
        rooms.append("R", format!("{THE_END}\n").as_bytes());
        [steady.join().unwrap(), stopped.read()]
    });
    assert_are_the_file(&rooms, &everybody_read);
}
