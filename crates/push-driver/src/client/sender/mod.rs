//! An application server's sender: the handle that an application has.

mod driver;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use push_crypto::{
    Provider, Subscription,
    message::{self, EncryptError, Padding},
    vapid::Signer,
};
use push_proto::{
    Content, ContentField, PushUrl, Seed, Topic, Ttl, Urgency,
    application_server::{self, Config, ReceiptOutcome, Refused, Verdict},
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::driver::{Command, Driver, Order};
use super::{Addresses, ClientLimits, dial::Dialer};
use crate::{ClientTls, Fault, Runtime};

/// How a sender is set up.
#[derive(Debug)]
pub struct SenderOptions {
    /// The machine's; `signed` is set from `signer`.
    pub config: Config,
    /// What encrypts and signs.
    pub provider: Provider,
    /// Who sends (VAPID). Most push services insist on it.
    pub signer: Option<Signer>,
    /// Whom it trusts.
    pub tls: ClientTls,
    /// What it connects to: public addresses only, unless said otherwise.
    pub addresses: Addresses,
    /// Bounds of its connections.
    pub limits: ClientLimits,
}

impl SenderOptions {
    /// Default limits; public addresses only.
    #[must_use]
    pub fn new(provider: Provider, signer: Option<Signer>, tls: ClientTls) -> Self {
        Self {
            config: Config::default(),
            provider,
            signer,
            tls,
            addresses: Addresses::Public,
            limits: ClientLimits::default(),
        }
    }
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Push {
    /// How long it is worth delivering.
    pub ttl: Ttl,
    /// How much it matters.
    pub urgency: Urgency,
    /// What it replaces.
    pub topic: Option<Topic>,
    /// Whether its outcome is wanted (RFC 8030 §5.1); never asked for with TTL 0 (`8030-5.2-10`).
    pub receipt: bool,
    /// What hides the payload's length.
    pub padding: Padding,
}

impl Push {
    /// Normal urgency, no topic, no receipt, no padding.
    #[must_use]
    pub const fn new(ttl: Ttl) -> Self {
        Self { ttl, urgency: Urgency::Normal, topic: None, receipt: false, padding: Padding::None }
    }
}

/// What became of a message that was sent.
#[derive(Debug)]
pub struct Sent {
    /// What the push service said.
    pub verdict: Verdict,
    /// What the user agent will have said, if a receipt comes.
    pub receipt: Option<AwaitedReceipt>,
}

/// A receipt that is on its way.
#[derive(Debug)]
pub struct AwaitedReceipt(oneshot::Receiver<ReceiptOutcome>);

impl AwaitedReceipt {
    /// What became of the message. Dropping it forgets the receipt.
    pub async fn outcome(self) -> ReceiptOutcome {
        self.0.await.unwrap_or(ReceiptOutcome::Unknown)
    }
}

/// A sender (RFC 8030 §5): encrypts, signs, keeps the pace of each push service, tries again. One connection for each
/// push service. Clones are the same one; it stops when all of them are dropped and what was sent has its verdict.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    orders: mpsc::UnboundedSender<Command>,
    /// One for each job that the machine takes.
    room: Arc<Semaphore>,
    provider: Provider,
}

impl Sender {
    /// A sender, and its driver, to be spawned.
    ///
    /// # Errors
    ///
    /// [`Fault::Random`].
    pub fn new<R: Runtime>(
        runtime: R,
        options: SenderOptions,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Fault> {
        let SenderOptions { config, provider, signer, tls, addresses, limits } = options;
        let mut seed = [0; 32];
        provider.fill(&mut seed).map_err(|_| Fault::Random)?;
        let config = Config { signed: signer.is_some(), ..config };
        let machine = application_server::Sender::new(config, &Seed::from_octets(seed));
        let (orders, ordered) = mpsc::unbounded_channel();
        let dialer = Dialer { runtime, tls, addresses, limits };
        let reason_octets = config.limits.reason_octets;
        let driver = Driver::new(machine, dialer, (provider, signer), ordered, reason_octets);
        let room = Arc::new(Semaphore::new(config.limits.jobs.min(Semaphore::MAX_PERMITS)));
        Ok((Self(Arc::new(Inner { orders, room, provider })), driver.run()))
    }

    /// Encrypts a message to a subscription and sends it; comes back with what the push service said in the end. It
    /// waits while as many messages are under way as the machine takes. An empty payload is encrypted and padded like
    /// any other: nobody on the way can tell it from one (`8291-7-4`).
    ///
    /// Cancel safe, but not undone by it: the message may be sent all the same.
    ///
    /// # Errors
    ///
    /// It could not be encrypted or was not taken: nothing was sent. Everything else is a verdict.
    pub async fn send(&self, to: &Subscription, payload: &[u8], push: Push) -> Result<Sent, SendError> {
        let sealed = message::encrypt(&self.0.provider, &to.recipient(), payload, push.padding);
        let body = Bytes::from(sealed.map_err(SendError::Encrypt)?);
        let fields = [(ContentField::Encoding, Bytes::from_static(b"aes128gcm"))];
        self.send_content(&to.endpoint, Content { body, fields: Box::new(fields) }, push).await
    }

    /// As [`Sender::send`], for content that is encrypted already, or for none: a message without a body tells the user
    /// agent that there is something, and nothing else.
    ///
    /// Cancel safe, but not undone by it: the message may be sent all the same.
    ///
    /// # Errors
    ///
    /// It was not taken: nothing was sent.
    pub async fn send_content(&self, to: &PushUrl, content: Content, push: Push) -> Result<Sent, SendError> {
        let ended = |_| SendError::Fault(Fault::Ended);
        let place =
            Arc::clone(&self.0.room).acquire_owned().await.map_err(|_| SendError::Fault(Fault::Ended))?;
        let (reply, answer) = oneshot::channel();
        let order = Order { to: to.clone(), content, push, reply, place };
        drop(self.0.orders.send(Command::Send(Box::new(order))));
        answer.await.map_err(ended)?
    }

    /// Gives every message its verdict now, drops the connections and ends.
    ///
    /// Cancel safe: the closing goes on.
    pub async fn close(&self) {
        drop(self.0.orders.send(Command::Close));
        self.0.orders.closed().await;
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender(..)")
    }
}

/// Why a message was not sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// It cannot be encrypted, for example because it is too long.
    Encrypt(EncryptError),
    /// A limit is reached.
    Refused(Refused),
    /// Our own fault.
    Fault(Fault),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypt(error) => error.fmt(f),
            Self::Refused(refused) => write!(f, "the message was not taken: {refused:?}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}
