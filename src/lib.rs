//! chatroom
pub mod limits;
pub mod room;
pub mod wire;
