//! Many messages: encrypted in batches, under way at once, told as they come back.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt as _,
    future::BoxFuture,
    stream::{BoxStream, Fuse, FuturesUnordered},
};
use push_driver::{SendError, Sent};
use push_proto::application_server::{Rejection, Transient, Verdict};

use crate::{Message, MessageError, Sender, message};

/// What comes of messages, by name ([`Sender::send_all`]).
#[must_use = "nothing is sent unless it is polled"]
pub struct SendAll<'a, Id> {
    messages: Fuse<BoxStream<'a, (Id, Result<Message, MessageError>)>>,
    sender: Sender,
    under_way: FuturesUnordered<BoxFuture<'a, (Id, Sent)>>,
    /// How many may be under way.
    in_flight: usize,
}

impl<'a, Id: Send + 'a> SendAll<'a, Id> {
    pub(crate) fn new<M, S>(sender: Sender, in_flight: usize, messages: S) -> Self
    where
        S: Stream<Item = (Id, M)> + Send + 'a,
        M: TryInto<Message> + Send + 'a,
        M::Error: Into<MessageError>,
    {
        let messages = messages.map(|(id, message)| (id, message.try_into().map_err(Into::into)));
        Self { messages: messages.boxed().fuse(), sender, under_way: FuturesUnordered::new(), in_flight }
    }

    /// The next; none when all have been told.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<(Id, Sent)> {
        futures_util::StreamExt::next(self).await
    }

    /// Takes a batch if there is room for one, and starts it. Whether there may be more to take right now.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> bool {
        // Half of what may be under way: so the rest keeps the connections busy until there is room for a batch again.
        let batch = BATCH.min(self.in_flight.div_ceil(2));
        if self.in_flight.saturating_sub(self.under_way.len()) < batch {
            return false;
        }
        let (mut ids, mut messages) = (Vec::new(), Vec::new());
        let mut more = true;
        while more && messages.len() < batch && self.under_way.len() + messages.len() < self.in_flight {
            match self.messages.poll_next_unpin(cx) {
                Poll::Ready(Some((id, Ok(message)))) => {
                    ids.push(id);
                    messages.push(message);
                }
                Poll::Ready(Some((id, Err(error)))) => {
                    self.under_way.push(Box::pin(std::future::ready((id, rejected(&error)))));
                }
                Poll::Ready(None) | Poll::Pending => more = false,
            }
        }
        let contents = message::encrypt_batch(&self.sender.provider, &messages);
        for ((id, message), content) in ids.into_iter().zip(messages).zip(contents) {
            let sender = self.sender.clone();
            self.under_way.push(Box::pin(async move {
                let sent = match content {
                    Ok(content) => sender.send_content(message, content).await,
                    Err(error) => Err(SendError::Encrypt(error)),
                };
                (id, sent.unwrap_or_else(|error| unsent(&error)))
            }));
        }
        more
    }
}

impl<'a, Id: Send + 'a> Stream for SendAll<'a, Id> {
    type Item = (Id, Sent);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let more = self.poll_batch(cx);
        let told = self.under_way.poll_next_unpin(cx);
        if told.is_pending() && more {
            // One batch is enough for a turn: others have work to do on this thread.
            cx.waker().wake_by_ref();
        }
        match ready!(told) {
            Some(told) => Poll::Ready(Some(told)),
            None if self.messages.is_done() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.messages.size_hint();
        let under_way = self.under_way.len();
        (least.saturating_add(under_way), most.and_then(|most| most.checked_add(under_way)))
    }
}

impl<Id> fmt::Debug for SendAll<'_, Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendAll(..)")
    }
}

fn unsent(error: &SendError) -> Sent {
    if matches!(error, SendError::Fault(_)) {
        return Sent { verdict: Verdict::Transient(Transient { said: None, sent: false }), receipt: None };
    }
    rejected(error)
}

/// It never got as far as a push service.
fn rejected(why: &dyn fmt::Display) -> Sent {
    let reason = Bytes::from(why.to_string());
    Sent { verdict: Verdict::Rejected(Rejection { status: None, reason }), receipt: None }
}

/// Messages that are encrypted at once: what fills the lanes of any kernel several times, and takes the thread for a few
/// milliseconds where there is none.
const BATCH: usize = 64;
