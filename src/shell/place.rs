//! Where a command's rooms are.

use std::io::Write;
use std::path::Path;

use crate::room::members::Members;
use crate::room::name::{RoomName, UserName};
use crate::shell::files::Files;
use crate::shell::server::Server;
use crate::store::watch::WatchMode;

/// Why a command could not be done: one sentence, that says what and where.
pub type Failure = Box<dyn std::error::Error>;

/// Rooms somewhere.
pub enum Place {
    /// In a folder of this machine.
    Files(Files),
    /// On a server.
    Server(Server),
}

impl Place {
    /// The rooms at `url`, where there is one; else those in the folder `root`.
    pub fn open(root: &Path, url: Option<&str>, watch: WatchMode) -> Result<Place, Failure> {
        Ok(match url {
            Some(url) => Place::Server(Server::at(url)?),
            None => Place::Files(Files::open(root, watch)?),
        })
    }

    /// Which rooms there are.
    pub fn rooms(&self) -> Result<Vec<RoomName>, Failure> {
        match self {
            Place::Files(files) => files.rooms(),
            Place::Server(server) => server.rooms(),
        }
    }

    /// Who is in a room.
    pub fn members(&self, room: &RoomName) -> Result<Members, Failure> {
        match self {
            Place::Files(files) => files.members(room),
            Place::Server(server) => server.members(room),
        }
    }

    /// Says `text` in a room; nobody in particular is `Anonymous`.
    pub fn say(&self, room: &RoomName, user: Option<&UserName>, text: &str) -> Result<(), Failure> {
        match self {
            Place::Files(files) => files.say(room, user, text),
            Place::Server(server) => server.say(room, user, text),
        }
    }

    /// Writes the last `lines` lines of a room to `out` and, where it is to `follow`, each as it
    /// comes, until nobody reads them any more.
    pub fn tail(
        &self,
        room: &RoomName,
        lines: usize,
        follow: bool,
        out: &mut (impl Write + std::os::fd::AsFd),
    ) -> Result<(), Failure> {
        match self {
            Place::Files(files) => files.tail(room, lines, follow, out),
            Place::Server(server) => server.tail(room, lines, follow, out),
        }
    }
}
