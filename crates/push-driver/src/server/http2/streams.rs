//! Event streams of an HTTP/2 connection.
//!
//! Octets go to h2 when the peer's window takes them, so h2 holds back none. An event counts as written when the frames
//! that passed to the transport have its last octet: what [`Seen`](crate::io::Seen) follows.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use push_proto::service::{Monitor, Transfer};

use super::Shared;
use crate::{
    Runtime,
    io::Seen,
    runtime::within,
    server::{
        events::{Begun, EventStream},
        exchange::Local,
        push::Push,
    },
};

/// What the event streams of one connection share with it.
#[derive(Clone, Default)]
pub(super) struct Streams(Rc<RefCell<Books>>);

#[derive(Default)]
struct Books {
    open: usize,
    /// Handed to h2 and not written yet: by stream, with the place of their last octets in it.
    unwritten: BTreeMap<u32, VecDeque<(u64, Push)>>,
    /// Who waits until a stream is written up to there.
    flushing: BTreeMap<u32, (u64, Waker)>,
}

impl Streams {
    /// How many there are.
    pub(super) fn open(&self) -> usize {
        self.0.borrow().open
    }

    /// One more, on the connection whose frames are seen there.
    pub(super) fn enter(&self, seen: &Rc<RefCell<Seen>>) -> Open {
        self.0.borrow_mut().open += 1;
        Open { streams: self.clone(), seen: Rc::clone(seen), id: None }
    }

    /// Reports what was written.
    pub(super) fn observe(&self, seen: &Seen) {
        let mut books = self.0.borrow_mut();
        let flushed = books.flushing.extract_if(.., |stream, (end, _)| *end <= seen.written_of(*stream));
        flushed.for_each(|(_, (_, waker))| waker.wake());
        for (stream, unwritten) in &mut books.unwritten {
            let written = seen.written_of(*stream);
            while let Some((_, push)) = unwritten.pop_front_if(|(end, _)| *end <= written) {
                push.report(Transfer::Written);
            }
        }
    }
}

/// An open stream, counted as long as it is there.
pub(in crate::server) struct Open {
    streams: Streams,
    seen: Rc<RefCell<Seen>>,
    id: Option<u32>,
}

impl Open {
    /// It has this id, and its response is on its way.
    pub(super) fn begin(&mut self, id: u32) {
        self.id = Some(id);
        self.seen.borrow_mut().follow(id);
    }

    /// Ready when so many octets of it have passed to the transport.
    pub(in crate::server) fn poll_written(&self, end: u64, context: &Context<'_>) -> Poll<()> {
        let Some(id) = self.id else { return Poll::Ready(()) };
        if self.seen.borrow().written_of(id) >= end {
            return Poll::Ready(());
        }
        self.streams.0.borrow_mut().flushing.insert(id, (end, context.waker().clone()));
        Poll::Pending
    }

    fn handed(&self, end: u64, push: Push) {
        if let Some(id) = self.id {
            self.streams.0.borrow_mut().unwritten.entry(id).or_default().push_back((end, push));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut books = self.streams.0.borrow_mut();
        books.open = books.open.saturating_sub(1);
        if let Some(id) = self.id {
            self.seen.borrow_mut().unfollow(id);
            books.flushing.remove(&id);
            for (_, push) in books.unwritten.remove(&id).unwrap_or_default() {
                push.report(Transfer::Reset);
            }
        }
    }
}

/// Serves a monitor by an event stream, to the end of either.
pub(super) async fn serve<R: Runtime>(
    shared: Shared<R>,
    monitor: Monitor,
    mut respond: SendResponse<Bytes>,
    mut open: Open,
) {
    let Shared { local, caller, responses } = shared;
    let begun = tokio::select! {
        biased;
        _reset = poll_fn(|context| respond.poll_reset(context)) => return,
        begun = EventStream::open(Rc::clone(&local), caller, monitor) => begun,
    };
    let mut events = match begun {
        Begun::Stream(events) => events,
        Begun::Response(response) => return responses.send(&mut respond, response),
    };
    let head = local.door.event_stream(local.runtime.now().wall);
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    open.begin(stream.stream_id().as_u32());
    let mut written = 0;
    loop {
        let piece = tokio::select! {
            biased;
            _reset = poll_fn(|context| stream.poll_reset(context)) => return,
            piece = events.next() => piece,
        };
        let Some(piece) = piece else {
            // The peer has gone if this fails.
            drop(stream.send_data(Bytes::new(), true));
            return;
        };
        written += u64::try_from(piece.octets.len()).unwrap_or(u64::MAX);
        if let Some(push) = piece.push {
            open.handed(written, push);
        }
        if write(&local, &mut stream, piece.octets).await.is_none() {
            return stream.send_reset(Reason::CANCEL);
        }
    }
}

/// Hands octets to h2 as the peer's window takes them. None if it takes none for too long, or the peer has gone.
async fn write<R: Runtime>(
    local: &Local<R>,
    stream: &mut SendStream<Bytes>,
    mut octets: Bytes,
) -> Option<()> {
    while !octets.is_empty() {
        stream.reserve_capacity(octets.len());
        let capacity = async {
            loop {
                match poll_fn(|context| stream.poll_capacity(context)).await {
                    Some(Ok(0)) => {}
                    other => return other?.ok(),
                }
            }
        };
        let capacity = within(&local.runtime, local.limits.stream_stall, capacity).await??;
        stream.send_data(octets.split_to(capacity.min(octets.len())), false).ok()?;
    }
    Some(())
}
