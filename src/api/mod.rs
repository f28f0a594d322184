//! What was asked, and the answer to it. One handler, whatever way the request came in: it reads
//! and changes files, and plans streams; it does not know sockets.

pub mod assets;
pub mod dropin;
pub mod exchange;
pub mod history;
pub mod identity;
pub mod marks;
pub mod members;
pub mod metrics;
pub mod overview;
pub mod plain;
pub mod problem;
pub mod room;
pub mod rooms;
pub mod router;
pub mod search;
pub mod site;
pub mod static_page;
pub mod streams;
pub mod unread;
pub mod v1;
