//! What a request is answered from: a data root, and what the process knows beside it.

use std::io;
use std::sync::Arc;

use crate::api::problem::Problem;
use crate::live::attendance;
use crate::live::registry::{Registry, Slot};
use crate::live::stream::Pace;
use crate::room::name::{RoomName, UserName};
use crate::store::root::{DataRoot, RoomDir};

/// A folder of rooms, as one process serves it.
pub struct Site<'a> {
    /// The folder.
    pub root: Arc<DataRoot>,
    /// The timing and padding of its streams.
    pub pace: Pace,
    /// What a server's workers share; a CGI process has none.
    pub registry: Option<&'a Registry>,
}

impl Site<'_> {
    /// The room called `name`.
    pub fn room(&self, name: &RoomName) -> Result<RoomDir, Problem> {
        self.root.room(name)?.ok_or_else(|| Problem::no_room(name))
    }

    /// A place for one more stream.
    pub fn slot(&self) -> Result<Option<Slot>, Problem> {
        match self.registry {
            Some(registry) => registry.reserve().map(Some).ok_or_else(|| Problem::no_slot(registry.max_streams())),
            None => Ok(None),
        }
    }

    /// Removes web avatars of a room that were not heard of for long and have no stream here.
    pub fn sweep(&self, name: &RoomName, room: &RoomDir) -> io::Result<()> {
        let is_here =
            |user: &UserName| self.registry.is_some_and(|registry| registry.attendance.is_here(&self.root, name, user));
        attendance::sweep(room, is_here)
    }
}
