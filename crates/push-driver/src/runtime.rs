//! What the driver needs of a runtime, and nothing else.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use push_proto::{Mono, Now, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Connected, Listener};

/// A runtime: sockets, threads with a local executor, timers and clocks. A value, so that a test can hand in one whose
/// clock it advances itself.
///
/// A clone is the same runtime: its clocks have the same origin.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected socket.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A listening socket.
    type Listener: Send + 'static;

    /// Starts a thread with a local executor that ends when the future does. What is spawned there and still runs then
    /// is dropped.
    ///
    /// # Errors
    ///
    /// No thread could be started.
    fn start_thread<M, F>(&self, name: String, main: M) -> io::Result<()>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static;

    /// Runs a future on the local executor of this thread.
    fn spawn_local(&self, future: impl Future<Output = ()> + 'static);

    /// Takes over a listening socket.
    ///
    /// # Errors
    ///
    /// The reactor of this thread does not take it.
    fn listen(&self, listener: Listener) -> io::Result<Self::Listener>;

    /// The next connection, bound to no thread. Cancel safe: dropping the future loses no connection.
    fn accept(&self, listener: &mut Self::Listener) -> impl Future<Output = io::Result<Connected>> + Send;

    /// Takes over a connected socket on this thread.
    ///
    /// # Errors
    ///
    /// The reactor of this thread does not take it.
    fn adopt(&self, socket: Connected) -> io::Result<Self::Io>;

    /// The addresses of a host. Cancel safe.
    fn resolve(&self, host: String, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to one address. Cancel safe.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Wakes up at about this time. The driver compares the clock itself: an early or late wake-up does no harm.
    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static;

    /// Both clocks.
    fn now(&self) -> Now;
}

/// Both clocks of this machine, for an adapter's [`Runtime::now`]; the driver itself never asks.
#[expect(clippy::disallowed_methods, reason = "an adapter reads clocks, and all adapters read the same")]
#[must_use]
pub fn system_clocks() -> Now {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let mono = Mono::ZERO.after(ORIGIN.get_or_init(Instant::now).elapsed());
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Now { mono, wall: UnixTime::from_secs(wall.as_secs()) }
}

/// Waits until the clock says that it is `at`, however often the timer errs.
pub(crate) async fn sleep_until<R: Runtime>(runtime: R, at: Mono) {
    while runtime.now().mono < at {
        runtime.sleep_until(at).await;
    }
}

/// Waits this long.
pub(crate) async fn sleep<R: Runtime>(runtime: R, wait: Duration) {
    let at = runtime.now().mono.after(wait);
    sleep_until(runtime, at).await;
}

/// `future`, if it is done within `wait`.
pub(crate) async fn within<R: Runtime, F: Future>(
    runtime: &R,
    wait: Duration,
    future: F,
) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = sleep(runtime.clone(), wait) => None,
    }
}

/// Lets the other tasks of this thread run once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
