//! The parts of `benches/` that a wrong figure could come from: what is received, cut anywhere; what
//! is published; quantiles.
#![allow(unreachable_pub)] // There they are a program's.

#[path = "../../benches/side_by_side/answer.rs"]
mod answer;
#[path = "../../benches/side_by_side/message.rs"]
mod message;
#[path = "../../benches/side_by_side/quantile.rs"]
mod quantile;
#[path = "../../benches/side_by_side/stream.rs"]
mod stream;

use answer::Answers;
use message::Stamp;
use quantile::{median, quantile};
use stream::Decoder;

/// The lines and the status, the same for every place where the bytes may be cut.
fn decode(new: fn() -> Decoder, bytes: &[u8]) -> (Vec<String>, Option<u16>, bool) {
    let run = |pieces: &[&[u8]]| {
        let (mut decoder, mut lines) = (new(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, &mut |line| lines.push(String::from_utf8(line.to_vec()).unwrap()));
        }
        (lines, decoder.status, decoder.ended)
    };
    let whole = run(&[bytes]);
    assert_eq!(run(&bytes.chunks(1).collect::<Vec<_>>()), whole);
    for cut in 0..bytes.len() {
        assert_eq!(run(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    whole
}

#[test]
fn an_answer_to_its_end() {
    let (lines, status, ended) =
        decode(Decoder::http, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata: a\n\nhalf");
    assert_eq!(lines, ["id: 1", "data: a", ""]);
    assert_eq!((status, ended), (Some(200), false));
}

#[test]
fn an_answer_in_chunks_whose_lines_are_cut_anywhere() {
    let (lines, status, ended) = decode(
        Decoder::http,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n1b;x=1f\r\n: one\ndata: two\ndata: three\r\n1\r\n\n\r\n0\r\n\r\n",
    );
    assert_eq!(lines, ["data: one", "data: two", "data: three"]);
    assert_eq!((status, ended), (Some(200), true));
}

#[test]
fn an_answer_in_records_with_padding_and_others_between() {
    let record = |kind: u8, content: &[u8], padding: u8| {
        let mut bytes = vec![1, kind, 0, 1, 0, content.len() as u8, padding, 0];
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len() + usize::from(padding), b'p');
        bytes
    };
    let bytes = [
        record(6, b"Status: 404 Not Found\r\n", 0),
        record(7, b"data: an error\n", 1),
        record(6, b"\r\nda", 3),
        record(6, b"ta: a\n", 0),
        record(6, b"", 2),
        record(3, &[0; 8], 0),
    ]
    .concat();
    assert_eq!(decode(Decoder::fastcgi, &bytes), (vec!["data: a".to_owned()], Some(404), true));
}

#[test]
fn answers_are_the_same_in_any_pieces() {
    let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 500 X\r\ncontent-length:1\r\n\r\n!";
    for size in 1..=bytes.len() {
        let (mut answers, mut got) = (Answers::default(), Vec::new());
        for piece in bytes.chunks(size) {
            answers.feed(piece);
            while let Some(answer) = answers.next_answer() {
                got.push((answer.status, String::from_utf8(answer.body).unwrap()));
            }
        }
        let expected = [(201, "ok"), (204, ""), (202, "3\r\nabc\r\n0\r\n\r\n"), (500, "!")];
        assert_eq!(got, expected.map(|(status, body)| (status, body.to_owned())), "pieces of {size}");
    }
}

#[test]
fn what_is_written_is_found_again() {
    let stamp = Stamp { run: 7, number: 0, nanos: u64::MAX };
    let mut line = Vec::new();
    stamp.write_line(&mut line, "2026-01-31 08:00:00", 100);
    assert_eq!((line.len(), line.iter().filter(|byte| **byte == b'\n').count()), (100, 1));
    assert_eq!(Stamp::find(&line), Some(stamp));
    assert_eq!(Stamp::find(br#"data: {"from":"bench","text":"@7/0/18446744073709551615/ xx"}"#), Some(stamp));
    for none in ["data: keepalive", "data: @", "data: @1/2", "data: @1/x/3/"] {
        assert_eq!(Stamp::find(none.as_bytes()), None, "{none}");
    }
}

#[test]
fn quantiles_are_values_that_were_measured() {
    let mut values: Vec<u32> = (1..=100).rev().collect();
    for (q, expected) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
        assert_eq!(quantile(&mut values, q), expected, "{q}");
    }
    assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&[8.0]), 8.0);
    assert!(median(&[]).is_nan());
}
