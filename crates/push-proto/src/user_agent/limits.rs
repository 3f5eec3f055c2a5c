//! Every bound of a user agent, by name (G5).

use core::time::Duration;

use super::{Keepalive, retry::Backoff};

/// Bounds of one user agent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Subscriptions at once, those being made or ended included; beyond it a subscribe fails.
    pub subscriptions: usize,
    /// Services with a connection at once: the configured one, others that were subscribed at, and where they redirected
    /// subscriptions to. Each may have a second one, that it drains.
    pub connections: usize,
    /// Messages delivered and not yet acknowledged to the service; [`room`](super::UserAgent::room) is what is left.
    pub unacknowledged: usize,
    /// Acknowledged messages that are remembered, so that a repetition is not delivered again (`8030-6.2-7`).
    pub remembered: usize,
    /// How long they are remembered.
    pub remember: Duration,
    /// Requests in flight on one connection, monitors aside.
    pub requests_in_flight: usize,
    /// Redirections of one subscribe (`8030-7.1-1`).
    pub redirects: u8,
    /// Times an acknowledgement is tried; then the service may push the message again, and it is tried again.
    pub acknowledgement_attempts: u32,
    /// Times the end of a subscription is tried while the service refuses it; without an answer it is tried for ever.
    pub unsubscribe_attempts: u32,
    /// How long a connection may take to be established.
    pub connect: Duration,
    /// How long a request other than a monitor may take; after it the connection counts as dead.
    pub response: Duration,
    /// When an open connection is asked whether it lives.
    pub keepalive: Keepalive,
    /// How long the answer to that may take; then the connection counts as dead.
    pub pong: Duration,
    /// How long, at most, before a connection that drains is replaced; at random, since the service drains many at once.
    pub move_within: Duration,
    /// How long a connection that drains may still answer after it was replaced.
    pub drain: Duration,
    /// How long a service that cannot push is monitored by event streams before a new connection tries push again.
    pub stream: Duration,
    /// A connection that lived this long was a good one: the next begins without the backoff of the last.
    pub stable: Duration,
    /// A monitor that the service ends sooner than this is not reopened at once.
    pub monitor: Duration,
    /// The longest `Retry-After` that is obeyed.
    pub retry_after: Duration,
    /// How long [`Close`](super::Control::Close) waits for acknowledgements to be answered.
    pub close: Duration,
    /// The waits between attempts.
    pub backoff: Backoff,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscriptions: 1024,
            connections: 4,
            unacknowledged: 64,
            remembered: 1024,
            remember: Duration::from_secs(24 * 3600),
            requests_in_flight: 16,
            redirects: 5,
            acknowledgement_attempts: 10,
            unsubscribe_attempts: 10,
            connect: Duration::from_secs(30),
            response: Duration::from_secs(30),
            keepalive: Keepalive::default(),
            pong: Duration::from_secs(20),
            move_within: Duration::from_millis(500),
            drain: Duration::from_secs(20),
            stream: Duration::from_secs(3600),
            stable: Duration::from_secs(30),
            monitor: Duration::from_secs(5),
            retry_after: Duration::from_secs(3600),
            close: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) },
        }
    }
}
