//! What the embedded store needs of a disk: ordered keys and values, and atomic batches that are durable when they
//! return. `FjallEngine` is one on a real disk, [`SimulatedDisk`] one that loses and tears what it was told to.

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "fjall")]
mod folder;
#[cfg(feature = "fjall")]
mod journal;
mod simulated;

use std::{error, fmt, io, ops::ControlFlow, sync::Arc};

use bytes::Bytes;

#[cfg(feature = "fjall")]
pub use self::fjall::FjallEngine;
pub use simulated::{Mishap, SimulatedDisk};

use crate::OpenError;

/// An open engine, owned by the writer alone.
pub trait Engine: Send + 'static {
    /// The value of `key`, as of the last commit.
    ///
    /// # Errors
    ///
    /// The disk failed; so it does for all methods here.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Shows `visit` the keys and values of `span` as of the last commit, in the order of the keys, until it breaks.
    ///
    /// # Errors
    ///
    /// The disk failed.
    fn scan(&self, span: Span<'_>, visit: &mut Visit<'_>) -> Result<(), EngineError>;

    /// Makes all of `batch` durable, or nothing. When this returns `Ok` it survives loss of power (G1). An error
    /// means that nobody knows; from then on the engine is not asked for anything but [`Engine::reopen`].
    ///
    /// # Errors
    ///
    /// The disk failed.
    fn commit(&mut self, batch: &mut dyn Iterator<Item = Write<'_>>) -> Result<(), EngineError>;

    /// Forgets everything but what is durable, and opens that again; never makes a store where there was one.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened. It may be asked again.
    fn reopen(&mut self) -> Result<(), OpenError>;

    /// What it holds now, whatever is committed later.
    ///
    /// # Errors
    ///
    /// It is not open, or cannot do this.
    fn snapshot(&self) -> Result<Box<dyn EngineSnapshot>, EngineError> {
        Err(EngineError::new("snapshot", "this engine has none"))
    }

    /// Lets go of the disk. Everything committed is durable already.
    fn close(&mut self);
}

/// What an engine held at one moment, to be read from any thread while commits go on.
pub trait EngineSnapshot: Send {
    /// Shows `visit` the keys and values of a keyspace from `from` on, in the order of the keys, until it breaks. The
    /// engine cannot be opened again meanwhile, so break soon, and come again.
    ///
    /// # Errors
    ///
    /// The disk failed, or the engine was closed or opened again since.
    fn scan(&self, keyspace: Keyspace, from: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError>;
}

/// What [`Engine::scan`] shows keys and values to.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A keyspace: keys are ordered within one, and a batch spans several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyspace {
    /// agent, position → message or receipt.
    Messages,
    /// agent, subscription, slot → position, id and what ending the entry takes.
    Slots,
    /// time, then what must happen → where.
    Due,
    /// agent → agent record; agent, subscription → subscription record.
    Records,
    /// agent → how much its queue holds; and the high-water marks of the store.
    Counters,
    /// agent, urgency, position → where: the messages that may have to make room for others.
    Urgencies,
    /// kind, time, agent: when agents were seen.
    Seen,
}

impl Keyspace {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Messages, Self::Slots, Self::Due, Self::Records, Self::Counters, Self::Urgencies, Self::Seen];

    /// The name on disk and in errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Slots => "slots",
            Self::Due => "due",
            Self::Records => "records",
            Self::Counters => "counters",
            Self::Urgencies => "urgencies",
            Self::Seen => "seen",
        }
    }

    /// Its place in [`Keyspace::ALL`], and its octet in checksums and journals: never to change.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Messages => 0,
            Self::Slots => 1,
            Self::Due => 2,
            Self::Records => 3,
            Self::Counters => 4,
            Self::Urgencies => 5,
            Self::Seen => 6,
        }
    }
}

/// What there is at the path of a store.
#[cfg(feature = "fjall")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No store, nor anything else.
    Nothing,
    /// One whose making was cut short, or which has lost its data: they look the same.
    Unfinished,
    /// All parts of one.
    Whole,
}

/// A range of keys.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Of which keyspace.
    pub keyspace: Keyspace,
    /// The first key that may be in it.
    pub from: &'a [u8],
    /// The first key after it.
    pub to: &'a [u8],
}

/// One write of a batch. No two of a batch have the same key.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// Where.
    pub keyspace: Keyspace,
    /// The key.
    pub key: &'a [u8],
    /// The new value; `None` removes the key.
    pub value: Option<&'a [u8]>,
}

/// Lengths only: values hold payloads, keys hold ids (G6).
impl fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("keyspace", &self.keyspace)
            .field("octets", &self.value.map(<[u8]>::len))
            .finish_non_exhaustive()
    }
}

/// The disk failed, or what keeps order on it.
#[derive(Clone, Debug)]
pub struct EngineError {
    during: &'static str,
    failure: Failure,
    source: Arc<dyn error::Error + Send + Sync>,
}

/// What an operator has to see to, as far as one can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no room: the disk, a quota, or a limit of the process.
    Full,
    /// It can be read and not written.
    ReadOnly,
    /// It is not where it was.
    Gone,
    /// What is read is not what was written.
    Damaged,
    /// Something else.
    Other,
}

impl Failure {
    /// By what the operating system said.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are open-ended")]
    #[must_use]
    pub const fn of(kind: io::ErrorKind) -> Self {
        use io::ErrorKind::{
            FileTooLarge, InvalidData, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
            StaleNetworkFileHandle, StorageFull, UnexpectedEof,
        };
        match kind {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full,
            ReadOnlyFilesystem | PermissionDenied => Self::ReadOnly,
            NotFound | StaleNetworkFileHandle => Self::Gone,
            InvalidData | UnexpectedEof => Self::Damaged,
            _ => Self::Other,
        }
    }
}

impl EngineError {
    /// `source` happened in `during`, a step such as "commit".
    #[must_use]
    pub fn new(during: &'static str, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let source: Box<dyn error::Error + Send + Sync> = source.into();
        let mut cause: Option<&(dyn error::Error + 'static)> = Some(&*source);
        let mut failure = Failure::Other;
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                failure = Failure::of(error.kind());
            }
            cause = error.source();
        }
        Self { during, failure, source: source.into() }
    }

    /// The same, for an engine that knows that what it read is not what it wrote.
    #[must_use]
    pub fn damaged(self) -> Self {
        Self { failure: Failure::Damaged, ..self }
    }

    /// What is to be seen to.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        self.failure
    }

    /// The step that failed.
    #[must_use]
    pub const fn during(&self) -> &'static str {
        self.during
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the storage engine failed in {}: {}", self.during, self.source)
    }
}

impl error::Error for EngineError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}
