//! Where the store is, and what to do when it cannot be opened.

use std::path::{Path, PathBuf};

use push_store::{Failure, OpenError};

use crate::error::Error;

/// In this data folder.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join("store")
}

/// Why a store cannot be opened, and what to do.
pub(crate) fn refused(error: &OpenError) -> Error {
    let failed = Error::failed(error.to_string());
    if matches!(error, OpenError::InUse(_)) {
        return failed.hint(
            "only one process can use a data folder: `webpush serve`, or for a while `webpush rotate-key`, or \
             `webpush backup` of a service that is stopped. Wait for it or end it, or use another --data",
        );
    }
    match (error, error.failure()) {
        (_, Failure::Full) => failed.hint("make room on the disk of the data folder"),
        (_, Failure::ReadOnly) => failed.hint("let this user write to the data folder, all of it"),
        (
            OpenError::NotAStore(_)
            | OpenError::Corrupt(_)
            | OpenError::DataMissing(_)
            | OpenError::Engine(_),
            _,
        ) => failed.hint("restore the data folder, key and all, from a backup, or use another folder"),
        _ => failed,
    }
}
