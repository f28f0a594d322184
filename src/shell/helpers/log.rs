//! `chat-log-if-unique LOG LINE`: a line that is not there twice in a row.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;

use crate::limits::LINE_MAX_BYTES;
use crate::room::line::MessageText;
use crate::shell::place::Failure;
use crate::store::append::append_to;
use crate::store::history::start_of_last;
use crate::store::log::Log;

/// Appends LINE to LOG, unless the last line there that is not blank says the same after its time.
pub fn append_if_unique(arguments: &[OsString], _: &mut dyn Write) -> Result<(), Failure> {
    let [path, line, ..] = arguments else { return Err("expected a log's path and a line; nothing is written".into()) };
    if path.is_empty() {
        return Err("the log's path is empty; nothing is written".into());
    }
    let line = MessageText::clean(&line.to_string_lossy()).ok_or("the line is empty; nothing is written")?;
    let mut file = open(path).map_err(|error| format!("{}: {error}; nothing is written", path.display()))?;
    // Of two who would write the same at the same time one waits, and then sees that it is there.
    file.lock()?;
    let log = Log::of(file.try_clone()?)?;
    if said_by(&last_line(&log)?) != said_by(line.as_bytes()) {
        append_to(&mut file, &[line.as_bytes(), b"\n"].concat())?;
    }
    Ok(())
}

fn open(path: &OsString) -> io::Result<File> {
    // A FIFO would never be open.
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o664)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The last line that is not blank, whole or not; empty where there is none.
fn last_line(log: &Log) -> io::Result<Vec<u8>> {
    let size = log.size()?;
    let mut end = log.whole_before(size)?;
    let mut line = log.read(end, (size - end).min(LINE_MAX_BYTES as u64) as usize)?;
    while line.trim_ascii().is_empty() && end > 0 {
        let start = start_of_last(log, end, 1, u64::MAX)?;
        line = log.read(start, (end - start).min(LINE_MAX_BYTES as u64) as usize)?;
        end = start;
    }
    Ok(line)
}

/// What a line says after `[time] `.
fn said_by(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let after_time = line.strip_prefix(b"[").and_then(|inner| {
        let end = memchr::memmem::find(inner, b"] ")?;
        Some(&inner[end + 2..])
    });
    after_time.unwrap_or(line)
}
