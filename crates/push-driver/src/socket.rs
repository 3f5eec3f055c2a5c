//! Sockets of the system that belong to no runtime yet.

#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::{
    io,
    net::{IpAddr, TcpListener, TcpStream},
};

/// A listening socket. A runtime takes it over by [`Runtime::listen`](crate::Runtime::listen).
#[derive(Debug)]
pub enum Listener {
    /// One of a network.
    Tcp(TcpListener),
    /// One at a path of this machine.
    #[cfg(unix)]
    Unix(UnixListener),
}

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

/// A connected socket, bound to no thread. A runtime takes it over by [`Runtime::adopt`](crate::Runtime::adopt).
#[derive(Debug)]
pub enum Connected {
    /// One of a network.
    Tcp(TcpStream),
    /// One of this machine.
    #[cfg(unix)]
    Unix(UnixStream),
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
            #[cfg(unix)]
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    /// The address at the other end: of this machine there is none. An error if the peer has gone.
    pub(crate) fn address(&self) -> io::Result<Option<IpAddr>> {
        match self {
            Self::Tcp(socket) => socket.peer_addr().map(|address| Some(address.ip())),
            #[cfg(unix)]
            Self::Unix(_) => Ok(None),
        }
    }
}
