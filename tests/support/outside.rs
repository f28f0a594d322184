//! A data root with something beside it that nobody may see or change.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is only said outside of the root.
pub const SECRET: &str = "SECRET-OF-ANOTHER-PLACE";

/// A root with the room `R`, and beside it `Outside`, which could be a room.
pub struct Walled {
    dir: TempDir,
    root: PathBuf,
    before: Vec<(String, Vec<u8>)>,
}

impl Walled {
    /// One.
    pub fn new() -> Walled {
        let dir = TempDir::with_prefix("walled-").expect("a temporary directory");
        let root = dir.path().join("root");
        let outside = dir.path().join("Outside");
        for made in [root.join("R"), outside.join(".al"), outside.join("deeper")] {
            fs::create_dir_all(made).expect("a directory");
        }
        fs::write(root.join("R/.log"), "").expect("a log");
        fs::write(outside.join(".log"), format!("[2026-01-31 08:00:00] al: {SECRET}\n")).expect("a log");
        fs::write(outside.join(".al/user.web_avatar"), "1").expect("an attribute");
        let sidecar = format!("{{\"generation\":1,\"content_type\":\"a/b; {SECRET}\"}}\n");
        fs::write(outside.join(".log.stream"), sidecar).expect("a sidecar");
        let mut walled = Walled { dir, root, before: Vec::new() };
        walled.before = snapshot(&walled.outside());
        walled
    }

    /// The data root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is beside it.
    pub fn outside(&self) -> PathBuf {
        self.dir.path().join("Outside")
    }

    /// What is in the root, sorted.
    pub fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.root).expect("the root can be read");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Panics where anything beside the root is not as it was.
    pub fn assert_untouched(&self) {
        assert_eq!(snapshot(&self.outside()), self.before, "what is outside of the root was changed");
        let entries = fs::read_dir(self.dir.path()).expect("it can be read");
        assert_eq!(entries.count(), 2, "something came to be beside the root");
    }
}

/// All that is below a directory: paths, and what is in files and extended attributes.
pub fn snapshot(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir).expect("it can be read").map(|entry| entry.expect("it can be read").path()).collect();
    entries.sort();
    for path in entries {
        let mut content: Vec<u8> = xattr::list(&path)
            .into_iter()
            .flatten()
            .flat_map(|name| {
                [name.as_bytes(), b"=", &xattr::get(&path, &name).ok().flatten().unwrap_or_default()].concat()
            })
            .collect();
        let is_dir = path.symlink_metadata().expect("it is there").is_dir();
        if !is_dir {
            content.extend(fs::read(&path).unwrap_or_default());
        }
        found.push((path.display().to_string(), content));
        if is_dir {
            found.extend(snapshot(&path));
        }
    }
    found
}
