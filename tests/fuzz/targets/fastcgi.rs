//! FastCGI: whatever comes is bounded, and is the same however it is cut.

use std::collections::HashMap;

use chatroom::limits::{BODY_MAX_BYTES, PARAMS_MAX_BYTES};
use chatroom::wire::fastcgi::params as pairs;
use chatroom::wire::fastcgi::session::{Event, Malformed, Session};

use super::{halves, pieces};
use crate::support::fastcgi as peer;

pub const WORDS: &[&[u8]] = &[
    b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00",
    b"\x01\x01\x00\x02\x00\x08\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00",
    b"\x01\x02\x00\x01\x00\x00\x00\x00",
    b"\x01\x04\x00\x01\x00\x00\x00\x00",
    b"\x01\x05\x00\x01\x00\x00\x00\x00",
    b"\x01\x09\x00\x00\x00\x11\x00\x00\x0f\x00FCGI_MPXS_CONNS",
    b"\x80\x00\x00\x01",
    b"\xff\xff\xff\xff",
    b"REQUEST_METHOD",
];

/// Any bytes: the first says how they are cut, and whether requests are answered.
pub fn session(input: &[u8]) {
    let Some((&first, bytes)) = input.split_first() else { return };
    let answers = first & 1 == 0;
    let whole = run(&[bytes], answers);
    assert_eq!(run(&pieces(bytes, &[first, first >> 3, 0]), answers), whole, "cut by {first}");
    assert!(whole.1.is_some() || is_of_version_1(bytes), "another version passed");
    for event in whole.0 {
        match event {
            Event::Request(request) => {
                let length: usize = request.params.iter().map(|(name, value)| name.len() + value.len()).sum();
                assert!(length <= PARAMS_MAX_BYTES && request.body.is_none_or(|body| body.len() <= BODY_MAX_BYTES));
                assert_ne!(request.id, 0);
            }
            Event::Reply(reply) => records(&reply),
            Event::Aborted => {}
        }
    }
}

fn run(chunks: &[&[u8]], answers: bool) -> (Vec<Event>, Option<Malformed>) {
    let mut session = Session::default();
    let mut events = Vec::new();
    for chunk in chunks {
        session.feed(chunk);
        loop {
            match session.next_event() {
                Ok(Some(event)) => {
                    if answers && matches!(event, Event::Request(_)) {
                        assert!(!session.is_idle());
                        session.answered();
                    }
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn is_of_version_1(mut bytes: &[u8]) -> bool {
    while let Some(version) = bytes.first() {
        if *version != 1 {
            return false;
        }
        let Some(head) = bytes.first_chunk::<8>() else { break };
        let length = 8 + usize::from(u16::from_be_bytes([head[4], head[5]])) + usize::from(head[6]);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    true
}

/// What is sent back are whole records of an application's types.
fn records(mut bytes: &[u8]) {
    assert!(!bytes.is_empty());
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let length = usize::from(u16::from_be_bytes([head[4], head[5]])) + usize::from(head[6]);
        assert!(head[0] == 1 && [3, 6, 10, 11].contains(&head[1]), "{head:?}");
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty());
}

/// A request as a web server writes it comes through as it was meant, however it is cut.
pub fn request(input: &[u8]) {
    let Some((&[first, padding, id], rest)) = input.split_first_chunk::<3>() else { return };
    let (names, body) = halves(rest);
    let given: Vec<(String, String)> = names
        .split(|byte| *byte == b'\n')
        .map(|pair| String::from_utf8_lossy(pair).into_owned())
        .map(|pair| pair.split_once('=').map_or((pair.clone(), String::new()), |(n, v)| (n.into(), v.into())))
        .collect();
    let borrowed: Vec<(&str, &str)> = given.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let id = 1 + u16::from(id);
    let record = |kind, content: &[u8]| peer::Record { padding, ..peer::Record::new(kind, id, content) }.encode();
    let mut bytes = peer::begin(id, peer::RESPONDER, first & 1 == 1).encode();
    for (kind, content) in [(peer::PARAMS, &peer::pairs(&borrowed)[..]), (peer::STDIN, body)] {
        bytes.extend(pieces(content, &[first, padding]).into_iter().flat_map(|piece| record(kind, piece)));
        bytes.extend(record(kind, b""));
    }
    let (events, error) = run(&pieces(&bytes, &[padding, first]), true);
    let [Event::Request(request)] = &events[..] else { panic!("{events:?}, {error:?}") };
    let expected: HashMap<Vec<u8>, Vec<u8>> = given.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
    assert_eq!((request.id, request.keep_conn), (id, first & 1 == 1));
    assert_eq!((&request.params, request.body.as_deref()), (&expected, Some(body)));
}

/// Name-value pairs, against the specification's own words.
pub fn params(input: &[u8]) {
    assert_eq!(pairs::decode(input).ok(), decoded(input));
}

fn decoded(input: &[u8]) -> Option<HashMap<Vec<u8>, Vec<u8>>> {
    let mut pairs = HashMap::new();
    let mut at = 0;
    while at < input.len() {
        let mut lengths = [0; 2];
        for length in &mut lengths {
            let first = u64::from(*input.get(at)?);
            let bytes = if first >> 7 == 0 { 1 } else { 4 };
            *length = input.get(at..at + bytes)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            *length &= if bytes == 4 { (1 << 31) - 1 } else { 127 };
            at += bytes;
        }
        let [name, value] = lengths.map(|length| length as usize);
        pairs.insert(input.get(at..at + name)?.to_vec(), input.get(at + name..at + name + value)?.to_vec());
        at += name + value;
    }
    Some(pairs)
}
