//! `/plain`: rooms without JavaScript. The last lines of the log, and a form.

use std::fmt::Write;
use std::ops::ControlFlow;

use chrono::Local;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, REFERRER_POLICY};
use http::{Method, StatusCode};

use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::api::{assets, identity, room as rooms_resource};
use crate::limits::{PAGE_DEFAULT_LINES, PAGE_MAX_BYTES};
use crate::room::message::{Kind, Message};
use crate::room::name::RoomName;
use crate::store::history::{each_line, start_of_last};
use crate::store::log::Log;
use crate::wire::form::Fields;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The rooms there are, as links.
pub fn rooms(site: &Site<'_>) -> Result<Response, Problem> {
    let mut main = String::from("<h1>Rooms</h1>\n<ul>\n");
    for room in site.root.rooms()? {
        let _ = writeln!(main, "<li><a href=\"plain/{room}\">{room}</a></li>"); // Into memory: it can't fail.
    }
    main.push_str("</ul>\n");
    Ok(html("./", "chatroom", &main))
}

/// A room's last messages and a form to say something; POST says it.
pub fn room(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    match request.method {
        Method::GET | Method::HEAD => show(site, request, name),
        Method::POST => say(site, request, name),
        _ => Err(Problem::method("GET, HEAD, POST")),
    }
}

fn say(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let form = Fields::parse(request.body()?);
    let user = identity::speaker(request, form.get("user"))?;
    rooms_resource::write(site, &site.room(name)?, &user, form.get("text").unwrap_or_default())?;
    // Loading the page again must not say it again. A name needs no escaping.
    let to = HeaderValue::try_from(format!("{name}?user={user}#end")).map_err(Problem::bad_request)?;
    Ok(Response::empty(StatusCode::SEE_OTHER).with(LOCATION, to))
}

fn show(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let user = identity::speaker(request, request.query().get("user"))?;
    let mut main = format!(
        "<p><a href=\"../plain\">All rooms</a></p>\n<h1>{name}</h1>\n<p><a href=\"{name}?user={user}#end\">Look for new messages</a></p>\n\
         <div role=\"log\" aria-label=\"Messages\">\n<ol>\n"
    );
    if let Some(log) = Log::open(&site.room(name)?)? {
        let end = log.whole_before(log.size()?)?;
        let start = start_of_last(&log, end, PAGE_DEFAULT_LINES, PAGE_MAX_BYTES / 8)?;
        each_line(&log, start, end, |line| {
            write_line(&mut main, &Message::new(line.id, line.bytes, line.cut, &Local));
            ControlFlow::Continue(())
        })?;
    }
    let _ = write!(
        main,
        "</ol>\n</div>\n<form id=\"end\" method=\"post\" action=\"{name}\">\n<label>Your name <input name=\"user\" \
         value=\"{user}\" maxlength=\"64\" required></label>\n<label>Message <textarea name=\"text\" rows=\"3\" \
         required></textarea></label>\n<button>Send</button>\n</form>\n"
    );
    Ok(html("../", name.as_str(), &main))
}

fn write_line(out: &mut String, message: &Message) {
    out.push_str(match message.kind {
        Kind::Message => "<li>",
        Kind::System => "<li class=\"system\">",
        Kind::Line => "<li class=\"line\">",
    });
    if let Some(from) = &message.from {
        out.push_str("<b>");
        escape(out, from);
        out.push_str("</b> ");
    }
    if let Some(time) = &message.time {
        out.push_str("<time>");
        escape(out, &time.replace('T', " ")[..16.min(time.len())]);
        out.push_str("</time> ");
    }
    out.push_str("<span dir=\"auto\">");
    escape(out, &message.text);
    out.push_str("</span></li>\n");
}

/// Nothing in a log is markup.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

fn html(up: &str, title: &str, main: &str) -> Response {
    let css = assets::address(up, "plain.css");
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"stylesheet\" href=\"{css}\">\n</head>\n<body>\n<main>\n{main}</main>\n</body>\n</html>\n"
    );
    Response::new(StatusCode::OK, "text/html; charset=utf-8", page)
        .with(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
        .with(REFERRER_POLICY, HeaderValue::from_static("same-origin"))
        .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::cursor::Cursor;

    #[test]
    fn nothing_in_a_log_is_markup() {
        let mut out = String::new();
        let line = b"[2026-01-31 08:00:00] al: </li><script>\"'&";
        write_line(&mut out, &Message::new(Cursor::ZERO, line, None, &Local));
        assert_eq!(
            out,
            "<li><b>al</b> <time>2026-01-31 08:00</time> <span \
             dir=\"auto\">&lt;/li&gt;&lt;script&gt;&quot;&#39;&amp;</span></li>\n"
        );
    }
}
