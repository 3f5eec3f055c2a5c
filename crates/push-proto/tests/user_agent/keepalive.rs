//! How long a connection may be silent (8030-3-3).

use std::time::Duration;

use push_proto::user_agent::{
    Connection, ConnectionEvent, ConnectionId, Control, Disposition, Event, Input, Keepalive, Output, Reason,
    State,
};

use crate::world::*;

/// Waits for the next question; gives the connection and how long it was silent.
fn asked(world: &mut World) -> (ConnectionId, Duration) {
    assert_eq!(world.reason, Reason::Keepalive);
    let (silence, outputs) = world.wake();
    let asked = pings(&outputs);
    assert_eq!((asked.len(), outputs.len()), (1, 1), "{outputs:?}");
    (asked[0], silence)
}

/// The next `times` questions are answered at once; the silences before them.
fn survive(world: &mut World, times: usize) -> Vec<Duration> {
    let survive = |_| {
        let (id, silence) = asked(world);
        world.give(Input::Connection(id, Connection::Alive));
        silence
    };
    (0..times).map(survive).collect()
}

/// The next question is not answered; gives the silence before it. Ends with a new connection.
fn die(world: &mut World) -> Duration {
    let (id, silence) = asked(world);
    let (waited, outputs) = world.wake();
    assert_eq!(waited, asking().limits.pong, "the answer has its time");
    assert_eq!(closes(&outputs), [id]);
    let offline = |event: &Event| matches!(event, Event::Connection(_, ConnectionEvent::Offline(_)));
    assert!(events(&outputs).iter().any(offline));
    reconnect(world);
    silence
}

fn reconnect(world: &mut World) {
    let (_, outputs) = world.wake();
    let (_, outputs) = world.establish(&outputs);
    assert_eq!(request(&outputs).1, monitor("/a/1"));
}

/// Whether a silence is that one, up to an eighth shorter by jitter.
fn is_about(silence: Duration, whole: Duration) -> bool {
    silence <= whole && silence >= whole - whole / 8
}

fn bounds() -> Keepalive {
    asking().limits.keepalive
}

/// 8030-3-3: it begins with what is safe, dares more while that goes well, and stays far below 2 h 4 min.
#[test]
fn questions_grow_rarer_while_silence_is_survived() {
    let (mut world, _) = World::monitoring_with(asking());
    let silences = survive(&mut world, 24);
    assert!(is_about(silences[0], bounds().first), "{silences:?}");
    for (one, next) in silences.iter().zip(&silences[1..]) {
        assert!(*next > *one || is_about(*next, bounds().longest), "{silences:?}");
    }
    assert!(is_about(silences[23], bounds().longest), "{silences:?}");
    assert!(bounds().longest * 4 <= Duration::from_secs(124 * 60));
}

#[test]
fn a_silence_that_kills_is_not_tried_again_soon() {
    let (mut world, _) = World::monitoring_with(asking());
    let survived = survive(&mut world, 5);
    let killed = die(&mut world);
    assert!(killed > survived[4]);
    // The last that was good, and nothing else, until it has been good for long enough.
    let good = bounds().first.mul_f64(1.5_f64.powi(4));
    let patient = survive(&mut world, bounds().patience as usize);
    assert!(patient.iter().all(|silence| is_about(*silence, good)), "{patient:?} {good:?}");
    let (_, daring) = asked(&mut world);
    assert!(is_about(daring, good.mul_f64(1.5)), "{daring:?}");
}

#[test]
fn what_was_good_and_is_not_any_more_is_halved_down_to_the_shortest() {
    let (mut world, _) = World::monitoring_with(asking());
    survive(&mut world, 3);
    die(&mut world);
    let mut silences: Vec<Duration> = (0..6).map(|_| die(&mut world)).collect();
    assert!(silences.windows(2).all(|pair| pair[1] < pair[0] || is_about(pair[1], bounds().shortest)));
    assert!(is_about(silences.pop().unwrap(), bounds().shortest));
}

#[test]
fn a_connection_lost_in_a_silence_beyond_the_known_counts_like_one_that_did_not_answer() {
    let (mut world, _) = World::monitoring_with(asking());
    let good = *survive(&mut world, 4).last().unwrap();
    let id = ConnectionId(0);
    world.pass(good + Duration::from_secs(30));
    world.give(Input::Connection(id, Connection::Lost));
    reconnect(&mut world);
    let (_, silence) = asked(&mut world);
    assert!(silence <= bounds().first.mul_f64(1.5_f64.powi(3)), "{silence:?}");

    // Sooner than what was survived before it is about something else, such as a service that was restarted.
    let (mut world, _) = World::monitoring_with(asking());
    let good = *survive(&mut world, 4).last().unwrap();
    world.pass(good / 2);
    world.give(Input::Connection(id, Connection::Lost));
    reconnect(&mut world);
    assert!(asked(&mut world).1 > good);
}

#[test]
fn a_device_that_slept_learns_nothing_from_it() {
    let (mut world, _) = World::monitoring_with(asking());
    survive(&mut world, 4);
    let outputs = world.advance(Duration::from_secs(8 * 3600));
    assert_eq!(pings(&outputs).len(), 1);
    world.wake();
    reconnect(&mut world);
    assert!(is_about(asked(&mut world).1, bounds().first.mul_f64(1.5_f64.powi(4))));
}

#[test]
fn what_is_heard_is_no_silence_and_gives_an_answer_more_time() {
    let (mut world, watch) = World::monitoring_with(asking());
    world.pass(Duration::from_secs(40));
    let message = delivery(&world.push(watch, 1, 1)).message;
    let (id, _) = request(&world.dispose(message, Disposition::Taken));
    world.pass(Duration::from_secs(5));
    assert!(world.reply(id, status(204)).is_empty());
    let (asked_id, silence) = asked(&mut world);
    assert!(is_about(silence, bounds().first), "{silence:?}");
    world.pass(Duration::from_secs(15));
    world.push(watch, 2, 1);
    assert_eq!(world.deadline.unwrap().since(world.now.mono), asking().limits.pong);
    // An answer to nothing is nothing.
    world.give(Input::Connection(asked_id, Connection::Alive));
    let planned = world.deadline;
    assert!(world.give(Input::Connection(asked_id, Connection::Alive)).is_empty());
    assert_eq!(world.deadline, planned);
}

/// A silence begins with the last that was heard, however long the connection has been up.
#[test]
fn a_busy_connection_that_falls_silent_has_not_been_silent_for_long() {
    let (mut world, watch) = World::monitoring_with(asking());
    for number in 0..8 {
        world.pass(Duration::from_secs(50));
        world.push(watch, number, 1);
    }
    assert!(is_about(die(&mut world), bounds().first));
    assert!(is_about(asked(&mut world).1, bounds().first / 2), "what began as safe was not");
}

/// The state keeps what was learned, and the next run begins with it.
#[test]
fn what_was_learned_is_kept() {
    let (mut world, _) = World::monitoring_with(asking());
    survive(&mut world, 5);
    let good = bounds().first.mul_f64(1.5_f64.powi(4));
    let state = State::from_bytes(&world.saved.to_bytes()).unwrap();
    assert_eq!(state, world.agent.state());
    let mut next = World::with(asking(), state);
    let outputs = next.drain();
    next.establish(&outputs);
    assert!(is_about(asked(&mut next).1, good));

    // It survives a closing, and tighter bounds are obeyed.
    world.give(Input::Control(Control::Close));
    let mut config = asking();
    config.limits.keepalive.longest = Duration::from_secs(100);
    let mut last = World::with(config, world.saved.clone());
    let outputs = last.drain();
    last.establish(&outputs);
    assert!(is_about(asked(&mut last).1, Duration::from_secs(100)));
}

/// A second death halves what is known, and that is kept too.
#[test]
fn what_turned_out_wrong_is_kept_as_well() {
    let (mut world, _) = World::monitoring_with(asking());
    survive(&mut world, 3);
    die(&mut world);
    let before = world.saved.clone();
    let (id, _) = asked(&mut world);
    let outputs = world.give(Input::Connection(id, Connection::Lost));
    assert!(outputs.iter().any(|output| matches!(output, Output::Save(_))));
    assert_ne!(world.saved, before);
}
