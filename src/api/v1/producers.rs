//! What producers say of themselves, and what they are told.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use super::headers::{bad, text};
use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::limits::{PRODUCER_MAX_BYTES, PRODUCER_NUMBER_MAX, PRODUCERS_MAX};
use crate::room::producer::{Claim, Verdict};
use crate::room::sidecar::Sidecar;

const ID: HeaderName = HeaderName::from_static("producer-id");
const EPOCH: HeaderName = HeaderName::from_static("producer-epoch");
const SEQ: HeaderName = HeaderName::from_static("producer-seq");
const EXPECTED: HeaderName = HeaderName::from_static("producer-expected-seq");
const RECEIVED: HeaderName = HeaderName::from_static("producer-received-seq");

/// Which message of which producer a request is; `None` where no producer sends it. Fails on a part of it.
pub(super) fn claim(request: &Request) -> Result<Option<Claim>, Problem> {
    let (id, epoch, seq) = (text(request, &ID)?, text(request, &EPOCH)?, text(request, &SEQ)?);
    let (id, epoch, seq) = match (id, epoch, seq) {
        (None, None, None) => return Ok(None),
        (Some(id), Some(epoch), Some(seq)) => (id, epoch, seq),
        _ => return Err(bad(&ID, format_args!("expected `{ID}`, `{EPOCH}` and `{SEQ}` together, or none of them"))),
    };
    if id.is_empty() || id.len() > PRODUCER_MAX_BYTES {
        return Err(bad(&ID, format_args!("expected 1 to {PRODUCER_MAX_BYTES} bytes")));
    }
    Ok(Some(Claim { id: id.to_owned(), epoch: number(&EPOCH, epoch)?, seq: number(&SEQ, seq)? }))
}

fn number(name: &HeaderName, text: &str) -> Result<u64, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= PRODUCER_NUMBER_MAX);
    number.ok_or_else(|| bad(name, format_args!("{text:?}: expected a whole number up to {PRODUCER_NUMBER_MAX}")))
}

/// What a producer is told whose message is not taken (now); `None` where it is.
pub(super) fn refusal(verdict: Verdict, claim: &Claim) -> Option<Response> {
    let problem = |status, detail: String| Problem::new(status, detail + "; nothing was written").into_response();
    let Claim { id, epoch, seq } = claim;
    Some(match verdict {
        Verdict::New => return None,
        Verdict::Duplicate(known) => with_progress(Response::empty(StatusCode::NO_CONTENT), known.epoch, known.seq),
        Verdict::Stale(current) => {
            let detail = format!("producer {id:?}: epoch {epoch} is over, {current} has begun");
            problem(StatusCode::FORBIDDEN, detail).with(EPOCH, current.into())
        }
        Verdict::Gap(expected) => {
            let detail = format!("producer {id:?}: expected number {expected}, got {seq}");
            problem(StatusCode::CONFLICT, detail).with(EXPECTED, expected.into()).with(RECEIVED, (*seq).into())
        }
        Verdict::LateStart => problem(
            StatusCode::BAD_REQUEST,
            format!("producer {id:?}: epoch {epoch} must begin with number 0, not {seq}"),
        ),
    })
}

/// The answer with how far a producer has come.
pub(super) fn with_progress(response: Response, epoch: u64, seq: u64) -> Response {
    response.with(EPOCH, HeaderValue::from(epoch)).with(SEQ, HeaderValue::from(seq))
}

/// Fails where a stream knows as many producers as it can, and not this one.
pub(super) fn refuse_one_too_many(claim: &Claim, sidecar: &Sidecar) -> Result<(), Problem> {
    if sidecar.producers.len() < PRODUCERS_MAX || sidecar.producers.contains_key(&claim.id) {
        return Ok(());
    }
    let detail = format!("the stream has {PRODUCERS_MAX} producers, and knows no more; nothing was written");
    Err(Problem::new(StatusCode::CONFLICT, detail))
}
