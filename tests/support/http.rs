//! An HTTP/1.1 client that hides nothing: headers in their order, the body's exact bytes.

use super::PATIENCE;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Where chatroom is mounted: `/rooms` here is `MOUNT/rooms` there.
#[derive(Clone, Debug)]
pub struct Site {
    pub addr: SocketAddr,
    pub mount: String,
}

impl Site {
    /// A site at an address, under a mount point without a slash at its end: `""` or `"/chat"`.
    pub fn new(addr: SocketAddr, mount: &str) -> Site {
        let mount = mount.to_owned();
        Site { addr, mount }
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.addr, self.mount)
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        request(self.addr, method, &format!("{}{path}", self.mount), headers, body)
    }

    /// GET, without any header of its own.
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"")
    }

    /// GET with an `Accept`.
    pub fn get_as(&self, path: &str, accept: &str) -> Reply {
        self.request("GET", path, &[("Accept", accept)], b"")
    }

    /// POST of a body of the given type.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        self.request("POST", path, &[("Content-Type", content_type)], body)
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }
}

/// One request on a connection of its own, which the server is asked to close.
pub fn request(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut all = vec![("Connection", "close")];
    all.extend(headers);
    Connection::open(addr).request(method, path, &all, body)
}

/// Sends bytes as they are on a connection of their own, and reads one reply.
pub fn raw(addr: SocketAddr, bytes: &[u8]) -> Reply {
    let mut connection = Connection::open(addr);
    connection.write(bytes);
    connection.reply("GET")
}

/// A connection that can carry several requests.
pub struct Connection {
    addr: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects; whatever then takes longer than [`PATIENCE`] panics.
    pub fn open(addr: SocketAddr) -> Connection {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)
            .unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"));
        stream.set_nodelay(true).expect("a socket option");
        set_timeout(&stream, PATIENCE);
        Connection { addr, stream: BufReader::new(stream) }
    }

    /// One request and its reply.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.send(method, path, headers, body);
        self.reply(method)
    }

    /// Sends a request. `Host` and `Content-Length` are added where they belong and are not given.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !given("Host") {
            head += &format!("Host: {}\r\n", self.addr);
        }
        let has_body = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
        if has_body && !given("Content-Length") && !given("Transfer-Encoding") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        self.write(&[head.as_bytes(), body].concat());
    }

    /// Sends bytes as they are. A peer that closed already is no error: its reply may tell why.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Reads one reply, to a request of this method.
    pub fn reply(&mut self, method: &str) -> Reply {
        let (status, headers) = read_head(&mut self.stream);
        let mut body = Vec::new();
        Body::new(&mut self.stream, method, status, &headers)
            .read_to_end(&mut body)
            .unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&body)));
        Reply { status, headers, body }
    }

    /// Reads a reply's head; the body is the caller's to read, as it comes.
    pub fn into_body(mut self, method: &str) -> (u16, Vec<(String, String)>, Body<Self>) {
        let (status, headers) = read_head(&mut self.stream);
        let body = Body::new(self, method, status, &headers);
        (status, headers, body)
    }

    /// How long a read may take from now on.
    pub fn set_timeout(&self, timeout: Duration) {
        set_timeout(self.stream.get_ref(), timeout);
    }

    /// Waits for the server to close; panics where it sends more instead.
    pub fn expect_close(&mut self) {
        match self.stream.fill_buf() {
            Ok([]) => {}
            Ok(more) => panic!("more came: {:?}", String::from_utf8_lossy(more)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("not closed: {error}"),
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl BufRead for Connection {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stream.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.stream.consume(count);
    }
}

/// A body as it comes, without its framing.
pub struct Body<R> {
    stream: R,
    framing: Framing,
}

enum Framing {
    /// So many bytes are left.
    Length(usize),
    /// So many bytes of this chunk are left. The first chunk has no line end before its size.
    Chunked { left: usize, first: bool },
    /// All until the connection closes.
    UntilClose,
}

impl<R: BufRead> Body<R> {
    fn new(stream: R, method: &str, status: u16, headers: &[(String, String)]) -> Body<R> {
        let framing = if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
            Framing::Length(0)
        } else if let Some(encoding) = header(headers, "Transfer-Encoding") {
            assert_eq!(encoding, "chunked");
            assert_eq!(header(headers, "Content-Length"), None, "both lengths are given");
            Framing::Chunked { left: 0, first: true }
        } else if let Some(length) = header(headers, "Content-Length") {
            Framing::Length(length.parse().expect("a Content-Length is a number"))
        } else {
            Framing::UntilClose
        };
        Body { stream, framing }
    }

    /// What it is read from.
    pub fn get_ref(&self) -> &R {
        &self.stream
    }

    fn next_chunk(&mut self, first: bool) -> io::Result<usize> {
        if !first {
            let end = read_line(&mut self.stream)?;
            assert_eq!(end, "", "a chunk is longer than it said");
        }
        let line = read_line(&mut self.stream)?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| cut_short(&format!("{line:?} is no chunk size")))?;
        if size == 0 {
            while !read_line(&mut self.stream)?.is_empty() {}
        }
        Ok(size)
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Framing::Chunked { left: 0, first } = self.framing {
            self.framing = match self.next_chunk(first)? {
                0 => Framing::Length(0),
                left => Framing::Chunked { left, first: false },
            };
        }
        let left = match &mut self.framing {
            Framing::UntilClose => return self.stream.read(buffer),
            Framing::Length(0) => return Ok(0),
            Framing::Length(left) | Framing::Chunked { left, .. } => left,
        };
        let wanted = buffer.len().min(*left);
        let count = self.stream.read(&mut buffer[..wanted])?;
        if count == 0 && wanted > 0 {
            return Err(cut_short("the connection closed in the middle of a body"));
        }
        *left -= count;
        Ok(count)
    }
}

fn read_head(stream: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let line = |stream: &mut _| read_line(stream).unwrap_or_else(|error| panic!("no reply's head: {error}"));
    let first = line(stream);
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or_else(|| panic!("{first:?} is no HTTP/1.1 status line"));
    let mut headers = Vec::new();
    loop {
        let line = line(stream);
        if line.is_empty() {
            return (status, headers);
        }
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?} is no header"));
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return Err(cut_short(&format!("{:?} ends without CR LF", String::from_utf8_lossy(&line))));
    };
    String::from_utf8(line.to_vec()).map_err(io::Error::other)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
    Some(&found.1)
}

fn set_timeout(stream: &TcpStream, timeout: Duration) {
    stream.set_read_timeout(Some(timeout)).expect("a socket option");
    stream.set_write_timeout(Some(timeout)).expect("a socket option");
}

fn cut_short(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}
