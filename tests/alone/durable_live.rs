//! Live reads of streams: whoever writes, every reader is told the file's bytes, and what becomes of the file.

use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::support::PATIENCE;
use super::support::http::{Reply, Site};
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::Stream;
use super::support::wait::wait_until;

const BYTES: (&str, &str) = ("Content-Type", "application/octet-stream");
const PLAIN: (&str, &str) = ("Content-Type", "text/plain");
const CLOSE: (&str, &str) = ("Stream-Closed", "true");

/// So long that a wait which nothing ends is a hang.
const PATIENT: [&str; 2] = ["--long-poll", "600"];

fn send(site: &Site, method: &str, name: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    site.request(method, &format!("/v1/stream/{name}"), headers, body)
}

fn next(reply: &Reply) -> String {
    reply.header("stream-next-offset").expect("a next offset").to_owned()
}

fn end_of(site: &Site, name: &str) -> String {
    next(&send(site, "HEAD", name, &[], b""))
}

fn poll(site: &Site, name: &str, offset: &str) -> Reply {
    site.get(&format!("/v1/stream/{name}?offset={offset}&live=long-poll"))
}

fn sse(site: &Site, name: &str, offset: &str) -> Stream {
    Stream::open(site, &format!("/v1/stream/{name}?offset={offset}&live=sse"), &[])
}

/// Waits until so many readers wait.
fn wait_for_readers(site: &Site, count: usize) {
    let line = format!("\nchatroom_streams {count}\n");
    wait_until(&format!("{count} readers wait"), PATIENCE, || site.get("/metrics").text().contains(&line));
}

/// What a pair of events says: the data, and the control event.
fn pair(stream: &mut Stream) -> Option<(String, Value)> {
    let event = stream.next_or_end()?;
    if event.event == "control" {
        return Some((String::new(), event.json()));
    }
    let control = stream.next();
    assert_eq!((&*event.event, &*control.event), ("data", "control"));
    Some((event.data.clone(), control.json()))
}

/// All data up to the first pair that says it was all.
fn up_to_date(stream: &mut Stream) -> String {
    let mut all = String::new();
    while let Some((data, control)) = pair(stream) {
        all += &data;
        if control["upToDate"] == true {
            break;
        }
    }
    all
}

#[test]
fn a_shell_reaches_every_live_reader() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::empty();
        rooms.create("R");
        let server = Server::serve(rooms.root(), &[&PATIENT[..], &["--workers", "2", "--watch", watch]].concat());
        let site = server.site();
        assert_eq!(send(&site, "PUT", "a%2Fb", &[PLAIN], b"old").status, 201);
        for (name, directory) in [("R", "R"), ("a%2Fb", "a%2Fb")] {
            let mut events = sse(&site, name, "now");
            assert_eq!(up_to_date(&mut events), "");
            thread::scope(|threads| {
                let polls: Vec<_> = (0..3).map(|_| threads.spawn(|| poll(&site, name, "now"))).collect();
                wait_for_readers(&site, 4);
                let line = rooms.line(directory, "al", "to all of you") + "\n";
                for poll in polls {
                    let reply = poll.join().unwrap();
                    assert_eq!((reply.status, reply.text()), (200, &*line), "{watch}");
                    assert_eq!(next(&reply), end_of(&site, name));
                    assert_eq!(reply.header("stream-up-to-date"), Some("true"));
                }
                assert_eq!(up_to_date(&mut events), line);
            });
            drop(events);
            wait_for_readers(&site, 0);
        }
    }
}

#[test]
fn twenty_writers_and_every_live_read_is_the_file_up_to_the_end() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &["--workers", "2"]);
    let site = server.site();
    send(&site, "PUT", "mixed", &[BYTES], b"");
    thread::scope(|threads| {
        let (rooms, site) = (&rooms, &site);
        let mut readers = Vec::new();
        for offset in ["-1", "now", "-1"] {
            let mut stream = sse(site, "mixed", offset);
            readers.push(threads.spawn(move || {
                let mut read = Vec::new();
                while let Some((data, control)) = pair(&mut stream) {
                    read.extend(STANDARD.decode(data).expect("base64"));
                    assert!(rooms.log("mixed").starts_with(&read));
                    let offset = control["streamNextOffset"].as_str().unwrap().split('_').nth(1).unwrap();
                    assert_eq!(offset.parse(), Ok(read.len()));
                    if control["streamClosed"] == true {
                        assert_eq!(stream.rest(), []);
                        break;
                    }
                }
                read
            }));
        }
        readers.push(threads.spawn(move || {
            let (mut read, mut offset) = (Vec::new(), "-1".to_owned());
            loop {
                let reply = poll(site, "mixed", &offset);
                assert!(matches!(reply.status, 200 | 204), "{}", reply.text());
                read.extend_from_slice(&reply.body);
                assert!(rooms.log("mixed").starts_with(&read));
                offset = next(&reply);
                if reply.header("stream-closed") == Some("true") {
                    return read;
                }
            }
        }));
        let mut writers = Vec::new();
        for writer in 0..10 {
            writers.push(threads.spawn(move || {
                for n in 0..40 {
                    rooms.append("mixed", format!("<shell {writer} {n}\n>").as_bytes());
                }
            }));
            writers.push(threads.spawn(move || {
                for n in 0..40 {
                    let reply = send(site, "POST", "mixed", &[BYTES], format!("<post {writer} {n}\0\r>").as_bytes());
                    assert_eq!(reply.status, 204);
                }
            }));
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        // Shells go on while it is closed, and after.
        let late = threads.spawn(|| (0..200).for_each(|_| _ = rooms.append("mixed", b"late")));
        let closed = send(site, "POST", "mixed", &[BYTES, CLOSE], b"the end");
        late.join().unwrap();
        let end: usize = next(&closed).split('_').nth(1).unwrap().parse().unwrap();
        let log = rooms.log("mixed");
        assert!(log[..end].ends_with(b"the end"));
        assert_eq!(log.iter().filter(|byte| **byte == b'>').count(), 800);
        for reader in readers {
            assert!(reader.join().unwrap() == log[..end], "what was read is not the file up to its end");
        }
    });
}

#[test]
fn who_waits_is_told_what_becomes_of_the_stream() {
    type Fate = fn(&Rooms, &Site);
    let closed: Fate = |_, site| _ = send(site, "POST", "s", &[CLOSE], b"");
    // The stream; then what a long-poll gets, and what one gets who asks for the same position after that.
    let fates: [(&str, Fate, u16, u16); 8] = [
        ("closed", closed, 204, 200),
        ("truncated", |rooms, _| _ = rooms.rewrite("s", b"one"), 410, 410),
        ("edited", |rooms, _| _ = rooms.rewrite("s", b"ONE TWO"), 410, 410),
        ("rotated", |rooms, _| _ = rooms.replace("s", b""), 410, 410),
        ("sed -i, before the position", |rooms, _| _ = rooms.replace("s", b"One two"), 410, 410),
        ("sed -i, of nothing", |rooms, _| _ = rooms.replace("s", b"one two"), 204, 200),
        ("deleted", |_, site| _ = send(site, "DELETE", "s", &[], b""), 404, 404),
        ("rm -r", |rooms, _| _ = rooms.remove("s"), 404, 404),
    ];
    for (fate, change, polled, again) in fates {
        let rooms = Rooms::empty();
        let server = Server::serve(rooms.root(), &PATIENT);
        let site = server.site();
        send(&site, "PUT", "s", &[PLAIN], b"one two");
        let end = end_of(&site, "s");
        let mut stream = sse(&site, "s", "-1");
        assert_eq!(up_to_date(&mut stream), "one two");
        thread::scope(|threads| {
            let waiting = threads.spawn(|| poll(&site, "s", &end));
            wait_for_readers(&site, 2);
            change(&rooms, &site);
            let reply = waiting.join().unwrap();
            assert_eq!(reply.status, polled, "{fate}: {}", reply.text());
            assert_eq!(reply.header("stream-closed"), (fate == "closed").then_some("true"));
        });
        // A reader of events that can't go on is left to ask again: only an end is told as one.
        let rest = stream.rest();
        let told: Vec<_> = rest.iter().map(|event| event.json()["streamClosed"] == true).collect();
        assert_eq!(told, if fate == "closed" { vec![true] } else { vec![] }, "{fate}");
        assert_eq!(site.get(&format!("/v1/stream/s?offset={end}")).status, again, "{fate}");
    }
}

#[test]
fn a_stream_that_is_created_again_is_another() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &PATIENT);
    let site = server.site();
    send(&site, "PUT", "s", &[PLAIN], b"one");
    let end = end_of(&site, "s");
    send(&site, "DELETE", "s", &[], b"");
    send(&site, "PUT", "s", &[PLAIN], b"one");
    assert_eq!(poll(&site, "s", &end).status, 410);
    let refused = Stream::try_open(&site, &format!("/v1/stream/s?offset={end}&live=sse"), &[]).err();
    assert_eq!(refused.expect("a refusal").status, 410);
}

#[test]
fn text_arrives_whole_however_it_was_cut() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    send(&site, "PUT", "s", &[PLAIN], b" a\r");
    let mut stream = sse(&site, "s", "-1");
    assert_eq!(up_to_date(&mut stream), " a\n");
    rooms.append("s", b"\nb\xf0\x9f");
    assert_eq!(up_to_date(&mut stream), "b");
    rooms.append("s", b"\x98\x80\r\n");
    assert_eq!(up_to_date(&mut stream), "😀\n");
    // More than is read at a time; whoever comes now reads it by itself.
    let text = "naïve ☃ 😀".repeat(20_000);
    rooms.append("s", text.as_bytes());
    assert_eq!(up_to_date(&mut stream), text);
    assert_eq!(up_to_date(&mut sse(&site, "s", "-1")), format!(" a\nb😀\n{text}"));
}

#[test]
fn a_connection_is_cycled_and_goes_on_where_it_was() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &["--lifetime", "2.5", "--ping", "0.5"]);
    let site = server.site();
    send(&site, "PUT", "s", &[PLAIN], b"one");
    let mut stream = sse(&site, "s", "-1");
    let (data, control) = pair(&mut stream).unwrap();
    assert_eq!((&*data, &control["upToDate"]), ("one", &Value::Bool(true)));
    assert_eq!(stream.rest(), [], "neither a ping nor the end is an event of the protocol");
    assert!(!stream.comments().is_empty(), "that somebody is there is shown by a comment");
    send(&site, "POST", "s", &[PLAIN], b"two");
    let (cursor, offset) = (control["streamCursor"].as_str().unwrap(), control["streamNextOffset"].as_str().unwrap());
    let mut stream = sse(&site, "s", &format!("{offset}&cursor={cursor}"));
    let (data, control) = pair(&mut stream).unwrap();
    assert_eq!(data, "two");
    let after: u64 = control["streamCursor"].as_str().unwrap().parse().unwrap();
    assert!(after > cursor.parse().unwrap());
}

#[test]
fn one_who_goes_while_it_waits_frees_its_place() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &[&PATIENT[..], &["--max-streams", "1"]].concat());
    let site = server.site();
    let mut waiting = super::support::http::Connection::open(site.addr);
    waiting.send("GET", "/v1/stream/R?offset=now&live=long-poll", &[], b"");
    wait_for_readers(&site, 1);
    assert_eq!(poll(&site, "R", "now").status, 503);
    drop(waiting);
    wait_for_readers(&site, 0);
}

#[test]
fn a_server_that_stops_lets_nobody_wait() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let mut server = Server::serve(rooms.root(), &PATIENT);
    let site = server.site();
    let mut stream = sse(&site, "R", "now");
    assert_eq!(up_to_date(&mut stream), "");
    thread::scope(|threads| {
        let waiting = threads.spawn(|| poll(&site, "R", "now"));
        wait_for_readers(&site, 2);
        assert!(server.stop().success());
        let reply = waiting.join().unwrap();
        assert_eq!((reply.status, reply.header("stream-up-to-date")), (204, Some("true")));
    });
    assert_eq!(stream.rest(), []);
}
