//! G1 to G5 over whole exchanges.

use proptest::prelude::*;

use crate::{
    schedule::{Step, schedule},
    store::Backend,
    world::World,
};

fn run(backend: Backend, steps: Vec<Step>) {
    let mut world = World::new(backend);
    for step in steps {
        world.take(step);
    }
    world.heal();
}

/// This share of `PROPTEST_CASES`, or of the default: fewer where each costs more.
fn cases(share: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: (config.cases / share).max(1), ..config }
}

proptest! {
    #![proptest_config(cases(1))]

    /// G1, G2, G3, G4, G5: 8030-5.2-8, 8030-5.2-9, 8030-5.4-1, 8030-5.4-6, 8030-6.2-1, 8030-6.2-3, 8030-6.2-7,
    /// 8030-6.3-4, 8030-6.3-5, 8292-4.2-9.
    #[test]
    fn whole_exchanges_keep_the_guarantees_over_memory(steps in schedule()) {
        run(Backend::memory(), steps);
    }
}

proptest! {
    #![proptest_config(cases(4))]

    /// G1, G2, G4: the same where what was not committed is lost with power.
    #[test]
    fn whole_exchanges_keep_the_guarantees_over_a_disk_that_tears(steps in schedule()) {
        run(Backend::embedded(), steps);
    }
}
