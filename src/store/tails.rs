//! How far a stream goes, for whoever does not read it.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::room::cursor::Cursor;
use crate::room::stream_name::StreamName;
use crate::room::subscription::{Tail, Tails};
use crate::store::log::Log;
use crate::store::root::DataRoot;
use crate::store::sidecar::{self, SidecarError};
use crate::store::stream::StreamLog;

/// Where the stream called `name` ends now. What no stream can be called, has expired, or has a sidecar that can't be
/// read, is none.
pub fn tail(root: &DataRoot, name: &str) -> io::Result<Tail> {
    with_log(root, name, |log| log.cursor(log.end())).map(Tail::at)
}

/// The same of several.
pub fn tails<'a>(root: &DataRoot, names: impl IntoIterator<Item = &'a String>) -> io::Result<Tails> {
    names.into_iter().map(|name| Ok((name.clone(), tail(root, name)?))).collect()
}

/// The position `cursor` as the stream itself gives it out, and whether it is before `acked`; `None` where the stream
/// does not reach it, or another has its name now.
pub fn position(
    root: &DataRoot,
    name: &str,
    cursor: &Cursor,
    acked: Option<&Cursor>,
) -> io::Result<Option<(Cursor, bool)>> {
    let found = with_log(root, name, |log| {
        let Ok(offset) = log.resolve(cursor)? else { return Ok(None) };
        let before = match acked {
            // Where what was acknowledged is gone, nothing is before it.
            Some(acked) => log.resolve(acked)?.is_ok_and(|acked| offset < acked),
            None => false,
        };
        Ok(Some((log.cursor(offset)?, before)))
    });
    found.map(Option::flatten)
}

fn with_log<T>(
    root: &DataRoot,
    name: &str,
    ask: impl FnOnce(&StreamLog<'_>) -> io::Result<T>,
) -> io::Result<Option<T>> {
    let Ok(name) = StreamName::parse(name) else { return Ok(None) };
    let Some(room) = root.stream(&name)? else { return Ok(None) };
    let seen = Log::open(&room)?.map_or(Ok(0), |log| log.size())?;
    let sidecar = match sidecar::read(&room) {
        Ok(Some((sidecar, touched))) if sidecar.is_expired(now_ms(), touched) => return Ok(None),
        Ok(found) => found.map(|(sidecar, _)| sidecar),
        Err(SidecarError::Unreadable(_)) => return Ok(None),
        Err(SidecarError::File(error)) => return Err(error),
    };
    let log = StreamLog::open_before(&room, sidecar.as_ref(), seen)?;
    ask(&log).map(Some)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
