//! The only notion of time here: seconds since the epoch, always given by the caller.

#[cfg(feature = "std")]
use std::time::{SystemTime, SystemTimeError};

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

/// For those who have a clock.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use push_crypto::UnixTime;
///
/// let now = UnixTime::try_from(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999))?;
/// assert_eq!(now, UnixTime::from_secs(1_700_000_000));
/// assert!(UnixTime::try_from(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).is_err());
/// # Ok::<(), std::time::SystemTimeError>(())
/// ```
#[cfg(feature = "std")]
impl TryFrom<SystemTime> for UnixTime {
    type Error = SystemTimeError;

    /// In whole seconds, rounded down.
    ///
    /// # Errors
    ///
    /// It is before 1970: the clock was never set.
    fn try_from(time: SystemTime) -> Result<Self, SystemTimeError> {
        time.duration_since(SystemTime::UNIX_EPOCH).map(|since| Self(since.as_secs()))
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
