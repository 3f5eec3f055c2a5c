//! Clients of push services: [`UserAgent`] and [`Sender`], driven over HTTP/2.
//!
//! Each is a handle, cheap to clone, and a driver: a future that owns the machine and all its connections, to be
//! spawned once. The handle talks to the driver by channels, so dropping any future of a handle harms nothing. When
//! all handles are dropped the driver ends by itself.

mod address;
mod dial;
mod exchange;
mod http1;
mod proxy;
mod reach;
mod resolve;
mod sender;
mod user_agent;

use std::time::Duration;

use push_proto::Mono;

use crate::{Runtime, runtime::sleep_until};

pub use address::{Addresses, Allowed, AllowedError};
pub use proxy::{Proxy, ProxyError};
pub use resolve::{Resolve, Resolver, Resolving};
pub use sender::{AwaitedReceipt, Push, SendError, Sender, SenderOptions, Sent};
pub use user_agent::{Message, SubscribeError, SubscribeOptions, UserAgent, UserAgentOptions};

/// Bounds of a client's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Resolving, connecting, a proxy's tunnel, TLS and HTTP/2, together.
    pub connect: Duration,
    /// How long an address of a name may take before the next is tried as well (RFC 8305 §8).
    pub next_address: Duration,
    /// Addresses of a name that are tried; the rest is left alone.
    pub addresses: usize,
    /// Largest header block of a response or a promise, and head of a proxy's answer. h2 itself would take 16 MiB.
    pub header_octets: u32,
    /// Largest body of a push; a larger one is not taken.
    pub push_octets: usize,
    /// Pushes that the service may have under way at once, told to it as `MAX_CONCURRENT_STREAMS`.
    pub pushes: u32,
    /// HTTP/2 flow control window of a push.
    pub stream_window: u32,
    /// HTTP/2 flow control window of a connection: bounds what all its pushes hold. If it is less than `pushes` times
    /// `push_octets`, pushes that are not whole can keep the others from becoming so.
    pub connection_window: u32,
    /// How long the next piece of a push may take to come; then that push is reset, and the service pushes it again.
    /// Until then it holds up those behind it on the same monitor.
    pub push_piece: Duration,
    /// Largest event of a monitor that comes as a stream, and longest line of it; beyond it the monitor is ended, and
    /// opened again. A push of the largest size fits, in base64 and with all that stands around it.
    pub event_octets: usize,
    /// How long the rest of an answer may take to come after its head; what has come until then is what there is.
    pub answer_body: Duration,
    /// How often a sender asks an open connection whether it lives (PING). A user agent learns when to ask: its machine's
    /// `keepalive`.
    pub keepalive: Duration,
    /// How long the answer to a sender may take; then the connection is given up.
    pub pong: Duration,
    /// How long a user agent's connection may take to end in good order, once it is not needed any more.
    pub linger: Duration,
    /// How long a sender keeps a connection without requests.
    pub idle: Duration,
    /// Connections without requests that a sender keeps at all; beyond it the one that has had none for longest is closed.
    pub idle_connections: usize,
    /// Requests that a sender has under way at once at a push service that speaks HTTP/1.1 only, each on a connection of
    /// its own.
    pub http1_connections: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            next_address: Duration::from_millis(250),
            addresses: 16,
            header_octets: 16 * 1024,
            push_octets: 64 * 1024,
            pushes: 32,
            stream_window: 64 * 1024,
            connection_window: 2 * 1024 * 1024,
            push_piece: Duration::from_secs(30),
            event_octets: 96 * 1024,
            answer_body: Duration::from_secs(2),
            keepalive: Duration::from_secs(60),
            pong: Duration::from_secs(20),
            linger: Duration::from_secs(5),
            idle: Duration::from_secs(90),
            idle_connections: 256,
            http1_connections: 8,
        }
    }
}

/// Waits until then, or for ever.
async fn alarm<R: Runtime>(runtime: R, at: Option<Mono>) {
    match at {
        Some(at) => sleep_until(runtime, at).await,
        None => std::future::pending().await,
    }
}

/// The earlier of the two, if any.
fn earlier(one: Option<Mono>, other: Option<Mono>) -> Option<Mono> {
    one.into_iter().chain(other).min()
}
