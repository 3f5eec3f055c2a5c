//! What a simulation is good for: it replays, it exercises everything, and its schedules count.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use push_sim::{
    FAULTS, INPUTS, Run, Schedule, Tally, explore, explore_octets, replay,
    schedule::{Fault, Send, Shape, Step},
};

/// Enough that every kind of fault and input comes up; the gate runs a hundred times as many.
const SEEDS: u64 = 1000;

fn sound(what: &str, run: &Run) {
    if let Some(broken) = &run.broken {
        panic!("{what}: {broken}; cargo run -p push-sim --release -- --seed N shows the fewest steps");
    }
}

#[test]
fn no_promise_is_broken_and_every_kind_comes_up() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let run = explore(seed);
        sound(&format!("seed {seed}"), &run);
        assert!(run.tally.inputs() >= INPUTS && run.tally.faults() >= FAULTS, "seed {seed} counts");
        tally.add(&run.tally);
    }
    assert_eq!(tally.missing(), [""; 0]);
}

#[test]
fn a_seed_is_one_schedule() {
    for seed in [3, 77, 4096] {
        let (first, again) = (explore(seed), explore(seed));
        assert_eq!((&first.schedule, &first.tally), (&again.schedule, &again.tally));
        assert_eq!(replay(&first.schedule).tally, first.tally, "and replays step by step");
    }
}

#[test]
fn octets_are_schedules_too_and_end() {
    for length in [0, 1, 40, 700] {
        let octets: Vec<u8> = (0..length).map(|index: u32| index.wrapping_mul(151) as u8).collect();
        let run = explore_octets(&octets);
        sound(&format!("{length} octets"), &run);
        assert!(run.schedule.steps.len() <= octets.len());
    }
}

#[test]
fn a_sender_may_give_up_a_receipt_while_the_service_is_down_for_longer_than_it_waits() {
    let shape = Shape { nodes: 1, shards: 1, disk: true, short_queues: false, low_rates: false, browsers: 0 };
    let send = Send { sender: 0, to: 0, ttl: 30, urgency: 3, topic: None, receipt: true };
    let kill = Step::Fault(Fault::Kill { node: 0, after: 0, survive: u8::MAX });
    // Ten minutes after the expiry it has waited long enough.
    let pause = [Step::Pass(70); 10];
    let steps = [Step::Send(send), Step::Settle, kill].into_iter().chain(pause).collect();
    sound("a long outage", &replay(&Schedule { shape, steps }));
}
