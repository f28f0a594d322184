//! What this program itself has to say in a stream of JSON.

use std::io;

use crate::room::sidecar::Sidecar;
use crate::room::stream_name::StreamName;
use crate::store::root::DataRoot;
use crate::store::settle::settle;
use crate::store::sidecar::{self, SidecarError};
use crate::store::stream::add;

/// Why a stream does not take events.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Its files can't be used.
    #[error(transparent)]
    File(#[from] io::Error),
    /// It is none.
    #[error("there is no stream {0}")]
    NoStream(String),
    /// It is no stream of JSON.
    #[error("the stream {0} is not of application/json")]
    OtherType(String),
    /// It is closed.
    #[error("the stream {0} is closed")]
    Closed(String),
}

/// Fails where the stream called `name` is there and takes no events.
pub fn check(root: &DataRoot, name: &str) -> Result<(), EventError> {
    let parsed = StreamName::parse(name).map_err(|_| EventError::NoStream(name.to_owned()))?;
    let Some(room) = root.stream(&parsed)? else { return Ok(()) };
    let sidecar = sidecar::read(&room).map_err(|error| unusable(name, error))?;
    takes(name, sidecar.as_ref().map(|(sidecar, _)| sidecar))
}

/// Adds one event, which is JSON without a newline, to the stream called `name`.
pub fn say(root: &DataRoot, name: &str, event: &str) -> Result<(), EventError> {
    let no_stream = || EventError::NoStream(name.to_owned());
    let parsed = StreamName::parse(name).map_err(|_| no_stream())?;
    let locked = root.lock_stream(&parsed)?.ok_or_else(no_stream)?;
    let mut sidecar = sidecar::read(&locked.room).map_err(|error| unusable(name, error))?.map(|(sidecar, _)| sidecar);
    if let Some(sidecar) = sidecar.as_mut().filter(|sidecar| sidecar.intent.is_some()) {
        settle(&locked, sidecar)?;
    }
    takes(name, sidecar.as_ref())?;
    add(&locked.room, sidecar.as_ref(), format!("{event}\n").as_bytes())?;
    Ok(())
}

fn takes(name: &str, sidecar: Option<&Sidecar>) -> Result<(), EventError> {
    match sidecar {
        Some(sidecar) if !sidecar.is_json() => Err(EventError::OtherType(name.to_owned())),
        Some(sidecar) if sidecar.closed.is_some() => Err(EventError::Closed(name.to_owned())),
        Some(_) => Ok(()),
        None => Err(EventError::OtherType(name.to_owned())),
    }
}

fn unusable(name: &str, error: SidecarError) -> EventError {
    match error {
        SidecarError::File(error) => error.into(),
        SidecarError::Unreadable(_) => EventError::OtherType(name.to_owned()),
    }
}
