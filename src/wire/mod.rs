//! What bytes look like: Server-Sent Events, FastCGI records, CGI heads, JSON, lines. Pure: bytes
//! in, bytes out.

pub mod cgi;
pub mod durable;
pub mod events;
pub mod fastcgi;
pub mod form;
pub mod interval;
pub mod json;
pub mod lines;
pub mod ndjson;
pub mod sse;
