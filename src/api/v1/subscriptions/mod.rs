//! `/v1/stream/__ds/…`: subscriptions, by which a webhook or a pool of workers is told that streams went on while it
//! holds no connection. What is told is told by a process that lives, [`crate::live::desk`]; requests change the same
//! files, under their lock.

mod asked;
mod wakes;

use std::collections::BTreeMap;
use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{CACHE_CONTROL, HOST, HeaderValue};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::headers::body;
use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::config::Ack;
use crate::limits::{SUBSCRIPTION_LINKS_MAX, SUBSCRIPTIONS_MAX};
use crate::live::signature::SigningKey;
use crate::live::webhook::Reach;
use crate::room::stream_name::StreamName;
use crate::room::subscription::{Link, Subscription, Way};
use crate::store::subscriptions::{SubscriptionError, Subscriptions, is_id};
use crate::store::tails::{tail, tails};

/// How long the public key may be kept.
const KEYS_LAST: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers a request for what is at `path` beneath `__ds/`, percent-decoded.
pub(super) fn answer(site: &Site<'_>, request: &Request, path: &str) -> Response {
    let answer = match path.split_once('/') {
        None if path == "jwks.json" => keys(site, request),
        Some(("subscriptions", rest)) => {
            let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
            subscription(site, request, id, action)
        }
        _ => Err(Problem::no_resource()),
    };
    answer.unwrap_or_else(Problem::into_response)
}

fn subscription(site: &Site<'_>, request: &Request, id: &str, action: &str) -> Result<Response, Problem> {
    if !is_id(id) {
        return Err(invalid("the subscription's name is empty or too long"));
    }
    let post = || if request.method == Method::POST { Ok(()) } else { Err(Problem::method("POST")) };
    match (action, action.strip_prefix("streams/")) {
        ("", _) => match request.method {
            Method::PUT => create(site, request, id),
            Method::GET | Method::HEAD => show(site, request, id),
            Method::DELETE => delete(site, id),
            _ => Err(Problem::method("GET, HEAD, PUT, DELETE")),
        },
        ("streams", _) => post().and_then(|()| add(site, request, id)),
        (_, Some(stream)) if request.method == Method::DELETE => remove(site, id, stream),
        (_, Some(_)) => Err(Problem::method("DELETE")),
        ("callback", _) => post().and_then(|()| wakes::callback(site, request, id)),
        ("claim", _) => post().and_then(|()| wakes::claim(site, request, id)),
        ("ack", _) => post().and_then(|()| wakes::ack(site, request, id)),
        ("release", _) => post().and_then(|()| wakes::release(site, request, id)),
        _ => Err(Problem::no_resource()),
    }
}

/// The keys that sign what webhooks are told.
fn keys(site: &Site<'_>, request: &Request) -> Result<Response, Problem> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(Problem::method("GET, HEAD"));
    }
    let keys = match Subscriptions::open(&site.root)? {
        Some(subscriptions) => SigningKey::of(&subscriptions)?.public(),
        None => json!({"keys": []}),
    };
    let body = serde_json::to_vec(&keys).map_err(io::Error::from)?;
    Ok(Response::new(StatusCode::OK, "application/jwk-set+json", body).with(CACHE_CONTROL, KEYS_LAST))
}

fn create(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    let asked = asked::of(&read::<Value>(request)?)?;
    let reach = site.registry.map_or(Reach::Public, |registry| registry.reach);
    asked::check(site, &asked, reach)?;
    let base = base(request).ok_or_else(|| invalid("the request does not say which host it is for"))?;
    let subscriptions = delivered(site)?;
    let locked = subscriptions.lock()?;
    if let Some(is) = locked.read(id)? {
        if is.asked != asked {
            let why = format_args!("the subscription {id:?} is there, and configured otherwise; nothing was changed");
            let problem = Problem::new(StatusCode::CONFLICT, why);
            return Err(problem.coded("SUBSCRIPTION_ALREADY_EXISTS", Value::Null));
        }
        drop(locked);
        return shown(site, request, &subscriptions, &is, StatusCode::OK);
    }
    if locked.count()? >= SUBSCRIPTIONS_MAX {
        let why = format_args!("there are {SUBSCRIPTIONS_MAX} subscriptions, and no more may be");
        return Err(Problem::new(StatusCode::CONFLICT, why).coded("TOO_MANY_SUBSCRIPTIONS", Value::Null));
    }
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    for name in &asked.streams {
        links.insert(name.clone(), Link { explicit: true, ..Link::from(&tail(&site.root, name)?) });
    }
    let streams = if asked.pattern.is_some() { site.root.streams()? } else { Vec::new() };
    for name in streams.iter().map(StreamName::text).filter(|name| asked.means(name)) {
        // What is there already is not news.
        let tail = tail(&site.root, &name)?;
        links.entry(name).or_insert_with(|| Link::from(&tail)).matched = true;
    }
    few_enough(&links)?;
    let created = u64::try_from(Utc::now().timestamp_micros()).unwrap_or_default();
    let subscription = Subscription { id: id.to_owned(), created, asked, base, links, generation: 0, wake: None };
    locked.write(&subscription, site.ack == Ack::Synced)?;
    drop(locked);
    shown(site, request, &subscriptions, &subscription, StatusCode::CREATED)
}

fn show(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    let subscriptions = Subscriptions::open(&site.root)?.ok_or_else(|| no_subscription(id))?;
    let subscription = subscriptions.read(id)?.ok_or_else(|| no_subscription(id))?;
    shown(site, request, &subscriptions, &subscription, StatusCode::OK)
}

fn delete(site: &Site<'_>, id: &str) -> Result<Response, Problem> {
    if let Some(subscriptions) = Subscriptions::open(&site.root)? {
        subscriptions.lock()?.remove(id)?;
    }
    Ok(Response::empty(StatusCode::NO_CONTENT))
}

/// Streams that it is about, too, from where they are now.
fn add(site: &Site<'_>, request: &Request, id: &str) -> Result<Response, Problem> {
    let streams = asked::streams(&read::<Value>(request)?)?;
    if streams.is_empty() {
        return Err(invalid("`streams`: expected one name or more"));
    }
    change(site, id, |subscription| {
        asked::check_streams(&streams, &subscription.asked.way)?;
        for name in streams {
            let tail = tail(&site.root, &name)?;
            subscription.links.entry(name).or_insert_with(|| Link::from(&tail)).explicit = true;
        }
        few_enough(&subscription.links)
    })?;
    Ok(Response::empty(StatusCode::NO_CONTENT))
}

fn remove(site: &Site<'_>, id: &str, stream: &str) -> Result<Response, Problem> {
    let stream = stream.trim_matches('/');
    change(site, id, |subscription| {
        if let Some(link) = subscription.links.get_mut(stream) {
            link.explicit = false;
            if !link.matched {
                subscription.links.remove(stream);
            }
        }
        Ok(())
    })?;
    Ok(Response::empty(StatusCode::NO_CONTENT))
}

/// Changes a subscription, unless `change` fails.
fn change<T>(
    site: &Site<'_>,
    id: &str,
    change: impl FnOnce(&mut Subscription) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let subscriptions = Subscriptions::open(&site.root)?.ok_or_else(|| no_subscription(id))?;
    let locked = subscriptions.lock()?;
    let mut subscription = locked.read(id)?.ok_or_else(|| no_subscription(id))?;
    let before = subscription.clone();
    let done = change(&mut subscription)?;
    if subscription != before {
        locked.write(&subscription, site.ack == Ack::Synced)?;
    }
    Ok(done)
}

/// The subscriptions of the site, where a process that lives tells of them.
fn delivered(site: &Site<'_>) -> Result<Subscriptions, Problem> {
    if let Some(registry) = site.registry {
        registry.deliver(&site.root)?;
        return Ok(Subscriptions::open_or_create(&site.root)?);
    }
    let elsewhere = Subscriptions::open(&site.root)?;
    match elsewhere {
        Some(subscriptions) if subscriptions.deliver()?.is_none() => Ok(subscriptions),
        _ => Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "a CGI process ends with its answer and tells nobody of anything: run `chatroom serve` or `chatroom fastcgi` \
             over the same folder of rooms; nothing was written",
        )),
    }
}

fn few_enough(links: &BTreeMap<String, Link>) -> Result<(), Problem> {
    if links.len() <= SUBSCRIPTION_LINKS_MAX {
        return Ok(());
    }
    Err(invalid(format_args!(
        "it would be about {} streams: expected at most {SUBSCRIPTION_LINKS_MAX}; nothing was written",
        links.len()
    )))
}

/// A subscription as clients are shown it.
fn shown(
    site: &Site<'_>,
    request: &Request,
    subscriptions: &Subscriptions,
    subscription: &Subscription,
    status: StatusCode,
) -> Result<Response, Problem> {
    let tails = tails(&site.root, subscription.links.keys())?;
    let asked = &subscription.asked;
    let created = DateTime::from_timestamp_micros(i64::try_from(subscription.created).unwrap_or_default());
    let mut shown = json!({
        "id": subscription.id,
        "subscription_id": subscription.id,
        "type": match asked.way { Way::Webhook(_) => "webhook", Way::PullWake(_) => "pull-wake" },
        "streams": subscription.shown(&tails),
        "lease_ttl_ms": asked.lease_ttl_ms,
        "created_at": created.map(|created| created.to_rfc3339_opts(SecondsFormat::Millis, true)),
        "status": if subscription.is_failing() { "failed" } else { "active" },
    });
    match &asked.way {
        Way::Webhook(url) => {
            let key = SigningKey::of(subscriptions)?;
            let base = base(request).unwrap_or_else(|| subscription.base.clone());
            let jwks_url = format!("{base}/v1/stream/__ds/jwks.json");
            shown["webhook"] =
                json!({"url": url, "signing": {"alg": "ed25519", "kid": key.id(), "jwks_url": jwks_url}});
        }
        Way::PullWake(stream) => shown["wake_stream"] = json!(stream),
    }
    if let Some(pattern) = &asked.pattern {
        shown["pattern"] = json!(pattern);
    }
    if let Some(description) = &asked.description {
        shown["description"] = json!(description);
    }
    Ok(Response::json(status, &shown))
}

/// The mount's address, as the request has it.
fn base(request: &Request) -> Option<String> {
    let scheme = if request.header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    Some(format!("{scheme}://{}{}", request.header(HOST)?, request.mount))
}

/// The body, read as JSON.
fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    serde_json::from_slice(body(request)?).map_err(|error| invalid(format_args!("the body: {error}")))
}

fn invalid(why: impl std::fmt::Display) -> Problem {
    Problem::bad_request(why).coded("INVALID_REQUEST", Value::Null)
}

fn no_subscription(id: &str) -> Problem {
    let why = format_args!("there is no subscription {id:?}").to_string();
    Problem::new(StatusCode::NOT_FOUND, why).coded("SUBSCRIPTION_NOT_FOUND", Value::Null)
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Problem {
        match error {
            SubscriptionError::File(error) => error.into(),
            SubscriptionError::Unreadable { .. } => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format_args!(
                    "{error}: it is not a subscription of this version, and is left as it is until that file is \
                     repaired or removed"
                ),
            ),
        }
    }
}
