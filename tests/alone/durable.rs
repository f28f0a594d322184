//! Streams over files that shells append to, beyond what the official suite asks.

use std::fs;
use std::thread;

use super::support::http::{Reply, Site};
use super::support::rooms::Rooms;
use super::support::server::Server;

const BYTES: (&str, &str) = ("Content-Type", "application/octet-stream");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const PLAIN: (&str, &str) = ("Content-Type", "text/plain");
const CLOSE: (&str, &str) = ("Stream-Closed", "true");

fn send(site: &Site, method: &str, name: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    site.request(method, &format!("/v1/stream/{name}"), headers, body)
}

fn next(reply: &Reply) -> &str {
    reply.header("stream-next-offset").expect("a next offset")
}

/// All of a stream from `offset` on, read by read, and where it ended.
fn read_all(site: &Site, name: &str, offset: &str) -> (Vec<u8>, String) {
    let (mut all, mut offset) = (Vec::new(), offset.to_owned());
    loop {
        let reply = site.get(&format!("/v1/stream/{name}?offset={offset}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        all.extend_from_slice(&reply.body);
        offset = next(&reply).to_owned();
        if reply.header("stream-up-to-date") == Some("true") {
            return (all, offset);
        }
    }
}

#[test]
fn shells_and_posts_write_and_every_read_is_the_file() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &["--workers", "2"]);
    let site = server.site();
    assert_eq!(send(&site, "PUT", "mixed", &[BYTES], b"").status, 201);
    thread::scope(|threads| {
        let (rooms, site) = (&rooms, &site);
        let mut writers = Vec::new();
        for writer in 0..10 {
            writers.push(threads.spawn(move || {
                for n in 0..40 {
                    rooms.append("mixed", format!("<shell {writer} {n}>\n").as_bytes());
                }
            }));
            writers.push(threads.spawn(move || {
                for n in 0..40 {
                    let reply = send(site, "POST", "mixed", &[BYTES], format!("<post {writer} {n}\0>").as_bytes());
                    assert_eq!(reply.status, 204);
                    // What was acknowledged ends where the answer says.
                    let end: usize = next(&reply).split('_').nth(1).unwrap().parse().unwrap();
                    assert!(rooms.log("mixed")[..end].ends_with(format!("<post {writer} {n}\0>").as_bytes()));
                }
            }));
        }
        let (mut read, mut offset) = (Vec::new(), "-1".to_owned());
        loop {
            let done = writers.iter().all(thread::ScopedJoinHandle::is_finished);
            let (more, end) = read_all(site, "mixed", &offset);
            (read, offset) = ([read, more].concat(), end);
            assert!(rooms.log("mixed").starts_with(&read));
            if done {
                break;
            }
        }
        assert_eq!(read, rooms.log("mixed"));
    });
    assert_eq!(rooms.log("mixed").iter().filter(|byte| **byte == b'>').count(), 800);
}

#[test]
fn a_position_in_a_stream_that_became_another_is_gone() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let put = || next(&send(&site, "PUT", "s", &[BYTES], b"one\ntwo\n")).to_owned();
    let status = |offset: &str| site.get(&format!("/v1/stream/s?offset={offset}")).status;
    let first = put();
    assert_eq!(status(&first), 200);
    rooms.rewrite("s", b"one\n");
    assert_eq!(status(&first), 410, "truncated");
    rooms.replace("s", b"ONE\ntwo\nmore\n");
    assert_eq!(status(&first), 410, "edited");
    rooms.replace("s", b"one\ntwo\nmore\n");
    assert_eq!(site.get(&format!("/v1/stream/s?offset={first}")).body, b"more\n", "the same bytes are the same stream");
    assert_eq!(send(&site, "DELETE", "s", &[], b"").status, 204);
    let second = put();
    assert_eq!((status(&first), status(&second)), (410, 200), "deleted and created again");
    assert!(first < second);
}

#[test]
fn what_comes_after_the_end_is_never_served() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    send(&site, "PUT", "s", &[BYTES], b"one");
    let closed = send(&site, "POST", "s", &[BYTES, CLOSE], b"two");
    assert_eq!((closed.status, closed.header("stream-closed")), (204, Some("true")));
    rooms.append("s", b"late");
    let read = site.get("/v1/stream/s");
    assert_eq!((&*read.body, read.header("stream-closed")), (&b"onetwo"[..], Some("true")));
    assert_eq!(next(&read), next(&closed));
    assert_eq!(send(&site, "POST", "s", &[BYTES], b"x").status, 409);
    // The end outlives the process.
    let again = Server::serve(rooms.root(), &[]);
    assert_eq!(again.site().get("/v1/stream/s").body, b"onetwo");
}

#[test]
fn json_is_a_value_a_line_whatever_a_shell_writes() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    send(&site, "PUT", "j", &[JSON], b"[{\"a\": 1}, [2]]");
    assert_eq!(rooms.log("j"), b"{\"a\":1}\n[2]\n");
    rooms.append("j", b"oops\n{\"b\":2}\n{\"torn\":");
    assert_eq!(site.get("/v1/stream/j").text(), r#"[{"a":1},[2],"oops",{"b":2}]"#);
    assert_eq!(send(&site, "POST", "j", &[JSON], b" 3 ").status, 204);
    assert_eq!(rooms.log("j"), b"{\"a\":1}\n[2]\noops\n{\"b\":2}\n{\"torn\":\n3\n");
    assert_eq!(site.get("/v1/stream/j").json()[5], 3);
}

#[test]
fn a_chat_room_takes_whole_lines_or_a_text_that_becomes_one() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let post = |query: &str, body: &[u8]| send(&site, "POST", &format!("R{query}"), &[PLAIN], body).status;
    let line = b"[2026-01-31 08:00:00] al: hi\n";
    assert_eq!(post("", line), 204);
    assert_eq!(rooms.log("R"), line);
    let refused: [&[u8]; 6] = [
        b"hi",
        b"hi\n",
        b"[2026-01-31 08:00:00] al: hi",
        b"[2026-01-31 08:00:00] log: al joined the room.\n",
        b"[2026-01-31 08:00:00] al: a\rb\n",
        b"[2026-01-31 08:00:00] al: \xff\n",
    ];
    for body in refused {
        assert_eq!(post("", body), 400, "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(rooms.log("R"), line);
    assert_eq!(post("?user=mira", b"two\nlines"), 204);
    assert!(String::from_utf8(rooms.log("R")).unwrap().ends_with("] mira: two\u{2028}lines\n"));
    // A half-written line is none, and a room made by `mkdir` is a stream.
    let before = site.get("/v1/stream/R").body;
    rooms.append("R", b"half");
    assert_eq!(site.get("/v1/stream/R").body, before);
    fs::create_dir(rooms.room("bare")).unwrap();
    let bare = site.get("/v1/stream/bare");
    assert_eq!((bare.status, bare.body.len(), bare.header("content-type")), (200, 0, Some("text/plain")));
    assert_eq!(send(&site, "PUT", "R", &[PLAIN], b"").status, 200);
    assert_eq!(send(&site, "PUT", "R", &[BYTES], b"").status, 409);
    assert_eq!(send(&site, "POST", "R", &[PLAIN, CLOSE], b"").status, 409);
}

#[test]
fn a_broken_sidecar_is_named_and_stays_as_it_is() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    send(&site, "PUT", "s", &[PLAIN], b"one\n");
    let sidecar = rooms.room("s").join(".log.stream");
    fs::write(&sidecar, b"{ broken").unwrap();
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
        let reply = send(&site, method, "s", &[PLAIN, CLOSE], b"x");
        assert_eq!(reply.status, 500, "{method}");
        assert!(method == "HEAD" || reply.text().contains("s/.log.stream is not a sidecar"), "{}", reply.text());
        assert_eq!(fs::read(&sidecar).unwrap(), b"{ broken", "{method}");
    }
    assert_eq!(site.get_as("/rooms/s", "text/plain").body, b"one\n");
}

#[test]
fn any_name_is_a_directory_within_the_root() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    for (name, directory) in
        [("a/b", "a%2Fb"), ("..%2F..%2Fx", "%2E%2E%2F%2E%2E%2Fx"), ("%C3%A9", "%C3%A9"), (".s", "%2Es")]
    {
        let put = send(&site, "PUT", name, &[BYTES], name.as_bytes());
        assert_eq!(put.status, 201, "{name}");
        assert_eq!(rooms.log(directory), name.as_bytes());
        assert_eq!(site.get(&format!("/v1/stream/{name}")).body, name.as_bytes());
    }
    assert_eq!(site.get("/rooms").text(), "[]", "what has no room's name is no chat room");
    assert_eq!(send(&site, "PUT", &"n".repeat(225), &[BYTES], b"").status, 414);
    assert_eq!(rooms.root().read_dir().unwrap().count(), 4);
}

#[test]
fn a_body_that_is_far_too_long_is_read_away_and_answered() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    send(&site, "PUT", "s", &[BYTES], b"one");
    let mut connection = super::support::http::Connection::open(server.addr());
    // The same connection goes on: all of the body was read.
    let reply = connection.request("POST", "/v1/stream/s", &[BYTES], &vec![b'x'; 10 * 1024 * 1024]);
    assert_eq!((reply.status, reply.text().contains("at most 200704 bytes")), (413, true));
    assert_eq!(connection.request("GET", "/v1/stream/s", &[], b"").body, b"one");
}
