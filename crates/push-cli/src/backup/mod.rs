//! `webpush backup` and `webpush restore`: the store and the keys that belong to it, in one file.
//!
//! | file | what it does |
//! |---|---|
//! | this one | the commands |
//! | `archive` | the format of the file |
//! | `partial` | a backup in the making |
//! | `control` | how a service that runs is asked for it: a Unix socket in its data folder |

mod archive;
#[cfg(unix)]
mod control;
mod partial;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use push_crypto::{UnixTime, capability::Keyring};
use push_store::{Fault, OpenError, Restoration, Snapshot};
use push_tokio::{Runtime as _, Tokio};
use tokio::runtime;

#[cfg(unix)]
pub(crate) use self::control::Control;
use self::{
    archive::{Reading, Unreadable, Writing},
    partial::Partial,
};
use crate::{
    args::{BackupArgs, RestoreArgs},
    error::{Error, Result},
    files, output, sealing,
    signals::Signals,
    store,
};

/// Backs a data folder up, by the service that runs on it if there is one.
pub(crate) fn run(args: &BackupArgs) -> Result<()> {
    if files::is_stream(&args.to) {
        let failed = |error: &io::Error| Error::file("write", &args.to, files::why(error));
        let mut stream = fs::OpenOptions::new().write(true).open(&args.to).map_err(|e| failed(&e))?;
        let records = take(&args.data, &mut stream, &args.to)?;
        return stream.flush().map_err(|e| failed(&e)).map(|()| told(records, &args.to));
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    let taken = runtime.block_on(into_file(args));
    // Where it was interrupted a thread still takes what nobody wants any more.
    runtime.shutdown_background();
    taken.map(|records| told(records, &args.to))
}

/// A signal ends it, and leaves no half of it behind.
async fn into_file(args: &BackupArgs) -> Result<u64> {
    let mut signals = Signals::new()?;
    let partial = Partial::begin(&args.to)?;
    let (data, path, mut file) = (args.data.clone(), args.to.clone(), partial.file()?);
    let taking = tokio::task::spawn_blocking(move || take(&data, &mut file, &path));
    let records = tokio::select! {
        biased;
        () = signals.next() => Err(Error::failed("interrupted: there is no new backup")),
        taken = taking => taken.map_err(|error| Error::failed(format!("no backup was taken: {error}")))?,
    }?;
    partial.put_in_place()?;
    Ok(records)
}

fn told(records: u64, to: &Path) {
    output::note(&format!(
        "{records} records and the sealing keys are in {}; whoever reads it can make every URL of the service",
        to.display()
    ));
}

/// Writes the backup, and says how many records are in it.
fn take(data: &Path, to: &mut File, path: &Path) -> Result<u64> {
    #[cfg(unix)]
    if let Some(from) = control::ask(data)? {
        return copy(from, to, path);
    }
    let snapshot = open(data)?;
    let keyring = sealing::read(data)?;
    let records = write(&snapshot, &keyring, to).map_err(|error| match error {
        Unwritten::Store(fault) => Error::failed(format!("cannot read the store: {fault}"))
            .hint("it is damaged: stop the service, and restore the data folder from an older backup"),
        Unwritten::To(error) => Error::file("write", path, files::why(&error)),
    })?;
    if records == 0 {
        let none = format!("the store in {} holds nothing, not even when its service ran", data.display());
        return Err(Error::failed(none)
            .hint("it has lost its data: restore the folder from an older backup, which was not replaced"));
    }
    Ok(records)
}

/// The store of a folder in which no service runs.
fn open(data: &Path) -> Result<Snapshot> {
    if data.exists() {
        files::check_owner(data)?;
    }
    sealing::check_is_service(data)?;
    Snapshot::open(store::path(data)).map_err(|error| {
        if !matches!(error, OpenError::InUse(_)) {
            return store::refused(&error);
        }
        Error::failed("a service has this folder, and cannot be asked for a backup").hint(
            "if it is starting or ending, try again; if its log says that it has no control socket, stop it",
        )
    })
}

/// What stands between a snapshot and its backup.
enum Unwritten {
    Store(Fault),
    To(io::Error),
}

/// The snapshot must have been taken before the keyring was read, so that this has every key that sealed a URL for it.
fn write(snapshot: &Snapshot, keyring: &Keyring, to: impl Write) -> std::result::Result<u64, Unwritten> {
    let mut writing = Writing::begin(to, now(), keyring).map_err(Unwritten::To)?;
    let mut pages = snapshot.records();
    while let Some(records) = pages.next_page().map_err(Unwritten::Store)? {
        writing.records(&records).map_err(Unwritten::To)?;
    }
    writing.end().map(|(_, records)| records).map_err(Unwritten::To)
}

/// Copies a backup that the service gives, and sees to it that it is whole.
#[cfg(unix)]
fn copy(from: impl Read, to: &mut File, path: &Path) -> Result<u64> {
    let mut failed = None;
    let tee = Tee { from, to, failed: &mut failed };
    let read = (|| {
        let (_, mut reading) = Reading::begin(tee)?;
        while reading.next_records()?.is_some() {}
        Ok(reading.records())
    })();
    if let Some(error) = failed {
        return Err(Error::file("write", path, files::why(&error)));
    }
    read.map_err(|error: Unreadable| {
        Error::failed(match error {
            Unreadable::CutShort => "the service ended the backup before it was complete".to_owned(),
            Unreadable::Io(error) => format!("the service gives no backup: {}", files::why(&error)),
            other @ (Unreadable::Damaged | Unreadable::NotABackup | Unreadable::Version(_)) => {
                format!("the service gives no backup that can be used: {other}")
            }
        })
        .hint("its log says why; nothing was put in place")
    })
}

/// Writes what is read.
#[cfg(unix)]
struct Tee<'a, R> {
    from: R,
    to: &'a mut File,
    failed: &'a mut Option<io::Error>,
}

#[cfg(unix)]
impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(octets)?;
        if let Err(error) = self.to.write_all(octets.get(..length).unwrap_or_default()) {
            *self.failed = Some(error);
            return Err(io::Error::other("it cannot be written"));
        }
        Ok(length)
    }
}

/// Makes a data folder of a backup.
pub(crate) fn restore(args: &RestoreArgs) -> Result<()> {
    let RestoreArgs { from, data } = args;
    let file = File::open(from).map_err(|error| Error::file("read", from, files::why(&error)))?;
    let made = prepare(data)?;
    let restored = restore_into(data, file, from);
    if restored.is_err() && made {
        // What is in it by now is somebody else's.
        drop(fs::remove_dir(data));
    }
    let (records, at) = restored?;
    output::note(&format!(
        "{records} records and the sealing keys, as they were on {}, are in {}",
        date(at),
        data.display()
    ));
    output::note(
        "never run this beside the service that it was made from; what that delivered since may come again",
    );
    Ok(())
}

/// An empty folder, and whether it was made.
fn prepare(data: &Path) -> Result<bool> {
    let failed = |error: &io::Error| Error::file("use the folder", data, files::why(error));
    let made = !data.try_exists().map_err(|e| failed(&e))?;
    files::create_private_folder(data)?;
    files::check_owner(data)?;
    let mut entries = fs::read_dir(data).map_err(|e| failed(&e))?;
    // A new file system is not empty: it has that.
    match entries.find(|entry| !matches!(entry, Ok(entry) if entry.file_name() == "lost+found")) {
        None => Ok(made),
        Some(_) => {
            let refused =
                Error::failed(format!("{} is not empty, and nothing is overwritten", data.display()));
            Err(refused.hint(if sealing::is_half_restored(data) {
                "a restore into it was not finished: stop that, or empty the folder"
            } else {
                "name a folder that is empty, or does not exist; move what is in this one away"
            }))
        }
    }
}

fn restore_into(data: &Path, file: File, from: &Path) -> Result<(u64, UnixTime)> {
    let unreadable = |error: Unreadable| {
        Error::file("restore from", from, error).hint("nothing was put in place; use another backup")
    };
    let failed = |error: String| Error::failed(format!("cannot restore into {}: {error}", data.display()));
    let (head, mut reading) = Reading::begin(file).map_err(unreadable)?;
    let draft = sealing::restoring(data)?;
    let store = draft.path().join("store");
    files::create_private_folder(&store)?;
    let mut restoration = Restoration::begin(&store).map_err(|error| failed(error.to_string()))?;
    while let Some(records) = reading.next_records().map_err(unreadable)? {
        restoration.put(records).map_err(|error| failed(error.to_string()))?;
    }
    restoration.finish().map_err(|error| failed(error.to_string()))?;
    sealing::adopt(data, &store, &head.keyring)?;
    Ok((reading.records(), head.made))
}

/// When it is.
pub(crate) fn now() -> UnixTime {
    Tokio.now().wall
}

/// For people.
pub(crate) fn date(time: UnixTime) -> String {
    let since = std::time::Duration::from_secs(time.as_secs().min(LAST_DATE_SECS));
    httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + since)
}

/// The last second of the year 9999.
const LAST_DATE_SECS: u64 = 253_402_300_799;
