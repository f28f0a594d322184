//! Rooms in a folder of this machine.

use std::fmt::Display;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use chrono::Local;

use crate::limits::{MESSAGE_MAX_BYTES, RESET_LINES};
use crate::room::line::{self, MessageText};
use crate::room::members::Members;
use crate::room::name::{RoomName, UserName};
use crate::shell::place::Failure;
use crate::store::append::append;
use crate::store::avatars;
use crate::store::bell;
use crate::store::history::{each_line, start_of_last};
use crate::store::root::{DataRoot, RoomDir};
use crate::store::tail::{Look, Tail};
use crate::store::watch::{Place, WatchMode};

/// A folder of rooms.
pub struct Files {
    root: DataRoot,
    path: PathBuf,
    watch: WatchMode,
}

impl Files {
    /// The folder at `path`.
    pub fn open(path: &Path, watch: WatchMode) -> Result<Files, Failure> {
        let root = DataRoot::open(path)
            .map_err(|error| format!("{}: the folder of rooms can't be opened: {error}", path.display()))?;
        Ok(Files { root, path: path.to_owned(), watch })
    }

    /// Which rooms there are.
    pub fn rooms(&self) -> Result<Vec<RoomName>, Failure> {
        Ok(self.root.rooms().map_err(|error| format!("{}: can't be listed: {error}", self.path.display()))?)
    }

    /// Who is in a room.
    pub fn members(&self, name: &RoomName) -> Result<Members, Failure> {
        Ok(avatars::members(&self.room(name)?).map_err(|error| self.failed(name, "can't be listed", &error))?)
    }

    /// Says `text` in a room.
    pub fn say(&self, name: &RoomName, user: Option<&UserName>, text: &str) -> Result<(), Failure> {
        let room = self.room(name)?;
        if text.len() > MESSAGE_MAX_BYTES {
            let len = text.len();
            return Err(
                format!("the message has {len} bytes: expected at most {MESSAGE_MAX_BYTES}; it was not said").into()
            );
        }
        let text = MessageText::clean(text).ok_or("the message is empty: nothing was said")?;
        let user = user.cloned().unwrap_or_else(UserName::anonymous);
        append(&room, &line::compose(Local::now().naive_local(), &user, &text))
            .map_err(|error| self.failed(name, "the message can't be written", &error))?;
        Ok(())
    }

    /// Shows the last lines, and follows.
    pub fn tail(
        &self,
        name: &RoomName,
        lines: usize,
        follow: bool,
        out: &mut (impl Write + AsFd),
    ) -> Result<(), Failure> {
        self.room(name)?;
        let unreadable = |error: io::Error| self.failed(name, "the log can't be read", &error);
        let bell = bell::hang(&self.root, self.watch).map_err(unreadable)?;
        if follow {
            // The watches first: nothing that comes after reading may go unnoticed.
            bell.watch(&Place::Root);
            bell.watch(&Place::Room(name.into()));
        }
        let mut tail = Tail::open(&self.root, name).map_err(unreadable)?;
        self.show_last(name, &tail, lines, out)?;
        if !follow {
            return Ok(out.flush()?);
        }
        loop {
            match tail.look(&self.root).map_err(unreadable)? {
                Look::Grew(stretch) => {
                    for line in stretch.lines() {
                        out.write_all(line.bytes).and_then(|()| out.write_all(b"\n"))?;
                    }
                }
                Look::Reset(stale) => {
                    let _ = writeln!(io::stderr(), "chatroom: {name}: the log was {}", stale.reason());
                    self.show_last(name, &tail, RESET_LINES, out)?;
                }
                Look::Nothing => {
                    out.flush()?;
                    if !bell.wait(out.as_fd(), None)? {
                        return Ok(());
                    }
                    bell.take()?;
                    bell.renew(&Place::Root);
                    bell.renew(&Place::Room(name.into()));
                }
            }
        }
    }

    fn show_last(&self, name: &RoomName, tail: &Tail, lines: usize, out: &mut impl Write) -> Result<(), Failure> {
        let Some(log) = tail.log() else { return Ok(()) };
        let mut written = Ok(());
        start_of_last(log, tail.end(), lines, u64::MAX)
            .and_then(|from| {
                each_line(log, from, tail.end(), |line| {
                    written = out.write_all(line.bytes).and_then(|()| out.write_all(b"\n"));
                    if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })
            })
            .map_err(|error| self.failed(name, "the log can't be read", &error))?;
        Ok(written?)
    }

    fn room(&self, name: &RoomName) -> Result<RoomDir, Failure> {
        match self.root.room(name) {
            Ok(Some(room)) => Ok(room),
            Ok(None) => Err(format!("there is no room {name} in {}", self.path.display()).into()),
            Err(error) => Err(self.failed(name, "can't be opened", &error).into()),
        }
    }

    fn failed(&self, name: &RoomName, what: &str, error: &dyn Display) -> String {
        format!("{}: {what}: {error}", self.path.join(name.as_str()).display())
    }
}
