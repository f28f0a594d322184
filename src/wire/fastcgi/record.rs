//! Records: cutting incoming bytes into them, and writing them.

/// The only version there is.
const VERSION: u8 = 1;

/// Bytes of a record's head.
pub const HEAD_BYTES: usize = 8;

/// The most content one record carries when we write it: a multiple of 8, as the specification
/// advises (section 3.3), below its limit of 65,535.
pub const CONTENT_MAX_BYTES: usize = 65_528;

/// Record types (section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A request begins.
    BeginRequest = 1,
    /// The web server wants no answer any more.
    AbortRequest = 2,
    /// An answer is complete.
    EndRequest = 3,
    /// Parameters.
    Params = 4,
    /// The request's body.
    Stdin = 5,
    /// The answer.
    Stdout = 6,
    /// What the log should hear.
    Stderr = 7,
    /// A second body, for filters.
    Data = 8,
    /// What the application can do is asked.
    GetValues = 9,
    /// It is answered.
    GetValuesResult = 10,
    /// A management record's type was not known.
    UnknownType = 11,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        use Kind::*;
        [
            BeginRequest,
            AbortRequest,
            EndRequest,
            Params,
            Stdin,
            Stdout,
            Stderr,
            Data,
            GetValues,
            GetValuesResult,
            UnknownType,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// A record that came in. Its content lies in the decoder's buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its type, or the byte that is none.
    pub kind: Result<Kind, u8>,
    /// The request it belongs to; 0 for management records.
    pub request: u16,
    /// Its content, without padding.
    pub content: &'a [u8],
}

/// Why bytes are no records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FastCGI version {0} where only 1 exists: this is no FastCGI peer")]
pub struct WrongVersion(pub u8);

/// Cuts bytes into records, however they arrive. Holds at most one incomplete record, which is at
/// most 8 + 65,535 + 255 bytes, and what came with it in the same read.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    used: usize,
}

impl Decoder {
    /// Takes in bytes as they were read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives its buffer back where nothing is left in it: an idle connection keeps none.
    pub fn release(&mut self) {
        if self.used == self.buffer.len() {
            *self = Decoder::default();
        }
    }

    /// The next whole record, `None` where more bytes are needed.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, WrongVersion> {
        let bytes = &self.buffer[self.used..];
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(WrongVersion(other)),
            None => return Ok(None),
        }
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let content = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let whole = HEAD_BYTES + content + usize::from(head[6]);
        if bytes.len() < whole {
            return Ok(None);
        }
        self.used += whole;
        Ok(Some(Record {
            kind: Kind::of(head[1]).ok_or(head[1]),
            request: u16::from_be_bytes([head[2], head[3]]),
            content: &bytes[HEAD_BYTES..HEAD_BYTES + content],
        }))
    }
}

/// Appends one record. `content` is at most 65,535 bytes; what is more is left out.
fn push(out: &mut Vec<u8>, kind: Kind, request: u16, content: &[u8]) {
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    let [id_high, id_low] = request.to_be_bytes();
    let [len_high, len_low] = (content.len() as u16).to_be_bytes();
    out.extend_from_slice(&[VERSION, kind as u8, id_high, id_low, len_high, len_low, 0, 0]);
    out.extend_from_slice(content);
}

/// Appends `content` as STDOUT records of `request`, as many as it needs; none where it is empty,
/// for an empty one would end the stream.
pub fn stdout(out: &mut Vec<u8>, request: u16, content: &[u8]) {
    for part in content.chunks(CONTENT_MAX_BYTES) {
        push(out, Kind::Stdout, request, part);
    }
}

/// The same bytes, made of records of another request: where a peer does not call its only request
/// 1. `records` must be whole records of ours.
pub fn renumber(records: &mut [u8], request: u16) {
    let mut at = 0;
    while let Some(head) = records.get_mut(at..at + HEAD_BYTES) {
        head[2..4].copy_from_slice(&request.to_be_bytes());
        at += HEAD_BYTES + usize::from(u16::from_be_bytes([head[4], head[5]]));
    }
}

/// How a request ended (section 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It was answered.
    Complete = 0,
    /// The connection is busy with another one.
    CantMultiplex = 1,
    /// It asks for a role that is not responder.
    UnknownRole = 3,
}

/// Appends the end of `request`, with the end of its output where it had any.
pub fn end(out: &mut Vec<u8>, request: u16, outcome: Outcome) {
    if outcome == Outcome::Complete {
        push(out, Kind::Stdout, request, &[]);
    }
    push(out, Kind::EndRequest, request, &[0, 0, 0, 0, outcome as u8, 0, 0, 0]);
}

/// Appends the answer to a management record of an unknown type (section 4.2).
pub fn unknown_type(out: &mut Vec<u8>, kind: u8) {
    push(out, Kind::UnknownType, 0, &[kind, 0, 0, 0, 0, 0, 0, 0]);
}

/// Appends the answer to GET_VALUES: name-value pairs.
pub fn values(out: &mut Vec<u8>, pairs: &[u8]) {
    push(out, Kind::GetValuesResult, 0, pairs);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> Vec<(Result<Kind, u8>, u16, Vec<u8>)> {
        let mut decoder = Decoder::default();
        let mut records = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(r) = decoder.next_record().unwrap() {
                records.push((r.kind, r.request, r.content.to_vec()));
            }
        }
        records
    }

    #[test]
    fn records_are_the_same_whole_byte_by_byte_and_with_more_behind() {
        let mut bytes = Vec::new();
        stdout(&mut bytes, 1, b"hello");
        bytes.extend_from_slice(&[1, 5, 2, 1, 0, 2, 3, 0, b'h', b'i', 9, 9, 9]);
        bytes.extend_from_slice(&[1, 99, 0, 0, 0, 0, 0, 0]);
        end(&mut bytes, 1, Outcome::Complete);
        let whole = decode(&[&bytes]);
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(whole, decode(&singly));
        assert_eq!(whole[0], (Ok(Kind::Stdout), 1, b"hello".to_vec()));
        assert_eq!(whole[1], (Ok(Kind::Stdin), 0x201, b"hi".to_vec()));
        assert_eq!(whole[2], (Err(99), 0, vec![]));
        assert_eq!(whole.len(), 5);
        bytes.extend_from_slice(&[1, 6, 0]);
        assert_eq!(decode(&[&bytes]), whole);
    }

    #[test]
    fn another_version_is_no_fastcgi() {
        let mut decoder = Decoder::default();
        decoder.feed(b"GET / HTTP/1.1\r\n");
        assert_eq!(decoder.next_record(), Err(WrongVersion(b'G')));
    }

    #[test]
    fn long_content_is_several_records_and_empty_content_none() {
        let mut out = Vec::new();
        stdout(&mut out, 1, &[]);
        assert!(out.is_empty());
        let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        stdout(&mut out, 1, &content);
        renumber(&mut out, 515);
        assert_eq!(out[2..4], [2, 3]);
        let records = decode(&[&out]);
        assert_eq!(records.len(), 4);
        assert!(records.iter().all(|r| r.1 == 515));
        let joined: Vec<u8> = records.into_iter().flat_map(|r| r.2).collect();
        assert_eq!(joined, content);
    }
}
