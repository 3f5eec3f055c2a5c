//! Push resources that end or are replaced (`8030-2-2`, A-04).

use std::time::Duration;

use bytes::Bytes;
use push_proto::{
    PushUrl, Ttl,
    application_server::{
        Change, Config, Gone, Input, Job, JobId, Limits, Output, Refused, Rejection, Verdict,
    },
    user_agent::Failure,
};

use crate::world::*;

/// A job to the push resource of job 1.
fn to_first(id: u64) -> Job {
    Job { to: job(1).to, ..job(id) }
}

fn change(world: &mut World, to: PushUrl, change: Change) -> Vec<Output> {
    world.give(Input::PushResource(to, change))
}

fn one_at_a_time() -> World {
    let mut config = unsigned();
    config.limits.requests_per_origin = 1;
    World::with(config)
}

/// 8030-2-2, A-04: one request is enough to know.
#[test]
fn what_waits_for_a_push_resource_that_has_ended_gets_its_verdict_at_once() {
    for code in [404, 410] {
        let mut world = one_at_a_time();
        let id = world.sending(job(1));
        for other in [to_first(2), to_first(3), job(4)] {
            assert!(world.send(other).is_empty());
        }
        let outputs = world.reply(id, status(code));
        let gone = |id, said| (id, Verdict::Gone(Gone::Ended(said)));
        let said = Some(Rejection { status: Some(code), reason: Bytes::new() });
        assert_eq!(verdicts(&outputs), [gone(1, said.clone()), gone(2, None), gone(3, None)]);
        assert_eq!(sent(&outputs).1.to, job(4).to);
        let outputs = world.send(to_first(5));
        assert_eq!(
            (verdict(&outputs), outputs.len()),
            (Verdict::Gone(Gone::Ended(None)), 1),
            "without a request"
        );
    }
}

/// 8030-2-2: a service that was mistaken is believed again.
#[test]
fn an_end_is_forgotten_in_time_or_when_the_application_says_so() {
    let mut world = World::new();
    let id = world.sending(job(1));
    world.reply(id, status(404));
    change(&mut world, job(1).to, Change::Restored);
    let id = world.sending(to_first(2));
    world.reply(id, status(404));
    world.pass(Limits::default().ended_memory - Duration::from_secs(1));
    assert_eq!(verdict(&world.send(to_first(3))), Verdict::Gone(Gone::Ended(None)));
    world.pass(Duration::from_secs(1));
    assert_eq!(sends(&world.send(to_first(4))).len(), 1);
}

/// Of two answers that crossed, the one that took the message counts.
#[test]
fn a_push_resource_that_takes_a_message_has_not_ended() {
    let mut world = World::new();
    let (one, two) = (world.sending(job(1)), world.sending(to_first(2)));
    world.reply(one, status(404));
    world.reply(two, created(2));
    assert_eq!(sends(&world.send(to_first(3))).len(), 1);
}

#[test]
fn what_has_ended_is_remembered_of_so_many() {
    let mut config = unsigned();
    config.limits.ended = 2;
    let mut world = World::with(config);
    for id in 1..=3 {
        change(&mut world, job(id).to, Change::Ended);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(sends(&world.send(job(1))).len(), 1, "the first is forgotten first");
    assert_eq!(sends(&world.send(job(2))).len() + sends(&world.send(job(3))).len(), 0);
}

/// 8030-2-2, 8291-3.1-2: the body was for the keys of the old one.
#[test]
fn what_waits_for_a_replaced_push_resource_is_given_back() {
    let mut world = one_at_a_time();
    let id = world.sending(job(1));
    world.send(to_first(2));
    world.send(job(3));
    let outputs = change(&mut world, job(1).to, Change::Replaced);
    assert_eq!(verdicts(&outputs), [(2, Verdict::Gone(Gone::Replaced))]);
    // What was under way has its own answer; a 410 of the old one says nothing of the new one.
    let outputs = world.reply(id, status(410));
    assert_eq!(verdicts(&outputs), [(1, Verdict::Gone(Gone::Replaced))]);
    assert_eq!(sent(&outputs).1.to, job(3).to);
    assert_eq!(verdict(&world.send(to_first(4))), Verdict::Gone(Gone::Replaced));
}

/// Neither is anything sent to it again.
#[test]
fn what_was_under_way_to_a_replaced_push_resource_is_not_repeated() {
    let mut world = World::new();
    let id = world.sending(job(1));
    change(&mut world, job(1).to, Change::Replaced);
    assert_eq!(verdict(&world.fail(id, Failure::NotSent)), Verdict::Gone(Gone::Replaced));
    let mut world = World::new();
    let id = world.sending(job(2));
    change(&mut world, job(2).to, Change::Replaced);
    assert!(matches!(verdict(&world.reply(id, created(2))), Verdict::Accepted(_)));
    assert_eq!(verdict(&world.send(Job { to: job(2).to, ..job(3) })), Verdict::Gone(Gone::Replaced));
}

#[test]
fn what_is_held_back_ends_with_its_push_resource() {
    let mut world = World::new();
    let id = world.sending(job(1));
    world.reply(id, retry_after(429, 60));
    let outputs = change(&mut world, job(1).to, Change::Ended);
    assert_eq!((verdict(&outputs), world.deadline), (Verdict::Gone(Gone::Ended(None)), None));
}

/// A name in use is refused even then, and so is everything after the end.
#[test]
fn an_ended_push_resource_changes_nothing_for_refusals() {
    let mut world = World::with(Config { repeat: true, ..unsigned() });
    world.sending(job(7));
    change(&mut world, job(1).to, Change::Ended);
    let outputs = world.send(Job { id: JobId(7), ttl: Ttl::ZERO, ..job(1) });
    assert!(matches!(&outputs[..], [Output::Refused(_, Refused::Exists)]));
    world.give(Input::Close);
    assert!(change(&mut world, job(1).to, Change::Ended).is_empty());
    assert!(matches!(&world.send(job(1))[..], [Output::Refused(_, Refused::Closed)]));
}
