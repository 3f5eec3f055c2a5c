//! Whole push exchanges in simulated time: user agents, application servers and shards of the push service, all of them the
//! real machines, over the real stores, with everything failing that can fail. One seed is one schedule, for ever.
//!
//! ```text
//!  seed or octets ─▶ Choices ─▶ Schedule: Shape, Step, Step, ..
//!                                  │
//!      Agent ◀─── links ─▶ Site: nodes × shards of the Service ◀─ channels ─▶ Vault: memory, or embedded on a disk
//!      Browser ◀─ links ─▶         behind mailboxes, Sessions                  that tears, checked against memory
//!      Sender ◀── links ─▶
//!                                  │
//!                         Truth, Judge: G1 to G7
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `schedule` | what can happen |
//! | `world` | carries it out, then heals, and compares what came of everything with what must have |
//! | `site` | nodes, shards, mailboxes, connections |
//! | `vault` | the store, and what goes wrong there |
//! | `passage` | the requests of one machine as another gets them, without HTTP |
//! | `agent`, `sender` | the other two machines with their applications |
//! | `browser` | a user agent that speaks Mozilla's push protocol, as a model |
//! | `party` | either kind of user agent |
//! | `truth` | what is durable, and so what may be pushed and told |
//!
//! ```
//! let run = push_sim::explore(1);
//! assert_eq!(run.broken, None);
//! assert!(run.tally.inputs() >= 200 && run.tally.faults() >= 3);
//! // The same schedule again, step by step, does the same.
//! assert_eq!(push_sim::replay(&run.schedule).tally, run.tally);
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a simulator that panics reports the schedule; it looks at one kind of output at a time"
)]

mod agent;
mod broken;
mod browser;
mod choices;
mod kinds;
mod minimise;
mod party;
mod passage;
pub mod schedule;
mod sender;
mod site;
mod trace;
mod truth;
mod vault;
mod world;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

pub use broken::{Broken, Guarantee};
pub use kinds::{FaultKind, InputKind, Tally};
pub use minimise::minimise;
pub use schedule::Schedule;

use choices::Choices;
use schedule::{Shape, Step};
use trace::Trace;
use world::World;

/// Inputs of machines, ticks aside, that a schedule has at least before it heals.
pub const INPUTS: u64 = 200;
/// Faults that a schedule has at least, each of which made a difference.
pub const FAULTS: u64 = 3;
/// Steps after which a schedule ends whatever came of them.
const STEPS: usize = 2000;

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happened.
    pub schedule: Schedule,
    /// What that exercised.
    pub tally: Tally,
    /// The promise that was broken, if one was.
    pub broken: Option<Broken>,
    /// Inputs and effects in order, if they were asked for.
    pub trace: Vec<String>,
}

/// Runs the schedule of a seed: steps until there were [`INPUTS`] and [`FAULTS`] enough, then healing.
#[must_use]
pub fn explore(seed: u64) -> Run {
    choose(&mut Choices::seeded(seed))
}

/// Runs the schedule that these octets amount to, as a fuzzer has it: it ends with them.
#[must_use]
pub fn explore_octets(octets: &[u8]) -> Run {
    choose(&mut Choices::Octets(octets))
}

fn choose(choices: &mut Choices<'_>) -> Run {
    let shape = Shape::choose(choices);
    run(shape, Trace::default(), |tally, steps| {
        let enough = tally.inputs() >= INPUTS && tally.faults() >= FAULTS;
        let over = choices.is_spent() || steps >= STEPS || (enough && matches!(choices, Choices::Seed(_)));
        (!over).then(|| Step::choose(choices))
    })
}

/// Runs a schedule step by step.
#[must_use]
pub fn replay(schedule: &Schedule) -> Run {
    run(schedule.shape, Trace::default(), |_, steps| schedule.steps.get(steps).copied())
}

/// The same, and notes what happens.
#[must_use]
pub fn trace(schedule: &Schedule) -> Run {
    run(schedule.shape, Trace::on(), |_, steps| schedule.steps.get(steps).copied())
}

/// Runs what `next` says, and heals. A panic of anything in the world is a broken promise.
fn run(shape: Shape, trace: Trace, mut next: impl FnMut(&Tally, usize) -> Option<Step>) -> Run {
    let mut steps = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(shape, trace);
        while !world.is_broken() {
            let Some(step) = next(world.tally(), steps.len()) else { break };
            steps.push(step);
            world.take(step);
        }
        if !world.is_broken() {
            world.heal();
        }
        world.finish()
    }));
    let (tally, broken, trace) = outcome.unwrap_or_else(|panic| {
        let what = reason(&*panic);
        (Tally::default(), Some(Broken { guarantee: Guarantee::Panic, what }), Vec::new())
    });
    Run { schedule: Schedule { shape, steps }, tally, broken, trace }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
