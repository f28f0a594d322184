//! Answers under the names of the shell CGI programs that people have, as those answer: with status
//! 200, in the forms that their pages read. Only where nothing can be opened at all it is 503.

pub mod answer;
pub mod avatars;
pub mod messages;
pub mod rooms;
pub mod stream;

use crate::api::dropin::answer::Refusal;
use crate::api::exchange::{Request, Response};
use crate::api::site::Site;
use crate::room::name::RoomName;
use crate::store::root::RoomDir;

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `chat-stream`: a room, live.
    Stream,
    /// `chat-room-list-stream`: the list of rooms, live.
    RoomListStream,
    /// `chat-unread-counts`: how many messages each room has, live.
    UnreadCounts,
    /// `chat-get-messages`: the last lines of a room.
    GetMessages,
    /// `chat-send-message`: say something.
    SendMessage,
    /// `chat-list-rooms`: all rooms.
    ListRooms,
    /// `chat-create-room`: make a room.
    CreateRoom,
    /// `chat-delete-room`: delete a room.
    DeleteRoom,
    /// `chat-list-avatars`: who is in a room.
    ListAvatars,
    /// `chat-count-avatars`: how many are in a room.
    CountAvatars,
    /// `chat-create-avatar`: somebody comes.
    CreateAvatar,
    /// `chat-move-avatar`: somebody goes to another room.
    MoveAvatar,
    /// `chat-rename-avatar`: somebody is called otherwise.
    RenameAvatar,
    /// `chat-delete-avatar`: somebody goes.
    DeleteAvatar,
}

const PROGRAMS: [(&str, Program); 14] = [
    ("chat-stream", Program::Stream),
    ("chat-room-list-stream", Program::RoomListStream),
    ("chat-unread-counts", Program::UnreadCounts),
    ("chat-get-messages", Program::GetMessages),
    ("chat-send-message", Program::SendMessage),
    ("chat-list-rooms", Program::ListRooms),
    ("chat-create-room", Program::CreateRoom),
    ("chat-delete-room", Program::DeleteRoom),
    ("chat-list-avatars", Program::ListAvatars),
    ("chat-count-avatars", Program::CountAvatars),
    ("chat-create-avatar", Program::CreateAvatar),
    ("chat-move-avatar", Program::MoveAvatar),
    ("chat-rename-avatar", Program::RenameAvatar),
    ("chat-delete-avatar", Program::DeleteAvatar),
];

impl Program {
    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PROGRAMS.iter().map(|(name, _)| *name)
    }

    /// The program of this name.
    pub fn named(name: &str) -> Option<Program> {
        PROGRAMS.iter().find(|(other, _)| *other == name).map(|(_, program)| *program)
    }

    /// The program that a path within the mount names.
    pub fn of_path(path: &str) -> Option<Program> {
        Program::named(path.strip_prefix('/')?)
    }

    /// Its path within a mount.
    pub fn path(self) -> String {
        let name = PROGRAMS.iter().find(|(_, program)| *program == self).map_or("", |(name, _)| name);
        format!("/{name}")
    }

    /// Its answer.
    pub fn run(self, site: &Site<'_>, request: &Request) -> Response {
        match self {
            Program::Stream => stream::room(site, request),
            Program::RoomListStream => stream::rooms(site, request),
            Program::UnreadCounts => stream::counts(site, request),
            Program::GetMessages => messages::get(site, request),
            Program::SendMessage => messages::send(site, request),
            Program::ListRooms => rooms::list(site),
            Program::CreateRoom => rooms::create(site, request),
            Program::DeleteRoom => rooms::delete(site, request),
            Program::ListAvatars => avatars::list(site, &request.query()),
            Program::CountAvatars => avatars::count(site, &request.query()),
            Program::CreateAvatar => avatars::create(site, request),
            Program::MoveAvatar => avatars::move_on(site, request),
            Program::RenameAvatar => avatars::rename(site, request),
            Program::DeleteAvatar => avatars::delete(site, request),
        }
    }
}

const ROOM_NOT_FOUND: &str = "Room not found";

/// Which room a name means, or what these programs say where it means none.
fn find_room(site: &Site<'_>, name: &str) -> Result<(RoomName, RoomDir), Refusal> {
    let name = RoomName::parse(name.trim()).map_err(|_| "Invalid room name")?;
    let room = site.root.room(&name).map_err(Refusal::of(ROOM_NOT_FOUND))?.ok_or(ROOM_NOT_FOUND)?;
    Ok((name, room))
}
