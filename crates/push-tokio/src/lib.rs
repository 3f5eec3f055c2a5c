//! The web push service, sender and user agent on tokio.
//!
//! Everything is in [`push_driver`], and is exported again from here; this crate adds the [`Runtime`].
#![forbid(unsafe_code)]

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use push_proto::{Mono, Now, UnixTime};
use tokio::net::{TcpListener, TcpStream};

pub use push_driver::*;

/// Tokio. A value without content: threads get a runtime of their own, everything else uses the one it is called in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Io = TcpStream;
    type Listener = TcpListener;

    fn start_thread<M, F>(&self, name: String, main: M) -> io::Result<()>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async { main().await });
        };
        std::thread::Builder::new().name(name).spawn(thread).map(drop)
    }

    fn spawn_local(&self, future: impl Future<Output = ()> + 'static) {
        drop(tokio::task::spawn_local(future));
    }

    fn listen(&self, listener: StdListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    async fn accept(&self, listener: &mut TcpListener) -> io::Result<StdStream> {
        let (socket, _peer) = listener.accept().await?;
        socket.into_std()
    }

    fn adopt(&self, socket: StdStream) -> io::Result<TcpStream> {
        // Frames are written when they are whole; waiting for more only delays the last of them.
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        TcpStream::from_std(socket)
    }

    async fn resolve(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static {
        let wait = at.since(self.now().mono);
        async move { tokio::time::sleep(wait).await }
    }

    #[expect(clippy::disallowed_methods, reason = "the adapter is where clocks are read")]
    fn now(&self) -> Now {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let mono = Mono::ZERO.after(ORIGIN.get_or_init(Instant::now).elapsed());
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now { mono, wall: UnixTime::from_secs(wall.as_secs()) }
    }
}
