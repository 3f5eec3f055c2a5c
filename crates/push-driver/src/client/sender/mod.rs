//! An application server's sender: the handle that an application has.

mod driver;
mod lines;
mod parked;
mod topic;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use push_crypto::{
    Provider, PublicKey, Subscription,
    message::{self, EncryptError, Padding},
    vapid::Signer,
};
use push_proto::{
    Content, ContentField, PushUrl, Seed, Topic, Ttl, Urgency,
    application_server::{self, Change, Config, ReceiptOutcome, Refused, Verdict},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use self::driver::{Command, Driver, Order};
use super::{Addresses, ClientLimits, Proxy, Resolver, dial::Dialer};
use crate::{ClientTls, Fault, Runtime};

/// How a sender is set up.
#[derive(Debug)]
pub struct SenderOptions {
    /// The machine's.
    pub config: Config,
    /// What encrypts and signs.
    pub provider: Provider,
    /// Who sends (VAPID). Most push services insist on it.
    pub signer: Option<Signer>,
    /// Further identities, for subscriptions that were made with their keys: those of other applications, or one's own
    /// before the last change (`8292-4.2-11`). A new key has no reputation yet (`8292-5-4`), so change step by step: let
    /// new subscriptions use it, and keep the old one here as long as a subscription needs it.
    pub other_signers: Vec<Signer>,
    /// Whom it trusts.
    pub tls: ClientTls,
    /// What it connects to: public addresses only, unless said otherwise.
    pub addresses: Addresses,
    /// How names become addresses; none for the system's way.
    pub resolver: Option<Resolver>,
    /// The proxy through which it connects; none to do so itself.
    pub proxy: Option<Proxy>,
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
            other_signers: Vec::new(),
            tls,
            addresses: Addresses::Public,
            resolver: None,
            proxy: None,
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
    /// The VAPID key that the subscription was made with (`8292-4.2-1`), if it is not that of
    /// [`SenderOptions::signer`].
    pub key: Option<PublicKey>,
    /// What hides the payload's length.
    pub padding: Padding,
}

impl Push {
    /// Normal urgency, no topic, no receipt, the first key, no padding.
    #[must_use]
    pub const fn new(ttl: Ttl) -> Self {
        Self { ttl, urgency: Urgency::Normal, topic: None, receipt: false, key: None, padding: Padding::None }
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
    /// Whom it signs as, unless a message says otherwise.
    key: Option<PublicKey>,
    /// Whom it can sign as.
    keys: Vec<PublicKey>,
}

impl Sender {
    /// A sender, and its driver, to be spawned.
    ///
    /// # Errors
    ///
    /// [`Fault::Random`]; [`Fault::Config`] if the cryptographic library does not take a key.
    pub fn new<R: Runtime>(
        runtime: R,
        options: SenderOptions,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Fault> {
        let SenderOptions {
            config,
            provider,
            signer,
            other_signers,
            tls,
            addresses,
            resolver,
            proxy,
            limits,
        } = options;
        let mut seed = [0; 32];
        provider.fill(&mut seed).map_err(|_| Fault::Random)?;
        let key = signer.as_ref().map(|signer| *signer.public_key());
        let signers: Vec<Signer> = signer.into_iter().chain(other_signers).collect();
        let keys = signers.iter().map(|signer| *signer.public_key()).collect();
        let signers = signers.iter().map(|signer| signer.prepare(&provider)).collect::<Result<_, _>>();
        let signers =
            signers.map_err(|_| Fault::Config("the cryptographic library does not take a VAPID key"))?;
        let machine = application_server::Sender::new(config, &Seed::from_octets(seed));
        let (orders, ordered) = mpsc::unbounded_channel();
        let dialer = Dialer { runtime, tls, addresses, resolver, proxy, limits };
        let driver = Driver::new(machine, dialer, signers, ordered, config.limits);
        let room = Arc::new(Semaphore::new(config.limits.jobs.min(Semaphore::MAX_PERMITS)));
        Ok((Self(Arc::new(Inner { orders, room, provider, key, keys })), driver.run()))
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
        if push.key.is_some_and(|key| !self.0.keys.contains(&key)) {
            return Err(SendError::Key);
        }
        let key = push.key.or(self.0.key);
        let place = self.place().await.map_err(SendError::Fault)?;
        let (reply, answer) = oneshot::channel();
        let order = Order { to: to.clone(), key, content, push, reply, place };
        drop(self.0.orders.send(Command::Send(Box::new(order))));
        answer.await.map_err(ended)?
    }

    /// A topic for what the application calls `name`: the same for the same subscription, unlike for every other, and
    /// meaningless to the push service (`8030-8.1-2`). It is made with the secret that only the user agent shares, so that
    /// trying out likely names tells nothing. Always a topic; it comes as [`Push::topic`] takes it.
    #[must_use]
    pub fn topic(&self, to: &Subscription, name: &str) -> Option<Topic> {
        topic::pseudonym(&self.0.provider, &to.auth, name)
    }

    /// Says what the application knows of a push resource: that it has ended, that another took its place, or that it is
    /// good after all.
    ///
    /// Cancel safe: it is said or it is not.
    ///
    /// # Errors
    ///
    /// [`Fault::Ended`].
    pub async fn push_resource(&self, url: &PushUrl, change: Change) -> Result<(), Fault> {
        let place = self.place().await?;
        self.0.orders.send(Command::Changed(url.clone(), change, place)).map_err(|_| Fault::Ended)
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.0.room).acquire_owned().await.map_err(|_| Fault::Ended)
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
    /// There is no signer for the key that the message names.
    Key,
    /// A limit is reached.
    Refused(Refused),
    /// Our own fault.
    Fault(Fault),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypt(error) => error.fmt(f),
            Self::Key => f.write_str("there is no signer for the key that the message names"),
            Self::Refused(refused) => write!(f, "the message was not taken: {refused:?}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}
