//! A backup in the making. It holds the sealing keys as the whole one does, so none is left about: it is removed when it is
//! given up, and what a killed process left has a name by which the next backup finds and removes it.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    files,
};

/// `.FILE.partial` beside the file that it becomes. Locked while it is one.
pub(super) struct Partial {
    file: File,
    at: PathBuf,
    becomes: PathBuf,
    is_whole: bool,
}

impl Partial {
    /// Makes an empty one, in place of one that nobody writes any more.
    ///
    /// # Errors
    ///
    /// Another backup to this file is under way; what is at one of both paths is no regular file; it cannot be made.
    pub(super) fn begin(becomes: &Path) -> Result<Self> {
        files::check_replaceable(becomes)?;
        let at = beside(becomes)?;
        files::check_replaceable(&at)?;
        let failed = |error: &io::Error| Error::file("write", &at, files::why(error));
        match File::open(&at) {
            Ok(left) => {
                lock(&left, &at)?;
                fs::remove_file(&at).map_err(|e| failed(&e))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error)),
        }
        // Nobody else may have made it: its mode and its readers would be theirs.
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&at).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists { under_way(&at) } else { failed(&error) }
        })?;
        lock(&file, &at)?;
        // Whoever found it before it was locked has taken it for one that was left.
        #[cfg(unix)]
        if !file.metadata().is_ok_and(|found| std::os::unix::fs::MetadataExt::nlink(&found) == 1) {
            return Err(under_way(&at));
        }
        Ok(Self { file, at, becomes: becomes.to_owned(), is_whole: false })
    }

    /// What is written into it.
    pub(super) fn file(&self) -> Result<File> {
        self.file.try_clone().map_err(|error| Error::file("write", &self.at, files::why(&error)))
    }

    /// Puts it in place, durably.
    pub(super) fn put_in_place(mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| Error::file("write", &self.at, files::why(&error)))?;
        files::rename(&self.at, &self.becomes)?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_whole {
            drop(fs::remove_file(&self.at));
        }
    }
}

fn beside(becomes: &Path) -> Result<PathBuf> {
    let name =
        becomes.file_name().ok_or_else(|| Error::file("write", becomes, "it is a folder, not a file"))?;
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(".partial");
    Ok(becomes.with_file_name(partial))
}

fn lock(file: &File, at: &Path) -> Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => under_way(at),
        TryLockError::Error(error) => Error::file("lock", at, files::why(&error)),
    })
}

fn under_way(at: &Path) -> Error {
    Error::file("write", at, "another backup to this file is under way")
        .hint("wait for that, or end the command that takes it")
}
