//! Our own user agent, against push services that do not make it easy.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::support::{
    Listener, Service, Setup,
    clocked::Clocked,
    peer::collect_body,
    provider,
    raw::{ACK, END_STREAM, GOAWAY, HEADERS, PING, Raw},
    run, spawn, yield_now,
};
use crate::adapter::{NATIVE, Native, sender};
use bytes::Bytes;
use push_crypto::{Subscription, message::Padding};
use push_driver::{
    Addresses, ClientTls, Push, Runtime, Sender, SenderOptions, SubscribeError, SubscribeOptions, UserAgent,
    UserAgentOptions,
};
use push_proto::{
    Mono, Now, PushUrl, Ttl,
    application_server::ReceiptOutcome,
    user_agent::{ConnectionEvent, Event, Keepalive, MonitorFault, Power, State, SubscribeFault, Tag},
};
use tokio::{
    io::DuplexStream,
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
};

type Responding = h2::server::SendResponse<Bytes>;
type Asked = http::Request<h2::RecvStream>;

/// A push service of the test's own.
struct Own {
    listener: AsyncMutex<Listener>,
    base: String,
}

impl Own {
    fn new() -> Self {
        let listener = Listener::bind();
        let base = format!("http://localhost:{}", listener.address.port());
        Self { listener: AsyncMutex::new(listener), base }
    }

    fn options(&self) -> UserAgentOptions {
        options(&self.base)
    }

    /// The next connection. It is driven to its end, whether anybody looks or not.
    async fn accept(&self) -> Line {
        let socket = self.listener.lock().await.accept().await;
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let (ask, asked) = mpsc::unbounded_channel();
        let (drain, mut drained) = oneshot::channel();
        spawn(async move {
            let mut drains = false;
            loop {
                tokio::select! {
                    Ok(()) = &mut drained, if !drains => {
                        drains = true;
                        connection.graceful_shutdown();
                    }
                    request = connection.accept() => match request {
                        Some(Ok(request)) => drop(ask.send(request)),
                        Some(Err(_)) | None => return,
                    },
                }
            }
        });
        Line { asked, drain: Some(drain) }
    }
}

/// A connection of it.
struct Line {
    asked: mpsc::UnboundedReceiver<(Asked, Responding)>,
    drain: Option<oneshot::Sender<()>>,
}

impl Line {
    /// The next request: the method and the path, all of it, and where the answer goes.
    async fn next(&mut self) -> (String, Asked, Responding) {
        let (asked, response) = self.asked.recv().await.expect("the connection is alive");
        (format!("{} {}", asked.method(), asked.uri().path()), asked, response)
    }

    /// The next monitor; what is acknowledged before it is `taken`.
    async fn monitored(&mut self, taken: &mut BTreeSet<String>) -> Responding {
        loop {
            let (_, asked, mut response) = self.next().await;
            if asked.method() == "GET" {
                return response;
            }
            taken.insert(asked.uri().path().to_owned());
            answer(&mut response, 204, &[]);
        }
    }

    /// The next acknowledgement is `taken`. Cancel safe.
    async fn taken(&mut self, taken: &mut BTreeSet<String>) {
        match self.asked.recv().await {
            Some((asked, mut response)) => {
                taken.insert(asked.uri().path().to_owned());
                answer(&mut response, 204, &[]);
            }
            None => std::future::pending().await,
        }
    }

    /// GOAWAY, in good order.
    fn drain(&mut self) {
        self.drain.take().unwrap().send(()).unwrap();
    }

    /// The next request, which is this.
    async fn expect(&mut self, wanted: &str) -> (Asked, Responding) {
        let (line, asked, response) = self.next().await;
        assert_eq!(line, wanted);
        (asked, response)
    }

    /// Answers a subscribe, without a set.
    async fn subscribed(&mut self) {
        let (_, mut response) = self.expect("POST /subscribe").await;
        let push = "</p/1>; rel=\"urn:ietf:params:push\"";
        answer(&mut response, 201, &[("location", "/s/1"), ("link", push)]);
    }

    /// Goes on with what is under way until the peer has closed.
    async fn end(mut self) {
        while let Some((_, mut response)) = self.asked.recv().await {
            answer(&mut response, 204, &[]);
        }
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> http::Response<()> {
    let mut head = http::Response::builder().status(status);
    for (name, value) in headers {
        head = head.header(*name, *value);
    }
    head.body(()).unwrap()
}

fn answer(response: &mut Responding, status: u16, headers: &[(&str, &str)]) {
    response.send_response(head(status, headers), true).unwrap();
}

fn options(base: &str) -> UserAgentOptions {
    let service = PushUrl::parse_allow_http(&format!("{base}/subscribe")).unwrap();
    UserAgentOptions::new(service, provider(), ClientTls::nobody().unwrap())
}

fn agent<R: Runtime>(runtime: R, options: UserAgentOptions, state: State) -> UserAgent {
    let (agent, driver) = UserAgent::connect(runtime, options, state, |_| ()).unwrap();
    spawn(driver);
    agent
}

fn base(service: &Service) -> String {
    format!("http://localhost:{}", service.address.port())
}

fn from_anybody() -> Sender {
    let options = SenderOptions::new(provider(), None, ClientTls::nobody().unwrap());
    sender(SenderOptions { addresses: Addresses::Any, ..options }).unwrap()
}

async fn send(sender: &Sender, to: &Subscription, payload: &str) {
    let sent = sender.send(to, payload.as_bytes(), Push::new(Ttl::from_secs(600))).await.unwrap();
    assert!(
        matches!(sent.verdict, push_proto::application_server::Verdict::Accepted(_)),
        "{:?}",
        sent.verdict
    );
}

async fn text(agent: &UserAgent) -> String {
    let message = agent.next().await.unwrap();
    let text = String::from_utf8(message.payload().unwrap_or_default().to_vec()).unwrap();
    message.acknowledge();
    text
}

const EVENT_STREAM: (&str, &str) = ("content-type", "text/event-stream; charset=utf-8");

/// refused push, a user agent asks for a stream, and takes what comes there for pushes; it ends with the status
/// that the stream gives, goes on after its end, and is cut short where it is too large.
#[test]
fn where_nothing_can_be_pushed_messages_come_by_a_stream() {
    run(async {
        let own = Own::new();
        let mut options = own.options();
        options.limits.event_octets = 4096;
        options.config.limits.backoff.first = Duration::from_millis(1);
        let agent = agent(NATIVE, options, State::default());
        let (subscription, mut line) = futures_util::future::join(agent.subscribe(Tag(1), None), async {
            let mut line = own.accept().await;
            line.subscribed().await;
            let (asked, mut response) = line.expect("GET /s/1").await;
            assert!(asked.headers().get("accept").is_none());
            answer(&mut response, 406, &[]);
            line
        })
        .await;
        let subscription = subscription.unwrap();

        let (asked, mut response) = line.expect("GET /s/1").await;
        assert_eq!(asked.headers()["accept"], "text/event-stream");
        let mut stream = response.send_response(head(200, &[EVENT_STREAM]), false).unwrap();
        let body =
            push_crypto::message::encrypt(&provider(), &subscription.recipient(), b"hello", Padding::None)
                .unwrap();
        let body = base64(&body);
        let events = format!(
            ": welcome\n\nevent: message\ndata: {{\"message\":\"{base}/m/1\",\"push\":\"{base}/p/1\",\
             \"headers\":{{\"content-encoding\":\"aes128gcm\"}},\"body\":\"{body}\"}}\n\n\
             event: message\ndata: nonsense\n\n\
             event: message\ndata: {{\"message\":\"{base}/m/2\",\"push\":\"{base}/p/1\",\"headers\":{{}},\"body\":\"\"}}\n\n",
            base = own.base
        );
        // Cut anywhere.
        let octets = Bytes::from(events);
        stream.send_data(octets.slice(..100), false).unwrap();
        stream.send_data(octets.slice(100..), false).unwrap();
        let acknowledged = async {
            for path in ["/m/1", "/m/2"] {
                let (_, mut response) = line.expect(&format!("DELETE {path}")).await;
                answer(&mut response, 204, &[]);
            }
            let end = "event: end\r\ndata: {\"status\":503,\"reason\":\"full\",\"retry_after\":0}\r\n\r\n";
            stream.send_data(end.into(), false).unwrap();
            // 503: told, and asked again, by a stream.
            let (asked, mut response) = line.expect("GET /s/1").await;
            assert_eq!(asked.headers()["accept"], "text/event-stream");
            let mut stream = response.send_response(head(200, &[EVENT_STREAM]), false).unwrap();
            stream.send_data(vec![b'x'; 5000].into(), false).unwrap();
            // Too much: it is reset, and asked for again.
            let (_, response) = line.expect("GET /s/1").await;
            let reset = std::future::poll_fn(|context| stream.poll_reset(context)).await.unwrap();
            assert_eq!(reset, h2::Reason::CANCEL);
            response
        };
        let received = async {
            assert_eq!(text(&agent).await, "hello");
            assert_eq!(text(&agent).await, "");
        };
        let (_response, ()) = futures_util::future::join(acknowledged, received).await;
        let busy = loop {
            if let Event::MonitorFailed(fault) = agent.event().await.unwrap() {
                break fault;
            }
        };
        assert_eq!(busy, MonitorFault::Busy(503));
    });
}

fn base64(octets: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> =
        octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)).collect();
    let digit = |six: &[u8]| (0..6).fold(0, |value, at| value << 1 | six.get(at).copied().unwrap_or(0));
    bits.chunks(6).map(|six| char::from(digits[usize::from(digit(six))])).collect()
}

/// where there is no stream either, that is told.
#[test]
fn where_there_is_no_stream_either_it_is_told() {
    run(async {
        let own = Own::new();
        let agent = agent(NATIVE, own.options(), State::default());
        let refusing = async {
            let mut line = own.accept().await;
            line.subscribed().await;
            for _ in 0..2 {
                let (_, mut response) = line.expect("GET /s/1").await;
                answer(&mut response, 406, &[]);
            }
            line.end().await;
        };
        let told = async {
            agent.subscribe(Tag(1), None).await.unwrap();
            loop {
                if let Event::MonitorFailed(fault) = agent.event().await.unwrap() {
                    break fault;
                }
            }
        };
        tokio::select! {
            () = refusing => panic!("the connection has ended"),
            told = told => assert_eq!(told, MonitorFault::PushUnsupported),
        }
    });
}

/// 8030-5.3-4: the device's condition decides what is asked for, at once.
#[test]
fn a_change_of_power_opens_the_monitor_anew() {
    run(async {
        let own = Own::new();
        let agent = agent(NATIVE, own.options(), State::default());
        let (subscribed, mut line) = futures_util::future::join(agent.subscribe(Tag(1), None), async {
            let mut line = own.accept().await;
            line.subscribed().await;
            line
        })
        .await;
        subscribed.unwrap();
        let (asked, mut before) = line.expect("GET /s/1").await;
        assert!(asked.headers().get("urgency").is_none());
        for (power, urgency) in [(Power::LowBattery, "high"), (Power::PowerOrWifi, "low")] {
            agent.power(power);
            let (asked, response) = line.expect("GET /s/1").await;
            assert_eq!(asked.headers()["urgency"], urgency);
            let reset = std::future::poll_fn(|context| before.poll_reset(context)).await.unwrap();
            assert_eq!(reset, h2::Reason::CANCEL, "the old one is ended");
            before = response;
        }
    });
}

/// 8030-5.3-4, with our own service: what is not urgent waits there until it is wanted, and comes once.
#[test]
fn what_is_not_urgent_waits_for_power() {
    run(async {
        let service = Setup::default().start();
        let agent = agent(NATIVE, options(&base(&service)), State::default());
        let subscription = agent.subscribe(Tag(1), None).await.unwrap();
        agent.power(Power::LowBattery);
        let sender = from_anybody();
        let urgent = Push { urgency: push_proto::Urgency::High, ..Push::new(Ttl::from_secs(600)) };
        send(&sender, &subscription, "later").await;
        sender.send(&subscription, b"now", urgent).await.unwrap();
        // The normal one may have been pushed before the service knew.
        let first = text(&agent).await;
        agent.power(Power::PowerAndWifi);
        let mut both = [first, text(&agent).await];
        both.sort();
        assert_eq!(both, ["later", "now"]);
        send(&sender, &subscription, "last").await;
        assert_eq!(text(&agent).await, "last");
    });
}

/// 8030-4-1: two services, one of which is down, and then is not.
#[test]
fn a_service_that_is_down_does_not_touch_the_other() {
    run(async {
        let up = Setup::default().start();
        let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = down.local_addr().unwrap().port();
        drop(down);
        let mut options = options(&base(&up));
        options.config.limits.backoff = push_proto::user_agent::Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(5),
        };
        let agent = agent(NATIVE, options, State::default());
        let service = Some(PushUrl::parse_allow_http(&format!("http://127.0.0.1:{port}/subscribe")).unwrap());
        let there = agent.clone();
        let there = spawn(async move {
            there.subscribe_with(Tag(2), SubscribeOptions { service, ..SubscribeOptions::default() }).await
        });
        let here = agent.subscribe(Tag(1), None).await.unwrap();
        send(&from_anybody(), &here, "meanwhile").await;
        assert_eq!(text(&agent).await, "meanwhile");
        assert!(!there.is_finished());
        let late = Listener::bind_to(port);
        let own = Own { listener: AsyncMutex::new(late), base: String::new() };
        let serving = async {
            let mut line = own.accept().await;
            line.subscribed().await;
            line
        };
        let (subscription, _line) = futures_util::future::join(there, serving).await;
        assert_eq!(subscription.unwrap().endpoint.port(), port);
    });
}

/// 8030-4-4, 8030-8-1: an https service does not lead to one in the clear.
#[test]
fn a_service_in_the_clear_is_refused_beside_one_that_is_not() {
    run(async {
        let agent = agent(NATIVE, options("https://localhost:1"), State::default());
        let service = Some(PushUrl::parse_allow_http("http://localhost:2/subscribe").unwrap());
        let refused =
            agent.subscribe_with(Tag(1), SubscribeOptions { service, ..SubscribeOptions::default() });
        let Err(SubscribeError::Refused(fault)) = refused.await else { panic!() };
        assert_eq!(fault, SubscribeFault::Insecure);
    });
}

/// 8030-4.1-3: without the set on request. 8291-2-1, 8291-3.1-1, w3c-sub-4: keys of its own, as always.
#[test]
fn a_subscription_can_stay_out_of_the_set() {
    run(async {
        let service = Setup::default().start();
        let agent = agent(NATIVE, options(&base(&service)), State::default());
        let sender = from_anybody();
        let first = agent.subscribe(Tag(1), None).await.unwrap();
        let alone = SubscribeOptions { alone: true, ..SubscribeOptions::default() };
        let subscription = agent.subscribe_with(Tag(2), alone).await.unwrap();
        assert!(first.p256dh != subscription.p256dh && first.auth != subscription.auth);
        send(&sender, &subscription, "alone").await;
        assert_eq!(text(&agent).await, "alone");
    });
}

/// The answer to a subscribe and to nothing else, written by hand.
async fn subscribed_by_hand(raw: &mut Raw) {
    let stream = raw.until(|frame| frame.kind == HEADERS).await.stream;
    let mut block = vec![0x08, 3];
    block.extend_from_slice(b"201");
    for (index, value) in [(46, "/s/1"), (45, "</p/1>;rel=\"urn:ietf:params:push\"")] {
        block.extend([0x0f, index - 15, u8::try_from(value.len()).unwrap()]);
        block.extend_from_slice(value.as_bytes());
    }
    raw.write(HEADERS, 4 | END_STREAM, stream, &block).await;
}

/// 8030-3-3: a silent connection is asked, more rarely each time it answers, and replaced when it does not; the answer
/// is what the machine learns from, and what it learned is kept.
#[test]
fn a_silent_connection_is_asked_and_replaced_when_it_does_not_answer() {
    run(async {
        let own = Own::new();
        let clock = Clocked::new();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        let mut options = own.options();
        options.config.limits.keepalive =
            Keepalive { first: Duration::from_secs(80), ..Keepalive::default() };
        let pong = options.config.limits.pong;
        let (agent, driver) = UserAgent::connect(clock.clone(), options, State::default(), move |state| {
            *keep.lock().unwrap() = state.to_bytes();
        })
        .unwrap();
        spawn(driver);
        let (subscribed, mut raw) = futures_util::future::join(agent.subscribe(Tag(1), None), async {
            let mut raw = Raw::accept(&mut *own.listener.lock().await).await;
            subscribed_by_hand(&mut raw).await;
            raw
        })
        .await;
        subscribed.unwrap();
        raw.until(|frame| frame.kind == HEADERS).await;
        let before = kept.lock().unwrap().clone();
        clock.advance(Duration::from_secs(80));
        let question = raw.until_unanswered(PING).await;
        raw.write(PING, ACK, 0, &question.payload).await;
        while *kept.lock().unwrap() == before {
            yield_now().await;
        }
        // Not as soon as the first time: half as much again.
        clock.advance(Duration::from_secs(80));
        raw.settle().await;
        assert!(!raw.has_read(PING));
        clock.advance(Duration::from_secs(40));
        raw.until_unanswered(PING).await;
        clock.advance(pong);
        // It is over, and so says the connection.
        while let Some(frame) = raw.next_unanswered().await {
            assert!(frame.kind != HEADERS, "nothing is asked of it any more");
        }
        clock.advance(Duration::from_secs(1));
        let mut raw = Raw::accept(&mut *own.listener.lock().await).await;
        raw.until(|frame| frame.kind == HEADERS).await;
    });
}

/// 8030-7.1-2: on GOAWAY the monitor moves to a new connection, what the old one still pushes arrives, and the old one
/// is ended by GOAWAY after the new one is up.
#[test]
fn a_connection_that_drains_is_replaced_before_it_ends() {
    run(async {
        let own = Own::new();
        let mut options = own.options();
        options.config.limits.stable = Duration::ZERO;
        options.config.limits.move_within = Duration::from_millis(1);
        let agent = agent(NATIVE, options, State::default());
        let (subscribed, mut old) = futures_util::future::join(agent.subscribe(Tag(1), None), async {
            let mut raw = Raw::accept(&mut *own.listener.lock().await).await;
            subscribed_by_hand(&mut raw).await;
            raw
        })
        .await;
        subscribed.unwrap();
        let monitor = old.until(|frame| frame.kind == HEADERS).await.stream;
        old.go_away(monitor).await;
        let mut new = own.accept().await;
        let (_, mut monitor_response) = new.expect("GET /s/1").await;
        // The old connection is there as long as it owes an answer.
        old.settle().await;
        assert!(!old.has_read(GOAWAY));
        old.write(HEADERS, 4 | END_STREAM, monitor, &[0x89]).await;
        let ended = old.until_unanswered(GOAWAY).await;
        assert_eq!(ended.error(), 0, "NO_ERROR");

        let promise = http::Request::get(format!("{}/m/1", own.base)).body(()).unwrap();
        let mut push = monitor_response.push_request(promise).unwrap();
        push.send_response(http::Response::new(()), true).unwrap();
        let (received, ()) = futures_util::future::join(text(&agent), async {
            let (_, mut response) = new.expect("DELETE /m/1").await;
            answer(&mut response, 204, &[]);
        })
        .await;
        assert_eq!(received, "");
        let closing = futures_util::future::join(agent.close(), new.end());
        closing.await;
        assert!(agent.event().await.is_some());
    });
}

/// RFC 9113 §6.8: one that takes no more requests for another reason is as good as lost, though it stays open.
#[test]
fn a_connection_that_is_given_notice_for_an_error_is_replaced() {
    run(async {
        let own = Own::new();
        let mut options = own.options();
        options.config.limits.backoff.first = Duration::from_millis(1);
        let agent = agent(NATIVE, options, State::default());
        let (subscribed, mut old) = futures_util::future::join(agent.subscribe(Tag(1), None), async {
            let mut raw = Raw::accept(&mut *own.listener.lock().await).await;
            subscribed_by_hand(&mut raw).await;
            raw
        })
        .await;
        subscribed.unwrap();
        let monitor = old.until(|frame| frame.kind == HEADERS).await.stream;
        let enhance_your_calm = 0xb_u32;
        let notice = [monitor.to_be_bytes(), enhance_your_calm.to_be_bytes()].concat();
        old.write(GOAWAY, 0, 0, &notice).await;
        own.accept().await.expect("GET /s/1").await;
        let offline = |event: &Event| matches!(event, Event::Connection(_, ConnectionEvent::Offline(_)));
        while !offline(&agent.event().await.unwrap()) {}
    });
}

const MESSAGES: usize = 6;

/// 8030-7.1-2, G2: a service that restarts in good order loses and doubles nothing.
#[test]
fn a_service_that_drains_and_comes_back_loses_nothing() {
    run(async {
        let own = Own::new();
        let mut options = own.options();
        options.config.limits.stable = Duration::ZERO;
        options.config.limits.move_within = Duration::from_millis(1);
        let agent = agent(NATIVE, options, State::default());
        let service = spawn(async move {
            let mut line = own.accept().await;
            line.subscribed().await;
            let mut taken = BTreeSet::new();
            // Each round is a connection, which pushes, drains, and ends.
            loop {
                let mut monitor = line.monitored(&mut taken).await;
                let left = (0..MESSAGES).map(|number| format!("/m/{number}"));
                let left: Vec<_> = left.filter(|path| !taken.contains(path)).collect();
                if left.is_empty() {
                    return (line, monitor);
                }
                // Two at a time, of which one at least is acknowledged before it drains.
                for path in left.iter().take(2) {
                    let promise = http::Request::get(format!("{}{path}", own.base)).body(()).unwrap();
                    let mut push = monitor.push_request(promise).unwrap();
                    push.send_response(http::Response::new(()), true).unwrap();
                }
                line.taken(&mut taken).await;
                line.drain();
                let next = own.accept();
                tokio::pin!(next);
                let next = loop {
                    tokio::select! {
                        next = &mut next => break next,
                        () = line.taken(&mut taken) => {}
                    }
                };
                answer(&mut monitor, 200, &[]);
                // What was asked of the old one before it said GOAWAY.
                let mut old = std::mem::replace(&mut line, next);
                while let Some((asked, mut response)) = old.asked.recv().await {
                    if asked.method() == "DELETE" {
                        taken.insert(asked.uri().path().to_owned());
                    }
                    answer(&mut response, 204, &[]);
                }
            }
        });
        agent.subscribe(Tag(1), None).await.unwrap();
        for _ in 0..MESSAGES {
            assert_eq!(text(&agent).await, "");
        }
        let _under_way = service.await;
        agent.close().await;
        assert!(agent.next().await.is_none(), "nothing came twice");
    });
}

/// 8030-7.5-1, 8030-7.5-2: two streams are enough: one for the set, one for everything else.
#[test]
fn two_streams_are_enough() {
    run(async {
        let mut setup = Setup::default();
        setup.limits.streams = 2;
        let service = setup.start();
        let agent = agent(NATIVE, options(&base(&service)), State::default());
        let subscribing = (0..4).map(|tag| agent.subscribe(Tag(tag), None));
        let subscriptions = futures_util::future::join_all(subscribing).await;
        let sender = from_anybody();
        let sending = async {
            for number in 0..40_usize {
                send(&sender, subscriptions[number % 4].as_ref().unwrap(), &number.to_string()).await;
            }
        };
        let receiving = async {
            let mut numbers = Vec::new();
            while numbers.len() < 40 {
                numbers.push(text(&agent).await.parse::<usize>().unwrap());
            }
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..40));
        };
        futures_util::future::join(sending, receiving).await;
    });
}

/// 9113-8.4-5: a user agent that takes one push at a time gets one after the other.
#[test]
fn one_push_at_a_time_is_enough() {
    run(async {
        let service = Setup::default().start();
        let mut options = options(&base(&service));
        options.limits.pushes = 1;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        let (first, driver) = UserAgent::connect(NATIVE, options, State::default(), move |state| {
            *keep.lock().unwrap() = state.to_bytes();
        })
        .unwrap();
        spawn(driver);
        let subscription = first.subscribe(Tag(1), None).await.unwrap();
        first.close().await;
        let sender = from_anybody();
        for number in 0..5 {
            send(&sender, &subscription, &number.to_string()).await;
        }
        let mut options = self::options(&base(&service));
        options.limits.pushes = 1;
        let state = State::from_bytes(&kept.lock().unwrap()).unwrap();
        let second = agent(NATIVE, options, state);
        let mut numbers = Vec::new();
        for _ in 0..5 {
            numbers.push(text(&second).await);
        }
        numbers.sort();
        assert_eq!(numbers, ["0", "1", "2", "3", "4"]);
    });
}

/// 9113-8.4-6: a push that is too large is reset, which is no acknowledgement, and holds up no other.
#[test]
fn a_push_beyond_the_limit_is_reset_and_not_acknowledged() {
    run(async {
        let own = Own::new();
        let mut options = own.options();
        options.limits.push_octets = 10;
        let agent = agent(NATIVE, options, State::default());
        let (subscribed, mut line) = futures_util::future::join(agent.subscribe(Tag(1), None), async {
            let mut line = own.accept().await;
            line.subscribed().await;
            line
        })
        .await;
        subscribed.unwrap();
        let (_, mut monitor) = line.expect("GET /s/1").await;
        let promise = |path: &str| http::Request::get(format!("{}{path}", own.base)).body(()).unwrap();
        let mut large = monitor.push_request(promise("/m/1")).unwrap();
        let mut large = large.send_response(http::Response::new(()), false).unwrap();
        large.send_data(vec![0; 11].into(), false).unwrap();
        let mut small = monitor.push_request(promise("/m/2")).unwrap();
        small.send_response(http::Response::new(()), true).unwrap();
        let (_, ()) = futures_util::future::join(text(&agent), async {
            let (_, mut response) = line.expect("DELETE /m/2").await;
            answer(&mut response, 204, &[]);
        })
        .await;
        let reset = std::future::poll_fn(|context| large.poll_reset(context)).await.unwrap();
        assert_eq!(reset, h2::Reason::CANCEL);
    });
}

/// 8292-4.1-1, 8292-4.1-2, 8030-7.1-1: the body and its type, and both again where the service redirects to.
#[test]
fn a_restricted_subscribe_is_the_same_after_a_redirect() {
    run(async {
        let own = Own::new();
        let agent = agent(NATIVE, own.options(), State::default());
        let signing = push_crypto::vapid::SigningKey::generate(&provider()).unwrap();
        let key = *push_crypto::vapid::Signer::new(signing, None).public_key();
        let serving = async {
            let mut line = own.accept().await;
            for (path, status) in [("/subscribe", 307), ("/elsewhere", 308), ("/there", 201)] {
                let (asked, mut response) = line.expect(&format!("POST {path}")).await;
                assert_eq!(asked.headers()["content-type"], "application/webpush-options+json");
                let body = collect_body(asked.into_body()).await.unwrap();
                assert_eq!(String::from_utf8(body).unwrap(), format!("{{\"vapid\":\"{key}\"}}"));
                let push = "</p/1>; rel=\"urn:ietf:params:push\"";
                let next = if path == "/subscribe" { "/elsewhere" } else { "/there" };
                answer(&mut response, status, &[("location", next), ("link", push)]);
            }
            line
        };
        let (subscription, _line) =
            futures_util::future::join(agent.subscribe(Tag(1), Some(key)), serving).await;
        assert_eq!(subscription.unwrap().endpoint.as_str(), format!("{}/p/1", own.base));
    });
}

/// A runtime whose connections hold this many octets each way; the other ends go to the test.
#[derive(Clone)]
struct Narrow {
    clock: Clocked,
    octets: usize,
    peers: mpsc::UnboundedSender<DuplexStream>,
}

impl Runtime for Narrow {
    type Io = DuplexStream;
    type Listener = <Native as Runtime>::Listener;

    fn start_thread<M, F>(&self, name: String, main: M) -> io::Result<()>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        NATIVE.start_thread(name, main)
    }

    fn spawn_local(&self, future: impl Future<Output = ()> + 'static) {
        NATIVE.spawn_local(future);
    }

    fn listen(&self, listener: push_driver::Listener) -> io::Result<Self::Listener> {
        NATIVE.listen(listener)
    }

    async fn accept(&self, listener: &mut Self::Listener) -> io::Result<push_driver::Connected> {
        NATIVE.accept(listener).await
    }

    fn adopt(&self, _socket: push_driver::Connected) -> io::Result<Self::Io> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn resolve(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        NATIVE.resolve(host, port).await
    }

    async fn connect(&self, _address: SocketAddr) -> io::Result<Self::Io> {
        let (ours, theirs) = tokio::io::duplex(self.octets);
        self.peers.send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }

    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + 'static {
        self.clock.sleep_until(at)
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

/// `linger`: whoever closes a user agent does not wait for a peer that reads nothing, and its driver not for long.
#[test]
fn a_peer_that_reads_nothing_does_not_hold_up_the_end() {
    run(async {
        let (peers, mut connected) = mpsc::unbounded_channel();
        let runtime = Narrow { clock: Clocked::new(), octets: 24, peers };
        let options = options("http://localhost:1");
        let linger = options.limits.linger;
        let (agent, driver) = UserAgent::connect(runtime.clone(), options, State::default(), |_| ()).unwrap();
        let driver = spawn(driver);
        let serving = async {
            let peer = connected.recv().await.unwrap();
            let mut connection = h2::server::handshake(peer).await.unwrap();
            let (_, mut response) = connection.accept().await.unwrap().unwrap();
            let push = "</p/1>; rel=\"urn:ietf:params:push\"";
            answer(&mut response, 201, &[("location", "/s/1"), ("link", push)]);
            // Until it has read the monitor as well; then never again.
            let monitor = connection.accept().await.unwrap().unwrap();
            (connection, monitor)
        };
        let (subscribed, _unread) = futures_util::future::join(agent.subscribe(Tag(1), None), serving).await;
        subscribed.unwrap();
        // A RST_STREAM and a GOAWAY are 30 octets.
        agent.close().await;
        yield_now().await;
        assert!(!driver.is_finished());
        runtime.clock.advance(linger);
        driver.await;
    });
}

#[test]
fn an_event_holds_a_push_of_the_largest_size() {
    let limits = push_driver::ClientLimits::default();
    assert!(limits.event_octets >= limits.push_octets.div_ceil(3) * 4 + 2 * push_crypto::MAX_URL_LEN);
}

/// A-12 with all parties our own: to whom nothing can be pushed, messages and receipts come as event streams.
#[test]
fn without_server_push_messages_and_receipts_come_all_the_same() {
    run(async {
        let service = Setup::default().start();
        let mut options = options(&base(&service));
        // So says a peer that takes no push.
        options.limits.pushes = 0;
        let agent = agent(NATIVE, options, State::default());
        let subscription = agent.subscribe(Tag(1), None).await.unwrap();
        let mut options = SenderOptions::new(provider(), None, ClientTls::nobody().unwrap());
        options.addresses = Addresses::Any;
        options.limits.pushes = 0;
        let sender = sender(options).unwrap();
        for number in 0..20 {
            let push = Push { receipt: true, ..Push::new(Ttl::from_secs(60)) };
            let sent = sender.send(&subscription, number.to_string().as_bytes(), push).await;
            let receipt = sent.unwrap().receipt.expect("a receipt is promised");
            assert_eq!(text(&agent).await, number.to_string());
            assert_eq!(receipt.outcome().await, ReceiptOutcome::Delivered);
        }
        let mut events = Vec::new();
        while let Some(Some(event)) = futures_util::FutureExt::now_or_never(agent.event()) {
            events.push(event);
        }
        assert!(!events.iter().any(|event| matches!(event, Event::MonitorFailed(_))), "{events:?}");
    });
}
