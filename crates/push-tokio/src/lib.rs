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

mod io;

use std::{future::Future, io as std_io, net::SocketAddr};

use push_proto::{Mono, Now, user_agent::State};
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};

pub use io::Socket;

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

/// A listening socket on tokio's reactor.
#[derive(Debug)]
pub struct Listening(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Runtime for Tokio {
    type Io = Socket;
    type Listener = Listening;

    fn start_thread<M, F>(&self, name: String, main: M) -> std_io::Result<()>
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

    fn listen(&self, listener: Listener) -> std_io::Result<Listening> {
        Ok(Listening(match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Kind::Tcp(TcpListener::from_std(listener)?)
            }
            #[cfg(unix)]
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Kind::Unix(UnixListener::from_std(listener)?)
            }
        }))
    }

    async fn accept(&self, listener: &mut Listening) -> std_io::Result<Connected> {
        match &mut listener.0 {
            Kind::Tcp(listener) => listener.accept().await?.0.into_std().map(Connected::Tcp),
            #[cfg(unix)]
            Kind::Unix(listener) => listener.accept().await?.0.into_std().map(Connected::Unix),
        }
    }

    fn adopt(&self, socket: Connected) -> std_io::Result<Socket> {
        Socket::adopt(socket)
    }

    async fn resolve(&self, host: String, port: u16) -> std_io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> std_io::Result<Socket> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Socket::tcp(socket))
    }

    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static {
        let wait = at.since(self.now().mono);
        async move { tokio::time::sleep(wait).await }
    }

    fn now(&self) -> Now {
        system_clocks()
    }
}
