//! Fields of a query string or a posted form (WHATWG URL, `application/x-www-form-urlencoded`):
//! `+` and `%XX` are decoded, a bad escape stays as it is, the last of several equal names wins.

use std::collections::HashMap;

/// Decoded fields by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(HashMap<String, String>);

impl Fields {
    /// Reads `text`. Never fails.
    pub fn parse(text: &[u8]) -> Self {
        Fields(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of `name`, where there is one and it is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether there is a field `name`, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_duplicates_and_nonsense() {
        let fields = Fields::parse(b"a=1&a=2&b=x+y%20z&c=%zz%4&d=%c3%A9&e&=&since=2026-01-31 08:00:00");
        assert_eq!(fields.get("a"), Some("2"));
        assert_eq!(fields.get("b"), Some("x y z"));
        assert_eq!(fields.get("c"), Some("%zz%4"));
        assert_eq!(fields.get("d"), Some("é"));
        assert_eq!((fields.get("e"), fields.has("e")), (None, true));
        assert_eq!(fields.get("since"), Some("2026-01-31 08:00:00"));
    }
}
