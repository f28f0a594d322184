//! One connection's requests, put together from records. One request at a time: we do not
//! multiplex, say so when asked, and refuse a second one politely. Parameters and body are bounded.

use std::mem;

use crate::limits::{BODY_MAX_BYTES, PARAMS_MAX_BYTES};
use crate::wire::fastcgi::params::{self, Params};
use crate::wire::fastcgi::record::{self, Decoder, Kind, Outcome, Record};

const RESPONDER: u16 = 1;
const KEEP_CONN: u8 = 1;

/// What came of the bytes that were fed in.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole request.
    Request(Request),
    /// The web server gave up on the request that is under way.
    Aborted,
    /// Something to send back at once.
    Reply(Vec<u8>),
}

/// A whole request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number, which is in each record of its answer. nginx only ever uses 1.
    pub id: u16,
    /// Whether the connection stays open after the answer.
    pub keep_conn: bool,
    /// Its parameters.
    pub params: Params,
    /// Its body, or `None` where it was longer than [`BODY_MAX_BYTES`].
    pub body: Option<Vec<u8>>,
}

/// Why a connection can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not FastCGI.
    #[error(transparent)]
    Version(#[from] record::WrongVersion),
    /// Its parameters can't be decoded.
    #[error(transparent)]
    Params(#[from] params::Malformed),
    /// It breaks the protocol.
    #[error("a FastCGI record breaks the protocol: {0}")]
    Protocol(&'static str),
    /// Its parameters are too long.
    #[error("FastCGI parameters longer than {PARAMS_MAX_BYTES} bytes")]
    TooManyParams,
}

#[derive(Debug)]
struct Incoming {
    id: u16,
    keep_conn: bool,
    params: Vec<u8>,
    params_done: bool,
    body: Vec<u8>,
    body_too_long: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Receiving(Box<Incoming>),
    Answering(u16),
}

/// The receiving side of one connection.
#[derive(Debug, Default)]
pub struct Session {
    decoder: Decoder,
    state: State,
    has_answered: bool,
}

impl Session {
    /// Takes in bytes as they were read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// What came of them, one thing at a time; `None` where more bytes are needed. After an error
    /// the connection is to be closed.
    pub fn next_event(&mut self) -> Result<Option<Event>, Malformed> {
        while let Some(record) = self.decoder.next_record()? {
            if let Some(event) = advance(&mut self.state, record)? {
                self.decoder.release();
                return Ok(Some(event));
            }
        }
        self.decoder.release();
        Ok(None)
    }

    /// The request under way has been answered; the next may come.
    pub fn answered(&mut self) {
        self.state = State::Idle;
        self.has_answered = true;
    }

    /// Whether any request has been answered: who only just connected has one on its way.
    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether nothing is under way, so that the peer may close, or we.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }
}

fn advance(state: &mut State, record: Record<'_>) -> Result<Option<Event>, Malformed> {
    let Record { kind, request: id, content } = record;
    if id == 0 {
        return Ok(Some(Event::Reply(management(kind, content)?)));
    }
    match (kind, &mut *state) {
        (Ok(Kind::BeginRequest), state) => begin(state, id, content),
        (Ok(Kind::AbortRequest), State::Receiving(incoming)) if incoming.id == id => {
            let mut reply = Vec::new();
            record::end(&mut reply, id, Outcome::Complete);
            *state = State::Idle;
            Ok(Some(Event::Reply(reply)))
        }
        (Ok(Kind::AbortRequest), State::Answering(current)) if *current == id => Ok(Some(Event::Aborted)),
        (Ok(Kind::Params), State::Receiving(incoming)) if incoming.id == id => {
            if incoming.params_done && !content.is_empty() {
                return Err(Malformed::Protocol("PARAMS after their end"));
            }
            if incoming.params.len() + content.len() > PARAMS_MAX_BYTES {
                return Err(Malformed::TooManyParams);
            }
            incoming.params_done |= content.is_empty();
            incoming.params.extend_from_slice(content);
            Ok(None)
        }
        (Ok(Kind::Stdin), State::Receiving(incoming)) if incoming.id == id => {
            if !incoming.params_done {
                return Err(Malformed::Protocol("STDIN before the end of PARAMS"));
            }
            if !content.is_empty() {
                incoming.body_too_long |= incoming.body.len() + content.len() > BODY_MAX_BYTES;
                if incoming.body_too_long {
                    incoming.body = Vec::new();
                } else {
                    incoming.body.extend_from_slice(content);
                }
                return Ok(None);
            }
            let State::Receiving(incoming) = mem::replace(state, State::Answering(id)) else { return Ok(None) };
            Ok(Some(Event::Request(Request {
                id,
                keep_conn: incoming.keep_conn,
                params: params::decode(&incoming.params)?,
                body: (!incoming.body_too_long).then_some(incoming.body),
            })))
        }
        // What belongs to a request that is not there any more is ignored (section 3.3), as are
        // filters' data and types that no application receives.
        _ => Ok(None),
    }
}

fn begin(state: &mut State, id: u16, content: &[u8]) -> Result<Option<Event>, Malformed> {
    let Some(body) = content.first_chunk::<8>() else {
        return Err(Malformed::Protocol("BEGIN_REQUEST shorter than 8 bytes"));
    };
    let refuse = |outcome| {
        let mut reply = Vec::new();
        record::end(&mut reply, id, outcome);
        Ok(Some(Event::Reply(reply)))
    };
    match state {
        State::Receiving(other) if other.id == id => Err(Malformed::Protocol("BEGIN_REQUEST twice")),
        State::Answering(current) if *current == id => Err(Malformed::Protocol("BEGIN_REQUEST twice")),
        State::Receiving(_) | State::Answering(_) => refuse(Outcome::CantMultiplex),
        State::Idle if u16::from_be_bytes([body[0], body[1]]) != RESPONDER => refuse(Outcome::UnknownRole),
        State::Idle => {
            *state = State::Receiving(Box::new(Incoming {
                id,
                keep_conn: body[2] & KEEP_CONN != 0,
                params: Vec::new(),
                params_done: false,
                body: Vec::new(),
                body_too_long: false,
            }));
            Ok(None)
        }
    }
}

fn management(kind: Result<Kind, u8>, content: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut reply = Vec::new();
    match kind {
        Ok(Kind::GetValues) => {
            let asked = params::decode(content)?;
            let mut pairs = Vec::new();
            if asked.contains_key(&b"FCGI_MPXS_CONNS"[..]) {
                params::push(&mut pairs, "FCGI_MPXS_CONNS", "0");
            }
            record::values(&mut reply, &pairs);
        }
        Ok(kind) => record::unknown_type(&mut reply, kind as u8),
        Err(kind) => record::unknown_type(&mut reply, kind),
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as a peer writes it, with three bytes of padding.
    fn rec(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
        let mut out = vec![1, kind, (id >> 8) as u8, id as u8];
        out.extend_from_slice(&(content.len() as u16).to_be_bytes());
        out.extend_from_slice(&[3, 0]);
        out.extend_from_slice(content);
        out.extend_from_slice(&[0; 3]);
        out
    }

    fn request(id: u16) -> Vec<u8> {
        let mut pairs = Vec::new();
        params::push(&mut pairs, "REQUEST_METHOD", "POST");
        let (front, back) = pairs.split_at(5);
        [
            rec(1, id, &[0, 1, 1, 0, 0, 0, 0, 0]),
            rec(4, id, front),
            rec(4, id, back),
            rec(4, id, b""),
            rec(5, id, b"user=al"),
            rec(5, id, b""),
        ]
        .concat()
    }

    fn run(chunks: &[&[u8]]) -> Result<Vec<Event>, Malformed> {
        let mut session = Session::default();
        let mut events = Vec::new();
        for chunk in chunks {
            session.feed(chunk);
            while let Some(event) = session.next_event()? {
                events.push(event);
            }
        }
        Ok(events)
    }

    #[test]
    fn a_request_is_the_same_whole_and_byte_by_byte() {
        let bytes = request(1);
        let events = run(&[&bytes]).unwrap();
        assert_eq!(events, run(&bytes.chunks(1).collect::<Vec<_>>()).unwrap());
        let [Event::Request(request)] = &events[..] else { panic!("{events:?}") };
        assert!(request.keep_conn);
        assert_eq!(request.params[&b"REQUEST_METHOD"[..]], b"POST");
        assert_eq!(request.body.as_deref(), Some(&b"user=al"[..]));
    }

    #[test]
    fn a_second_request_at_a_time_is_refused_and_the_first_goes_on() {
        let events = run(&[&request(1), &request(2), &rec(2, 1, b"")]).unwrap();
        assert!(matches!(events[0], Event::Request(_)));
        let Event::Reply(reply) = &events[1] else { panic!("{events:?}") };
        assert_eq!(reply[1], Kind::EndRequest as u8);
        assert_eq!(reply[12], Outcome::CantMultiplex as u8);
        assert_eq!(events[2..], [Event::Aborted]);
    }

    #[test]
    fn an_abort_while_receiving_is_answered() {
        let events = run(&[&rec(1, 7, &[0, 1, 0, 0, 0, 0, 0, 0]), &rec(2, 7, b""), &request(8)]).unwrap();
        assert!(matches!(&events[0], Event::Reply(_)));
        assert!(matches!(&events[1], Event::Request(r) if r.id == 8));
    }

    #[test]
    fn management_and_unknown_roles_are_answered() {
        let mut asked = Vec::new();
        params::push(&mut asked, "FCGI_MPXS_CONNS", "");
        params::push(&mut asked, "FCGI_WHATEVER", "");
        let events = run(&[&rec(9, 0, &asked), &rec(77, 0, b""), &rec(1, 1, &[0, 2, 0, 0, 0, 0, 0, 0])]).unwrap();
        let replies: Vec<u8> =
            events.iter().map(|e| if let Event::Reply(r) = e { r[1] } else { panic!("{e:?}") }).collect();
        assert_eq!(replies, [10, 11, 3]);
    }

    #[test]
    fn what_breaks_the_protocol_ends_the_connection() {
        let begin = rec(1, 1, &[0, 1, 0, 0, 0, 0, 0, 0]);
        let bad: &[&[&[u8]]] = &[
            &[b"\x02"],
            &[&rec(1, 1, b"short")],
            &[&begin, &begin],
            &[&begin, &rec(5, 1, b"x")],
            &[&begin, &rec(4, 1, b""), &rec(4, 1, b"x")],
            &[&begin, &rec(4, 1, &[9, 9, 9]), &rec(4, 1, b""), &rec(5, 1, b"")],
            &[&rec(9, 0, &[200])],
        ];
        for chunks in bad {
            assert!(run(chunks).is_err(), "{chunks:?}");
        }
        let flood = [begin.clone(), rec(4, 1, &[0; 60_000]), rec(4, 1, &[0; 60_000])].concat();
        assert_eq!(run(&[&flood]), Err(Malformed::TooManyParams));
    }

    #[test]
    fn a_body_over_the_limit_is_a_request_without_one() {
        let mut bytes = [rec(1, 1, &[0, 1, 0, 0, 0, 0, 0, 0]), rec(4, 1, b"")].concat();
        for _ in 0..=BODY_MAX_BYTES / 60_000 {
            bytes.extend(rec(5, 1, &[b'x'; 60_000]));
        }
        bytes.extend(rec(5, 1, b""));
        let events = run(&[&bytes]).unwrap();
        assert!(matches!(&events[..], [Event::Request(Request { body: None, .. })]));
    }

    #[test]
    fn records_of_no_request_are_ignored() {
        assert_eq!(run(&[&rec(4, 5, b"x"), &rec(5, 5, b"x"), &rec(2, 5, b""), &rec(8, 5, b"")]), Ok(vec![]));
    }
}
