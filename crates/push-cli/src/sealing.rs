//! The sealing key: what every URL of the service stands and falls with. It is made together with the store, and
//! belongs to it for ever.
//!
//! ```text
//! DIR/store/           the store
//! DIR/sealing.key      the keyring as text, mode 0600
//! DIR/sealing.key.new  only between the first start and the creation of the store
//! DIR/restore.draft/   only while a backup is being restored
//! ```
//!
//! At the first start the key is drafted, then the store is made, then the draft becomes the key: whenever that is cut
//! short, the next start finds what it needs to go on, and no URL has been handed out yet.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use push_crypto::capability::Keyring;
use push_store::{
    OpenError,
    engine::{FjallEngine, Presence},
};

use crate::{
    backup,
    error::{Error, Result},
    files, store,
};

/// What is in a data folder, as far as it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// What a first start left that was cut short: a draft of the key, and a store or a part of one.
    Unfinished,
    /// A service: its key is in place, so its store was made.
    Service,
}

/// Looks at a data folder, and changes nothing. Refuses a store that has lost its data or its key, a key without its store,
/// and what a restore has not finished.
pub(crate) fn find(data: &Path) -> Result<Found> {
    match fs::metadata(data) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(Error::file("use", data, "it is not a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(Error::file("use the folder", data, files::why(&error))),
    }
    if is_half_restored(data) {
        return Err(Error::failed(format!("a restore into {} was not finished", data.display()))
            .hint("wait until it is; if it was cut short, empty the folder and restore again"));
    }
    let (store_path, key) = (store::path(data), key_path(data));
    let presence = FjallEngine::presence(&store_path).map_err(|error| store::refused(&error))?;
    match (presence, exists(&key)?) {
        (Presence::Whole, true) => Ok(Found::Service),
        (Presence::Unfinished, true) => Err(store::refused(&OpenError::DataMissing(store_path.join("data")))),
        (Presence::Nothing, true) => {
            Err(Error::failed(format!("there is a sealing key {} without its store", key.display())).hint(
                "restore the store from the backup of this folder; to give up all subscriptions and start anew, use \
                 an empty folder",
            ))
        }
        (Presence::Nothing, false) => Ok(Found::Nothing),
        (Presence::Whole | Presence::Unfinished, false) if exists(&draft_path(data))? => {
            Ok(Found::Unfinished)
        }
        (Presence::Whole | Presence::Unfinished, false) => {
            Err(Error::failed(format!("the sealing key {} is missing", key.display())).hint(
                "the store needs it: without it no subscription in it works any more. Restore it from the backup of \
                 this folder; to give up all subscriptions and start anew, use an empty folder",
            ))
        }
    }
}

/// Whether a start would find what it needs, and what. Changes nothing.
pub(crate) fn check(data: &Path) -> Result<Found> {
    let found = find(data)?;
    let key = match found {
        Found::Service => key_path(data),
        Found::Unfinished => draft_path(data),
        Found::Nothing => return Ok(found),
    };
    if let Some(mode) = files::mode_beyond_owner(&key)? {
        let open =
            format!("others than its owner may use the sealing key {} (mode {mode:03o})", key.display());
        return Err(Error::failed(open).hint(format!(
            "chmod 600 {}; whoever has read it can make every URL of the service: then see docs/operations.md, \
             changing the sealing key",
            key.display()
        )));
    }
    read_from(&key)?;
    Ok(found)
}

/// Refuses a folder in which no service has run.
pub(crate) fn check_is_service(data: &Path) -> Result<()> {
    let none = |why: &str| Error::failed(format!("there is no push service in {}{why}", data.display()));
    match find(data)? {
        Found::Service => Ok(()),
        Found::Unfinished => Err(none(": its first start was not finished")
            .hint("start it there first; if there was a service, is --data right, and the disk mounted?")),
        Found::Nothing => Err(none("").hint("is --data right, and the disk mounted?")),
    }
}

/// Where nothing was found, and before the store is made: drafts the key.
pub(crate) fn draft(data: &Path) -> Result<()> {
    let mut keyring = Keyring::generate(&push_crypto::aws_lc::provider())
        .map_err(|error| Error::failed(format!("cannot make a sealing key: {error}")))?;
    keyring.note_made(backup::now());
    files::write_private(&draft_path(data), keyring.to_text().expose().as_bytes())
}

/// After the store was opened, so that this process has the folder for itself: the key.
pub(crate) fn settle(data: &Path) -> Result<Keyring> {
    let (key, draft) = (key_path(data), draft_path(data));
    if !exists(&key)? {
        files::rename(&draft, &key)?;
    } else if exists(&draft)? {
        // By a process that started at the same time, and found the folder in use. It is nobody's key.
        files::remove(&draft)?;
    }
    // Always what is on disk: another process may have drafted one at the same time.
    read(data)
}

/// The keys of a folder in which a service has run.
pub(crate) fn read(data: &Path) -> Result<Keyring> {
    read_from(&key_path(data))
}

fn read_from(key: &Path) -> Result<Keyring> {
    let text = files::read_secret_text(key, FILE_OCTETS_MAX)?;
    text.parse().map_err(|error| {
        Error::file("use the sealing key", key, error).hint("restore it from the backup of this folder")
    })
}

/// Puts other keys in their place; the next start reads them.
pub(crate) fn write(data: &Path, keyring: &Keyring) -> Result<()> {
    files::write_private(&key_path(data), keyring.to_text().expose().as_bytes())
}

/// Where a backup is restored before anything is put in place. It is removed when dropped, and as long as it is there no
/// service starts in this folder.
pub(crate) fn restoring(data: &Path) -> Result<tempfile::TempDir> {
    let draft = tempfile::Builder::new().prefix(RESTORE_DRAFT).rand_bytes(0).tempdir_in(data);
    draft.map_err(|error| Error::file("create", &data.join(RESTORE_DRAFT), files::why(&error)))
}

/// Whether a backup is being restored here, or that was cut short.
pub(crate) fn is_half_restored(data: &Path) -> bool {
    fs::symlink_metadata(data.join(RESTORE_DRAFT)).is_ok()
}

/// Puts a restored store and its keys in place. The keys first: cut short in between, no service makes others.
pub(crate) fn adopt(data: &Path, store: &Path, keyring: &Keyring) -> Result<()> {
    let key = key_path(data);
    files::create_private(&key, keyring.to_text().expose().as_bytes())?;
    files::rename(store, &store::path(data)).inspect_err(|_| drop(fs::remove_file(&key)))
}

fn key_path(data: &Path) -> PathBuf {
    data.join("sealing.key")
}

fn draft_path(data: &Path) -> PathBuf {
    data.join("sealing.key.new")
}

fn exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file("look at", path, files::why(&error))),
    }
}

const RESTORE_DRAFT: &str = "restore.draft";
/// A full keyring has less than 6 KiB.
const FILE_OCTETS_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn make_store(data: &Path) {
        drop(FjallEngine::open(store::path(data)).unwrap());
    }

    #[test]
    fn a_key_is_made_once_and_read_ever_after() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(find(data.path()).unwrap(), Found::Nothing);
        draft(data.path()).unwrap();
        make_store(data.path());
        let first = settle(data.path()).unwrap();
        assert_eq!(find(data.path()).unwrap(), Found::Service);
        // By one that came too late.
        draft(data.path()).unwrap();
        let again = settle(data.path()).unwrap();
        assert_eq!(first.to_text().expose(), again.to_text().expose());
    }

    #[test]
    fn a_first_start_that_was_cut_short_goes_on() {
        let data = tempfile::tempdir().unwrap();
        draft(data.path()).unwrap();
        // Killed before the store was made: drafted again. Killed after, or in between: the draft is the key.
        assert_eq!(find(data.path()).unwrap(), Found::Nothing);
        draft(data.path()).unwrap();
        make_store(data.path());
        fs::rename(store::path(data.path()).join("data"), data.path().join("data")).unwrap();
        assert_eq!(find(data.path()).unwrap(), Found::Unfinished);
        fs::rename(data.path().join("data"), store::path(data.path()).join("data")).unwrap();
        assert_eq!(find(data.path()).unwrap(), Found::Unfinished);
        settle(data.path()).unwrap();
        assert!(!draft_path(data.path()).exists());
    }

    #[test]
    fn nothing_is_made_while_a_backup_is_restored() {
        let data = tempfile::tempdir().unwrap();
        let draft = restoring(data.path()).unwrap();
        let refused = find(data.path()).unwrap_err().to_string();
        assert!(refused.contains("not finished") && restoring(data.path()).is_err(), "{refused}");
        drop(draft);
        assert_eq!(find(data.path()).unwrap(), Found::Nothing);
    }

    #[test]
    fn key_and_store_belong_together() {
        let data = tempfile::tempdir().unwrap();
        make_store(data.path());
        let lost = find(data.path()).unwrap_err().to_string();
        assert!(lost.contains("is missing") && lost.contains("backup"), "{lost}");
        fs::remove_dir_all(store::path(data.path())).unwrap();
        fs::write(key_path(data.path()), "x").unwrap();
        let lone = find(data.path()).unwrap_err().to_string();
        assert!(lone.contains("without its store"), "{lone}");
        assert!(settle(data.path()).unwrap_err().to_string().contains("cannot use the sealing key"));
    }
}
