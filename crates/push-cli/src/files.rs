//! Files that hold secrets: readable by their owner only, never half written, never in the place of a pipe or a link.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Makes a folder that only its owner can look into; one that exists is left as it is.
pub(crate) fn create_private_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return match fs::read_link(path) {
                Ok(to) => Error::file(
                    "use",
                    path,
                    format_args!("it is a symbolic link to {}, where no folder is", to.display()),
                )
                .hint("name the folder that is to be, or make it"),
                Err(_) => Error::file("use", path, "it is not a folder"),
            };
        }
        Error::file("create the folder", path, why(&error))
    })
}

/// Refuses a folder of somebody else: what root would write into it, its service could not use any more.
pub(crate) fn check_owner(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found =
            fs::metadata(folder).map_err(|error| Error::file("use the folder", folder, why(&error)))?;
        let (owner, group) = (found.uid(), found.gid());
        if owner != rustix::process::geteuid().as_raw() {
            // The capability is for what is before it: systemd keeps the folders of its dynamic users behind one of root's.
            return Err(Error::file("use the folder", folder, format_args!("it belongs to user {owner}"))
                .hint(format!(
                    "run this as the user that the service runs as: what another writes it could not use. Root can, by\n  \
                     setpriv --reuid={owner} --regid={group} --clear-groups --inh-caps=+dac_read_search \
                     --ambient-caps=+dac_read_search webpush .."
                )));
        }
    }
    Ok(())
}

/// As [`check_owner`], for root only: whom else the system lets write into a folder of somebody else works on with what it
/// wrote. A folder that does not exist is nobody's.
pub(crate) fn check_owner_if_root(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() && folder.exists() {
        return check_owner(folder);
    }
    Ok(())
}

/// The mode of a file, if it lets others than its owner do anything.
pub(crate) fn mode_beyond_owner(path: &Path) -> Result<Option<u32>> {
    #[cfg(unix)]
    {
        let found = fs::metadata(path).map_err(|error| Error::file("look at", path, why(&error)))?;
        let mode = std::os::unix::fs::MetadataExt::mode(&found) & 0o777;
        Ok(Some(mode).filter(|mode| mode & 0o077 != 0))
    }
    #[cfg(not(unix))]
    Ok(None)
}

/// Replaces a file by one with this content that only its owner can read. Durable when it returns; after a crash there
/// is the old one or the new one. What is not a regular file is left alone.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    check_replaceable(path)?;
    let folder = folder_of(path);
    let failed = |error: &io::Error| Error::file("write", path, why(error));
    // A temporary file has mode 0600 from its creation on.
    let mut file =
        tempfile::Builder::new().prefix(".webpush-").tempfile_in(folder).map_err(|e| failed(&e))?;
    file.write_all(content).map_err(|e| failed(&e))?;
    file.as_file().sync_all().map_err(|e| failed(&e))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    sync_folder(folder).map_err(|e| failed(&e))
}

/// Refuses a path at which there is anything but a regular file: replaced, a pipe, a device or a link would be gone.
pub(crate) fn check_replaceable(path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("write", path, why(&error))),
    };
    if found.is_file() {
        return Ok(());
    }
    let refused = Error::file("write", path, "it is not a regular file");
    Err(if found.is_symlink() {
        refused.hint("it is a symbolic link: name the file that it leads to")
    } else {
        refused.hint("name a file that can be replaced, or a new one")
    })
}

/// Whether what is written to this path goes elsewhere and is not kept: a pipe, a terminal, a device. Links to such, as
/// `/dev/stdout` is one, count too.
pub(crate) fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| is_stream_at(&found))
}

fn is_stream_at(found: &fs::Metadata) -> bool {
    !found.is_file() && !found.is_dir()
}

/// Writes to what [`is_stream`]. Blocks until somebody reads.
pub(crate) fn write_stream(path: &Path, content: &[u8]) -> Result<()> {
    let failed = |error: &io::Error| Error::file("write", path, why(error));
    let mut stream = OpenOptions::new().write(true).open(path).map_err(|e| failed(&e))?;
    // By now there may be a file, of which only the beginning would be overwritten.
    if !stream.metadata().is_ok_and(|found| is_stream_at(&found)) {
        return Err(Error::file("write", path, "something else has taken its place"));
    }
    stream.write_all(content).and_then(|()| stream.flush()).map_err(|e| failed(&e))
}

/// As [`write_private`], but refuses to replace anything.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| {
        let made = Error::file("create", path, why(&error));
        if error.kind() == io::ErrorKind::AlreadyExists {
            if let Err(special) = check_replaceable(path) {
                return special;
            }
            return made.hint("it is not overwritten: name another file, or move this one");
        }
        made
    })?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written
        .and_then(|()| sync_folder(folder_of(path)))
        .map_err(|error| Error::file("write", path, why(&error)))
}

/// Renames a file, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .and_then(|()| sync_folder(folder_of(to)))
        .map_err(|error| Error::file("create", to, why(&error)))
}

/// Removes a file, durably.
pub(crate) fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path)
        .and_then(|()| sync_folder(folder_of(path)))
        .map_err(|error| Error::file("remove", path, why(&error)))
}

/// The content of a file that has at most `octets_max`; wiped when dropped.
pub(crate) fn read_secret(path: &Path, octets_max: u64) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error: &io::Error| Error::file("read", path, why(error));
    let file = File::open(path).map_err(|e| failed(&e))?;
    read_all(file, octets_max).map_err(|e| failed(&e))
}

/// All that a reader has, if it is at most `octets_max`; wiped when dropped.
pub(crate) fn read_all(reader: impl io::Read, octets_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(octets_max).unwrap_or(usize::MAX).saturating_add(1);
    // Whole from the beginning: a vector that grows leaves what it held behind, unwiped.
    let mut content = Zeroizing::new(Vec::with_capacity(room));
    let read = reader.take(octets_max.saturating_add(1)).read_to_end(&mut content)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > octets_max {
        return Err(io::Error::other(format!("it is longer than {octets_max} octets")));
    }
    Ok(content)
}

/// As [`read_secret`], for text.
pub(crate) fn read_secret_text(path: &Path, octets_max: u64) -> Result<Zeroizing<String>> {
    let content = read_secret(path, octets_max)?;
    match std::str::from_utf8(&content) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Error::file("read", path, "it is not text")),
    }
}

/// An error of the operating system in plain words.
pub(crate) fn why(error: &io::Error) -> String {
    let known = PLAIN.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

const PLAIN: [(io::ErrorKind, &str); 9] = [
    (io::ErrorKind::AlreadyExists, "it exists already"),
    (io::ErrorKind::IsADirectory, "it is a folder, not a file"),
    (io::ErrorKind::NotADirectory, "a part of the path is a file, not a folder"),
    (io::ErrorKind::NotFound, "there is no such file or folder"),
    (io::ErrorKind::PermissionDenied, "permission denied"),
    (io::ErrorKind::ReadOnlyFilesystem, "the file system is read-only"),
    (io::ErrorKind::StorageFull, "no space is left"),
    (io::ErrorKind::TimedOut, "nothing came in time"),
    (io::ErrorKind::WouldBlock, "nothing came in time"),
];

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    // Elsewhere a folder is no file that could be synchronised.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_for_their_owner_only_and_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_private(&path, b"one").unwrap();
        let error = create_private(&path, b"two").unwrap_err();
        assert!(error.to_string().contains("not overwritten"), "{error}");
        write_private(&path, b"three").unwrap();
        assert_eq!(read_secret(&path, 5).unwrap().as_slice(), b"three");
        assert!(read_secret(&path, 4).unwrap_err().to_string().contains("longer than 4"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let inner = folder.path().join("a/b");
            create_private_folder(&inner).unwrap();
            assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn what_is_read_is_never_moved() {
        for octets in [0, 1, 4095, 4096] {
            let secret = vec![7; octets];
            let content = read_all(secret.as_slice(), 4096).unwrap();
            assert_eq!(*content, secret);
            assert_eq!(content.capacity(), 4097, "it had to grow for {octets} octets");
        }
        assert!(read_all([7; 4097].as_slice(), 4096).is_err());
    }
}
