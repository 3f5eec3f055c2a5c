//! What goes wrong, by who can mend it: the operator at open, or nobody but the operator later.

use std::{error, fmt, io, path::PathBuf, sync::Arc};

use crate::engine::{EngineError, Failure, Keyspace};

/// Why a store cannot be opened.
#[derive(Clone, Debug)]
pub enum OpenError {
    /// A record that opening needs is damaged.
    Corrupt(Corrupt),
    /// There is a store without its data, at this path: it was not finished, or lost it.
    DataMissing(PathBuf),
    /// The engine cannot open its data.
    Engine(EngineError),
    /// Another process (or another store of this one) uses the folder.
    InUse(PathBuf),
    /// The folder was written by a newer version. Use that, or a folder of its own for this one.
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// The format of the folder.
        found: u32,
        /// The newest format that this version knows.
        supported: u32,
    },
    /// The folder is not empty, and not a store: its `FORMAT` is missing or unreadable.
    NotAStore(PathBuf),
    /// The folder cannot be made, read or written.
    NotWritable(PathBuf, Arc<io::Error>),
    /// The store was closed, and stays so.
    Closed,
}

impl OpenError {
    /// What is to be seen to.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Corrupt(_) | Self::DataMissing(_) => Failure::Damaged,
            Self::Engine(error) => error.failure(),
            Self::NotWritable(_, error) => Failure::of(error.kind()),
            Self::InUse(_) | Self::NewerFormat { .. } | Self::NotAStore(_) | Self::Closed => Failure::Other,
        }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Corrupt(corrupt) => Self::Corrupt(corrupt),
            Fault::Engine(error) => Self::Engine(error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(corrupt) => write!(f, "cannot open the store: {corrupt}"),
            Self::DataMissing(data) => {
                write!(f, "the store is corrupt: {} is missing, or a part of it", data.display())
            }
            Self::Engine(error) => write!(f, "cannot open the store: {error}"),
            Self::InUse(path) => write!(f, "{} is in use by another process", path.display()),
            Self::NewerFormat { path, found, supported } => {
                let path = path.display();
                write!(f, "{path} has format {found}, and this version knows formats up to {supported}")
            }
            Self::NotAStore(path) => write!(f, "{} is neither empty nor a webpush store", path.display()),
            Self::NotWritable(path, error) => {
                write!(f, "{} cannot be made, read or written: {error}", path.display())
            }
            Self::Closed => f.write_str("the store was closed"),
        }
    }
}

impl error::Error for OpenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Corrupt(corrupt) => Some(corrupt),
            Self::Engine(error) => Some(error),
            Self::NotWritable(_, error) => Some(&**error),
            Self::DataMissing(_)
            | Self::InUse(_)
            | Self::NewerFormat { .. }
            | Self::NotAStore(_)
            | Self::Closed => None,
        }
    }
}

/// Why an open store failed a command.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A record it needs is damaged. Only that command failed; the store stays up.
    Corrupt(Corrupt),
    /// The disk failed. The store is down until it is reopened (G7).
    Engine(EngineError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl error::Error for Fault {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Corrupt(corrupt) => Some(corrupt),
            Self::Engine(error) => Some(error),
        }
    }
}

impl From<Corrupt> for Fault {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Why a store cannot promise anything now. For the log: it may name the folder.
#[derive(Clone, Debug)]
pub enum Outage {
    /// Whoever owns it took it down.
    Down,
    /// It could not write.
    Failed(Fault),
    /// It is down, and could not be opened again.
    Shut(OpenError),
}

impl Outage {
    /// What is to be seen to.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Failed(Fault::Engine(error)) => error.failure(),
            Self::Failed(Fault::Corrupt(_)) => Failure::Damaged,
            Self::Shut(error) => error.failure(),
            Self::Down => Failure::Other,
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("the store was taken down"),
            Self::Failed(fault) => fault.fmt(f),
            Self::Shut(error) => error.fmt(f),
        }
    }
}

impl error::Error for Outage {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Down => None,
            Self::Failed(fault) => Some(fault),
            Self::Shut(error) => Some(error),
        }
    }
}

/// A damaged record: where, and how one can tell. Neither its key nor its octets are in here (G6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Where it lies.
    pub keyspace: Keyspace,
    /// What is wrong with it.
    pub damage: Damage,
}

/// How a record is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The engine cannot read the part of its files where it lies, or a record near it.
    Block,
    /// Its CRC32C is not that of its octets, its key and its keyspace.
    Checksum,
    /// Its checksum is right and its contents are not: this field.
    Field(&'static str),
    /// It must be there, since another record names it, and is not: this record.
    Missing(&'static str),
    /// Its checksum is right, and this version does not know its version.
    Version(u8),
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keyspace = self.keyspace.name();
        match self.damage {
            Damage::Block => write!(f, "a part of {keyspace} cannot be read"),
            Damage::Checksum => write!(f, "a record in {keyspace} has a wrong checksum"),
            Damage::Field(field) => write!(f, "a record in {keyspace} has a bad {field}"),
            Damage::Missing(record) => write!(f, "{keyspace} lacks a {record} that another record names"),
            Damage::Version(version) => write!(f, "a record in {keyspace} has the unknown version {version}"),
        }
    }
}

impl error::Error for Corrupt {}
