//! When expired messages are swept: one sweep at a time, again at once while there is more.

use super::{
    Limits,
    turn::{Effects, Pending},
};
use crate::{
    Mono, Now,
    store::{Command, Completion},
};

#[derive(Debug)]
pub(super) struct Sweeper {
    /// When the next is due; none while one is under way, or if another shard does it.
    next: Option<Mono>,
}

impl Sweeper {
    pub(super) fn new(sweeps: bool) -> Self {
        Self { next: sweeps.then_some(Mono::ZERO) }
    }

    pub(super) const fn next(&self) -> Option<Mono> {
        self.next
    }

    /// Something was closed: its messages are due now. Another shard's sweeper finds it by itself.
    pub(super) fn hurry(&mut self) {
        self.next = self.next.map(|_| Mono::ZERO);
    }

    pub(super) fn sweep(&mut self, now: Now, effects: &mut Effects) {
        if self.next.is_some_and(|at| at <= now.mono) {
            self.next = None;
            effects.ask(Pending::Sweep, |ticket| Command::Expire(ticket, now.wall));
        }
    }

    pub(super) fn swept(&mut self, completion: &Completion, now: Now, limits: &Limits) {
        let more = matches!(completion, Completion::Expired(_, sweep) if sweep.more);
        self.next = Some(if more { now.mono } else { now.mono.after(limits.sweep) });
    }
}
