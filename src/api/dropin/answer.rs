//! What the programs say, in the forms that their pages read: always with status 200.

use http::{Method, StatusCode};
use serde::Serialize;

use crate::api::exchange::{BadBody, Request, Response};
use crate::wire::form::Fields;
use crate::wire::json;

/// That a page of another site wanted to change something.
pub const CROSS_SITE: &str = "A page of another site may not do this";

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
