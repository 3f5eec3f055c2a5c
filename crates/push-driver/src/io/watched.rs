//! A transport under h2 that lets [`Seen`] read along.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Seen;

/// A transport whose frames are seen as they pass.
pub(crate) struct Watched<Io> {
    io: Io,
    seen: Rc<RefCell<Seen>>,
}

impl<Io> Watched<Io> {
    /// Watches `io`.
    pub(crate) const fn new(io: Io, seen: Rc<RefCell<Seen>>) -> Self {
        Self { io, seen }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Watched<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.seen.borrow_mut().poll_readable(context));
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, into);
        if polled.is_ready() {
            self.seen.borrow_mut().read(into.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Watched<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, octets);
        let mut seen = self.seen.borrow_mut();
        seen.blocked = polled.is_pending();
        if let Poll::Ready(Ok(wrote)) = &polled {
            seen.wrote(octets.get(..*wrote).unwrap_or_default());
        }
        drop(seen);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.seen.borrow_mut().blocked = polled.is_pending();
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        let mut seen = self.seen.borrow_mut();
        seen.blocked = polled.is_pending();
        if let Poll::Ready(Ok(wrote)) = &polled {
            let mut rest = *wrote;
            for slice in slices {
                let length = rest.min(slice.len());
                seen.wrote(slice.get(..length).unwrap_or_default());
                rest -= length;
            }
        }
        drop(seen);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
