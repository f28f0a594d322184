//! JSON: sidecars, and streams of values.

use chatroom::room::sidecar::Sidecar;
use chatroom::wire::json;
use chatroom::wire::ndjson::{self, Array};
use serde_json::Value;
use serde_json::value::RawValue;

use super::halves;

pub const WORDS: &[&[u8]] = &[
    b"\"generation\":18446744073709551615,",
    b"\"content_type\":\"application/json\"",
    b",\"ttl\":0",
    b",\"closed\":9",
    b",\"seq\":\"a\"",
    b",\"expires\":{\"unix_ms\":-9223372036854775808,\"text\":\"\"}",
    b",\"producers\":{\"p\":{\"epoch\":0,\"seq\":0}}",
    b",\"intent\":{\"claim\":{\"id\":\"p\",\"epoch\":0,\"seq\":0},\"closes\":true,\"at\":0,\"len\":18446744073709551615,\
      \"head\":[],\"hash\":\"\"}",
    b"\\ud800",
    b"[[[[",
    b"1e400",
    b"-0",
    b"null",
    b"\xff",
];

/// A sidecar: what is read is written so that it is read again, and no number in it makes trouble.
pub fn sidecar(input: &[u8]) {
    let (file, log) = halves(input);
    let Ok(sidecar) = Sidecar::parse(file) else { return };
    let written = sidecar.to_bytes();
    assert_eq!(Sidecar::parse(&written).expect("our own"), sidecar);
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    assert!(sidecar.is_like(&sidecar));
    for (now, touched) in [(i64::MAX, 0), (i64::MIN, i64::MAX), (0, 0)] {
        let _ = sidecar.is_expired(now, touched);
    }
    if let Some(end) = sidecar.intent.as_ref().and_then(|intent| intent.end_in(log)) {
        assert!(end <= log.len());
    }
}

/// JSON streams: what is valid becomes lines of its values, and any lines become a valid array.
pub fn ndjson(input: &[u8]) {
    let mut any = Array::default();
    for line in input.split(|byte| *byte == b'\n') {
        any.push(line);
    }
    let any = any.into_bytes();
    let any: Vec<&RawValue> = serde_json::from_slice(&any).expect("an array whatever the lines are");
    assert!(any.len() <= input.split(|byte| *byte == b'\n').count());

    let valid = serde_json::from_slice::<&RawValue>(input).is_ok();
    let lines = ndjson::lines(input);
    assert_eq!(lines.is_ok(), valid);
    let Ok(lines) = lines else { return };
    let text = str::from_utf8(&lines).expect("JSON is UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'));
    let mut array = Array::default();
    for line in text.lines() {
        serde_json::from_str::<&RawValue>(line).expect("each line is a value");
        assert!(!line.contains(['\r', '\t', '\u{c}']), "{line:?}");
        array.push(line.as_bytes());
    }
    // What `Value` can't hold (a lone surrogate, 1e400, a depth of 128) is not compared, only passed on.
    let Ok(given) = serde_json::from_slice::<Value>(input) else { return };
    let given = if given.is_array() { given } else { Value::Array(vec![given]) };
    assert_eq!(serde_json::from_slice::<Value>(&array.into_bytes()).expect("its own values"), given);
    let compact = serde_json::to_vec(&given).expect("a value");
    assert_eq!(
        ndjson::lines(&json::spaced(&given)).unwrap(),
        ndjson::lines(&compact).unwrap(),
        "blanks change nothing"
    );
}
