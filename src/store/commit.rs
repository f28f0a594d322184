//! Putting lines on disk, many at a time: while the disk is busy with some, others gather, and one `fdatasync` is for
//! all of them.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::store::append::Appended;

/// Told when a line is on disk, or why it may not be.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A thread that waits for the disk. It ends with its last line after this is dropped.
#[derive(Debug)]
pub struct Committer {
    queue: Sender<(Appended, Done)>,
}

impl Committer {
    /// Starts one.
    pub fn start() -> io::Result<Committer> {
        let (queue, lines) = channel();
        thread::Builder::new().name("commit".into()).spawn(move || run(&lines))?;
        Ok(Committer { queue })
    }

    /// Puts a line on disk, and then calls `done`.
    pub fn commit(&self, line: Appended, done: Done) {
        if let Err(lost) = self.queue.send((line, done)) {
            (lost.0.1)(Err(io::ErrorKind::BrokenPipe.into()));
        }
    }
}

fn run(lines: &Receiver<(Appended, Done)>) {
    while let Ok(first) = lines.recv() {
        // Lines of one file together. The first of a new file also puts its name on disk, so it is not left to others.
        let mut files: HashMap<(u64, bool), Vec<(Appended, Done)>> = HashMap::new();
        for (line, done) in std::iter::once(first).chain(lines.try_iter()) {
            files.entry((line.identity(), line.is_first())).or_default().push((line, done));
        }
        for gathered in files.into_values() {
            let synced = gathered[0].0.sync().map_err(|error| error.kind());
            for (_, done) in gathered {
                done(synced.map_err(io::Error::from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::name::RoomName;
    use crate::store::append::append;
    use crate::store::root::DataRoot;

    #[test]
    fn every_line_is_told_of_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::open(dir.path()).unwrap();
        let committer = Committer::start().unwrap();
        let (told, hears) = channel();
        for n in 0..100 {
            let name = RoomName::parse(["A", "B"][n % 2]).unwrap();
            root.create_room(&name).unwrap();
            let line = append(&root.room(&name).unwrap().unwrap(), format!("{n}\n").as_bytes()).unwrap();
            let told = told.clone();
            committer.commit(line, Box::new(move |done| told.send((n, done.is_ok())).unwrap()));
        }
        drop((told, committer));
        let mut heard: Vec<(usize, bool)> = hears.iter().collect();
        heard.sort_unstable();
        assert_eq!(heard, (0..100).map(|n| (n, true)).collect::<Vec<_>>());
    }
}
