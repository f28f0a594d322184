//! JSON streams: one compact value a line in the file, an array of them in an answer.

use std::fmt::Display;

use serde_json::Value;
use serde_json::value::RawValue;

/// The lines that a body adds to a stream: one for each value of an array, one for any other value. Values are
/// written as they came, but without whitespace between their parts, so a number keeps its digits. Fails where the
/// body is not JSON.
pub fn lines(body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let values: Vec<&RawValue> =
        if is_array { serde_json::from_slice(body)? } else { vec![serde_json::from_slice(body)?] };
    let mut lines = Vec::with_capacity(body.len() + 1);
    for value in values {
        compact(&mut lines, value.get());
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Adds valid JSON without the whitespace outside of its strings.
fn compact(out: &mut Vec<u8>, json: &str) {
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
}

/// An array under construction.
#[derive(Debug, Default)]
pub struct Array(Vec<u8>);

impl Array {
    /// Adds a line of a stream. One that is not JSON, which only a shell can have written, is a string, so that the
    /// array is JSON whatever happened to the file; a blank one is nothing.
    pub fn push(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        self.0.push(if self.0.is_empty() { b'[' } else { b',' });
        match serde_json::from_slice::<&RawValue>(line) {
            Ok(_) => self.0.extend_from_slice(line),
            Err(_) => self.0.extend_from_slice(text(&String::from_utf8_lossy(line)).as_bytes()),
        }
    }

    /// How many bytes it has so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The array.
    pub fn into_bytes(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'[');
        }
        self.0.push(b']');
        self.0
    }
}

fn text(text: &impl Display) -> String {
    Value::String(text.to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(body: &str) -> String {
        String::from_utf8(lines(body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn one_array_is_flattened_and_every_value_is_one_compact_line() {
        assert_eq!(added(" {\"a\" : [1,\n 2]} "), "{\"a\":[1,2]}\n");
        assert_eq!(added("[1, [2, 3], \"x\\\" \\\\\", null]"), "1\n[2,3]\n\"x\\\" \\\\\"\nnull\n");
        assert_eq!(added("[]"), "");
        assert_eq!(added("1.000000000000000000001e400"), "1.000000000000000000001e400\n");
        for bad in ["", "{", "1 2", "[1,]", "\u{feff}1", "\"a\nb\""] {
            assert!(lines(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_array_is_json_whatever_the_lines_are() {
        let mut array = Array::default();
        for line in [&b"{\"a\":1}"[..], b"", b"oops \"\xff", b" 2\r"] {
            array.push(line);
        }
        let array = String::from_utf8(array.into_bytes()).unwrap();
        assert_eq!(array, "[{\"a\":1},\"oops \\\"\u{fffd}\",2]");
        assert_eq!(Array::default().into_bytes(), b"[]");
    }
}
