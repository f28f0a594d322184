//! What members do, beside being here: what their avatars' attributes `typing`, `read` and `idle` say.

use std::collections::BTreeMap;

use serde::Serialize;

/// What one member does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Doing {
    /// They write something. Another value, whatever it says, means that they still do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typing: Option<String>,
    /// The id of the last message they have read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// They look elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}

/// Of all members who do anything, by name, as JSON: `{"al":{"typing":"1"}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Presence(BTreeMap<String, Doing>);

impl Presence {
    /// These; who does nothing is left out.
    pub fn new(doing: impl IntoIterator<Item = (String, Doing)>) -> Presence {
        Presence(doing.into_iter().filter(|(_, doing)| *doing != Doing::default()).collect())
    }
}
