//! `webpush bench`: what this machine does.

mod agents;
mod clocks;
mod send;
mod sink;

use crate::{args::BenchCommand, error::Result};

/// Measures.
pub(crate) fn run(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Agents(args) => agents::run(&args),
        BenchCommand::Send(args) => send::run(&args),
        BenchCommand::Sink => sink::run(),
    }
}
