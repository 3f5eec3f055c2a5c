//! What a run is judged by.

use std::fmt;

/// A promise of the design (docs/design.md §1), or of the simulator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// What is accepted is durable.
    G1,
    /// A message ends once; it is never lost, never pushed late, after its end, or to another.
    G2,
    /// TTL 0 goes to whoever monitors now.
    G3,
    /// One outcome for each receipt.
    G4,
    /// Bounds hold, and nothing stalls.
    G5,
    /// Ids cannot collide or be told apart.
    G6,
    /// A store that failed promises nothing.
    G7,
    /// A machine speaks its protocol: one answer, nothing unasked for.
    Protocol,
    /// Two stores that behave alike.
    Store,
    /// Something panicked.
    Panic,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub guarantee: Guarantee,
    /// By what.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.guarantee, self.what)
    }
}

/// The first promise that was broken in a run.
#[derive(Debug, Default)]
pub(crate) struct Judge(Option<Broken>);

impl Judge {
    /// Notes `what` if a promise does not hold, and none was broken before.
    pub(crate) fn require(&mut self, holds: bool, guarantee: Guarantee, what: impl FnOnce() -> String) {
        if !holds && self.0.is_none() {
            self.0 = Some(Broken { guarantee, what: what() });
        }
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn verdict(self) -> Option<Broken> {
        self.0
    }
}
