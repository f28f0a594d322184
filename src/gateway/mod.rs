//! How a request comes in and its answer goes out: CGI, FastCGI, HTTP. Each turns its own form into
//! an [`api`](crate::api) request and back; none knows what is asked.

pub mod cgi;
pub mod fastcgi;
pub mod http;
pub mod listen;
pub mod reload;
pub mod server;
pub mod variables;
