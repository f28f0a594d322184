//! Names of streams: any text, as long as its directory can have it.
//!
//! The directory of a stream is called as the stream where that is `[A-Za-z0-9_-]`, so that a room is a stream of the
//! same name; every other byte is percent-encoded. No two streams share a directory, and no name leads out of the root.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::limits::STREAM_NAME_MAX_BYTES;
use crate::room::name::RoomName;

/// The first part of paths that are no streams.
const RESERVED: &str = "__ds";

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// A stream's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName {
    directory: Arc<str>,
}

/// Why something is not a stream's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamNameError {
    /// There is none.
    #[error("the stream has no name: expected /v1/stream/NAME")]
    Empty,
    /// It is another kind of resource.
    #[error("names that begin with {RESERVED}/ are reserved: there is no such stream")]
    Reserved,
    /// It is too long to be a directory's.
    #[error(
        "the stream's name is too long: expected at most {STREAM_NAME_MAX_BYTES} bytes, or a third of that where it \
         must be percent-encoded"
    )]
    TooLong,
}

impl StreamName {
    /// The stream called `text`, percent-decoded.
    pub fn parse(text: &str) -> Result<Self, StreamNameError> {
        if text.is_empty() {
            return Err(StreamNameError::Empty);
        }
        if text.split('/').next() == Some(RESERVED) {
            return Err(StreamNameError::Reserved);
        }
        if text.len() > STREAM_NAME_MAX_BYTES {
            return Err(StreamNameError::TooLong);
        }
        let directory = utf8_percent_encode(text, ENCODED).to_string();
        if directory.len() > STREAM_NAME_MAX_BYTES {
            Err(StreamNameError::TooLong)
        } else {
            Ok(StreamName { directory: directory.into() })
        }
    }

    /// The stream whose directory is called so; `None` where no stream's is.
    pub fn of_directory(directory: &str) -> Option<Self> {
        let text = percent_decode_str(directory).decode_utf8().ok()?;
        let fits = (1..=STREAM_NAME_MAX_BYTES).contains(&directory.len());
        let is_its_own = utf8_percent_encode(&text, ENCODED).flat_map(str::as_bytes).eq(directory.as_bytes());
        (fits && is_its_own).then(|| StreamName { directory: directory.into() })
    }

    /// The chat room of this name; `None` where none can be called so.
    pub fn room(&self) -> Option<RoomName> {
        RoomName::parse(&self.directory).ok()
    }

    /// The name as it was before its directory's was made of it.
    pub fn text(&self) -> String {
        percent_decode_str(&self.directory).decode_utf8_lossy().into_owned()
    }

    /// The name of its directory, one path component.
    pub fn directory(&self) -> &str {
        &self.directory
    }
}

impl From<&RoomName> for StreamName {
    fn from(room: &RoomName) -> StreamName {
        StreamName { directory: room.as_str().into() }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_spelling_is_one_component_of_its_own() {
        let directory = |text: &str| StreamName::parse(text).unwrap().directory().to_owned();
        for (text, expected) in [
            ("General", "General"),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("..", "%2E%2E"),
            (".log", "%2Elog"),
            ("é\n", "%C3%A9%0A"),
            ("__dsx", "__dsx"),
        ] {
            assert_eq!(directory(text), expected);
            assert_eq!(StreamName::of_directory(expected), StreamName::parse(text).ok());
            assert_eq!(StreamName::parse(text).unwrap().text(), text);
        }
        assert_eq!(StreamName::parse("a/b").unwrap().room(), None, "what is encoded is no chat room");
    }

    #[test]
    fn what_is_no_streams_directory_is_none() {
        for other in ["", ".", "..", ".created-00", "a%2fb", "a%61", "a%", "a b", "%C3"] {
            assert_eq!(StreamName::of_directory(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_can_not_be_a_directory_is_refused() {
        let long = "n".repeat(STREAM_NAME_MAX_BYTES);
        assert_eq!(StreamName::parse(&long).unwrap().directory(), long);
        assert_eq!(StreamName::parse(&format!("{long}n")), Err(StreamNameError::TooLong));
        assert_eq!(StreamName::parse(&"/".repeat(100)), Err(StreamNameError::TooLong));
        assert_eq!(StreamName::parse(""), Err(StreamNameError::Empty));
        assert_eq!(StreamName::parse("__ds/subscriptions/x"), Err(StreamNameError::Reserved));
    }
}
