//! `chat-send-message` and `chat-get-messages`.

use std::fmt::Write;
use std::ops::{ControlFlow, Range};

use http::StatusCode;

use crate::api::dropin::answer::{self, CROSS_SITE, escape, posted, trimmed};
use crate::api::dropin::find_room;
use crate::api::exchange::{BadBody, Request, Response};
use crate::api::site::Site;
use crate::api::{identity, room};
use crate::limits::{MESSAGE_MAX_BYTES, PAGE_DEFAULT_LINES, PAGE_MAX_BYTES};
use crate::live::registry::OnDisk;
use crate::room::cursor::Cursor;
use crate::room::line::{self, Line, Speaker};
use crate::room::members::Members;
use crate::room::name::{RoomName, SYSTEM, UserName};
use crate::store::avatars;
use crate::store::history::{each_line, start_of_last};
use crate::store::log::Log;
use crate::store::root::RoomDir;

const NOT_SENT: &str = "Failed to send message";

/// Says something.
pub fn send(site: &Site<'_>, request: &Request) -> Response {
    match said(site, request) {
        Ok(on_disk) => answer::success("✓ Message sent").after(on_disk, |_| answer::error(NOT_SENT)),
        Err(text) => answer::error(&text),
    }
}

fn said(site: &Site<'_>, request: &Request) -> Result<Option<OnDisk>, String> {
    if request.is_cross_site() {
        return Err(CROSS_SITE.into());
    }
    let too_long = || format!("Message too long: at most {MESSAGE_MAX_BYTES} bytes");
    let fields = posted(request).map_err(|bad| match bad {
        BadBody::TooLong => too_long(),
        BadBody::CutShort => answer::bad_body(bad).to_owned(),
    })?;
    let (Some(name), Some(text)) = (fields.get("room"), fields.get("msg")) else {
        return Err("Room and message required".into());
    };
    RoomName::parse(name.trim()).map_err(|_| "Invalid room name")?;
    let user = match fields.get("user") {
        Some(SYSTEM) => return Err("Invalid username. 'log' is a reserved name.".into()),
        Some(user) => {
            UserName::parse(user).map_err(|_| "Invalid username. Only alphanumeric, underscore, and hyphen allowed.")?
        }
        None => UserName::anonymous(),
    };
    let user = identity::speaker(request, Some(user.as_str())).map_err(|_| "Invalid username.")?;
    let (_, room) = find_room(site, name)?;
    let written = room::write(site, &room, &user, text);
    if written.is_ok() {
        // Who speaks is not away; that it can't be noted is no reason to say that it was not sent.
        let _ = avatars::touch_lightly(&room, &user);
    }
    written.map(|(_, on_disk)| on_disk).map_err(|problem| match problem.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_long(),
        StatusCode::BAD_REQUEST => "Room and message required".into(),
        _ => NOT_SENT.into(),
    })
}

/// The last lines of a room. With `ids=1`, which is ours, each says the position after it, what happened to the room says
/// when, and the whole says whether there is more before it: by that a page goes on with a stream, exactly.
pub fn get(site: &Site<'_>, request: &Request) -> Response {
    let query = request.query();
    let ids = query.has("ids");
    let (shown, more) = match trimmed(&query, "room") {
        None => {
            let choose = r#"<p style="color: #666; font-style: italic;">Select a room to start chatting</p>"#;
            (choose.to_owned() + "\n", false)
        }
        Some(name) => match find_room(site, name) {
            Ok((_, room)) => last_lines(&room, ids),
            Err(error) => (format!("<p class=\"demo-result error\">{error}</p>\n"), false),
        },
    };
    let more = if ids && more { " data-more=\"true\"" } else { "" };
    answer::html(format!("<div id=\"chat-messages\" class=\"chat-display\"{more}>\n{shown}</div>\n"))
}

/// And whether there are lines before them.
fn last_lines(room: &RoomDir, ids: bool) -> (String, bool) {
    let members = avatars::members(room).unwrap_or_else(|_| Members::new(Vec::new()));
    let (mut shown, mut more) = (String::new(), false);
    // What can't be read is not shown.
    if let Ok(Some(log)) = Log::open(room) {
        let end = log.size().and_then(|size| log.whole_before(size)).unwrap_or(0);
        let start = start_of_last(&log, end, PAGE_DEFAULT_LINES, PAGE_MAX_BYTES).unwrap_or(end);
        more = start > 0;
        // What is around a line is about as long as a short one.
        shown.reserve((end - start) as usize + PAGE_DEFAULT_LINES * MARKUP_BYTES);
        let _ = each_line(&log, start, end, |line| {
            let id = ids.then_some(line.id);
            show(&mut shown, line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes), id, &members);
            ControlFlow::Continue(())
        });
    }
    if shown.is_empty() {
        shown.push_str("<p class=\"empty-state-message\">No messages yet. Be the first to say something!</p>\n");
    }
    (shown, more)
}

/// How much is around the text of a message, about.
const MARKUP_BYTES: usize = 256;

fn show(out: &mut String, raw: &[u8], id: Option<Cursor>, members: &Members) {
    let line = Line::parse(raw);
    let data_id = id.map(|id| format!(" data-id=\"{id}\"")).unwrap_or_default();
    match (line::time_prefix(raw).map(str::from_utf8), line.speaker) {
        (Some(Ok(full)), Speaker::User(user)) => {
            let (font, hue, short) = (font(user, members), hue(user), &full[HOURS_AND_MINUTES]);
            let _ = write!(
                out,
                "  <div class=\"chat-msg\" style=\"font-family: {font};\"{data_id}><span class=\"username\" \
                 style=\"color: hsl({hue}, 70%, 35%); font-weight: bold;\">{user}:</span> "
            );
            let text = line::restore(line.text);
            let [isolate, end] = if text.contains(turns_around) { ["<bdi>", "</bdi>"] } else { [""; 2] };
            out.push_str(isolate);
            escape(out, &text);
            out.push_str(end);
            let _ = writeln!(
                out,
                "<span class=\"timestamp\" data-full-timestamp=\"{full}\" title=\"{full}\">{short}</span></div>"
            );
        }
        (time, speaker) => {
            let (class, text) = match speaker {
                Speaker::System => ("chat-msg-system", line.text),
                _ => ("chat-msg", raw),
            };
            let _ = write!(out, "  <div class=\"{class}\"{data_id}");
            if let (Some(_), Speaker::System, Some(Ok(full))) = (id, speaker, time) {
                let _ = write!(out, " data-full-timestamp=\"{full}\"");
            }
            out.push('>');
            escape(out, &line::restore(text));
            out.push_str("</div>\n");
        }
    }
}

/// Whether a character turns around what follows it in the same block, until something ends that: it is to end with
/// the text, or the time behind it could be made to read otherwise.
fn turns_around(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Where they are in a line's time.
const HOURS_AND_MINUTES: Range<usize> = 11..16;

/// Who is here from a shell looks so.
fn font(user: &str, members: &Members) -> &'static str {
    let member = UserName::parse(user).ok().and_then(|user| members.get(&user));
    match member {
        Some(member) if !member.is_web => "Courier New, Courier, monospace",
        _ => "Verdana, sans-serif",
    }
}

/// A colour of one's own: one of twelve.
fn hue(user: &str) -> usize {
    let place = |character: u8| match character {
        b'A'..=b'Z' => usize::from(character - b'A') + 1,
        b'a'..=b'z' => usize::from(character - b'a') + 27,
        b'0'..=b'9' => usize::from(character - b'0') + 53,
        _ => 1,
    };
    let sum: usize = user.bytes().zip(2..).map(|(character, weight)| place(character) * weight).sum();
    sum % 12 * 30
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_colours() {
        // A: 1·2; Ab: 1·2 + 28·3; 9_: 62·2 + 1·3.
        assert_eq!((hue("A"), hue("Ab"), hue("9_")), (60, (2 + 84) % 12 * 30, 127 % 12 * 30));
    }

    #[test]
    fn lines_are_shown_by_what_they_are_and_never_as_markup() {
        let shown = |raw: &str| {
            let mut out = String::new();
            show(&mut out, raw.as_bytes(), None, &Members::new(Vec::new()));
            out
        };
        assert_eq!(
            shown("[2026-01-31 08:05:00] A: <b>\"&'"),
            "  <div class=\"chat-msg\" style=\"font-family: Verdana, sans-serif;\"><span class=\"username\" \
             style=\"color: hsl(60, 70%, 35%); font-weight: bold;\">A:</span> &lt;b&gt;&quot;&amp;&#39;<span \
             class=\"timestamp\" data-full-timestamp=\"2026-01-31 08:05:00\" title=\"2026-01-31 08:05:00\">08:05</span></div>\n"
        );
        let turned = shown("[2026-01-31 08:05:00] A: \u{202e}olleh");
        assert!(turned.contains("</span> <bdi>\u{202e}olleh</bdi><span class=\"timestamp\""), "{turned}");
        assert_eq!(
            shown("[2026-01-31 08:05:00] log: A <left>"),
            "  <div class=\"chat-msg-system\">A &lt;left&gt;</div>\n"
        );
        assert_eq!(shown("a <script> of no form"), "  <div class=\"chat-msg\">a &lt;script&gt; of no form</div>\n");
        assert_eq!(
            shown("[2026-01-31 08:05:00] no name"),
            "  <div class=\"chat-msg\">[2026-01-31 08:05:00] no name</div>\n"
        );
    }

    #[test]
    fn with_ids_a_line_says_its_position_and_what_happened_says_when() {
        let shown = |raw: &str| {
            let mut out = String::new();
            show(&mut out, raw.as_bytes(), Some(Cursor::ZERO), &Members::new(Vec::new()));
            out
        };
        let id = format!("data-id=\"{}\"", Cursor::ZERO);
        assert_eq!(
            shown("[2026-01-31 08:05:00] log: A left"),
            format!("  <div class=\"chat-msg-system\" {id} data-full-timestamp=\"2026-01-31 08:05:00\">A left</div>\n")
        );
        assert_eq!(shown("no form"), format!("  <div class=\"chat-msg\" {id}>no form</div>\n"));
        let said = shown("[2026-01-31 08:05:00] A: x");
        assert!(said.contains(&format!("style=\"font-family: Verdana, sans-serif;\" {id}><span")), "{said}");
    }
}
