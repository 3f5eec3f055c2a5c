//! The engine on a real disk: fjall, a log-structured merge tree.

use std::{
    error::Error as _,
    fs::File,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use fjall::{
    CompressionType, Database, KeyspaceCreateOptions, PersistMode, Readable as _, config::CompressionPolicy,
};

use super::{
    Engine, EngineError, EngineSnapshot, Keyspace, Presence, Span, Visit, Write,
    folder::{Folder, sync_folder},
    journal,
};
use crate::OpenError;

/// An embedded store's folder on a real disk. Every commit is synced before it returns: fjall's default, flushing to
/// the operating system's buffers, would lose acknowledged messages with the power (G1).
///
/// Known limit of fjall 3.1: a last commit that loss of power cut short is dropped at open, as it should be; but if its
/// end reached the disk and octets within a value did not, fjall takes the journal for damaged and refuses to open it
/// ([`OpenError::Engine`], `ChecksumMismatch`). Nothing acknowledged is lost or misread; an operator must cut the
/// journal.
///
/// A commit counts only if the folder is where it was opened once it is synced: what was written into a folder that was
/// removed or moved away meanwhile is durable for nobody. [`Engine::reopen`] takes that very folder again, if it is back;
/// another one at its path, such as a backup that is being restored, is for a new process.
pub struct FjallEngine {
    folder: Folder,
    /// None while closed, or after a reopening that failed. Shared with a snapshot for as long as that reads a page.
    open: Option<Arc<Opened>>,
}

struct Opened {
    database: Database,
    /// In the order of [`Keyspace::ALL`].
    keyspaces: [fjall::Keyspace; Keyspace::ALL.len()],
}

impl FjallEngine {
    /// Opens the folder at `path`, or makes it, also one whose making was cut short. That looks like a store that lost
    /// its data: whoever knows that it was whole opens it by [`FjallEngine::open_existing`].
    ///
    /// # Errors
    ///
    /// Why not, precisely.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = Folder::open(path.as_ref())?;
        make(&folder)?;
        Self::over(folder)
    }

    fn over(folder: Folder) -> Result<Self, OpenError> {
        let open = Some(Arc::new(Opened::within(&folder)?));
        Ok(Self { folder, open })
    }

    /// Makes a store in the folder at `path`, where there is none.
    ///
    /// # Errors
    ///
    /// Why not, precisely.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        if Folder::presence(path)? != Presence::Nothing {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(OpenError::NotWritable(path.to_owned(), exists.into()));
        }
        Self::open(path)
    }

    /// Opens the folder at `path` if there is a whole store in it, and makes nothing.
    ///
    /// # Errors
    ///
    /// Why not, precisely; [`OpenError::NotAStore`] if there is none, [`OpenError::DataMissing`] if there is a part of one.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::over(Folder::open_existing(path.as_ref())?)
    }

    /// What there is at `path`, as far as its parts show; nothing is opened, and nothing changed. Somebody may be using it.
    ///
    /// # Errors
    ///
    /// It is something else ([`OpenError::NotAStore`]), a store of a newer version, one that is not whole
    /// ([`OpenError::DataMissing`]), or cannot be looked at.
    pub fn presence(path: impl AsRef<Path>) -> Result<Presence, OpenError> {
        Folder::presence(path.as_ref())
    }

    fn open_ref(&self, during: &'static str) -> Result<&Opened, EngineError> {
        self.open.as_deref().ok_or_else(|| EngineError::new(during, "it is not open"))
    }
}

impl Engine for FjallEngine {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let found = self.open_ref("get")?.keyspace(keyspace).get(key);
        // Copied: fjall's slice would keep the whole block that it lies in.
        Ok(found.map_err(|error| failed("get", error))?.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, span: Span<'_>, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if span.from >= span.to {
            return Ok(());
        }
        for guard in self.open_ref("scan")?.keyspace(span.keyspace).range(span.from..span.to) {
            let (key, value) = guard.into_inner().map_err(|error| failed("scan", error))?;
            if let ControlFlow::Break(()) = visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, batch: &mut dyn Iterator<Item = Write<'_>>) -> Result<(), EngineError> {
        let open = self.open_ref("commit")?;
        let mut writes = open.database.batch().durability(Some(PersistMode::SyncAll));
        for Write { keyspace, key, value } in batch {
            match value {
                Some(value) => writes.insert(open.keyspace(keyspace), key, value),
                None => writes.remove(open.keyspace(keyspace), key),
            }
        }
        writes.commit().map_err(|error| failed("commit", error))?;
        self.folder.is_in_place().map_err(|error| EngineError::new("commit", error))
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        self.open = None;
        self.folder.retake()?;
        self.open = Some(Arc::new(Opened::within(&self.folder)?));
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn EngineSnapshot>, EngineError> {
        let open = self.open.as_ref().ok_or_else(|| EngineError::new("snapshot", "it is not open"))?;
        Ok(Box::new(FjallSnapshot { open: Arc::downgrade(open), at: open.database.snapshot() }))
    }

    fn close(&mut self) {
        self.open = None;
    }
}

/// fjall keeps what the snapshot sees for as long as there is one, and its folder locked for as long as somebody holds a
/// keyspace: so that is held only while a page is read, lest a backup keep the store from being opened again.
struct FjallSnapshot {
    open: Weak<Opened>,
    at: fjall::Snapshot,
}

impl EngineSnapshot for FjallSnapshot {
    fn scan(&self, keyspace: Keyspace, from: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let gone = || EngineError::new("snapshot", "the store was closed or opened again meanwhile");
        let open = self.open.upgrade().ok_or_else(gone)?;
        for guard in self.at.range(open.keyspace(keyspace), from..) {
            let (key, value) = guard.into_inner().map_err(|error| failed("snapshot", error))?;
            if let ControlFlow::Break(()) = visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}

impl Opened {
    fn within(folder: &Folder) -> Result<Self, OpenError> {
        // fjall takes some of what it reads for granted.
        catch_unwind(AssertUnwindSafe(|| Self::recover(folder)))
            .unwrap_or_else(|_| Err(OpenError::Engine(EngineError::new("open", "fjall panicked").damaged())))
    }

    fn recover(folder: &Folder) -> Result<Self, OpenError> {
        look_through(folder)?;
        Self::at(&folder.data(), folder)
    }

    fn at(path: &Path, folder: &Folder) -> Result<Self, OpenError> {
        let refuse = |error| refuse(folder.path(), error);
        // Payloads are ciphertext and keys are random: nothing compresses.
        let builder = Database::builder(path).journal_compression(CompressionType::None);
        let database = builder.open().map_err(refuse)?;
        let options = || {
            let policy = CompressionPolicy::all(CompressionType::None);
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(policy)
                .max_memtable_size(MEMTABLE_OCTETS)
        };
        let keyspace = |keyspace: Keyspace| database.keyspace(keyspace.name(), options);
        let [messages, slots, due, records, counters, urgencies, seen] = Keyspace::ALL.map(keyspace);
        let keyspaces = [
            messages.map_err(refuse)?,
            slots.map_err(refuse)?,
            due.map_err(refuse)?,
            records.map_err(refuse)?,
            counters.map_err(refuse)?,
            urgencies.map_err(refuse)?,
            seen.map_err(refuse)?,
        ];
        // fjall syncs what it makes, but not the names of its keyspaces: without them all they hold is gone.
        sync_folder(&path.join(KEYSPACES_FOLDER)).map_err(|error| refuse(error.into()))?;
        Ok(Self { database, keyspaces })
    }

    const fn keyspace(&self, keyspace: Keyspace) -> &fjall::Keyspace {
        let [messages, slots, due, records, counters, urgencies, seen] = &self.keyspaces;
        match keyspace {
            Keyspace::Messages => messages,
            Keyspace::Slots => slots,
            Keyspace::Due => due,
            Keyspace::Records => records,
            Keyspace::Counters => counters,
            Keyspace::Urgencies => urgencies,
            Keyspace::Seen => seen,
        }
    }
}

/// Makes the engine's part of a new folder: fjall does not open what a crash left of its making, nor make it anew.
fn make(folder: &Folder) -> Result<(), OpenError> {
    let refuse = |error: io::Error| OpenError::NotWritable(folder.path().to_owned(), error.into());
    if let Some(draft) = folder.data_draft()? {
        drop(Opened::at(&draft, folder)?);
        folder.adopt_data(&draft).map_err(refuse)?;
    }
    Ok(())
}

/// Refuses journals of which fjall would lose something.
fn look_through(folder: &Folder) -> Result<(), OpenError> {
    let refuse = |error: io::Error| OpenError::NotWritable(folder.path().to_owned(), error.into());
    for path in folder.journals().map_err(refuse)? {
        let journal = File::open(&path).and_then(journal::read).map_err(refuse)?;
        if !journal::is_whole(&journal) {
            let damaged = EngineError::new("open", format!("the journal {} is damaged", path.display()));
            return Err(OpenError::Engine(damaged.damaged()));
        }
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "fjall's error is open-ended")]
fn refuse(path: &Path, error: fjall::Error) -> OpenError {
    let denied = |kind| matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
    match error {
        fjall::Error::Locked => OpenError::InUse(path.to_owned()),
        fjall::Error::Io(error) if denied(error.kind()) => {
            OpenError::NotWritable(path.to_owned(), error.into())
        }
        other => OpenError::Engine(failed("open", other)),
    }
}

/// Whatever goes wrong in fjall that is not IO, nor a failure before, is something read that makes no sense.
#[expect(clippy::wildcard_enum_match_arm, reason = "fjall's error is open-ended")]
fn failed(during: &'static str, error: fjall::Error) -> EngineError {
    let damaged = match &error {
        fjall::Error::Storage(error) => error.source().is_none(),
        fjall::Error::Io(_)
        | fjall::Error::Poisoned
        | fjall::Error::KeyspaceDeleted
        | fjall::Error::Locked => false,
        _ => true,
    };
    let error = EngineError::new(during, error);
    if damaged { error.damaged() } else { error }
}

/// Where fjall has its keyspaces, within its folder.
const KEYSPACES_FOLDER: &str = "keyspaces";
/// Of each keyspace: what is in memory and in the journal only. Bounds memory, and the time that reopening takes.
const MEMTABLE_OCTETS: u64 = 16 << 20;
