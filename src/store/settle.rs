//! Appends of producers, and those that close a stream, exact across a crash: what is about to be added is written
//! down first, and after a crash the log itself says whether it was. Who reads a stream that is about to be closed waits
//! until it is known where it ends.

use std::io;

use crate::limits::SETTLE_MAX_BYTES;
use crate::room::producer::Claim;
use crate::room::sidecar::{Intent, Sidecar};
use crate::store::log::Log;
use crate::store::root::Locked;
use crate::store::sidecar;

/// Writes down what is about to be added. With `synced`, it is on disk before this returns.
pub fn intend(
    stream: &Locked,
    sidecar: &mut Sidecar,
    claim: Option<&Claim>,
    seq: Option<&str>,
    closes: bool,
    bytes: &[u8],
    synced: bool,
) -> io::Result<()> {
    let at = Log::open(&stream.room)?.map_or(Ok(0), |log| log.size())?;
    sidecar.intent = Some(Intent::new(claim.cloned(), seq.map(str::to_owned), closes, at, bytes));
    sidecar::replace(stream, sidecar, synced)
}

/// Finds out whether an append that was cut short was made, and writes down that it was, or that it was not.
pub fn settle(stream: &Locked, sidecar: &mut Sidecar) -> io::Result<()> {
    let Some(intent) = sidecar.intent.take() else { return Ok(()) };
    let read = |log: Log, len: usize| log.read(intent.at, len);
    // Where it was to go, most often; behind it, where a shell wrote in between.
    let mut end = None;
    for len in [intent.len, SETTLE_MAX_BYTES] {
        let bytes = Log::open(&stream.room)?.map_or(Ok(Vec::new()), |log| read(log, len))?;
        end = intent.end_in(&bytes);
        if end.is_some() || bytes.len() < len {
            break;
        }
    }
    if let Some(end) = end {
        let end = intent.at + end as u64;
        sidecar.record(intent.claim, intent.seq, intent.closes, end);
    }
    sidecar::replace(stream, sidecar, true)
}
