//! Client connections: resolved, checked, connected, by a proxy or not, encrypted, kept alive.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use h2::{
    Ping, PingPong,
    client::{Builder, Connection, SendRequest},
};
use push_proto::{Origin, user_agent::Failure};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{
    Addresses, ClientLimits, Proxy, Resolver, http1,
    proxy::{bare, server_name},
    reach::first_reached,
};
use crate::{
    ClientTls, Runtime,
    runtime::{sleep, within},
    tls::{Alpn, H2},
};

/// How to connect.
#[derive(Clone, Debug)]
pub(super) struct Dialer<R> {
    pub(super) runtime: R,
    pub(super) tls: ClientTls,
    pub(super) addresses: Addresses,
    /// None for the system's.
    pub(super) resolver: Option<Resolver>,
    /// None to go there without one.
    pub(super) proxy: Option<Proxy>,
    pub(super) limits: ClientLimits,
}

/// What has to run for requests to get out, until the connection ends.
pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An established connection.
pub(super) enum Dialled {
    /// Where requests go in, and what has to run.
    Http2 { requests: SendRequest<Bytes>, run: Running },
    /// For one request at a time.
    Http1(http1::Connection),
}

/// An HTTP/2 connection of which somebody else asks whether it lives.
pub(super) struct Unwatched {
    pub(super) requests: SendRequest<Bytes>,
    pub(super) run: Running,
    pub(super) ping: Option<PingPong>,
}

/// What was agreed on.
enum Spoken {
    Http2(Unwatched),
    Http1(http1::Connection),
}

impl<R: Runtime> Dialer<R> {
    /// Connects to an origin: https by TLS with ALPN, http by prior knowledge of HTTP/2, which is asked at intervals
    /// whether it lives. The reason for a failure is logged without the name; what counts is whether another attempt makes
    /// sense.
    pub(super) async fn dial(self, origin: Origin) -> Result<Dialled, Failure> {
        let (runtime, limits) = (self.runtime.clone(), self.limits);
        Ok(match self.dial_any(origin, Alpn::Either).await? {
            Spoken::Http2(Unwatched { requests, run, ping }) => {
                Dialled::Http2 { requests, run: Box::pin(watch(runtime, limits, run, ping)) }
            }
            Spoken::Http1(connection) => Dialled::Http1(connection),
        })
    }

    /// As [`Dialer::dial`], for HTTP/2 only.
    pub(super) async fn dial_unwatched(self, origin: Origin) -> Option<Unwatched> {
        match self.dial_any(origin, Alpn::Http2).await.ok()? {
            Spoken::Http2(unwatched) => Some(unwatched),
            Spoken::Http1(_) => {
                tracing::debug!("the peer does not speak HTTP/2");
                None
            }
        }
    }

    async fn dial_any(self, origin: Origin, alpn: Alpn) -> Result<Spoken, Failure> {
        let wait = self.limits.connect;
        let runtime = self.runtime.clone();
        match within(&runtime, wait, self.establish(origin, alpn)).await {
            Some(Ok(dialled)) => Ok(dialled),
            Some(Err(NoConnection::Failed(reason))) => {
                tracing::debug!(reason, "no connection");
                Err(Failure::NotSent)
            }
            Some(Err(NoConnection::Forbidden(reason))) => {
                tracing::debug!(reason, "no connection");
                Err(Failure::Forbidden)
            }
            None => {
                tracing::debug!("no connection in time");
                Err(Failure::NotSent)
            }
        }
    }

    async fn establish(self, origin: Origin, alpn: Alpn) -> Result<Spoken, NoConnection> {
        match &self.proxy {
            Some(proxy) => {
                let io = self.tunnel(proxy, &origin).await?;
                self.over(io, &origin, alpn).await
            }
            None => {
                let io = self.connect(bare(origin.host()), origin.port(), &self.addresses).await?;
                self.over(io, &origin, alpn).await
            }
        }
    }

    /// Whatever it runs over.
    async fn over<Io>(self, io: Io, origin: &Origin, alpn: Alpn) -> Result<Spoken, NoConnection>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if !origin.is_https() {
            return Ok(Spoken::Http2(self.speak(io).await?));
        }
        let name = server_name(bare(origin.host()))?;
        let tls = TlsConnector::from(self.tls.config(alpn)).connect(name, io).await.map_err(|_| "no TLS")?;
        if tls.get_ref().1.alpn_protocol() == Some(H2) {
            return Ok(Spoken::Http2(self.speak(tls).await?));
        }
        // Without a word about it, it is HTTP/1.1 (RFC 9113 §3.3).
        Ok(Spoken::Http1(http1::speak(tls, self.limits).await?))
    }

    /// To the first of the host's addresses that answers, of those that may be connected to.
    pub(super) async fn connect(
        &self,
        host: &str,
        port: u16,
        addresses: &Addresses,
    ) -> Result<R::Io, NoConnection> {
        let resolved = match &self.resolver {
            Some(resolver) => resolver.resolve(host, port).await,
            None => self.runtime.resolve(host.to_owned(), port).await,
        };
        let resolved = resolved.map_err(|_| UNRESOLVED)?;
        if resolved.is_empty() {
            return Err(UNRESOLVED.into());
        }
        let mut allowed = resolved;
        allowed.retain(|address| addresses.allow(host, address.ip()));
        if allowed.is_empty() {
            return Err(NoConnection::Forbidden("the name has no address that may be connected to"));
        }
        let reached = first_reached(&self.runtime, allowed, self.limits).await;
        reached.ok_or(NoConnection::Failed("no address was reached"))
    }

    async fn speak<Io>(self, io: Io) -> Result<Unwatched, &'static str>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.limits;
        let mut builder = Builder::new();
        builder
            .max_header_list_size(limits.header_octets)
            .max_concurrent_streams(limits.pushes)
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window);
        let (requests, mut connection) = builder.handshake(io).await.map_err(|_| "no HTTP/2")?;
        let ping = connection.ping_pong();
        let run = Box::pin(run(connection));
        Ok(Unwatched { requests, run, ping })
    }
}

/// Why there is none.
pub(super) enum NoConnection {
    /// It could not be made.
    Failed(&'static str),
    /// It must not be made.
    Forbidden(&'static str),
}

impl From<&'static str> for NoConnection {
    fn from(reason: &'static str) -> Self {
        Self::Failed(reason)
    }
}

pub(super) const UNRESOLVED: &str = "the name was not resolved";

/// Runs a connection until it ends.
async fn run<Io>(connection: Connection<Io, Bytes>)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection failed");
    }
}

/// Runs a connection until it ends, or does not answer any more.
async fn watch<R: Runtime>(runtime: R, limits: ClientLimits, run: Running, ping: Option<PingPong>) {
    tokio::select! {
        biased;
        () = run => {}
        () = dies(runtime, limits.keepalive, limits.pong, ping) => tracing::debug!("the peer does not answer"),
    }
}

async fn dies<R: Runtime>(runtime: R, keepalive: Duration, pong: Duration, ping: Option<PingPong>) {
    let Some(mut ping) = ping else { return std::future::pending().await };
    loop {
        sleep(runtime.clone(), keepalive).await;
        match within(&runtime, pong, ping.ping(Ping::opaque())).await {
            Some(Ok(_)) => {}
            // The connection has ended, and says so itself.
            Some(Err(_)) => return std::future::pending().await,
            None => return,
        }
    }
}
