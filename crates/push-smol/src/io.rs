//! A socket with the IO traits that h2 and rustls speak.

use std::{
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll, ready},
};

use smol::{
    Async,
    io::{AsyncRead as _, AsyncWrite as _},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connected socket on smol's reactor.
#[derive(Debug)]
pub struct Socket<S> {
    socket: Async<S>,
    /// How one direction of it is shut.
    shut: fn(&S, Shutdown) -> io::Result<()>,
}

impl<S> Socket<S> {
    pub(crate) const fn new(socket: Async<S>, shut: fn(&S, Shutdown) -> io::Result<()>) -> Self {
        Self { socket, shut }
    }
}

impl<S: Unpin> AsyncRead for Socket<S>
where
    Async<S>: smol::io::AsyncRead,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.socket).poll_read(context, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: Unpin> AsyncWrite for Socket<S>
where
    Async<S>: smol::io::AsyncWrite,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, octets)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Says that nothing more comes; what the peer still sends can be read.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match (self.shut)(self.socket.get_ref(), Shutdown::Write) {
            // The peer was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            shut => shut,
        })
    }
}
