//! Attributes of an avatar: `web_avatar`, `is_avatar`, `last_activity`.
//!
//! An attribute NAME is the extended attribute `user.user.NAME` of the avatar's directory, else
//! `user.NAME`, else a file `user.NAME` in it: file systems, archives and shell tools differ.

use std::fs::File;
use std::io::{self, Read, Write};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use xattr::FileExt;

use crate::limits::ATTRIBUTE_MAX_BYTES;
use crate::store::root::is_out_of_descriptors;

/// A web page made this avatar.
pub const WEB_AVATAR: &str = "web_avatar";
/// It is an avatar.
pub const IS_AVATAR: &str = "is_avatar";
/// When it was last heard of, in seconds since 1970.
pub const LAST_ACTIVITY: &str = "last_activity";

fn extended(name: &str) -> [String; 2] {
    [format!("user.user.{name}"), format!("user.{name}")]
}

fn file_name(name: &str) -> String {
    format!("user.{name}")
}

/// The value of the attribute `name` of `avatar`, a directory; blanks around it are left out. What can't be read is not
/// there. Fails where there is no descriptor left to look.
pub fn get(avatar: &File, name: &str) -> io::Result<Option<String>> {
    let value = match extended(name).iter().find_map(|name| avatar.get_xattr(name).ok().flatten()) {
        None => in_file(avatar, name)?,
        value => value,
    };
    Ok(value.map(|value| String::from_utf8_lossy(&value).trim().to_owned()))
}

fn in_file(avatar: &File, name: &str) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match openat(avatar, file_name(name).as_str(), flags, Mode::empty()).map_err(io::Error::from) {
        Ok(file) => File::from(file),
        Err(error) if is_out_of_descriptors(&error) => return Err(error),
        Err(_) => return Ok(None),
    };
    let mut value = Vec::new();
    Ok(file.take(ATTRIBUTE_MAX_BYTES).read_to_end(&mut value).ok().map(|_| value))
}

/// Sets the attribute `name` of `avatar`, in the form that is looked up first and that the file
/// system takes, and removes the other forms, so that none of them says otherwise.
pub fn set(avatar: &File, name: &str, value: &str) -> io::Result<()> {
    let [first, second] = extended(name);
    if avatar.set_xattr(&first, value.as_bytes()).is_ok() {
        let _ = avatar.remove_xattr(&second);
        let _ = unlinkat(avatar, file_name(name).as_str(), UnlinkatFlags::NoRemoveDir);
        return Ok(());
    }
    set_file(avatar, name, value)
}

/// The same in the form that shells see with `ls`: a file in the directory.
pub fn set_file(avatar: &File, name: &str, value: &str) -> io::Result<()> {
    for form in extended(name) {
        let _ = avatar.remove_xattr(&form);
    }
    // A FIFO of that name would keep everybody waiting.
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o664);
    File::from(openat(avatar, file_name(name).as_str(), flags, mode)?).write_all(value.as_bytes())
}

/// Removes the attribute `name` of `avatar`, in all its forms.
pub fn remove(avatar: &File, name: &str) {
    for form in extended(name) {
        let _ = avatar.remove_xattr(&form);
    }
    let _ = unlinkat(avatar, file_name(name).as_str(), UnlinkatFlags::NoRemoveDir);
}
