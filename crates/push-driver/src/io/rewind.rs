//! Which HTTP version a cleartext peer speaks, found out by reading, and giving back what was read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What every HTTP/2 client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A transport whose first octets were read before.
pub(crate) struct Rewind<Io> {
    first: Bytes,
    io: Io,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Rewind<Io> {
    /// A transport of which nothing was read.
    pub(crate) const fn fresh(io: Io) -> Self {
        Self::after(Bytes::new(), io)
    }

    /// A transport of which this was read.
    pub(crate) const fn after(first: Bytes, io: Io) -> Self {
        Self { first, io }
    }

    /// Reads until it is clear whether the peer speaks HTTP/2 with prior knowledge. Takes at most [`PREFACE`].
    ///
    /// # Errors
    ///
    /// The transport failed, or ended before it was clear.
    pub(crate) async fn detect(mut io: Io) -> io::Result<(Self, bool)> {
        let mut first = BytesMut::with_capacity(PREFACE.len());
        let http2 = loop {
            let mut rest = [0; PREFACE.len()];
            let wanted = rest.get_mut(first.len()..).unwrap_or_default();
            let read = io.read(wanted).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            first.extend_from_slice(wanted.get(..read).unwrap_or_default());
            if !PREFACE.starts_with(&first) {
                break false;
            }
            if first.len() == PREFACE.len() {
                break true;
            }
        };
        Ok((Self { first: first.freeze(), io }, http2))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Rewind<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, into);
        }
        let length = self.first.len().min(into.remaining());
        into.put_slice(self.first.get(..length).unwrap_or_default());
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Rewind<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
