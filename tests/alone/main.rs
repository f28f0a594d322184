//! Tests that need nothing but the binary: `cargo test` runs them.

#[path = "../cases/mod.rs"]
mod cases;
#[path = "../support/mod.rs"]
mod support;

mod cgi;
mod cross_site;
mod durable;
mod durable_live;
mod fastcgi;
mod faults_descriptors;
mod faults_disk;
mod faults_file;
mod faults_peer;
mod faults_stop;
mod forks;
mod hostile;
mod hostile_fastcgi;
mod killed;
mod layout;
mod limits;
mod load;
mod measuring;
mod odd_files;
mod oracle;
mod presence;
mod producers;
mod seam;
mod server;
mod shell;
mod shell_names;
mod smuggling;
mod streams;
mod subscriptions;
mod symlinks;
#[cfg(target_os = "linux")]
mod watching;
mod ways;
