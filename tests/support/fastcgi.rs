//! A FastCGI client that sends any bytes as they are told, to be a web server at its worst. Written from the
//! specification, and independent of chatroom's own record layer.

use super::PATIENCE;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Record types.
pub const BEGIN_REQUEST: u8 = 1;
pub const ABORT_REQUEST: u8 = 2;
pub const END_REQUEST: u8 = 3;
pub const PARAMS: u8 = 4;
pub const STDIN: u8 = 5;
pub const STDOUT: u8 = 6;
pub const STDERR: u8 = 7;
pub const DATA: u8 = 8;
pub const GET_VALUES: u8 = 9;
pub const GET_VALUES_RESULT: u8 = 10;
pub const UNKNOWN_TYPE: u8 = 11;

/// Roles of a request.
pub const RESPONDER: u16 = 1;
pub const AUTHORIZER: u16 = 2;
pub const FILTER: u16 = 3;

/// Protocol status of an END_REQUEST.
pub const REQUEST_COMPLETE: u8 = 0;
pub const CANT_MPX_CONN: u8 = 1;
pub const OVERLOADED: u8 = 2;
pub const UNKNOWN_ROLE: u8 = 3;

/// One record, right or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub version: u8,
    pub kind: u8,
    pub id: u16,
    pub content: Vec<u8>,
    pub padding: u8,
}

impl Record {
    /// A record without padding.
    pub fn new(kind: u8, id: u16, content: &[u8]) -> Record {
        Record { version: 1, kind, id, content: content.to_vec(), padding: 0 }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let length = u16::try_from(self.content.len()).expect("a record holds 65,535 bytes");
        let mut bytes = vec![self.version, self.kind];
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend([self.padding, 0]);
        bytes.extend(&self.content);
        bytes.resize(bytes.len() + usize::from(self.padding), 0);
        bytes
    }
}

/// BEGIN_REQUEST.
pub fn begin(id: u16, role: u16, keep_connection: bool) -> Record {
    let [high, low] = role.to_be_bytes();
    let content = [high, low, u8::from(keep_connection), 0, 0, 0, 0, 0];
    Record::new(BEGIN_REQUEST, id, &content)
}

/// The content of PARAMS and GET_VALUES records.
pub fn pairs(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in pairs {
        for part in [name, value] {
            match u8::try_from(part.len()) {
                Ok(length @ 0..128) => bytes.push(length),
                _ => {
                    let length = u32::try_from(part.len()).expect("a length has 31 bits");
                    bytes.extend((length | 1 << 31).to_be_bytes());
                }
            }
        }
        bytes.extend(name.as_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes
}

/// A whole stream of PARAMS or STDIN: as many records as the content needs, and the empty one.
pub fn stream(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    let parts = content.chunks(usize::from(u16::MAX));
    let records = parts.map(|part| Record::new(kind, id, part).encode());
    let mut bytes = records.collect::<Vec<_>>().concat();
    bytes.extend(Record::new(kind, id, b"").encode());
    bytes
}

/// A whole request of a responder.
pub fn request(id: u16, keep_connection: bool, params: &[(&str, &str)], stdin: &[u8]) -> Vec<u8> {
    [begin(id, RESPONDER, keep_connection).encode(), stream(PARAMS, id, &pairs(params)), stream(STDIN, id, stdin)]
        .concat()
}

/// The parameters that a web server sends for a request under the mount `/chat`; more can be added.
pub fn params<'a>(method: &'a str, path: &'a str, query: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "127.0.0.1"),
        ("SERVER_PORT", "80"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("SCRIPT_NAME", "/chat"),
        ("REQUEST_METHOD", method),
        ("PATH_INFO", path),
        ("QUERY_STRING", query),
    ]
}

/// What came back for one request.
#[derive(Debug, Default)]
pub struct Outcome {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub app_status: u32,
    pub protocol_status: u8,
}

/// A connection to a FastCGI server.
pub struct Client {
    socket: Socket,
}

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Client {
    /// Connects to a unix socket.
    pub fn unix(path: &Path) -> Client {
        let socket =
            UnixStream::connect(path).unwrap_or_else(|error| panic!("cannot connect to {}: {error}", path.display()));
        Client::over(Socket::Unix(socket))
    }

    /// Connects to a port.
    pub fn tcp(addr: SocketAddr) -> Client {
        let socket = TcpStream::connect(addr).unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"));
        Client::over(Socket::Tcp(socket))
    }

    fn over(socket: Socket) -> Client {
        let client = Client { socket };
        client.set_timeout(PATIENCE);
        client
    }

    /// How long a read or a write may take from now on.
    pub fn set_timeout(&self, timeout: Duration) {
        let timeout = Some(timeout);
        match &self.socket {
            Socket::Unix(s) => s.set_read_timeout(timeout).and(s.set_write_timeout(timeout)),
            Socket::Tcp(s) => s.set_read_timeout(timeout).and(s.set_write_timeout(timeout)),
        }
        .expect("a socket option");
    }

    /// Sends bytes as they are. A peer that closed already is no error here.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Sends a record.
    pub fn send(&mut self, record: &Record) {
        self.write(&record.encode());
    }

    /// The next record, or `None` where the server closed the connection.
    pub fn record(&mut self) -> Option<Record> {
        let mut header = [0; 8];
        match self.socket.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if is_close(&error) => return None,
            Err(error) => panic!("no record: {error}"),
        }
        let [version, kind, id1, id0, length1, length0, padding, _] = header;
        let length = usize::from(u16::from_be_bytes([length1, length0]));
        let mut content = vec![0; length + usize::from(padding)];
        self.socket.read_exact(&mut content).unwrap_or_else(|error| panic!("half a record {header:?}: {error}"));
        content.truncate(length);
        Some(Record { version, kind, id: u16::from_be_bytes([id1, id0]), content, padding })
    }

    /// One request to its end.
    pub fn exchange(&mut self, keep_connection: bool, params: &[(&str, &str)], stdin: &[u8]) -> Outcome {
        self.write(&request(1, keep_connection, params, stdin));
        self.outcome(1)
    }

    /// Reads up to the END_REQUEST of this request, which must be the only one that is answered.
    pub fn outcome(&mut self, id: u16) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let Some(record) = self.record() else {
                panic!("closed in the middle of a request: {outcome:?}");
            };
            assert_eq!((record.version, record.id), (1, id), "{record:?}");
            match (record.kind, record.content.as_slice()) {
                (STDOUT, part) => outcome.stdout.extend(part),
                (STDERR, part) => outcome.stderr.extend(part),
                (END_REQUEST, &[a, b, c, d, protocol_status, ..]) => {
                    outcome.app_status = u32::from_be_bytes([a, b, c, d]);
                    outcome.protocol_status = protocol_status;
                    return outcome;
                }
                _ => panic!("unexpected {record:?}"),
            }
        }
    }

    /// Reads STDOUT of a stream until it holds `text`; returns all of it.
    pub fn stdout_until(&mut self, text: &str) -> String {
        let mut stdout = Vec::new();
        loop {
            let seen = String::from_utf8_lossy(&stdout);
            if seen.contains(text) {
                return seen.into_owned();
            }
            match self.record() {
                Some(record) if record.kind == STDOUT => stdout.extend(record.content),
                other => panic!("{other:?} instead of {text:?}, after {seen:?}"),
            }
        }
    }

    /// Waits for the server to close; panics where it sends a record instead.
    pub fn expect_close(&mut self) {
        if let Some(record) = self.record() {
            panic!("not closed: {record:?}");
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => socket.read(buffer),
            Socket::Tcp(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => socket.write(bytes),
            Socket::Tcp(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_close(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}
