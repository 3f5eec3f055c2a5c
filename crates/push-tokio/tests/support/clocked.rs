//! Tokio with a clock that only the test advances.

use std::{future::Future, io, net::SocketAddr, net::TcpListener, net::TcpStream, sync::Arc, time::Duration};

use push_proto::{Mono, Now, UnixTime};
use push_tokio::{Runtime, Tokio};
use tokio::sync::watch;

/// Time stands still until [`Clocked::advance`].
#[derive(Clone, Debug)]
pub struct Clocked(Arc<watch::Sender<Mono>>);

impl Clocked {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Mono::ZERO)))
    }

    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.after(by));
    }
}

impl Runtime for Clocked {
    type Io = <Tokio as Runtime>::Io;
    type Listener = <Tokio as Runtime>::Listener;

    fn start_thread<M, F>(&self, name: String, main: M) -> io::Result<()>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        Tokio.start_thread(name, main)
    }

    fn spawn_local(&self, future: impl Future<Output = ()> + 'static) {
        Tokio.spawn_local(future);
    }

    fn listen(&self, listener: TcpListener) -> io::Result<Self::Listener> {
        Tokio.listen(listener)
    }

    async fn accept(&self, listener: &mut Self::Listener) -> io::Result<TcpStream> {
        Tokio.accept(listener).await
    }

    fn adopt(&self, socket: TcpStream) -> io::Result<Self::Io> {
        Tokio.adopt(socket)
    }

    async fn resolve(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        Tokio.resolve(host, port).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Self::Io> {
        Tokio.connect(address).await
    }

    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static {
        let mut clock = self.0.subscribe();
        async move {
            if clock.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn now(&self) -> Now {
        let mono = *self.0.borrow();
        Now { mono, wall: UnixTime::from_secs(1_700_000_000 + mono.as_nanos() / 1_000_000_000) }
    }
}
