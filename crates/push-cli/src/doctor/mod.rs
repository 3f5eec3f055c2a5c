//! `webpush doctor`: walks the ways of a message through whatever stands between here and a service, and says of each hop
//! whether it holds, what broke, and what to do. What it makes for itself it ends, on every way out.
//!
//! | file | what it does |
//! |---|---|
//! | this one | the walk |
//! | `way` | connections and requests, and what is wrong with them in words |
//! | `carriers` | how messages of RFC 8030 come: server push and the event stream |
//! | `websocket` | how Firefox and UnifiedPush distributors have them |
//! | `made` | what the walk made at the service, until it is ended |
//! | `report` | what was found |

mod carriers;
mod made;
mod report;
mod way;
mod websocket;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use push_crypto::PushUrl;
use push_proto::wire::PublicUrl;
use push_tokio::{Runtime as _, Tokio};
use serde_json::Value;

use self::{
    carriers::{Events, Pushed, Pushes},
    made::{Made, STAYS},
    report::{Report, Walked},
    way::{Answer, Hop, Offer, PROXY, Trouble, Way, in_time},
};
use crate::{
    args::DoctorArgs,
    error::{Error, Result},
    signals::Signals,
};

/// Walks all hops. It worked if none is broken.
pub(crate) fn run(args: &DoctorArgs) -> Result<()> {
    let way = Way::new(&args.url, args.ca.as_deref())?;
    let mut report = Report::new(args.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let (mut signals, mut made) = (Signals::new()?, Made::default());
        let walked = tokio::select! {
            biased;
            () = signals.next() => Err(Error::failed("interrupted")),
            walked = walk(&mut report, &mut made, &way, args) => walked,
        };
        let ended = tokio::select! {
            biased;
            () = signals.next() => Err(Error::failed("ended by a second signal").hint(STAYS)),
            ended = end(&mut made, &way, args) => ended,
        };
        // What stays is the more important of two errors.
        ended.and(walked)
    })?;
    report.end()
}

/// Ends what an interruption or an error left.
async fn end(made: &mut Made, way: &Way, args: &DoctorArgs) -> Result<()> {
    let ended = [made.end(way).await.map(drop), websocket::end(way, args, made).await.map(drop)];
    ended.into_iter().collect::<Hop<()>>().map_err(|Trouble { what, .. }| Error::failed(what).hint(STAYS))
}

async fn walk(report: &mut Report, made: &mut Made, way: &Way, args: &DoctorArgs) -> Result<()> {
    if report.hop("connect", connect(way).await)?.is_none() {
        return Ok(());
    }
    report.hop("health", health(way).await)?;
    let subscription = report.hop("subscribe", subscribe(way, &args.url, made).await)?;
    if let Some(subscription) = &subscription {
        carry(report, made, way, subscription).await?;
    }
    if !made.is_ended() {
        report.hop("unsubscribe", made.end(way).await)?;
    }
    if subscription.is_none() || args.no_websocket {
        return Ok(());
    }
    websocket::walk(report, made, way, args).await
}

/// Messages by both ways of RFC 8030, and their receipts.
async fn carry(report: &mut Report, made: &mut Made, way: &Way, subscription: &Subscription) -> Result<()> {
    let sent = by_push(report, made, way, subscription).await?;
    let also_sent = by_stream(report, made, way, subscription).await?;
    let sent: Vec<_> = sent.into_iter().chain(also_sent).collect();
    let Some(by) = &made.receipts else { return Ok(()) };
    if report.hop("acknowledge", acknowledge(way, &sent).await)?.is_some() {
        report.hop("receipts", receipts(way, by, &sent).await)?;
    }
    Ok(())
}

/// What the service gave.
struct Subscription {
    resource: PushUrl,
    push: PushUrl,
}

/// A message that was accepted.
struct Sent {
    message: PushUrl,
}

async fn connect(way: &Way) -> Hop<Walked<()>> {
    let line = way.connect(Offer::Either).await?;
    Ok(Walked::new((), line.said))
}

/// The service itself, as far as it can be seen from here, and its clock.
async fn health(way: &Way) -> Hop<Walked<()>> {
    let answer = way.ask(way.request(Method::GET, "/readyz", &[], "")?).await?;
    let clock = clock(&answer.headers);
    let (said, advice) = match answer.status {
        StatusCode::OK => ("ready".to_owned(), None),
        StatusCode::SERVICE_UNAVAILABLE => {
            let problem = answer.problem();
            let reason = problem.as_ref().and_then(|problem| problem.get("reason")).and_then(Value::as_str);
            let what =
                format!("not ready: {}", reason.unwrap_or("503, perhaps of a proxy that does not reach it"));
            return Err(Trouble::new(what, "docs/operations.md says what to do"));
        }
        other => (format!("/readyz is not shown here ({})", other.as_u16()), None),
    };
    let walked = Walked { value: (), said, advice };
    Ok(match clock {
        Some(apart) if apart.unsigned_abs() > CLOCK_SECS => {
            let said = format!("{}; its clock and this one are {apart} s apart", walked.said);
            Walked { said, ..walked }.but("set both clocks: credentials and TTLs depend on them")
        }
        Some(_) => Walked { said: format!("{}, clocks agree", walked.said), ..walked },
        None => walked,
    })
}

/// How much the clock of whoever answered is ahead, in seconds.
fn clock(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    let theirs = date.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let ours = Tokio.now().wall.as_secs();
    Some(i64::try_from(theirs).ok()?.saturating_sub(i64::try_from(ours).ok()?))
}

async fn subscribe(way: &Way, url: &PublicUrl, made: &mut Made) -> Hop<Walked<Subscription>> {
    let path = parse(&url.subscribe())?;
    let answer = way.ask(way.request(Method::POST, path.path_and_query(), &[], "")?).await?;
    if answer.status != StatusCode::CREATED {
        let Trouble { what, hint } = refused("nobody can subscribe", &answer);
        let hint = if answer.problem().is_some() { hint } else { STRANGER.to_owned() };
        return Err(Trouble::new(what, hint));
    }
    // The set is ended last: it is what the service keeps, with subscriptions or without.
    if let Ok(set) = link(&answer.headers, "urn:ietf:params:push:set") {
        made.note(&set);
    }
    let resource = location(&answer.headers)?;
    made.note(&resource);
    let push = link(&answer.headers, "urn:ietf:params:push")?;
    let prefix = format!("{url}/");
    if !resource.as_str().starts_with(&prefix) || !push.as_str().starts_with(&prefix) {
        let what = format!("the service calls itself {}, and is asked by {url}", push.origin().as_str());
        let hint = format!("start it with --public-url {url}, or give its own URL");
        return Err(Trouble::new(what, hint));
    }
    Ok(Walked::new(Subscription { resource, push }, "201, and its URLs are those of this service"))
}

/// A message that should come by server push.
async fn by_push(
    report: &mut Report,
    made: &mut Made,
    way: &Way,
    subscription: &Subscription,
) -> Result<Option<Sent>> {
    let monitor = match way.connect(Offer::Http2).await {
        Ok(line) if line.http2 => Pushes::open(line, subscription.resource.as_str()).await,
        Ok(_http1) => Err(Trouble::new("there is no HTTP/2 here", PUSH)),
        Err(trouble) => Err(Trouble::new(format!("there is no HTTP/2 here: {}", trouble.what), PUSH)),
    };
    let Some(sent) = report.hop("send", send(way, subscription, made, FIRST).await)? else { return Ok(None) };
    let pushed = match monitor {
        Ok(monitor) => monitor.next().await,
        Err(trouble) => Err(trouble),
    };
    let walked = match pushed {
        Ok(Pushed::Message(url, body)) if url == sent.message.as_str() && body == FIRST => {
            Ok(Walked::new((), "the message came by HTTP/2 server push"))
        }
        Ok(Pushed::Message(..)) => Err(Trouble::new("what was pushed is not what was sent", PROXY)),
        Ok(Pushed::Refused(StatusCode::NOT_ACCEPTABLE)) => {
            Ok(Walked::new((), "this way passes no server push on, and says so").but(PUSH))
        }
        Ok(Pushed::Refused(status)) => Err(Trouble::new(format!("a monitor is answered by {status}"), PROXY)),
        // User agents that have to go another way do, if they are told, and that is the next hop.
        Err(Trouble { what, hint }) => Ok(Walked::new((), format!("nothing is pushed: {what}")).but(hint)),
    };
    report.hop("server push", walked)?;
    Ok(Some(sent))
}

/// A message that should come by an event stream, at once.
async fn by_stream(
    report: &mut Report,
    made: &mut Made,
    way: &Way,
    subscription: &Subscription,
) -> Result<Option<Sent>> {
    let events = Events::open(way, subscription.resource.path_and_query()).await;
    let events = match events {
        Ok(events) => events,
        Err(trouble) => return report.hop::<()>("event stream", Err(trouble)).map(|_| None),
    };
    let sent = match send(way, subscription, made, SECOND).await {
        Ok(Walked { value, .. }) => value,
        Err(trouble) => return report.hop::<()>("send", Err(trouble)).map(|_| None),
    };
    report.hop("event stream", streamed(events, &sent).await)?;
    Ok(Some(sent))
}

async fn streamed(mut events: Events, sent: &Sent) -> Hop<Walked<()>> {
    let began = Tokio.now().mono;
    let waited = tokio::time::timeout(EVENT, async {
        loop {
            let event = events.next().await?;
            if event.kind != "message" {
                return Err(Trouble::new(
                    format!("the event stream has a {:?} instead of the message", event.kind),
                    PROXY,
                ));
            }
            // What was not pushed comes first.
            if event.text("message") == sent.message.as_str() {
                return Ok(event.body());
            }
        }
    });
    let Ok(body) = waited.await else {
        return Err(Trouble::new(
            format!(
                "no event came within {} s after its message was accepted: a proxy saves the stream up",
                EVENT.as_secs()
            ),
            "switch buffering off for this service (nginx: proxy_buffering off; Caddy passes event streams on at once)",
        ));
    };
    if body? != SECOND {
        return Err(Trouble::new("the event is not what was sent", PROXY));
    }
    let took = Tokio.now().mono.since(began);
    Ok(Walked::new((), format!("the message came {} ms after its 202", took.as_millis())))
}

async fn send(way: &Way, subscription: &Subscription, made: &mut Made, body: &[u8]) -> Hop<Walked<Sent>> {
    let body = String::from_utf8_lossy(body);
    let mut fields = vec![("ttl", "300"), ("content-encoding", "aes128gcm"), ("prefer", "respond-async")];
    // One receipt subscription is enough (RFC 8030 §5.1).
    let reused = made.receipts.as_ref().map(|url| format!("<{}>; rel=\"{RECEIPT}\"", url.as_str()));
    fields.extend(reused.iter().map(|link| ("link", link.as_str())));
    let request = way.request(Method::POST, subscription.push.path_and_query(), &fields, &body)?;
    let answer = way.ask(request).await?;
    if answer.status != StatusCode::ACCEPTED {
        return Err(refused("a message is not accepted with a receipt", &answer));
    }
    made.note_receipts(&link(&answer.headers, RECEIPT)?);
    let sent = Sent { message: location(&answer.headers)? };
    Ok(Walked::new(sent, "202: accepted, and a receipt will come"))
}

async fn acknowledge(way: &Way, sent: &[Sent]) -> Hop<Walked<()>> {
    for Sent { message } in sent {
        let answer = way.ask(way.request(Method::DELETE, message.path_and_query(), &[], "")?).await?;
        if answer.status != StatusCode::NO_CONTENT {
            return Err(refused("a message cannot be acknowledged", &answer));
        }
    }
    Ok(Walked::new((), "204"))
}

/// All of them come by one receipt subscription.
async fn receipts(way: &Way, by: &PushUrl, sent: &[Sent]) -> Hop<Walked<()>> {
    let mut events = Events::open(way, by.path_and_query()).await?;
    let mut awaited: Vec<_> = sent.iter().map(|sent| sent.message.as_str()).collect();
    in_time("not all receipts come", async {
        while !awaited.is_empty() {
            let event = events.next().await?;
            if awaited.contains(&event.text("message"))
                && event.data.get("status").and_then(Value::as_u64) != Some(204)
            {
                let what = "a receipt says that the message was not delivered, and it was";
                return Err(Trouble::new(what, PROXY));
            }
            awaited.retain(|message| *message != event.text("message"));
        }
        Ok(Walked::new((), "204: delivered"))
    })
    .await?
}

/// What a refusal says of itself; the service never names a capability in it.
fn refused(what: &str, answer: &Answer) -> Trouble {
    let problem = answer.problem();
    let text = |name: &str| problem.as_ref().and_then(|problem| problem.get(name)).and_then(Value::as_str);
    match text("reason") {
        Some(reason) => Trouble::new(
            format!("{what}: {} {reason}", answer.status.as_u16()),
            text("detail").unwrap_or("the service says no: see its log"),
        ),
        None => Trouble::new(format!("{what}: {}, not said by the service itself", answer.status), PROXY),
    }
}

fn location(headers: &HeaderMap) -> Hop<PushUrl> {
    let value = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    parse(value.ok_or_else(|| Trouble::new("an answer has lost its Location", PROXY))?)
}

fn link(headers: &HeaderMap, relation: &str) -> Hop<PushUrl> {
    let wanted = format!("rel=\"{relation}\"");
    let values = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let found = values.flat_map(|value| value.split(',')).find(|value| value.contains(&wanted));
    let target = found.and_then(|link| link.split_once('<')?.1.split('>').next());
    parse(target.ok_or_else(|| Trouble::new("an answer has lost its Link fields", PROXY))?)
}

fn parse(url: &str) -> Hop<PushUrl> {
    PushUrl::parse_allow_http(url).map_err(|_| Trouble::new("the service named a URL that is none", PROXY))
}

const RECEIPT: &str = "urn:ietf:params:push:receipt";
const FIRST: &[u8] = b"webpush doctor, by server push";
const SECOND: &[u8] = b"webpush doctor, by event stream";
const STRANGER: &str = "this may be no push service: see the URL, which is the public URL of the service. Else see what stands \
    between and answers in its place, such as a proxy, and its log";
const PUSH: &str =
    "user agents fall back to the event stream; for server push let nothing between take HTTP/2 apart";
/// How much clocks may differ before credentials are refused.
const CLOCK_SECS: u64 = 60;
/// How long an event may be on its way before somebody has saved it up.
const EVENT: Duration = Duration::from_secs(5);
