//! A user agent: the handle that an application has.

mod driver;
mod receivers;

use std::{fmt, sync::Arc};

use push_crypto::{Provider, Subscription};
use push_proto::{
    PublicKey, PushUrl, Seed,
    user_agent::{self, Config, Disposition, Event, MessageRef, Power, State, SubscribeFault, Tag},
};
use tokio::sync::{Mutex, mpsc, oneshot};
use zeroize::Zeroizing;

use self::driver::{Command, Driver};
use super::{Addresses, ClientLimits, dial::Dialer};
use crate::{ClientTls, Fault, Runtime};

/// How a user agent is set up.
#[derive(Debug)]
pub struct UserAgentOptions {
    /// The push service, the urgency wanted, when to ask silent connections, and the bounds of the machine.
    pub config: Config,
    /// What decrypts.
    pub provider: Provider,
    /// Whom it trusts.
    pub tls: ClientTls,
    /// What it connects to.
    pub addresses: Addresses,
    /// Bounds of its connections.
    pub limits: ClientLimits,
}

impl UserAgentOptions {
    /// All messages of this push service, wherever it is, with default limits.
    #[must_use]
    pub fn new(service: PushUrl, provider: Provider, tls: ClientTls) -> Self {
        let config = Config::new(service);
        Self { config, provider, tls, addresses: Addresses::Any, limits: ClientLimits::default() }
    }
}

/// A subscription to make.
#[derive(Clone, Debug, Default)]
pub struct SubscribeOptions {
    /// The push service, if not the configured one. Where that is https, so must this be.
    pub service: Option<PushUrl>,
    /// The only key whose holder may send (RFC 8292 §4.1).
    pub restricted_to: Option<PublicKey>,
    /// Into no set with the others, so that the service is not told that they belong together (`8030-4.1-3`). It costs
    /// a monitor of its own.
    pub alone: bool,
}

/// A user agent (RFC 8030): subscribes, monitors, decrypts, acknowledges, reconnects. Clones are the same one.
///
/// It stops when it is closed, or when all clones and messages are dropped.
#[derive(Clone)]
pub struct UserAgent(Arc<Inner>);

struct Inner {
    commands: mpsc::UnboundedSender<Command>,
    messages: Mutex<mpsc::UnboundedReceiver<Message>>,
    events: Mutex<mpsc::Receiver<Event>>,
}

impl UserAgent {
    /// A user agent that goes on from `state`, and its driver, to be spawned.
    ///
    /// `keep` is called by the driver whenever there is something new to keep, which outlives the program: it must
    /// have done so when it returns. What is not kept is at worst received twice, or a subscription forgotten.
    ///
    /// # Errors
    ///
    /// [`Fault::Random`].
    pub fn connect<R: Runtime>(
        runtime: R,
        options: UserAgentOptions,
        state: State,
        keep: impl FnMut(&State) + Send + 'static,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Fault> {
        let UserAgentOptions { config, provider, tls, addresses, limits } = options;
        let mut seed = [0; 32];
        provider.fill(&mut seed).map_err(|_| Fault::Random)?;
        let machine = user_agent::UserAgent::new(config, state, &Seed::from_octets(seed));
        let (commands, commanded) = mpsc::unbounded_channel();
        let (deliver, messages) = mpsc::unbounded_channel();
        let (tell, events) = mpsc::channel(EVENTS);
        let dialer = Dialer { runtime, tls, addresses, resolver: None, proxy: None, limits };
        let ends = driver::Ends { commands: commands.downgrade(), commanded, deliver, tell };
        let driver = Driver::new(machine, dialer, provider, Box::new(keep), ends);
        let inner = Inner { commands, messages: Mutex::new(messages), events: Mutex::new(events) };
        Ok((Self(Arc::new(inner)), driver.run()))
    }

    /// Makes a subscription at the configured push service, as [`UserAgent::subscribe_with`].
    ///
    /// Cancel safe, but not undone by it: the subscription may be made all the same.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub async fn subscribe(
        &self,
        tag: Tag,
        restricted_to: Option<PublicKey>,
    ) -> Result<Subscription, SubscribeError> {
        self.subscribe_with(tag, SubscribeOptions { restricted_to, ..SubscribeOptions::default() }).await
    }

    /// Makes a subscription, and keys of its own for it. `tag` is the application's name for it, used by no other.
    /// Waits until the push service is reached.
    ///
    /// Whoever has the subscription can send: hand it to the application server over a confidential channel on which
    /// that is authenticated, and to nobody else (`8030-4-4`). Its endpoint is https, unless the configured push service
    /// is spoken to in the clear, for development.
    ///
    /// Cancel safe, but not undone by it: the subscription may be made all the same.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub async fn subscribe_with(
        &self,
        tag: Tag,
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Subscribe(tag, options, reply));
        answer.await.unwrap_or(Err(SubscribeError::Fault(Fault::Ended)))
    }

    /// Ends a subscription, also one that is still being made: then [`UserAgent::subscribe`] fails. Comes back when the
    /// push service knows, or at once if there is none of that name.
    ///
    /// Cancel safe, but not undone by it.
    pub async fn unsubscribe(&self, tag: Tag) {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Unsubscribe(tag, reply));
        // Without an answer the driver has ended: that is as far as it gets.
        drop(answer.await);
    }

    /// Says in what condition the device is. When that changes what is worth waking it for, the monitors are opened anew
    /// (`8030-5.3-4`); what is already on its way still comes.
    pub fn power(&self, power: Power) {
        self.command(Command::Power(power));
    }

    /// The subscriptions there are, to be handed on as [`UserAgent::subscribe_with`] says. Cancel safe.
    pub async fn subscriptions(&self) -> Vec<(Tag, Subscription)> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Subscriptions(reply));
        answer.await.unwrap_or_default()
    }

    /// The next message; `None` when the user agent is closed. What nobody could decrypt is acknowledged and told by
    /// [`UserAgent::event`]. If several wait, each message goes to one of them.
    ///
    /// Cancel safe: no message is lost.
    pub async fn next(&self) -> Option<Message> {
        self.0.messages.lock().await.recv().await
    }

    /// The next of what there is to know beside messages; `None` when the user agent is closed. Events are dropped
    /// while 64 of them wait to be read.
    ///
    /// Cancel safe: no event is lost.
    pub async fn event(&self) -> Option<Event> {
        self.0.events.lock().await.recv().await
    }

    /// Sends the acknowledgements that are owed, keeps the state, ends. Comes back when that is done.
    ///
    /// Cancel safe: the closing goes on.
    pub async fn close(&self) {
        self.command(Command::Close);
        self.0.commands.closed().await;
    }

    /// A driver that has ended takes none; whoever waits for an answer is told by its absence.
    fn command(&self, command: Command) {
        drop(self.0.commands.send(command));
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAgent(..)")
    }
}

/// A message for the application, decrypted. Dropped without [`Message::acknowledge`], it is delivered again. The
/// payload is wiped on drop.
pub struct Message {
    tag: Tag,
    payload: Option<Zeroizing<Vec<u8>>>,
    message: MessageRef,
    answer: Option<mpsc::UnboundedSender<Command>>,
}

impl Message {
    /// The subscription it came by.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// What the sender wrote, and nobody else can have written (`8188-4.1-1`), though it may be empty. None if the
    /// push had no body (`w3c-recv-2`): that may come from anybody on the way, too.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.payload.as_ref().map(|payload| payload.as_slice())
    }

    /// Says that the application has it for good. It is acknowledged to the push service as soon as that is reached
    /// (`8030-6.2-1`).
    pub fn acknowledge(mut self) {
        self.answer(Disposition::Taken);
    }

    fn answer(&mut self, disposition: Disposition) {
        if let Some(answer) = self.answer.take() {
            drop(answer.send(Command::Dispose(self.message, disposition)));
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.answer(Disposition::Released);
    }
}

/// Its length only: payloads never reach logs (G6).
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.payload.as_ref().map(|payload| payload.len());
        f.debug_struct("Message").field("tag", &self.tag).field("octets", &octets).finish()
    }
}

/// Why a subscription could not be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The push service or a limit did not let us.
    Refused(SubscribeFault),
    /// The application ended it while it was being made.
    Unsubscribed,
    /// Our own fault.
    Fault(Fault),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(SubscribeFault::Refused(status)) => write!(f, "the push service answered {status}"),
            Self::Refused(fault) => write!(f, "no subscription: {fault:?}"),
            Self::Unsubscribed => f.write_str("unsubscribed before it was made"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for SubscribeError {}

/// Events that wait to be read; what comes beyond is dropped.
const EVENTS: usize = 64;
