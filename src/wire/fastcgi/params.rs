//! Name-value pairs (section 3.4): a length of 1 byte below 128, or of 4 bytes with the highest bit
//! set, for the name and for the value; then both.

use std::collections::HashMap;

/// Decoded parameters. Values are bytes: a web server passes on what a client sent.
pub type Params = HashMap<Vec<u8>, Vec<u8>>;

/// Why bytes are no name-value pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a FastCGI name-value pair is longer than the parameters it stands in")]
pub struct Malformed;

/// Decodes all pairs of `bytes`. The last of several equal names wins.
pub fn decode(mut bytes: &[u8]) -> Result<Params, Malformed> {
    let mut params = Params::new();
    while !bytes.is_empty() {
        let name_len = length(&mut bytes).ok_or(Malformed)?;
        let value_len = length(&mut bytes).ok_or(Malformed)?;
        let (name, rest) = bytes.split_at_checked(name_len).ok_or(Malformed)?;
        let (value, rest) = rest.split_at_checked(value_len).ok_or(Malformed)?;
        params.insert(name.to_vec(), value.to_vec());
        bytes = rest;
    }
    Ok(params)
}

fn length(bytes: &mut &[u8]) -> Option<usize> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(usize::from(first));
    }
    let (four, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some((u32::from_be_bytes(*four) & 0x7fff_ffff) as usize)
}

/// Appends a pair. Both are at most 127 bytes long; ours are.
pub fn push(out: &mut Vec<u8>, name: &str, value: &str) {
    debug_assert!(name.len() < 128 && value.len() < 128);
    out.extend_from_slice(&[name.len() as u8, value.len() as u8]);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_lengths() {
        let mut bytes = Vec::new();
        push(&mut bytes, "A", "1");
        push(&mut bytes, "EMPTY", "");
        push(&mut bytes, "A", "2");
        bytes.extend_from_slice(&[1, 0x80, 0, 1, 0, b'L']);
        bytes.extend_from_slice(&[b'x'; 256]);
        let params = decode(&bytes).unwrap();
        assert_eq!(params[&b"A"[..]], b"2");
        assert_eq!(params[&b"EMPTY"[..]], b"");
        assert_eq!(params[&b"L"[..]].len(), 256);
        assert_eq!(params.len(), 3);
    }

    #[test]
    fn no_truncation_and_no_lying_length_passes() {
        let whole = [0x80, 0, 0, 2, 1, b'a', b'b', b'c'];
        assert!(decode(&whole).is_ok());
        for cut in 1..whole.len() {
            assert_eq!(decode(&whole[..cut]), Err(Malformed), "{cut}");
        }
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'a']), Err(Malformed));
    }
}
