//! Whole HTTP answers on a connection that stays open, however many pieces each comes in.

use memchr::memmem;

/// Puts answers together.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its code.
    pub status: u16,
    /// Its body, as it was framed.
    pub body: Vec<u8>,
}

impl Answers {
    /// Takes in what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole answer.
    pub fn next_answer(&mut self) -> Option<Answer> {
        let body = memmem::find(&self.bytes, b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.bytes[..body]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
        let length = head.split("\r\n").find_map(|field| field.strip_prefix("content-length:")?.trim().parse().ok());
        let end = if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            // What an answer to a POST says has no such bytes in it.
            body + memmem::find(&self.bytes[body - 2..], b"\r\n0\r\n\r\n")? + 5
        } else {
            body + length.unwrap_or(0)
        };
        if self.bytes.len() < end {
            return None;
        }
        let answer = Answer { status, body: self.bytes[body..end].to_vec() };
        self.bytes.drain(..end);
        Some(answer)
    }
}
