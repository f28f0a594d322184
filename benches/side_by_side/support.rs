//! What starts and stops the real parts, as the tests do it.
#![allow(dead_code)] // The tests use more of it.

#[path = "../../tests/support/fastcgi.rs"]
pub mod fastcgi;
#[path = "../../tests/support/fcgiwrap.rs"]
pub mod fcgiwrap;
#[path = "../../tests/support/http.rs"]
pub mod http;
#[path = "../../tests/support/nginx.rs"]
pub mod nginx;
#[path = "../../tests/support/process.rs"]
pub mod process;
#[path = "../../tests/support/server.rs"]
pub mod server;
#[path = "../../tests/support/wait.rs"]
pub mod wait;
#[path = "../../tests/support/watch.rs"]
pub mod watch;

use std::time::Duration;

/// How long a part may take to start or to stop.
pub const PATIENCE: Duration = Duration::from_secs(20);
