//! A service that cannot push to us.

use std::time::Duration;

use push_proto::Via;
use push_proto::user_agent::{
    Connection, ConnectionId, Disposition, Event, Input, MonitorFault, Request, RequestId,
};

use crate::world::*;

fn streamed(path: &str) -> Request {
    Request::Monitor { url: at(path), via: Via::Stream, urgency: None }
}

/// A monitor by a stream, after push was refused.
fn streaming() -> (World, RequestId) {
    let (mut world, watch) = World::monitoring();
    let outputs = world.reply(watch, status(406));
    assert_eq!(events(&outputs), [], "no fault yet");
    let (watch, asked) = request(&outputs);
    assert_eq!(asked, streamed("/a/1"));
    (world, watch)
}

/// 406 to push is no end: the same monitor as a stream, at once.
#[test]
fn where_nothing_can_be_pushed_a_stream_is_asked_for() {
    let (mut world, watch) = streaming();
    let message = delivery(&world.push(watch, 1, 1)).message;
    let (id, asked) = request(&world.dispose(message, Disposition::Taken));
    assert_eq!(asked, acknowledge("/m/1"));
    world.reply(id, status(204));
    // Everything else of that service is monitored so as well, and what ends in peace is reopened so.
    assert_eq!(request(&world.subscribed(2, Some("/a/2"))).1, streamed("/a/2"));
    world.pass(Duration::from_secs(60));
    assert_eq!(request(&world.reply(watch, status(200))).1, streamed("/a/1"));
}

/// the fault is told once, and both ways are tried again.
#[test]
fn a_service_that_has_neither_is_named_once_and_asked_again() {
    let (mut world, watch) = streaming();
    let outputs = world.reply(watch, status(406));
    assert_eq!(events(&outputs), [Event::MonitorFailed(MonitorFault::PushUnsupported)]);
    assert_eq!(requests(&outputs), []);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let (wait, outputs) = world.wake();
        waits.push(wait);
        let (push, asked) = request(&outputs);
        assert_eq!(asked, monitor("/a/1"));
        let (stream, asked) = request(&world.reply(push, status(406)));
        assert_eq!(asked, streamed("/a/1"));
        let outputs = world.reply(stream, status(406));
        assert_eq!(events(&outputs), []);
    }
    assert!(waits[5] > waits[0] * 4, "{waits:?}");
    // What comes in spite of it makes it good.
    let (push, _) = request(&world.wake().1);
    world.push(push, 1, 1);
    assert_eq!(events(&world.reply(push, status(403))), [Event::MonitorFailed(MonitorFault::Refused(403))]);
}

/// Other ends of a stream mean what they mean without one.
#[test]
fn a_stream_ends_like_any_monitor() {
    let (mut world, watch) = streaming();
    let outputs = world.reply(watch, status(503));
    assert_eq!(events(&outputs), [Event::MonitorFailed(MonitorFault::Busy(503))]);
    let (watch, asked) = request(&world.wake().1);
    assert_eq!(asked, streamed("/a/1"));
    world.reply(watch, status(404));
    assert_eq!(world.agent.subscriptions().count(), 0, "8030-7.3-2");
}

#[test]
fn push_is_tried_again_by_a_new_connection_after_a_while() {
    let reconnected = |world: &mut World, id: ConnectionId| {
        world.give(Input::Connection(id, Connection::Lost));
        let (_, outputs) = world.wake();
        let (id, outputs) = world.establish(&outputs);
        (id, request(&outputs).1)
    };
    let (mut world, _) = streaming();
    world.pass(config().limits.stream / 2);
    let (id, asked) = reconnected(&mut world, ConnectionId(0));
    assert_eq!(asked, streamed("/a/1"));
    world.pass(config().limits.stream / 2);
    let (_, asked) = reconnected(&mut world, id);
    assert_eq!(asked, monitor("/a/1"));
}
