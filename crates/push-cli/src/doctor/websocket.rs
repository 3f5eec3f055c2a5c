//! The WebSocket of Firefox and UnifiedPush distributors (Mozilla's push protocol, [`push_proto::autopush`]): whether it
//! opens through what stands between, and whether a message comes by it at once.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use push_crypto::PushUrl;
use push_proto::wire::PublicUrl;
use push_tokio::{Runtime as _, Tokio};
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, Message, protocol::WebSocketConfig},
};

use super::{
    made::{Made, STAYS},
    parse, refused,
    report::{Report, Walked},
    way::{Answer, Hop, Offer, PROXY, Transport, Trouble, Way, in_time},
};
use crate::{args::DoctorArgs, error::Result, files};

/// Walks it, with a user agent of its own that ends its subscription.
pub(super) async fn walk(report: &mut Report, made: &mut Made, way: &Way, args: &DoctorArgs) -> Result<()> {
    let door = &Door::of(args);
    let Some(socket) = report.hop("WebSocket", opened(way, door).await)?.flatten() else { return Ok(()) };
    let agent = report.hop("register", registered(socket, &args.url, made).await)?;
    let notified = match agent {
        Some(agent) => report.hop("notification", notified(way, agent).await)?,
        None => None,
    };
    let agent = match notified {
        Some(agent) => report.hop("reconnect", reconnected(way, door, agent).await)?,
        None => None,
    };
    if let Some(agent) = agent {
        report.hop("unregister", unregistered(agent, made).await)?;
    } else if made.uaid.is_some() {
        // What swallowed the rest may swallow that too, which is no other fault.
        let ended = end(way, args, made).await;
        let ended = ended.or_else(|Trouble { what, .. }| Ok(Walked::new((), what).but(STAYS)));
        report.hop("unregister", ended)?;
    }
    Ok(())
}

/// Ends the subscription of the user agent that has one, if any, by another connection: the first may be broken. Cancel safe.
pub(super) async fn end(way: &Way, args: &DoctorArgs, made: &mut Made) -> Hop<Walked<()>> {
    let Some(uaid) = made.uaid.as_deref() else { return Ok(Walked::new((), "nothing")) };
    let ended = given_up(way, &Door::of(args), uaid).await;
    made.uaid = None;
    ended.map(|()| Walked::new((), UNREGISTERED))
}

async fn given_up(way: &Way, door: &Door, uaid: &str) -> Hop<()> {
    let (mut socket, _) = Socket::open(way, door).await?;
    // At once: whatever holds answers up does not hold up what is asked for.
    socket.say(&hello(Some(uaid))).await?;
    socket.ask(&unregister(), "unregister").await?;
    socket.end().await
}

/// Where user agents connect by WebSocket.
struct Door {
    url: String,
    /// Whether that was told, and is not where services have it by default.
    is_told: bool,
}

impl Door {
    fn of(args: &DoctorArgs) -> Self {
        let url = args.websocket_path.clone().unwrap_or_default().url(&args.url);
        // TLS is there already.
        let url = url.split_once("://").map_or_else(String::new, |(_, rest)| format!("ws://{rest}"));
        Self { url, is_told: args.websocket_path.is_some() }
    }
}

/// An open WebSocket.
struct Socket(WebSocketStream<Box<dyn Transport>>);

/// Who has introduced itself by one, and has a subscription.
struct UserAgent {
    socket: Socket,
    uaid: String,
    push: PushUrl,
}

impl Socket {
    /// By the upgrade of HTTP/1.1, which every user agent can fall back to.
    async fn open(way: &Way, door: &Door) -> Hop<(Self, String)> {
        let (socket, said) = Self::attempt(way, door).await?;
        socket.map(|socket| (socket, said)).map_err(|error| unopened(&error))
    }

    /// What comes of asking for one.
    async fn attempt(way: &Way, door: &Door) -> Hop<(std::result::Result<Self, WsError>, String)> {
        let line = way.connect(Offer::Http1).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_OCTETS_MAX))
            .max_frame_size(Some(FRAME_OCTETS_MAX));
        let opening = client_async_with_config(&door.url, line.transport, Some(config));
        let opened = in_time("no WebSocket opens", opening).await?;
        Ok((opened.map(|(socket, _)| Self(socket)), line.said))
    }

    async fn say(&mut self, frame: &Value) -> Hop<()> {
        let said = self.0.send(Message::text(frame.to_string()));
        in_time("the WebSocket takes nothing", said).await?.map_err(|error| broken(&error))
    }

    /// The next frame of text.
    async fn hear(&mut self) -> Hop<Value> {
        loop {
            let message = self.0.next().await.unwrap_or(Err(WsError::ConnectionClosed));
            match message.map_err(|error| broken(&error))? {
                Message::Text(text) => {
                    return serde_json::from_str(&text)
                        .map_err(|_| Trouble::new("what comes by the WebSocket is no JSON", PROXY));
                }
                Message::Close(frame) => {
                    let why = frame.map_or_else(
                        || "without a word".to_owned(),
                        |frame| format!("by {} {}", u16::from(frame.code), frame.reason),
                    );
                    return Err(Trouble::new(
                        format!("the WebSocket was closed, {why}"),
                        "see the service's log",
                    ));
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// The reply of this kind to that frame. Notifications that overtake it are passed over.
    async fn ask(&mut self, frame: &Value, kind: &str) -> Hop<Value> {
        self.say(frame).await?;
        let reply = in_time("the WebSocket is open, and no frame comes by it", async {
            loop {
                let reply = self.hear().await?;
                if text(&reply, "messageType") == kind {
                    return Ok(reply);
                }
            }
        });
        let reply = reply.await??;
        match reply.get("status").and_then(Value::as_u64) {
            Some(200) => Ok(reply),
            None if kind.is_empty() => Ok(reply),
            status => {
                let status = status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
                Err(Trouble::new(format!("{kind} is answered by {status}"), "see the service's log"))
            }
        }
    }

    /// Introduces itself; gives its name.
    async fn hello(&mut self, uaid: Option<&str>) -> Hop<String> {
        let reply = self.ask(&hello(uaid), "hello").await?;
        Ok(text(&reply, "uaid").to_owned())
    }

    /// Acknowledges a notification, and sees to it that this was read.
    async fn acknowledge(&mut self, version: &str) -> Hop<()> {
        let updates = json!([{"channelID": CHANNEL, "version": version, "code": 100}]);
        self.say(&json!({"messageType": "ack", "updates": updates})).await?;
        self.ask(&json!({}), "").await.map(drop)
    }

    async fn end(mut self) -> Hop<()> {
        let end = self.0.close(None);
        in_time("the WebSocket does not end", end).await?.map_err(|error| broken(&error))
    }

    /// The next notification: its version and what it carries.
    async fn notification(&mut self) -> Hop<(String, Vec<u8>)> {
        let waited = tokio::time::timeout(NOTIFICATION, async {
            loop {
                let frame = self.hear().await?;
                if text(&frame, "messageType") == "notification" {
                    let body = Base64UrlUnpadded::decode_vec(text(&frame, "data")).unwrap_or_default();
                    return Ok((text(&frame, "version").to_owned(), body));
                }
            }
        });
        waited.await.unwrap_or_else(|_| {
            let what = format!(
                "no notification came within {} s after its message was accepted: a proxy saves frames up",
                NOTIFICATION.as_secs()
            );
            Err(Trouble::new(
                what,
                "let the proxy pass octets both ways as they come, once it has passed a 101 on",
            ))
        })
    }
}

/// None where the service has none by default: it may have one elsewhere, or want none.
async fn opened(way: &Way, door: &Door) -> Hop<Walked<Option<Socket>>> {
    let (answer, said) = Socket::attempt(way, door).await?;
    let socket = match answer {
        Ok(socket) => socket,
        Err(WsError::Http(response)) if !door.is_told && is_nowhere(&response) => {
            return Ok(Walked::new(None, "404: the service has no WebSocket here").but(ELSEWHERE));
        }
        Err(error) => return Err(unopened(&error)),
    };
    let also = match extended_connect(way).await {
        Some(true) => "; HTTP/2 offers it too (RFC 8441)",
        Some(false) => "; HTTP/2 does not offer it (RFC 8441), and user agents need not mind",
        None => "",
    };
    Ok(Walked::new(Some(socket), format!("101 by {said}{also}")))
}

/// Whether the service itself says that there is nothing at this path.
fn is_nowhere(response: &http::Response<Option<Vec<u8>>>) -> bool {
    response.status() == StatusCode::NOT_FOUND && answer(response).problem().is_some()
}

fn answer(response: &http::Response<Option<Vec<u8>>>) -> Answer {
    let body = response.body().as_deref().unwrap_or_default().to_vec().into();
    Answer { status: response.status(), headers: response.headers().clone(), body }
}

/// Whether a WebSocket could be had by HTTP/2 (RFC 8441 §3); nothing where HTTP/2 is not agreed on.
async fn extended_connect(way: &Way) -> Option<bool> {
    let line = way.connect(Offer::Either).await.ok().filter(|line| line.http2)?;
    let asked = in_time("", async {
        let (sender, mut connection) = h2::client::handshake(line.transport).await.ok()?;
        let mut pings = connection.ping_pong()?;
        drop(tokio::spawn(connection));
        // SETTINGS are the first thing that the other side says (RFC 9113 §3.4), so they came before this.
        pings.ping(h2::Ping::opaque()).await.ok()?;
        Some(sender.is_extended_connect_protocol_enabled())
    });
    asked.await.ok().flatten()
}

async fn registered(mut socket: Socket, url: &PublicUrl, made: &mut Made) -> Hop<Walked<UserAgent>> {
    let uaid = socket.hello(None).await?;
    let register = json!({"messageType": "register", "channelID": CHANNEL});
    made.uaid = Some(uaid.clone());
    let reply = socket.ask(&register, "register").await?;
    let push = parse(text(&reply, "pushEndpoint"))?;
    if !push.as_str().starts_with(&format!("{url}/")) {
        let what = format!("the service calls itself {}, and is asked by {url}", push.origin().as_str());
        return Err(Trouble::new(what, format!("start it with --public-url {url}, or give its own URL")));
    }
    Ok(Walked::new(UserAgent { socket, uaid, push }, "200, and the push endpoint is one of this service"))
}

/// A message that comes at once, and is acknowledged.
async fn notified(way: &Way, mut agent: UserAgent) -> Hop<Walked<UserAgent>> {
    send(way, &agent.push, FIRST).await?;
    let began = Tokio.now().mono;
    let (version, body) = agent.socket.notification().await?;
    if body != FIRST {
        return Err(Trouble::new("the notification is not what was sent", PROXY));
    }
    let took = Tokio.now().mono.since(began);
    agent.socket.acknowledge(&version).await?;
    let said = format!("the message came {} ms after its 201, and is acknowledged", took.as_millis());
    Ok(Walked::new(agent, said))
}

/// The same user agent by another connection: what it acknowledged does not come again, and the next message does.
async fn reconnected(way: &Way, door: &Door, agent: UserAgent) -> Hop<Walked<UserAgent>> {
    let UserAgent { socket, uaid, push } = agent;
    drop(socket);
    let (mut socket, _) = Socket::open(way, door).await?;
    if socket.hello(Some(&uaid)).await? != uaid {
        return Err(Trouble::new(
            "the service does not know its user agent any more, so browsers lose all their subscriptions",
            "see that every connection leads to the same service, with the same data folder",
        ));
    }
    send(way, &push, SECOND).await?;
    let (version, body) = socket.notification().await?;
    if body == FIRST {
        return Err(Trouble::new("a message that was acknowledged comes again", "see the service's log"));
    }
    if body != SECOND {
        return Err(Trouble::new("the notification is not what was sent", PROXY));
    }
    socket.acknowledge(&version).await?;
    Ok(Walked::new(
        UserAgent { socket, uaid, push },
        "as the same user agent: nothing comes again, the next message does",
    ))
}

async fn unregistered(mut agent: UserAgent, made: &mut Made) -> Hop<Walked<()>> {
    agent.socket.ask(&unregister(), "unregister").await?;
    made.uaid = None;
    agent.socket.end().await?;
    Ok(Walked::new((), UNREGISTERED))
}

fn hello(uaid: Option<&str>) -> Value {
    let mut hello = json!({"messageType": "hello", "use_webpush": true, "broadcasts": {}});
    if let (Some(uaid), Some(hello)) = (uaid, hello.as_object_mut()) {
        hello.insert("uaid".to_owned(), uaid.into());
    }
    hello
}

fn unregister() -> Value {
    json!({"messageType": "unregister", "channelID": CHANNEL})
}

async fn send(way: &Way, push: &PushUrl, body: &[u8]) -> Hop<()> {
    let fields = [("ttl", "300"), ("content-encoding", "aes128gcm")];
    let body = String::from_utf8_lossy(body);
    let answer = way.ask(way.request(Method::POST, push.path_and_query(), &fields, &body)?).await?;
    if answer.status != StatusCode::CREATED {
        return Err(refused("a message to a push endpoint is not accepted", &answer));
    }
    Ok(())
}

/// Why no WebSocket opens, which is nearly always a proxy's doing.
fn unopened(error: &WsError) -> Trouble {
    let WsError::Http(response) = error else {
        let what = format!("no WebSocket opens, and the answer is no good one: {}", words(error));
        return Trouble::new(what, UPGRADE);
    };
    let status = response.status();
    let answer = answer(response);
    let Trouble { what, hint } = refused("no WebSocket opens", &answer);
    let by_service = answer.problem().is_some();
    let hint = match status {
        // It was asked for something else than this program asked for.
        StatusCode::UPGRADE_REQUIRED | StatusCode::BAD_REQUEST => UPGRADE.to_owned(),
        StatusCode::NOT_FOUND if by_service => {
            "the service has no WebSocket there: see its websocket-path, and let the proxy pass paths on as they are"
                .to_owned()
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            "let the proxy pass the path of the WebSocket on: the public URL with a slash behind, or websocket-path"
                .to_owned()
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            if !by_service =>
        {
            "the proxy does not reach the service for this path: see that it runs, and the proxy's log"
                .to_owned()
        }
        _ if status.is_success() => {
            "a page comes instead: let the proxy pass this very path on to the service, with its Upgrade"
                .to_owned()
        }
        _ => hint,
    };
    Trouble::new(what, hint)
}

fn broken(error: &WsError) -> Trouble {
    Trouble::new(format!("the WebSocket is cut: {}", words(error)), CUT)
}

fn words(error: &WsError) -> String {
    if let WsError::Io(error) = error {
        return files::why(error);
    }
    if matches!(error, WsError::ConnectionClosed | WsError::AlreadyClosed) {
        return "it ends without a word".to_owned();
    }
    error.to_string()
}

/// A member of a frame, as text.
fn text<'a>(frame: &'a Value, member: &str) -> &'a str {
    frame.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The protocol has no end of a user agent.
const UNREGISTERED: &str = "200: nothing is subscribed any more; the name of this user agent stays until it has been idle for \
    agent-idle (90 days by default)";
/// Of a user agent that has nothing else, any will do.
const CHANNEL: &str = "00000000-0000-4000-8000-000000000000";
const FIRST: &[u8] = b"webpush doctor, by WebSocket";
const SECOND: &[u8] = b"webpush doctor, by WebSocket again";
/// How long a notification may be on its way before somebody has saved it up.
const NOTIFICATION: Duration = Duration::from_secs(5);
/// A notification has at most 4 KiB of data, in base64, and its fields.
const FRAME_OCTETS_MAX: usize = 64 * 1024;
const UPGRADE: &str = "let the proxy ask by HTTP/1.1 and pass Upgrade and Connection on (nginx: proxy_http_version 1.1; \
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade)";
const ELSEWHERE: &str = "if it has websocket-path, name it with --websocket-path; with no-websocket say --no-websocket. \
    If it has neither, let the proxy pass paths on as they are";
const CUT: &str = "see what stands between, and how long it lets a WebSocket live";
