//! The web push service, sender and user agent on tokio.
//!
//! Everything is in [`push_driver`], and is exported again from here; this crate adds the [`Runtime`], and functions
//! that start each part on it.
//!
//! ```no_run
//! # async fn example(config: push_tokio::Config, stop: impl Future<Output = ()>) -> Result<(), push_tokio::Fault> {
//! use push_tokio::{Listen, serve};
//!
//! let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
//! let server = serve(config, vec![Listen::new(listener, None)])?;
//! server.stop_on(stop, std::time::Duration::from_secs(30)).await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

use std::{future::Future, io, net::SocketAddr};

use push_proto::{Mono, Now, user_agent::State};
use tokio::net::{TcpListener, TcpStream};
#[cfg(not(unix))]
use tokio::net::{TcpListener as UnixListener, TcpStream as UnixStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

pub use push_driver::*;

/// Starts a push service on threads of its own. Needs no runtime of the caller's.
///
/// # Errors
///
/// As [`Server::start`].
pub fn serve(config: Config, listens: Vec<Listen>) -> Result<Server, Fault> {
    Server::start(Tokio, config, listens)
}

/// Starts a user agent on the current runtime. `keep` is as in [`UserAgent::connect`].
///
/// # Errors
///
/// As [`UserAgent::connect`].
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn user_agent(
    options: UserAgentOptions,
    state: State,
    keep: impl FnMut(&State) + Send + 'static,
) -> Result<UserAgent, Fault> {
    let (agent, driver) = UserAgent::connect(Tokio, options, state, keep)?;
    drop(tokio::spawn(driver));
    Ok(agent)
}

/// Starts a sender on the current runtime.
///
/// # Errors
///
/// As [`Sender::new`].
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn sender(options: SenderOptions) -> Result<Sender, Fault> {
    let (sender, driver) = Sender::new(Tokio, options)?;
    drop(tokio::spawn(driver));
    Ok(sender)
}

/// Tokio. A value without content: threads get a runtime of their own, everything else uses the one it is called in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Io = Either<TcpStream, UnixStream>;
    type Listener = Either<TcpListener, UnixListener>;

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
        // Tasks are aligned to 128 octets, and glibc puts nothing that is so aligned where another was: large ones, of which
        // every connection has some one after the other, would take their room twice.
        drop(tokio::task::spawn_local(Box::pin(future)));
    }

    fn listen(&self, listener: Listener) -> io::Result<Self::Listener> {
        match listener {
            Either::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Either::Tcp)
            }
            Either::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Either::Unix)
            }
        }
    }

    async fn accept(&self, listener: &mut Self::Listener) -> io::Result<Connected> {
        match listener {
            Either::Tcp(listener) => listener.accept().await?.0.into_std().map(Either::Tcp),
            Either::Unix(listener) => listener.accept().await?.0.into_std().map(Either::Unix),
        }
    }

    fn adopt(&self, socket: Connected) -> io::Result<Self::Io> {
        socket.prepare()?;
        match socket {
            Either::Tcp(socket) => TcpStream::from_std(socket).map(Either::Tcp),
            Either::Unix(socket) => UnixStream::from_std(socket).map(Either::Unix),
        }
    }

    async fn resolve(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Self::Io> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Either::Tcp(socket))
    }

    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static {
        let wait = at.since(self.now().mono);
        async move { tokio::time::sleep(wait).await }
    }

    fn now(&self) -> Now {
        system_clocks()
    }
}
