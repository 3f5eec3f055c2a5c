//! The fewest steps that still break the same promise.

use crate::{Guarantee, Run, Schedule, replay};

/// Leaves out of a broken run whatever it can do without: halves of its steps, then quarters, down to single ones. Gives
/// the run back as it is if nothing is broken in it.
#[must_use]
pub fn minimise(run: Run) -> Run {
    let Some(guarantee) = run.broken.as_ref().map(|broken| broken.guarantee) else { return run };
    let mut smallest = run;
    let mut size = smallest.schedule.steps.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        let mut left_out = false;
        while from < smallest.schedule.steps.len() {
            match without(&smallest.schedule, from, size, guarantee) {
                Some(smaller) => {
                    smallest = smaller;
                    left_out = true;
                }
                None => from += size,
            }
        }
        size = if size == 1 && left_out { 1 } else { size / 2 };
    }
    smallest
}

/// The same run without `size` steps from `from`, if that breaks the same promise.
fn without(schedule: &Schedule, from: usize, size: usize, guarantee: Guarantee) -> Option<Run> {
    let mut shorter = schedule.clone();
    let to = (from + size).min(shorter.steps.len());
    shorter.steps.drain(from..to);
    let run = replay(&shorter);
    run.broken.as_ref().is_some_and(|broken| broken.guarantee == guarantee).then_some(run)
}
