//! What a subscription's creator asks for, read and checked.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::Value;

use super::invalid;
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::limits::{LEASE_DEFAULT, LEASE_MAX, LEASE_MIN, SUBSCRIPTION_TEXT_MAX_BYTES};
use crate::live::webhook::Reach;
use crate::room::stream_name::StreamName;
use crate::room::subscription::{Asked, Way};
use crate::store::events::{self, EventError};

/// What `body` asks for. Fields that are not known are somebody else's.
pub(super) fn of(body: &Value) -> Result<Asked, Problem> {
    if !body.is_object() {
        return Err(invalid("the body: expected an object of JSON"));
    }
    let way = match text(body, "type")? {
        Some("webhook") => {
            let url = text(&body["webhook"], "url")?.ok_or_else(|| wrong("webhook.url", "expected an address"))?;
            Way::Webhook(url.to_owned())
        }
        Some("pull-wake") => {
            let stream = text(body, "wake_stream")?.ok_or_else(|| wrong("wake_stream", "expected a stream's name"))?;
            Way::PullWake(stream.trim_matches('/').to_owned())
        }
        _ => return Err(wrong("type", "expected `webhook` or `pull-wake`")),
    };
    let pattern = text(body, "pattern")?.map(|pattern| pattern.trim_matches('/').to_owned());
    let streams = streams(body)?;
    if pattern.is_none() && streams.is_empty() {
        return Err(wrong("pattern", "it is missing, and so is `streams`: expected one of them"));
    }
    check_streams(&streams, &way)?;
    let (shortest, longest) = (LEASE_MIN.as_millis() as u64, LEASE_MAX.as_millis() as u64);
    let lease_ttl_ms = match &body["lease_ttl_ms"] {
        Value::Null => LEASE_DEFAULT.as_millis() as u64,
        given => given.as_u64().filter(|given| (shortest..=longest).contains(given)).ok_or_else(|| {
            wrong("lease_ttl_ms", format_args!("expected a whole number from {shortest} to {longest}"))
        })?,
    };
    let description = text(body, "description")?.map(str::to_owned);
    Ok(Asked { way, pattern, streams, lease_ttl_ms, description })
}

/// Fails where it can't be told so.
pub(super) fn check(site: &Site<'_>, asked: &Asked, reach: Reach) -> Result<(), Problem> {
    match &asked.way {
        Way::Webhook(url) => reach.check(url).map_err(|rejected| {
            let why = format_args!("`webhook.url`: {rejected}; nothing was written").to_string();
            Problem::bad_request(why).coded("WEBHOOK_URL_REJECTED", Value::Null)
        }),
        Way::PullWake(stream) => events::check(&site.root, stream).map_err(|error| match error {
            EventError::File(error) => error.into(),
            other => wrong("wake_stream", other),
        }),
    }
}

/// The names in `streams`.
pub(super) fn streams(body: &Value) -> Result<BTreeSet<String>, Problem> {
    let expected = || wrong("streams", "expected an array of streams' names");
    let names = match &body["streams"] {
        Value::Null => return Ok(BTreeSet::new()),
        names => names.as_array().ok_or_else(expected)?,
    };
    let name = |name: &Value| Ok(name.as_str().ok_or_else(expected)?.trim_matches('/').to_owned());
    names.iter().map(name).collect()
}

/// Fails where one of these names is no stream's, or would wake itself.
pub(super) fn check_streams(streams: &BTreeSet<String>, way: &Way) -> Result<(), Problem> {
    for name in streams {
        StreamName::parse(name).map_err(|error| wrong("streams", error))?;
        if matches!(way, Way::PullWake(wakes) if wakes == name) {
            return Err(wrong("streams", format_args!("{name:?} is the wake stream, which would wake itself")));
        }
    }
    if let Way::PullWake(stream) = way {
        StreamName::parse(stream).map_err(|error| wrong("wake_stream", error))?;
    }
    Ok(())
}

/// A text that is not empty; `None` where there is none.
fn text<'a>(body: &'a Value, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let text = match &body[name] {
        Value::Null => return Ok(None),
        given => given.as_str().ok_or_else(|| wrong(name, "expected a text"))?,
    };
    if text.len() > SUBSCRIPTION_TEXT_MAX_BYTES {
        return Err(wrong(name, format_args!("expected at most {SUBSCRIPTION_TEXT_MAX_BYTES} bytes")));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn wrong(name: &str, why: impl Display) -> Problem {
    invalid(format_args!("`{name}`: {why}; nothing was written"))
}
