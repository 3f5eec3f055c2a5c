//! Time is an input. Two types, which do not convert into each other.

use core::time::Duration;

pub use push_crypto::UnixTime;

/// A point on a clock that never steps, in nanoseconds since the program's own origin. Waits use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This point and `wait` more; the end of time where that overflows.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks at one moment: `mono` for waits, `wall` for TTLs (RFC 8030 §5.2) and VAPID expiry (RFC 8292 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For waits.
    pub mono: Mono,
    /// For what outlives a restart.
    pub wall: UnixTime,
}
