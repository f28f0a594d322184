//! Streams that began as copies of others.

use serde::{Deserialize, Serialize};

use crate::room::cursor::{Cursor, Inherited};
use crate::room::stream_name::StreamName;

/// Where a fork comes from, as its sidecar keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The stream that it was copied from, as its directory is called.
    pub source: String,
    /// The offset in the source that its creator named; where none was named, the source's end then.
    pub offset: u64,
    /// How many bytes, or lines of a source of lines, behind that the copy ends.
    #[serde(default)]
    pub sub_offset: u64,
    /// Whether its creator said when it is gone. Otherwise it is gone when its source would be.
    pub own_lifetime: bool,
    /// The origins of the bytes that were copied.
    pub inherited: Vec<Inherited>,
}

/// A fork that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The stream to be copied.
    pub source: StreamName,
    /// The position up to which; `None` for all of it.
    pub at: Option<Cursor>,
    /// How many bytes, or lines of a source of lines, more.
    pub sub_offset: u64,
}

impl Fork {
    /// The stream that it was copied from. `None` where no stream can be called so.
    pub fn source(&self) -> Option<StreamName> {
        StreamName::of_directory(&self.source)
    }

    /// Whether it is what was asked for. Who names no position asks for any: the source may have grown since.
    pub fn is(&self, asked: &Asked) -> bool {
        self.source == asked.source.directory()
            && asked.at.is_none_or(|at| at.offset() == self.offset)
            && self.sub_offset == asked.sub_offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::cursor::Fingerprint;

    #[test]
    fn a_fork_is_known_again() {
        let fork =
            Fork { source: "a%2Fb".into(), offset: 7, sub_offset: 2, own_lifetime: false, inherited: Vec::new() };
        let asked = Asked { source: StreamName::parse("a/b").unwrap(), at: None, sub_offset: 2 };
        let at = |offset| Some(Cursor::new(offset, Fingerprint::of(1, b"")));
        assert!(fork.is(&asked) && fork.is(&Asked { at: at(7), ..asked.clone() }));
        assert!(!fork.is(&Asked { at: at(8), ..asked.clone() }));
        assert!(!fork.is(&Asked { sub_offset: 0, ..asked.clone() }));
        assert!(!fork.is(&Asked { source: StreamName::parse("b").unwrap(), ..asked }));
        assert_eq!(fork.source(), StreamName::parse("a/b").ok());
    }
}
