//! The file system itself, without any kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io,
};

use crate::random::Random;

/// What is left of what was not synced when the power went. Both happen to disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    All,
    /// Of each file and folder some first part of its changes; the last of these may be cut short anywhere.
    Some,
}

/// Folders and files, as they are and as they would be after the power went.
#[derive(Debug)]
pub struct Disk {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    /// Changes that were lost so far.
    lost: u64,
}

#[derive(Debug)]
enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Debug, Default)]
struct File {
    now: Octets,
    durable: Octets,
    /// What lies between the two, oldest first.
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug, Default)]
struct Folder {
    now: Names,
    durable: Names,
    /// Each happens at once: a rename is two of them.
    pending: Vec<Vec<(OsString, Option<u64>)>>,
}

type Names = BTreeMap<OsString, u64>;

/// Octets with holes: where there is no page there are zeros.
#[derive(Clone, Debug, Default)]
struct Octets {
    length: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

/// What a node is, as [`Disk::node`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) is_folder: bool,
    pub(super) length: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::Folder(Folder::default()))]), next: ROOT + 1, lost: 0 }
    }
}

impl Disk {
    /// The power goes, and comes back.
    pub fn lose(&mut self, loss: Loss, random: &mut Random) {
        for node in self.nodes.values_mut() {
            self.lost += match node {
                Node::File(file) => file.lose(loss, random),
                Node::Folder(folder) => folder.lose(loss, random),
            };
        }
        self.collect();
    }

    /// How many changes were lost so far.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Forgets what no name leads to.
    fn collect(&mut self) {
        let (mut reached, mut ahead) = (BTreeSet::new(), vec![ROOT]);
        while let Some(number) = ahead.pop() {
            if reached.insert(number)
                && let Some(Node::Folder(folder)) = self.nodes.get(&number)
            {
                ahead.extend(folder.now.values());
            }
        }
        self.nodes.retain(|number, _| reached.contains(number));
    }

    pub(super) fn node(&self, number: u64) -> io::Result<Kind> {
        match self.nodes.get(&number).ok_or(io::ErrorKind::NotFound)? {
            Node::File(file) => Ok(Kind { is_folder: false, length: file.now.length }),
            Node::Folder(_) => Ok(Kind { is_folder: true, length: 0 }),
        }
    }

    pub(super) fn lookup(&self, parent: u64, name: &OsStr) -> io::Result<u64> {
        self.names(parent)?.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn list(&self, number: u64) -> io::Result<Vec<(OsString, u64)>> {
        Ok(self.names(number)?.iter().map(|(name, number)| (name.clone(), *number)).collect())
    }

    pub(super) fn make(&mut self, parent: u64, name: &OsStr, folder: bool) -> io::Result<u64> {
        if self.names(parent)?.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = self.next;
        self.next += 1;
        let node = if folder { Node::Folder(Folder::default()) } else { Node::File(File::default()) };
        self.nodes.insert(number, node);
        self.folder(parent)?.change(vec![(name.to_owned(), Some(number))]);
        Ok(number)
    }

    /// The node stays for whoever has it open.
    pub(super) fn remove(&mut self, parent: u64, name: &OsStr, folder: bool) -> io::Result<()> {
        let number = self.lookup(parent, name)?;
        if folder != self.node(number)?.is_folder {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if folder && !self.names(number)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.folder(parent)?.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    /// Takes the place of what has the name. Between two folders it is two changes, of which one may be lost.
    pub(super) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> io::Result<()> {
        let number = self.lookup(from.0, from.1)?;
        let (gone, come) = ((from.1.to_owned(), None), (to.1.to_owned(), Some(number)));
        if from.0 == to.0 {
            self.folder(from.0)?.change(vec![gone, come]);
        } else {
            self.folder(to.0)?.change(vec![come]);
            self.folder(from.0)?.change(vec![gone]);
        }
        Ok(())
    }

    pub(super) fn read(&self, number: u64, at: u64, octets: usize) -> io::Result<Vec<u8>> {
        match self.nodes.get(&number) {
            Some(Node::File(file)) => Ok(file.now.read(at, octets)),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn write(&mut self, number: u64, at: u64, octets: &[u8]) -> io::Result<()> {
        self.file(number)?.change(Change::Write(at, octets.to_vec()));
        Ok(())
    }

    pub(super) fn set_length(&mut self, number: u64, length: u64) -> io::Result<()> {
        self.file(number)?.change(Change::Length(length));
        Ok(())
    }

    /// The `fsync` of a file or folder.
    pub(super) fn sync(&mut self, number: u64) -> io::Result<()> {
        self.nodes.get_mut(&number).ok_or(io::ErrorKind::NotFound)?.sync();
        Ok(())
    }

    fn names(&self, number: u64) -> io::Result<&Names> {
        match self.nodes.get(&number) {
            Some(Node::Folder(folder)) => Ok(&folder.now),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn folder(&mut self, number: u64) -> io::Result<&mut Folder> {
        match self.nodes.get_mut(&number) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn file(&mut self, number: u64) -> io::Result<&mut File> {
        match self.nodes.get_mut(&number) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Node {
    fn sync(&mut self) {
        match self {
            Self::File(file) => {
                for change in file.pending.drain(..) {
                    file.durable.apply(&change);
                }
            }
            Self::Folder(folder) => {
                folder.durable.clone_from(&folder.now);
                folder.pending.clear();
            }
        }
    }
}

impl File {
    fn change(&mut self, change: Change) {
        self.now.apply(&change);
        self.pending.push(change);
    }

    /// How many changes were lost.
    fn lose(&mut self, loss: Loss, random: &mut Random) -> u64 {
        let mut pending = std::mem::take(&mut self.pending).into_iter();
        let survive = survivors(loss, pending.len(), random);
        for change in pending.by_ref().take(survive) {
            self.durable.apply(&change);
        }
        let lost = u64::try_from(pending.len()).unwrap_or(u64::MAX);
        if let (Loss::Some, Some(Change::Write(at, mut octets))) = (loss, pending.next()) {
            octets.truncate(random.index(octets.len()));
            self.durable.apply(&Change::Write(at, octets));
        }
        self.now = self.durable.clone();
        lost
    }
}

impl Folder {
    fn change(&mut self, change: Vec<(OsString, Option<u64>)>) {
        apply(&mut self.now, &change);
        self.pending.push(change);
    }

    fn lose(&mut self, loss: Loss, random: &mut Random) -> u64 {
        let pending = std::mem::take(&mut self.pending);
        let survive = survivors(loss, pending.len(), random);
        for change in pending.iter().take(survive) {
            apply(&mut self.durable, change);
        }
        self.now = self.durable.clone();
        u64::try_from(pending.len() - survive).unwrap_or(u64::MAX)
    }
}

/// How many of so many changes survive.
fn survivors(loss: Loss, of: usize, random: &mut Random) -> usize {
    match loss {
        Loss::All => 0,
        Loss::Some => random.index(of + 1),
    }
}

fn apply(names: &mut Names, change: &[(OsString, Option<u64>)]) {
    for (name, number) in change {
        match number {
            Some(number) => names.insert(name.clone(), *number),
            None => names.remove(name),
        };
    }
}

impl Octets {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(at, octets) => self.write(*at, octets),
            Change::Length(length) => self.set_length(*length),
        }
    }

    fn write(&mut self, mut at: u64, mut octets: &[u8]) {
        while !octets.is_empty() {
            let (page, from) = (at / PAGE, index(at % PAGE));
            let here = octets.len().min(index(PAGE) - from);
            let (now, rest) = octets.split_at(here);
            let held = self.pages.entry(page).or_insert_with(|| vec![0; index(PAGE)]);
            if let Some(place) = held.get_mut(from..from + here) {
                place.copy_from_slice(now);
            }
            octets = rest;
            at += u64::try_from(here).unwrap_or(0);
        }
        self.length = self.length.max(at);
    }

    fn set_length(&mut self, length: u64) {
        if length < self.length {
            // What lies beyond must be zeros if the file grows again.
            self.pages.retain(|page, _| page * PAGE < length);
            if let Some(last) = self.pages.get_mut(&(length / PAGE))
                && let Some(beyond) = last.get_mut(index(length % PAGE)..)
            {
                beyond.fill(0);
            }
        }
        self.length = length;
    }

    fn read(&self, at: u64, octets: usize) -> Vec<u8> {
        let end = self.length.min(at.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX)));
        let (mut read, mut at) = (Vec::new(), at);
        while at < end {
            let (page, from) = (at / PAGE, index(at % PAGE));
            let here = index((end - at).min(PAGE - at % PAGE));
            match self.pages.get(&page).and_then(|held| held.get(from..from + here)) {
                Some(held) => read.extend_from_slice(held),
                None => read.resize(read.len() + here, 0),
            }
            at += u64::try_from(here).unwrap_or(u64::MAX);
        }
        read
    }
}

/// Of what is within a page, or was asked for: it fits.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The number of the folder that all others are in, as FUSE has it.
pub(super) const ROOT: u64 = 1;
const PAGE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn a_file_is_there_if_it_and_its_folder_were_synced() {
        for (file, folder, there) in [(true, true, true), (true, false, false), (false, true, true)] {
            let mut disk = Disk::default();
            let number = disk.make(ROOT, name("file"), false).unwrap();
            disk.write(number, 5000, b"octets").unwrap();
            for (_, number) in [(file, number), (folder, ROOT)].iter().filter(|(sync, _)| *sync) {
                disk.sync(*number).unwrap();
            }
            disk.lose(Loss::All, &mut Random::new(1));
            assert_eq!(disk.lookup(ROOT, name("file")).is_ok(), there);
            if there {
                let octets = disk.read(number, 4998, 100).unwrap();
                assert_eq!(octets, if file { &b"\0\0octets"[..] } else { b"" });
            }
        }
    }

    #[test]
    fn what_survives_in_part_is_a_first_part() {
        let mut lengths = BTreeSet::new();
        for seed in 0..200 {
            let mut disk = Disk::default();
            let number = disk.make(ROOT, name("file"), false).unwrap();
            disk.sync(ROOT).unwrap();
            disk.write(number, 0, b"abc").unwrap();
            disk.sync(number).unwrap();
            disk.write(number, 3, b"def").unwrap();
            disk.write(number, 6, b"ghi").unwrap();
            disk.lose(Loss::Some, &mut Random::new(seed));
            let octets = disk.read(number, 0, 100).unwrap();
            assert!(b"abcdefghi".starts_with(&octets));
            lengths.insert(octets.len());
        }
        assert_eq!(lengths, (3..=9).collect());
    }

    #[test]
    fn a_rename_happens_at_once_or_not_at_all() {
        for seed in 0..50 {
            let mut disk = Disk::default();
            let number = disk.make(ROOT, name("draft"), false).unwrap();
            disk.sync(ROOT).unwrap();
            disk.rename((ROOT, name("draft")), (ROOT, name("whole"))).unwrap();
            disk.lose(Loss::Some, &mut Random::new(seed));
            let names = disk.list(ROOT).unwrap();
            assert!(matches!(&names[..], [(_, of)] if *of == number), "{names:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_and_grows_again_has_zeros() {
        let mut disk = Disk::default();
        let number = disk.make(ROOT, name("file"), false).unwrap();
        disk.write(number, 0, &[7; 9000]).unwrap();
        disk.set_length(number, 10).unwrap();
        disk.set_length(number, 9000).unwrap();
        let octets = disk.read(number, 0, 9000).unwrap();
        assert_eq!((octets.len(), octets.iter().filter(|octet| **octet == 7).count()), (9000, 10));
    }
}
