//! Several push services at once, and subscriptions that are to stay apart (RFC 8030 §4, §4.1, §7.5, §8).

use std::time::Duration;

use push_proto::{
    PushUrl,
    user_agent::{
        Config, Connection, ConnectionEvent, Event, Input, Request, Response, State, Subscribe,
        SubscribeFault, SubscriptionEvent, Tag,
    },
};

use crate::world::*;

fn other() -> PushUrl {
    url("https://two.example.net/subscribe")
}

fn at_other(tag: u64) -> Subscribe {
    Subscribe { service: Some(other()), ..to(tag) }
}

fn there(path: &str) -> PushUrl {
    url(&format!("https://two.example.net{path}"))
}

fn failed(tag: u64, fault: SubscribeFault) -> Event {
    Event::Subscription(Tag(tag), SubscriptionEvent::Failed(fault))
}

/// 8030-4-1, 8030-4.1-2: each service has a connection and sets of its own, and none sees those of another.
#[test]
fn each_service_has_its_own_connection_and_set() {
    let (mut world, _) = World::monitoring();
    let outputs = world.give(Input::Subscribe(at_other(2)));
    let (connection, outputs) = world.establish(&outputs);
    let (id, asked) = request(&outputs);
    assert_eq!(asked, Request::Subscribe { url: other(), set: None, restricted_to: None });
    let outputs = world.reply(id, created(2, Some("/a/1")));
    let asked = requests(&outputs);
    assert_eq!((asked[0].0, asked[0].2.url()), (connection, &there("/a/1")));
    assert_eq!(events(&outputs), [Event::Subscription(Tag(2), SubscriptionEvent::Subscribed(there("/p/2")))]);
    // The third joins the set of its own service.
    let (_, asked) = request(&world.give(Input::Subscribe(at_other(3))));
    assert_eq!(asked, Request::Subscribe { url: other(), set: Some(there("/a/1")), restricted_to: None });
}

/// 8030-7.5-2: one subscribe after the other is for one service; a slow one holds up no other.
#[test]
fn a_slow_service_holds_up_no_other() {
    let mut world = World::new();
    let outputs = world.subscribe(1);
    let (_, outputs) = world.establish(&outputs);
    assert_eq!(requests(&outputs).len(), 1, "and no answer to it");
    let outputs = world.give(Input::Subscribe(at_other(2)));
    let (_, outputs) = world.establish(&outputs);
    let (id, _) = request(&outputs);
    assert_eq!(requests(&world.give(Input::Subscribe(at_other(3)))), []);
    assert_eq!(events(&world.reply(id, created(2, Some("/a/1")))).len(), 1);
}

/// The backoff is that of the service that is down; the other goes on as if nothing were.
#[test]
fn a_service_that_is_down_does_not_touch_the_other() {
    let (mut world, watch) = World::monitoring();
    let mut outputs = world.give(Input::Subscribe(at_other(2)));
    let mut waits = Vec::new();
    for round in 0..5 {
        let down = connecting(&outputs).unwrap();
        outputs = world.give(Input::Connection(down, Connection::Lost));
        let Event::Connection(origin, ConnectionEvent::Offline(wait)) = events(&outputs).remove(0) else {
            panic!("{outputs:?}")
        };
        assert_eq!(origin, other().origin());
        waits.push(wait);
        assert_eq!(deliveries(&world.push(watch, round, 1)).len(), 1);
        outputs = world.advance(wait);
    }
    assert!(waits[4] > waits[0] * 4, "{waits:?}");
    // The first one fails now, for the first time.
    let outputs = world.give(Input::Connection(push_proto::user_agent::ConnectionId(0), Connection::Lost));
    let Event::Connection(_, ConnectionEvent::Offline(wait)) = events(&outputs).remove(0) else { panic!() };
    assert!(wait <= config().limits.backoff.first, "{wait:?}");
}

/// Both go on from the state.
#[test]
fn the_state_has_them_all() {
    let (mut world, _) = World::monitoring();
    let outputs = world.give(Input::Subscribe(at_other(2)));
    let (_, outputs) = world.establish(&outputs);
    world.reply(request(&outputs).0, created(2, Some("/a/9")));
    let mut next = World::with(config(), State::from_bytes(&world.saved.to_bytes()).unwrap());
    let outputs = next.drain();
    let opened: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            push_proto::user_agent::Output::Connection(id, _) => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(opened.len(), 2);
    let mut monitored = Vec::new();
    for id in opened {
        monitored.push(request(&next.give(Input::Connection(id, Connection::Established))).1.url().clone());
    }
    monitored.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    assert_eq!(monitored, [at("/a/1"), there("/a/9")]);
}

#[test]
fn services_are_limited_like_what_redirects_lead_to() {
    let mut config = config();
    config.limits.connections = 2;
    let mut world = World::with(config, State::default());
    let _ = world.subscribed(1, None);
    world.give(Input::Subscribe(at_other(2)));
    let third = Subscribe { service: Some(url("https://three.example.net/")), ..to(3) };
    assert_eq!(events(&world.give(Input::Subscribe(third.clone()))), [failed(3, SubscribeFault::Limit)]);
    // When one is not needed any more there is room.
    world.give(Input::Unsubscribe(Tag(2)));
    assert!(connecting(&world.give(Input::Subscribe(third))).is_some());
}

/// 8030-8-1, 8030-4-4: no other service in the clear than one for development.
#[test]
fn an_insecure_service_is_refused() {
    let clear = Subscribe { service: Some(url("http://two.example.net/subscribe")), ..to(1) };
    let mut world = World::new();
    assert_eq!(events(&world.give(Input::Subscribe(clear.clone()))), [failed(1, SubscribeFault::Insecure)]);
    let mut world = World::with(Config::new(url("http://localhost:8080/subscribe")), State::default());
    assert!(connecting(&world.give(Input::Subscribe(clear))).is_some());
}

/// 8030-4.1-3: on request without the set, and nothing later joins the set of one that wants to be alone.
#[test]
fn a_subscription_that_wants_to_be_alone_is_in_no_set_with_others() {
    let (mut world, _) = World::monitoring();
    let alone = Subscribe { alone: true, ..to(2) };
    let (id, asked) = request(&world.give(Input::Subscribe(alone)));
    assert_eq!(asked, Request::Subscribe { url: url(SERVICE), set: None, restricted_to: None });
    let outputs = world.reply(id, created(2, Some("/a/2")));
    assert_eq!(request(&outputs).1, monitor("/a/2"), "it has a monitor of its own");
    world.give(Input::Unsubscribe(Tag(1)));
    // Also in the next run.
    let state = State::from_bytes(&world.saved.to_bytes()).unwrap();
    let mut next = World::with(config(), state);
    let outputs = next.drain();
    next.establish(&outputs);
    for world in [&mut world, &mut next] {
        let outputs = world.subscribe(3);
        assert!(matches!(&request(&outputs).1, Request::Subscribe { set: None, .. }), "{outputs:?}");
    }
}

/// 8030-4.1-6: a service that wants sets says 429 to what comes without; it is asked again when it says.
#[test]
fn a_service_that_insists_on_sets_is_asked_again_later() {
    let (mut world, _) = World::monitoring();
    let (id, _) = request(&world.give(Input::Subscribe(Subscribe { alone: true, ..to(2) })));
    let retry_after = Some(push_proto::user_agent::RetryAfter::In(Duration::from_secs(50)));
    assert_eq!(requests(&world.reply(id, Response { status: 429, retry_after, ..Response::default() })), []);
    let (_, asked) = request(&world.advance(Duration::from_secs(50)));
    assert_eq!(asked, Request::Subscribe { url: url(SERVICE), set: None, restricted_to: None });
}
