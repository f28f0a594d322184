//! What the integration tests share: the real programs, started on free ports and ended on drop, and peers of our own
//! that speak HTTP, server-sent events and FastCGI to the byte.
//!
//! A test binary includes it with `#[path = "../support/mod.rs"] mod support;`.
#![allow(dead_code, unreachable_pub)] // Each test binary uses a part of it, and nothing outside can reach any.

pub mod browser;
pub mod confined;
pub mod fastcgi;
pub mod fcgiwrap;
pub mod http;
pub mod line;
pub mod nginx;
pub mod outside;
pub mod process;
pub mod rooms;
pub mod seeded;
pub mod server;
pub mod spawn_fcgi;
pub mod sse;
pub mod tenacious;
pub mod wait;
pub mod watch;

use std::time::Duration;

/// How long anything may take before it counts as a hang. No test is meant to come near it.
pub const PATIENCE: Duration = Duration::from_secs(20);
