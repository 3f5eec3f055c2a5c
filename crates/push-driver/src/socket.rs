//! Sockets of a network, and those at a path of this machine.

#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
// Where there are none nobody makes one.
#[cfg(not(unix))]
use std::net::{TcpListener as UnixListener, TcpStream as UnixStream};
use std::{
    io::{self, IoSlice},
    net::{IpAddr, TcpListener, TcpStream},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket of one kind or the other, whatever a runtime makes of them.
#[derive(Debug)]
pub enum Either<Tcp, Unix> {
    /// One of a network.
    Tcp(Tcp),
    /// One at a path of this machine; never where there are none.
    Unix(Unix),
}

/// A listening socket of the system. A runtime takes it over by [`Runtime::listen`](crate::Runtime::listen).
pub type Listener = Either<TcpListener, UnixListener>;

/// A connected one, bound to no thread. A runtime takes it over by [`Runtime::adopt`](crate::Runtime::adopt).
pub type Connected = Either<TcpStream, UnixStream>;

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl Connected {
    /// Makes it ready for a reactor: it blocks nobody, and frames are written when they are whole, since waiting for more
    /// only delays the last of them.
    ///
    /// # Errors
    ///
    /// The system's, as when the peer has gone.
    pub fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)
            }
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    /// The address at the other end: at a path there is none. An error if the peer has gone.
    pub(crate) fn address(&self) -> io::Result<Option<IpAddr>> {
        match self {
            Self::Tcp(socket) => socket.peer_addr().map(|address| Some(address.ip())),
            Self::Unix(_) => Ok(None),
        }
    }
}

/// The same on whichever it is.
macro_rules! on {
    ($self:ident, $socket:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($socket) => $call,
            Self::Unix($socket) => $call,
        }
    };
}

impl<Tcp: AsyncRead + Unpin, Unix: AsyncRead + Unpin> AsyncRead for Either<Tcp, Unix> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on!(self, socket => Pin::new(socket).poll_read(context, buffer))
    }
}

impl<Tcp: AsyncWrite + Unpin, Unix: AsyncWrite + Unpin> AsyncWrite for Either<Tcp, Unix> {
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
        match self {
            Self::Tcp(socket) => socket.is_write_vectored(),
            Self::Unix(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, socket => Pin::new(socket).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, socket => Pin::new(socket).poll_shutdown(context))
    }
}
