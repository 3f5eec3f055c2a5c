//! What goes wrong, in words for the person at the terminal: what it was, what stood in the way, what to do.

use std::{fmt, path::Path, process::ExitCode};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Error {
    kind: Kind,
    what: String,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
}

impl Error {
    /// It was tried and did not work: exit code 1.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, what: what.into(), hint: None }
    }

    /// It was asked for in a way that makes no sense: exit code 2, as for a flag that does not exist.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, what: what.into(), hint: None }
    }

    /// Something about a file.
    pub(crate) fn file(doing: &str, path: &Path, why: impl fmt::Display) -> Self {
        Self::failed(format!("cannot {doing} {}: {why}", path.display()))
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it says something about this flag.
    pub(crate) fn is_about(&self, flag: &str) -> bool {
        self.what.split([' ', ',', ':']).any(|word| word == flag)
    }

    /// With the place in front that it is about.
    pub(crate) fn at(self, place: &str) -> Self {
        Self { what: format!("{place}: {}", self.what), ..self }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Failed => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  {hint}"))
    }
}

/// What every fallible step of a command returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;
