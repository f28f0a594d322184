//! A line to a server that can go dead: bytes vanish, and neither side hears of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The line. It ends with its test.
pub struct Line {
    addr: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    to: SocketAddr,
    dead: AtomicBool,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    lost: Mutex<Vec<u8>>,
    carried: Mutex<Vec<u8>>,
}

impl Line {
    /// One to the server at this address.
    pub fn to(addr: SocketAddr) -> Line {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let own = listener.local_addr().expect("it has an address");
        let (dead, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let inner = Arc::new(Inner {
            to: addr,
            dead,
            over,
            open: Mutex::default(),
            lost: Mutex::default(),
            carried: Mutex::default(),
        });
        let accepting = inner.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connect(client);
            }
        });
        Line { addr: own, inner }
    }

    /// Where it begins.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on nothing comes through, and nothing is closed.
    pub fn cut(&self) {
        self.inner.dead.store(true, Ordering::SeqCst);
    }

    /// What vanished, of both sides.
    pub fn lost(&self) -> String {
        String::from_utf8_lossy(&self.inner.lost.lock().expect("no panic")).into_owned()
    }

    /// What came through since it was mended, or from the beginning, of both sides.
    pub fn carried(&self) -> String {
        String::from_utf8_lossy(&self.inner.carried.lock().expect("no panic")).into_owned()
    }

    /// New connections come through again; the old ones are closed.
    pub fn mend(&self) {
        self.inner.close();
        self.inner.carried.lock().expect("no panic").clear();
        self.inner.dead.store(false, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        // So that it sees that it is over.
        drop(TcpStream::connect(self.addr));
        self.inner.close();
    }
}

impl Inner {
    /// Where the server is not there, the client's connection ends at once.
    fn connect(self: &Arc<Inner>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.to) else { return };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
            let inner = self.clone();
            thread::spawn(move || inner.carry(from, to));
        }
        self.open.lock().expect("no panic").extend([client, server]);
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16_384];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if self.dead.load(Ordering::SeqCst) {
                self.lost.lock().expect("no panic").extend(&bytes[..count]);
                continue;
            }
            self.carried.lock().expect("no panic").extend(&bytes[..count]);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        if !self.dead.load(Ordering::SeqCst) {
            [from, to].iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
        }
    }

    fn close(&self) {
        for end in self.open.lock().expect("no panic").drain(..) {
            // The other side may have closed it.
            drop(end.shutdown(Shutdown::Both));
        }
    }
}
