//! What the programs say, in the forms that their pages read: with status 200, but where they can know nothing.

use std::borrow::Cow;
use std::io;

use http::{Method, StatusCode};
use serde::Serialize;

use crate::api::exchange::{BadBody, Request, Response};
use crate::api::problem::Problem;
use crate::store::root::is_out_of_descriptors;
use crate::wire::form::Fields;
use crate::wire::json;

/// That a page of another site wanted to change something.
pub const CROSS_SITE: &str = "A page of another site may not do this";

/// Why a program does not do what it was asked for.
pub enum Refusal {
    /// A sentence, which it says in its own form.
    Said(Cow<'static, str>),
    /// It is to be asked again later: nothing is known now, for want of descriptors.
    Later(Problem),
}

impl From<&'static str> for Refusal {
    fn from(text: &'static str) -> Refusal {
        Refusal::Said(text.into())
    }
}

impl From<String> for Refusal {
    fn from(text: String) -> Refusal {
        Refusal::Said(text.into())
    }
}

impl Refusal {
    /// What a program that says `text` where its files fail says of this failure.
    pub fn of(text: &'static str) -> impl FnOnce(io::Error) -> Refusal {
        move |error| if is_out_of_descriptors(&error) { Refusal::Later(error.into()) } else { text.into() }
    }

    /// The answer, with a sentence in the form `told`.
    pub fn into_response(self, told: impl FnOnce(&str) -> Response) -> Response {
        match self {
            Refusal::Said(text) => told(&text),
            Refusal::Later(problem) => problem.into_response(),
        }
    }
}

/// It is done.
pub fn success(text: &str) -> Response {
    boxed("success", text, "")
}

/// It is done, and the page runs this script.
pub fn success_with(text: &str, script: &str) -> Response {
    boxed("success", text, &format!("  <script>{script}</script>\n"))
}

/// It is not done, and why.
pub fn error(text: &str) -> Response {
    boxed("error", text, "")
}

fn boxed(class: &str, text: &str, more: &str) -> Response {
    html(format!("<div class=\"demo-result {class}\">\n  <p>{text}</p>\n{more}</div>\n"))
}

/// A piece of HTML.
pub fn html(body: String) -> Response {
    Response::new(StatusCode::OK, "text/html", body)
}

/// A line of JSON, with blanks in it.
pub fn json(value: &impl Serialize) -> Response {
    json_line(json::spaced(value))
}

/// A line of JSON as it is.
pub fn json_line(json: impl Into<Vec<u8>>) -> Response {
    let mut body = json.into();
    body.push(b'\n');
    Response::new(StatusCode::OK, "application/json", body)
}

/// Appends text as HTML, also for within quotes.
pub fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// The fields of a program that is posted to: of the body, or of the query where there is none.
pub fn posted(request: &Request) -> Result<Fields, BadBody> {
    let body = if request.method == Method::POST { request.body()? } else { b"" };
    Ok(if body.is_empty() { request.query() } else { Fields::parse(body) })
}

/// What is wrong with a body that can't be used.
pub fn bad_body(bad: BadBody) -> &'static str {
    match bad {
        BadBody::TooLong => "Request too long",
        BadBody::CutShort => "Request cut short",
    }
}

/// A field without the blanks around it, where something is left.
pub fn trimmed<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).map(str::trim).filter(|value| !value.is_empty())
}
