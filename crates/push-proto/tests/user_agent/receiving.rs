//! RFC 8030 §6, §6.1, §6.2.

use std::time::Duration;

use push_proto::user_agent::{
    Connection, Control, Discarded, Disposition, Event, Failure, Input, Order, Output, Pushed, Reference,
    Request, Response, RetryAfter, State, Tag,
};

use crate::world::*;

#[test]
fn a_message_is_delivered_and_acknowledged_once_it_is_taken() {
    // 8030-6-3, 8030-6.2-1
    let (mut world, watch) = World::monitoring();
    let outputs = world.push(watch, 1, 1);
    let message = delivery(&outputs);
    assert_eq!((message.tag, &message.url, message.content.body.len()), (Tag(1), &at("/m/1"), 3));
    assert_eq!(requests(&outputs), [], "not before the application has it");

    let (id, asked) = request(&world.dispose(message.message, Disposition::Taken));
    assert_eq!((asked.method(), &asked), ("DELETE", &acknowledge("/m/1")));
    assert!(world.reply(id, status(204)).is_empty());
    assert_eq!(world.agent.room(), config().limits.unacknowledged);
}

#[test]
fn a_released_message_is_not_acknowledged_and_comes_again() {
    // 8030-6.2-3
    let (mut world, watch) = World::monitoring();
    let message = delivery(&world.push(watch, 1, 1)).message;
    assert!(world.dispose(message, Disposition::Released).is_empty());
    let again = delivery(&world.push(watch, 1, 1)).message;
    assert_ne!(again, message);
    // The old name means nothing any more.
    assert!(world.dispose(message, Disposition::Taken).is_empty());
}

#[test]
fn a_repetition_is_not_delivered_while_held_owed_or_done() {
    // 8030-6.2-7
    let (mut world, watch) = World::monitoring();
    let message = delivery(&world.push(watch, 1, 1)).message;
    assert!(world.push(watch, 1, 1).is_empty(), "held");
    let (id, _) = request(&world.dispose(message, Disposition::Taken));
    assert!(world.push(watch, 1, 1).is_empty(), "its acknowledgement is on its way");
    assert!(world.reply(id, status(204)).is_empty());
    // The service has lost the acknowledgement: it gets it again, the application nothing.
    let outputs = world.push(watch, 1, 1);
    assert_eq!(deliveries(&outputs).len(), 0);
    assert_eq!(request(&outputs).1, acknowledge("/m/1"));
}

#[test]
fn memory_of_acknowledged_messages_is_bounded_in_number_and_time() {
    let mut config = config();
    config.limits.remembered = 2;
    config.limits.remember = Duration::from_secs(100);
    let mut world = World::with(config, State::default());
    let (watch, _) = request(&world.subscribed(1, Some("/a/1")));
    let take = |world: &mut World, number| {
        let message = delivery(&world.push(watch, number, 1)).message;
        let (id, _) = request(&world.dispose(message, Disposition::Taken));
        world.reply(id, status(204));
    };
    for number in 1..=3 {
        take(&mut world, number);
    }
    assert_eq!(deliveries(&world.push(watch, 1, 1)).len(), 1, "pushed out by the third");
    let outputs = world.push(watch, 2, 1);
    assert_eq!(deliveries(&outputs).len(), 0, "remembered");
    world.reply(request(&outputs).0, status(204));
    world.pass(Duration::from_secs(100));
    take(&mut world, 4);
    assert_eq!(deliveries(&world.push(watch, 3, 1)).len(), 1, "too long ago");
}

#[test]
fn members_are_told_apart_by_the_push_link_and_the_promise_counts_first() {
    // 8030-6.1-2, 8030-6.1-6, A-10
    let (mut world, watch) = World::monitoring();
    world.subscribed(2, Some("/a/1"));
    let link = |tag: u64| Some(Reference::new(&format!("https://push.example.net/p/{tag}")));
    for (number, promised_for, pushed_for, tag) in
        [(1, link(2), None, 2), (2, None, link(2), 2), (3, link(1), link(2), 1), (4, link(2), link(1), 2)]
    {
        let push = Pushed { promised_for, pushed_for, ..pushed(number, None) };
        assert_eq!(delivery(&world.give(Input::Pushed(watch, push))).tag, Tag(tag), "{number}");
    }
}

#[test]
fn without_a_push_link_the_only_subscription_is_meant() {
    // 8030-6-4 is a SHOULD
    let mut world = World::new();
    let (one, _) = request(&world.subscribed(1, None));
    let (two, _) = request(&world.subscribed(2, None));
    assert_eq!(delivery(&world.give(Input::Pushed(one, pushed(1, None)))).tag, Tag(1));
    assert_eq!(delivery(&world.give(Input::Pushed(two, pushed(2, None)))).tag, Tag(2));
}

#[test]
fn what_cannot_be_decrypted_is_acknowledged_and_reported() {
    // A-32, w3c-recv-1
    let (mut world, watch) = World::monitoring();
    let message = delivery(&world.push(watch, 1, 1)).message;
    let outputs = world.dispose(message, Disposition::Undecryptable);
    assert_eq!(request(&outputs).1, acknowledge("/m/1"));
    assert_eq!(events(&outputs), [Event::Discarded(Discarded::Undecryptable(Tag(1)))]);
}

#[test]
fn what_nobody_subscribed_to_is_acknowledged_and_what_is_being_left_is_dropped() {
    // A-32, w3c-deact-1
    let (mut world, watch) = World::monitoring();
    world.subscribed(2, Some("/a/1"));
    let outputs = world.push(watch, 1, 99);
    assert_eq!(request(&outputs).1, acknowledge("/m/1"));
    assert_eq!(events(&outputs), [Event::Discarded(Discarded::Unroutable)]);

    world.give(Input::Unsubscribe(Tag(2)));
    assert!(world.push(watch, 2, 2).is_empty());
    assert_eq!(deliveries(&world.push(watch, 3, 1)).len(), 1);
}

#[test]
fn unacknowledged_messages_are_bounded() {
    let mut config = config();
    config.limits.unacknowledged = 2;
    let mut world = World::with(config, State::default());
    let (watch, _) = request(&world.subscribed(1, Some("/a/1")));
    let first = delivery(&world.push(watch, 1, 1)).message;
    world.push(watch, 2, 1);
    assert_eq!(world.agent.room(), 0);
    let refused = world.push(watch, 3, 1);
    assert_eq!(events(&refused), [Event::Discarded(Discarded::NoRoom)]);
    assert_eq!((deliveries(&refused).len(), requests(&refused).len()), (0, 0));
    // Taken is not enough: the service must have heard.
    let (id, _) = request(&world.dispose(first, Disposition::Taken));
    assert_eq!(world.agent.room(), 0);
    world.reply(id, status(204));
    assert_eq!(world.agent.room(), 1);
    assert_eq!(deliveries(&world.push(watch, 3, 1)).len(), 1);
}

#[test]
fn an_acknowledgement_survives_the_connection() {
    // 8030-6.2-1, 8030-6.2-7
    let (mut world, watch) = World::monitoring();
    let message = delivery(&world.push(watch, 1, 1)).message;
    let outputs = world.dispose(message, Disposition::Taken);
    let (connection, _, _) = requests(&outputs)[0];
    world.give(Input::Connection(connection, Connection::Lost));
    let (_, outputs) = world.wake();
    let outputs = world.give(Input::Connection(connecting(&outputs).unwrap(), Connection::Established));
    let asked: Vec<_> = requests(&outputs).into_iter().map(|(_, id, request)| (id, request)).collect();
    assert_eq!(asked[0].1, monitor("/a/1"), "messages come first");
    assert_eq!(asked[1].1, acknowledge("/m/1"));
    assert!(world.push(asked[0].0, 1, 1).is_empty(), "pushed again, not delivered again");
    assert!(world.reply(asked[1].0, status(404)).is_empty());
}

#[test]
fn gone_and_refused_acknowledgements_are_done_and_failing_ones_are_tried_again() {
    for done in [200, 204, 404, 410, 403, 405, 307] {
        let (mut world, watch) = World::monitoring();
        let message = delivery(&world.push(watch, 1, 1)).message;
        let (id, _) = request(&world.dispose(message, Disposition::Taken));
        assert!(world.reply(id, status(done)).is_empty(), "{done}");
        assert_eq!(world.agent.room(), config().limits.unacknowledged, "{done}");
    }
    let (mut world, watch) = World::monitoring();
    let message = delivery(&world.push(watch, 1, 1)).message;
    let (id, _) = request(&world.dispose(message, Disposition::Taken));
    let retry_after = Some(RetryAfter::In(Duration::from_secs(20)));
    assert!(world.reply(id, Response { status: 503, retry_after, ..Response::default() }).is_empty());
    assert_eq!(requests(&world.advance(Duration::from_secs(19))), []);
    let (mut id, _) = request(&world.advance(Duration::from_secs(1)));
    // There is an end to it: the service pushes again what it still has.
    for _ in 2..config().limits.acknowledgement_attempts {
        world.give(Input::Reply(id, Err(Failure::Lost)));
        id = request(&world.wake().1).0;
    }
    world.give(Input::Reply(id, Err(Failure::Lost)));
    assert_eq!(world.agent.room(), config().limits.unacknowledged);
    assert_eq!(request(&world.push(watch, 1, 1)).1, acknowledge("/m/1"));
}

#[test]
fn a_push_from_elsewhere_or_without_success_is_no_message() {
    // 9113-8.4-3
    let (mut world, watch) = World::monitoring();
    for message in ["https://evil.example/m/1", "http://push.example.net/m/1", "mailto:a@b", "/a b"] {
        let push = Pushed { message: Reference::new(message), ..pushed(1, Some(1)) };
        let outputs = world.give(Input::Pushed(watch, push));
        assert_eq!(events(&outputs), [Event::Discarded(Discarded::Malformed)]);
        assert_eq!(outputs.len(), 1);
    }
    for status in [0, 204, 404, 410, 500] {
        assert!(world.give(Input::Pushed(watch, Pushed { status, ..pushed(1, Some(1)) })).is_empty());
    }
}

#[test]
fn a_push_may_be_whole_only_after_its_monitor_has_ended() {
    // 9113-8.4-4: promised before the end, complete after it.
    let (mut world, watch) = World::monitoring();
    world.pass(Duration::from_secs(60));
    let (next, _) = request(&world.reply(watch, status(200)));
    assert_eq!(deliveries(&world.push(watch, 1, 1)).len(), 1);
    assert_eq!(deliveries(&world.push(next, 2, 1)).len(), 1);
    let unknown = push_proto::user_agent::RequestId(9999);
    assert!(world.push(unknown, 3, 1).is_empty());
}

#[test]
fn what_is_owed_at_the_end_is_told_by_the_next_run() {
    // 8030-6.2-1, 8030-6.2-7
    let (mut world, watch) = World::monitoring();
    let one = delivery(&world.push(watch, 1, 1)).message;
    world.push(watch, 2, 1);
    world.dispose(one, Disposition::Taken);
    let mut world = World::with(config(), world.agent.state());
    let outputs = world.drain();
    let outputs = world.give(Input::Connection(connecting(&outputs).unwrap(), Connection::Established));
    let asked: Vec<Request> = requests(&outputs).into_iter().map(|(_, _, request)| request).collect();
    assert_eq!(asked, [monitor("/a/1"), acknowledge("/m/1")]);
    let (_, watch, _) = requests(&outputs)[0];
    assert!(world.push(watch, 1, 1).is_empty());
    assert_eq!(deliveries(&world.push(watch, 2, 1)).len(), 1, "was not taken");
}

#[test]
fn closing_tells_what_is_owed_and_no_more() {
    let (mut world, watch) = World::monitoring();
    let one = delivery(&world.push(watch, 1, 1)).message;
    let (id, _) = request(&world.dispose(one, Disposition::Taken));
    world.subscribe(2);
    let outputs = world.give(Input::Control(Control::Close));
    assert!(outputs.iter().any(|output| matches!(output, Output::Cancel(id) if *id == watch)));
    assert!(world.push(watch, 2, 1).is_empty(), "it comes again next time");
    let outputs = world.reply(id, status(204));
    assert!(outputs.iter().any(|output| matches!(output, Output::Connection(_, Order::Close))));
    assert_eq!(events(&outputs), [Event::Closed]);
    assert_eq!(world.agent.subscriptions().count(), 1, "closing is not unsubscribing");
    assert!(world.subscribe(3).is_empty());

    // It does not wait for ever.
    let (mut world, watch) = World::monitoring();
    let one = delivery(&world.push(watch, 1, 1)).message;
    world.dispose(one, Disposition::Taken);
    assert_eq!(events(&world.give(Input::Control(Control::Close))), []);
    let (waited, outputs) = world.wake();
    assert_eq!(waited, config().limits.close);
    assert_eq!(events(&outputs), [Event::Closed]);
    assert_ne!(world.saved, State::default());
}
