//! The bodies of HTTP/1.1 responses.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use hyper::body::{Body, Frame, SizeHint};

use super::patience::{Busy, Patience};
use crate::{
    Runtime,
    server::{
        census::Kind,
        events::{EventStream, Piece},
        memory::{Account, Unread},
    },
};

/// A response's body.
pub(super) enum ResponseBody {
    /// In one piece.
    Whole(Option<Whole>),
    /// Event by event.
    Events(Events),
}

impl ResponseBody {
    /// One that is held until it is written.
    pub(super) fn whole(body: Bytes, account: &Rc<Account>, patience: Rc<Patience>) -> Self {
        if body.is_empty() {
            return Self::Whole(None);
        }
        let unread = account.hold(Kind::Response, body.len());
        Self::Whole(Some(Whole { body, unread, patience }))
    }
}

/// A body in one piece, and who is to know when it is written.
pub(super) struct Whole {
    body: Bytes,
    unread: Unread,
    patience: Rc<Patience>,
}

impl Whole {
    fn hand(self) -> Bytes {
        self.patience.hold(self.unread);
        self.body
    }
}

/// An event stream, as hyper polls it: the next piece is made when there is room for it.
pub(super) struct Events(Pin<Box<dyn Stream<Item = Bytes>>>);

impl Events {
    pub(super) fn new<R: Runtime>(events: EventStream<R>, busy: Busy) -> Self {
        let pieces = stream::unfold((events, busy), |(mut events, busy)| async move {
            let Some(Piece { octets, push }) = events.next().await else {
                busy.done(events.now());
                return None;
            };
            busy.handed(push, events.now());
            Some((octets, (events, busy)))
        });
        Self(Box::pin(pieces))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Whole(body) => body.take().map(Whole::hand),
            Self::Events(Events(pieces)) => ready!(pieces.as_mut().poll_next(context)),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => {
                let octets = body.as_ref().map_or(0, |whole| whole.body.len());
                SizeHint::with_exact(u64::try_from(octets).unwrap_or(u64::MAX))
            }
            Self::Events(_) => SizeHint::new(),
        }
    }
}
