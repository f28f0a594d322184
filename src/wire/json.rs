//! JSON with a blank after each colon and comma, as the shell programs write it and scripts that
//! read it with `grep` expect it: `{"avatars": [{"username": "al", "is_web": true}]}`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}

/// `value` in this form. A value that has no JSON form (a map with keys that are no strings) is a
/// mistake in this program and comes out as `null`.
pub fn spaced(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)) {
        Ok(()) => out,
        Err(_) => b"null".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn blanks_after_colons_and_commas_only() {
        let value = serde_json::json!({"avatars": [{"is_web": true, "username": "a,b:c"}, {}], "n": []});
        let text = String::from_utf8(super::spaced(&value)).unwrap();
        assert_eq!(text, r#"{"avatars": [{"is_web": true, "username": "a,b:c"}, {}], "n": []}"#);
    }
}
