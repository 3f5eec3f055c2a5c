//! A service that drains its connections (8030-7.1-2, RFC 9113 §6.8).

use push_proto::user_agent::{
    Connection, ConnectionEvent, ConnectionId, Control, Disposition, Event, Failure, Input, RequestId,
};

use crate::world::*;

/// A monitor on a connection that has lived long and drains now.
fn draining() -> (World, ConnectionId, RequestId) {
    let (mut world, watch) = World::monitoring();
    world.pass(config().limits.stable);
    let old = ConnectionId(0);
    assert!(world.give(Input::Connection(old, Connection::Draining)).is_empty(), "no failure is told");
    (world, old, watch)
}

/// 8030-7.1-2: the monitor moves to the next connection, and the old one ends after that.
#[test]
fn a_monitor_moves_before_the_old_connection_ends() {
    let (mut world, old, watch) = draining();
    let (wait, outputs) = world.wake();
    assert!(wait <= config().limits.move_within);
    assert_eq!(closes(&outputs), []);
    // Until then what comes on the old one is welcome.
    let one = delivery(&world.push(watch, 1, 1)).message;
    let (new, outputs) = world.establish(&outputs);
    assert_eq!(request(&outputs).1, monitor("/a/1"));
    let next = request(&outputs).0;
    assert_eq!(requests(&outputs)[0].0, new);

    // What was under way on the old one arrives; what comes on both is delivered once.
    let two = delivery(&world.push(watch, 2, 1)).message;
    assert!(world.push(next, 2, 1).is_empty() && world.push(next, 1, 1).is_empty());
    let outputs = world.reply(watch, status(200));
    assert_eq!((closes(&outputs).as_slice(), outputs.len()), ([old].as_slice(), 1), "and no other monitor");
    for message in [one, two] {
        assert_eq!(requests(&world.dispose(message, Disposition::Taken))[0].0, new);
    }
}

#[test]
fn what_was_asked_on_the_old_connection_may_be_answered_there() {
    let (mut world, watch) = World::monitoring();
    world.pass(config().limits.stable);
    let message = delivery(&world.push(watch, 1, 1)).message;
    let (taken, _) = request(&world.dispose(message, Disposition::Taken));
    let old = ConnectionId(0);
    world.give(Input::Connection(old, Connection::Draining));
    let (_, outputs) = world.wake();
    let (_, outputs) = world.establish(&outputs);
    assert_eq!(request(&outputs).1, monitor("/a/1"), "the acknowledgement is not repeated");
    assert_eq!(closes(&world.reply(watch, status(200))), []);
    assert_eq!(closes(&world.reply(taken, status(204))), [old]);
    assert_eq!(world.agent.room(), config().limits.unacknowledged);
}

#[test]
fn what_the_old_connection_did_not_answer_is_asked_on_the_new() {
    let (mut world, watch) = World::monitoring();
    world.pass(config().limits.stable);
    let message = delivery(&world.push(watch, 1, 1)).message;
    world.dispose(message, Disposition::Taken);
    let old = ConnectionId(0);
    world.give(Input::Connection(old, Connection::Draining));
    let (_, outputs) = world.wake();
    world.establish(&outputs);
    let outputs = world.give(Input::Connection(old, Connection::Lost));
    assert_eq!(request(&outputs).1, acknowledge("/m/1"));
    assert_eq!(events(&outputs), [], "nothing is offline");
    assert!(world.reply(watch, status(404)).is_empty(), "its answer means nothing any more");
    assert_eq!(world.agent.subscriptions().count(), 1);
}

#[test]
fn an_old_connection_that_lingers_is_ended() {
    let (mut world, old, _) = draining();
    let (_, outputs) = world.wake();
    world.establish(&outputs);
    let (wait, outputs) = world.wake();
    assert_eq!((wait, closes(&outputs)), (config().limits.drain, vec![old]));
    // And one for which there is no successor.
    let (mut world, old, _) = draining();
    let (_, outputs) = world.wake();
    let next = connecting(&outputs).unwrap();
    world.give(Input::Connection(next, Connection::Lost));
    let outputs = world.advance(config().limits.drain);
    assert!(closes(&outputs).contains(&old));
}

/// At most one old connection for each service.
#[test]
fn a_second_drain_ends_the_first() {
    let (mut world, old, _) = draining();
    let (_, outputs) = world.wake();
    let (new, _) = world.establish(&outputs);
    let outputs = world.give(Input::Connection(new, Connection::Draining));
    assert_eq!(closes(&outputs), [old]);
    // It was young, so the next one waits.
    let (wait, outputs) = world.wake();
    assert!(wait >= config().limits.backoff.first / 2);
    assert!(connecting(&outputs).is_some());
}

#[test]
fn a_service_that_drains_every_connection_is_no_hot_loop() {
    let (mut world, _) = World::monitoring();
    let (mut id, mut waits) = (ConnectionId(0), Vec::new());
    for _ in 0..8 {
        world.give(Input::Connection(id, Connection::Draining));
        let before = world.now.mono;
        let outputs = loop {
            let (_, outputs) = world.wake();
            if connecting(&outputs).is_some() {
                break outputs;
            }
        };
        waits.push(world.now.mono.since(before));
        id = world.establish(&outputs).0;
    }
    assert!(waits[7] > waits[0] * 16, "{waits:?}");
}

/// The reset of a stream that GOAWAY left out is no failure of the monitor: it goes on where the connection goes.
#[test]
fn a_monitor_that_the_service_never_saw_is_asked_again() {
    let (mut world, _, watch) = draining();
    assert_eq!(requests(&world.give(Input::Reply(watch, Err(Failure::NotSent)))), []);
    let mut asked = Vec::new();
    while asked.is_empty() {
        let (_, outputs) = world.wake();
        asked = requests(&outputs);
        if let Some(id) = connecting(&outputs) {
            asked = requests(&world.give(Input::Connection(id, Connection::Established)));
        }
    }
    assert_eq!(asked[0].2, monitor("/a/1"));
}

#[test]
fn closing_ends_the_old_connection_too() {
    let (mut world, old, _) = draining();
    let (_, outputs) = world.wake();
    let (new, _) = world.establish(&outputs);
    let outputs = world.give(Input::Control(Control::Close));
    let mut closed = closes(&outputs);
    closed.sort_unstable();
    assert_eq!(closed, [old, new]);
    assert!(
        !events(&outputs)
            .iter()
            .any(|event| matches!(event, Event::Connection(_, ConnectionEvent::Offline(_))))
    );
}
