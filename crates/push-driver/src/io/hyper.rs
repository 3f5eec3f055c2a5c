//! `tokio::io` as hyper wants it, without unsafe code: reads go through a buffer on the stack.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A `tokio::io` transport for hyper.
pub(crate) struct HyperIo<Io>(pub(crate) Io);

impl<Io: AsyncRead + Unpin> Read for HyperIo<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut octets = [MaybeUninit::uninit(); READ_OCTETS];
        let room = into.remaining().min(READ_OCTETS);
        let mut read = ReadBuf::uninit(octets.get_mut(..room).unwrap_or_default());
        Pin::new(&mut self.0).poll_read(context, &mut read).map_ok(|()| into.put_slice(read.filled()))
    }
}

impl<Io: AsyncWrite + Unpin> Write for HyperIo<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// What is read at once: a head and a body of the usual size.
const READ_OCTETS: usize = 8 * 1024;
