//! Reading Server-Sent Events (WHATWG HTML, section 9.2.6): the client's side, for the command line.

/// An event as it was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` where it has none.
    pub name: String,
    /// Its data, several lines joined by LF.
    pub data: Vec<u8>,
    /// The last id that was seen up to it.
    pub id: String,
}

/// Puts events together from lines.
#[derive(Debug, Default)]
pub struct Decoder {
    name: String,
    data: Option<Vec<u8>>,
    id: String,
}

impl Decoder {
    /// Takes in one line, without its end. The event that it completes, where it does.
    pub fn line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return self.data.take().map(|data| Event { name, data, id: self.id.clone() });
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match field {
            b"event" => self.name = text(),
            b"id" if !value.contains(&0) => self.id = text(),
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sse;

    fn decode(bytes: &[u8]) -> Vec<Event> {
        let mut decoder = Decoder::default();
        crate::wire::lines::each(bytes).filter_map(|(line, _)| decoder.line(line)).collect()
    }

    #[test]
    fn what_we_write_is_read_again() {
        let mut bytes = sse::padding(20);
        sse::event(&mut bytes, Some(&7), "message", b"two\nlines: x");
        sse::event(&mut bytes, None, "ping", b"");
        let event = |name: &str, data: &str| Event { name: name.into(), data: data.into(), id: "7".into() };
        assert_eq!(decode(&bytes), [event("message", "two\nlines: x"), event("ping", "")]);
    }

    #[test]
    fn events_without_data_or_an_end_are_none() {
        assert_eq!(decode(b"event: x\n\ndata: half\n"), []);
        assert_eq!(decode(b"data\n\n")[0].data, b"");
    }
}
