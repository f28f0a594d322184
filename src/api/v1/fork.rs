//! Forks: streams that begin as a copy of another, up to one of its positions.

use http::StatusCode;
use http::header::HeaderName;
use percent_encoding::percent_decode_str;

use super::headers::{bad, text};
use super::{locked, no_stream, now_ms};
use crate::api::exchange::Request;
use crate::api::problem::Problem;
use crate::limits::FORK_GENERATIONS_MAX;
use crate::room::cursor::{Cursor, Lineage};
use crate::room::fork::{Asked, Fork};
use crate::room::sidecar::Sidecar;
use crate::room::stream_name::StreamName;
use crate::store::forks;
use crate::store::log::Log;
use crate::store::root::{DataRoot, Locked, RoomDir};
use crate::store::stream::StreamLog;

const FROM: HeaderName = HeaderName::from_static("stream-forked-from");
const OFFSET: HeaderName = HeaderName::from_static("stream-fork-offset");
const SUB_OFFSET: HeaderName = HeaderName::from_static("stream-fork-sub-offset");

/// What streams' paths begin with, below the mount point.
const STREAMS: &str = "/v1/stream/";

/// The fork that a request asks for, if any.
pub(super) fn asked(request: &Request) -> Result<Option<Asked>, Problem> {
    let (from, at, sub_offset) = (text(request, &FROM)?, text(request, &OFFSET)?, text(request, &SUB_OFFSET)?);
    let Some(from) = from else {
        return match [(OFFSET, at), (SUB_OFFSET, sub_offset)].into_iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(bad(&name, format_args!("expected `{FROM}` beside it"))),
            None => Ok(None),
        };
    };
    let path = from.strip_prefix(&request.mount).unwrap_or(from).strip_prefix(STREAMS).ok_or_else(|| {
        bad(&FROM, format_args!("{from:?}: expected the path of a stream, {}{STREAMS}NAME", request.mount))
    })?;
    let source =
        percent_decode_str(path).decode_utf8().map_err(|_| bad(&FROM, format_args!("{from:?} is not UTF-8")))?;
    let at = at.map(|at| Cursor::parse(at).map_err(|error| bad(&OFFSET, error))).transpose()?;
    let sub_offset = sub_offset.map_or(Ok(0), |value| {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = (digits && (value == "0" || !value.starts_with('0'))).then(|| value.parse().ok()).flatten();
        number.ok_or_else(|| bad(&SUB_OFFSET, format_args!("{value:?}: expected a whole number")))
    })?;
    Ok(Some(Asked { source: StreamName::parse(&source)?, at, sub_offset }))
}

/// What is to be copied: a source and how far. No lock is held on it, for copying may take a while.
#[derive(Debug)]
pub(super) struct Source {
    name: StreamName,
    /// Its directory, not locked.
    room: RoomDir,
    /// What its sidecar says, where it is no chat room.
    pub(super) sidecar: Option<Sidecar>,
    log: Option<Log>,
    /// Where the copy ends.
    end: Cursor,
    /// What the fork's sidecar is to say of it.
    pub(super) fork: Fork,
}

impl Source {
    /// The source of the fork that was asked for.
    pub(super) fn find(root: &DataRoot, asked: &Asked) -> Result<Source, Problem> {
        let name = asked.source.clone();
        let (locked, sidecar) = locked_source(root, &name)?;
        let room = root.stream(&name)?.ok_or_else(|| no_stream(&name))?;
        let log = StreamLog::open(&locked.room, sidecar.as_ref())?;
        let offset = match &asked.at {
            None => log.end(),
            Some(at) => log
                .resolve(at)?
                .ok()
                .filter(|offset| *offset <= log.end())
                .ok_or_else(|| bad(&OFFSET, format_args!("{at} is no position in {name}")))?,
        };
        let end = log.beyond(offset, asked.sub_offset)?.ok_or_else(|| {
            let sub_offset = asked.sub_offset;
            bad(&SUB_OFFSET, format_args!("{sub_offset}: there are not so many bytes, or values, in {name} after that"))
        })?;
        let inherited = log.lineage().before(end);
        if inherited.len() > FORK_GENERATIONS_MAX {
            let detail = format!("{name} is a fork of forks, {FORK_GENERATIONS_MAX} deep already; nothing was written");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let end = log.cursor(end)?;
        let fork = Fork {
            source: name.directory().to_owned(),
            offset,
            sub_offset: asked.sub_offset,
            own_lifetime: false,
            inherited,
        };
        let log = log.into_log();
        Ok(Source { name, room, sidecar, log, end, fork })
    }

    /// Copies its bytes into `room`, which has none yet.
    pub(super) fn copy(&self, room: &RoomDir, synced: bool) -> Result<(), Problem> {
        let file = room.create_log()?;
        if let Some(log) = &self.log {
            log.copy(self.end.offset(), &file)?;
        }
        if synced {
            file.sync_all()?;
        }
        // Shells may change it at any time.
        let copied =
            Log::open(room)?.ok_or_else(|| self.changed())?.of_lineage(Lineage::of_fork(0, &self.fork.inherited));
        if copied.cursor(self.end.offset())? == self.end { Ok(()) } else { Err(self.changed()) }
    }

    /// Notes that `name` becomes a fork of it. What is answered holds it until that is so.
    pub(super) fn note(&self, root: &DataRoot, name: &StreamName, synced: bool) -> Result<Locked, Problem> {
        let (locked, _) = locked_source(root, &self.name)?;
        if !locked.room.is_same(&self.room)? {
            return Err(self.changed());
        }
        forks::note(&locked, name, synced)?;
        Ok(locked)
    }

    /// Takes that back, unless `name` is a fork of it.
    pub(super) fn release(&self, root: &DataRoot, name: &StreamName) -> Result<(), Problem> {
        Ok(forks::release(root, self.name.clone(), name.clone(), now_ms())?)
    }

    /// The generation of a fork that is made at `now`, in microseconds since 1970: higher than the source's, so that
    /// the fork's own positions come after those that it inherits.
    pub(super) fn next_generation(&self, now: u64) -> u64 {
        self.sidecar.as_ref().map_or(now, |sidecar| now.max(sidecar.generation + 1))
    }

    fn changed(&self) -> Problem {
        let detail = format!("the stream {} became another while it was copied; nothing was written", self.name);
        Problem::new(StatusCode::CONFLICT, detail)
    }
}

/// A source, locked.
fn locked_source(root: &DataRoot, name: &StreamName) -> Result<(Locked, Option<Sidecar>), Problem> {
    locked(root, name).map_err(|problem| match problem.status() {
        StatusCode::GONE => {
            let detail = format!("header `{FROM}`: the stream {name} was deleted; nothing was written");
            Problem::new(StatusCode::CONFLICT, detail)
        }
        _ => problem,
    })
}
