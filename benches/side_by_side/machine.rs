//! Where and when a comparison was made.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use chrono::Utc;

use crate::support::process::tool;
use crate::support::server::chatroom;

/// Date, processor, kernel and versions, as a Markdown list.
pub fn describe() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, m)| m);
    let nginx = said(tool("nginx").arg("-v"));
    let nchan = said(tool("dpkg-query").args(["-W", "-f", "${Version}", "libnginx-mod-nchan"]));
    format!(
        "- {} UTC; {cores} cores ({model}), Linux {}\n- {}; {nginx}; nchan {nchan}\n",
        Utc::now().format("%Y-%m-%d %H:%M"),
        kernel.trim(),
        said(chatroom().arg("--version")),
    )
}

/// What a command says on either output; nothing where it can't be run.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return String::new() };
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
}
