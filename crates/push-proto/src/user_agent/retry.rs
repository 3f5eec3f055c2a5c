//! When to try again: jittered exponential backoff and `Retry-After`.

use core::time::Duration;

use crate::{Entropy, Mono, Now, UnixTime};

/// One request of a client machine, until its answer. Never reused by that machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not leave, or the peer said that it did not look at it: the connection failed before, it was refused
    /// (RFC 9113 `REFUSED_STREAM`), or its stream is above the last of a GOAWAY. Repeating it is safe.
    NotSent,
    /// It may or may not have taken effect.
    Lost,
    /// It did not leave and must not: the address is not one to connect to. Repeating it changes nothing.
    Forbidden,
}

/// `Retry-After` (RFC 9110 §10.2.3), in either of its forms (`8030-8.4-3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// `delay-seconds`
    In(Duration),
    /// `HTTP-date`
    At(UnixTime),
}

impl RetryAfter {
    /// How long that is from `now`.
    #[must_use]
    pub const fn wait(self, now: Now) -> Duration {
        match self {
            Self::In(wait) => wait,
            Self::At(time) => Duration::from_secs(time.as_secs().saturating_sub(now.wall.as_secs())),
        }
    }
}

/// Exponential backoff: `first`, doubled by every further failure, up to `longest`; the second half of it at random,
/// so that clients which failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

impl Backoff {
    /// How long to wait after `failures` failures in a row.
    pub(crate) fn wait(&self, failures: u32, entropy: &mut Entropy) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        let half = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX) / 2;
        Duration::from_nanos(half.saturating_add(entropy.below(half.saturating_add(1))))
    }
}

/// Something to be asked of the peer until it succeeds: in flight, or due at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Task {
    /// The request that carries it now.
    pub(crate) request: Option<RequestId>,
    /// When to ask next.
    pub(crate) due: Mono,
    /// In a row.
    pub(crate) failures: u32,
}

impl Task {
    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.request.is_none() && self.due <= now.mono
    }

    /// When it becomes due by itself, if that is still to come.
    pub(crate) fn wakes(&self, now: Now) -> Option<Mono> {
        (self.request.is_none() && self.due > now.mono).then_some(self.due)
    }

    /// It is to be asked again, `wait` from now.
    pub(crate) fn postpone(&mut self, wait: Duration, now: Now) {
        self.request = None;
        self.due = now.mono.after(wait);
        self.failures = self.failures.saturating_add(1);
    }

    /// It is to be asked again as soon as possible, and has not failed.
    pub(crate) const fn again(&mut self, now: Now) {
        self.request = None;
        self.due = now.mono;
    }
}

/// What a status code asks of a client, whatever it had asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Success,
    /// 307 and 308: the only redirections that keep method and body.
    Redirect,
    /// 404 and 410.
    Gone,
    Later,
    Refused,
}

impl Answer {
    pub(crate) const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            307 | 308 => Self::Redirect,
            404 | 410 => Self::Gone,
            408 | 425 | 429 | 500..=599 => Self::Later,
            _ => Self::Refused,
        }
    }
}

/// The sooner of two deadlines.
pub(crate) fn sooner<R>(one: Option<(Mono, R)>, other: Option<(Mono, R)>) -> Option<(Mono, R)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn backoff_doubles_is_capped_and_jitters_in_its_upper_half() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        let mut entropy = Entropy::new(&Seed::from_octets([1; 32]));
        for (failures, whole) in [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (u32::MAX, 60)]
        {
            for _ in 0..50 {
                let wait = backoff.wait(failures, &mut entropy);
                assert!(wait <= Duration::from_secs(whole), "{failures}: {wait:?}");
                assert!(wait >= Duration::from_secs(whole) / 2, "{failures}: {wait:?}");
            }
        }
    }

    #[test]
    fn retry_after_reads_a_delay_and_a_date() {
        let now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1000) };
        assert_eq!(RetryAfter::In(Duration::from_secs(7)).wait(now), Duration::from_secs(7));
        assert_eq!(RetryAfter::At(UnixTime::from_secs(1030)).wait(now), Duration::from_secs(30));
        assert_eq!(RetryAfter::At(UnixTime::from_secs(900)).wait(now), Duration::ZERO);
    }
}
