//! A stream of HTTP/2 as a transport (RFC 8441).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::server::http2::Open;

/// Both directions of a stream that was opened by CONNECT.
pub(crate) struct OverHttp2 {
    send: SendStream<Bytes>,
    receive: RecvStream,
    open: Open,
    /// Octets that h2 was handed.
    handed: u64,
    /// Received, and not read yet.
    rest: Bytes,
}

impl OverHttp2 {
    pub(crate) const fn new(send: SendStream<Bytes>, receive: RecvStream, open: Open) -> Self {
        Self { send, receive, open, handed: 0, rest: Bytes::new() }
    }
}

impl AsyncRead for OverHttp2 {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.receive.poll_data(context)) {
                Some(Ok(octets)) => {
                    // What was received is taken: the peer may send as much again.
                    drop(self.receive.flow_control().release_capacity(octets.len()));
                    self.rest = octets;
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.rest.len().min(into.remaining());
        into.put_slice(self.rest.get(..length).unwrap_or_default());
        self.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OverHttp2 {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(reset) = self.send.poll_reset(context) {
            return Poll::Ready(Err(reset.map_or_else(broken, |_| io::ErrorKind::BrokenPipe.into())));
        }
        self.send.reserve_capacity(octets.len());
        loop {
            match ready!(self.send.poll_capacity(context)) {
                Some(Ok(0)) => {}
                Some(Ok(capacity)) => {
                    let taken = octets.get(..capacity.min(octets.len())).unwrap_or(octets);
                    let length = taken.len();
                    self.send.send_data(Bytes::copy_from_slice(taken), false).map_err(broken)?;
                    self.handed = self.handed.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                    return Poll::Ready(Ok(length));
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
    }

    /// The connection writes what it has by itself; done when that is with the transport, so that h2 holds back little.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open.poll_written(self.handed, context).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(broken))
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, error)
}
