//! `webpush`: a push service, a sender and a receiver of web push messages (RFC 8030, 8291, 8292), and a demonstration
//! of all three on one machine.
//!
//! | module | what it is |
//! |---|---|
//! | [`args`] | the command line |
//! | [`config`] | what `serve` is to do, checked: from flags and `WEBPUSH_*` variables |
//! | [`serve`], [`keygen`], [`listen`], [`send`], [`demo`], [`bench`], [`backup`], [`keys`], [`doctor`] | the commands |
//! | [`metrics`] | what `serve` tells Prometheus |
//! | [`sockets`] | where `serve` listens |
//! | [`sealing`], [`dev_ca`], [`tls`], [`vapid`], [`files`] | keys and certificates on disk |
//! | [`output`], [`log`], [`error`] | what it says, to whom, and with which exit code |
//!
//! Exit codes: 0 it worked, 1 it did not, 2 it was asked for in a way that makes no sense.
#![forbid(unsafe_code)]

mod args;
mod backup;
mod bench;
mod bounds;
mod config;
mod demo;
mod dev_ca;
mod doctor;
mod error;
mod files;
mod keygen;
mod keys;
mod listen;
mod log;
mod metrics;
mod output;
mod sealing;
mod send;
mod serve;
mod sockets;
mod tls;
mod vapid;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    match log::start(args.log).and_then(|()| run(args.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            error.exit_code()
        }
    }
}

fn run(command: Command) -> error::Result<()> {
    match command {
        Command::Backup(args) => backup::run(&args),
        Command::Bench(command) => bench::run(command),
        Command::Demo(args) => demo::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Keys(args) => keys::list(&args),
        Command::Listen(args) => listen::run(args),
        Command::Restore(args) => backup::restore(&args),
        Command::RotateKey(args) => keys::rotate(&args),
        Command::Send(args) => send::run(args),
        Command::Serve(args) => serve::run(args.config()?),
    }
}
