//! Connections of one shard: taken from the acceptor, brought to a protocol, counted.

use std::{convert::Infallible, io, net::TcpStream, rc::Rc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
};
use tokio_rustls::TlsAcceptor;

use super::{
    exchange::{Local, drained},
    http1, http2,
};
use crate::{Runtime, ServerTls, io::Rewind, runtime::within, tls::H2};

/// A connection on its way to a shard, with its place there.
pub(super) struct Incoming {
    pub(super) transport: Transport,
    pub(super) place: OwnedSemaphorePermit,
}

/// What it is made of.
pub(super) enum Transport {
    /// Accepted by a listener.
    Socket(TcpStream, Option<ServerTls>),
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
            () = drained(Rc::clone(&local)) => return,
            incoming = dealt.recv() => incoming,
        };
        let Some(Incoming { transport, place }) = incoming else { return };
        let (local, open) = (Rc::clone(&local), open.clone());
        let runtime = local.runtime.clone();
        runtime.spawn_local(async move {
            if let Err(error) = serve(local, transport).await {
                tracing::debug!(kind = ?error.kind(), "connection ended before its first request");
            }
            drop((place, open));
        });
    }
}

async fn serve<R: Runtime>(local: Rc<Local<R>>, transport: Transport) -> io::Result<()> {
    match transport {
        Transport::Socket(socket, None) => {
            serve_cleartext(Rc::clone(&local), local.runtime.adopt(socket)?).await
        }
        Transport::Socket(socket, Some(tls)) => {
            let io = local.runtime.adopt(socket)?;
            let accept = TlsAcceptor::from(tls.config()).accept(io);
            let io = within(&local.runtime, local.limits.handshake, accept)
                .await
                .ok_or(io::ErrorKind::TimedOut)??;
            if io.get_ref().1.alpn_protocol() == Some(H2) {
                http2::serve(local, Rewind::fresh(io)).await;
            } else {
                http1::serve(local, Rewind::fresh(io)).await;
            }
            Ok(())
        }
        Transport::Given(io, _ended) => serve_cleartext(local, io).await,
    }
}

/// HTTP/2 if the peer begins with its preface, HTTP/1.1 otherwise (RFC 9113 §3.3).
async fn serve_cleartext<R: Runtime, Io>(local: Rc<Local<R>>, io: Io) -> io::Result<()>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let detect = Rewind::detect(io);
    let (io, http2) =
        within(&local.runtime, local.limits.handshake, detect).await.ok_or(io::ErrorKind::TimedOut)??;
    if http2 {
        http2::serve(local, io).await;
    } else {
        http1::serve(local, io).await;
    }
    Ok(())
}
