//! Who is in a room.

use serde::Serialize;

use crate::room::name::UserName;

/// Somebody who is here: a directory `.NAME` in the room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Member {
    /// The name, without the dot.
    #[serde(serialize_with = "as_text")]
    pub username: UserName,
    /// Whether a web page made it (it has the attribute `web_avatar`), or a shell.
    pub is_web: bool,
}

/// All who are in a room, in the byte order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Members {
    avatars: Vec<Member>,
}

impl Members {
    /// These, put in order.
    pub fn new(mut avatars: Vec<Member>) -> Self {
        avatars.sort();
        Members { avatars }
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.avatars.iter()
    }

    /// The one of this name.
    pub fn get(&self, user: &UserName) -> Option<&Member> {
        self.avatars.iter().find(|m| m.username == *user)
    }
}

fn as_text<S: serde::Serializer>(name: &UserName, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(name.as_str())
}
