//! `kill-store`: see the README of this crate.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to whoever runs it")]

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use kill_trials::{Failure, Result, store, wall_secs};

/// Kills the embedded store at random points of its work, and checks that all it acknowledged is there and nothing else
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// How often to kill it
    #[arg(long, value_name = "N", default_value_t = 2000)]
    kills: u64,
    /// Cut the power with each kill: what was not synced is lost, in part or all of it. Takes FUSE, so Linux, /dev/fuse,
    /// and root or fusermount3
    #[arg(long)]
    power_loss: bool,
    /// Names the trial; by default the time
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// An empty folder for the stores, which stays; by default a temporary one, which stays if the trial fails
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// What is killed
    #[command(name = store::CHILD, hide = true)]
    Child { folder: PathBuf, seed: u64, life: u64 },
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Part::Child { folder, seed, life }) = args.part {
        return store::child(&folder, seed, life).map_or_else(
            |failure| {
                eprintln!("{failure}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        );
    }
    let seed = args.seed.unwrap_or_else(wall_secs);
    println!("seed {seed}: {} kills", args.kills);
    match trial(args, seed) {
        Ok(figures) => {
            print!("{figures}");
            println!("seed {seed}: every promise was kept");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn trial(args: Args, seed: u64) -> Result<store::Figures> {
    let io = |error: std::io::Error| Failure::new(format!("no folder: {error}"));
    let mut temporary = None;
    let folder = match args.folder {
        Some(folder) => std::fs::create_dir_all(&folder).map(|()| folder).map_err(io)?,
        None => temporary.insert(tempfile::tempdir().map_err(io)?).path().to_owned(),
    };
    let program = std::env::current_exe().map_err(io)?;
    let trial = store::Trial { program, folder, kills: args.kills, seed, power_loss: args.power_loss };
    let every = (args.kills / 20).max(1);
    let result = store::run(&trial, &mut |kills| {
        if kills.is_multiple_of(every) {
            println!("{kills} kills");
        }
    });
    if let (Err(_), Some(temporary)) = (&result, temporary) {
        eprintln!("the store stays in {}", temporary.keep().display());
    }
    result
}
