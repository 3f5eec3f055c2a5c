//! Connections of one shard: taken from the acceptor, brought to a protocol, counted.

use std::{convert::Infallible, io, rc::Rc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
};
use tokio_rustls::TlsAcceptor;

use super::{
    acceptor::Place,
    clients::Client,
    exchange::Local,
    http1::{self, Upgraded},
    http2,
    memory::{Account, Opened},
    websocket,
};
use crate::{Connected, Runtime, ServerTls, io::Rewind, runtime::within, tls::H2};

/// A connection on its way to a shard, with its place there.
pub(super) struct Incoming {
    pub(super) transport: Transport,
    pub(super) place: Place,
    pub(super) client: Client,
}

/// One connection, as its requests see it: in whose name they ask, and what it holds.
pub(super) struct Caller {
    pub(super) client: Client,
    opened: Opened,
    #[expect(dead_code, reason = "held")]
    stay: Stay,
}

/// What a connection holds until its end: its place on the shard, and that the server waits for it.
struct Stay {
    _place: Place,
    _open: mpsc::Sender<Infallible>,
}

impl Caller {
    /// What is held for it.
    pub(super) const fn account(&self) -> &Rc<Account> {
        self.opened.account()
    }
}

/// What it is made of.
pub(super) enum Transport {
    /// Accepted by a listener.
    Socket(Connected, Option<ServerTls>),
    /// Brought along by [`Server::serve_connection`](super::Server::serve_connection), and who waits for its end.
    Given(Box<dyn Duplex>, oneshot::Sender<Infallible>),
}

/// Any transport.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send> Duplex for Io {}

/// Takes the connections dealt to this shard until the server drains. `open` is held by each of them.
pub(super) async fn take<R: Runtime>(
    local: Rc<Local<R>>,
    mut dealt: mpsc::UnboundedReceiver<Incoming>,
    open: mpsc::Sender<Infallible>,
) {
    loop {
        let incoming = tokio::select! {
            biased;
            () = local.draining.clone() => return,
            incoming = dealt.recv() => incoming,
        };
        let Some(Incoming { transport, place, client }) = incoming else { return };
        let (local, open) = (Rc::clone(&local), open.clone());
        let runtime = local.runtime.clone();
        runtime.spawn_local(async move {
            let caller = Rc::new(Caller {
                client,
                opened: local.memory.open(),
                stay: Stay { _place: place, _open: open },
            });
            if let Err(error) = serve(local, transport, caller).await {
                tracing::debug!(kind = ?error.kind(), "connection ended before its first request");
            }
        });
    }
}

async fn serve<R: Runtime>(local: Rc<Local<R>>, transport: Transport, caller: Rc<Caller>) -> io::Result<()> {
    match transport {
        Transport::Socket(socket, None) => {
            serve_cleartext(Rc::clone(&local), local.runtime.adopt(socket)?, caller).await
        }
        Transport::Socket(socket, Some(tls)) => {
            let io = local.runtime.adopt(socket)?;
            let accept = TlsAcceptor::from(tls.config()).accept(io);
            let io = within(&local.runtime, local.limits.handshake, accept)
                .await
                .ok_or(io::ErrorKind::TimedOut)??;
            if io.get_ref().1.alpn_protocol() == Some(H2) {
                http2::serve(local, Rewind::fresh(io), caller).await;
            } else {
                serve_http1(local, Rewind::fresh(io), caller).await;
            }
            Ok(())
        }
        Transport::Given(io, _ended) => serve_cleartext(local, io, caller).await,
    }
}

/// HTTP/2 if the peer begins with its preface, HTTP/1.1 otherwise (RFC 9113 §3.3).
async fn serve_cleartext<R: Runtime, Io>(local: Rc<Local<R>>, io: Io, caller: Rc<Caller>) -> io::Result<()>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let detect = Rewind::detect(io);
    let (io, http2) =
        within(&local.runtime, local.limits.handshake, detect).await.ok_or(io::ErrorKind::TimedOut)??;
    if http2 {
        http2::serve(local, io, caller).await;
    } else {
        serve_http1(local, io, caller).await;
    }
    Ok(())
}

/// HTTP/1.1, to its end or until it becomes a WebSocket. That lives long, and has a task of its own, which is smaller.
async fn serve_http1<R: Runtime, Io>(local: Rc<Local<R>>, io: Io, caller: Rc<Caller>)
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let upgraded = http1::serve(Rc::clone(&local), io, Rc::clone(&caller)).await;
    if let Some(Upgraded { knock, io, read }) = upgraded {
        let runtime = local.runtime.clone();
        runtime.spawn_local(websocket::serve(local, caller, knock, io, &read));
    }
}
