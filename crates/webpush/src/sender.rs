//! Messages to many push services at once.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _, stream::FuturesUnordered};
use push_crypto::Provider;
use push_driver::{Addresses, AwaitedReceipt, ClientLimits, ClientTls, Proxy, Push, Resolver, SendError};
#[cfg(any(feature = "smol", feature = "tokio"))]
use push_driver::{Fault, SenderOptions};
use push_proto::{
    Content,
    application_server::{Config, ReceiptOutcome},
};

pub use push_driver::Sent;

use crate::{Message, MessageError, SendAll, Vapid};

/// How a [`Sender`] is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further identities, for subscriptions that were made with their keys: those of other applications, or one's own
    /// before the last change ([`Message::key`]).
    pub identities: Vec<Vapid>,
    /// Whom it trusts; none for the certificates that this machine trusts.
    pub tls: Option<ClientTls>,
    /// What it connects to: public addresses only, unless said otherwise.
    pub addresses: Addresses,
    /// How names become addresses; none for the system's way.
    pub resolver: Option<Resolver>,
    /// The proxy through which it connects; none to do so itself.
    pub proxy: Option<Proxy>,
    /// Attempts, pauses, and bounds of what waits.
    pub config: Config,
    /// Bounds of its connections.
    pub limits: ClientLimits,
    /// Messages of one [`Sender::send_all`] that are under way at once; none for [`IN_FLIGHT`].
    pub in_flight: Option<usize>,
}

/// Messages of one [`Sender::send_all`] that are under way at once, if nothing else is said: as many as may be in flight at
/// all push services together, and two batches that are encrypted meanwhile. More only grow cold.
pub const IN_FLIGHT: usize = 640;

#[cfg(any(feature = "smol", feature = "tokio"))]
impl Options {
    pub(crate) fn start<D>(self, vapid: Option<&Vapid>, start: D) -> Result<Sender, Fault>
    where
        D: FnOnce(SenderOptions) -> Result<push_driver::Sender, Fault>,
    {
        let Self { identities, tls, addresses, resolver, proxy, config, limits, in_flight } = self;
        let tls = tls.map_or_else(ClientTls::native, Ok)?;
        let other_signers = identities.iter().map(Vapid::signer).collect();
        let provider = crate::provider();
        let options = SenderOptions::new(provider, vapid.map(Vapid::signer), tls);
        let options = SenderOptions { other_signers, addresses, resolver, proxy, config, limits, ..options };
        Ok(Sender { driver: start(options)?, provider, in_flight: in_flight.unwrap_or(IN_FLIGHT).max(1) })
    }
}

/// Sends messages (RFC 8030 §5), keeps the pace of each push service, tries again where that is safe, and tells what came
/// of each. Clones are the same one; it stops when all of them are dropped and what was sent has its verdict.
///
/// One is enough for a process: connections, tokens and pauses are kept in it.
#[derive(Clone)]
pub struct Sender {
    driver: push_driver::Sender,
    pub(crate) provider: Provider,
    in_flight: usize,
}

impl Sender {
    /// Encrypts a message and sends it; comes back with what the push service said in the end.
    ///
    /// Cancel safe, but not undone by it: the message may be sent all the same.
    ///
    /// # Errors
    ///
    /// It could not be encrypted or was not taken: nothing was sent. Everything else is a verdict.
    pub async fn send(&self, message: Message) -> Result<Sent, SendError> {
        let content = message.encrypt(&self.provider).map_err(SendError::Encrypt)?;
        self.send_content(message, content).await
    }

    /// `content` is what became of the message.
    pub(crate) async fn send_content(&self, message: Message, content: Content) -> Result<Sent, SendError> {
        let Message { to, ttl, urgency, topic, padding, receipt, key, .. } = message;
        let push = Push { ttl, urgency, topic, receipt, key, padding };
        self.driver.send_content(&to.endpoint, content, push).await
    }

    /// Sends all messages of a stream, each with a name of yours, and gives what came of each, exactly once, as soon as it
    /// is known. It is lazy: it takes from the stream what it has room for ([`Options::in_flight`]), and does nothing
    /// unless it is polled. Messages are encrypted by whoever polls it, some at once; several of them in tasks of their
    /// own encrypt on as many threads.
    ///
    /// An item may be a [`Message`], or a `Result` of one and a [`SubscriptionError`](crate::SubscriptionError) or a
    /// [`MessageError`]: what cannot be sent is [`Verdict::Rejected`](crate::Verdict::Rejected) without a status, and
    /// nothing else is concerned.
    ///
    /// Cancel safe; dropped, it gives up what it has not taken from the stream, and what was sent is not undone.
    ///
    /// ```no_run
    /// use futures_util::stream;
    /// use webpush::{Message, Sender, Subscription, Verdict};
    ///
    /// # async fn example(sender: Sender, rows: Vec<(u64, String)>) {
    /// // Rows of a table: an id, and the subscription's JSON.
    /// let messages = rows.into_iter().map(|(id, json)| {
    ///     let to = json.parse::<Subscription>();
    ///     (id, to.map(|to| Message::new(to, "Lunch?")))
    /// });
    /// let mut sent = sender.send_all(stream::iter(messages));
    /// while let Some((id, sent)) = sent.next().await {
    ///     match sent.verdict {
    ///         Verdict::Accepted(_) => {}
    ///         Verdict::Gone(_) => println!("delete {id}"),
    ///         other => println!("{id}: {other:?}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn send_all<'a, Id, M, S>(&self, messages: S) -> SendAll<'a, Id>
    where
        S: Stream<Item = (Id, M)> + Send + 'a,
        Id: Send + 'a,
        M: TryInto<Message> + Send + 'a,
        M::Error: Into<MessageError>,
    {
        SendAll::new(self.clone(), self.in_flight, messages)
    }

    /// What it is driven by, for what is not here: content that is encrypted already, topics that nobody can guess, news
    /// of push resources.
    #[must_use]
    pub const fn driver(&self) -> &push_driver::Sender {
        &self.driver
    }

    /// Gives every message its verdict now, drops the connections and ends.
    ///
    /// Cancel safe: the closing goes on.
    pub async fn close(&self) {
        self.driver.close().await;
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

/// Receipts that are on their way, by name: what became of the messages in the end (RFC 8030 §5.1).
///
/// ```no_run
/// # async fn example(mut sent: webpush::SendAll<'_, u64>) {
/// let mut receipts = webpush::Receipts::new();
/// while let Some((id, sent)) = sent.next().await {
///     receipts.extend(sent.receipt.map(|receipt| (id, receipt)));
/// }
/// while let Some((id, outcome)) = receipts.next().await {
///     println!("{id}: {outcome:?}");
/// }
/// # }
/// ```
pub struct Receipts<Id>(FuturesUnordered<Told<Id>>);

type Told<Id> = Pin<Box<dyn Future<Output = (Id, ReceiptOutcome)> + Send>>;

impl<Id> Receipts<Id> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self(FuturesUnordered::new())
    }

    /// How many have not come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all have come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next to come; none when all have.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<(Id, ReceiptOutcome)> {
        self.0.next().await
    }
}

impl<Id> Default for Receipts<Id> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Id: Send + 'static> Extend<(Id, AwaitedReceipt)> for Receipts<Id> {
    fn extend<T: IntoIterator<Item = (Id, AwaitedReceipt)>>(&mut self, receipts: T) {
        for (id, receipt) in receipts {
            self.0.push(Box::pin(async move { (id, receipt.outcome().await) }));
        }
    }
}

impl<Id> Stream for Receipts<Id> {
    type Item = (Id, ReceiptOutcome);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl<Id> fmt::Debug for Receipts<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipts({})", self.0.len())
    }
}
