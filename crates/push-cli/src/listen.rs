//! `webpush listen`

use std::{io::IsTerminal as _, path::Path, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use push_crypto::Subscription;
use push_proto::{
    PushUrl,
    user_agent::{ConnectionEvent, Discarded, Event, MonitorFault, State, SubscriptionEvent, Tag},
    wire::PublicUrl,
};
use push_tokio::{Message, Tokio, UserAgent, UserAgentOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::{
    args::ListenArgs,
    error::{Error, Result},
    files, output,
    signals::Signals,
    tls,
};

/// Subscribes or goes on, and prints what comes.
pub(crate) fn run(args: ListenArgs) -> Result<()> {
    // Found out later, a subscription would have been made for nothing.
    args.state.as_deref().map_or(Ok(()), files::check_replaceable)?;
    let out = args.subscription_out.as_deref().filter(|path| !files::is_stream(path));
    out.map_or(Ok(()), files::check_replaceable)?;
    let tls = tls::client(args.ca.as_deref())?;
    let state = args.state.as_deref().map_or_else(|| Ok(State::default()), read_state)?;
    let service = PushUrl::parse_allow_http(&args.url.subscribe())
        .map_err(|error| Error::usage(format!("--url: {error}")))?;
    let mut options = UserAgentOptions::new(service, push_crypto::aws_lc::provider(), tls);
    options.config.urgency = args.urgency;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    let done = runtime.block_on(listen(args, options, state));
    // A pipe that nobody reads must not hold up the end.
    runtime.shutdown_background();
    done
}

async fn listen(args: ListenArgs, options: UserAgentOptions, state: State) -> Result<()> {
    let mut signals = Signals::new()?;
    let (failing, mut failed) = mpsc::unbounded_channel();
    let path = args.state.clone();
    let keep = move |state: &State| {
        let Some(path) = &path else { return };
        if let Err(error) = files::write_private(path, &Zeroizing::new(state.to_bytes())) {
            drop(failing.send(error));
        }
    };
    let (agent, driver) = UserAgent::connect(Tokio, options, state, keep)
        .map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    let driver = tokio::spawn(driver);
    let work = async {
        let subscription = subscription(&agent, &args).await?;
        tell_subscription(&subscription, &args).await?;
        receive(&agent, &args).await
    };
    let done = tokio::select! {
        biased;
        () = signals.next() => Ok(()),
        Some(error) = failed.recv() => Err(error),
        done = work => done,
        error = watch(&agent, &args) => Err(error),
    };
    if args.state.is_none() && !unsubscribe(&agent, &args.url).await {
        // Nobody answers, and nothing is to be kept: there is nothing to close.
        driver.abort();
    }
    // What was printed is acknowledged, and what is owed is kept.
    agent.close().await;
    drop(agent);
    drop(driver.await);
    done.and(failed.try_recv().map_or(Ok(()), Err))
}

/// Ends a subscription that nobody could take up again (RFC 8030 §7.3); says whether the service knows. What was
/// printed is acknowledged before, on the same connection.
async fn unsubscribe(agent: &UserAgent, url: &PublicUrl) -> bool {
    let done = tokio::time::timeout(UNSUBSCRIBE_WAIT, agent.unsubscribe(TAG)).await.is_ok();
    if !done {
        output::note(&format!("{url} does not answer: the subscription stays there until it expires"));
    }
    done
}

/// The one that there is, or a new one.
async fn subscription(agent: &UserAgent, args: &ListenArgs) -> Result<Subscription> {
    let Some((_, subscription)) = agent.subscriptions().await.into_iter().next() else {
        return agent
            .subscribe(TAG, args.vapid)
            .await
            .map_err(|error| Error::failed(format!("{} gave no subscription: {error}", args.url)));
    };
    let there = subscription.endpoint.origin();
    if there != *args.url.origin() {
        return Err(Error::usage(format!(
            "the state is that of a subscription at {there}, not at {}",
            args.url
        ))
        .hint("use one --state file for each service"));
    }
    if args.vapid.is_some() {
        output::note("--vapid is for new subscriptions; this one stays as it was made");
    }
    Ok(subscription)
}

async fn tell_subscription(subscription: &Subscription, args: &ListenArgs) -> Result<()> {
    let json = Zeroizing::new(subscription.to_json());
    if let Some(path) = &args.subscription_out {
        write_out(path, Zeroizing::new(format!("{}\n", *json))).await?;
    }
    if !args.json {
        return output::line(&json);
    }
    output::line(&Zeroizing::new(format!("{{\"subscription\":{}}}", *json)))
}

async fn write_out(path: &Path, json: Zeroizing<String>) -> Result<()> {
    if !files::is_stream(path) {
        return files::write_private(path, json.as_bytes());
    }
    let path = path.to_owned();
    // A pipe may have no reader yet.
    let written = tokio::task::spawn_blocking(move || files::write_stream(&path, json.as_bytes())).await;
    written.unwrap_or_else(|error| Err(Error::failed(format!("cannot write the subscription: {error}"))))
}

async fn receive(agent: &UserAgent, args: &ListenArgs) -> Result<()> {
    let mut count = 0;
    while args.count.is_none_or(|count_max| count < count_max) {
        let Some(message) = agent.next().await else {
            return Err(Error::failed("the user agent has stopped"));
        };
        output::line(&shown(&message, args.json))?;
        message.acknowledge();
        count += 1;
    }
    Ok(())
}

/// A payload comes from the network: on a terminal it gets no control over that.
fn shown(message: &Message, as_json: bool) -> String {
    let Some(payload) = message.payload() else {
        return if as_json { json!({ "message": null }).to_string() } else { "(no payload)".to_owned() };
    };
    match (str::from_utf8(payload), as_json) {
        (Ok(text), true) => json!({ "message": text }).to_string(),
        (Err(_), true) => {
            let octets: Value = Base64UrlUnpadded::encode_string(payload).into();
            json!({ "message_base64url": octets }).to_string()
        }
        (Ok(text), false) if std::io::stdout().is_terminal() => output::harmless(text),
        (Ok(text), false) => text.to_owned(),
        (Err(_), false) => format!("({} octets that are not text; --json shows them)", payload.len()),
    }
}

/// Tells what happens beside messages; comes back with what makes it pointless to go on.
async fn watch(agent: &UserAgent, args: &ListenArgs) -> Error {
    let url = &args.url;
    let mut online = true;
    while let Some(event) = agent.event().await {
        let (said, told) = match event {
            Event::Connection(_, ConnectionEvent::Offline(_)) if online => {
                online = false;
                let said = format!("no connection to {url}: trying again; --log debug says why");
                (said, json!({ "event": "offline" }))
            }
            Event::Connection(_, ConnectionEvent::Online) if !online => {
                online = true;
                (format!("connected to {url}"), json!({ "event": "online" }))
            }
            Event::MonitorFailed(MonitorFault::Busy(status)) => {
                let said = format!("{url} answers {status}: trying again later");
                (said, json!({ "event": "busy", "status": status }))
            }
            Event::Discarded(discarded) => {
                let said = format!("a message was not delivered: {discarded:?}");
                (said, json!({ "event": "discarded", "why": why(discarded) }))
            }
            Event::Subscription(_, SubscriptionEvent::Gone) => {
                return fatal(args, "gone", "the push service has ended this subscription")
                    .hint("start again to make another, and give that to the senders");
            }
            Event::MonitorFailed(MonitorFault::PushUnsupported) => {
                return fatal(args, "unsupported", &format!("{url} cannot push to us, and gives no stream"))
                    .hint("something between here and there takes HTTP/2 apart, probably a proxy");
            }
            Event::MonitorFailed(MonitorFault::Refused(status)) => {
                let said = format!("{url} lets us have no messages: it answers {status}");
                return fatal(args, "refused", &said);
            }
            Event::Connection(..) | Event::Subscription(..) => continue,
            Event::Closed => break,
        };
        if !args.json {
            output::note(&said);
        } else if let Err(error) = output::line(&told.to_string()) {
            return error;
        }
    }
    // The end itself is for the others to tell.
    std::future::pending().await
}

/// It is pointless to go on; who reads lines of JSON is told so there as well.
fn fatal(args: &ListenArgs, event: &str, said: &str) -> Error {
    match args.json.then(|| output::line(&json!({ "event": "failed", "why": event }).to_string())) {
        Some(Err(error)) => error,
        Some(Ok(())) | None => Error::failed(said),
    }
}

/// Why a message was not delivered, in a word.
const fn why(discarded: Discarded) -> &'static str {
    match discarded {
        Discarded::Undecryptable(_) => "undecryptable",
        Discarded::Unroutable => "unroutable",
        Discarded::NoRoom => "no-room",
        Discarded::Malformed => "malformed",
    }
}

fn read_state(path: &Path) -> Result<State> {
    if !path.try_exists().map_err(|error| Error::file("read", path, files::why(&error)))? {
        return Ok(State::default());
    }
    let octets = files::read_secret(path, STATE_OCTETS_MAX)?;
    State::from_bytes(&octets).map_err(|error| {
        Error::file("go on from", path, error).hint("without it there is a new subscription, for new senders")
    })
}

/// This command has one subscription only.
const TAG: Tag = Tag(1);

/// Somebody waits for the program to end, and a subscription without a reader expires in the end.
const UNSUBSCRIBE_WAIT: Duration = Duration::from_secs(3);

/// One subscription and as many acknowledgements as can be owed are about 150 KiB.
const STATE_OCTETS_MAX: u64 = 4 * 1024 * 1024;
