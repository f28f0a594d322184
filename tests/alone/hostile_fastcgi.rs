//! FastCGI records of every malformed kind: each is refused in the protocol's words or ends its own connection.

use std::fs;

use chatroom::limits::REQUEST_TIMEOUT;

use super::support::fastcgi::{self, Client, Record, begin, params};
use super::support::rooms::Rooms;
use super::support::server::Server;

fn is_fine(server: &Server) {
    let answer = Client::tcp(server.addr()).exchange(false, &params("GET", "/healthz", ""), b"").stdout;
    assert!(answer.ends_with(b"ok\n"));
}

#[test]
fn another_version_closes_at_any_record() {
    let rooms = Rooms::example();
    let server = Server::fastcgi_tcp(rooms.root(), &[]);
    let records = [
        begin(1, fastcgi::RESPONDER, true),
        Record::new(fastcgi::PARAMS, 1, &fastcgi::pairs(&params("POST", "/rooms/General", ""))),
        Record::new(fastcgi::PARAMS, 1, b""),
        Record::new(fastcgi::STDIN, 1, b"never said"),
        Record::new(fastcgi::STDIN, 1, b""),
    ];
    for (at, version) in (0..records.len()).flat_map(|at| [0, 2, b'G', 255].map(|version| (at, version))) {
        let mut client = Client::tcp(server.addr());
        for (n, record) in records.iter().enumerate() {
            client.send(&Record { version: if n == at { version } else { 1 }, ..record.clone() });
        }
        client.expect_close();
    }
    is_fine(&server);
    assert!(!String::from_utf8(rooms.log("General")).unwrap().contains("never said"));
}

#[test]
fn management_records_of_every_type_are_answered() {
    let rooms = Rooms::example();
    let server = Server::fastcgi_tcp(rooms.root(), &[]);
    let mut client = Client::tcp(server.addr());
    for kind in 0..=255 {
        client.send(&Record { padding: kind, ..Record::new(kind, 0, b"") });
        let answer = client.record().unwrap();
        if kind == fastcgi::GET_VALUES {
            assert_eq!((answer.kind, answer.content), (fastcgi::GET_VALUES_RESULT, vec![]));
        } else {
            assert_eq!((answer.kind, answer.id, answer.content[0]), (fastcgi::UNKNOWN_TYPE, 0, kind));
        }
    }
    client.send(&Record::new(fastcgi::GET_VALUES, 0, &[200]));
    client.expect_close();
    is_fine(&server);
}

#[test]
fn other_roles_and_other_requests_meanwhile_are_refused_and_the_connection_goes_on() {
    let rooms = Rooms::example();
    let server = Server::fastcgi_tcp(rooms.root(), &[]);
    let mut client = Client::tcp(server.addr());
    for role in [0, fastcgi::AUTHORIZER, fastcgi::FILTER, 4, 0x100, 0x101, 0xff01, u16::MAX] {
        client.send(&begin(1, role, true));
        assert_eq!(client.outcome(1).protocol_status, fastcgi::UNKNOWN_ROLE);
    }
    // Two requests' records in turns: the first is answered, the second refused, and none has anything of the other.
    let bodies = [b"first".as_slice(), b"second"];
    let requests = [1, 2].map(|id| {
        let mut asked = params("POST", "/rooms/Lounge", if id == 1 { "user=al" } else { "user=mo" });
        asked.push(("CONTENT_TYPE", "text/plain"));
        [
            begin(id, fastcgi::RESPONDER, true),
            Record::new(fastcgi::PARAMS, id, &fastcgi::pairs(&asked)),
            Record::new(fastcgi::PARAMS, id, b""),
            Record::new(fastcgi::STDIN, id, bodies[usize::from(id) - 1]),
            Record::new(fastcgi::STDIN, id, b""),
        ]
    });
    for (one, other) in requests[0].iter().zip(&requests[1]) {
        client.send(one);
        client.send(other);
    }
    let refused = client.record().unwrap();
    assert_eq!((refused.kind, refused.id, refused.content[4]), (fastcgi::END_REQUEST, 2, fastcgi::CANT_MPX_CONN));
    assert!(client.outcome(1).stdout.starts_with(b"Status: 201"));
    // What an application sends means nothing where it is received.
    for kind in [fastcgi::END_REQUEST, fastcgi::STDOUT, fastcgi::STDERR, fastcgi::DATA, 10, 11, 12, 255] {
        client.send(&Record::new(kind, 1, b"x"));
    }
    assert!(client.exchange(true, &params("GET", "/healthz", ""), b"").stdout.ends_with(b"ok\n"));
    let log = String::from_utf8(rooms.log("Lounge")).unwrap();
    assert!(log.ends_with("] al: first\n") && !log.contains("second"), "{log}");
}

#[test]
fn an_abort_at_each_point_leaves_the_connection_to_the_next_request() {
    let rooms = Rooms::example();
    let server = Server::fastcgi_tcp(rooms.root(), &[]);
    let mut asked = params("POST", "/rooms/Lounge", "user=al");
    asked.push(("CONTENT_TYPE", "text/plain"));
    let pairs = fastcgi::pairs(&asked);
    let records = [
        begin(1, fastcgi::RESPONDER, true),
        Record::new(fastcgi::PARAMS, 1, &pairs[..7]),
        Record::new(fastcgi::PARAMS, 1, &pairs[7..]),
        Record::new(fastcgi::PARAMS, 1, b""),
        Record::new(fastcgi::STDIN, 1, b"never "),
        Record::new(fastcgi::STDIN, 1, b"said"),
    ];
    let mut client = Client::tcp(server.addr());
    for sent in 0..=records.len() {
        records[..sent].iter().for_each(|record| client.send(record));
        client.send(&Record::new(fastcgi::ABORT_REQUEST, 1, b""));
        if sent > 0 {
            let outcome = client.outcome(1);
            assert_eq!(
                (outcome.protocol_status, &outcome.stdout[..]),
                (fastcgi::REQUEST_COMPLETE, &b""[..]),
                "after {sent}"
            );
        }
        // Of another request, or of one that is over, it means nothing.
        client.send(&Record::new(fastcgi::ABORT_REQUEST, 9, b""));
        assert!(client.exchange(true, &params("GET", "/healthz", ""), b"").stdout.ends_with(b"ok\n"), "after {sent}");
    }
    let log = String::from_utf8(rooms.log("Lounge")).unwrap();
    assert!(!log.contains("never") && !log.contains("said"), "{log}");
}

#[test]
fn an_abort_of_what_goes_on_leaves_the_connection_to_the_next_request() {
    let rooms = Rooms::example();
    let server = Server::fastcgi_tcp(rooms.root(), &["--long-poll", "600"]);
    let accept = ("HTTP_ACCEPT", "text/event-stream");
    let mut client = Client::tcp(server.addr());
    for (path, query, begins) in [
        ("/rooms/Lounge", "", "event: members"),
        ("/v1/stream/Lounge", "offset=now&live=sse", "event: control"),
        ("/rooms", "", "event: rooms"),
    ] {
        let mut asked = params("GET", path, query);
        asked.push(accept);
        client.write(&fastcgi::request(1, true, &asked, b""));
        client.stdout_until(begins);
        client.send(&Record::new(fastcgi::ABORT_REQUEST, 2, b""));
        client.send(&Record::new(fastcgi::ABORT_REQUEST, 1, b""));
        assert_eq!(client.outcome(1).protocol_status, fastcgi::REQUEST_COMPLETE, "{path}");
        assert!(client.exchange(true, &params("GET", "/healthz", ""), b"").stdout.ends_with(b"ok\n"), "{path}");
    }
    // Where nothing was answered yet, nothing is.
    client.write(&fastcgi::request(1, true, &params("GET", "/v1/stream/Lounge", "offset=now&live=long-poll"), b""));
    client.send(&Record::new(fastcgi::ABORT_REQUEST, 1, b""));
    let outcome = client.outcome(1);
    assert_eq!((outcome.protocol_status, &outcome.stdout[..]), (fastcgi::REQUEST_COMPLETE, &b""[..]));
    assert!(client.exchange(true, &params("GET", "/healthz", ""), b"").stdout.ends_with(b"ok\n"));
}

#[test]
fn lengths_that_lie_say_nothing() {
    let rooms = Rooms::example();
    let server = Server::fastcgi_tcp(rooms.root(), &[]);
    let begin = begin(1, fastcgi::RESPONDER, true).encode();
    let pairs = fastcgi::pairs(&params("POST", "/rooms/General", "user=al"));
    let body = fastcgi::stream(fastcgi::STDIN, 1, b"never said");
    let asked = |pairs: &[u8]| [&begin[..], &fastcgi::stream(fastcgi::PARAMS, 1, pairs), &body].concat();
    // Pairs that are longer than what they stand in, each way that a length is written; and a request that is too short.
    for lie in
        [&[1][..], &[0x80], &[0x80, 0, 0], &[1, 1, b'x'], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'x']]
    {
        let mut client = Client::tcp(server.addr());
        client.write(&asked(&[&pairs, lie].concat()));
        client.expect_close();
    }
    for length in 0..8 {
        let mut client = Client::tcp(server.addr());
        client.send(&Record::new(fastcgi::BEGIN_REQUEST, 1, &[0, 1, 1, 0, 0, 0, 0, 0][..length]));
        client.write(&asked(&pairs)[begin.len()..]);
        client.expect_close();
    }
    // What follows a record that says it is shorter than it is, is none.
    for length in 1..b"never said".len() {
        let mut short = asked(&pairs);
        let head = short.len() - body.len();
        short[head + 4..head + 6].copy_from_slice(&(length as u16).to_be_bytes());
        let mut client = Client::tcp(server.addr());
        // At once, and not as its time is over.
        client.set_timeout(REQUEST_TIMEOUT / 2);
        client.write(&short);
        client.expect_close();
    }
    is_fine(&server);
    assert!(!String::from_utf8(rooms.log("General")).unwrap().contains("never said"));
}

#[test]
fn a_hundred_megabytes_of_parameters_or_of_a_body_are_not_kept() {
    let rooms = Rooms::example();
    let server = Server::fastcgi_tcp(rooms.root(), &[]);
    let part = vec![0; 60_000];
    let mut client = Client::tcp(server.addr());
    client.send(&begin(1, fastcgi::RESPONDER, true));
    for _ in 0..1700 {
        client.send(&Record::new(fastcgi::PARAMS, 1, &part));
    }
    client.expect_close();
    // A body is read to its end, so that the web server comes to read why it is refused.
    let mut client = Client::tcp(server.addr());
    client.send(&begin(1, fastcgi::RESPONDER, true));
    client.write(&fastcgi::stream(fastcgi::PARAMS, 1, &fastcgi::pairs(&params("POST", "/rooms/General", ""))));
    for _ in 0..1700 {
        client.send(&Record::new(fastcgi::STDIN, 1, &part));
    }
    client.send(&Record::new(fastcgi::STDIN, 1, b""));
    assert!(client.outcome(1).stdout.starts_with(b"Status: 413"));
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 50_000, "{peak} KB of memory");
    is_fine(&server);
}
