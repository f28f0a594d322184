//! Peers that stop in the middle: what they hold is bounded in memory and time, and others don't feel it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::support::PATIENCE;
use super::support::confined::{Confined, descriptors, private_kilobytes};
use super::support::http::Site;
use super::support::process::raise_descriptors;
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::{Decoder, Stream};
use super::support::wait::wait_until;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

/// Twice the time that a request may take: whatever is held longer is held for ever.
const TOO_LONG: Duration = Duration::from_secs(40);

/// One of a crowd: all of it that comes after the first event.
fn join(site: &Site) -> TcpStream {
    let mut socket = TcpStream::connect(site.addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET /rooms/R?format=raw HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    while !(seen.contains("event: members") && seen.ends_with("\n\n")) {
        let count = socket.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "{seen}");
        seen += str::from_utf8(&buffer[..count]).unwrap();
    }
    socket
}

fn metric(site: &Site, name: &str) -> usize {
    let metrics = site.get("/metrics");
    let figure = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    figure.unwrap_or_else(|| panic!("no {name} in {}", metrics.text()))
}

const BATCHES: usize = 100;
const BATCH: usize = 100;

/// Appends lines a hundred at a time, and the next ones only once each of the crowd has read the last ones.
fn tell(rooms: &Rooms, crowd: &mut [TcpStream], what: &str) {
    let (first, others) = crowd.split_first_mut().unwrap();
    let mut decoder = Decoder::default();
    for batch in 0..BATCHES {
        let lines: Vec<String> = (0..BATCH).map(|n| format!("{what} {}", BATCH * batch + n)).collect();
        rooms.append("R", (lines.join("\n") + "\n").as_bytes());
        let (mut read, mut events, mut buffer) = (Vec::<u8>::new(), Vec::new(), [0; 16 * 1024]);
        while events.len() < BATCH {
            let count = first.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "a stream ended");
            events.extend(decoder.feed(&buffer[..count]));
            read.extend(&buffer[..count]);
        }
        assert!(events.iter().map(|event| &event.data).eq(&lines), "{events:?}");
        // The others are told the same, to the byte.
        let mut same = vec![0; read.len()];
        for (n, other) in others.iter_mut().enumerate() {
            other.read_exact(&mut same).unwrap_or_else(|error| panic!("{n} waits for batch {batch}: {error}"));
            assert!(same == read, "{n} reads {:?}", String::from_utf8_lossy(&same));
        }
    }
}

#[test]
fn one_who_reads_nothing_among_a_thousand_costs_nothing_and_misses_nothing() {
    const FILLING: usize = 16_000;
    let rooms = Rooms::empty();
    rooms.create("R");
    let crowded = raise_descriptors().saturating_sub(400).min(999);
    let server = Server::serve(rooms.root(), &["--workers", "1", "--ping", "600"]);
    let (site, pid) = (server.site(), server.pid());
    let figures =
        || ["deliveries", "writes", "catch_up_reads"].map(|of| metric(&site, &format!("chatroom_{of}_total")));
    let crowd = || (0..crowded).map(|_| join(&site)).collect::<Vec<_>>();
    let round = |crowd: &mut [TcpStream], what: &str| {
        let before = figures();
        tell(&rooms, crowd, what);
        let after = figures();
        (std::array::from_fn::<_, 3, _>(|n| after[n] - before[n]), private_kilobytes(pid))
    };
    let filling = |n: usize| format!("{n} {}", "x".repeat(1000));
    let fill = |lines: usize| {
        for batch in 0..lines / 1000 {
            rooms.append("R", (0..1000).map(|n| filling(1000 * batch + n) + "\n").collect::<String>().as_bytes());
        }
    };
    // What long lines take of the memory for good they take at first.
    let mut reading = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    fill(2000);
    reading.messages(2000);
    drop(reading);
    let (without, memory_without) = round(&mut crowd(), "without");
    let costs_nothing = |[deliveries, writes, reads]: [usize; 3]| {
        assert_eq!((deliveries, reads), (BATCHES * BATCH * crowded, 0), "each line once to each, and no reading");
        // One write a batch to each, or two, where a look came while a page of it was still being written.
        assert!(writes % crowded == 0 && writes < 2 * BATCHES * crowded, "{writes} writes to {crowded}");
    };
    costs_nothing(without);
    wait_until("they are gone", PATIENCE, || metric(&site, "chatroom_streams") == 0);

    // Now one whose sockets are full, and more than ten thousand lines are still to come for it.
    let mut stopped = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    stopped.next();
    let lines_before = metric(&site, "chatroom_messages_total");
    let delivered_before = metric(&site, "chatroom_deliveries_total");
    fill(FILLING);
    let (mut last, mut same) = (figures(), 0);
    wait_until("nothing more has its place", PATIENCE, || {
        let now = (metric(&site, "chatroom_messages_total") == lines_before + FILLING).then(&figures);
        same = if now == Some(last) { same + 1 } else { 0 };
        last = now.unwrap_or(last);
        same == 20
    });
    assert!(last[0] < delivered_before + FILLING, "its sockets took all: {last:?}");
    let mut healthy = crowd();
    let (with, memory_with) = round(&mut healthy, "with");
    costs_nothing(with);
    // What it waits with is one write's worth, and a stretch of which a part went into it: 128 KB, perhaps twice where
    // they are copied; what an allocator keeps from one round to the next is some hundred more. It is more than 20,000 lines and ten megabytes behind.
    assert!(memory_with < memory_without + 1024, "{memory_with} KB, and {memory_without} KB without it");

    // It goes on where it was, also where it was given up meanwhile.
    let mut read = Vec::new();
    while read.len() < FILLING + BATCHES * BATCH {
        match stopped.next_or_end() {
            Some(event) => read.extend((event.event == "message").then_some(event.data)),
            None => stopped = Stream::resume(&site, "/rooms/R?format=raw", stopped.last_event_id()),
        }
    }
    let told = (0..FILLING).map(filling).chain((0..BATCHES * BATCH).map(|n| format!("with {n}")));
    for (n, (read, told)) in read.iter().zip(told).enumerate() {
        assert!(*read == told, "line {n} is {:?}", &read[..read.len().min(100)]);
    }
    assert!(figures()[2] > with[2], "it read the log");
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
