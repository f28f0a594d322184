//! What a request is answered from: a data root, and what the process knows beside it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::api::problem::Problem;
use crate::config::Ack;
use crate::live::admission::{Admission, Client, Full, Slot};
use crate::live::attendance;
use crate::live::feed::Topic;
use crate::live::registry::Registry;
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
    pub registry: Option<&'a Arc<Registry>>,
    /// When a posted message is acknowledged.
    pub ack: Ack,
    /// How many streams there may be.
    pub admission: Arc<Admission>,
}

impl Site<'_> {
    /// The room called `name`.
    pub fn room(&self, name: &RoomName) -> Result<RoomDir, Problem> {
        self.root.room(name)?.ok_or_else(|| Problem::no_room(name))
    }

    /// A place for one more stream about `topic`, for the client at this address.
    pub fn admit(&self, topic: Topic, client: Option<IpAddr>) -> Result<Slot, Full> {
        let slot = self.admission.admit(&(self.root.clone(), topic), client.and_then(Client::at));
        if let (Err(full), Some(registry)) = (&slot, self.registry) {
            registry.metrics.refused(*full);
        }
        slot
    }

    /// Removes web avatars of a room that were not heard of for long and have no stream here.
    pub fn sweep(&self, name: &RoomName, room: &RoomDir) -> io::Result<()> {
        let is_here =
            |user: &UserName| self.registry.is_some_and(|registry| registry.attendance.is_here(&self.root, name, user));
        attendance::sweep(room, is_here)
    }
}
