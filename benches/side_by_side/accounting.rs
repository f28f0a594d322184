//! What a process has cost, as the kernel counts it. A process that is gone costs nothing.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a process has used up to now, and what it holds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Time on a processor of all its threads, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory of its own, in bytes.
    pub private: u64,
    /// How often its threads went to sleep.
    pub sleeps: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

impl Usage {
    /// Of the process `pid`, now.
    pub fn of(pid: u32) -> Usage {
        let mut usage = Usage {
            private: private(pid),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64),
            ..Usage::default()
        };
        for task in tasks(pid) {
            usage.cpu_ns += read(task.join("schedstat")).split(' ').next().map_or(0, number);
            usage.sleeps += field(&read(task.join("status")), "voluntary_ctxt_switches:");
        }
        usage
    }

    /// Of several processes together.
    pub fn of_all(pids: &[u32]) -> Usage {
        pids.iter().map(|pid| Usage::of(*pid)).fold(Usage::default(), |sum, one| Usage {
            cpu_ns: sum.cpu_ns + one.cpu_ns,
            private: sum.private + one.private,
            sleeps: sum.sleeps + one.sleeps,
            descriptors: sum.descriptors + one.descriptors,
        })
    }
}

/// The processes that `pid` started: nginx's workers.
pub fn children(pid: u32) -> Vec<u32> {
    tasks(pid)
        .iter()
        .flat_map(|task| {
            read(task.join("children")).split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn private(pid: u32) -> u64 {
    let memory = read(format!("/proc/{pid}/smaps_rollup").into());
    (field(&memory, "Private_Clean:") + field(&memory, "Private_Dirty:")) * 1024
}

fn tasks(pid: u32) -> Vec<PathBuf> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks.flatten().map(|task| task.path()).collect()
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .map_or(0, number)
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}
