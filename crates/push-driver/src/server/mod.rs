//! The push service on the network.
//!
//! ```text
//!             ┌ acceptor ┐      round robin
//! listeners ──┤          ├──┬───────────────┬─ ..
//!             └──────────┘  ▼               ▼
//!                     ┌ shard thread ┐┌ shard thread ┐
//!    peers ──────────▶│ connections  ││ connections  │
//!                     │  │ ▲         ││  │ ▲         │
//!                     │  ▼ │ effects ││  ▼ │         │     requests cross to the shard that owns their agent;
//!                     │ mailbox ◀────┼┼──┼─┼──▶ ..   │     no shard waits for another's mailbox
//!                     │  ▼           ││  ▼           │
//!                     │ Service      ││ Service      │
//!                     └──┼───▲───────┘└──┼───▲───────┘
//!                        ▼   │ completions   │
//!                      Store ┴───────────────┘
//! ```

mod acceptor;
mod census;
mod clients;
mod connection;
mod events;
mod exchange;
mod health;
mod http1;
mod http2;
pub(crate) mod mailbox;
mod memory;
mod metrics;
mod proxies;
mod push;
mod shard;
mod verified;
mod websocket;

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    fmt,
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use push_proto::{
    Entropy, Mono, Now, Refusal, Seed, autopush,
    service::{self, Exchange, Response},
    wire::Door,
};
use push_store::Store;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Mutex, mpsc, oneshot, watch},
};

use self::{
    acceptor::{Dealer, Places},
    clients::Clients,
    exchange::Local,
    health::Health,
    mailbox::{Effects, Letter, Mailbox, Mailboxes},
    memory::{Memory, Room},
    proxies::End,
    verified::Verified,
    websocket::Doorway,
};
pub use self::{
    census::Census,
    metrics::Metrics,
    proxies::{TrustedProxies, TrustedProxyError},
};
use crate::{Fault, Limits, Listener, Runtime, ServerTls};

/// What a push service is made of.
pub struct Config {
    /// URLs, keys and the bounds of a request.
    pub door: Door,
    /// Where messages are kept.
    pub store: Arc<dyn Store>,
    /// 32 octets from a good source, never used twice: all ids come from it.
    pub seed: Seed,
    /// Threads that serve. 0 counts as 1.
    pub shards: u16,
    /// Bounds of the service on each shard.
    pub service: service::Limits,
    /// Bounds of the connections and mailboxes.
    pub limits: Limits,
    /// What those share who connect by WebSocket, where the door has a place for them
    /// ([`Door::with_websocket`](push_proto::wire::Door::with_websocket)).
    pub autopush: autopush::Config,
}

/// A socket to accept connections on.
#[derive(Debug)]
pub struct Listen {
    listener: Listener,
    tls: Option<ServerTls>,
    proxies: Arc<TrustedProxies>,
}

impl Listen {
    /// A socket that listens. Without TLS connections are cleartext: for development, or behind a proxy that does TLS.
    #[must_use]
    pub fn new(listener: impl Into<Listener>, tls: Option<ServerTls>) -> Self {
        Self { listener: listener.into(), tls, proxies: Arc::default() }
    }

    /// The same, where these proxies say for whom they ask; everybody else is a client, with TLS or without.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies: Arc::new(proxies), ..self }
    }
}

/// A running push service. Clones are the same service.
///
/// When the last handle is dropped everything is cut off and the store is left open; use [`Server::drain`].
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    now: Box<dyn Fn() -> Now + Send + Sync>,
    door: Door,
    limits: Limits,
    /// The number of the operator's last exchange.
    ended: AtomicU64,
    mailboxes: Arc<[Mailbox]>,
    dealer: Dealer,
    room: Arc<Room>,
    store: Arc<dyn Store>,
    health: Arc<Health>,
    draining: watch::Sender<bool>,
    ends: Mutex<Ends>,
}

/// Each end says `None` when nobody is left who holds its sender.
struct Ends {
    connections: mpsc::Receiver<Infallible>,
    shards: mpsc::Receiver<Infallible>,
    closed: bool,
}

impl Server {
    /// Starts the threads and accepts connections on `listens`; it may be empty if connections are given to
    /// [`Server::serve_connection`].
    ///
    /// # Errors
    ///
    /// [`Fault::Io`]: a thread could not be started.
    pub fn start<R: Runtime>(runtime: R, config: Config, listens: Vec<Listen>) -> Result<Self, Fault> {
        let shards = config.shards.max(1);
        let (mailboxes, letters, store_up) = mailboxes(shards, &config.limits);
        let (draining, drained) = watch::channel(false);
        let (open, connections) = mpsc::channel(1);
        let (running, shards_ended) = mpsc::channel(1);
        let health = Health::new(
            config.limits.health,
            Arc::clone(&mailboxes),
            store_up,
            drained.clone(),
            runtime.now().mono,
        );
        let health = Arc::new(health);
        let room = Room::new(&config.limits);
        let mut entropy = Entropy::new(&config.seed);
        let autopush = Arc::new(config.autopush);
        let mut doors = Vec::new();
        for (shard, (letters, mailbox)) in (0..shards).zip(letters.into_iter().zip(mailboxes.iter())) {
            let (deal, dealt) = mpsc::unbounded_channel();
            doors.push(acceptor::Door { deal, places: Places::new(config.limits.connections) });
            let start = Start {
                parts: shard::Parts {
                    letters,
                    client: config.store.attach(Arc::new(mailbox.clone())),
                    store: Arc::clone(&config.store),
                    limits: config.limits,
                    config: service::Config { shard, shards, sweeper: shard == 0, limits: config.service },
                    seed: entropy.seed(),
                    tally: Arc::clone(&mailbox.tally),
                    beat: Arc::clone(&mailbox.beat),
                },
                door: config.door.clone(),
                mailboxes: Mailboxes::new(Arc::clone(&mailboxes), shard),
                autopush: Arc::clone(&autopush),
                names: entropy.seed(),
                shards,
                origin: shard,
                dealt,
                open: open.clone(),
                running: running.clone(),
                draining: drained.clone(),
                health: Arc::clone(&health),
                room: Arc::clone(&room),
            };
            let on = runtime.clone();
            runtime.start_thread(format!("push-shard-{shard}"), move || start.run(on))?;
        }
        let (on, store, of) = (runtime.clone(), Arc::clone(&config.store), Arc::clone(&health));
        runtime.start_thread("push-health".to_owned(), move || health::rounds::run(on, store, of))?;
        let dealer = Dealer::new(doors.into(), Clients::new(&config.limits));
        if !listens.is_empty() {
            let (on, dealer) = (runtime.clone(), dealer.clone());
            let accept = move || acceptor::run(on, listens, dealer, drained, open);
            runtime.start_thread("push-accept".to_owned(), accept)?;
        }
        Ok(Self(Arc::new(Inner {
            now: Box::new(move || runtime.now()),
            door: config.door,
            limits: config.limits,
            ended: AtomicU64::new(0),
            mailboxes,
            dealer,
            room,
            store: config.store,
            health,
            draining,
            ends: Mutex::new(Ends { connections, shards: shards_ended, closed: false }),
        })))
    }

    /// Serves a connection that the caller accepted, by HTTP/2 with prior knowledge or HTTP/1.1: whatever it takes to
    /// get there, such as TLS, is done. Comes back when it has ended. It counts like any other connection, but for no
    /// address, and is dropped where there is no place for it.
    ///
    /// Cancel safe: dropping the future leaves the connection to the service.
    pub async fn serve_connection(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        self.0.dealer.deal_given(io, End::Unknown).await;
    }

    /// The same, for a client whose address the caller knows: its connections, requests and new agents count for it.
    pub async fn serve_connection_from(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        client: IpAddr,
    ) {
        self.0.dealer.deal_given(io, End::Client(client)).await;
    }

    /// Whether it can keep a promise, as `/readyz` has it (G7): the store takes writes, every shard turns, the clock is
    /// sane, and the service is not being stopped. A store that just goes down or comes back is known at once, what
    /// nobody has come upon within two of [`HealthLimits::probe`](crate::HealthLimits::probe).
    ///
    /// # Errors
    ///
    /// What is wrong, worst first: a 503 whose reason `docs/operations.md` explains.
    pub fn readiness(&self) -> Result<(), Refusal> {
        self.0.health.ready((self.0.now)())
    }

    /// Whether [`Server::readiness`] finds nothing wrong.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.readiness().is_ok()
    }

    /// Counts what it holds at this moment, over all shards.
    #[must_use]
    pub fn census(&self) -> Census {
        let tallies = self.0.mailboxes.iter().map(|mailbox| &*mailbox.tally);
        Census::of(self.0.dealer.connections(), tallies)
    }

    /// What it has done and holds at this moment, to be written as Prometheus reads it.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let tallies = self.0.mailboxes.iter().map(|mailbox| &*mailbox.tally);
        Metrics::of(self.census(), self.is_ready(), tallies)
    }

    /// Changes bounds while it serves: all of the service's, and of `limits` those of connections, addresses and memory
    /// ([`Limits::connections`] to [`Limits::cut_octets`]). They count for what comes after this call. Nobody is cut off by
    /// it: connections and monitors beyond a lower bound stay until they end.
    ///
    /// ```
    /// # fn example(server: &push_driver::Server, before: push_driver::Limits) -> Result<(), push_driver::Fault> {
    /// use push_driver::Limits;
    /// use push_proto::service;
    ///
    /// let half = Limits { connections: before.connections / 2, ..before };
    /// server.reconfigure(service::Limits::default(), half)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Fault::Config`]: another of `limits` is not what the server was started with; then nothing changes.
    pub fn reconfigure(&self, service: service::Limits, limits: Limits) -> Result<(), Fault> {
        let Inner { limits: started, mailboxes, dealer, room, .. } = &*self.0;
        let Limits { connections, address_connections, address_requests, address_agents, .. } = limits;
        let Limits { address_unsigned, rated_addresses, shed_octets, cut_octets, .. } = limits;
        let reached = Limits {
            connections,
            address_connections,
            address_requests,
            address_agents,
            address_unsigned,
            rated_addresses,
            shed_octets,
            cut_octets,
            ..*started
        };
        if reached != limits {
            return Err(Fault::Config("a bound that was to change is fixed while the server runs"));
        }
        dealer.reconfigure(&limits);
        room.reconfigure(&limits);
        mailboxes.iter().for_each(|mailbox| mailbox.write(Letter::Limits(Box::new(service))));
        Ok(())
    }

    /// Ends at once what a capability URL of this service names, as an operator may at any time (`8030-6.2-5`,
    /// `8030-7.3-1`, `8030-8.4-4`): a push URL its subscription, a message URL the message. Monitors of it end with 404,
    /// what comes later for it is 404, and senders who wait for a receipt get 410.
    ///
    /// # Errors
    ///
    /// [`Refusal::NOT_FOUND`]: the URL names nothing here, or it has gone. 503: ask again.
    ///
    /// Cancel safe: dropping the future leaves the ending to the service.
    pub async fn expire(&self, url: &str) -> Result<(), Refusal> {
        let Inner { door, limits, mailboxes, ended, .. } = &*self.0;
        let request = door.ending(url).ok_or(Refusal::NOT_FOUND)?;
        // Connections use the numbers of the shards, so the one after these is the operator's.
        let origin = u16::try_from(mailboxes.len()).unwrap_or(u16::MAX);
        let exchange = Exchange { origin, number: ended.fetch_add(1, Ordering::Relaxed) };
        let (sender, response) = oneshot::channel();
        let to = Mailboxes::new(Arc::clone(mailboxes), 0);
        let mut admitted = to.admit(exchange, request, Effects::Once(sender), limits)?;
        let response = response.await;
        admitted.answered();
        match response {
            Ok(Response::Refused(refusal)) => Err(refusal),
            Ok(_done) => Ok(()),
            Err(_ended) => Err(Refusal::DRAINING.retry_in(limits.retry_after)),
        }
    }

    /// Stops: accepts no more connections, sends GOAWAY, finishes what was asked, ends monitors with 200, flushes the
    /// store. What is not done after `grace` is cut off.
    ///
    /// Cancel safe: a drain once begun goes on; call it again to wait for its end, with the first `grace`. The store
    /// is closed only by a call that is waited for.
    pub async fn drain(&self, grace: Duration) {
        let Inner { now, mailboxes, store, draining, ends, .. } = &*self.0;
        if !draining.send_replace(true) {
            let deadline = now().mono.after(grace);
            mailboxes.iter().for_each(|mailbox| mailbox.write(Letter::Drain(deadline)));
        }
        let mut ends = ends.lock().await;
        wait(&mut ends.connections).await;
        mailboxes.iter().for_each(|mailbox| mailbox.write(Letter::Quiet));
        wait(&mut ends.shards).await;
        if !ends.closed {
            close(Arc::clone(store)).await;
            ends.closed = true;
        }
    }

    /// Waits for `stop`, such as a signal, and drains the service.
    ///
    /// Cancel safe: before `stop` nothing has happened; after it, as [`Server::drain`].
    pub async fn stop_on(&self, stop: impl Future<Output = ()>, grace: Duration) {
        stop.await;
        self.drain(grace).await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("shards", &self.0.mailboxes.len()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.write(Letter::Drain(Mono::ZERO)));
    }
}

/// One for each shard, their reading ends, and what they hear of the store.
fn mailboxes(
    shards: u16,
    limits: &Limits,
) -> (Arc<[Mailbox]>, Vec<mpsc::UnboundedReceiver<Letter>>, watch::Receiver<bool>) {
    let (store_up_sender, store_up) = watch::channel(true);
    let store_up_sender = Arc::new(store_up_sender);
    let pairs = (0..shards).map(|_| Mailbox::new(limits, Arc::clone(&store_up_sender)));
    let (mailboxes, letters): (Vec<_>, Vec<_>) = pairs.unzip();
    (mailboxes.into(), letters, store_up)
}

/// Waits until every sender has gone.
async fn wait(end: &mut mpsc::Receiver<Infallible>) {
    while end.recv().await.is_some() {}
}

/// Closes the store on a thread of its own, since that may block.
async fn close(store: Arc<dyn Store>) {
    let (sender, closed) = oneshot::channel();
    let close = move || {
        store.close();
        let _waited_for = sender.send(());
    };
    match std::thread::Builder::new().name("push-close".to_owned()).spawn(close) {
        Ok(_detached) => drop(closed.await),
        Err(error) => tracing::error!(%error, "the store was not closed"),
    }
}

/// What crosses to a new shard thread.
struct Start {
    parts: shard::Parts,
    door: Door,
    mailboxes: Mailboxes,
    autopush: Arc<autopush::Config>,
    /// Of new user agents that connect by WebSocket.
    names: Seed,
    shards: u16,
    origin: u16,
    dealt: mpsc::UnboundedReceiver<connection::Incoming>,
    open: mpsc::Sender<Infallible>,
    running: mpsc::Sender<Infallible>,
    draining: watch::Receiver<bool>,
    health: Arc<Health>,
    room: Arc<Room>,
}

impl Start {
    async fn run<R: Runtime>(self, runtime: R) {
        let Self {
            parts,
            door,
            mailboxes,
            autopush,
            names,
            shards,
            origin,
            dealt,
            open,
            running,
            draining,
            health,
            room,
        } = self;
        let limits = parts.limits;
        let doorway = || Doorway::new(autopush, &names, limits.learned_agents, (origin, shards));
        let doorway = door.websocket_url().map(|_url| Rc::new(doorway()));
        let tally = Arc::clone(&parts.tally);
        let memory = Memory::new(room, limits.retry_after, Arc::clone(&tally));
        let local = Rc::new(Local {
            runtime: runtime.clone(),
            limits,
            door,
            mailboxes,
            memory,
            tally,
            origin,
            numbers: Cell::new(0),
            verified: RefCell::new(Verified::new(limits.verified)),
            health,
            doorway,
            draining: exchange::draining(draining),
        });
        runtime.spawn_local(connection::take(local, dealt, open));
        shard::run(runtime, parts).await;
        drop(running);
    }
}
