//! A store as it was at one moment, and a store made of such a one: what a backup needs. Records pass as they are: what
//! they mean stays in `embedded`.

use push_proto::{SealingKeyId, UnixTime};

#[cfg(feature = "fjall")]
use crate::{
    OpenError, Quotas,
    embedded::Writer,
    engine::{Engine as _, FjallEngine, Write},
};
use crate::{
    embedded::{
        Fault, Sealed,
        stock::{self, check},
    },
    engine::{EngineError, EngineSnapshot, Keyspace},
};

/// All that was durable in a store at one moment. It costs the store no memory; what ends meanwhile takes room on the
/// disk for as long as this lives.
pub struct Snapshot {
    engine: Box<dyn EngineSnapshot>,
    /// Of a store that this process opened for it.
    #[cfg(feature = "fjall")]
    _folder: Option<FjallEngine>,
}

/// The records of a [`Snapshot`], page by page.
pub struct Pages<'a> {
    snapshot: &'a Snapshot,
    keyspaces: std::slice::Iter<'static, Keyspace>,
    /// What is being read, from this key on.
    keyspace: Option<Keyspace>,
    from: Vec<u8>,
}

/// Some records of a keyspace, in the order of their keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Records {
    /// Which.
    pub keyspace: Keyspace,
    /// Keys and values. The secrets of peers are in them.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Sizes only (G6).
impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("keyspace", &self.keyspace)
            .field("entries", &self.entries.len())
            .finish()
    }
}

impl Snapshot {
    pub(crate) fn new(engine: Box<dyn EngineSnapshot>) -> Self {
        Self {
            engine,
            #[cfg(feature = "fjall")]
            _folder: None,
        }
    }

    /// Of the store in the folder at `path`, which is locked for as long as this lives.
    ///
    /// # Errors
    ///
    /// Why not: [`OpenError::NotAStore`] if there is none, [`OpenError::DataMissing`] if it lost its data,
    /// [`OpenError::InUse`] if a service has it.
    #[cfg(feature = "fjall")]
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, OpenError> {
        let engine = FjallEngine::open_existing(path)?;
        let snapshot = engine.snapshot().map_err(OpenError::Engine)?;
        Ok(Self { _folder: Some(engine), ..Self::new(snapshot) })
    }

    /// All its records.
    #[must_use]
    pub fn records(&self) -> Pages<'_> {
        self.of(&Keyspace::ALL)
    }

    /// The latest time that the store has seen, or a little earlier.
    ///
    /// # Errors
    ///
    /// As for [`Pages::next_page`].
    pub fn clock(&self) -> Result<UnixTime, Fault> {
        stock::clock(self)
    }

    /// What was made until `until`, when `key` had its successor, and so may have URLs that `key` sealed. Right for the
    /// oldest key of a keyring; of a younger one it counts what older ones sealed too.
    ///
    /// # Errors
    ///
    /// As for [`Pages::next_page`].
    pub fn sealed(&self, key: SealingKeyId, until: UnixTime) -> Result<Sealed, Fault> {
        stock::sealed(self, key, until)
    }

    pub(crate) fn of(&self, keyspaces: &'static [Keyspace]) -> Pages<'_> {
        let mut keyspaces = keyspaces.iter();
        let keyspace = keyspaces.next().copied();
        Pages { snapshot: self, keyspaces, keyspace, from: Vec::new() }
    }

    pub(crate) fn value(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let mut value = None;
        self.engine.scan(keyspace, key, &mut |found, octets| {
            value = (found == key).then(|| octets.to_vec());
            std::ops::ControlFlow::Break(())
        })?;
        Ok(value)
    }
}

impl Pages<'_> {
    /// The next records, at most about 256 KiB of them; `None` after the last. Each is checked.
    ///
    /// # Errors
    ///
    /// A record is damaged, the disk failed, or the store was closed or opened again since.
    pub fn next_page(&mut self) -> Result<Option<Records>, Fault> {
        while let Some(keyspace) = self.keyspace {
            let records = self.page(keyspace)?;
            let Some((last, _)) = records.entries.last() else {
                self.keyspace = self.keyspaces.next().copied();
                self.from.clear();
                continue;
            };
            self.from.clone_from(last);
            // The least key after it.
            self.from.push(0);
            records.entries.iter().try_for_each(|(key, value)| check(keyspace, key, value))?;
            return Ok(Some(records));
        }
        Ok(None)
    }

    fn page(&self, keyspace: Keyspace) -> Result<Records, EngineError> {
        use std::ops::ControlFlow::{Break, Continue};
        let (mut entries, mut octets) = (Vec::new(), 0_usize);
        self.snapshot.engine.scan(keyspace, &self.from, &mut |key, value| {
            octets = octets.saturating_add(key.len()).saturating_add(value.len());
            entries.push((key.to_vec(), value.to_vec()));
            if octets < PAGE_OCTETS { Continue(()) } else { Break(()) }
        })?;
        Ok(Records { keyspace, entries })
    }
}

/// A store that is made of the records of another.
#[cfg(feature = "fjall")]
pub struct Restoration {
    engine: FjallEngine,
    batch: Vec<Records>,
    octets: usize,
}

#[cfg(feature = "fjall")]
impl Restoration {
    /// Begins one in the folder at `path`, which is made, or empty. Nobody may use that before [`Restoration::finish`].
    ///
    /// # Errors
    ///
    /// Why not; [`OpenError::NotAStore`] if there is something else, and [`OpenError::NotWritable`] if there is a store.
    pub fn begin(path: impl AsRef<std::path::Path>) -> Result<Self, OpenError> {
        Ok(Self { engine: FjallEngine::create(path)?, batch: Vec::new(), octets: 0 })
    }

    /// Takes more of them.
    ///
    /// # Errors
    ///
    /// A record is damaged, or the disk failed.
    pub fn put(&mut self, records: Records) -> Result<(), Fault> {
        for (key, value) in &records.entries {
            check(records.keyspace, key, value)?;
            self.octets = self.octets.saturating_add(key.len()).saturating_add(value.len());
        }
        self.batch.push(records);
        if self.octets < BATCH_OCTETS { Ok(()) } else { self.commit() }
    }

    /// Makes it durable, looks whether a service could open it, and closes it.
    ///
    /// # Errors
    ///
    /// The disk failed, or what was put in is no whole store.
    pub fn finish(mut self) -> Result<(), OpenError> {
        self.commit()?;
        Writer::open(self.engine, Quotas::default())?.close(&mut |_, _| ());
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let writes = self.batch.iter().flat_map(|Records { keyspace, entries }| {
            entries.iter().map(|(key, value)| Write { keyspace: *keyspace, key, value: Some(value) })
        });
        self.engine.commit(&mut { writes })?;
        self.batch.clear();
        self.octets = 0;
        Ok(())
    }
}

/// After so many a page is full: it is read in one go, and the store cannot be opened again meanwhile.
const PAGE_OCTETS: usize = 256 << 10;
/// After so many a batch is committed.
#[cfg(feature = "fjall")]
const BATCH_OCTETS: usize = 4 << 20;
