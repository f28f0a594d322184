//! What is on disk. Files are the truth; everything here reads them anew or changes them at once.
//! Every path is opened beneath the data root, one validated component at a time.

pub mod append;
pub mod attributes;
pub mod avatars;
pub mod bell;
pub mod commit;
pub mod count;
pub mod events;
pub mod forks;
pub mod history;
pub mod log;
pub mod presence;
pub mod root;
pub mod search;
pub mod settle;
pub mod sidecar;
pub mod since;
pub mod stamps;
pub mod stream;
pub mod stream_tail;
pub mod subscriptions;
pub mod tail;
pub mod tails;
pub mod unread;
pub mod watch;
