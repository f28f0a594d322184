//! Rooms on the command line: saying, reading and following, on files or on a server; and the programs that scripts
//! call by other names.

pub mod dropin;
pub mod files;
pub mod helpers;
pub mod page;
pub mod place;
pub mod server;
pub mod status;
pub mod talk;
