//! What a folder's files hold, octet by octet.

use std::{fs, io, path::Path};

use memchr::memmem;

/// All files below a folder, as they are on disk now.
pub(super) struct Evidence {
    files: Vec<Vec<u8>>,
}

impl Evidence {
    pub(super) fn collect(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                }
                // A socket holds nothing.
                if !kind.is_file() {
                    continue;
                }
                match fs::read(entry.path()) {
                    Ok(file) => files.push(file),
                    // The store has put another in its place meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Self { files })
    }

    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    pub(super) fn holds(&self, octets: &[u8]) -> bool {
        self.files.iter().any(|file| memmem::find(file, octets).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_below_is_searched() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), b"\0\xffneedle").unwrap();
        fs::write(folder.path().join("d"), b"").unwrap();
        let evidence = Evidence::collect(folder.path()).unwrap();
        assert_eq!(evidence.files(), 2);
        assert!(evidence.holds(b"\xffneed") && !evidence.holds(b"needles"));
    }
}
