//! Heads of HTTP requests, over a socket, to the real server: whatever comes, what it answers is HTTP, and it goes on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;

use super::driver;
use super::support::PATIENCE;
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::targets::Target;

const WORDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST /rooms/General?user=al HTTP/1.1\r\n",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"Accept: text/event-stream\r\n",
    b"Last-Event-ID: ",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"\n",
    b"\r",
    b"%2e%2e%2f",
    b"%00",
    b"HTTP/1.0",
    b"/v1/stream/",
    b"/members/al",
];

static SERVER: OnceLock<SocketAddr> = OnceLock::new();

#[test]
fn heads() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    SERVER.set(server.addr()).expect("once");
    driver::run(Target { name: "http", call: exchange, words: WORDS });
    assert_eq!(server.site().get("/healthz").status, 200);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

fn exchange(input: &[u8]) {
    let mut stream = TcpStream::connect(SERVER.get().expect("a server")).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    // It may have closed already.
    let _ = stream.write_all(input).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it neither answers nor closes: {error}");
    }
    if answer.is_empty() {
        return;
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").or(text.strip_prefix("HTTP/1.0 ")).and_then(|rest| rest.get(..3));
    let status: u16 = status.and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no HTTP: {text}"));
    assert!((100..500).contains(&status) || matches!(status, 501 | 503 | 505), "{text}");
}
