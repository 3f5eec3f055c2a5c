//! A disk in memory that loses and tears writes: an octet log as a write-ahead log is, and the maps it amounts to. After a
//! mishap it takes nothing until it is opened again ([`Engine::reopen`]), by whatever process.

use std::{
    collections::BTreeMap,
    fmt, mem,
    ops::{Bound, ControlFlow},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{Engine, EngineError, EngineSnapshot, Keyspace, Span, Visit, Write};
use crate::OpenError;

/// What befalls one commit. All of them fail it; what they leave differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The disk refused before anything was written.
    Refused,
    /// Power went when so many octets were on the disk, at most all but one: the batch is lost.
    Torn(usize),
    /// All is durable, and the caller does not know.
    Unanswered,
}

/// A handle of the disk: clones share it, so that a test can hold one while the store owns another.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    /// Batches, each a frame: length, checksum, writes.
    log: Vec<u8>,
    /// What the log amounts to.
    maps: BTreeMap<(Keyspace, Vec<u8>), Bytes>,
    mishap: Option<Mishap>,
    /// A commit has failed: what is at the end of the log is known when it is opened again.
    failed: bool,
    commits: u64,
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next commit meets with this; `None` calls it off.
    pub fn arrange(&self, mishap: impl Into<Option<Mishap>>) {
        self.lock().mishap = mishap.into();
    }

    /// How many commits there have been, failed ones included.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Overwrites every value of a keyspace as `damage` does, behind the back of all checks.
    pub fn damage(&self, keyspace: Keyspace, mut damage: impl FnMut(&mut Vec<u8>)) {
        let mut disk = self.lock();
        let mut log = mem::take(&mut disk.log);
        for ((_, key), value) in disk.maps.iter_mut().filter(|((of, _), _)| *of == keyspace) {
            let mut octets = value.to_vec();
            damage(&mut octets);
            append(&mut log, &mut std::iter::once(Write { keyspace, key, value: Some(&octets) }));
            *value = octets.into();
        }
        disk.log = log;
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sizes only: the log holds payloads (G6).
impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("octets", &self.log.len())
            .field("mishap", &self.mishap)
            .finish_non_exhaustive()
    }
}

impl Engine for SimulatedDisk {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.lock().maps.get(&(keyspace, key.to_vec())).cloned())
    }

    fn scan(&self, span: Span<'_>, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if span.from >= span.to {
            return Ok(());
        }
        let from = Bound::Included((span.keyspace, span.from.to_vec()));
        let to = Bound::Excluded((span.keyspace, span.to.to_vec()));
        for ((_, key), value) in self.lock().maps.range((from, to)) {
            if let ControlFlow::Break(()) = visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, batch: &mut dyn Iterator<Item = Write<'_>>) -> Result<(), EngineError> {
        let mut disk = self.lock();
        disk.commits += 1;
        if disk.failed {
            return Err(EngineError::new("commit", "the disk was not opened again after a mishap"));
        }
        let before = disk.log.len();
        append(&mut disk.log, batch);
        let keep = match disk.mishap.take() {
            None => {
                let Disk { log, maps, .. } = &mut *disk;
                replay(log.get(before..).unwrap_or_default(), maps);
                return Ok(());
            }
            Some(Mishap::Refused) => before,
            Some(Mishap::Torn(octets)) => (before + octets).min(disk.log.len() - 1),
            Some(Mishap::Unanswered) => disk.log.len(),
        };
        disk.log.truncate(keep);
        disk.failed = true;
        Err(EngineError::new("commit", "a mishap was arranged"))
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        let mut disk = self.lock();
        let Disk { log, maps, failed, .. } = &mut *disk;
        *failed = false;
        maps.clear();
        let whole = replay(log, maps);
        log.truncate(whole);
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn EngineSnapshot>, EngineError> {
        Ok(Box::new(Copied(self.lock().maps.clone())))
    }

    fn close(&mut self) {}
}

/// All that a disk held.
struct Copied(BTreeMap<(Keyspace, Vec<u8>), Bytes>);

impl EngineSnapshot for Copied {
    fn scan(&self, keyspace: Keyspace, from: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let from = (keyspace, from.to_vec());
        for ((_, key), value) in self.0.range(from..).take_while(|((of, _), _)| *of == keyspace) {
            if let ControlFlow::Break(()) = visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

fn append(log: &mut Vec<u8>, batch: &mut dyn Iterator<Item = Write<'_>>) {
    let mut frame = Vec::new();
    for Write { keyspace, key, value } in batch {
        frame.extend([keyspace.number(), u8::from(value.is_some())]);
        for part in [key, value.unwrap_or_default()] {
            frame.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            frame.extend_from_slice(part);
        }
    }
    log.extend(u32::try_from(frame.len()).unwrap_or(u32::MAX).to_be_bytes());
    log.extend(crc32c::crc32c(&frame).to_be_bytes());
    log.append(&mut frame);
}

/// Applies the whole frames at the start of `log`, and says where they end.
fn replay(log: &[u8], maps: &mut BTreeMap<(Keyspace, Vec<u8>), Bytes>) -> usize {
    let mut rest = log;
    while let Some((frame, after)) = split_frame(rest) {
        rest = after;
        let mut writes = frame;
        while let Some(Write { keyspace, key, value }) = split_write(&mut writes) {
            match value {
                Some(value) => maps.insert((keyspace, key.to_vec()), Bytes::copy_from_slice(value)),
                None => maps.remove(&(keyspace, key.to_vec())),
            };
        }
    }
    log.len() - rest.len()
}

fn split_frame(log: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = log.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let (frame, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    (crc32c::crc32c(frame) == u32::from_be_bytes(*checksum)).then_some((frame, rest))
}

fn split_write<'a>(writes: &mut &'a [u8]) -> Option<Write<'a>> {
    let ([number, present], rest) = writes.split_first_chunk()?;
    let keyspace = Keyspace::ALL.get(usize::from(*number))?;
    let (key, rest) = split_part(rest)?;
    let (value, rest) = split_part(rest)?;
    *writes = rest;
    Some(Write { keyspace: *keyspace, key, value: (*present == 1).then_some(value) })
}

fn split_part(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(disk: &mut SimulatedDisk, key: &[u8]) -> Result<(), EngineError> {
        disk.commit(&mut std::iter::once(Write { keyspace: Keyspace::Records, key, value: Some(b"x") }))
    }

    #[test]
    fn what_is_committed_after_a_mishap_is_not_lost_behind_what_that_left() {
        for (mishap, left) in
            [(Mishap::Refused, false), (Mishap::Torn(20), false), (Mishap::Unanswered, true)]
        {
            let mut disk = SimulatedDisk::new();
            disk.arrange(mishap);
            assert!(commit(&mut disk, b"1").is_err());
            // Another handle is the same disk: it takes nothing either until it is opened again.
            assert!(commit(&mut disk.clone(), b"2").is_err());
            disk.clone().reopen().unwrap();
            commit(&mut disk, b"3").unwrap();
            disk.reopen().unwrap();
            let has = |key: &[u8]| disk.get(Keyspace::Records, key).unwrap().is_some();
            assert_eq!([has(b"1"), has(b"2"), has(b"3")], [left, false, true], "{mishap:?}");
        }
    }
}
