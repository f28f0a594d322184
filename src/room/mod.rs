//! What a room is, apart from any disk: names, lines, positions, members. Pure: no file, no
//! network, no clock.

pub mod cursor;
pub mod fork;
pub mod line;
pub mod members;
pub mod mention;
pub mod message;
pub mod name;
pub mod pattern;
pub mod presence;
pub mod producer;
pub mod sidecar;
pub mod stream_name;
pub mod subscription;
