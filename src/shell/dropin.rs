//! `chatroom dropin`: the symlinks by which a folder of CGI programs has chatroom in the place of shell programs.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::api::dropin::Program;
use crate::shell::helpers;
use crate::shell::place::Failure;

/// Where programs that were there before are kept, within the folder.
const KEPT: &str = ".before-chatroom";

/// What is at a name.
enum There {
    Nothing,
    Ours,
    Another,
}

/// Makes the symlinks. Where something else has one of the names, nothing is done, unless it is to `replace` that,
/// which is kept then.
pub fn install(dir: &Path, replace: bool, out: &mut impl Write) -> Result<(), Failure> {
    let chatroom = this_program()?;
    let places = places(dir, &chatroom)?;
    let others = places.iter().filter(|(_, there)| matches!(there, There::Another)).map(|(path, _)| path);
    let others: Vec<&PathBuf> = others.collect();
    if let ([first, rest @ ..], false) = (&others[..], replace) {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        return Err(format!(
            "{}{more}: is there already and is not chatroom; nothing is done. --replace keeps it in {KEPT} and takes \
             its place",
            first.display()
        )
        .into());
    }
    if !others.is_empty() {
        fs::create_dir_all(dir.join(KEPT))?;
    }
    for (path, there) in &places {
        if matches!(there, There::Another) {
            let kept = kept(dir, path);
            if kept.symlink_metadata().is_ok() {
                return Err(format!("{}: is there already; {} stays", kept.display(), path.display()).into());
            }
            fs::rename(path, &kept).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        if !matches!(there, There::Ours) {
            symlink(&chatroom, path).map_err(|error| format!("{}: {error}", path.display()))?;
            writeln!(out, "{} -> {}", path.display(), chatroom.display())?;
        }
    }
    Ok(())
}

/// Takes away the symlinks that lead to this program, and puts back what was kept.
pub fn remove(dir: &Path, out: &mut impl Write) -> Result<(), Failure> {
    for (path, there) in places(dir, &this_program()?)? {
        if matches!(there, There::Ours) {
            fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            writeln!(out, "{} is gone", path.display())?;
            let kept = kept(dir, &path);
            if kept.symlink_metadata().is_ok() {
                fs::rename(&kept, &path).map_err(|error| format!("{}: {error}", kept.display()))?;
                writeln!(out, "{} is back", path.display())?;
            }
        }
    }
    // Not where somebody keeps more in it.
    let _ = fs::remove_dir(dir.join(KEPT));
    Ok(())
}

fn this_program() -> io::Result<PathBuf> {
    std::env::current_exe()?.canonicalize()
}

fn places(dir: &Path, chatroom: &Path) -> Result<Vec<(PathBuf, There)>, Failure> {
    let dir = dir.canonicalize().map_err(|error| format!("{}: {error}; nothing is done", dir.display()))?;
    let there = |path: &Path| match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(There::Nothing),
        Err(error) => Err(error),
        Ok(meta) if meta.is_symlink() && path.canonicalize().is_ok_and(|to| to == chatroom) => Ok(There::Ours),
        Ok(_) => Ok(There::Another),
    };
    let places = Program::names().chain(helpers::names()).map(|name| {
        let path = dir.join(name);
        let there = there(&path).map_err(|error| format!("{}: {error}; nothing is done", path.display()))?;
        Ok((path, there))
    });
    places.collect()
}

fn kept(dir: &Path, path: &Path) -> PathBuf {
    dir.join(KEPT).join(path.file_name().unwrap_or_default())
}
