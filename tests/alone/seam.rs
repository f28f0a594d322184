//! The seam between history and stream: for every position, the history up to it and the stream
//! from it are together the file.
//!
//! Method: rounds of appends, seeded: some before the history is read, some while the stream opens,
//! some after, in pieces that end within lines; each round reads history, streams from where it
//! ended, is cut off, resumes by the last id, and compares what it read with the file.

use std::io::Write;
use std::thread;

use super::support::rooms::Rooms;
use super::support::seeded::Seeded;
use super::support::server::Server;
use super::support::sse::Stream;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

/// Lines of any form, of a length from nothing to some hundred bytes, each to be told apart.
fn lines(seeded: &mut Seeded, round: u64, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..count {
        let filler = "x".repeat(seeded.below(200) as usize);
        match seeded.below(4) {
            0 => writeln!(bytes, "{round}.{n} {filler}"),
            _ => writeln!(bytes, "[2026-01-31 08:00:00] al: {round}.{n} {filler}"),
        }
        .unwrap();
    }
    bytes
}

/// Writes as a hasty shell does: in pieces that end anywhere.
fn write_in_pieces(rooms: &Rooms, seeded: &mut Seeded, bytes: &[u8]) {
    let mut file = rooms.open("R");
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at((1 + seeded.below(400) as usize).min(rest.len()));
        file.write_all(piece).unwrap();
        rest = more;
        if seeded.below(3) == 0 {
            thread::yield_now();
        }
    }
}

fn rounds(watch: &str, seed: u64, count: u64) {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &["--watch", watch]);
    let site = server.site();
    let mut seeded = Seeded(seed);
    for round in 0..count {
        let before_count = seeded.below(5);
        let before = lines(&mut seeded, round, before_count);
        let (meanwhile_count, cut_after) = (1 + seeded.below(8), seeded.below(4));
        let meanwhile = lines(&mut seeded, round + 1_000_000, meanwhile_count);
        rooms.append("R", &before);
        let mut writer = Seeded(seeded.below(u64::MAX));
        let read = thread::scope(|threads| {
            threads.spawn(|| write_in_pieces(&rooms, &mut writer, &meanwhile));
            let history = site.get(&format!("/rooms/R?limit={}", 1 + round % 50)).json();
            let mut read: Vec<(String, String)> =
                history["messages"].as_array().unwrap().iter().map(id_and_text).collect();
            let mut at = history["next"].as_str().unwrap().to_owned();
            let last = format!("{}.{} ", round + 1_000_000, meanwhile_count - 1);
            let mut left = cut_after;
            let mut stream = Stream::open(&site, &format!("/rooms/R?last_event_id={at}"), EVENTS);
            while !read.last().is_some_and(|(_, text)| text.starts_with(&last)) {
                let event = stream.next();
                assert_ne!(event.event, "reset", "seed {seed}, round {round}: after {read:?}");
                if event.event == "message" {
                    at.clone_from(&event.last_event_id);
                    read.push(id_and_text(&event.json()));
                    left = left.wrapping_sub(1);
                    if left == 0 {
                        stream = Stream::resume(&site, "/rooms/R", &at);
                    }
                }
            }
            read
        });
        let log = String::from_utf8(rooms.log("R")).unwrap();
        let skipped = log.lines().count() - read.len();
        let file: Vec<&str> = log.lines().skip(skipped).map(|line| line.split("al: ").last().unwrap()).collect();
        let texts: Vec<&str> = read.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, file, "seed {seed}, round {round}, {watch}");
        assert!(read.is_sorted_by(|a, b| a.0 < b.0), "ids of one log sort as its lines do");
    }
}

fn id_and_text(message: &serde_json::Value) -> (String, String) {
    (message["id"].as_str().unwrap().to_owned(), message["text"].as_str().unwrap().to_owned())
}

#[test]
fn a_thousand_rounds() {
    rounds("auto", 0x5eed, 1000);
}

#[test]
fn rounds_with_polling() {
    rounds("poll", 0x9011, 100);
}
