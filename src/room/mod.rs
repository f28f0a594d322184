//! What a room is, apart from any disk: names, lines, positions, members. Pure: no file, no
//! network, no clock.

pub mod cursor;
pub mod line;
pub mod members;
pub mod mention;
pub mod message;
pub mod name;
pub mod presence;
pub mod producer;
pub mod sidecar;
pub mod stream_name;
