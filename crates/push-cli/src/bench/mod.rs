//! `webpush bench`: what this machine does.

mod clocks;
mod send;
mod sink;

use crate::{args::BenchCommand, error::Result};

/// Measures.
pub(crate) fn run(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Send(args) => send::run(&args),
        BenchCommand::Sink => sink::run(),
    }
}
