//! The data folder: who may use it, and which format it has.
//!
//! ```text
//! FORMAT   one line, "webpush-store 2"
//! LOCK     locked by the operating system while a process uses the folder
//! data/    the engine's; made as data.draft/, so that it is there whole or not at all
//! ```

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::Presence;
use crate::OpenError;

/// A folder that is ours, in the newest format, for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder if need be, locks it, and brings it to [`FORMAT`].
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let refuse = |source: io::Error| OpenError::NotWritable(path.to_owned(), source.into());
        fs::create_dir_all(path).map_err(refuse)?;
        let folder = Self::lock(path)?;
        match format(path)? {
            None => sync_names(path).and_then(|()| folder.write_format()).map_err(refuse)?,
            Some(format) => folder.upgrade(format)?,
        }
        Ok(folder)
    }

    /// The same, of a folder with a whole store in it; no other is changed.
    pub(super) fn open_existing(path: &Path) -> Result<Self, OpenError> {
        let whole = || match Self::presence(path)? {
            Presence::Whole => Ok(()),
            Presence::Unfinished => Err(OpenError::DataMissing(path.join(DATA_FOLDER))),
            Presence::Nothing => Err(OpenError::NotAStore(path.to_owned())),
        };
        whole()?;
        let folder = Self::lock(path)?;
        // By now it may be gone.
        whole()?;
        if let Some(format) = format(path)? {
            folder.upgrade(format)?;
        }
        Ok(folder)
    }

    fn lock(path: &Path) -> Result<Self, OpenError> {
        let refuse = |source: io::Error| OpenError::NotWritable(path.to_owned(), source.into());
        let mut options = OpenOptions::new();
        let lock =
            options.create(true).truncate(false).write(true).open(path.join(LOCK_FILE)).map_err(refuse)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse(path.to_owned()),
            TryLockError::Error(source) => refuse(source),
        })?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// What there is at this path, as far as its parts show.
    pub(super) fn presence(path: &Path) -> Result<Presence, OpenError> {
        let refuse = |source: io::Error| OpenError::NotWritable(path.to_owned(), source.into());
        if !path.try_exists().map_err(refuse)? {
            return Ok(Presence::Nothing);
        }
        let data = path.join(DATA_FOLDER);
        match format(path)? {
            None => Ok(Presence::Nothing),
            Some(newer) if newer > FORMAT => Err(newer_format(path, newer)),
            Some(_) if data.join(DATA_MARKER).try_exists().map_err(refuse)? => Ok(Presence::Whole),
            // It is put in place whole.
            Some(_) if data.try_exists().map_err(refuse)? => Err(OpenError::DataMissing(data)),
            Some(_) => Ok(Presence::Unfinished),
        }
    }

    /// Whether this very folder is still at its path, with the engine's in it.
    pub(super) fn is_in_place(&self) -> io::Result<()> {
        let there = fs::metadata(self.path.join(LOCK_FILE))?;
        fs::metadata(self.data().join(DATA_MARKER))?;
        if is_same(&there, &self.lock.metadata()?) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "another folder is in its place"))
        }
    }

    /// Makes sure that what the engine is about to read is durable: a sync that failed may have left pages in memory
    /// that never reach the disk, and look as if they had. The journals are written again with what they hold, so that
    /// a sync covers all of it.
    pub(super) fn retake(&self) -> Result<(), OpenError> {
        let refuse = |source: io::Error| OpenError::NotWritable(self.path.clone(), source.into());
        self.is_in_place().map_err(refuse)?;
        self.journals().map_err(refuse)?.iter().try_for_each(|path| rewrite(path)).map_err(refuse)
    }

    /// Those of the engine; none before its first.
    pub(super) fn journals(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(self.data()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let is_journal = |path: &PathBuf| path.extension().is_some_and(|kind| kind == JOURNAL_EXTENSION);
        paths.filter(|path| path.as_ref().map_or(true, is_journal)).collect()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA_FOLDER)
    }

    /// Where the engine's part is to be made; `None` if it has been. What a crash left of its making goes.
    pub(super) fn data_draft(&self) -> Result<Option<PathBuf>, OpenError> {
        if Self::presence(&self.path)? == Presence::Whole {
            return Ok(None);
        }
        let draft = self.path.join(DATA_DRAFT);
        match fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OpenError::NotWritable(self.path.clone(), error.into()))
            }
            _gone => Ok(Some(draft)),
        }
    }

    /// The engine's part has been made.
    pub(super) fn adopt_data(&self, draft: &Path) -> io::Result<()> {
        fs::rename(draft, self.data())?;
        sync_folder(&self.path)
    }

    /// Step by step from an older format; each step leaves a folder that the next one can be resumed from.
    fn upgrade(&self, found: u32) -> Result<(), OpenError> {
        match found {
            FORMAT => Ok(()),
            // More keyspaces, and records that say more. The number first, so that no older version meets them; the
            // records are brought up to date when they are read (`embedded/ledger/upgrade.rs`).
            1 => {
                let refuse = |source: io::Error| OpenError::NotWritable(self.path.clone(), source.into());
                self.write_format().map_err(refuse)
            }
            // An upgrade from `n` goes here as an arm `n`: change the data, write the number, go on with `n + 1`.
            newer => Err(newer_format(&self.path, newer)),
        }
    }

    /// Whole or not at all, and durable before any data is.
    fn write_format(&self) -> io::Result<()> {
        let draft = self.path.join(FORMAT_DRAFT);
        let mut file = File::create(&draft)?;
        writeln!(file, "{FORMAT_NAME}{FORMAT}")?;
        file.sync_all()?;
        fs::rename(&draft, self.path.join(FORMAT_FILE))?;
        sync_folder(&self.path)
    }
}

/// The format of what is at this path, `None` for nothing.
fn format(path: &Path) -> Result<Option<u32>, OpenError> {
    let unreadable = |source: io::Error| OpenError::NotWritable(path.to_owned(), source.into());
    let text = match fs::read(path.join(FORMAT_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for entry in fs::read_dir(path).map_err(unreadable)? {
                let name = entry.map_err(unreadable)?.file_name();
                if name != LOCK_FILE && name != FORMAT_DRAFT {
                    return Err(OpenError::NotAStore(path.to_owned()));
                }
            }
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let digits = text.strip_prefix(FORMAT_NAME.as_bytes()).map(<[u8]>::trim_ascii);
    let format = digits.and_then(|digits| str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
    // The first was 1.
    format.filter(|format| *format > 0).map(Some).ok_or_else(|| OpenError::NotAStore(path.to_owned()))
}

fn newer_format(path: &Path, found: u32) -> OpenError {
    OpenError::NewerFormat { path: path.to_owned(), found, supported: FORMAT }
}

/// A new folder stays, and so do those above it: whoever made them may not have synced their names. Up to where the
/// file system begins; what may not be read cannot be synced, and was made by somebody else.
fn sync_names(path: &Path) -> io::Result<()> {
    let path = path.canonicalize()?;
    let mut within = fs::metadata(&path)?;
    for above in path.ancestors().skip(1) {
        let metadata = fs::metadata(above)?;
        if !is_same_disk(&within, &metadata) {
            break;
        }
        match sync_folder(above) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _synced => within = metadata,
        }
    }
    Ok(())
}

/// What was made or renamed in it stays. Elsewhere a folder is no file that could be synced.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Writes what a file holds over it, and syncs it. Pages of zeros stay as they are: there may be no disk behind them.
fn rewrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut page = [0; PAGE_OCTETS];
    let mut at = 0;
    loop {
        let octets = file.read(&mut page)?;
        let Some(read) = page.get(..octets).filter(|read| !read.is_empty()) else { break };
        if read.iter().any(|octet| *octet != 0) {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(read)?;
        }
        at += u64::try_from(octets).unwrap_or(u64::MAX);
    }
    file.sync_all()
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(unix)]
fn is_same_disk(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    one.dev() == other.dev()
}

#[cfg(not(unix))]
fn is_same_disk(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// An open file cannot be removed or moved there.
#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// The format that this version writes.
const FORMAT: u32 = 2;
const FORMAT_NAME: &str = "webpush-store ";
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_DRAFT: &str = "FORMAT.draft";
const LOCK_FILE: &str = "LOCK";
const DATA_FOLDER: &str = "data";
const DATA_DRAFT: &str = "data.draft";
/// What fjall makes last in a new database, and without which it would make another.
const DATA_MARKER: &str = "version";
const JOURNAL_EXTENSION: &str = "jnl";
const PAGE_OCTETS: usize = 4096;
