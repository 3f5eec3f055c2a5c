//! RFC 8030 §4, §7.1, §7.3 and RFC 8292 §4.1.

use std::time::Duration;

use push_proto::{
    PushUrl, UnixTime,
    user_agent::{
        Connection, Event, Failure, Input, Order, Output, Reference, Request, Response, RetryAfter, State,
        Subscribe, SubscribeFault, SubscriptionEvent, Tag,
    },
};

use crate::world::*;

fn failed(tag: u64, fault: SubscribeFault) -> Event {
    Event::Subscription(Tag(tag), SubscriptionEvent::Failed(fault))
}

fn unsubscribed(tag: u64) -> Event {
    Event::Subscription(Tag(tag), SubscriptionEvent::Unsubscribed)
}

/// A world whose subscribe with tag 1 is in flight.
fn asking() -> (World, push_proto::user_agent::RequestId) {
    let mut world = World::new();
    let outputs = world.subscribe(1);
    let connection = connecting(&outputs).unwrap();
    let outputs = world.give(Input::Connection(connection, Connection::Established));
    let (id, _) = request(&outputs);
    (world, id)
}

#[test]
fn it_posts_to_the_configured_service_and_saves_before_it_tells() {
    // 8030-4-1, 8030-4-2, 8030-4-3, 8030-6.1-1
    let mut world = World::new();
    let outputs = world.subscribe(1);
    let Output::Connection(connection, Order::Open(origin)) = &outputs[0] else { panic!("{outputs:?}") };
    assert_eq!(origin.as_str(), "https://push.example.net");
    let outputs = world.give(Input::Connection(*connection, Connection::Established));
    let (id, asked) = request(&outputs);
    assert_eq!(asked.method(), "POST");
    assert_eq!(asked, Request::Subscribe { url: url(SERVICE), set: None, restricted_to: None });

    let outputs = world.reply(id, created(1, Some("/a/1")));
    let told = |output: &Output| matches!(output, Output::Event(Event::Subscription(..)));
    let saved = outputs.iter().position(|output| matches!(output, Output::Save(_))).unwrap();
    assert!(saved < outputs.iter().position(told).unwrap());
    assert_eq!(events(&outputs), [Event::Subscription(Tag(1), SubscriptionEvent::Subscribed(at("/p/1")))]);
    assert_eq!(request(&outputs).1, monitor("/a/1"));
    let subscription = world.agent.subscription(Tag(1)).unwrap();
    assert_eq!((subscription.push, subscription.secret), (&at("/p/1"), &secret()));
}

#[test]
fn a_restriction_travels_with_the_request_and_is_remembered() {
    // 8292-4.1-1, 8292-4.2-11
    let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
    let key = key.parse().unwrap();
    let mut world = World::new();
    let subscribe = Subscribe { restricted_to: Some(key), ..to(1) };
    let outputs = world.give(Input::Subscribe(subscribe));
    let outputs = world.give(Input::Connection(connecting(&outputs).unwrap(), Connection::Established));
    let (id, asked) = request(&outputs);
    assert_eq!(asked, Request::Subscribe { url: url(SERVICE), set: None, restricted_to: Some(key) });
    world.reply(id, created(1, None));
    assert_eq!(world.agent.subscription(Tag(1)).unwrap().restricted_to, Some(&key));
}

#[test]
fn later_subscribes_go_one_by_one_and_send_the_set_back() {
    // 8030-4.1-2, 8030-7.5-2, 8030-6.1-1
    let (mut world, first) = asking();
    assert_eq!(requests(&world.subscribe(2)), []);
    assert_eq!(requests(&world.subscribe(3)), []);
    let outputs = world.reply(first, created(1, Some("/a/1")));
    let asked = requests(&outputs);
    assert_eq!(asked[0].2, monitor("/a/1"));
    assert_eq!(
        asked[1].2,
        Request::Subscribe { url: url(SERVICE), set: Some(at("/a/1")), restricted_to: None }
    );
    assert_eq!(asked.len(), 2);
    // The set is the same: no second monitor.
    let outputs = world.reply(asked[1].1, created(2, Some("/a/1")));
    assert!(matches!(request(&outputs).1, Request::Subscribe { .. }));
}

#[test]
fn without_a_set_each_subscription_is_monitored_and_a_second_set_is_too() {
    // 8030-4.1-4, 8030-6-1, 8030-6.1-1
    let mut world = World::new();
    assert_eq!(request(&world.subscribed(1, None)).1, monitor("/s/1"));
    assert_eq!(request(&world.subscribed(2, Some("/a/1"))).1, monitor("/a/1"));
    assert_eq!(request(&world.subscribed(3, Some("/a/2"))).1, monitor("/a/2"));
    assert_eq!(world.agent.subscriptions().count(), 3);
}

#[test]
fn it_follows_307_and_308_with_the_same_request() {
    // 8030-7.1-1, A-33
    for redirect in [307, 308] {
        let (mut world, id) = asking();
        let location = Some(Reference::new("elsewhere?x=1"));
        let outputs = world.reply(id, Response { status: redirect, location, ..Response::default() });
        let (id, asked) = request(&outputs);
        assert_eq!(asked, Request::Subscribe { url: at("/elsewhere?x=1"), set: None, restricted_to: None });
        assert_eq!(events(&world.reply(id, created(1, None))).len(), 1);
        // The next one begins at the configured URL.
        let (_, asked) = request(&world.subscribe(2));
        assert_eq!(asked.url(), &url(SERVICE));
    }
}

#[test]
fn a_redirect_to_another_server_moves_the_subscription_there() {
    // 8030-7.1-1: load is redistributed when a subscription is requested.
    let (mut world, id) = asking();
    let location = Some(Reference::new("https://two.example.net/subscribe"));
    let outputs = world.reply(id, Response { status: 307, location, ..Response::default() });
    let there = connecting(&outputs).unwrap();
    assert!(
        outputs.iter().any(|output| matches!(output, Output::Connection(_, Order::Close))),
        "nothing is left to do here"
    );
    let outputs = world.give(Input::Connection(there, Connection::Established));
    let (id, _) = request(&outputs);
    let outputs = world.reply(id, created(1, Some("/a/1")));
    let asked = requests(&outputs);
    assert_eq!((asked[0].0, asked[0].2.url()), (there, &url("https://two.example.net/a/1")));
    // A set is of its own service: another service does not get to see it.
    let outputs = world.subscribe(2);
    let here = connecting(&outputs).unwrap();
    let (_, asked) = request(&world.give(Input::Connection(here, Connection::Established)));
    assert_eq!(asked, Request::Subscribe { url: url(SERVICE), set: None, restricted_to: None });
}

#[test]
fn it_follows_no_other_redirect_and_none_that_is_insecure_or_endless() {
    //
    for redirect in [300, 301, 302, 303, 304] {
        let (mut world, id) = asking();
        let location = Some(Reference::new("/elsewhere"));
        let outputs = world.reply(id, Response { status: redirect, location, ..Response::default() });
        assert_eq!(events(&outputs)[0], failed(1, SubscribeFault::Refused(redirect)));
    }
    for location in [None, Some("http://push.example.net/subscribe"), Some("mailto:a@b")] {
        let (mut world, id) = asking();
        let location = location.map(Reference::new);
        let outputs = world.reply(id, Response { status: 307, location, ..Response::default() });
        assert_eq!(events(&outputs)[0], failed(1, SubscribeFault::Redirected));
    }
    let (mut world, mut id) = asking();
    let mut hops = 0;
    loop {
        let location = Some(Reference::new("/subscribe"));
        let outputs = world.reply(id, Response { status: 307, location, ..Response::default() });
        match requests(&outputs).first() {
            Some((_, next, _)) => id = *next,
            None => break assert_eq!(events(&outputs)[0], failed(1, SubscribeFault::Redirected)),
        }
        hops += 1;
    }
    assert_eq!(hops, config().limits.redirects);
}

#[test]
fn a_201_must_name_resources_of_the_service() {
    // 8030-4-2, 8030-4-3, 8030-3-1; 8030-4-4: what is in the clear is nothing to hand on.
    let reference = |text: &str| Some(Reference::new(text));
    let whole = created(1, Some("/a/1"));
    for response in [
        Response { location: None, ..whole.clone() },
        Response { push: None, ..whole.clone() },
        Response { status: 200, ..whole.clone() },
        Response { location: reference("https://evil.example/s/1"), ..whole.clone() },
        Response { location: reference("http://push.example.net/s/1"), ..whole.clone() },
        Response { set: reference("https://evil.example/a/1"), ..whole.clone() },
        Response { push: reference("http://push.example.net/p/1"), ..whole.clone() },
        Response { push: reference("/s/1"), ..whole.clone() },
    ] {
        let (mut world, id) = asking();
        let outputs = world.reply(id, response);
        assert_eq!(events(&outputs)[0], failed(1, SubscribeFault::Malformed));
        assert!(world.agent.subscription(Tag(1)).is_none());
    }
}

#[test]
fn a_set_that_the_service_does_not_know_is_left_out() {
    // 8030-4.1-5
    let (mut world, _) = World::monitoring();
    let (id, asked) = request(&world.subscribe(2));
    assert!(matches!(asked, Request::Subscribe { set: Some(_), .. }));
    let (id, asked) = request(&world.reply(id, status(400)));
    assert!(matches!(asked, Request::Subscribe { set: None, .. }));
    assert_eq!(events(&world.reply(id, status(400)))[0], failed(2, SubscribeFault::Refused(400)));
}

#[test]
fn retry_after_is_obeyed_as_a_delay_and_as_a_date() {
    // 8030-4.1-6, 8030-8.4-3
    let date = RetryAfter::At(UnixTime::from_secs(1_700_000_000 + 120));
    for (status, after) in [(429, RetryAfter::In(Duration::from_secs(120))), (503, date)] {
        let (mut world, id) = asking();
        let response = Response { status, retry_after: Some(after), ..Response::default() };
        assert_eq!(requests(&world.reply(id, response)), []);
        assert_eq!(requests(&world.advance(Duration::from_secs(119))), []);
        assert!(matches!(request(&world.advance(Duration::from_secs(1))).1, Request::Subscribe { .. }));
    }
}

#[test]
fn what_is_refused_is_reported_with_its_status() {
    for refused in [400, 401, 403, 404, 410, 413] {
        let (mut world, id) = asking();
        assert_eq!(events(&world.reply(id, status(refused)))[0], failed(1, SubscribeFault::Refused(refused)));
    }
}

#[test]
fn names_are_taken_once_and_there_are_only_so_many() {
    let mut config = config();
    config.limits.subscriptions = 2;
    let mut world = World::with(config, State::default());
    world.subscribe(1);
    assert_eq!(events(&world.subscribe(1)), [failed(1, SubscribeFault::Exists)]);
    world.subscribe(2);
    assert_eq!(events(&world.subscribe(3)), [failed(3, SubscribeFault::Limit)]);
}

#[test]
fn connections_to_other_services_are_limited() {
    let mut config = config();
    config.limits.connections = 1;
    let mut world = World::with(config, State::default());
    let _ = world.subscribed(1, None);
    let (id, _) = request(&world.subscribe(2));
    let location = Some(Reference::new("https://two.example.net/subscribe"));
    let outputs = world.reply(id, Response { status: 307, location, ..Response::default() });
    assert_eq!(events(&outputs), [failed(2, SubscribeFault::Limit)]);
}

#[test]
fn unsubscribing_forgets_at_once_and_is_told_until_the_service_knows() {
    // 8030-7.3-4, w3c-unsub-1, w3c-deact-1
    let (mut world, watch) = World::monitoring();
    let outputs = world.give(Input::Unsubscribe(Tag(1)));
    assert!(outputs.iter().any(|output| matches!(output, Output::Cancel(id) if *id == watch)));
    assert!(world.agent.subscription(Tag(1)).is_none());
    assert!(
        !world.saved.to_bytes().windows(13).any(|window| window == secret().expose()),
        "the keys are gone"
    );
    let (id, asked) = request(&outputs);
    assert_eq!(asked, Request::Unsubscribe { url: at("/s/1") });
    assert_eq!(asked.method(), "DELETE");

    // The network fails, then the service, then it works.
    assert_eq!(requests(&world.give(Input::Reply(id, Err(Failure::Lost)))), []);
    let (id, _) = request(&world.wake().1);
    assert_eq!(requests(&world.reply(id, status(503))), []);
    let (id, _) = request(&world.wake().1);
    assert_eq!(events(&world.reply(id, status(204))), [unsubscribed(1)]);
    assert_eq!(world.saved, State::default());
}

#[test]
fn an_end_that_was_not_told_is_told_by_the_next_run() {
    // w3c-unsub-1
    let (mut world, _) = World::monitoring();
    world.give(Input::Unsubscribe(Tag(1)));
    let state = State::from_bytes(&world.saved.to_bytes()).unwrap();
    let mut world = World::with(config(), state);
    let outputs = world.drain();
    let outputs = world.give(Input::Connection(connecting(&outputs).unwrap(), Connection::Established));
    let (id, asked) = request(&outputs);
    assert_eq!(asked, Request::Unsubscribe { url: at("/s/1") });
    let outputs = world.reply(id, status(404));
    assert_eq!(events(&outputs), [unsubscribed(1)]);
    assert!(
        outputs.iter().any(|output| matches!(output, Output::Connection(_, Order::Close))),
        "nothing is left to do"
    );
}

#[test]
fn what_is_unsubscribed_while_it_is_made_is_ended_when_it_has_a_name() {
    let (mut world, id) = asking();
    assert_eq!(events(&world.give(Input::Unsubscribe(Tag(1)))), []);
    let outputs = world.reply(id, created(1, Some("/a/1")));
    assert_eq!(request(&outputs).1, Request::Unsubscribe { url: at("/s/1") });
    assert_eq!(events(&outputs), []);

    let (mut world, id) = asking();
    world.give(Input::Unsubscribe(Tag(1)));
    assert_eq!(events(&world.reply(id, status(503)))[0], unsubscribed(1));

    // Before it was asked for, and if there is none at all.
    let mut world = World::new();
    world.subscribe(1);
    assert_eq!(events(&world.give(Input::Unsubscribe(Tag(1)))), [unsubscribed(1)]);
    assert_eq!(events(&world.give(Input::Unsubscribe(Tag(9)))), [unsubscribed(9)]);
}

#[test]
fn an_end_that_the_service_keeps_refusing_is_given_up() {
    let (mut world, _) = World::monitoring();
    let (mut id, _) = request(&world.give(Input::Unsubscribe(Tag(1))));
    for attempt in 1.. {
        let outputs = world.reply(id, status(405));
        if events(&outputs).first() == Some(&unsubscribed(1)) {
            assert_eq!(attempt, config().limits.unsubscribe_attempts);
            break;
        }
        id = request(&world.wake().1).0;
    }
}

#[test]
fn a_service_in_the_clear_is_for_development_only() {
    // 8030-8-1
    let dev = push_proto::user_agent::Config::new(url("http://localhost:8080/subscribe"));
    let mut world = World::with(dev, State::default());
    assert_eq!(events(&world.subscribed(1, Some("/a/1"))).len(), 1);
    let state = world.agent.state();
    // The same state under an https service: nothing in the clear is touched again.
    let mut world = World::with(config(), state);
    let outputs = world.drain();
    assert_eq!(events(&outputs), [Event::Subscription(Tag(1), SubscriptionEvent::Gone)]);
    assert_eq!(connecting(&outputs), None);
}

#[test]
fn nothing_that_is_printed_shows_a_capability() {
    // 8030-8.5-1, G6
    let (mut world, watch) = World::monitoring();
    let outputs = world.push(watch, 77, 1);
    let shown = format!("{:?} {:?} {outputs:?}", world.agent, world.saved);
    for secret in ["/s/1", "/p/1", "/a/1", "/m/77", "receiver keys"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let _: &PushUrl = &delivery(&outputs).url;
}
