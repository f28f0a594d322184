//! Rooms on the command line: saying, reading and following, on files or on a server.

pub mod files;
pub mod place;
pub mod server;
pub mod status;
pub mod talk;
