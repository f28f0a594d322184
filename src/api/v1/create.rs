//! PUT: a stream comes into being, or is there already as it should be.

use bytes::Bytes;
use chrono::Utc;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::fork::{self, Source};
use super::headers::{CLOSED, EXPIRES_AT, TRUE, bad, body, closes, expires_at, text, ttl, type_of, with_next};
use super::{locked, of, used};
use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::config::Ack;
use crate::room::fork::{Asked, Fork};
use crate::room::sidecar::{DEFAULT_TYPE, Expiry, ROOM_TYPE, Sidecar, same_type};
use crate::room::stream_name::StreamName;
use crate::store::log::Log;
use crate::store::root::{DataRoot, RoomDir};
use crate::store::sidecar;
use crate::store::stream::{StreamLog, add};
use crate::wire::ndjson;

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A stream that is to be: all that a request says of it.
struct Creation {
    name: StreamName,
    /// Its media type, where one is named.
    content_type: Option<String>,
    ttl: Option<u64>,
    expires: Option<Expiry>,
    closes: bool,
    body: Bytes,
    fork: Option<Asked>,
    location: HeaderValue,
    synced: bool,
}

/// A directory, and what its sidecar says, where it has one.
type Stream = (RoomDir, Option<Sidecar>);

/// Creates a stream, with a first body where there is one.
pub(super) fn create(site: &Site<'_>, request: &Request, name: &StreamName) -> Result<Response, Problem> {
    let (ttl, expires) = (ttl(request)?, expires_at(request)?);
    if ttl.is_some() && expires.is_some() {
        return Err(bad(&EXPIRES_AT, "`stream-ttl` is there, too: expected one of them"));
    }
    let content_type = text(request, &CONTENT_TYPE)?.map(str::trim).filter(|given| !given.is_empty());
    let creation = Creation {
        name: name.clone(),
        content_type: content_type.map(str::to_owned),
        ttl,
        expires,
        closes: closes(request),
        body: Bytes::copy_from_slice(body(request)?),
        fork: fork::asked(request)?,
        location: location(request)?,
        synced: site.ack == Ack::Synced,
    };
    // Copying may take a while; a CGI process has nothing else to do.
    if creation.fork.is_none() || site.registry.is_none() {
        return creation.answer(&site.root);
    }
    let root = site.root.clone();
    Ok(Response::of_work(move || of(creation.answer(&root))))
}

impl Creation {
    fn answer(&self, root: &DataRoot) -> Result<Response, Problem> {
        loop {
            match locked(root, &self.name) {
                Ok((there, is)) => {
                    if !self.is(is.as_ref()) {
                        return Err(self.conflict("is there, and configured otherwise"));
                    }
                    used(&there.room, is.as_ref())?;
                    return answer(&there.room, is.as_ref());
                }
                Err(problem) if problem.status() == StatusCode::NOT_FOUND => {}
                Err(problem) if problem.status() == StatusCode::GONE => {
                    return Err(self.conflict("was deleted, and the name is taken as long as it has forks"));
                }
                Err(problem) => return Err(problem),
            }
            let created = match &self.fork {
                Some(asked) => self.fork(root, asked)?,
                None => self.create(root)?,
            };
            // `None`: somebody else was quicker, and theirs is looked at.
            if let Some((room, is)) = created {
                let mut response = answer(&room, is.as_ref())?.with(LOCATION, self.location.clone());
                response.status = StatusCode::CREATED;
                return Ok(response);
            }
        }
    }

    fn create(&self, root: &DataRoot) -> Result<Option<Stream>, Problem> {
        let sidecar = Sidecar { generation: now(), ..self.wanted(&Sidecar::new(DEFAULT_TYPE), false) };
        let bytes = self.bytes(&sidecar)?;
        let created = root.create_stream(&self.name, |room| {
            room.open_log_for_append()?;
            self.fill(room, sidecar, &bytes)
        })?;
        Ok(created.map(|(room, sidecar)| (room, Some(sidecar))))
    }

    fn fork(&self, root: &DataRoot, asked: &Asked) -> Result<Option<Stream>, Problem> {
        let source = Source::find(root, asked)?;
        let is = source.sidecar.clone().unwrap_or_else(|| Sidecar::new(ROOM_TYPE));
        let inherits = self.ttl.is_none() && self.expires.is_none();
        let sidecar = Sidecar {
            generation: source.next_generation(now()),
            fork: Some(Fork { own_lifetime: !inherits, ..source.fork.clone() }),
            ..self.wanted(&is, inherits)
        };
        if !same_type(&sidecar.content_type, &is.content_type) {
            let (given, expected) = (&sidecar.content_type, &is.content_type);
            let detail = format!("header `{CONTENT_TYPE}`: {given:?} is not {expected:?}, as the source has it");
            return Err(Problem::new(StatusCode::CONFLICT, detail + "; nothing was written"));
        }
        let bytes = self.bytes(&sidecar)?;
        let created = root.create_stream(&self.name, |room| {
            source.copy(room, self.synced)?;
            let sidecar = self.fill(room, sidecar, &bytes)?;
            // From here on, until the fork can be seen, the source can't be deleted.
            Ok((sidecar, source.note(root, &self.name, self.synced)?))
        });
        match created {
            Ok(Some((room, (sidecar, _)))) => Ok(Some((room, Some(sidecar)))),
            Ok(None) => source.release(root, &self.name).map(|()| None),
            Err(problem) => {
                let _ = source.release(root, &self.name);
                Err(problem)
            }
        }
    }

    /// Adds the first body to a stream that nobody can see yet, and writes its sidecar.
    fn fill(&self, room: &RoomDir, mut sidecar: Sidecar, bytes: &[u8]) -> Result<Sidecar, Problem> {
        if !bytes.is_empty() {
            let added = add(room, Some(&sidecar), bytes)?;
            if self.synced {
                added.sync()?;
            }
        }
        if self.closes {
            sidecar.closed = Some(Log::open(room)?.map_or(Ok(0), |log| log.size())?);
        }
        sidecar::create(room, &sidecar, self.synced)?;
        Ok(sidecar)
    }

    /// The bytes of its first body.
    fn bytes(&self, sidecar: &Sidecar) -> Result<Vec<u8>, Problem> {
        if !sidecar.is_json() || self.body.is_empty() {
            return Ok(self.body.to_vec());
        }
        ndjson::lines(&self.body).map_err(|error| Problem::bad_request(format_args!("the body is not JSON: {error}")))
    }

    /// The configuration that is asked for, where what is not named is as `like` has it: the type, and with `inherits`
    /// also when it is gone.
    fn wanted(&self, like: &Sidecar, inherits: bool) -> Sidecar {
        let content_type = self.content_type.as_ref().unwrap_or(&like.content_type);
        let lifetime = if inherits { (like.ttl, like.expires.clone()) } else { (self.ttl, self.expires.clone()) };
        let closed = self.closes.then_some(0);
        Sidecar { ttl: lifetime.0, expires: lifetime.1, closed, ..Sidecar::new(content_type) }
    }

    /// Whether a stream is what is asked for.
    fn is(&self, is: Option<&Sidecar>) -> bool {
        match (is.and_then(|is| is.fork.as_ref().map(|fork| (is, fork))), &self.fork) {
            (Some((is, fork)), Some(asked)) => {
                let inherits = self.ttl.is_none() && self.expires.is_none() && !fork.own_lifetime;
                fork.is(asked) && is.is_like(&self.wanted(is, inherits))
            }
            (None, None) => {
                let wanted = self.wanted(&Sidecar::new(DEFAULT_TYPE), false);
                is.map_or_else(|| wanted.is_like(&Sidecar::new(ROOM_TYPE)), |is| is.is_like(&wanted))
            }
            _ => false,
        }
    }

    fn conflict(&self, what: &str) -> Problem {
        Problem::new(StatusCode::CONFLICT, format_args!("the stream {} {what}; nothing was written", self.name))
    }
}

/// A generation: the time in microseconds since 1970.
fn now() -> u64 {
    u64::try_from(Utc::now().timestamp_micros()).unwrap_or_default()
}

fn answer(room: &RoomDir, sidecar: Option<&Sidecar>) -> Result<Response, Problem> {
    let log = StreamLog::open(room, sidecar)?;
    let mut response = Response::empty(StatusCode::OK).with(CONTENT_TYPE, type_of(sidecar)?);
    if sidecar.is_some_and(|sidecar| sidecar.closed.is_some()) {
        response = response.with(CLOSED, TRUE);
    }
    with_next(response, log.cursor(log.end())?)
}

/// The stream's address; without an origin where the request does not say which one it used.
fn location(request: &Request) -> Result<HeaderValue, Problem> {
    let path = utf8_percent_encode(&request.path, IN_PATH);
    let mount = &request.mount;
    let scheme = if request.header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let location = match request.header(HOST) {
        Some(host) => format!("{scheme}://{host}{mount}{path}"),
        None => format!("{mount}{path}"),
    };
    HeaderValue::try_from(location).map_err(Problem::bad_request)
}
