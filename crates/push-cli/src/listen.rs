//! `webpush listen`

use std::{io::IsTerminal as _, path::Path};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use push_crypto::Subscription;
use push_proto::{
    PushUrl,
    user_agent::{ConnectionEvent, Event, MonitorFault, State, SubscriptionEvent, Tag},
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
    serve::Signals,
    tls,
};

/// Subscribes or goes on, and prints what comes.
pub(crate) fn run(args: ListenArgs) -> Result<()> {
    let tls = tls::client(args.ca.as_deref())?;
    let state = args.state.as_deref().map_or_else(|| Ok(State::default()), read_state)?;
    let service = PushUrl::parse_allow_http(&args.url.subscribe())
        .map_err(|error| Error::usage(format!("--url: {error}")))?;
    let options = UserAgentOptions::new(service, push_crypto::aws_lc::provider(), tls);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    runtime.block_on(listen(args, options, state))
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
        tell_subscription(&subscription, &args)?;
        receive(&agent, &args).await
    };
    let done = tokio::select! {
        biased;
        () = signals.next() => Ok(()),
        Some(error) = failed.recv() => Err(error),
        done = work => done,
        error = watch(&agent, &args.url) => Err(error),
    };
    // What was printed is acknowledged, and what is owed is kept.
    agent.close().await;
    drop(agent);
    drop(driver.await);
    done.and(failed.try_recv().map_or(Ok(()), Err))
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

fn tell_subscription(subscription: &Subscription, args: &ListenArgs) -> Result<()> {
    let json = Zeroizing::new(subscription.to_json());
    if let Some(path) = &args.subscription_out {
        files::write_private(path, format!("{}\n", *json).as_bytes())?;
    }
    if args.json { output::line(&format!("{{\"subscription\":{}}}", *json)) } else { output::line(&json) }
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
    let payload = message.payload();
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
async fn watch(agent: &UserAgent, url: &PublicUrl) -> Error {
    let mut online = true;
    while let Some(event) = agent.event().await {
        match event {
            Event::Connection(_, ConnectionEvent::Offline(_)) if online => {
                online = false;
                output::note(&format!("no connection to {url}: trying again; --log debug says why"));
            }
            Event::Connection(_, ConnectionEvent::Online) if !online => {
                online = true;
                output::note(&format!("connected to {url}"));
            }
            Event::Connection(..) => {}
            Event::Subscription(_, SubscriptionEvent::Gone) => {
                return Error::failed("the push service has ended this subscription")
                    .hint("start again to make another, and give that to the senders");
            }
            Event::MonitorFailed(MonitorFault::PushUnsupported) => {
                return Error::failed(format!("{url} cannot push to us"))
                    .hint("something between here and there takes HTTP/2 apart, probably a proxy");
            }
            Event::MonitorFailed(MonitorFault::Busy(status)) => {
                output::note(&format!("{url} answers {status}: trying again later"));
            }
            Event::MonitorFailed(MonitorFault::Refused(status)) => {
                return Error::failed(format!("{url} lets us have no messages: it answers {status}"));
            }
            Event::Discarded(discarded) => {
                output::note(&format!("a message was not delivered: {discarded:?}"))
            }
            Event::Subscription(..) => {}
            Event::Closed => break,
        }
    }
    // The end itself is for the others to tell.
    std::future::pending().await
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

/// One subscription and as many acknowledgements as can be owed are about 150 KiB.
const STATE_OCTETS_MAX: u64 = 4 * 1024 * 1024;
