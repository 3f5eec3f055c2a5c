//! Why the service ends a session.

use super::FrameError;

/// A close frame: its status code (RFC 6455 §7.4) and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The same user agent has another connection.
    TakenOver,
    /// The service is being stopped.
    Draining,
    /// The subscriptions of this user agent were ended; it is to introduce itself again.
    Ended,
    /// The service cannot do it now.
    TryAgainLater(&'static str),
    /// A frame that means nothing.
    Frame(FrameError),
    /// The first frame did not come in time.
    NoHello,
    /// Another frame came before `hello`.
    NotHello,
    /// `hello` came again.
    SecondHello,
    /// More frames than [`Limits::frames`](super::Limits::frames).
    TooManyFrames,
    /// A binary message.
    Binary,
}

impl Close {
    /// The status code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::TakenOver | Self::Ended => 1000,
            Self::Draining => 1001,
            Self::Binary => 1003,
            Self::Frame(_) | Self::NoHello | Self::NotHello | Self::SecondHello | Self::TooManyFrames => 1008,
            Self::TryAgainLater(_) => 1013,
        }
    }

    /// For people: at most 123 octets.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TakenOver => "this user agent has connected again",
            Self::Draining => "the service is being stopped",
            Self::Ended => "the subscriptions of this user agent were ended",
            Self::TryAgainLater(reason) => reason,
            Self::Frame(error) => error.reason(),
            Self::NoHello => "hello did not come in time",
            Self::NotHello => "hello must come first",
            Self::SecondHello => "hello has been said already",
            Self::TooManyFrames => "too many frames",
            Self::Binary => "frames are text",
        }
    }
}
