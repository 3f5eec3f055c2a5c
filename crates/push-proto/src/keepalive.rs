//! How long a connection may be silent: learned from those that survived it (`8030-3-3`).

use core::time::Duration;

use crate::Mono;

/// The bounds within which an agent learns how long the path to a service keeps a silent connection.
///
/// A PING costs a phone its radio, so they should be rare; but middleboxes forget connections that are silent for too
/// long, and tell nobody. RFC 5382 lets none forget before 2 h 4 min; many do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// The silence to begin with; safe with nearly every middlebox.
    pub first: Duration,
    /// Never ask sooner, whatever died.
    pub shortest: Duration,
    /// Never ask later: bounds how long a dead connection is not noticed. Far below 2 h 4 min.
    pub longest: Duration,
    /// Silences survived in a row, once one was too long, before a longer one is tried again: networks change.
    pub patience: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(60),
            shortest: Duration::from_secs(20),
            longest: Duration::from_secs(30 * 60),
            patience: 16,
        }
    }
}

/// What one service's connections have taught.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// The silence after which to ask next.
    interval: Duration,
    /// The longest that is known to be survived, if any was tried yet.
    good: Option<Duration>,
    /// One was too long: how many more must be survived before a longer one is tried.
    patience: u32,
}

impl Rhythm {
    /// Goes on from what an earlier run has learned.
    pub(crate) fn new(bounds: &Keepalive, learned: Option<Duration>) -> Self {
        let good = learned.map(|good| within(bounds, good));
        Self { interval: good.unwrap_or_else(|| within(bounds, bounds.first)), good, patience: 0 }
    }

    /// The same, as if one had just been too long: nobody tells that of the connections before.
    #[cfg(feature = "wire")]
    pub(crate) const fn patient(self, bounds: &Keepalive) -> Self {
        Self { patience: bounds.patience, ..self }
    }

    /// What is worth keeping, in whole milliseconds.
    pub(crate) fn learned(&self) -> Option<Duration> {
        self.good.map(|good| Duration::from_millis(u64::try_from(good.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The silence to try next, where one was too long and none was survived yet.
    #[cfg(feature = "wire")]
    pub(crate) fn shortened(&self) -> Option<Duration> {
        (self.good.is_none() && self.patience > 0).then_some(self.interval)
    }

    /// When to ask a connection that was last heard at `heard`: up to an eighth early, by what `below` draws, so that
    /// connections which began together do not wake everything together.
    pub(crate) fn due(&self, heard: Mono, below: impl FnOnce(u64) -> u64) -> Mono {
        let eighth = u64::try_from(self.interval.as_nanos() / 8).unwrap_or(u64::MAX);
        let early = Duration::from_nanos(below(eighth.saturating_add(1)));
        heard.after(self.interval.saturating_sub(early))
    }

    /// A connection has survived that silence. Says whether more is known than before.
    pub(crate) fn survived(&mut self, bounds: &Keepalive, silence: Duration) -> bool {
        // The jitter is no news.
        let reached =
            if silence.saturating_add(self.interval / 8) >= self.interval { self.interval } else { silence };
        let better = self.good.is_none_or(|good| reached > good);
        if better {
            self.good = Some(within(bounds, reached));
        }
        self.patience = self.patience.saturating_sub(1);
        if self.patience == 0 && reached >= self.interval {
            self.interval = within(bounds, self.interval.saturating_add(self.interval / 2));
        }
        better
    }

    /// A connection has died of that silence. Says whether less is known than before.
    pub(crate) fn died(&mut self, bounds: &Keepalive, silence: Duration) -> bool {
        // A device that slept through its deadline has tried something longer, which says nothing.
        if silence > self.interval.saturating_mul(2) {
            return false;
        }
        self.patience = bounds.patience;
        match self.good {
            // One step too far.
            Some(good) if good < self.interval => {
                self.interval = good;
                false
            }
            // What was good is not any more, or never was.
            _ => {
                self.interval = within(bounds, self.interval / 2);
                let worse = self.good.is_some_and(|good| good > self.interval);
                self.good = self.good.map(|good| good.min(self.interval));
                worse
            }
        }
    }

    /// Whether a loss after that silence is one of it: a longer one was never survived.
    pub(crate) fn is_suspicious(&self, silence: Duration) -> bool {
        self.good.is_some_and(|good| good < self.interval && silence > good)
    }
}

fn within(bounds: &Keepalive, silence: Duration) -> Duration {
    silence.min(bounds.longest).max(bounds.shortest)
}
