//! What goes wrong on our side.

use std::{fmt, io, sync::Arc};

/// Something that this program, its machine or its configuration did wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The machine did not let us.
    Io(Arc<io::Error>),
    /// A certificate or key; says what about it.
    Tls(&'static str),
    /// The configuration; says what about it.
    Config(&'static str),
    /// The random source failed.
    Random,
    /// The driver of this handle has ended.
    Ended,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "input or output failed: {error}"),
            Self::Tls(what) => write!(f, "TLS: {what}"),
            Self::Config(what) => write!(f, "configuration: {what}"),
            Self::Random => f.write_str("the random source failed"),
            Self::Ended => f.write_str("the driver of this handle has ended"),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&**error),
            Self::Tls(_) | Self::Config(_) | Self::Random | Self::Ended => None,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
