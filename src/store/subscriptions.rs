//! Subscriptions on disk: a file each in `.ds/`, read whole and replaced whole under a lock; beside them the key that
//! signs for them, and the file whose lock says which process delivers.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::limits::{SUBSCRIPTION_ID_MAX_BYTES, SUBSCRIPTION_MAX_BYTES};
use crate::room::subscription::Subscription;
use crate::store::root::{DataRoot, RoomDir};

/// What the names of subscriptions' files end with.
const SUFFIX: &str = ".subscription";

/// The private key, a JWK (RFC 8037).
const KEY_NAME: &str = "signing-key.jwk";

/// Who has locked it delivers.
const DELIVERER_NAME: &str = "deliverer.lock";

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// The subscriptions of a data root.
#[derive(Debug)]
pub struct Subscriptions {
    directory: RoomDir,
}

/// They, while nobody else changes them.
#[derive(Debug)]
pub struct Locked<'a> {
    subscriptions: &'a Subscriptions,
    _lock: File,
}

/// What says that a subscription's file is another: which file it is, and when it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64, i64, i64);

/// Why a subscription can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The file can't be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// It is there, and is something else.
    #[error("{name}: {why}")]
    Unreadable {
        /// The file, in the data root.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Subscriptions {
    /// Those of this data root; `None` where it never had any.
    pub fn open(root: &DataRoot) -> io::Result<Option<Subscriptions>> {
        Ok(root.service()?.map(|directory| Subscriptions { directory }))
    }

    /// The same, with a place for them where there is none.
    pub fn open_or_create(root: &DataRoot) -> io::Result<Subscriptions> {
        Ok(Subscriptions { directory: root.create_service()? })
    }

    /// Waits until nobody else changes them.
    pub fn lock(&self) -> io::Result<Locked<'_>> {
        let lock = self.directory.reopen()?;
        lock.lock()?;
        Ok(Locked { subscriptions: self, _lock: lock })
    }

    /// The subscription called `id`; `None` where there is none.
    pub fn read(&self, id: &str) -> Result<Option<Subscription>, SubscriptionError> {
        let Some(name) = file_name(id) else { return Ok(None) };
        let Some(file) = self.directory.open_file(&name)? else { return Ok(None) };
        let unreadable =
            |why: String| SubscriptionError::Unreadable { name: format!("{}/{name}", DataRoot::SERVICE), why };
        let mut bytes = Vec::new();
        file.take(SUBSCRIPTION_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SUBSCRIPTION_MAX_BYTES {
            return Err(unreadable(format!("it is larger than {SUBSCRIPTION_MAX_BYTES} bytes")));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string()))
    }

    /// The names of all there are, and what says that one changed.
    pub fn list(&self) -> io::Result<Vec<(String, Stamp)>> {
        let mut found = Vec::new();
        for name in self.directory.names()? {
            let Some(id) = name.strip_suffix(SUFFIX).and_then(|id| percent_decode_str(id).decode_utf8().ok()) else {
                continue;
            };
            // Between the list and the look it may have gone.
            if let Some(file) = self.directory.open_file(&name)? {
                let meta = file.metadata()?;
                let stamp = Stamp(meta.ino(), meta.ctime(), meta.ctime_nsec());
                found.push((id.into_owned(), stamp));
            }
        }
        Ok(found)
    }

    /// The private key; made by `make` where there is none yet. Nobody but this user can read the file.
    pub fn key(&self, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
        let _locked = self.lock()?;
        if let Some(mut file) = self.directory.open_file(KEY_NAME)? {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        let bytes = make()?;
        self.directory.create_secret(KEY_NAME, &bytes)?;
        Ok(bytes)
    }

    /// Makes this process the one that delivers, for as long as the file is open; `None` where another does.
    pub fn deliver(&self) -> io::Result<Option<File>> {
        let file = self.directory.open_for_locking(DELIVERER_NAME)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Locked<'_> {
    /// The subscription called `id`; `None` where there is none.
    pub fn read(&self, id: &str) -> Result<Option<Subscription>, SubscriptionError> {
        self.subscriptions.read(id)
    }

    /// How many there are.
    pub fn count(&self) -> io::Result<usize> {
        Ok(self.subscriptions.directory.names()?.iter().filter(|name| name.ends_with(SUFFIX)).count())
    }

    /// Puts `subscription` in the place of the one that is called so. With `synced`, it is on disk before this returns.
    pub fn write(&self, subscription: &Subscription, synced: bool) -> io::Result<()> {
        let name = file_name(&subscription.id).ok_or(io::ErrorKind::InvalidFilename)?;
        self.subscriptions.directory.replace_file(&name, &serde_json::to_vec(subscription)?, synced)
    }

    /// Removes the subscription called `id`.
    pub fn remove(&self, id: &str) -> io::Result<()> {
        match file_name(id) {
            Some(name) => self.subscriptions.directory.remove_file(&name),
            None => Ok(()),
        }
    }
}

/// The file of the subscription called `id`; `None` where none can be called so.
fn file_name(id: &str) -> Option<String> {
    let name = utf8_percent_encode(id, ENCODED).to_string();
    (1..=SUBSCRIPTION_ID_MAX_BYTES).contains(&name.len()).then_some(name + SUFFIX)
}

/// Whether a subscription can be called so.
pub fn is_id(id: &str) -> bool {
    file_name(id).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::subscription::{Asked, Way};
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    fn subscription(id: &str) -> Subscription {
        let way = Way::PullWake("wake".into());
        let asked = Asked { way, pattern: Some("*".into()), streams: [].into(), lease_ttl_ms: 1, description: None };
        let links = BTreeMap::new();
        Subscription { id: id.into(), created: 1, asked, base: String::new(), links, generation: 0, wake: None }
    }

    #[test]
    fn any_name_is_a_file_of_its_own_and_the_key_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::open(dir.path()).unwrap();
        assert!(Subscriptions::open(&root).unwrap().is_none());
        let all = Subscriptions::open_or_create(&root).unwrap();
        let locked = all.lock().unwrap();
        for id in ["a", "..", "é.subscription", "signing-key"] {
            assert_eq!(locked.read(id).unwrap(), None);
            locked.write(&subscription(id), false).unwrap();
            assert_eq!(locked.read(id).unwrap(), Some(subscription(id)));
        }
        assert_eq!(locked.count().unwrap(), 4);
        locked.remove("..").unwrap();
        locked.remove("..").unwrap();
        let mut names: Vec<_> = all.list().unwrap().into_iter().map(|(id, _)| id).collect();
        names.sort();
        assert_eq!(names, ["a", "signing-key", "é.subscription"]);
        drop(locked);
        assert_eq!(all.key(|| Ok(b"secret".to_vec())).unwrap(), b"secret");
        assert_eq!(all.key(|| Ok(b"another".to_vec())).unwrap(), b"secret");
        let mode = dir.path().join(".ds").join(KEY_NAME).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(root.rooms().unwrap(), []);
    }

    #[test]
    fn one_process_delivers() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::open(dir.path()).unwrap();
        let all = Subscriptions::open_or_create(&root).unwrap();
        let delivers = all.deliver().unwrap().unwrap();
        assert!(all.deliver().unwrap().is_none());
        drop(delivers);
        assert!(all.deliver().unwrap().is_some());
    }

    #[test]
    fn what_is_no_subscription_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::open(dir.path()).unwrap();
        let all = Subscriptions::open_or_create(&root).unwrap();
        std::fs::write(dir.path().join(".ds/a.subscription"), "{").unwrap();
        let error = all.read("a").unwrap_err().to_string();
        assert!(error.contains(".ds/a.subscription"), "{error}");
    }
}
