//! What a subscriber receives, cut into lines however it arrives: an HTTP answer, in chunks or to
//! its end, or FastCGI records.

use memchr::memchr;
use memchr::memmem;

/// Cuts an answer into the lines of its body.
#[derive(Debug)]
pub struct Decoder {
    frame: Frame,
    /// The head as far as it has come; `None` once it is whole.
    head: Option<Vec<u8>>,
    /// The code that the head says; 200 where it says none, as a FastCGI head may.
    pub status: Option<u16>,
    /// The last chunk, or the end of the request, has come.
    pub ended: bool,
    /// The beginning of a line.
    line: Vec<u8>,
}

/// What the next bytes are.
#[derive(Debug)]
enum Frame {
    /// What is carried.
    Plain,
    ChunkSize {
        size: usize,
        in_extension: bool,
    },
    ChunkData(usize),
    ChunkEnd(u8),
    RecordHead(Vec<u8>),
    RecordContent {
        left: usize,
        padding: usize,
        kind: u8,
    },
    RecordPadding(usize),
}

const STDOUT: u8 = 6;
const END_REQUEST: u8 = 3;
const RECORD_HEAD_BYTES: usize = 8;

impl Decoder {
    /// For an HTTP/1.1 answer.
    pub fn http() -> Decoder {
        Decoder { frame: Frame::Plain, head: Some(Vec::new()), status: None, ended: false, line: Vec::new() }
    }

    /// For a FastCGI answer.
    pub fn fastcgi() -> Decoder {
        Decoder { frame: Frame::RecordHead(Vec::new()), ..Decoder::http() }
    }

    /// Takes in what was read, and shows `each` line that became whole, without its `\n`.
    pub fn feed(&mut self, mut bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        while let Some(&first) = bytes.first() {
            match &mut self.frame {
                Frame::Plain => bytes = self.carried(bytes, each),
                Frame::ChunkSize { size, in_extension } => {
                    bytes = &bytes[1..];
                    match (first, char::from(first).to_digit(16)) {
                        (b'\n', _) if *size == 0 => self.ended = true,
                        (b'\n', _) => self.frame = Frame::ChunkData(*size),
                        (_, Some(digit)) if !*in_extension => *size = *size << 4 | digit as usize,
                        _ => *in_extension = true,
                    }
                }
                Frame::ChunkData(left) => {
                    let (now, later) = bytes.split_at(bytes.len().min(*left));
                    *left -= now.len();
                    if *left == 0 {
                        self.frame = Frame::ChunkEnd(2);
                    }
                    self.lines(now, each);
                    bytes = later;
                }
                Frame::ChunkEnd(left) => {
                    *left -= 1;
                    if *left == 0 {
                        self.frame = Frame::ChunkSize { size: 0, in_extension: false };
                    }
                    bytes = &bytes[1..];
                }
                Frame::RecordHead(head) => {
                    let (now, later) = bytes.split_at(bytes.len().min(RECORD_HEAD_BYTES - head.len()));
                    head.extend_from_slice(now);
                    if let [_, kind, _, _, high, low, padding, _] = head[..] {
                        let left = usize::from(u16::from_be_bytes([high, low]));
                        self.frame = Frame::RecordContent { left, padding: padding.into(), kind }.or_next();
                        self.ended |= kind == END_REQUEST;
                    }
                    bytes = later;
                }
                Frame::RecordContent { left, padding, kind } => {
                    let (now, later) = bytes.split_at(bytes.len().min(*left));
                    let of_answer = *kind == STDOUT;
                    self.frame =
                        Frame::RecordContent { left: *left - now.len(), padding: *padding, kind: *kind }.or_next();
                    let mut content = now;
                    while of_answer && !content.is_empty() {
                        content = self.carried(content, each);
                    }
                    bytes = later;
                }
                Frame::RecordPadding(left) => {
                    let padding = bytes.len().min(*left);
                    *left -= padding;
                    if *left == 0 {
                        self.frame = Frame::RecordHead(Vec::new());
                    }
                    bytes = &bytes[padding..];
                }
            }
        }
    }

    /// Takes in bytes of the head, or else of the body. What is left of them.
    fn carried<'a>(&mut self, bytes: &'a [u8], each: &mut impl FnMut(&[u8])) -> &'a [u8] {
        let Some(head) = &mut self.head else {
            self.lines(bytes, each);
            return &[];
        };
        let before = head.len();
        head.extend_from_slice(bytes);
        let Some(end) = memmem::find(head, b"\r\n\r\n").map(|at| at + 4) else { return &[] };
        let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
        let says = text.strip_prefix("http/1.1 ").or(text.strip_prefix("status: ")).and_then(|rest| rest.get(..3));
        self.status = Some(says.map_or(200, |code| code.parse().unwrap_or(0)));
        if text.contains("\r\ntransfer-encoding: chunked\r\n") {
            self.frame = Frame::ChunkSize { size: 0, in_extension: false };
        }
        self.head = None;
        &bytes[end - before..]
    }

    fn lines(&mut self, mut bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.line.is_empty() {
                each(&bytes[..end]);
            } else {
                self.line.extend_from_slice(&bytes[..end]);
                each(&self.line);
                self.line.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.line.extend_from_slice(bytes);
    }
}

impl Frame {
    /// What comes after a content or padding of which nothing is left.
    fn or_next(self) -> Frame {
        match self {
            Frame::RecordContent { left: 0, padding: 0, .. } => Frame::RecordHead(Vec::new()),
            Frame::RecordContent { left: 0, padding, .. } => Frame::RecordPadding(padding),
            other => other,
        }
    }
}
