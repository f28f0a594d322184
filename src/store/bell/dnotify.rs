//! dnotify, the elder of inotify: a signal when something changes in a directory that is held open.
//! It needs no instance, of which a user has but 128. The signals are blocked and read from a
//! descriptor, and however many changes there are, one of each kind waits.
//!
//! It sees what inotify sees, but for what becomes of the watched directory itself: that is seen
//! from the one it is in, and a data root is in none that is watched.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;

// The kernel's numbers, from its linux/fcntl.h; libc has none of them.
const F_SETSIG: c_int = 10;
const DN_MODIFY: u32 = 0x2;
const DN_CREATE: u32 = 0x4;
const DN_DELETE: u32 = 0x8;
const DN_RENAME: u32 = 0x10;
const DN_ATTRIB: u32 = 0x20;
const DN_MULTISHOT: u32 = 0x8000_0000;

const CHANGES: u32 = DN_MODIFY | DN_CREATE | DN_DELETE | DN_RENAME | DN_ATTRIB | DN_MULTISHOT;

/// Two kinds of directories to tell apart when one changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The data root, or a room.
    Folder,
    /// An avatar.
    Avatar,
}

/// Where the signals of this process come out.
#[derive(Debug)]
pub(super) struct Dnotify {
    signals: SignalFd,
}

impl Kind {
    /// Neither signal does anything else: nobody else sends the one, and the other is ignored.
    fn signal(self) -> Signal {
        match self {
            Kind::Folder => Signal::SIGIO,
            Kind::Avatar => Signal::SIGURG,
        }
    }
}

impl Dnotify {
    /// Blocks the signals in this thread, which must be the only one.
    pub(super) fn open() -> nix::Result<Dnotify> {
        let mut both = SigSet::empty();
        both.add(Kind::Folder.signal());
        both.add(Kind::Avatar.signal());
        both.thread_block()?;
        let signals = SignalFd::with_flags(&both, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Dnotify { signals })
    }

    /// Watches the directory at `path` until what is returned is dropped.
    pub(super) fn watch(&self, path: &Path, kind: Kind) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = fcntl::open(path, flags, Mode::empty())?;
        control(directory.as_fd(), F_SETSIG, kind.signal() as c_int)?;
        control(directory.as_fd(), libc::F_NOTIFY, CHANGES.cast_signed())?;
        Ok(directory)
    }

    /// Which kinds had changes since the last call.
    pub(super) fn changed(&self) -> nix::Result<Vec<Kind>> {
        let mut kinds = Vec::new();
        while let Some(signal) = self.signals.read_signal()? {
            kinds.extend([Kind::Folder, Kind::Avatar].iter().filter(|kind| signal.ssi_signo == kind.signal() as u32));
        }
        Ok(kinds)
    }
}

impl AsFd for Dnotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

#[expect(unsafe_code, reason = "no library has a safe F_NOTIFY or F_SETSIG")]
fn control(directory: BorrowedFd<'_>, command: c_int, argument: c_int) -> nix::Result<()> {
    // SAFETY: both commands take a number, so no memory is touched, and the descriptor is open
    // while it is borrowed.
    Errno::result(unsafe { libc::fcntl(directory.as_raw_fd(), command, argument) }).map(drop)
}
