//! `webpush send`

mod many;
mod request;

use std::{io, path::Path, time::Duration};

use webpush::{
    Accepted, Addresses, AwaitedReceipt, Explanation, Gone, Message, Options, Proxy, ReceiptOutcome,
    Rejection, Sent, Subscription, Throttled, Topic, Transient, Ttl, Urgency, Vapid, Verdict,
};
use zeroize::Zeroizing;

use crate::{
    args::SendArgs,
    error::{Error, Result},
    files, output, tls, vapid,
};

/// Sends one message, or one to many.
pub(crate) fn run(args: SendArgs) -> Result<()> {
    let many = many::is_meant(&args.to);
    if many && (args.wait_receipt.is_some() || args.verbose || args.dry_run) {
        return Err(Error::usage("--wait-receipt, --verbose and --dry-run are for one subscription"));
    }
    if !many && args.verdicts.is_some() {
        return Err(Error::usage("--verdicts is for many subscriptions, in a file that ends in .jsonl"));
    }
    if many {
        return run_many(&args);
    }
    if args.dry_run {
        return request::show(&args);
    }
    run_one(&args)
}

/// The identity, for those who sign.
fn identity(args: &SendArgs) -> Result<Option<Vapid>> {
    let subject = args.subject.as_deref().map(vapid::subject).transpose()?;
    let Some(key) = args.key.as_deref().map(vapid::read).transpose()? else { return Ok(None) };
    let subject = subject.ok_or_else(|| {
        Error::usage("--key without --subject")
            .hint("push services want a contact, for example mailto:ops@example.org")
    })?;
    Vapid::new(key, subject.as_str()).map(Some).map_err(|error| Error::usage(format!("--subject: {error}")))
}

/// What all messages have in common.
struct Mold {
    payload: Zeroizing<Vec<u8>>,
    ttl: Ttl,
    urgency: Urgency,
    topic: Option<Topic>,
    receipt: bool,
}

impl Mold {
    fn of(args: &SendArgs, payload: Zeroizing<Vec<u8>>) -> Self {
        let receipt = args.receipt || args.wait_receipt.is_some();
        Self { payload, ttl: args.ttl, urgency: args.urgency, topic: args.topic.clone(), receipt }
    }

    fn message(&self, to: Subscription) -> Message {
        let message = Message::new(to, self.payload.as_slice()).ttl(self.ttl).urgency(self.urgency);
        let message = self.topic.iter().fold(message, |message, topic| message.topic(topic.clone()));
        if self.receipt { message.receipt() } else { message }
    }
}

/// To where, and by which way.
fn options(args: &SendArgs) -> Result<Options> {
    let tls = Some(tls::client(args.ca.as_deref())?);
    let anywhere = args.ca.is_some() || args.private_addresses;
    let addresses = if anywhere { Addresses::Any } else { Addresses::Public };
    Ok(Options { tls, addresses, proxy: proxy(args)?, ..Options::default() })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| cannot_start(&error))
}

fn cannot_start(why: &dyn std::fmt::Display) -> Error {
    Error::failed(format!("cannot start: {why}"))
}

fn proxy(args: &SendArgs) -> Result<Option<Proxy>> {
    args.proxy.clone().transpose().map_err(|error| {
        Error::usage(format!("--proxy (or WEBPUSH_PROXY): {error}"))
            .hint("for example http://proxy.example.org:3128, or http://user:p%40ss@proxy.example.org:3128")
    })
}

fn run_many(args: &SendArgs) -> Result<()> {
    let vapid = identity(args)?;
    let mold = Mold::of(args, read_payload(args)?);
    let options = options(args)?;
    runtime()?.block_on(async {
        let sender = webpush::tokio::sender(vapid.as_ref(), options).map_err(|error| cannot_start(&error))?;
        many::send(args, &sender, mold).await
    })
}

fn run_one(args: &SendArgs) -> Result<()> {
    if args.ttl == Ttl::ZERO && args.wait_receipt.is_some() {
        return Err(Error::usage(
            "--wait-receipt goes with a TTL above 0 only: the service may drop a message with TTL 0 at once, and \
             then no receipt comes (RFC 8030 §5.2)",
        )
        .hint("give the message some time, for example --ttl 1m, or do not wait"));
    }
    let vapid = identity(args)?;
    let to = read_subscription(args)?;
    let mold = Mold::of(args, read_payload(args)?);
    let mut options = options(args)?;
    // Somebody waits for the answer.
    options.config.limits.attempts = ATTEMPTS;
    options.config.limits.backoff.first = BACKOFF_FIRST;
    runtime()?.block_on(async {
        let sender = webpush::tokio::sender(vapid.as_ref(), options).map_err(|error| cannot_start(&error))?;
        let sent = sender.send(mold.message(to.clone())).await;
        let sent = sent.map_err(|error| Error::failed(format!("nothing was sent: {error}")))?;
        let told = tell(args, &to, sent).await;
        sender.close().await;
        told
    })
}

async fn tell(args: &SendArgs, to: &Subscription, sent: Sent) -> Result<()> {
    let origin = to.endpoint.origin();
    let accepted = judge(sent.verdict, origin.as_str())?;
    let ttl = accepted.ttl.unwrap_or(args.ttl);
    output::line(&format!("accepted by {origin}, which keeps it for {} s", ttl.as_secs()))?;
    if args.verbose
        && let Some(message) = &accepted.message
    {
        output::line(&format!("message {}", message.as_str()))?;
    }
    match (args.wait_receipt, sent.receipt) {
        (Some(wait), Some(receipt)) => tell_receipt(wait, receipt).await,
        (Some(_), None) => Err(Error::failed(format!("no receipt will come: {origin} gives none"))),
        (None, Some(_)) => output::line("a receipt is promised; --wait-receipt waits for it"),
        (None, None) if args.receipt => output::line("no receipt will come: the service gives none"),
        (None, None) => Ok(()),
    }
}

async fn tell_receipt(wait: Duration, receipt: AwaitedReceipt) -> Result<()> {
    match tokio::time::timeout(wait, receipt.outcome()).await {
        Ok(ReceiptOutcome::Delivered) => output::line("receipt: delivered"),
        Ok(ReceiptOutcome::Failed) => Err(Error::failed(
            "receipt: not delivered; it expired, was dropped, or the subscription has ended",
        )),
        Ok(ReceiptOutcome::Unknown) => {
            Err(Error::failed("the service has stopped giving receipts for this message"))
        }
        Err(_) => Err(Error::failed(format!("no receipt within {} s", wait.as_secs()))
            .hint("the message was accepted; the user agent has not acknowledged it yet")),
    }
}

/// Who erred, and what to do.
fn judge(verdict: Verdict, origin: &str) -> Result<Accepted> {
    let failed = |what: &str| Error::failed(format!("{origin}: {what}"));
    Err(match verdict {
        Verdict::Accepted(accepted) => return Ok(accepted),
        Verdict::Gone(_) => {
            failed("the subscription has ended").hint("delete it; the user agent must subscribe anew")
        }
        Verdict::KeyMismatch(why) => {
            failed(&format!("the subscription was made with another VAPID key{}", said(&why))).hint(
                "send with the key it was made with, or have the user agent subscribe anew with this one",
            )
        }
        Verdict::Auth(why) => failed(&format!("it does not accept who we say we are{}", said(&why)))
            .hint("give a VAPID key with --key and a contact with --subject; check this machine's clock"),
        Verdict::Rejected(why) if why.status.is_none() => {
            failed(&format!("nothing was sent{}", said(&why))).hint(
                "addresses of this machine and its networks are used with --ca or --private-addresses only, by a \
                 --proxy as well",
            )
        }
        Verdict::Rejected(why) => failed(&format!("it refuses the message{}", said(&why))),
        Verdict::Throttled(Throttled { wait, said: why }) => {
            let why = why.as_ref().map_or_else(String::new, said);
            failed(&format!("it asks for a pause{why}"))
                .hint(format!("try again after {} s", wait.as_secs().max(1)))
        }
        Verdict::Expired => failed("the TTL ran out before it could be sent"),
        Verdict::Transient(Transient { said: why, sent }) => match (why, sent) {
            (Some(why), _) => {
                failed(&format!("it has a problem of its own{}", said(&why))).hint("try again later")
            }
            (None, true) => failed("the connection was lost before it answered")
                .hint("the message may have been accepted; with a --topic it can be sent again without harm"),
            (None, false) => failed("cannot be reached").hint("--log debug says why"),
        },
    })
}

/// What the service said, if it said anything.
pub(crate) fn said_of(verdict: &Verdict) -> Option<String> {
    let why = match verdict {
        Verdict::KeyMismatch(why) | Verdict::Auth(why) | Verdict::Rejected(why) => why,
        Verdict::Gone(Gone::Ended(Some(why)))
        | Verdict::Throttled(Throttled { said: Some(why), .. })
        | Verdict::Transient(Transient { said: Some(why), .. }) => why,
        Verdict::Accepted(_)
        | Verdict::Gone(Gone::Ended(None) | Gone::Replaced)
        | Verdict::Throttled(Throttled { said: None, .. })
        | Verdict::Expired
        | Verdict::Transient(Transient { said: None, .. }) => return None,
    };
    Some(said(why).trim_start_matches([' ', ':']).to_owned())
}

/// What the service said about it: somebody else's text.
pub(crate) fn said(why: &Rejection) -> String {
    let status = why.status.map_or_else(String::new, |status| format!(" ({status})"));
    let Explanation { code, errno, text } = why.explanation();
    let errno = errno.map(|errno| format!("errno {errno}"));
    let words: Vec<_> =
        code.into_iter().chain(errno).chain(Some(text)).filter(|text| !text.is_empty()).collect();
    let reason = output::harmless(&words.join(", ")).replace(['\n', '\t'], " ");
    let reason: String = reason.trim().chars().take(REASON_CHARS).collect();
    if reason.is_empty() { status } else { format!("{status}: {reason}") }
}

fn read_subscription(args: &SendArgs) -> Result<Subscription> {
    let octets_max = u64::try_from(push_crypto::MAX_SUBSCRIPTION_LEN).unwrap_or(u64::MAX);
    let (json, from) = if args.to == Path::new("-") {
        if args.text.is_none() && args.file.is_none() {
            return Err(Error::usage("standard input cannot be both the subscription and the message")
                .hint("give the message as an argument or with --file"));
        }
        (read_stdin(octets_max)?, "standard input".to_owned())
    } else {
        (files::read_secret(&args.to, octets_max)?, args.to.display().to_string())
    };
    let wrong = |why: &dyn std::fmt::Display| {
        Error::failed(format!("{from} holds no usable subscription: {why}"))
            .hint("it must be the JSON that PushSubscription.toJSON() or `webpush listen` gives")
    };
    let json = str::from_utf8(&json).map_err(|_| wrong(&"it is not text"))?;
    json.parse().map_err(|error| wrong(&error))
}

fn read_payload(args: &SendArgs) -> Result<Zeroizing<Vec<u8>>> {
    match (&args.text, &args.file) {
        (Some(text), _) => Ok(Zeroizing::new(text.clone().into_bytes())),
        (None, Some(path)) => files::read_secret(path, PAYLOAD_OCTETS_MAX),
        (None, None) => read_stdin(PAYLOAD_OCTETS_MAX),
    }
}

fn read_stdin(octets_max: u64) -> Result<Zeroizing<Vec<u8>>> {
    unbuffered_stdin()
        .and_then(|stdin| files::read_all(stdin, octets_max))
        .map_err(|error| Error::failed(format!("cannot read standard input: {error}")))
}

/// The buffer of the standard library would keep some of it, unwiped.
#[cfg(unix)]
fn unbuffered_stdin() -> io::Result<std::fs::File> {
    use std::os::fd::AsFd as _;
    io::stdin().as_fd().try_clone_to_owned().map(std::fs::File::from)
}

#[cfg(not(unix))]
fn unbuffered_stdin() -> io::Result<io::StdinLock<'static>> {
    Ok(io::stdin().lock())
}

/// How often one message is tried before the person at the terminal is told.
const ATTEMPTS: u32 = 3;
const BACKOFF_FIRST: Duration = Duration::from_millis(300);

/// More than any service takes; the library says precisely how much is too much.
const PAYLOAD_OCTETS_MAX: u64 = 64 * 1024;

/// Of a service's explanation.
const REASON_CHARS: usize = 300;
