//! `webpush demo`: the main job on real parts, on this machine alone. Every step is checked; none is staged. With
//! `--browser` it is the visitor's browser that takes part, see [`browser`].

mod browser;
mod evidence;
mod parties;
mod teller;

use std::{fmt::Write as _, path::Path, pin::pin, time::Duration};

use push_crypto::{
    Subscription, message,
    vapid::{Signer, SigningKey},
};
use push_proto::{application_server::ReceiptOutcome, user_agent::State};
use push_tokio::{AwaitedReceipt, Runtime as _, Tokio};

use self::{
    evidence::Evidence,
    parties::{AppServer, Device, Posted, ServiceProcess, provider},
    teller::Teller,
};
use crate::{
    args::DemoArgs,
    error::{Error, Result},
    output,
    signals::Signals,
};

/// Shows the whole job.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    if args.browser {
        return browser::run(args);
    }
    let folder = tempfile::Builder::new().prefix("webpush-demo-").tempdir();
    let folder = folder.map_err(|error| Error::failed(format!("no temporary folder: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    let mut teller = Teller::new();
    let told = runtime.block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            biased;
            () = signals.next() => Err(Error::failed("interrupted")),
            told = tell(&mut teller, folder.path()) => told,
        }
    });
    // The parties are gone, and with them the process that uses the folder.
    drop(runtime);
    if args.keep {
        output::note(&format!("what is left is in {}", folder.keep().display()));
    }
    told.map_err(|error| Error::failed(format!("the demo failed in step {}: {error}", teller.number())))
}

async fn tell(teller: &mut Teller, folder: &Path) -> Result<()> {
    let began = Tokio.now().mono;
    output::line(
        "webpush demo: a push service, an application server and three user agents, all on this machine",
    )?;
    let service = within(start(teller, folder)).await?;
    let mut cast = within(subscribe(teller, &service)).await?;
    let (laptops, phones, tablets) = within(post(teller, &service, &cast)).await?;
    within(examine(teller, &service, &tablets)).await?;
    within(deliver(teller, &cast, laptops, phones)).await?;
    let service = within(crash(teller, folder, service)).await?;
    within(come_back(teller, &service, &mut cast, tablets)).await?;
    let took = Tokio.now().mono.since(began);
    output::line("")?;
    output::line(&format!("Every step held, in {:.1} s.", took.as_secs_f64()))
}

/// Who takes part beside the push service.
struct Cast {
    app_server: AppServer,
    laptop: Device,
    phone: Device,
    /// Switched off: what it kept.
    tablet: State,
    to_laptop: Subscription,
    to_phone: Subscription,
    to_tablet: Subscription,
}

async fn start(teller: &mut Teller, folder: &Path) -> Result<ServiceProcess> {
    teller.step("The push service starts, as a process of its own")?;
    let service = ServiceProcess::start(folder, "127.0.0.1:0").await?;
    teller.say(SERVICE, &format!("process {}, {}, TLS by a CA of its own", service.id(), service.url))?;
    teller.say(SERVICE, &format!("keeps everything in {}", service.data().display()))?;
    Ok(service)
}

async fn subscribe(teller: &mut Teller, service: &ServiceProcess) -> Result<Cast> {
    teller.step(
        "Three user agents subscribe over HTTP/2 and hand their subscriptions to the application server",
    )?;
    let key =
        SigningKey::generate(&provider()).map_err(|error| Error::failed(format!("no VAPID key: {error}")))?;
    let vapid = *key.public_key();
    let subject = crate::vapid::subject("mailto:demo@example.org")?;
    let app_server = AppServer::start(service, Some(Signer::new(key, Some(subject))))?;

    let laptop = Device::start("laptop", service, State::default())?;
    let to_laptop = laptop.subscribe(None).await?;
    teller.say(laptop.name, "subscribed; the keys that decrypt stay here")?;
    let phone = Device::start("phone", service, State::default())?;
    let to_phone = phone.subscribe(Some(vapid)).await?;
    let short: String = vapid.to_string().chars().take(12).collect();
    teller.say(phone.name, &format!("subscribed for one sender only, the holder of VAPID key {short}.."))?;
    let tablet = Device::start("tablet", service, State::default())?;
    let to_tablet = tablet.subscribe(None).await?;
    let tablet = tablet.stop().await;
    teller.say("tablet", "subscribed, and is switched off")?;
    Ok(Cast { app_server, laptop, phone, tablet, to_laptop, to_phone, to_tablet })
}

/// The messages to each of the three.
async fn post(
    teller: &mut Teller,
    service: &ServiceProcess,
    cast: &Cast,
) -> Result<(Posted, Posted, [Posted; 2])> {
    teller.step("The application server encrypts each message for its receiver, signs and posts it")?;
    let server = &cast.app_server;
    let laptop = server.post(&cast.to_laptop, LAPTOP_TEXT, None).await?;
    say_posted(teller, "laptop", LAPTOP_TEXT, &laptop)?;
    let phone = server.post(&cast.to_phone, PHONE_TEXT, None).await?;
    say_posted(teller, "phone", PHONE_TEXT, &phone)?;
    let replaced = server.post(&cast.to_tablet, REPLACED_TEXT, Some(TOPIC)).await?;
    say_posted(teller, "tablet", REPLACED_TEXT, &replaced)?;
    let tablet = server.post(&cast.to_tablet, TABLET_TEXT, Some(TOPIC)).await?;
    say_posted(teller, "tablet", TABLET_TEXT, &tablet)?;
    teller.say("", &format!("these two have the topic {TOPIC:?}: the second replaces the first"))?;
    let status = AppServer::start(service, None)?.is_refused(&cast.to_phone, STRANGER_TEXT).await?;
    teller.say(
        "a stranger",
        &format!("to phone   {STRANGER_TEXT:?}: refused with {status}, it has not that VAPID key"),
    )?;
    Ok((laptop, phone, [replaced, tablet]))
}

fn say_posted(teller: &Teller, to: &str, text: &str, posted: &Posted) -> Result<()> {
    let ttl = posted.accepted.ttl.map_or(0, push_proto::Ttl::as_secs);
    teller.say(APP_SERVER, &format!("to {to:<8}{text:?}: 202, TTL {ttl} granted, a receipt will come"))
}

async fn examine(teller: &mut Teller, service: &ServiceProcess, tablets: &[Posted; 2]) -> Result<()> {
    teller.step("All that the push service has is ciphertext")?;
    let [_, Posted { ciphertext, .. }] = tablets;
    let evidence = Evidence::collect(&service.data())
        .map_err(|error| Error::failed(format!("cannot read the push service's files: {error}")))?;
    if !evidence.holds(ciphertext) {
        return Err(Error::failed("the message for tablet is not in the push service's files"));
    }
    if let Some(text) = TEXTS.iter().find(|text| evidence.holds(text.as_bytes())) {
        return Err(Error::failed(format!("the push service's files hold the text {text:?}")));
    }
    let (header, record) = ciphertext.split_at_checked(message::HEADER_LEN).unwrap_or_default();
    teller.say(SERVICE, &format!("keeps for tablet {} octets of header, and then", header.len()))?;
    teller.say("", &hex(record))?;
    let (texts, files) = (TEXTS.len(), evidence.files());
    teller.say(
        SERVICE,
        &format!("found in its store; none of the {texts} texts is in any of its {files} files"),
    )
}

async fn deliver(teller: &mut Teller, cast: &Cast, laptop: Posted, phone: Posted) -> Result<()> {
    teller.step("Who is connected gets its message by server push, decrypts and acknowledges it")?;
    cast.laptop.receives(LAPTOP_TEXT).await?;
    teller.say("laptop", &format!("{LAPTOP_TEXT:?}, acknowledged"))?;
    cast.phone.receives(PHONE_TEXT).await?;
    teller.say("phone", &format!("{PHONE_TEXT:?}, acknowledged"))?;
    for (name, posted) in [("laptop", laptop), ("phone", phone)] {
        delivered(name, posted.receipt).await?;
        teller.say(APP_SERVER, &format!("receipt from {name}: 204, delivered"))?;
    }
    Ok(())
}

async fn crash(teller: &mut Teller, folder: &Path, service: ServiceProcess) -> Result<ServiceProcess> {
    teller.step("The push service is killed hard (SIGKILL) and started again on the same folder")?;
    let (id, address, url) = (service.id(), service.address.clone(), service.url.clone());
    service.kill().await?;
    teller.say(SERVICE, &format!("process {id} is gone, without a chance to save anything"))?;
    let service = ServiceProcess::start(folder, &address).await?;
    if service.url != url {
        return Err(Error::failed(format!("the push service came back as {} instead of {url}", service.url)));
    }
    teller.say(SERVICE, &format!("process {}, {url}", service.id()))?;
    Ok(service)
}

async fn come_back(
    teller: &mut Teller,
    service: &ServiceProcess,
    cast: &mut Cast,
    tablets: [Posted; 2],
) -> Result<()> {
    teller.step("Nothing is lost, nothing comes twice")?;
    let [replaced, latest] = tablets;
    let tablet = Device::start("tablet", service, std::mem::take(&mut cast.tablet))?;
    // Messages come in the order of their acceptance: if the replaced one were alive, it would be first.
    tablet.receives(TABLET_TEXT).await?;
    teller.say("tablet", &format!("switched on: {TABLET_TEXT:?}, acknowledged; the replaced one is gone"))?;
    delivered("tablet", latest.receipt).await?;
    teller.say(APP_SERVER, "receipt from tablet: 204, delivered")?;
    // What they acknowledged before the crash would be first.
    for (device, to) in [(&cast.laptop, &cast.to_laptop), (&cast.phone, &cast.to_phone)] {
        let posted = cast.app_server.post(to, AGAIN_TEXT, None).await?;
        device.receives(AGAIN_TEXT).await?;
        delivered(device.name, posted.receipt).await?;
        teller.say(
            device.name,
            &format!("reconnected by itself, got nothing twice, and {AGAIN_TEXT:?}; receipt 204"),
        )?;
    }
    // It would have come before those.
    none_came(replaced.receipt).await?;
    teller.say(APP_SERVER, &format!("no receipt for {REPLACED_TEXT:?}: nobody was to get it"))?;
    drop(tablet.stop().await);
    Ok(())
}

async fn delivered(name: &str, receipt: AwaitedReceipt) -> Result<()> {
    match receipt.outcome().await {
        ReceiptOutcome::Delivered => Ok(()),
        other @ (ReceiptOutcome::Failed | ReceiptOutcome::Unknown) => {
            Err(Error::failed(format!("the receipt from {name} is {other:?} instead of Delivered")))
        }
    }
}

async fn none_came(receipt: AwaitedReceipt) -> Result<()> {
    let mut outcome = pin!(receipt.outcome());
    tokio::select! {
        biased;
        outcome = &mut outcome => Err(Error::failed(format!("the replaced message has a receipt: {outcome:?}"))),
        () = std::future::ready(()) => Ok(()),
    }
}

/// A step that hangs has failed.
async fn within<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(STEP, step).await {
        Ok(done) => done,
        Err(_) => Err(Error::failed(format!("nothing more happened within {} s", STEP.as_secs()))),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut hex, octet| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

const STEP: Duration = Duration::from_secs(60);

const SERVICE: &str = "push service";
const APP_SERVER: &str = "app server";

const LAPTOP_TEXT: &str = "Lunch at noon";
const PHONE_TEXT: &str = "Your code is 314159";
const REPLACED_TEXT: &str = "The score is 1:0";
const TABLET_TEXT: &str = "The score is 2:0";
const STRANGER_TEXT: &str = "You have won";
const AGAIN_TEXT: &str = "Welcome back";
const TEXTS: [&str; 5] = [LAPTOP_TEXT, PHONE_TEXT, REPLACED_TEXT, TABLET_TEXT, STRANGER_TEXT];

const TOPIC: &str = "score";
