//! Producers that repeat themselves, across crashes: each message once, in order.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use chatroom::room::producer::Claim;
use chatroom::room::sidecar::{Intent, Sidecar};

use super::support::http::Site;
use super::support::rooms::Rooms;
use super::support::seeded::Seeded;
use super::support::server::Server;

fn post(site: &Site, seq: u64, body: &[u8]) -> u16 {
    let seq = seq.to_string();
    let headers = [("Content-Type", "text/x"), ("Producer-Id", "p"), ("Producer-Epoch", "0"), ("Producer-Seq", &*seq)];
    site.request("POST", "/v1/stream/s", &headers, body).status
}

/// A crash leaves the intent, and maybe the bytes, with what a shell wrote before or after them.
#[test]
fn a_crash_at_every_step_and_then_the_retry() {
    let steps: [(&str, &[u8], u16); 6] = [
        ("before the append", b"", 200),
        ("before the append, a shell wrote", b"shell", 200),
        ("after the append", b"message", 204),
        ("after the append, a shell wrote before it", b"mess shell message", 204),
        ("after the append, a shell wrote after it", b"message shell", 204),
        ("before the append, a shell wrote something like it", b"messagx", 200),
    ];
    for closes in [false, true] {
        for (step, there, expected) in steps {
            let rooms = Rooms::empty();
            let server = Server::serve(rooms.root(), &[]);
            let site = server.site();
            site.request("PUT", "/v1/stream/s", &[("Content-Type", "text/x")], b"message");
            assert_eq!(post(&site, 0, b"first"), 200);
            let path = rooms.room("s").join(".log.stream");
            let mut sidecar = Sidecar::parse(&fs::read(&path).unwrap()).unwrap();
            let claim = Claim { id: "p".into(), epoch: 0, seq: 1 };
            sidecar.intent = Some(Intent::new(Some(claim), None, closes, rooms.log("s").len() as u64, b"message"));
            fs::write(&path, sidecar.to_bytes()).unwrap();
            rooms.append("s", there);
            let closed = site.get("/v1/stream/s").header("stream-closed").is_some();
            assert_eq!(closed, closes && expected == 204, "{step}");
            assert_eq!(post(&site, 1, b"message"), expected, "{step}");
            let log = String::from_utf8(rooms.log("s")).unwrap();
            assert_eq!(log.matches("message").count(), 2, "{step}: {log}");
            assert_eq!(post(&site, 1, b"message"), 204, "{step}");
            assert_eq!(post(&site, 2, b"third"), if closed { 409 } else { 200 }, "{step}");
        }
    }
}

/// One POST to a server that may die at any moment; its status, where it came so far.
fn try_post(addr: SocketAddr, seq: u64) -> Option<u16> {
    let body = format!("<{seq}>");
    let mut socket = TcpStream::connect(addr).ok()?;
    let head = "POST /v1/stream/s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/x\r\n";
    let producer = format!("Producer-Id: p\r\nProducer-Epoch: 0\r\nProducer-Seq: {seq}\r\n");
    write!(socket, "{head}{producer}Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut reply = String::new();
    socket.read_to_string(&mut reply).ok()?;
    reply.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_producer_that_retries_through_kills_is_in_the_file_once() {
    let rooms = Rooms::empty();
    let mut seeded = Seeded(5);
    let mut seq = 0;
    for round in 0..12 {
        let mut server = Server::serve(rooms.root(), &[]);
        let addr = server.addr();
        if round == 0 {
            server.site().request("PUT", "/v1/stream/s", &[("Content-Type", "text/x")], b"");
        }
        // Killed once the log has grown by so much, in the middle of whatever is under way then.
        let goal = rooms.log("s").len() as u64 + 1 + seeded.below(200);
        seq = thread::scope(|threads| {
            let producer = threads.spawn(move || {
                let mut seq = seq;
                while let Some(status) = try_post(addr, seq) {
                    assert!(matches!(status, 200 | 204), "{seq}: {status}");
                    seq += 1;
                }
                seq
            });
            let path = rooms.log_path("s");
            while fs::metadata(&path).unwrap().len() < goal {
                thread::yield_now();
            }
            server.kill9();
            producer.join().unwrap()
        });
        rooms.append("s", b"<shell>");
    }
    let server = Server::serve(rooms.root(), &[]);
    assert!(matches!(try_post(server.addr(), seq), Some(200 | 204)));
    let log = String::from_utf8(rooms.log("s")).unwrap().replace("<shell>", "");
    let expected: String = (0..=seq).map(|seq| format!("<{seq}>")).collect();
    assert_eq!(log, expected);
}
