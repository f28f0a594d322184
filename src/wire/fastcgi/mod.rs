//! FastCGI 1.0 (Open Market, 1996), the application's side, without any I/O.
//!
//! Every record has a head of 8 bytes, then its content and padding:
//!
//! ```text
//! 01  version 1        a request: BEGIN_REQUEST, PARAMS… PARAMS(empty), STDIN… STDIN(empty)
//! 06  type             its answer: STDOUT… STDOUT(empty), END_REQUEST
//! 00 01  request id    ABORT_REQUEST may come at any time
//! 00 05  content length
//! 03  padding length
//! 00  reserved
//! ```
//!
//! [`record`] cuts bytes into records, [`params`] decodes name-value pairs, [`session`] puts records
//! together into requests and answers what no request is concerned with.

pub mod params;
pub mod record;
pub mod session;
