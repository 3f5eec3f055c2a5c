//! `kill-service`: see the README of this crate.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to whoever runs it")]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use kill_trials::{Failure, Result, service, wall_secs};

/// Kills `webpush serve` at random points of its work, and checks that nothing it promised is lost
#[derive(Debug, Parser)]
struct Args {
    /// Messages to be accepted
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    messages: u64,
    /// How often to kill the service
    #[arg(long, value_name = "N", default_value_t = 200)]
    kills: usize,
    /// Names the trial; by default the time
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The webpush binary; by default the one beside this program
    #[arg(long, value_name = "FILE")]
    webpush: Option<PathBuf>,
    /// An empty folder for the service's data and log, which stays; by default a temporary one, which stays if the
    /// trial fails
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(wall_secs);
    println!("seed {seed}: {} messages, {} kills", args.messages, args.kills);
    match trial(args, seed) {
        Ok(figures) => {
            print!("{figures}");
            if let Err(failure) = figures.exercised() {
                eprintln!("seed {seed}: {failure}");
                return ExitCode::FAILURE;
            }
            println!("seed {seed}: every promise was kept");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn trial(args: Args, seed: u64) -> Result<service::Figures> {
    let io = |error: std::io::Error| Failure::new(format!("no folder: {error}"));
    let program = std::env::current_exe().map_err(io)?;
    let webpush = args.webpush.unwrap_or_else(|| service::sibling(&program));
    let mut temporary = None;
    let folder = match args.folder {
        Some(folder) => std::fs::create_dir_all(&folder).map(|()| folder).map_err(io)?,
        None => temporary.insert(tempfile::tempdir().map_err(io)?).path().to_owned(),
    };
    let trial = service::Trial { webpush, folder, messages: args.messages, kills: args.kills, seed };
    let every = (args.kills / 20).max(1);
    let result = service::run(&trial, &mut |kills, accepted| {
        if kills.is_multiple_of(every) {
            println!("{kills} kills, {accepted} messages accepted");
        }
    });
    if let (Err(_), Some(temporary)) = (&result, temporary) {
        eprintln!("its data and log stay in {}", temporary.keep().display());
    }
    result
}
