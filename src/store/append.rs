//! Adding a line to a room's log: one `write` with `O_APPEND`, whole or not at all.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::limits::FINGERPRINT_WINDOW_BYTES;
use crate::room::cursor::{Cursor, Fingerprint};
use crate::store::root::RoomDir;

/// A line that was added to a log. It outlives this process; a power cut, only after [`Appended::sync`].
#[derive(Debug)]
pub struct Appended {
    /// Where it ends in the file: its id.
    pub id: Cursor,
    file: File,
    identity: u64,
    /// The directory, where it is the log's first line, so that the log's name may be new, too.
    directory: Option<File>,
}

impl Appended {
    /// Waits until it is on disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.directory.as_ref().map_or(Ok(()), File::sync_all)
    }

    /// What the file system calls the log.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Whether it is the log's first line.
    pub fn is_first(&self) -> bool {
        self.directory.is_some()
    }
}

/// Appends `line`, which ends with its only `\n`, or several. A line that somebody else left without its `\n`
/// is ended first.
pub fn append(room: &RoomDir, line: &[u8]) -> io::Result<Appended> {
    let mut file = room.open_log_for_append()?;
    let line = healing(&mut file, line)?;
    let appended = appended(room, file, &line)?;
    // Without a lock it does nothing; a lock would last as long as the file is open.
    let _ = appended.file.unlock();
    Ok(appended)
}

/// The same to a file that is open for reading and appending.
pub fn append_to(file: &mut File, line: &[u8]) -> io::Result<()> {
    let line = healing(file, line)?;
    let len = file.metadata()?.len();
    write_whole(file, len, &line)
}

/// What is to be written so that `line` is a line. Where the last one seems torn, `file` is locked: of several who see
/// that, one ends it.
fn healing<'a>(file: &mut File, line: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
    if !is_torn(file, file.metadata()?.len())? {
        return Ok(line.into());
    }
    file.lock()?;
    // Nothing is written, but it waits for a write that is under way, which may have been seen half.
    let _ = file.write(&[])?;
    let torn = is_torn(file, file.metadata()?.len())?;
    Ok(if torn { [b"\n", line].concat().into() } else { line.into() })
}

/// Appends bytes as they are, where lines mean nothing.
pub fn append_bytes(room: &RoomDir, bytes: &[u8]) -> io::Result<Appended> {
    appended(room, room.open_log_for_append()?, bytes)
}

fn appended(room: &RoomDir, mut file: File, bytes: &[u8]) -> io::Result<Appended> {
    let before = file.metadata()?;
    let identity = before.ino();
    // Beforehand: once it is written, nothing may fail any more.
    let directory = if before.len() == 0 { Some(room.try_clone()?) } else { None };
    write_whole(&mut file, before.len(), bytes)?;
    // The position is the one the write left behind: others may have appended since.
    let end = file.stream_position()?;
    let mut window = vec![0; end.min(FINGERPRINT_WINDOW_BYTES) as usize];
    let from = end - window.len() as u64;
    // It is written, so it is said, whatever becomes of the file: a position that can't be read any
    // more is one that won't hold.
    let _ = file.read_exact_at(&mut window, from);
    let id = Cursor::new(end, Fingerprint::of(identity, &window));
    let directory = directory.filter(|_| end == bytes.len() as u64);
    Ok(Appended { id, file, identity, directory })
}

fn is_torn(file: &File, len: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if len > 0 {
        // Nothing is read where it was truncated since: then nothing is torn.
        let _ = file.read_at(&mut last, len - 1)?;
    }
    Ok(last != [b'\n'])
}

/// One `write`, to a file that is about `len` long: all of `bytes` or none.
fn write_whole(file: &mut File, len: u64, bytes: &[u8]) -> io::Result<()> {
    // Within a page a write is whole or fails. One that goes on to the next could find a part of its place, so where the
    // disk is almost full it has its place first. Most lines are short, and few of them go on.
    if len % PAGE_BYTES + bytes.len() as u64 > PAGE_BYTES {
        reserve(file, len, bytes.len())?;
    }
    let written = loop {
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done?,
        }
    };
    if written == bytes.len() {
        return Ok(());
    }
    // It may not grow so far, somebody took the place, or the file system can't give any beforehand. What was written is
    // taken back, unless somebody wrote behind it: then it is a torn line, which the next writer ends. Who writes behind
    // it between this look and the next call loses that, for there is no call that does both. To leave it there instead
    // would spoil the next line of every shell, and to end it needs the byte that is not there.
    let end = file.stream_position()?;
    if file.metadata()?.len() == end {
        // Where that may not be (`chattr +a`) it is a torn line, too.
        let _ = file.set_len(end - written as u64);
    }
    Err(io::Error::from(io::ErrorKind::StorageFull))
}

/// The smallest that pages are anywhere.
const PAGE_BYTES: u64 = 4096;

/// Has the file system put blocks by for what comes at the end of a file, where it has few. Fails where it has none left.
#[cfg(target_os = "linux")]
fn reserve(file: &File, len: u64, more: usize) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};
    use nix::sys::statfs::fstatfs;

    use crate::limits::DISK_SPARE_BYTES;
    let left = fstatfs(file)
        .map_or(0, |disk| disk.blocks_available().saturating_mul(u64::try_from(disk.block_size()).unwrap_or(0)));
    let (true, Ok(len), Ok(more)) = (left < DISK_SPARE_BYTES, len.try_into(), more.try_into()) else { return Ok(()) };
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, len, more) {
        Err(error @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => Err(error.into()),
        // Not every file system can; what there is is found out by writing, then.
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64, _: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::name::RoomName;
    use crate::store::log::Log;
    use crate::store::root::DataRoot;

    #[test]
    fn lines_are_whole_and_their_ids_are_where_they_end() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("R")).unwrap();
        let room = DataRoot::open(dir.path()).unwrap().room(&RoomName::parse("R").unwrap()).unwrap().unwrap();
        let one = append(&room, b"one\n").unwrap();
        assert_eq!((one.id.offset(), one.is_first()), (4, true));
        one.sync().unwrap();
        std::fs::write(dir.path().join("R/.log"), b"one\ntorn").unwrap();
        let Appended { id, directory, .. } = append(&room, b"two\n").unwrap();
        assert!(directory.is_none());
        assert_eq!(std::fs::read(dir.path().join("R/.log")).unwrap(), b"one\ntorn\ntwo\n");
        let log = Log::open(&room).unwrap().unwrap();
        assert_eq!(log.resolve(&id).unwrap(), Ok(13));
        assert_eq!(log.cursor(13).unwrap(), id);
    }
}
