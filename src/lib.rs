//! File-backed chat. A room is a directory; its `.log` is the conversation, one line a message;
//! `.alice/` in it means that alice is here. Everything else is a view of those files.
//!
//! A request comes in at the top and leaves as bytes at the bottom; modules use only what is below
//! them:
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | arguments and environment become one command |
//! | [`shell`] | `say`, `tail`, `rooms`, `who`, on files or on a server |
//! | [`gateway`] | how a request comes in: CGI, FastCGI, HTTP |
//! | [`api`] | what was asked, and the answer: pages, history, saying, members, plans of streams |
//! | [`config`] | what the operator sets |
//! | [`live`] | who listens: feeds, subscriptions, the hub of a worker, the one of a CGI process |
//! | [`store`] | what is on disk: logs, avatars, watching, appending |
//! | [`room`] | what a room is: names, lines, positions, messages; pure |
//! | [`wire`] | what bytes look like: SSE, FastCGI records, JSON; pure |
//! | [`limits`] | every maximum and default time |
//!
//! What holds everywhere:
//!
//! - The log is the only queue. A reader is a byte offset and at most one unsent remainder.
//! - A position that was given out points just after a `\n`, or to where a line of over 16 MiB was
//!   divided, and notices when its log became another.
//! - A name is parsed before it is used; only a parsed name becomes a path component, and every
//!   path is opened beneath the data root.
//! - `room`, `wire` and `live::subscription` do no I/O and read no clock.
//! - Nothing from outside panics.

pub mod api;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod limits;
pub mod live;
pub mod room;
pub mod shell;
pub mod store;
pub mod wire;
