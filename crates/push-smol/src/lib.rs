//! The web push service, sender and user agent on smol.
//!
//! Everything is in [`push_driver`], and is exported again from here; this crate adds the [`Runtime`], and functions
//! that start each part on it. Nothing of tokio's runtime is built in: its IO traits are, since h2 and rustls speak
//! them.
//!
//! ```no_run
//! # async fn example(config: push_smol::Config, stop: impl Future<Output = ()>) -> Result<(), push_smol::Fault> {
//! use push_smol::{Listen, serve};
//!
//! let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
//! let server = serve(config, vec![Listen::new(listener, None)])?;
//! server.stop_on(stop, std::time::Duration::from_secs(30)).await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod io;

#[cfg(not(unix))]
use std::net::{TcpListener as UnixListener, TcpStream as UnixStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::{
    cell::RefCell,
    future::Future,
    io as std_io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    rc::Rc,
};

use push_proto::{Mono, Now, user_agent::State};
use smol::{Async, LocalExecutor, Timer};

pub use io::Socket;
pub use push_driver::*;

/// Starts a push service on threads of its own. Needs no executor of the caller's.
///
/// # Errors
///
/// As [`Server::start`].
pub fn serve(config: Config, listens: Vec<Listen>) -> Result<Server, Fault> {
    Server::start(Smol, config, listens)
}

/// Starts a user agent on smol's global executor. `keep` is as in [`UserAgent::connect`].
///
/// # Errors
///
/// As [`UserAgent::connect`].
pub fn user_agent(
    options: UserAgentOptions,
    state: State,
    keep: impl FnMut(&State) + Send + 'static,
) -> Result<UserAgent, Fault> {
    let (agent, driver) = UserAgent::connect(Smol, options, state, keep)?;
    smol::spawn(driver).detach();
    Ok(agent)
}

/// Starts a sender on smol's global executor.
///
/// # Errors
///
/// As [`Sender::new`].
pub fn sender(options: SenderOptions) -> Result<Sender, Fault> {
    let (sender, driver) = Sender::new(Smol, options)?;
    smol::spawn(driver).detach();
    Ok(sender)
}

/// Runs a future on this thread, together with what it spawns by [`Runtime::spawn_local`]; what still runs then is
/// dropped. Inside of another call, what is spawned goes to the inner one.
pub fn block_on<F: Future>(main: F) -> F::Output {
    let tasks = Rc::new(LocalExecutor::new());
    let outer = LOCAL.replace(Some(Rc::clone(&tasks)));
    let output = smol::block_on(tasks.run(main));
    // What is dropped with it may still spawn.
    drop(tasks);
    drop(LOCAL.replace(outer));
    output
}

/// Smol. A value without content: threads get a local executor of their own, [`block_on`] gives one to a thread of the
/// caller's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smol;

impl Runtime for Smol {
    type Io = Either<Socket<TcpStream>, Socket<UnixStream>>;
    type Listener = Either<Async<TcpListener>, Async<UnixListener>>;

    fn start_thread<M, F>(&self, name: String, main: M) -> std_io::Result<()>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let thread = move || block_on(async { main().await });
        std::thread::Builder::new().name(name).spawn(thread).map(drop)
    }

    /// On a thread without a local executor there is nobody to run it: then it goes no further than here.
    fn spawn_local(&self, future: impl Future<Output = ()> + 'static) {
        if let Some(tasks) = LOCAL.with_borrow(Clone::clone) {
            tasks.spawn(future).detach();
        }
    }

    fn listen(&self, listener: Listener) -> std_io::Result<Self::Listener> {
        match listener {
            Either::Tcp(listener) => Async::new(listener).map(Either::Tcp),
            Either::Unix(listener) => Async::new(listener).map(Either::Unix),
        }
    }

    async fn accept(&self, listener: &mut Self::Listener) -> std_io::Result<Connected> {
        match listener {
            Either::Tcp(listener) => listener.accept().await?.0.into_inner().map(Either::Tcp),
            Either::Unix(listener) => listener.accept().await?.0.into_inner().map(Either::Unix),
        }
    }

    fn adopt(&self, socket: Connected) -> std_io::Result<Self::Io> {
        socket.prepare()?;
        Ok(match socket {
            Either::Tcp(socket) => Either::Tcp(Socket::new(Async::new(socket)?, TcpStream::shutdown)),
            Either::Unix(socket) => Either::Unix(Socket::new(Async::new(socket)?, UnixStream::shutdown)),
        })
    }

    async fn resolve(&self, host: String, port: u16) -> std_io::Result<Vec<SocketAddr>> {
        smol::unblock(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await
    }

    async fn connect(&self, address: SocketAddr) -> std_io::Result<Self::Io> {
        let socket = Async::<TcpStream>::connect(address).await?;
        socket.get_ref().set_nodelay(true)?;
        Ok(Either::Tcp(Socket::new(socket, TcpStream::shutdown)))
    }

    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::after(at.since(self.now().mono));
        async move {
            timer.await;
        }
    }

    fn now(&self) -> Now {
        system_clocks()
    }
}

thread_local! {
    /// The local executor that runs on this thread.
    static LOCAL: RefCell<Option<Rc<LocalExecutor<'static>>>> = const { RefCell::new(None) };
}
