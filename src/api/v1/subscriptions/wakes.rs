//! What is said of a wake by who was woken: that it is claimed, how far the streams are done, that it is over.

use chrono::Utc;
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{change, invalid, no_subscription, read};
use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::limits::SUBSCRIPTION_TEXT_MAX_BYTES;
use crate::live::desk::wake_id;
use crate::live::signature::SigningKey;
use crate::room::cursor::Cursor;
use crate::room::subscription::{BEFORE_FIRST, Refusal, Subscription, Way};
use crate::store::subscriptions::Subscriptions;
use crate::store::tails::{position, tails};

/// Who claims.
#[derive(Deserialize)]
struct Claim {
    #[serde(default)]
    worker: String,
}

/// What is said of a wake.
#[derive(Deserialize)]
struct Said {
    wake_id: Option<String>,
    generation: Option<u64>,
    #[serde(default)]
    acks: Vec<Ack>,
    #[serde(default)]
    done: bool,
}

/// How far one stream is done.
#[derive(Deserialize)]
struct Ack {
    #[serde(alias = "path")]
    stream: String,
    offset: String,
}

/// By a webhook.
pub(super) fn callback(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    said(site, request, id)
}

/// By a worker.
pub(super) fn ack(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    is_pulled(site, id)?;
    said(site, request, id)
}

/// A worker takes the wake.
pub(super) fn claim(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    is_pulled(site, id)?;
    let Claim { worker } = read(request)?;
    if !(1..=SUBSCRIPTION_TEXT_MAX_BYTES).contains(&worker.len()) {
        return Err(invalid(format_args!("`worker`: expected 1 to {SUBSCRIPTION_TEXT_MAX_BYTES} bytes")));
    }
    let key = key(site, id)?;
    change(site, id, |subscription| {
        let tails = tails(&site.root, subscription.links.keys())?;
        let claimed = subscription.claim(&worker, wake_id, now_ms(), &tails);
        let wake_id = claimed.map(|wake| wake.id.clone()).map_err(|refusal| problem(&refusal, subscription))?;
        let answer = json!({
            "wake_id": wake_id,
            "generation": subscription.generation,
            "token": key.token(subscription),
            "streams": subscription.shown(&tails),
            "lease_ttl_ms": subscription.asked.lease_ttl_ms,
        });
        Ok(Response::json(StatusCode::OK, &answer))
    })
}

/// A worker gives the wake back.
pub(super) fn release(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    is_pulled(site, id)?;
    let said: Said = read(request)?;
    with_wake(site, request, id, &said, |subscription| {
        subscription.finish();
        let tails = tails(&site.root, subscription.links.keys())?;
        subscription.wake(wake_id, now_ms(), &tails);
        Ok(Response::empty(StatusCode::NO_CONTENT))
    })
}

fn said(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    let said: Said = read(request)?;
    with_wake(site, request, id, &said, |subscription| {
        // All or nothing.
        let acks: Result<Vec<_>, _> = said.acks.iter().map(|ack| acknowledged(site, subscription, ack)).collect();
        for (name, position) in acks? {
            if let Some(link) = subscription.links.get_mut(&name) {
                link.acked = Some(position);
            }
        }
        let mut next_wake = false;
        if said.done {
            subscription.finish();
            let tails = tails(&site.root, subscription.links.keys())?;
            next_wake = subscription.wake(wake_id, now_ms(), &tails);
        } else {
            subscription.extend(now_ms());
        }
        Ok(Response::json(StatusCode::OK, &json!({"ok": true, "next_wake": next_wake})))
    })
}

/// Does something with the wake under way, where it is the one that is spoken of by who was given its token.
fn with_wake<T>(
    site: &Site<'_>,
    request: &Request,
    id: &str,
    said: &Said,
    act: impl FnOnce(&mut Subscription) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let bearer = request.header(AUTHORIZATION).and_then(|given| given.strip_prefix("Bearer "));
    let unknown = |why: &str| Problem::new(StatusCode::UNAUTHORIZED, why).coded("TOKEN_INVALID", Value::Null);
    let bearer = bearer.ok_or_else(|| unknown("header `authorization`: expected `Bearer` and the wake's token"))?;
    let key = key(site, id)?;
    change(site, id, |subscription| {
        let token = key.generation_of(bearer, subscription);
        let token = token.ok_or_else(|| unknown("the token is not one of this subscription's"))?;
        subscription.expire(now_ms());
        let checked = subscription.check(token, said.generation, said.wake_id.as_deref());
        checked.map_err(|refusal| problem(&refusal, subscription))?;
        act(subscription)
    })
}

/// The stream and the position in it that an acknowledgement means.
fn acknowledged(site: &Site<'_>, subscription: &Subscription, ack: &Ack) -> Result<(String, String), Problem> {
    let name = ack.stream.trim_matches('/');
    let wrong = |why: &str| {
        let why = format_args!("the acknowledgement of {name:?}: {why}; nothing was acknowledged").to_string();
        Problem::new(StatusCode::CONFLICT, why).coded("INVALID_OFFSET", Value::Null)
    };
    let link = subscription.links.get(name).ok_or_else(|| wrong("the subscription is not about this stream"))?;
    if ack.offset == BEFORE_FIRST {
        return Err(wrong("expected a position, not what is before the first"));
    }
    let cursor = Cursor::parse(&ack.offset).map_err(|_| wrong("expected a position of the stream"))?;
    let acked = link.acked.as_deref().and_then(|acked| Cursor::parse(acked).ok());
    match position(&site.root, name, &cursor, acked.as_ref())? {
        None => Err(wrong("the stream does not have this position")),
        Some((_, true)) => Err(wrong("it is before what was acknowledged")),
        Some((cursor, false)) => Ok((name.to_owned(), cursor.to_string())),
    }
}

fn is_pulled(site: &Site<'_>, id: &str) -> Result<(), Problem> {
    let found = Subscriptions::open(&site.root)?.map(|subscriptions| subscriptions.read(id)).transpose()?.flatten();
    match found.ok_or_else(|| no_subscription(id))?.asked.way {
        Way::PullWake(_) => Ok(()),
        Way::Webhook(_) => Err(invalid("the subscription has a webhook: no worker claims its wakes")),
    }
}

fn key(site: &Site<'_>, id: &str) -> Result<SigningKey, Problem> {
    let subscriptions = Subscriptions::open(&site.root)?.ok_or_else(|| no_subscription(id))?;
    Ok(SigningKey::of(&subscriptions)?)
}

fn problem(refusal: &Refusal, subscription: &Subscription) -> Problem {
    let generation = subscription.generation;
    let conflict = |why: String| Problem::new(StatusCode::CONFLICT, why);
    match refusal {
        Refusal::Fenced => conflict(format!("the wake is over; the last one is of generation {generation}"))
            .coded("FENCED", json!({"generation": generation})),
        Refusal::Claimed(holder) => conflict(format!("{holder:?} works on it"))
            .coded("ALREADY_CLAIMED", json!({"current_holder": holder, "generation": generation})),
        Refusal::Nothing => {
            conflict("there is nothing that was not acknowledged".into()).coded("NO_PENDING_WORK", Value::Null)
        }
    }
}

fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}
