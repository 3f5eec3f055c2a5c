//! Every bound of a session, by name (G5).

use core::time::Duration;

use super::Keepalive;
use crate::service::Rate;

/// Bounds of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a frame from the user agent; the driver takes no larger message. An acknowledgement of one message has
    /// about 250.
    pub frame_octets: usize,
    /// Acknowledgements in one frame: no fewer than the messages that may wait for one
    /// ([`service::Limits::unacknowledged`](crate::service::Limits::unacknowledged)), or who answers them all at once would be
    /// sent away for it, and come back to the same messages.
    pub updates: usize,
    /// Broadcasts that one frame asks for.
    pub broadcasts: usize,
    /// Requests to the service that are not answered yet; at that number no further frame is read.
    pub requests: usize,
    /// Frames that come by themselves, beyond one for each notification: nobody subscribes, unsubscribes or pings often for
    /// long, and a browser that comes back has some. None for any number.
    pub frames: Option<Rate>,
    /// How long the first frame may take.
    pub hello: Duration,
    /// When to ask a silent user agent whether it lives. Proxies cut what is silent for 60 to 100 seconds; user agents
    /// whose path does not are asked ever more rarely, for their battery's sake.
    pub keepalive: Keepalive,
    /// How long the answer to that may take.
    pub pong: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_octets: 64 * 1024,
            updates: 256,
            broadcasts: 64,
            requests: 64,
            frames: Rate::new(2, 256),
            hello: Duration::from_secs(20),
            keepalive: Keepalive { first: Duration::from_secs(55), ..Keepalive::default() },
            pong: Duration::from_secs(20),
        }
    }
}
