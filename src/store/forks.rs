//! Which forks a stream has. Their bytes are their own; but a stream that has forks is only put aside when it is
//! deleted, and is gone when its last fork is.
//!
//! A stream's forks are empty files in its `.log.forks`, called as the forks' directories. Such a note is made before
//! the fork is, and says only where to look: what counts is what the fork's own sidecar says. So a crash, or a shell
//! that removes a fork, leaves at most a note of nothing.
//!
//! Nobody holds the locks of two streams that others can see, so nobody waits for each other.

use std::io;

use crate::room::sidecar::Sidecar;
use crate::room::stream_name::StreamName;
use crate::store::root::{DataRoot, Locked, RoomDir};
use crate::store::sidecar;

/// The name of the directory of notes.
const FORKS_NAME: &str = ".log.forks";

/// Notes in `source` that `fork` is about to become one of its forks. With `synced`, it is on disk before this returns.
pub fn note(source: &Locked, fork: &StreamName, synced: bool) -> io::Result<()> {
    let is_new = source.room.make_directory(FORKS_NAME)?;
    let notes = source.room.inner(FORKS_NAME)?.ok_or(io::ErrorKind::NotFound)?;
    notes.replace_file(fork.directory(), b"", synced)?;
    if is_new && synced { source.room.try_clone()?.sync_all() } else { Ok(()) }
}

/// Removes a stream, which is locked: puts it aside where it has forks, and deletes it where it has none, with what
/// was there only for it. `now` is in milliseconds since 1970.
pub fn remove(
    root: &DataRoot,
    name: &StreamName,
    locked: Locked,
    sidecar: Option<&Sidecar>,
    now: i64,
) -> io::Result<()> {
    if has_forks(root, name, &locked.room, now)? {
        return root.keep_stream(name, &locked);
    }
    root.delete_stream(name, &locked)?;
    drop(locked);
    release_above(root, name.clone(), source_of(sidecar), now)
}

/// Whether a stream of this name was put aside, and has forks still. One that has none any more is deleted.
pub fn is_kept(root: &DataRoot, name: &StreamName, now: i64) -> io::Result<bool> {
    let Some(kept) = root.lock_kept(name)? else { return Ok(false) };
    if has_forks(root, name, &kept.room, now)? {
        return Ok(true);
    }
    let source = forget(root, name, kept)?;
    release_above(root, name.clone(), source, now)?;
    Ok(false)
}

/// Takes the note of a fork that is none (any more) from its source, and deletes a source that was there only for it.
pub fn release(root: &DataRoot, source: StreamName, fork: StreamName, now: i64) -> io::Result<()> {
    release_above(root, fork, Some(source), now)
}

/// Removes what processes that were killed left behind: streams that were not whole yet, or not deleted yet, and those
/// that were put aside and have no forks any more.
pub fn sweep(root: &DataRoot, now: i64) -> io::Result<()> {
    root.remove_remains()?;
    root.kept_streams()?.iter().try_for_each(|name| is_kept(root, name, now).map(drop))
}

fn release_above(root: &DataRoot, mut fork: StreamName, mut source: Option<StreamName>, now: i64) -> io::Result<()> {
    while let Some(name) = source.take() {
        if let Some(there) = root.lock_stream(&name)? {
            take_note(root, &name, &fork, &there.room, now)?;
        }
        if let Some(kept) = root.lock_kept(&name)? {
            take_note(root, &name, &fork, &kept.room, now)?;
            if !has_forks(root, &name, &kept.room, now)? {
                source = forget(root, &name, kept)?;
            }
        }
        fork = name;
    }
    Ok(())
}

/// Deletes a stream that was put aside. The stream that it was forked from.
fn forget(root: &DataRoot, name: &StreamName, kept: Locked) -> io::Result<Option<StreamName>> {
    let sidecar = sidecar::read(&kept.room).ok().flatten().map(|(sidecar, _)| sidecar);
    root.delete_kept(name, &kept)?;
    Ok(source_of(sidecar.as_ref()))
}

fn source_of(sidecar: Option<&Sidecar>) -> Option<StreamName> {
    sidecar?.fork.as_ref()?.source()
}

/// Takes the note of `fork` from `source`, which is locked, unless the fork is there.
fn take_note(root: &DataRoot, source: &StreamName, fork: &StreamName, room: &RoomDir, now: i64) -> io::Result<()> {
    let Some(notes) = room.inner(FORKS_NAME)? else { return Ok(()) };
    if !is_fork(root, source, fork, now)? {
        notes.remove(fork.directory())?;
        room.remove_if_empty(FORKS_NAME)?;
    }
    Ok(())
}

fn has_forks(root: &DataRoot, source: &StreamName, room: &RoomDir, now: i64) -> io::Result<bool> {
    for fork in noted(room)? {
        if is_fork(root, source, &fork, now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn noted(room: &RoomDir) -> io::Result<Vec<StreamName>> {
    let Some(notes) = room.inner(FORKS_NAME)? else { return Ok(Vec::new()) };
    Ok(notes.names()?.iter().filter_map(|name| StreamName::of_directory(name)).collect())
}

/// Whether `fork` is there, or put aside, and is one of `source`.
fn is_fork(root: &DataRoot, source: &StreamName, fork: &StreamName, now: i64) -> io::Result<bool> {
    for (room, is_kept) in [(root.stream(fork)?, false), (root.kept(fork)?, true)] {
        let Some(room) = room else { continue };
        match sidecar::read(&room) {
            Ok(Some((sidecar, touched))) if source_of(Some(&sidecar)).as_ref() == Some(source) => {
                if is_kept || !sidecar.is_expired(now, touched) || !noted(&room)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(_) => {}
            // Nobody knows whose it is, so nothing is deleted for it.
            Err(_) => return Ok(true),
        }
    }
    Ok(false)
}
