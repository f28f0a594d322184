//! Cutting bytes into lines. A line exists once its `\n` does.

/// How many of `bytes` are whole lines: up to and with the last `\n`.
pub fn whole(bytes: &[u8]) -> usize {
    memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1)
}

/// The whole lines of `bytes`, each without its `\n` and with the offset just after it.
pub fn each(bytes: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut from = 0;
    memchr::memchr_iter(b'\n', bytes).map(move |at| {
        let line = &bytes[from..at];
        from = at + 1;
        (line, from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_its_newline_is_none() {
        assert_eq!(whole(b""), 0);
        assert_eq!(whole(b"half"), 0);
        assert_eq!(whole(b"a\n\nhalf"), 3);
        assert_eq!(each(b"half").count(), 0);
        let lines: Vec<_> = each(b"a\n\nb\r\nhalf").collect();
        assert_eq!(lines, [(&b"a"[..], 2), (b"", 3), (b"b\r", 6)]);
    }
}
