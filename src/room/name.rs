//! Names of rooms and users. Parsing one is the only way to have one, and having one is the only
//! way to a path component, so no name can lead out of the data root.

use std::fmt;
use std::sync::Arc;

use crate::limits::NAME_MAX_BYTES;

/// The name that system lines have (`log: alice joined the room.`). Nobody else may have it.
pub const SYSTEM: &str = "log";

/// A room's name, `[A-Za-z0-9_-]`, 1 to 64 bytes: the name of its directory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// A user's name, `[A-Za-z0-9_-]`, 1 to 64 bytes, never `log`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(Arc<str>);

/// Why something is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {what} name: {expected}")]
pub struct NameError {
    what: &'static str,
    given: String,
    expected: &'static str,
}

impl NameError {
    fn new(what: &'static str, given: &str, expected: &'static str) -> Self {
        let shown: String = given.chars().take(NAME_MAX_BYTES).collect();
        let given = if shown.len() < given.len() { shown + "…" } else { shown };
        NameError { what, given, expected }
    }
}

const FORM: &str = "expected 1 to 64 of A-Z a-z 0-9 _ -";

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl RoomName {
    /// The room called `text`. Fails where that is no room's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if !is_name(text) {
            return Err(NameError::new("room", text, FORM));
        }
        Ok(RoomName(text.into()))
    }

    /// The name, which is also the name of the room's directory.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// The user called `text`. Fails where that is no user's name; `log` is nobody's.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if !is_name(text) {
            return Err(NameError::new("user", text, FORM));
        }
        if text == SYSTEM {
            return Err(NameError::new("user", text, "it is reserved for system lines"));
        }
        Ok(UserName(text.into()))
    }

    /// Who speaks where nobody said: `Anonymous`.
    pub fn anonymous() -> Self {
        UserName("Anonymous".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the user's avatar directory: `.NAME`.
    pub fn avatar_dir(&self) -> String {
        format!(".{}", self.0)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_underscore_and_hyphen() {
        for good in ["a", "General", "log", "-", "_x-9", &"n".repeat(64)] {
            assert_eq!(RoomName::parse(good).unwrap().as_str(), good);
        }
        let too_long = "n".repeat(65);
        for bad in ["", ".", "..", "a/b", "../x", "a b", "é", "a\0", "a\n", "%2e", &too_long] {
            assert!(RoomName::parse(bad).is_err(), "{bad:?}");
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn log_is_nobodys_name() {
        assert!(UserName::parse("log").unwrap_err().to_string().contains("reserved"));
        assert!(UserName::parse("Log").is_ok());
    }

    #[test]
    fn an_error_quotes_the_name_escaped_and_bounded() {
        let error = RoomName::parse(&"\n".repeat(10_000)).unwrap_err().to_string();
        assert!(error.len() < 300, "{error}");
        assert!(!error.contains('\n'));
    }
}
