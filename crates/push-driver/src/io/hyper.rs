//! `tokio::io` as hyper wants it, without unsafe code: reads go through a buffer on the stack.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A `tokio::io` transport for hyper, which says when everything that hyper had was written to it.
pub(crate) struct HyperIo<Io, F> {
    io: Io,
    flushed: F,
}

impl<Io, F: Fn()> HyperIo<Io, F> {
    /// Calls `flushed` after each flush.
    pub(crate) const fn new(io: Io, flushed: F) -> Self {
        Self { io, flushed }
    }

    /// The transport.
    pub(crate) fn into_inner(self) -> Io {
        self.io
    }
}

impl<Io: AsyncRead + Unpin, F: Unpin> Read for HyperIo<Io, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut octets = [MaybeUninit::uninit(); READ_OCTETS];
        let room = into.remaining().min(READ_OCTETS);
        let mut read = ReadBuf::uninit(octets.get_mut(..room).unwrap_or_default());
        Pin::new(&mut self.io).poll_read(context, &mut read).map_ok(|()| into.put_slice(read.filled()))
    }
}

impl<Io: AsyncWrite + Unpin, F: Fn() + Unpin> Write for HyperIo<Io, F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            (self.flushed)();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// What is read at once: a head and a body of the usual size.
const READ_OCTETS: usize = 8 * 1024;
