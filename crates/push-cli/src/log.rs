//! Logs, on standard error.

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::error::{Error, Result};

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Starts logging, once for the whole process.
///
/// The level is that of our own crates. Libraries never get beyond warnings: what h2 has to say below that includes
/// header fields, and with them capability URLs (G6).
///
/// # Errors
///
/// Somebody has started it already.
pub(crate) fn start(level: Level) -> Result<()> {
    let libraries = level.filter().min(LevelFilter::WARN);
    let targets = OURS.iter().fold(Targets::new().with_default(libraries), |targets, ours| {
        targets.with_target(*ours, level.filter())
    });
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry()
        .with(targets)
        .with(layer)
        .try_init()
        .map_err(|error| Error::failed(format!("cannot start logging: {error}")))
}

/// Prefixes of our targets.
const OURS: [&str; 7] =
    ["push_crypto", "push_driver", "push_proto", "push_smol", "push_store", "push_tokio", "webpush"];
