//! What a member does, beside being here: they type, they have read up to a message, they look elsewhere.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::api::problem::Problem;
use crate::room::cursor::Cursor;
use crate::room::name::UserName;
use crate::store::presence;
use crate::store::root::RoomDir;

/// What is to be noted: what is not said stays as it is.
#[derive(Debug, Default, Deserialize)]
pub struct Marks {
    typing: Option<bool>,
    idle: Option<bool>,
    read: Option<String>,
}

impl Marks {
    /// Whether anything is said.
    pub fn any(&self) -> bool {
        self.typing.is_some() || self.idle.is_some() || self.read.is_some()
    }

    /// Notes it in the avatar of `user`.
    pub fn note(&self, room: &RoomDir, user: &UserName) -> Result<(), Problem> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        for (name, is) in [(presence::TYPING, self.typing), (presence::IDLE, self.idle)] {
            if let Some(is) = is {
                presence::set(room, user, name, is.then_some(now.as_str()))?;
            }
        }
        if let Some(read) = &self.read {
            let read = Cursor::parse(read).map_err(|error| Problem::from(("read", error)))?;
            presence::set(room, user, presence::READ, Some(&read.to_string()))?;
        }
        Ok(())
    }
}
