//! Peers that stop in the middle: what they hold is bounded in memory and time, and others don't feel it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::support::confined::{Confined, descriptors, kilobytes};
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::Stream;
use super::support::wait::wait_until;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

/// Twice the time that a request may take: whatever is held longer is held for ever.
const TOO_LONG: Duration = Duration::from_secs(40);

#[test]
fn one_who_reads_nothing_among_many_costs_no_memory_and_misses_nothing() {
    const MESSAGES: usize = 10_000;
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"");
    let server = Server::serve(rooms.root(), &[]);
    let open = || Stream::open(&server.site(), "/rooms/R?format=raw", EVENTS);
    let mut stopped = open();
    let mut others: Vec<Stream> = (0..30).map(|_| open()).collect();
    others.iter_mut().for_each(|stream| drop(stream.next()));
    let before = kilobytes(server.pid(), "RssAnon");
    let line = |n: usize| format!("{n} {}", "x".repeat(1000));
    let mut steady = others.split_off(28);
    for batch in 0..MESSAGES / 100 {
        let lines: String = (0..100).map(|n| line(100 * batch + n) + "\n").collect();
        rooms.append("R", lines.as_bytes());
        for stream in &mut steady {
            let last = stream.messages(100).pop().unwrap();
            assert_eq!(last, line(100 * batch + 99), "nobody else waits");
        }
    }
    let grown = kilobytes(server.pid(), "RssAnon").saturating_sub(before);
    assert!(grown < 8_000, "{grown} KB for those that are 10 MB behind");
    for stream in others.iter_mut().take(2).chain([&mut stopped]) {
        for (n, read) in stream.messages(MESSAGES).into_iter().enumerate() {
            assert!(read == line(n), "message {n}");
        }
    }
}

/// Sends a byte at a time, until the connection is closed; what came back. Nobody waits longer than [`TOO_LONG`].
fn trickle(address: SocketAddr, beginning: &[u8], more: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(beginning).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let (begun, mut answer, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    for n in 0.. {
        assert!(begun.elapsed() < TOO_LONG, "still open after {:?}", String::from_utf8_lossy(beginning));
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _ = more.get(n % more.len().max(1)).map(|byte| socket.write(&[*byte]));
            }
            Err(_) => break,
        }
    }
    answer
}

#[test]
fn a_request_that_comes_a_byte_at_a_time_is_cut_off() {
    let rooms = Rooms::example();
    let (server, behind) = (Server::serve(rooms.root(), &[]), Server::fastcgi_tcp(rooms.root(), &[]));
    let (http, fastcgi) = (server.addr(), behind.addr());
    let post = b"POST /rooms/General HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n";
    let before = rooms.log("General");
    thread::scope(|threads| {
        threads.spawn(|| trickle(http, b"", b"GET /rooms HTTP/1.1\r\nx-y: zzzzzzzzzz"));
        threads.spawn(|| trickle(http, b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"b"));
        threads.spawn(|| {
            trickle(fastcgi, &[1, 1, 0, 1, 0, 8, 0, 0], b"\0\x01\0\0\0\0\0\0\x01\x04\0\x01\0\xff\0\0aaaaaaaaaaaaa")
        });
        let body = threads.spawn(|| trickle(http, post, b"b"));
        // One that says nothing more, at the beginning or after an answer.
        threads.spawn(|| trickle(http, b"GET /rooms HTTP/1.1\r\nHo", b""));
        let body = String::from_utf8(body.join().unwrap()).unwrap();
        assert!(body.starts_with("HTTP/1.1 408 "), "{body:?}");
    });
    assert!(rooms.log("General") == before, "nothing of it is in the log");
    assert_eq!(server.site().get("/healthz").status, 200);
}

/// The network between it and the server is gone, and with it the client: nobody closes the connection.
#[test]
#[ignore = "it takes the minute that such a peer is given: tests/long half-open"]
fn a_peer_that_vanished_is_gone_within_a_minute_of_its_ping() {
    let confined = Confined::in_network("ip link set lo up && mkdir \"$ROOT/R\"", &["--ping", "1"]);
    let pid = confined.server.pid();
    let idle = descriptors(pid);
    let url = format!("{}rooms/R", confined.server.url());
    let mut client = confined.spawn(&format!("exec curl -sN -H 'Accept: text/event-stream' {url}"));
    while client.stdout_line().unwrap() != "event: ping" {}
    assert!(descriptors(pid) > idle + 1);
    confined.run("ip link set lo down");
    client.kill9();
    let minute = Duration::from_secs(60);
    // Of that minute, one second for the ping, and some for the kernel's next try.
    wait_until("the connection is gone", 2 * minute, || !sockets(pid).iter().any(|state| state == ESTABLISHED));
}

/// As `/proc/PID/net/tcp` has it.
const ESTABLISHED: &str = "01";

/// The states of all TCP sockets in the network of a process.
fn sockets(pid: u32) -> Vec<String> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    table.lines().skip(1).map(|line| line.split_whitespace().nth(3).unwrap().to_owned()).collect()
}
