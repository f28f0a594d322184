//! Who listens. A [`feed`] is what all readers of a room have in common: its tail, encoded once. A
//! [`subscription`] is one reader's position in it, a pure state machine. A [`hub`] serves the many
//! readers of a worker, [`solo`] the one of a CGI process: the same reader, the same feed.

pub mod admission;
pub mod attendance;
mod deliverer;
pub mod desk;
pub mod encoding;
pub mod feed;
pub mod hub;
pub mod metrics;
pub mod reader;
pub mod registry;
pub mod signature;
pub mod socket;
pub mod solo;
mod source;
pub mod stream;
pub mod subscriber;
pub mod subscription;
pub mod wait;
pub mod webhook;
