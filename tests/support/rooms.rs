//! A data root of a test's own, changed as shells change it.

use super::process::tool;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A temporary directory of rooms.
pub struct Rooms {
    root: PathBuf,
    _dir: Option<TempDir>,
}

impl Rooms {
    /// A copy of `chatrooms-example`, as it was committed.
    pub fn example() -> Rooms {
        let rooms = Rooms::empty();
        copy(example(), rooms.root());
        rooms
    }

    /// A root without any room.
    pub fn empty() -> Rooms {
        let dir = TempDir::with_prefix("chatrooms-").expect("a temporary directory");
        Rooms { root: dir.path().to_owned(), _dir: Some(dir) }
    }

    /// A root that is there, and stays.
    pub fn at(root: PathBuf) -> Rooms {
        Rooms { root, _dir: None }
    }

    /// The data root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a room, whether it is there or not.
    pub fn room(&self, room: &str) -> PathBuf {
        self.root().join(room)
    }

    /// The log file of a room, whether it is there or not.
    pub fn log_path(&self, room: &str) -> PathBuf {
        self.room(room).join(".log")
    }

    /// Makes a room with an empty log.
    pub fn create(&self, room: &str) -> &Self {
        self.make_dir(&self.room(room));
        self.append(room, b"")
    }

    /// `rm -r ROOM`.
    pub fn remove(&self, room: &str) -> &Self {
        fs::remove_dir_all(self.room(room)).expect("the room can be removed");
        self
    }

    /// `printf … >> ROOM/.log`: one write at the end, whatever the bytes.
    pub fn append(&self, room: &str, bytes: &[u8]) -> &Self {
        self.open(room).write_all(bytes).expect("the log takes it");
        self
    }

    /// The log opened as `>>` does, for writing a line in parts.
    pub fn open(&self, room: &str) -> File {
        let path = self.log_path(room);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Appends `[2026-01-31 12:00:00] NAME: TEXT` and the line's end; returns the line without that.
    pub fn line(&self, room: &str, name: &str, text: &str) -> String {
        self.line_at(room, "2026-01-31 12:00:00", name, text)
    }

    /// Appends a line of the given time; returns it without its end.
    pub fn line_at(&self, room: &str, time: &str, name: &str, text: &str) -> String {
        let line = format!("[{time}] {name}: {text}");
        self.append(room, format!("{line}\n").as_bytes());
        line
    }

    /// All bytes of the log.
    pub fn log(&self, room: &str) -> Vec<u8> {
        let path = self.log_path(room);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Replaces the log's bytes in place, as `> .log` does: same file, new content.
    pub fn rewrite(&self, room: &str, bytes: &[u8]) -> &Self {
        fs::write(self.log_path(room), bytes).expect("the log takes it");
        self
    }

    /// Puts another file in the log's place, as `sed -i` does.
    pub fn replace(&self, room: &str, bytes: &[u8]) -> &Self {
        let new = self.room(room).join(".log.new");
        fs::write(&new, bytes).expect("the new log is written");
        fs::rename(new, self.log_path(room)).expect("the new log takes the old one's place");
        self
    }

    /// The directory of an avatar, whether it is there or not.
    pub fn avatar_path(&self, room: &str, name: &str) -> PathBuf {
        self.room(room).join(format!(".{name}"))
    }

    /// `mkdir ROOM/.NAME`: an avatar as a shell makes it.
    pub fn avatar(&self, room: &str, name: &str) -> &Self {
        self.make_dir(&self.avatar_path(room, name));
        self
    }

    /// Gives an avatar an attribute, as a file in its directory.
    pub fn attribute(&self, room: &str, name: &str, attribute: &str, value: &str) -> &Self {
        let file = self.avatar_path(room, name).join(format!("user.{attribute}"));
        fs::write(file, value).expect("the attribute is written");
        self
    }

    /// `rm -r ROOM/.NAME`.
    pub fn remove_avatar(&self, room: &str, name: &str) -> &Self {
        fs::remove_dir_all(self.avatar_path(room, name)).expect("the avatar can be removed");
        self
    }

    /// The avatars of a room, sorted.
    pub fn avatars(&self, room: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.room(room))
            .expect("the room can be read")
            .map(|entry| entry.expect("the room can be read"))
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix('.')?.to_owned()))
            .collect();
        names.sort();
        names
    }

    fn make_dir(&self, path: &Path) {
        fs::create_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The example without what was said in it since: whoever tries it out writes into its logs. Git has it, as of what is
/// staged; without git, it is taken as it is.
fn example() -> &'static Path {
    static PRISTINE: OnceLock<PathBuf> = OnceLock::new();
    PRISTINE.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !here.join(".git").exists() {
            return here.join("chatrooms-example");
        }
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example");
        let _ = fs::remove_dir_all(&dir);
        let script = "git -c safe.directory='*' ls-files -z chatrooms-example \
                      | git -c safe.directory='*' checkout-index -z -f --stdin --prefix=\"$0/\"";
        let status = tool("sh").args(["-c", script]).arg(&dir).current_dir(here).status();
        assert!(status.expect("a shell").success(), "git has no chatrooms-example");
        dir.join("chatrooms-example")
    })
}

fn copy(from: &Path, to: &Path) {
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("the example can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("the copy can be made");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("the copy can be made");
        }
    }
}
