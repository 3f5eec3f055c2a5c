//! Whether a user agent is still there.

use core::time::Duration;

use super::Limits;
use crate::{AgentId, Mono, keepalive::Rhythm};

/// When to ask, and what the answers have taught.
#[derive(Debug)]
pub(super) struct Pulse {
    rhythm: Rhythm,
    /// When anything came last.
    heard: Mono,
    ask: Ask,
    /// Spreads those that began together.
    jitter: u64,
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    At(Mono),
    Asked(Mono),
}

/// What there is to do.
pub(super) enum Beat {
    /// Ask.
    Ask,
    /// Nobody is there.
    Dead,
    /// Nothing before then.
    Wait(Mono),
}

impl Pulse {
    pub(super) fn new(limits: &Limits, fresh: AgentId, now: Mono) -> Self {
        let [.., a, b, c, d] = *fresh.octets();
        let jitter = u64::from(u32::from_le_bytes([a, b, c, d]));
        let rhythm = Rhythm::new(&limits.keepalive, None);
        let mut pulse = Self { rhythm, heard: now, ask: Ask::At(now), jitter };
        pulse.next(now);
        pulse
    }

    /// What was survived; or what is left to try, where nothing was.
    pub(super) fn learned(&self) -> Option<Duration> {
        self.rhythm.learned().or_else(|| self.rhythm.shortened())
    }

    /// A connection that a proxy cut for its silence just ends, so it may have been too long to try more than this: not at
    /// once again, or each connection would be cut soon.
    pub(super) fn recall(&mut self, limits: &Limits, learned: Duration) {
        self.rhythm = Rhythm::new(&limits.keepalive, Some(learned)).patient(&limits.keepalive);
        self.next(self.heard);
    }

    /// Something has come.
    pub(super) fn heard(&mut self, limits: &Limits, now: Mono) {
        if let Ask::Asked(at) = self.ask {
            self.rhythm.survived(&limits.keepalive, at.since(self.heard));
        }
        self.begin(now);
    }

    pub(super) fn beat(&mut self, limits: &Limits, now: Mono) -> Beat {
        match self.ask {
            Ask::At(at) if at <= now => {
                self.ask = Ask::Asked(now);
                Beat::Ask
            }
            Ask::At(at) => Beat::Wait(at),
            Ask::Asked(at) if at.after(limits.pong) <= now => {
                self.rhythm.died(&limits.keepalive, at.since(self.heard));
                Beat::Dead
            }
            Ask::Asked(at) => Beat::Wait(at.after(limits.pong)),
        }
    }

    /// Whatever was asked, the silence begins now.
    pub(super) fn begin(&mut self, now: Mono) {
        self.heard = now;
        self.next(now);
    }

    fn next(&mut self, now: Mono) {
        let scale = u64::from(u32::MAX) + 1;
        let jitter = self.jitter;
        // The same share of whatever the bound is.
        let share = |bound: u64| {
            u64::try_from(u128::from(bound) * u128::from(jitter) / u128::from(scale)).unwrap_or(0)
        };
        self.ask = Ask::At(self.rhythm.due(now, share));
    }
}
