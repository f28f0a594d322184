//! How many streams there may be: in all, in one room, for one client. Who was let in holds a [`Slot`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::STREAMS_DEFAULT;
use crate::live::feed::Topic;
use crate::live::registry::Key;

/// How many streams a process serves at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In all.
    pub all: usize,
    /// Of one room; `None` is as many as in all.
    pub room: Option<usize>,
    /// To one client; `None` is as many as in all.
    pub client: Option<usize>,
}

/// Which bound leaves no room for another stream, and how many it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// That on all streams.
    All(usize),
    /// That on a room's.
    Room(usize),
    /// That on a client's.
    Client(usize),
}

/// Whose stream it is, as far as limits go: an IPv4 address, or the network of an IPv6 address (its
/// first 64 bits), of which one machine has as many addresses as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(NonZeroU64);

/// Lets streams in, and counts them.
#[derive(Debug)]
pub struct Admission {
    bounds: Bounds,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    topics: HashMap<Arc<Key>, usize>,
    clients: HashMap<Client, usize>,
}

/// One stream's place among the streams that a process serves; free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    admission: Arc<Admission>,
    key: Arc<Key>,
    client: Option<Client>,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { all: STREAMS_DEFAULT, room: None, client: None }
    }
}

impl Client {
    /// The client at this address; `None` for the address of nobody.
    pub fn at(address: IpAddr) -> Option<Client> {
        let number = match address.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        NonZeroU64::new(number).map(Client)
    }
}

impl Admission {
    /// Admission within `bounds`.
    pub fn new(bounds: Bounds) -> Arc<Admission> {
        Arc::new(Admission { bounds, taken: Mutex::default() })
    }

    /// A place for one more stream about `key`; where there is none, why.
    pub fn admit(self: &Arc<Self>, key: &Key, client: Option<Client>) -> Result<Slot, Full> {
        let mut taken = self.lock();
        if taken.all >= self.bounds.all {
            return Err(Full::All(self.bounds.all));
        }
        let full = |bound: Option<usize>, count: Option<&usize>| {
            bound.filter(|bound| count.copied().unwrap_or_default() >= *bound)
        };
        let is_room = matches!(key.1, Topic::Room(_) | Topic::Stream(_));
        if let Some(bound) = full(self.bounds.room.filter(|_| is_room), taken.topics.get(key)) {
            return Err(Full::Room(bound));
        }
        if let Some(bound) = client.and_then(|client| full(self.bounds.client, taken.clients.get(&client))) {
            return Err(Full::Client(bound));
        }
        taken.all += 1;
        if let Some(client) = client {
            *taken.clients.entry(client).or_default() += 1;
        }
        // All streams of a topic share one key.
        let known = taken.topics.get_key_value(key).map(|(known, _)| known.clone());
        let key = known.unwrap_or_else(|| Arc::new(key.clone()));
        *taken.topics.entry(key.clone()).or_default() += 1;
        Ok(Slot { admission: self.clone(), key, client })
    }

    /// How many streams there may be.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// How many streams there are.
    pub fn count(&self) -> usize {
        self.lock().all
    }

    /// How many rooms have streams.
    pub fn rooms(&self) -> usize {
        self.lock().topics.keys().filter(|key| matches!(key.1, Topic::Room(_) | Topic::Stream(_))).count()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// What the stream is about.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.admission.lock();
        taken.all -= 1;
        release(&mut taken.topics, self.key.clone());
        if let Some(client) = self.client {
            release(&mut taken.clients, client);
        }
    }
}

fn release<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::name::RoomName;
    use crate::store::root::DataRoot;

    #[test]
    fn each_bound_holds_by_itself_and_places_come_back() {
        let root = Arc::new(DataRoot::open(&std::env::temp_dir()).unwrap());
        let about = |name: &str| (root.clone(), Topic::Room(RoomName::parse(name).unwrap()));
        let client = |text: &str| Client::at(text.parse().unwrap());
        let admission = Admission::new(Bounds { all: 6, room: Some(2), client: Some(3) });

        let a = client("192.0.2.1");
        let first = admission.admit(&about("A"), a).unwrap();
        let _second = admission.admit(&about("A"), client("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(&about("A"), None).unwrap_err(), Full::Room(2));
        let _third = admission.admit(&about("B"), a).unwrap();
        let _fourth = admission.admit(&(root.clone(), Topic::Rooms), a).unwrap();
        assert_eq!(admission.admit(&about("B"), client("::ffff:192.0.2.1")).unwrap_err(), Full::Client(3));
        drop(first);
        let _again = admission.admit(&about("A"), a).unwrap();

        let _unknown = [admission.admit(&about("C"), None).unwrap(), admission.admit(&about("C"), None).unwrap()];
        assert_eq!(admission.admit(&about("D"), None).unwrap_err(), Full::All(6));
        assert_eq!((admission.count(), admission.rooms()), (6, 3));
    }

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("0.0.0.0"), None);
    }
}
