//! The data root and its rooms, as directories opened beneath it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::NixPath;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::{self, Mode};
use nix::unistd::{self, UnlinkatFlags};

use crate::room::name::RoomName;
use crate::room::stream_name::StreamName;

/// The name of a room's conversation.
pub const LOG_NAME: &str = ".log";

/// Where a room that is being deleted is moved to first, so that it is gone at once and whole.
const DELETED_PREFIX: &str = ".deleted-";

/// Where a stream is that was deleted and has forks.
const KEPT_PREFIX: &str = ".kept-";

/// Where a stream that is being created is, until it has all that it is to have.
const CREATED_PREFIX: &str = ".created-";

const NEW_ROOM: Mode = Mode::from_bits_truncate(0o775);

/// What is nobody else's.
const SECRET: Mode = Mode::from_bits_truncate(0o600);

/// A folder of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataRoot {
    path: PathBuf,
}

/// A data root's directory, held open.
#[derive(Debug)]
pub struct HeldRoot {
    directory: OwnedFd,
}

/// One room's directory, held open: what is opened through it is in this very directory.
#[derive(Debug)]
pub struct RoomDir {
    directory: OwnedFd,
}

/// A stream's directory while nobody else changes the stream through chatroom. Shells may.
#[derive(Debug)]
pub struct Locked {
    /// The directory.
    pub room: RoomDir,
    /// Closing it ends the lock, once `room` is closed too.
    _lock: File,
}

impl DataRoot {
    /// The directory of what the protocol keeps beside the streams. No room is called so.
    pub const SERVICE: &str = ".ds";

    /// The data root at `path`. Fails where that is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        if !path.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(DataRoot { path })
    }

    /// The same, made with the directories above it where there is none.
    pub fn open_or_create(path: &Path) -> io::Result<Self> {
        match DataRoot::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path)?;
                DataRoot::open(path)
            }
            done => done,
        }
    }

    /// Where it is, without symlinks.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a room's directory is, or would be: for watching and for comparing, never for opening.
    pub fn path_of(&self, room: &RoomName) -> PathBuf {
        self.path.join(room.as_str())
    }

    /// All rooms, in the byte order of their names. What has no room's name is skipped.
    pub fn rooms(&self) -> io::Result<Vec<RoomName>> {
        let root = self.held()?;
        let mut rooms = Vec::new();
        for entry in list(root.directory.as_fd(), ".")?.iter() {
            let entry = entry?;
            let Some(Ok(name)) = entry.file_name().to_str().ok().map(RoomName::parse) else { continue };
            let is_room = match entry.file_type() {
                Some(Type::Directory) => true,
                // A link may lead to one; some file systems don't say what a name is.
                Some(Type::Symlink) | None => matches!(root.room(&name), Ok(Some(_))),
                Some(_) => false,
            };
            if is_room {
                rooms.push(name);
            }
        }
        rooms.sort();
        Ok(rooms)
    }

    /// A room, or `None` where there is none of that name in the root.
    pub fn room(&self, name: &RoomName) -> io::Result<Option<RoomDir>> {
        self.held()?.room(name)
    }

    /// The root's directory as it is now, for one who opens several rooms.
    pub fn held(&self) -> io::Result<HeldRoot> {
        Ok(HeldRoot { directory: self.directory()? })
    }

    /// Makes a room. Says whether it is new.
    pub fn create_room(&self, name: &RoomName) -> io::Result<bool> {
        match stat::mkdirat(self.directory()?, name.as_str(), NEW_ROOM) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) if self.room(name)?.is_some() => Ok(false),
            Err(Errno::EEXIST) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a room and all that is in it. Says whether there was one.
    pub fn delete_room(&self, name: &RoomName) -> io::Result<bool> {
        if self.room(name)?.is_none() {
            return Ok(false);
        }
        self.delete(name.as_str())
    }

    /// A stream's directory, locked against others that change the stream through chatroom, or `None` where there is
    /// none of that name. It is the one of that name for as long as it is locked.
    pub fn lock_stream(&self, name: &StreamName) -> io::Result<Option<Locked>> {
        self.lock(name.directory())
    }

    fn lock(&self, name: &str) -> io::Result<Option<Locked>> {
        loop {
            let Some(room) = self.inner(name)? else { return Ok(None) };
            let lock = room.try_clone()?;
            lock.lock()?;
            // It may have been deleted, and created again, while this waited.
            let Some(named) = self.inner(name)? else { return Ok(None) };
            if room.is_same(&named)? {
                return Ok(Some(Locked { room, _lock: lock }));
            }
        }
    }

    /// A stream's directory, or `None` where there is none of that name.
    pub fn stream(&self, name: &StreamName) -> io::Result<Option<RoomDir>> {
        self.inner(name.directory())
    }

    fn inner(&self, name: &str) -> io::Result<Option<RoomDir>> {
        let found = open_directory(self.directory()?.as_fd(), name);
        Ok(found?.map(|directory| RoomDir { directory }))
    }

    /// All streams, and all rooms, in no order.
    pub fn streams(&self) -> io::Result<Vec<StreamName>> {
        let root = self.held()?;
        let mut streams = Vec::new();
        for entry in list(root.directory.as_fd(), ".")?.iter() {
            let entry = entry?;
            let name = entry.file_name().to_str().ok().and_then(StreamName::of_directory);
            let Some(name) = name.filter(|_| !matches!(entry.file_type(), Some(Type::File))) else { continue };
            if entry.file_type() == Some(Type::Directory) || self.stream(&name)?.is_some() {
                streams.push(name);
            }
        }
        Ok(streams)
    }

    /// The directory [`DataRoot::SERVICE`], where there is one.
    pub fn service(&self) -> io::Result<Option<RoomDir>> {
        let found = open_directory(self.directory()?.as_fd(), Self::SERVICE);
        Ok(found?.map(|directory| RoomDir { directory }))
    }

    /// The same, made where there is none. Others than its owner and group see nothing of it.
    pub fn create_service(&self) -> io::Result<RoomDir> {
        match stat::mkdirat(self.directory()?, Self::SERVICE, Mode::from_bits_truncate(0o770)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.service()?.ok_or_else(|| io::ErrorKind::NotADirectory.into())
    }

    /// Makes a stream's directory, whole at once, with what `fill` puts into it. `None` where there is something of
    /// that name. An empty directory of that name, just made, may be taken for none.
    pub fn create_stream<T, E: From<io::Error>>(
        &self,
        name: &StreamName,
        fill: impl FnOnce(&RoomDir) -> Result<T, E>,
    ) -> Result<Option<(RoomDir, T)>, E> {
        let root = self.directory()?;
        let (hidden, room) = self.aside()?;
        let rename = || match fcntl::renameat(&root, hidden.as_str(), &root, name.directory()) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => Ok(false),
            Err(error) => Err(io::Error::from(error)),
        };
        let made = fill(&room).and_then(|filled| Ok(rename()?.then_some((room, filled))));
        if !matches!(made, Ok(Some(_))) {
            let _ = remove_tree(root.as_fd(), &*hidden);
        }
        made
    }

    /// A directory that is not seen, locked as long as it is open, and what it is called.
    fn aside(&self) -> io::Result<(String, RoomDir)> {
        loop {
            let hidden = format!("{CREATED_PREFIX}{:016x}", fastrand::u64(..));
            stat::mkdirat(self.directory()?, hidden.as_str(), NEW_ROOM)?;
            let Some(room) = self.inner(&hidden)? else { continue };
            room.try_clone()?.lock()?;
            // Before it was locked it may have been taken for one that nobody fills any more.
            if self.inner(&hidden)?.is_some() {
                return Ok((hidden, room));
            }
        }
    }

    /// Deletes a stream and all that is in it.
    pub fn delete_stream(&self, name: &StreamName, _locked: &Locked) -> io::Result<bool> {
        self.delete(name.directory())
    }

    /// Puts a stream aside, in the place of an earlier one of that name.
    pub fn keep_stream(&self, name: &StreamName, _locked: &Locked) -> io::Result<()> {
        let root = self.directory()?;
        let kept = kept_name(name);
        loop {
            match fcntl::renameat(&root, name.directory(), &root, kept.as_str()) {
                Err(Errno::EEXIST | Errno::ENOTEMPTY) => self.delete(&kept)?,
                done => return Ok(done?),
            };
        }
    }

    /// The directory of a stream that was put aside, or `None` where there is none of that name.
    pub fn kept(&self, name: &StreamName) -> io::Result<Option<RoomDir>> {
        self.inner(&kept_name(name))
    }

    /// The same, locked as [`DataRoot::lock_stream`] does.
    pub fn lock_kept(&self, name: &StreamName) -> io::Result<Option<Locked>> {
        self.lock(&kept_name(name))
    }

    /// Deletes a stream that was put aside.
    pub fn delete_kept(&self, name: &StreamName, _locked: &Locked) -> io::Result<bool> {
        self.delete(&kept_name(name))
    }

    /// All streams that were put aside.
    pub fn kept_streams(&self) -> io::Result<Vec<StreamName>> {
        let names = RoomDir { directory: self.directory()? }.names()?;
        Ok(names.iter().filter_map(|name| StreamName::of_directory(name.strip_prefix(KEPT_PREFIX)?)).collect())
    }

    /// Removes what was left of streams that were being created, or deleted, by processes that are gone.
    pub fn remove_remains(&self) -> io::Result<()> {
        let root = RoomDir { directory: self.directory()? };
        for name in root.names()? {
            if name.starts_with(DELETED_PREFIX) {
                gone(root.remove(&name).map(drop))?;
            } else if name.starts_with(CREATED_PREFIX)
                && let Some(room) = root.inner(&name)?
                && let lock = room.try_clone()?
                && lock.try_lock().is_ok()
            {
                // Locked until it is gone: who fills one has it locked.
                root.remove(&name)?;
            }
        }
        Ok(())
    }

    fn delete(&self, name: &str) -> io::Result<bool> {
        let root = self.directory()?;
        let trash = format!("{DELETED_PREFIX}{name}-{:016x}", fastrand::u64(..));
        match fcntl::renameat(&root, name, &root, trash.as_str()) {
            Ok(()) => gone(remove_tree(root.as_fd(), &*trash)).map(|()| true),
            Err(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn directory(&self) -> io::Result<OwnedFd> {
        // Opened anew each time: a root that is moved away and restored is the restored one.
        Ok(fcntl::open(&self.path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
    }
}

impl HeldRoot {
    /// A room, or `None` where there is none of that name in the root.
    pub fn room(&self, name: &RoomName) -> io::Result<Option<RoomDir>> {
        let found = open_directory(self.directory.as_fd(), name.as_str());
        Ok(found?.map(|directory| RoomDir { directory }))
    }
}

impl RoomDir {
    /// The directory called `name` in it, or `None` where there is none.
    pub fn inner(&self, name: &str) -> io::Result<Option<RoomDir>> {
        Ok(open_directory(self.as_fd(), name)?.map(|directory| RoomDir { directory }))
    }

    /// Whether both are one directory.
    pub fn is_same(&self, other: &RoomDir) -> io::Result<bool> {
        let (one, other) = (stat::fstat(self)?, stat::fstat(other)?);
        Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
    }

    /// The directory, to keep it open for longer.
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(File::from(self.directory.try_clone()?))
    }

    /// The room's log, for reading; `None` where there is none yet. Fails on a log that is no
    /// regular file (a FIFO would never end).
    pub fn open_log(&self) -> io::Result<Option<File>> {
        self.open_file(LOG_NAME)
    }

    /// The room's log, for appending (and for reading what is there); made where there is none.
    pub fn open_log_for_append(&self) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_NONBLOCK;
        let mode = Mode::from_bits_truncate(0o664);
        match open_beneath(self.as_fd(), LOG_NAME, flags, Mode::empty()) {
            Err(Errno::ENOENT) => {}
            found => return regular(found?.into()),
        }
        let file = File::from(open_beneath(self.as_fd(), LOG_NAME, flags | OFlag::O_CREAT, mode)?);
        // Shells of the same group write here too, whatever this process's umask is.
        let _ = stat::fchmod(&file, mode);
        regular(file)
    }

    /// The log of a room that has none yet, for writing all that it begins with: unlike one that is open for appending,
    /// it can share the bytes of another file.
    pub fn create_log(&self) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let mode = Mode::from_bits_truncate(0o664);
        let file = File::from(open_beneath(self.as_fd(), LOG_NAME, flags, mode)?);
        let _ = stat::fchmod(&file, mode);
        Ok(file)
    }

    /// The regular file `name` in it, or `None` where there is none.
    pub fn open_file(&self, name: &str) -> io::Result<Option<File>> {
        match open_beneath(self.as_fd(), name, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty()) {
            Ok(file) => regular(file.into()).map(Some),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file `name` in it, or makes it: whoever opens it sees all of the old or all of the new. With
    /// `synced`, it is on disk before this returns.
    pub fn replace_file(&self, name: &str, bytes: &[u8], synced: bool) -> io::Result<()> {
        let new = format!("{name}.new");
        // A FIFO of that name would keep everybody waiting.
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mode = Mode::from_bits_truncate(0o664);
        let mut file = regular(open_beneath(self.as_fd(), &new, flags, mode)?.into())?;
        let _ = stat::fchmod(&file, mode);
        file.write_all(bytes)?;
        if synced {
            file.sync_all()?;
        }
        fcntl::renameat(self, new.as_str(), self, name)?;
        if synced { self.try_clone()?.sync_all() } else { Ok(()) }
    }

    /// Makes the file `name`, whole at once and on disk, which nobody but its owner can read.
    pub fn create_secret(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{name}.new");
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
        let mut file = File::from(open_beneath(self.as_fd(), &new, flags, SECRET)?);
        stat::fchmod(&file, SECRET)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fcntl::renameat(self, new.as_str(), self, name)?;
        self.try_clone()?.sync_all()
    }

    /// The file `name`, made empty where there is none, to lock it.
    pub fn open_for_locking(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_NONBLOCK;
        let mode = Mode::from_bits_truncate(0o660);
        regular(open_beneath(self.as_fd(), name, flags, mode)?.into())
    }

    /// Removes the file `name`, where there is one.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        match unistd::unlinkat(self, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory, opened anew, so that a lock on it is a lock of its own.
    pub fn reopen(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(fcntl::openat(self, ".", flags, Mode::empty())?.into())
    }

    /// The directory within this one called `name`, or `None` where there is none.
    pub fn open_directory(&self, name: &str) -> io::Result<Option<File>> {
        Ok(open_directory(self.as_fd(), name)?.map(File::from))
    }

    /// Renames the directory `from` of this room to `to`, which must not be there.
    pub fn put_in_place(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fcntl::renameat(self, from, self, to)?)
    }

    /// Makes the directory `name`. Says whether it is new.
    pub fn make_directory(&self, name: &str) -> io::Result<bool> {
        match stat::mkdirat(self, name, NEW_ROOM) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Renames the directory `from` of this room to `to` of another (or this). Says whether it
    /// could: not where something is called so there already.
    pub fn rename_directory(&self, from: &str, other: &RoomDir, to: &str) -> io::Result<bool> {
        // The new name is claimed by an empty directory, which a rename may replace: no moment in
        // which two could take it, and nothing is ever moved into an existing one.
        if !other.make_directory(to)? {
            return Ok(false);
        }
        fcntl::renameat(self, from, other, to).map(|()| true).map_err(|error| {
            let _ = unistd::unlinkat(other, to, UnlinkatFlags::RemoveDir);
            error.into()
        })
    }

    /// Removes the directory `name` where nothing is in it.
    pub fn remove_if_empty(&self, name: &str) -> io::Result<()> {
        match unistd::unlinkat(self, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EEXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the file or directory `name` and all that is in it. Says whether there was one.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match remove_tree(self.as_fd(), name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names of all that is in it, where they are text.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in list(self.as_fd(), ".")?.iter() {
            match entry?.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    /// The names of all directories (and, maybe, of links to some) in it that begin with a dot.
    pub fn dotted_directories(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in list(self.as_fd(), ".")?.iter() {
            let entry = entry?;
            let is_file = matches!(entry.file_type(), Some(Type::File | Type::Fifo | Type::Socket));
            if let Ok(name) = entry.file_name().to_str()
                && name.starts_with('.')
                && !is_file
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

impl AsFd for RoomDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

fn kept_name(name: &StreamName) -> String {
    format!("{KEPT_PREFIX}{}", name.directory())
}

/// Whether a file can't be opened for want of descriptors, of this process or of the machine: then nothing is known of
/// the file.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"))
}

fn list(parent: BorrowedFd<'_>, name: &(impl NixPath + ?Sized)) -> nix::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Dir::openat(parent, name, flags, Mode::empty())
}

fn open_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<Option<OwnedFd>> {
    match open_beneath(parent, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        // Not there, a file, or a link that leads out of the parent: no directory of ours.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens `name`, one component, in `parent`, and nothing outside of it.
fn open_beneath(parent: BorrowedFd<'_>, name: &str, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    #[cfg(target_os = "linux")]
    {
        use nix::fcntl::{OpenHow, ResolveFlag};
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        match fcntl::openat2(parent, name, OpenHow::new().flags(flags).mode(mode).resolve(resolve)) {
            // Older kernels don't have it and some sandboxes forbid it: then no link is followed.
            Err(Errno::ENOSYS | Errno::EPERM) => {}
            done => return done,
        }
    }
    fcntl::openat(parent, name, flags | OFlag::O_NOFOLLOW, mode)
}

/// Somebody else may remove the same.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn remove_tree(parent: BorrowedFd<'_>, name: &(impl NixPath + ?Sized)) -> io::Result<()> {
    match unistd::unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    let mut directory = list(parent, name)?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        names.push(entry?.file_name().to_owned());
    }
    for inner in names.iter().filter(|inner| !matches!(inner.to_bytes(), b"." | b"..")) {
        gone(remove_tree(directory.as_fd(), inner.as_c_str()))?;
    }
    gone(unistd::unlinkat(parent, name, UnlinkatFlags::RemoveDir).map_err(io::Error::from))
}
