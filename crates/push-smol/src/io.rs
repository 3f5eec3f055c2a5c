//! A socket with the IO traits that h2 and rustls speak.

#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io::{self, IoSlice},
    net::{Shutdown, TcpStream},
    pin::Pin,
    task::{Context, Poll, ready},
};

use push_driver::Connected;
use smol::{
    Async,
    io::{AsyncRead as _, AsyncWrite as _},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connected socket on smol's reactor.
#[derive(Debug)]
pub struct Socket(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(Async<TcpStream>),
    #[cfg(unix)]
    Unix(Async<UnixStream>),
}

impl Socket {
    pub(crate) const fn tcp(socket: Async<TcpStream>) -> Self {
        Self(Kind::Tcp(socket))
    }

    pub(crate) fn adopt(socket: Connected) -> io::Result<Self> {
        socket.prepare()?;
        Ok(Self(match socket {
            Connected::Tcp(socket) => Kind::Tcp(Async::new(socket)?),
            #[cfg(unix)]
            Connected::Unix(socket) => Kind::Unix(Async::new(socket)?),
        }))
    }
}

/// The same on whichever it is.
macro_rules! on {
    ($self:ident, $socket:ident => $call:expr) => {
        match &mut $self.get_mut().0 {
            Kind::Tcp($socket) => $call,
            #[cfg(unix)]
            Kind::Unix($socket) => $call,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read =
            ready!(on!(self, socket => Pin::new(socket).poll_read(context, buffer.initialize_unfilled())))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        on!(self, socket => Pin::new(socket).poll_write(context, octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(self, socket => Pin::new(socket).poll_write_vectored(context, octets))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, socket => Pin::new(socket).poll_flush(context))
    }

    /// Says that nothing more comes; what the peer still sends can be read.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match on!(self, socket => socket.get_ref().shutdown(Shutdown::Write)) {
            // The peer was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            shut => shut,
        })
    }
}
