//! `push-sim`: runs schedules, many or one. See the README beside it.
#![allow(clippy::print_stdout, reason = "the report is its output")]

use std::{
    panic,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use clap::Parser;
use push_sim::{FaultKind, InputKind, Run, Tally, explore, minimise, trace};

/// Simulates whole push exchanges with every fault, and checks the guarantees of docs/design.md.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// How many schedules to run.
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The seed of the first; the others follow.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many to run at once [default: one for each processor].
    #[arg(long)]
    jobs: Option<usize>,
    /// Run the schedule of this seed alone; if it breaks a promise, tell the fewest steps that do.
    #[arg(long, conflicts_with_all = ["seeds", "first", "jobs"])]
    seed: Option<u64>,
    /// Fail as well if a kind of fault or input never came up.
    #[arg(long)]
    complete: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Panics are caught and told with their seed.
    panic::set_hook(Box::new(|_| {}));
    match args.seed {
        Some(seed) => one(seed),
        None => many(&args),
    }
}

fn one(seed: u64) -> ExitCode {
    let run = explore(seed);
    println!("seed {seed}: {:?}, {} steps", run.schedule.shape, run.schedule.steps.len());
    print!("{}", run.tally);
    told(seed, run)
}

/// Tells how a run ended.
fn told(seed: u64, run: Run) -> ExitCode {
    let Some(broken) = &run.broken else {
        println!("no promise was broken");
        return ExitCode::SUCCESS;
    };
    println!("BROKEN {broken}");
    println!("again: cargo run -p push-sim --release -- --seed {seed}");
    let smallest = minimise(run);
    println!("the fewest steps that do it, in {:?}:", smallest.schedule.shape);
    for step in &smallest.schedule.steps {
        println!("  {step:?}");
    }
    for line in trace(&smallest.schedule).trace {
        println!("{line}");
    }
    if let Some(broken) = &smallest.broken {
        println!("BROKEN {broken}");
    }
    ExitCode::FAILURE
}

/// What the threads have in common.
struct Common {
    next: AtomicU64,
    failed: AtomicBool,
    result: Mutex<Found>,
}

/// What came of them.
#[derive(Default)]
struct Found {
    tally: Tally,
    count: u64,
    /// The broken run of the lowest seed that any thread came upon.
    failure: Option<(u64, Run)>,
}

fn many(args: &Args) -> ExitCode {
    let jobs = args.jobs.or_else(|| thread::available_parallelism().map(Into::into).ok()).unwrap_or(1);
    let common =
        Common { next: AtomicU64::new(args.first), failed: AtomicBool::new(false), result: Mutex::default() };
    let end = args.first.saturating_add(args.seeds);
    #[allow(clippy::disallowed_methods, reason = "how fast it is, for people; no schedule sees it")]
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| work(&common, end));
        }
    });
    let secs = began.elapsed().as_secs_f64();
    let Found { tally, count, failure } = common.result.into_inner().unwrap_or_else(PoisonError::into_inner);
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / secs.max(1e-9);
    println!("{count} schedules from seed {} in {secs:.0} s, {rate:.0} a second, {jobs} at once", args.first);
    println!("{} inputs and {} faults", tally.inputs(), tally.faults());
    print!("{tally}");
    let missing = tally.missing();
    for kind in &missing {
        println!("NEVER EXERCISED: {kind}");
    }
    match failure {
        Some((seed, run)) => told(seed, run),
        None if args.complete && !missing.is_empty() => ExitCode::FAILURE,
        None => {
            println!(
                "no promise was broken; {} kinds of fault and {} of input",
                FaultKind::ALL.len(),
                InputKind::ALL.len()
            );
            ExitCode::SUCCESS
        }
    }
}

/// Seeds that a thread takes at a time.
const STRIDE: u64 = 64;

fn work(common: &Common, end: u64) {
    let mut tally = Tally::default();
    let mut count = 0;
    let mut failure = None;
    while !common.failed.load(Ordering::Relaxed) {
        let from = common.next.fetch_add(STRIDE, Ordering::Relaxed);
        for seed in from..end.min(from.saturating_add(STRIDE)) {
            let run = explore(seed);
            tally.add(&run.tally);
            count += 1;
            if run.broken.is_some() {
                common.failed.store(true, Ordering::Relaxed);
                failure = Some((seed, run));
                break;
            }
        }
        if from >= end {
            break;
        }
    }
    let mut result = common.result.lock().unwrap_or_else(PoisonError::into_inner);
    result.tally.add(&tally);
    result.count += count;
    if let Some((seed, run)) = failure
        && result.failure.as_ref().is_none_or(|(lowest, _)| seed < *lowest)
    {
        result.failure = Some((seed, run));
    }
}
