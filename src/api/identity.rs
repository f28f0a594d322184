//! Who speaks: whom the front end made sure of, and no other; else whom the request says, or
//! `Anonymous`.

use http::StatusCode;

use crate::api::exchange::Request;
use crate::api::problem::Problem;
use crate::room::name::UserName;

/// The user that `request` speaks for, having named `claimed`.
pub fn speaker(request: &Request, claimed: Option<&str>) -> Result<UserName, Problem> {
    match (authenticated(request)?, claimed) {
        (Some(user), _) => Ok(user),
        (None, Some(name)) => Ok(UserName::parse(name)?),
        (None, None) => Ok(UserName::anonymous()),
    }
}

/// Whether `request` may act for `user`: anybody may where nobody was made sure of.
pub fn may_act_for(request: &Request, user: &UserName) -> Result<(), Problem> {
    match authenticated(request)? {
        Some(sure) if sure != *user => {
            Err(Problem::new(StatusCode::FORBIDDEN, format_args!("you are {sure} and can't act for {user}")))
        }
        _ => Ok(()),
    }
}

/// The user that the front end made sure of.
pub fn authenticated(request: &Request) -> Result<Option<UserName>, Problem> {
    let Some(name) = &request.authenticated else { return Ok(None) };
    let user = UserName::parse(name).map_err(|error| {
        Problem::new(StatusCode::FORBIDDEN, format_args!("you are signed in, but can't speak here: {error}"))
    })?;
    Ok(Some(user))
}
