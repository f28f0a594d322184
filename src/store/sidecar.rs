//! The sidecar of a stream on disk, `.log.stream`: read whole, replaced whole.

use std::io::{self, Read};
use std::time::SystemTime;

use crate::limits::SIDECAR_MAX_BYTES;
use crate::room::sidecar::Sidecar;
use crate::store::root::{Locked, RoomDir};

/// The name of a stream's sidecar.
pub const SIDECAR_NAME: &str = ".log.stream";

/// Why a sidecar can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// It is there, and is something else.
    #[error("{0}")]
    Unreadable(String),
}

/// The sidecar in `room` and when the stream was last used, in milliseconds since 1970; `None` where there is none: a
/// chat room.
pub fn read(room: &RoomDir) -> Result<Option<(Sidecar, i64)>, SidecarError> {
    let Some(file) = room.open_file(SIDECAR_NAME)? else { return Ok(None) };
    let meta = file.metadata()?;
    if meta.len() > SIDECAR_MAX_BYTES {
        return Err(SidecarError::Unreadable(format!("it is larger than {SIDECAR_MAX_BYTES} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(SIDECAR_MAX_BYTES).read_to_end(&mut bytes)?;
    let sidecar = Sidecar::parse(&bytes).map_err(|error| SidecarError::Unreadable(error.to_string()))?;
    Ok(Some((sidecar, unix_ms(meta.modified()?))))
}

/// Puts `sidecar` in the place of the one that is there. With `synced`, it is on disk before this returns.
pub fn replace(stream: &Locked, sidecar: &Sidecar, synced: bool) -> io::Result<()> {
    create(&stream.room, sidecar, synced)
}

/// Writes the sidecar of a stream that nobody can see yet.
pub fn create(room: &RoomDir, sidecar: &Sidecar, synced: bool) -> io::Result<()> {
    room.replace_file(SIDECAR_NAME, &sidecar.to_bytes(), synced)
}

/// The stream was used now.
pub fn touch(room: &RoomDir) -> io::Result<()> {
    match room.open_file(SIDECAR_NAME)? {
        Some(file) => file.set_modified(SystemTime::now()),
        None => Ok(()),
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
