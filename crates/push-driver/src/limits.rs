//! Every bound of the driver, by name (G5).

use std::time::Duration;

use push_proto::{UnixTime, service::Rate};

/// Bounds of a server. "Of a connection" and "of a shard" say how often each is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of a shard; the one beyond it is closed at once. At about 28 KiB each with TLS this is 560 MiB.
    pub connections: usize,
    /// Connections of one client address (an IPv6 address counts by its first 64 bits); the one beyond it is closed at
    /// once. A large office shares one; a few machines that hold all places of a shard do not come from one. This and
    /// the other bounds of an address are for connections with TLS: without it, the address is a proxy's. Of
    /// [`TrustedProxies`](crate::TrustedProxies) each request counts for whom they name, and their connections for nobody.
    pub address_connections: usize,
    /// Requests from one client address; beyond it 429. More than an application server sends that is not told to stop
    /// by its key's rate. `None` for no bound.
    pub address_requests: Option<Rate>,
    /// New user agents and receipt subscriptions from one client address (`8030-4.1-6`); beyond it 429. Enough for an
    /// office that comes to work (`8030-4.1-7`). `None` for no bound.
    pub address_agents: Option<Rate>,
    /// Messages without VAPID credentials from one client address; beyond it 429. Those that are signed have the rate of
    /// their key. `None` for no bound.
    pub address_unsigned: Option<Rate>,
    /// Client addresses whose rates are kept in mind. Full, the one that is nearest to its whole burst again is
    /// forgotten.
    pub rated_addresses: usize,
    /// Body octets that a shard holds (requests until they are answered, pushes and responses until they are read, what
    /// waits in monitors) up to which it takes another body; beyond it 503. Far more than is under way while everybody
    /// reads and the store keeps up.
    pub shed_octets: usize,
    /// Body octets that a shard holds up to which it lets peers read as slowly as they like; beyond it, those are cut off
    /// who have read nothing for longest. Above [`Limits::shed_octets`], so that pushing goes on when bodies are refused.
    pub cut_octets: usize,
    /// Requests in the mailbox of a shard; beyond it the connection answers 503 itself.
    pub mailbox: usize,
    /// Hints of the store in the mailbox of a shard; beyond it they are dropped, which the store contract allows:
    /// a monitored queue is loaded again at intervals.
    pub hints: usize,
    /// Letters that a shard takes from its mailbox in one turn, so that its connections get their share of the thread.
    pub turn: usize,
    /// TLS handshake and HTTP version, together.
    pub handshake: Duration,
    /// HTTP/1.1: from the connection or the last response to the end of the next head. Bounds slow heads, idle
    /// connections and responses that nobody reads.
    pub head: Duration,
    /// From the head to the end of the body; beyond it 408.
    pub body: Duration,
    /// How much of a body that is refused is read all the same. Many clients lose a response that comes before they have
    /// sent everything (libcurl on HTTP/2), or when the connection is closed with octets unread (all on HTTP/1.1), and
    /// never learn why they were refused.
    pub refused_octets: usize,
    /// Largest header block; beyond it 431. h2 itself would take 16 MiB.
    pub header_octets: u32,
    /// Open requests of an HTTP/2 connection, told to the peer as `MAX_CONCURRENT_STREAMS`.
    pub streams: u32,
    /// HTTP/2 flow control window of a request: it holds any body that is legal here.
    pub stream_window: u32,
    /// HTTP/2 flow control window of a connection: bounds what all its request bodies hold.
    pub connection_window: u32,
    /// Monitors of an HTTP/2 connection, event streams included; beyond it 503. A user agent needs one for each set.
    pub monitors: usize,
    /// Pushes that a monitor may have waiting or under way at once.
    pub credit: u32,
    /// Pushes of an HTTP/2 connection that are not written to their end, whatever more the peer allows.
    pub pushes: usize,
    /// Body octets of those. One push always fits.
    pub push_octets: usize,
    /// How often a connection with open monitors is asked whether it lives (PING). Short enough for most NATs.
    pub keepalive: Duration,
    /// How long its answer may take; then the connection is closed.
    pub pong: Duration,
    /// How often an event stream without events says that it lives. Shorter than what proxies cut.
    pub stream_keepalive: Duration,
    /// How long the peer of an event stream may take to let the next octet through; then it is cut off.
    pub stream_stall: Duration,
    /// HTTP/2: how long a connection may stay without monitors and without a new request.
    pub idle: Duration,
    /// How long a connection may last; then its peer is told to go when what it asked for is done. Monitors end by
    /// themselves before long. So whoever stays comes to see a new certificate and a less busy shard in the end.
    pub age: Duration,
    /// The Retry-After of a 503 that the driver gives.
    pub retry_after: Duration,
    /// VAPID tokens whose verification a shard remembers.
    pub verified: usize,
    /// User agents of a shard whose silences it remembers when their WebSocket has gone, to ask them as rarely the next
    /// time; beyond it the first is forgotten, and asked more often again.
    pub learned_agents: usize,
    /// When the server is ill.
    pub health: HealthLimits,
}

/// What [`Server::readiness`](crate::Server::readiness), `/healthz` and `/readyz` go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthLimits {
    /// Whether `/healthz` and `/readyz` are answered; without it they are 404 like anything else that is not there.
    pub served: bool,
    /// How often each shard is asked to take a turn.
    pub beat: Duration,
    /// How long that may take. A turn takes milliseconds, so a shard that does not get there hangs, or drowns.
    pub stall: Duration,
    /// How often a store that is idle is asked to make a page durable: about 70 MB a day, overwritten, which the worst
    /// flash stands for decades. One that is in use shows by that that it can.
    pub probe: Duration,
    /// How long that may take, and opening a store again. A disk that needs longer makes every sender wait as long.
    pub probe_stall: Duration,
    /// How long after its first failure a store that is down is opened again; twice as long after each.
    pub retry: Duration,
    /// The longest of these, and so what recovery takes at most to be noticed.
    pub retry_max: Duration,
    /// How far the clock may be behind the latest time that the store has seen: as far as it may be off for VAPID
    ///
    pub behind: Duration,
    /// The clock is not set if it says less: it is later than when this was written.
    pub clock_min: UnixTime,
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self {
            served: true,
            beat: Duration::from_secs(1),
            stall: Duration::from_secs(5),
            probe: Duration::from_secs(5),
            probe_stall: Duration::from_secs(10),
            retry: Duration::from_secs(1),
            retry_max: Duration::from_secs(8),
            behind: Duration::from_secs(60),
            // 2026-11-01
            clock_min: UnixTime::from_secs(1_793_491_200),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            address_connections: 5000,
            address_requests: Rate::new(5000, 50_000),
            address_agents: Rate::new(20, 2000),
            address_unsigned: Rate::new(200, 5000),
            rated_addresses: 65_536,
            shed_octets: 64 << 20,
            cut_octets: 128 << 20,
            mailbox: 4096,
            hints: 4096,
            turn: 256,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(60),
            body: Duration::from_secs(20),
            refused_octets: 256 * 1024,
            header_octets: 16 * 1024,
            streams: 128,
            stream_window: 64 * 1024,
            connection_window: 256 * 1024,
            monitors: 16,
            credit: 8,
            pushes: 64,
            push_octets: 256 * 1024,
            keepalive: Duration::from_secs(60),
            pong: Duration::from_secs(20),
            stream_keepalive: Duration::from_secs(25),
            stream_stall: Duration::from_secs(60),
            idle: Duration::from_secs(300),
            age: Duration::from_secs(24 * 3600),
            retry_after: Duration::from_secs(2),
            verified: 4096,
            learned_agents: 16_384,
            health: HealthLimits::default(),
        }
    }
}
