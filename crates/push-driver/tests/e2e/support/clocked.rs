//! The runtime under test with a clock that only the test advances.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use push_driver::{Connected, Listener, Runtime};
use push_proto::{Mono, Now, UnixTime};
use tokio::sync::watch;

use crate::adapter::{NATIVE, Native};

/// Time stands still until [`Clocked::advance`].
#[derive(Clone, Debug)]
pub struct Clocked {
    clock: Arc<watch::Sender<Mono>>,
    /// What the wall clock said at first.
    wall: Arc<AtomicU64>,
    /// An address that every name has first, and that never answers; how often it was connected to.
    hole: Option<(SocketAddr, Arc<watch::Sender<usize>>)>,
}

impl Clocked {
    pub fn new() -> Self {
        let wall = Arc::new(AtomicU64::new(START));
        Self { clock: Arc::new(watch::Sender::new(Mono::ZERO)), wall, hole: None }
    }

    /// With an address that swallows connections.
    pub fn with_black_hole(address: SocketAddr) -> Self {
        Self { hole: Some((address, Arc::new(watch::Sender::new(0)))), ..Self::new() }
    }

    /// Waits until the black hole was connected to that often.
    pub async fn swallows(&self, times: usize) {
        let (_, swallowed) = self.hole.as_ref().expect("there is a black hole");
        swallowed.subscribe().wait_for(|now| *now >= times).await.unwrap();
    }

    /// How often the black hole was connected to.
    pub fn swallowed(&self) -> usize {
        self.hole.as_ref().map_or(0, |(_, swallowed)| *swallowed.borrow())
    }

    /// Sets the wall clock, so many seconds from where it would be.
    pub fn set_wall(&self, by: i64) {
        self.wall.store(START.saturating_add_signed(by), Ordering::Relaxed);
    }

    pub fn advance(&self, by: Duration) {
        self.clock.send_modify(|now| *now = now.after(by));
    }
}

impl Runtime for Clocked {
    type Io = <Native as Runtime>::Io;
    type Listener = <Native as Runtime>::Listener;

    fn start_thread<M, F>(&self, name: String, main: M) -> io::Result<()>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        NATIVE.start_thread(name, main)
    }

    fn spawn_local(&self, future: impl Future<Output = ()> + 'static) {
        NATIVE.spawn_local(future);
    }

    fn listen(&self, listener: Listener) -> io::Result<Self::Listener> {
        NATIVE.listen(listener)
    }

    async fn accept(&self, listener: &mut Self::Listener) -> io::Result<Connected> {
        NATIVE.accept(listener).await
    }

    fn adopt(&self, socket: Connected) -> io::Result<Self::Io> {
        NATIVE.adopt(socket)
    }

    async fn resolve(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = NATIVE.resolve(host, port).await?;
        Ok(self.hole.iter().map(|(address, _)| *address).chain(found).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Self::Io> {
        if let Some((hole, swallowed)) = &self.hole
            && *hole == address
        {
            swallowed.send_modify(|times| *times += 1);
            std::future::pending::<()>().await;
        }
        NATIVE.connect(address).await
    }

    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static {
        let mut clock = self.clock.subscribe();
        async move {
            if clock.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn now(&self) -> Now {
        let mono = *self.clock.borrow();
        let wall = self.wall.load(Ordering::Relaxed);
        Now { mono, wall: UnixTime::from_secs(wall + mono.as_nanos() / 1_000_000_000) }
    }
}

/// 2027-01-15
const START: u64 = 1_800_000_000;
