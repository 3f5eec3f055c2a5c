//! Parties that do the same work.

use criterion::{Criterion, Throughput};

use crate::{Clock, Meter, Spent};

/// Who a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This project.
    Ours,
    /// A published library that does the same.
    Peer,
    /// What the machine allows: the same primitives without a library around them.
    Limit,
}

/// So many steps, and a meter for what counts of them.
type Work = Box<dyn FnMut(u64, &mut Meter)>;

/// One that takes part in a [`Contest`].
pub struct Party {
    /// Who.
    pub name: &'static str,
    /// In which role.
    pub kind: Kind,
    work: Work,
}

impl Party {
    /// `work` does so many steps, and counts what matters of them.
    pub fn new(kind: Kind, name: &'static str, work: impl FnMut(u64, &mut Meter) + 'static) -> Self {
        Self { name, kind, work: Box::new(work) }
    }

    /// All of every step counts.
    pub fn plain<T>(kind: Kind, name: &'static str, mut step: impl FnMut() -> T + 'static) -> Self {
        Self::new(kind, name, move |steps, meter| {
            meter.time(|| {
                for _ in 0..steps {
                    std::hint::black_box(step());
                }
            });
        })
    }

    /// Does so many steps.
    pub fn run(&mut self, steps: u64) -> Spent {
        let mut meter = Meter::default();
        (self.work)(steps, &mut meter);
        meter.spent()
    }
}

/// Parties that do the same work. The first is the one that others are compared with.
pub struct Contest {
    /// What the work is.
    pub name: &'static str,
    /// The clock that counts.
    pub clock: Clock,
    /// Messages in one step.
    pub messages: u64,
    /// Who takes part.
    pub parties: Vec<Party>,
}

/// Runs contests under criterion: all parties of one contest in one group.
pub fn compare(criterion: &mut Criterion, contests: &[fn() -> Contest]) {
    for contest in contests {
        let Contest { name, clock, messages, parties } = contest();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(messages));
        for mut party in parties {
            group.bench_function(party.name, |bencher| {
                bencher.iter_custom(|steps| party.run(steps).by(clock));
            });
        }
        group.finish();
    }
}
