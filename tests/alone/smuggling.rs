//! Requests of which a proxy before us may think otherwise than we do: each gets one answer at most, and nothing that
//! was hidden in it is done.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::support::PATIENCE;
use super::support::rooms::Rooms;
use super::support::server::Server;

const HIDDEN: &str =
    "POST /rooms/Canary?user=mo HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhidden";

/// Sends bytes, and the statuses of all answers: having read the first, it ends its side and reads on to the close.
pub(super) fn answers(addr: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // It may refuse before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("it neither answers nor closes: {error}; {:?}", String::from_utf8_lossy(bytes)),
        }
        if is_whole(&answer) {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
    let text = String::from_utf8_lossy(&answer);
    text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok()).collect()
}

/// Whether an answer is there, with its body.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
    body.len() >= length
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /rooms/R?user=al HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n{fields}\r\n{body}")
}

#[test]
fn what_has_two_lengths_or_an_odd_one_is_refused_or_ends_its_connection() {
    let rooms = Rooms::empty();
    rooms.create("R").create("Canary");
    let server = Server::serve(rooms.root(), &[]);
    let whole = HIDDEN.len() + 5;
    let hidden_in_chunks = format!("0\r\n\r\n{HIDDEN}");
    let mut requests = Vec::new();
    // Both lengths, in either order and spelling: by the rules it may be answered, and must be the last.
    for coding in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding:chunked",
        "transfer-encoding: CHUNKED",
        "Transfer-Encoding: chunked ",
    ] {
        for length in
            [format!("Content-Length: {whole}"), "Content-Length: 4".to_owned(), "Content-Length: 0".to_owned()]
        {
            requests.push(post(&format!("{coding}\r\n{length}\r\n"), &hidden_in_chunks));
            requests.push(post(&format!("{length}\r\n{coding}\r\n"), &hidden_in_chunks));
        }
    }
    for coding in [
        "gzip",
        "identity",
        "xchunked",
        "chunked, identity",
        "identity, chunked",
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        "\u{b}chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked\r\nTransfer-Encoding: identity",
        "chunked\r\nTransfer-Encoding: chunked",
        "identity\r\nTransfer-Encoding: chunked",
        "\r\n chunked",
        "",
    ] {
        requests.push(post(&format!("Transfer-Encoding: {coding}\r\n"), &hidden_in_chunks));
    }
    for field in [
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "Transfer_Encoding: chunked\r\nX: y\r\n Z",
        "Transfer-Encoding\u{b}: chunked",
    ] {
        requests.push(post(&format!("{field}\r\nContent-Length: 5\r\n"), "0\r\n\r\n"));
    }
    let small = format!("hello{HIDDEN}");
    for length in [
        "5\r\nContent-Length: 6",
        "0\r\nContent-Length: 5",
        "5, 6",
        "5,5",
        "+5",
        "-5",
        "5a",
        "0x5",
        "5 5",
        "5.0",
        "٥",
        "99999999999999999999",
        "18446744073709551621",
        "",
    ] {
        requests.push(post(&format!("Content-Length: {length}\r\n"), &small));
    }
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
    ] {
        requests.push(post("Transfer-Encoding: chunked\r\n", &format!("{chunks}{HIDDEN}")));
    }
    requests.push(
        post("Transfer-Encoding: chunked\r\n", &hidden_in_chunks)
            .replace("HTTP/1.1\r\nHost: a\r\nContent", "HTTP/1.0\r\nHost: a\r\nContent"),
    );
    assert!(requests.len() > 60);
    for request in requests {
        let answers = answers(server.addr(), request.as_bytes());
        assert!(answers.len() <= 1, "{answers:?} to {request:?}");
        assert!(answers.iter().all(|status| (400..500).contains(status)), "{answers:?} to {request:?}");
    }
    assert_eq!((rooms.log("Canary"), rooms.log("R")), (vec![], vec![]), "nothing was said");
    assert_eq!(server.site().post("/rooms/R?user=al", "text/plain", b"hello").status, 201);
}

#[test]
fn a_head_that_is_not_http_is_refused() {
    let rooms = Rooms::empty();
    rooms.create("R").create("Canary");
    let server = Server::serve(rooms.root(), &[]);
    let many: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = "x".repeat(10_000_000);
    for head in [
        "GET /rooms HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\n Host: a\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost: a\rX: y\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost: a\0\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(),
        "GET http://b/rooms HTTP/1.1\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.1 \r\nHost: a\r\n\r\n".to_owned(),
        "GET  /rooms HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET\t/rooms\tHTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /rooms HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(),
        "GET /rooms HTTP/1.10\r\nHost: a\r\n\r\n".to_owned(),
        "GET /rooms http/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /rooms\r\nHost: a\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n".to_owned(),
        format!("GET /rooms HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
        format!("GET /rooms HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
        format!("GET /rooms HTTP/1.1\r\nHost: a\r\n{long}: x\r\n\r\n"),
        format!("{long} /rooms HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let request = head + HIDDEN;
        let answers = answers(server.addr(), request.as_bytes());
        let shown = &request[..request.len().min(80)];
        assert!(
            answers.len() <= 1 && answers.iter().all(|status| (400..500).contains(status)),
            "{answers:?} to {shown:?}"
        );
    }
    assert_eq!(rooms.log("Canary"), b"");
}

#[test]
fn what_can_be_meant_in_one_way_only_is_answered_once() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &[]);
    for (request, status) in [
        // A line of a head may end with LF alone (RFC 9112, section 2.2).
        ("GET /rooms HTTP/1.1\nHost: a\n\n".to_owned(), 200),
        // What it was sent to is what it asks, whatever host it names.
        ("GET http://b.example/rooms HTTP/1.1\r\nHost: b.example\r\n\r\n".to_owned(), 200),
        ("GET http://b.example/rooms/..%2f..%2fetc HTTP/1.1\r\nHost: b.example\r\n\r\n".to_owned(), 404),
        ("CONNECT b.example:80 HTTP/1.1\r\nHost: b.example:80\r\n\r\n".to_owned(), 308),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 308),
        ("GET /rooms HTTP/1.0\r\n\r\n".to_owned(), 200),
        (post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 201),
        (post("Transfer-Encoding: Chunked\r\n", "2;x=\"y\"\r\nhe\r\n3\r\nllo\r\n0\r\nContent-Length: 9\r\n\r\n"), 201),
        // A hidden request is a body's text.
        (post(&format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN), 201),
    ] {
        assert_eq!(answers(server.addr(), request.as_bytes()), [status], "{request:?}");
    }
    assert_eq!(rooms.log("R").iter().filter(|byte| **byte == b'\n').count(), 3);
}
