//! The programs that scripts call by the names of shell programs, with arguments, and never for a request of the web.

pub mod cleanup;
pub mod log;
pub mod sse;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use crate::shell::place::Failure;

/// One of the programs: what it does with its arguments.
type Helper = fn(&[OsString], &mut dyn Write) -> Result<(), Failure>;

const HELPERS: [(&str, Helper); 8] = [
    ("chat-log-if-unique", log::append_if_unique),
    ("chat-cleanup-inactive-avatars", cleanup::inactive_avatars),
    ("sse-start", sse::start),
    ("sse-event", sse::event),
    ("sse-event-id", sse::event_with_id),
    ("sse-padding", sse::padding),
    ("sse-retry", sse::retry),
    ("sse-error", sse::error),
];

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    HELPERS.iter().map(|(name, _)| *name)
}

/// Does what this process's name asks for; `None` where that is no helper's.
pub fn run(out: &mut dyn Write) -> Option<Result<(), Failure>> {
    let mut arguments = env::args_os();
    let program = arguments.next()?;
    let name = file_name(&program)?.to_str()?;
    let (_, helper) = HELPERS.iter().find(|(other, _)| *other == name)?;
    // Some web servers make arguments of a query: nobody on the web is to name files or write headers.
    let asked = env::var_os("SCRIPT_FILENAME").or_else(|| env::var_os("SCRIPT_NAME"));
    if env::var_os("GATEWAY_INTERFACE").is_some() && asked.as_deref().and_then(file_name) == Some(OsStr::new(name)) {
        let answer = "Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nThis program is for scripts.\n";
        let answered = out.write_all(answer.as_bytes());
        return Some(
            answered.map_err(Into::into).and(Err(format!("{name}: it is for scripts, not for the web").into())),
        );
    }
    let arguments: Vec<OsString> = arguments.collect();
    Some(helper(&arguments, out).and_then(|()| Ok(out.flush()?)).map_err(|failure| match failure.is::<io::Error>() {
        true => failure,
        false => format!("{name}: {failure}").into(),
    }))
}

fn file_name(path: &(impl AsRef<OsStr> + ?Sized)) -> Option<&OsStr> {
    Path::new(path).file_name()
}
