//! The only notion of time here: seconds since the epoch, always given by the caller.

/// Seconds since 1970-01-01T00:00:00Z. This crate reads no clock: every function that depends on time takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// A point in time, in whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// This much later, or the latest time there is.
    #[must_use]
    pub const fn saturating_add_secs(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs))
    }
}

/// Milliseconds since the epoch: the unit of `expirationTime` in the browser's push API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// A point in time, in milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same point in whole seconds, rounded down.
    #[must_use]
    pub const fn to_unix_time(self) -> UnixTime {
        UnixTime(self.0 / 1000)
    }
}
