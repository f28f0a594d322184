//! POST: something is added to a stream, or it is closed, or both.

use std::time::Instant;

use chrono::Local;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::headers::{CLOSED, SEQ, TRUE, bad, body, closes, text, with_next};
use super::{locked, producers, used};
use crate::api::exchange::{Request, Response};
use crate::api::identity;
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::config::Ack;
use crate::limits::MESSAGE_MAX_BYTES;
use crate::room::line::{self, Line, MessageText, Speaker};
use crate::room::producer::{Verdict, judge};
use crate::room::sidecar::{ROOM_TYPE, Sidecar, same_type};
use crate::room::stream_name::StreamName;
use crate::store::stream::{StreamLog, add};
use crate::store::{settle, sidecar};
use crate::wire::ndjson;

/// Adds the body to a stream.
pub(super) fn append(site: &Site<'_>, request: &Request, name: &StreamName) -> Result<Response, Problem> {
    let body = body(request)?;
    let closes = closes(request);
    let claim = producers::claim(request)?;
    let (stream, mut sidecar) = locked(&site.root, name)?;
    let verdict = claim.as_ref().map(|claim| {
        let known = sidecar.as_ref().and_then(|sidecar| sidecar.producers.get(&claim.id));
        (judge(known.copied(), claim), claim)
    });
    if sidecar.as_ref().is_some_and(|sidecar| sidecar.closed.is_some()) {
        let log = StreamLog::open(&stream.room, sidecar.as_ref())?;
        let closed = match verdict {
            Some((verdict @ (Verdict::Duplicate(_) | Verdict::Stale(_)), claim)) => producers::refusal(verdict, claim),
            None if closes && body.is_empty() => Some(Response::empty(StatusCode::NO_CONTENT)),
            _ => None,
        };
        let closed = closed.unwrap_or_else(|| {
            let detail = format_args!("the stream {name} is closed; nothing was written").to_string();
            Problem::new(StatusCode::CONFLICT, detail).into_response()
        });
        return with_next(closed.with(CLOSED, TRUE), log.cursor(log.end())?);
    }
    if sidecar.is_none() && (closes || claim.is_some()) {
        let what = if closes { "which can't be closed" } else { "which knows no producers" };
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format_args!("{name} is a chat room, {what}; nothing was written"),
        ));
    }
    if body.is_empty() && !closes {
        return Err(Problem::bad_request("the body is empty: expected something to add"));
    }
    let bytes = if body.is_empty() { Vec::new() } else { addition(request, sidecar.as_ref(), body)? };
    if let Some(refusal) = verdict.and_then(|(verdict, claim)| producers::refusal(verdict, claim)) {
        let log = StreamLog::open(&stream.room, sidecar.as_ref())?;
        return with_next(refusal, log.cursor(log.end())?);
    }
    let seq = text(request, &SEQ)?;
    if let (Some(seq), Some(Sidecar { seq: Some(last), .. })) = (seq, &sidecar)
        && seq.as_bytes() <= last.as_bytes()
    {
        let detail = format!("header `{SEQ}`: {seq:?} is not after {last:?}, the last one; nothing was written");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    if seq.is_some() && sidecar.is_none() {
        return Err(bad(&SEQ, format_args!("{name} is a chat room, whose lines have no sequence")));
    }
    if let Some(sidecar) = &mut sidecar {
        if let Some(claim) = &claim {
            producers::refuse_one_too_many(claim, sidecar)?;
        }
        if closes || claim.is_some() && !bytes.is_empty() {
            settle::intend(&stream, sidecar, claim.as_ref(), seq, closes, &bytes, site.ack == Ack::Synced)?;
        }
    }
    let begun = Instant::now();
    let added = if bytes.is_empty() { None } else { Some(add(&stream.room, sidecar.as_ref(), &bytes)?) };
    if let (Some(registry), Some(_)) = (site.registry, &added) {
        registry.metrics.appended(begun.elapsed());
    }
    let log = StreamLog::open(&stream.room, sidecar.as_ref())?;
    let end = added.as_ref().map_or(log.end(), |added| added.id.offset());
    let next = log.cursor(end)?;
    drop(log);
    if let Some(sidecar) = sidecar.as_mut().filter(|_| closes || seq.is_some() || claim.is_some()) {
        sidecar.record(claim.clone(), seq.map(str::to_owned), closes, end);
        if let (Some(added), true) = (&added, closes) {
            // What closes it must not be on disk before what was said last.
            added.sync()?;
        }
        sidecar::replace(&stream, sidecar, closes || site.ack == Ack::Synced)?;
    } else {
        used(&stream.room, sidecar.as_ref())?;
    }
    // Of a producer, 200 tells what was taken from what was there.
    let status = if claim.is_some() && added.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
    let mut response = with_next(Response::empty(status), next)?;
    if let Some(claim) = &claim {
        response = producers::with_progress(response, claim.epoch, claim.seq);
    }
    if closes {
        response = response.with(CLOSED, TRUE);
    }
    let on_disk = match (site.ack, site.registry, added) {
        (Ack::Synced, Some(registry), Some(added)) => registry.commit(added).map(Some),
        (Ack::Synced, None, Some(added)) => added.sync().map(|()| None),
        _ => Ok(None),
    };
    let on_disk = on_disk.map_err(|error| Problem::not_on_disk(&error))?;
    Ok(response.after(on_disk, |error| Problem::not_on_disk(&error).into_response()))
}

/// The bytes that a body adds.
fn addition(request: &Request, sidecar: Option<&Sidecar>, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let expected = sidecar.map_or(ROOM_TYPE, |sidecar| &sidecar.content_type);
    let given = text(request, &CONTENT_TYPE)?.filter(|given| !given.is_empty());
    let given = given.ok_or_else(|| bad(&CONTENT_TYPE, format_args!("it is missing: expected {expected:?}")))?;
    if !same_type(given, expected) {
        let detail = format!("header `{CONTENT_TYPE}`: {given:?} is not {expected:?}; nothing was written");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let Some(sidecar) = sidecar else { return said(request, body) };
    if !sidecar.is_json() {
        return Ok(body.to_vec());
    }
    let lines =
        ndjson::lines(body).map_err(|error| Problem::bad_request(format_args!("the body is not JSON: {error}")))?;
    if lines.is_empty() {
        return Err(Problem::bad_request("the array is empty: expected something to add"));
    }
    Ok(lines)
}

/// What a body says in a chat room: with `user`, one message of any text; without, whole lines, which stay as they are.
fn said(request: &Request, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let query = request.query();
    let bad = |why: &str| Problem::bad_request(format_args!("{why}; nothing was written"));
    let body = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8, and this is a chat room"))?;
    if let Some(user) = query.get("user") {
        let user = identity::speaker(request, Some(user))?;
        if body.len() > MESSAGE_MAX_BYTES {
            return Err(Problem::too_long());
        }
        let text = MessageText::clean(body).ok_or_else(|| bad("the message is empty"))?;
        return Ok(line::compose(Local::now().naive_local(), &user, &text));
    }
    let form = "this is a chat room: expected whole lines, `[YYYY-MM-DD HH:MM:SS] NAME: TEXT` and a newline each, or \
                `user=NAME` in the query, for a text that is to become one";
    let lines = body.strip_suffix('\n').ok_or_else(|| bad(form))?;
    for one in lines.split('\n') {
        let Line { time: Some(_), speaker: Speaker::User(name), text } = Line::parse(one.as_bytes()) else {
            return Err(bad(form));
        };
        if text.len() > MESSAGE_MAX_BYTES {
            return Err(Problem::too_long());
        }
        // Who was made sure of speaks as nobody else.
        if identity::authenticated(request)?.is_some_and(|known| known.as_str() != name) {
            let detail = format!("a line is of {name:?}, and the front end says who asks; nothing was written");
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        if one.chars().any(|c| c.is_control() && c != '\t') {
            return Err(bad("a line has control characters"));
        }
    }
    Ok(body.as_bytes().to_vec())
}
