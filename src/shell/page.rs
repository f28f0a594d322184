//! `chatroom page`: the chat page as files, beside a folder of CGI programs that are chatroom.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::api::static_page::{self, ProgramsAddress};
use crate::shell::place::Failure;

/// Writes the page and its files into `dir`, which is made where there is none. Where another page is there, nothing is
/// done. The files' folder is named by what they are: a page that is open keeps those that it began with.
pub fn install(dir: &Path, programs: &ProgramsAddress, out: &mut impl Write) -> Result<(), Failure> {
    let index = dir.join("index.html");
    match fs::read(&index) {
        Ok(page) if !static_page::is_ours(&String::from_utf8_lossy(&page)) => {
            return Err(format!("{}: is there already and is not chatroom's; nothing is done", index.display()).into());
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("{}: {error}; nothing is done", index.display()).into());
        }
        _ => {}
    }
    for (path, content) in static_page::files() {
        write(&dir.join(path), content)?;
    }
    // Last, and at once: whoever asks for it gets the old one or the new one, and finds its files.
    let new = dir.join(".index.html.new");
    write(&new, &static_page::index(programs))?;
    fs::rename(&new, &index).map_err(|error| format!("{}: {error}", index.display()))?;
    writeln!(out, "{}, with programs at {programs}", index.display())?;
    Ok(())
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, content));
    written.map_err(|error| format!("{}: {error}; the page is not written", path.display()).into())
}
