//! No push service keeps the messages for others waiting, whatever it asks for and however silent it is.

use std::time::Duration;

use push_proto::{
    application_server::{
        Input, Job, Limits, Notice, Output, Rejection, Response, Throttled, Transient, Verdict,
    },
    user_agent::Failure,
};

use crate::world::*;

const DAY: u64 = 24 * 3600;

fn waits(verdict: &Verdict) -> Duration {
    let Verdict::Throttled(Throttled { wait, .. }) = verdict else { panic!("{verdict:?}") };
    *wait
}

#[test]
fn who_asks_for_a_day_is_told_at_once() {
    for code in [429, 503] {
        let mut world = World::new();
        let first = world.sending(job(1));
        let waiting: Vec<_> =
            (2..40).flat_map(|id| sends(&world.send(Job { to: job(1).to, ..job(id) }))).collect();
        assert_eq!(waiting.len(), Limits::default().first_requests - 1);
        let told = world.reply(first, retry_after(code, DAY));
        for (_, verdict) in verdicts(&told) {
            assert!(waits(&verdict) >= Duration::from_secs(DAY - 1));
        }
        // All but those under way.
        assert_eq!(verdicts(&told).len(), 39 - waiting.len());
        // Whatever comes for it later as well.
        let told = world.send(Job { to: job(1).to, ..job(41) });
        assert_eq!(waits(&verdict(&told)), Duration::from_secs(DAY));
        world.sending(job_at(42, "other.example"));
    }
}

/// Of two pauses it is the one that is too long which is told.
#[test]
fn who_waits_for_a_minute_is_told_of_the_day() {
    let mut world = World::new();
    let (first, second) = (world.sending(job(1)), world.sending(job(2)));
    assert!(world.reply(first, retry_after(503, 60)).is_empty());
    let told = verdicts(&world.reply(second, retry_after(503, DAY)));
    assert_eq!(told.len(), 2);
    for (_, verdict) in told {
        assert_eq!(waits(&verdict), Duration::from_secs(DAY));
        let Verdict::Throttled(Throttled { said: Some(said), .. }) = verdict else { panic!() };
        assert_eq!(said.status, Some(503));
    }
}

#[test]
fn patience_is_for_all_the_waits_of_a_message() {
    let mut world = World::new();
    let mut id = world.sending(Job { ttl: push_proto::Ttl::MAX, ..job(1) });
    let mut waited = Duration::ZERO;
    loop {
        let outputs = world.reply(id, retry_after(503, 60));
        if !verdicts(&outputs).is_empty() {
            assert_eq!(waits(&verdict(&outputs)), Duration::from_secs(60));
            break;
        }
        let (wait, outputs) = world.wake();
        waited += wait;
        id = sent(&outputs).0;
    }
    assert!(
        waited <= Limits::default().patience && waited + Duration::from_secs(60) > Limits::default().patience
    );
}

/// What waits in the queue of a service that works is not given up for it.
#[test]
fn a_long_queue_at_a_service_that_answers_is_waited_for() {
    let mut config = unsigned();
    config.limits.requests_per_origin = 1;
    let mut world = World::with(config);
    let mut outputs = world.send(job(0));
    for id in 1..20 {
        assert!(world.send(job(id)).is_empty());
    }
    for id in 0..20 {
        let (request, _) = sent(&outputs);
        world.pass(Duration::from_secs(20));
        outputs = world.reply(request, created(id));
        assert!(matches!(verdicts(&outputs)[..], [(told, Verdict::Accepted(_))] if told == id));
    }
}

#[test]
fn a_service_that_wants_a_pause_takes_no_room_and_its_pause_is_not_forgotten() {
    let mut config = unsigned();
    config.limits.origins = 2;
    let mut world = World::with(config);
    for (id, host) in [(1, "one.example"), (2, "two.example")] {
        let request = world.sending(job_at(id, host));
        verdict(&world.reply(request, retry_after(503, DAY)));
    }
    let third = world.sending(job_at(3, "three.example"));
    verdict(&world.reply(third, created(3)));
    world.pass(Duration::from_secs(3600));
    for (id, host) in [(4, "one.example"), (5, "two.example")] {
        assert_eq!(waits(&verdict(&world.send(job_at(id, host)))), Duration::from_secs(DAY - 3600));
    }
}

#[test]
fn a_service_earns_what_may_be_under_way_at_it() {
    let mut world = World::new();
    let mut under_way: Vec<_> = (0..200).flat_map(|id| sends(&world.send(job(id)))).collect();
    let first = Limits::default().first_requests;
    assert_eq!(under_way.len(), first);
    for count in 0..100 {
        let (request, _) = under_way.remove(0);
        under_way.extend(sends(&world.reply(request, created(count))));
    }
    assert_eq!(under_way.len(), Limits::default().requests_per_origin);
    // Faults of its own take half of it away.
    for _ in 0..2 {
        let (request, _) = under_way.remove(0);
        under_way.extend(sends(&world.reply(request, status(500))));
    }
    let left = under_way.len() - 1;
    let (request, _) = under_way.remove(0);
    assert!(sends(&world.reply(request, created(1))).is_empty());
    assert_eq!(under_way.len(), left);
}

/// Eight services that say nothing had all requests once.
#[test]
fn silent_services_leave_room_for_others() {
    let limits = Limits::default();
    let mut world = World::new();
    let mut taken = 0;
    for host in 0..200 {
        for id in 0..20 {
            taken += sends(&world.send(job_at(host * 20 + id, &format!("silent{host}.example")))).len();
        }
    }
    assert_eq!(taken, 200 + limits.requests / 4);
    let request = world.sending(job_at(9000, "works.example"));
    let mut outputs = world.reply(request, created(1));
    for id in 9001..9100 {
        outputs.extend(world.send(job_at(id, "works.example")));
    }
    assert!(sends(&outputs).len() > limits.first_requests);
    // Their time runs out, and what is behind it gets its turn.
    let (_, outputs) = world.wake();
    assert!(outputs.iter().any(|output| matches!(output, Output::Cancel(_))));
    assert!(sends(&outputs).len() >= taken);
}

#[test]
fn no_more_are_under_way_than_the_service_takes_at_once() {
    let mut world = World::new();
    let request = world.sending(job(0));
    let origin = job(0).to.origin();
    world.give(Input::Room(origin.clone(), 2));
    let mut outputs = world.reply(request, created(0));
    for id in 1..20 {
        outputs.extend(world.send(job(id)));
    }
    assert_eq!(sends(&outputs).len(), 2);
    // It may change its mind, and none at all is no reason to stop for ever.
    assert_eq!(sends(&world.give(Input::Room(origin.clone(), 3))).len(), 1);
    world.give(Input::Room(origin, 0));
    let all: Vec<_> = sends(&outputs).into_iter().map(|(id, _)| id).collect();
    for id in all {
        assert!(sends(&world.reply(id, created(1))).is_empty());
    }
}

#[test]
fn what_must_not_be_connected_to_is_refused_at_once() {
    let mut world = World::new();
    let id = world.sending(job(1));
    let Verdict::Rejected(Rejection { status: None, reason }) = verdict(&world.fail(id, Failure::Forbidden))
    else {
        panic!()
    };
    assert!(String::from_utf8_lossy(&reason).contains("may not be connected to"));
    world.sending(job(2));
}

#[test]
fn what_cannot_be_reached_for_long_is_told_at_once() {
    let mut config = unsigned();
    config.limits.backoff.first = Duration::from_secs(400);
    config.limits.backoff.longest = Duration::from_secs(400);
    let mut world = World::with(config);
    let id = world.sending(job(1));
    let unsent = Verdict::Transient(Transient { said: None, sent: false });
    assert_eq!(verdict(&world.fail(id, Failure::NotSent)), unsent);
    assert_eq!(verdict(&world.send(job(2))), unsent);
}

#[test]
fn a_channel_of_wns_that_gets_too_much_concerns_nobody_else() {
    let mut world = World::new();
    let id = world.sending(job(1));
    let response = Response { notice: Some(Notice::ResourceThrottled), ..retry_after(406, 60) };
    assert!(world.reply(id, response).is_empty());
    world.sending(job(2));
}

#[test]
fn at_once_is_not_all_attempts_in_one_moment() {
    let mut world = World::new();
    let id = world.sending(job(1));
    assert!(world.reply(id, retry_after(503, 0)).is_empty());
    let (wait, outputs) = world.wake();
    assert!(wait >= Limits::default().backoff.first / 2, "{wait:?}");
    sent(&outputs);
}
