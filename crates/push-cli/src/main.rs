//! `webpush`: a push service, a sender and a receiver of web push messages (RFC 8030, 8291, 8292), and a demonstration
//! of all three on one machine.
//!
//! | module | what it is |
//! |---|---|
//! | [`args`] | the command line |
//! | [`settings`] | who says what: flags, `WEBPUSH_*` variables, the file |
//! | [`config`] | what `serve` is to do, checked |
//! | [`serve`], [`check`], [`keygen`], [`listen`], [`send`], [`demo`], [`bench`], [`backup`], [`keys`], [`doctor`] | the commands |
//! | [`reload`] | SIGHUP while it serves |
//! | [`metrics`] | what `serve` tells Prometheus |
//! | [`signals`] | what asks a command to end |
//! | [`store`] | where the store is, and what to do when it cannot be opened |
//! | [`sockets`], [`websocket`] | where `serve` listens, and what flags say of user agents that come by WebSocket |
//! | [`supervisor`] | what systemd is told |
//! | [`firefox`] | what a browser is to be told |
//! | [`sealing`], [`dev_ca`], [`tls`], [`vapid`], [`files`] | keys and certificates on disk |
//! | [`output`], [`log`], [`error`] | what it says, to whom, and with which exit code |
//!
//! Exit codes: 0 it worked, 1 it did not, 2 it was asked for in a way that makes no sense.
#![forbid(unsafe_code)]

mod args;
mod backup;
mod bench;
mod bounds;
mod check;
mod config;
mod demo;
mod dev_ca;
mod doctor;
mod error;
mod files;
mod firefox;
mod keygen;
mod keys;
mod listen;
mod log;
mod metrics;
mod output;
mod reload;
mod sealing;
mod send;
mod serve;
mod settings;
mod signals;
mod sockets;
mod store;
mod supervisor;
mod tls;
mod vapid;
mod websocket;

use std::process::ExitCode;

use args::Command;
use settings::{Refused, Settings};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let read = settings::read(&words).map_err(|refused| match refused {
        Refused::CommandLine(error) => error.exit(),
        Refused::File(error) => error,
    });
    match read.and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            error.exit_code()
        }
    }
}

fn run(settings: Settings) -> error::Result<()> {
    let Settings { args, told, useless } = settings;
    log::start(args.log)?;
    match args.command {
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
        Command::Serve(args) => {
            let is_check = args.check;
            let config = args.config().map_err(|error| settings::placed(error, &told))?;
            if is_check {
                return check::run(&config, &told, &useless);
            }
            useless.iter().for_each(|useless| tracing::warn!("{useless}"));
            serve::run(config, told)
        }
    }
}
