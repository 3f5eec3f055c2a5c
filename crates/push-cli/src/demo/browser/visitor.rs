//! The visitor: the subscription that the browser gave, and the sender that sends to it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use push_crypto::{
    PublicKey, Subscription,
    vapid::{Signer, SigningKey},
};
use push_proto::{Ttl, Urgency, application_server::Verdict};
use push_tokio::{Addresses, ClientTls, Push, Sender, SenderOptions, Tokio};
use tokio::task::JoinHandle;

use crate::{
    demo::parties::provider,
    error::{Error, Result},
    output,
    send::said,
};

/// Whoever has the page open.
pub(super) struct Visitor {
    key: PublicKey,
    sender: Sender,
    driver: Mutex<Option<JoinHandle<()>>>,
    subscription: Mutex<Option<Subscription>>,
}

/// What became of a message, in words for the page and the terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted(String),
    /// It was not sent, or not accepted.
    Failed(String),
    /// There is no subscription, or it has ended.
    Unsubscribed(String),
}

impl Visitor {
    /// Makes a VAPID key for this run. Sends to public addresses only, unless `anywhere`. Needs a runtime.
    pub(super) fn new(tls: ClientTls, anywhere: bool) -> Result<Self> {
        let key = SigningKey::generate(&provider())
            .map_err(|error| Error::failed(format!("no VAPID key: {error}")))?;
        let public = *key.public_key();
        let subject = crate::vapid::subject("mailto:demo@example.org")?;
        let mut options = SenderOptions::new(provider(), Some(Signer::new(key, Some(subject))), tls);
        if anywhere {
            options.addresses = Addresses::Any;
        }
        // Somebody waits for the answer.
        options.config.limits.attempts = ATTEMPTS;
        options.config.limits.backoff.first = BACKOFF_FIRST;
        let started = Sender::new(Tokio, options);
        let (sender, driver) = started.map_err(|error| Error::failed(format!("no sender: {error}")))?;
        let driver = Mutex::new(Some(tokio::spawn(driver)));
        Ok(Self { key: public, sender, driver, subscription: Mutex::new(None) })
    }

    /// The page's `applicationServerKey` (RFC 8292 §4.1).
    pub(super) const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Messages go to this subscription from now on; its push service.
    pub(super) fn subscribe(&self, subscription: Subscription) -> String {
        let origin = subscription.endpoint.origin().to_string();
        *self.subscription.lock().unwrap_or_else(PoisonError::into_inner) = Some(subscription);
        origin
    }

    /// Forgets the subscription; says whether there was one.
    pub(super) fn unsubscribe(&self) -> bool {
        self.subscription.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// Sends a message to the browser.
    pub(super) async fn send(&self, text: &str) -> Outcome {
        let to = self.subscription.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(to) = to else {
            return Outcome::Unsubscribed(
                "There is no subscription yet: subscribe this browser first.".into(),
            );
        };
        let push = Push { urgency: Urgency::High, ..Push::new(TTL) };
        let sent = tokio::time::timeout(ANSWER_WAIT, self.sender.send(&to, text.as_bytes(), push)).await;
        let origin = to.endpoint.origin();
        match sent {
            Ok(Ok(sent)) => {
                let outcome = judged(sent.verdict, origin.as_str());
                if matches!(outcome, Outcome::Unsubscribed(_)) {
                    self.unsubscribe();
                }
                outcome
            }
            Ok(Err(error)) => Outcome::Failed(format!("Nothing was sent: {error}.")),
            Err(_) => Outcome::Failed(format!(
                "{origin} has not answered within {} s; the message may come all the same.",
                ANSWER_WAIT.as_secs()
            )),
        }
    }

    /// Ends the sender.
    pub(super) async fn close(&self) {
        self.sender.close().await;
        let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(driver) = driver {
            drop(driver.await);
        }
    }
}

/// Who erred, and what to do.
fn judged(verdict: Verdict, origin: &str) -> Outcome {
    Outcome::Failed(match verdict {
        Verdict::Accepted(accepted) => {
            let ttl = accepted.ttl.map_or(0, Ttl::as_secs);
            return Outcome::Accepted(format!(
                "{origin} accepted the message, and keeps it for {ttl} seconds."
            ));
        }
        Verdict::Gone(_) => {
            return Outcome::Unsubscribed(format!(
                "{origin} says that the subscription has ended: end it here too, and subscribe again."
            ));
        }
        Verdict::KeyMismatch(why) => {
            format!(
                "{origin} says that the subscription was made with another key{}. Subscribe again.",
                said(&why)
            )
        }
        Verdict::Auth(why) => {
            format!(
                "{origin} does not accept the signature{}. This machine's clock may be wrong.",
                said(&why)
            )
        }
        Verdict::Rejected(why) if why.status.is_none() => format!(
            "Nothing was sent to {origin}{}. Addresses of this machine and its networks need --ca.",
            said(&why)
        ),
        Verdict::Rejected(why) => format!("{origin} refuses the message{}.", said(&why)),
        Verdict::Throttled(throttled) => {
            format!("{origin} asks for a pause. Try again after {} s.", throttled.wait.as_secs().max(1))
        }
        Verdict::Expired => "The message's time ran out before it could be sent.".to_owned(),
        Verdict::Transient(why) => match why.said {
            Some(why) => format!("{origin} has a problem of its own{}. Try again later.", said(&why)),
            None if why.sent => format!("The connection to {origin} was lost before it answered."),
            None => format!(
                "{origin} cannot be reached from here. A proxy or firewall may be in between; --log debug says more."
            ),
        },
    })
}

/// Text by somebody else as part of one line, without power over a terminal.
pub(super) fn line(text: &str) -> String {
    let text = output::harmless(text).replace(['\n', '\t'], " ");
    text.trim().chars().take(LINE_CHARS).collect()
}

/// How often one message is tried before the visitor is told.
const ATTEMPTS: u32 = 3;
const BACKOFF_FIRST: Duration = Duration::from_millis(300);

/// How long the visitor is left without an answer.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// The browser may be closed for a while.
const TTL: Ttl = Ttl::from_secs(3600);

/// Of somebody else's text on the terminal.
const LINE_CHARS: usize = 300;
