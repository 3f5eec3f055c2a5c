//! Each push service at its own pace (RFC 8030 §8.4).

use std::{collections::BTreeSet, time::Duration};

use push_proto::{
    UnixTime, Urgency,
    application_server::{Config, Job, Limits, Output, Refused, Response, Verdict},
    user_agent::{Failure, RetryAfter},
};

use crate::world::*;

#[test]
fn a_503_pauses_that_service_and_no_other() {
    // 8030-8.4-3: both forms of Retry-After.
    for after in [RetryAfter::In(Duration::from_secs(60)), RetryAfter::At(UnixTime::from_secs(1_700_000_060))]
    {
        let mut world = World::new();
        let id = world.sending(job(1));
        world.reply(id, Response { retry_after: Some(after), ..status(503) });
        assert!(world.send(job(2)).is_empty(), "the pause is for all its messages");
        let other = world.sending(job_at(3, "other.example"));
        world.reply(other, created(3));
        assert!(world.advance(Duration::from_secs(30)).is_empty());
        assert_eq!(sends(&world.advance(Duration::from_secs(30))).len(), 2);
    }
}

/// Never sooner than told (8030-8.4-3), and not all in one moment.
#[test]
fn who_was_told_the_same_comes_at_different_times() {
    let spread = Limits::default().spread;
    let after = |told: u64, seed: u8| {
        let mut world = World::seeded(Config::default(), seed);
        let id = world.sending(job(1));
        world.reply(id, retry_after(503, told));
        world.wake().0
    };
    for (told, most) in [
        (1, Duration::from_millis(125)),
        (60, Duration::from_millis(7500)),
        (120, Duration::from_millis(15_000)),
    ] {
        let waits: BTreeSet<_> = (0..50).map(|seed| after(told, seed)).collect();
        assert!(most <= spread && waits.len() > 40, "{waits:?}");
        let told = Duration::from_secs(told);
        assert!(waits.iter().all(|wait| (told..=told + most).contains(wait)), "{waits:?}");
    }
    // However long the wait, the spread is not.
    let mut config = Config::default();
    config.limits.patience = Duration::from_secs(24 * 3600);
    config.limits.spread = Duration::from_secs(2);
    let mut world = World::with(config);
    let id = world.sending(Job { ttl: push_proto::Ttl::MAX, ..job(1) });
    world.reply(id, retry_after(503, 3600));
    let wait = world.wake().0;
    assert!((Duration::from_secs(3600)..=Duration::from_secs(3602)).contains(&wait), "{wait:?}");
}

/// A job to the push resource of job 1.
fn job_to_first(id: u64) -> Job {
    Job { to: job(1).to, ..job(id) }
}

#[test]
fn a_429_holds_its_push_resource_and_no_other() {
    // 8030-8.4-2, 8030-8.4-3
    for after in [RetryAfter::In(Duration::from_secs(60)), RetryAfter::At(UnixTime::from_secs(1_700_000_060))]
    {
        let mut config = unsigned();
        config.limits.requests_per_origin = 3;
        let mut world = World::with(config);
        let (first, second) = (world.sending(job(1)), world.sending(job_to_first(2)));
        let another = world.sending(job(3));
        // These wait for their turn, one of them for the resource that is about to say no.
        assert!(world.send(job_to_first(4)).is_empty());
        assert!(world.send(job(5)).is_empty());
        let outputs = world.reply(first, Response { retry_after: Some(after), ..status(429) });
        let (fifth, send) = sent(&outputs);
        assert_eq!(send.to, job(5).to, "what was held takes no turn");
        // One that was under way gets its answer.
        assert!(matches!(verdict(&world.reply(second, created(2))), Verdict::Accepted(_)));
        world.reply(another, created(3));
        world.reply(fifth, created(5));
        assert!(world.send(job_to_first(6)).is_empty());
        let seventh = world.sending(job(7));
        world.reply(seventh, created(7));
        assert!(world.advance(Duration::from_secs(59)).is_empty());
        let outputs = world.advance(Duration::from_secs(1));
        let due: Vec<_> = sends(&outputs).into_iter().map(|(_, send)| send.to).collect();
        assert_eq!(due, [job(1).to, job(1).to, job(1).to]);
    }
}

#[test]
fn push_resources_that_are_held_are_bounded() {
    let mut config = unsigned();
    config.limits.held = 2;
    let mut world = World::with(config);
    for (number, wait) in [(1, 50), (2, 40), (3, 60)] {
        let id = world.sending(job(number));
        world.reply(id, retry_after(429, wait));
    }
    // The second would have been free first.
    let to = |id, of| Job { to: job(of).to, ..job(id) };
    assert!(world.send(to(11, 1)).is_empty());
    assert_eq!(sends(&world.send(to(12, 2))).len(), 1);
    assert!(world.send(to(13, 3)).is_empty());
}

#[test]
fn what_waits_for_a_push_resource_ends_with_its_ttl() {
    let mut world = World::new();
    let id = world.sending(job(1));
    world.reply(id, retry_after(429, 100));
    assert!(world.send(Job { ttl: push_proto::Ttl::from_secs(10), ..job_to_first(2) }).is_empty());
    let (wait, outputs) = world.wake();
    assert_eq!((wait, verdicts(&outputs)), (Duration::from_secs(10), vec![(2, Verdict::Expired)]));
}

#[test]
fn throttling_without_a_date_backs_off_and_ends() {
    let mut world = World::new();
    let mut id = world.sending(job(1));
    for _ in 1..Limits::default().attempts {
        assert_eq!(verdicts(&world.reply(id, status(429))), []);
        id = sent(&world.wake().1).0;
    }
    assert!(
        matches!(verdict(&world.reply(id, status(429))), Verdict::Throttled(throttled) if !throttled.wait.is_zero())
    );
}

#[test]
fn a_406_with_a_date_pauses_the_service() {
    let mut world = World::new();
    let id = world.sending(job(1));
    world.reply(id, retry_after(406, 40));
    assert!(world.send(job(2)).is_empty());
    assert_eq!(world.wake().0, Duration::from_secs(40));
}

#[test]
fn sends_in_flight_are_bounded_for_each_service_and_over_all() {
    let mut config = unsigned();
    (config.limits.requests_per_origin, config.limits.requests) = (2, 3);
    let mut world = World::with(config);
    let mut sent = Vec::new();
    for id in 0..4 {
        sent.extend(sends(&world.send(job(id))));
    }
    assert_eq!(sent.len(), 2);
    for id in 4..8 {
        sent.extend(sends(&world.send(job_at(id, "other.example"))));
    }
    assert_eq!(sent.len(), 3);
    // In turns: the service that has waited longer is first.
    let outputs = world.reply(sent[2].0, created(1));
    let next = sends(&outputs);
    assert_eq!(next.len(), 1);
    let outputs = world.reply(sent[0].0, created(2));
    assert_eq!(sends(&outputs).len(), 1);
    assert_ne!(sends(&outputs)[0].1.to.host(), next[0].1.to.host());
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let mut config = unsigned();
    config.limits.requests_per_origin = 1;
    let mut world = World::with(config);
    let mut outputs = world.send(job(9));
    for id in [5, 7, 1] {
        world.send(job(id));
    }
    let mut order = Vec::new();
    while let Some((id, send)) = sends(&outputs).first() {
        order.push(send.to.path_and_query().to_owned());
        outputs = world.reply(*id, created(1));
    }
    assert_eq!(order, ["/p/9", "/p/5", "/p/7", "/p/1"]);
}

#[test]
fn failures_to_connect_pause_the_service_once_for_all_that_failed_together() {
    let mut config = unsigned();
    config.limits.first_requests = 10;
    let mut world = World::with(config);
    let ids: Vec<_> = (0..10).map(|id| world.sending(job(id))).collect();
    for id in ids {
        assert_eq!(verdicts(&world.fail(id, Failure::NotSent)), []);
    }
    let (wait, outputs) = world.wake();
    assert!(wait <= Limits::default().backoff.first, "{wait:?}");
    assert_eq!(sends(&outputs).len(), 10);
    // The next time it takes longer; a success forgets it.
    for (id, _) in sends(&outputs) {
        world.fail(id, Failure::NotSent);
    }
    let (wait, outputs) = world.wake();
    assert!(wait >= Limits::default().backoff.first);
    for (id, _) in sends(&outputs) {
        world.reply(id, created(1));
    }
    let id = world.sending(job(99));
    world.fail(id, Failure::NotSent);
    assert!(world.wake().0 <= Limits::default().backoff.first);
}

#[test]
fn push_services_are_bounded_and_an_idle_one_makes_room() {
    let mut config = unsigned();
    config.limits.origins = 2;
    let mut world = World::with(config);
    let one = world.sending(job_at(1, "one.example"));
    world.sending(job_at(2, "two.example"));
    let outputs = world.send(job_at(3, "three.example"));
    assert!(matches!(&outputs[..], [Output::Refused(_, Refused::Origins)]));
    world.reply(one, created(1));
    assert_eq!(sends(&world.send(job_at(3, "three.example"))).len(), 1);
    assert!(matches!(&world.send(job_at(4, "one.example"))[..], [Output::Refused(..)]));
}

#[test]
fn an_endless_pause_ends_with_the_ttl() {
    let mut world = World::new();
    let id = world.sending(job(1));
    let outputs =
        world.reply(id, Response { retry_after: Some(RetryAfter::In(Duration::MAX)), ..status(503) });
    assert!(matches!(verdict(&outputs), Verdict::Throttled(_)));
    // The pause is bounded too.
    let Verdict::Throttled(throttled) = verdict(&world.send(job(2))) else { panic!() };
    assert_eq!(throttled.wait, Limits::default().retry_after);
    world.pass(Limits::default().retry_after);
    world.sending(job(3));
}

/// The numbers of the jobs in the order in which they are sent, one at a time; each is answered after `each` was run.
fn order(world: &mut World, mut outputs: Vec<Output>, mut each: impl FnMut(&mut World)) -> Vec<String> {
    let mut order = Vec::new();
    while let Some((id, send)) = sends(&outputs).first() {
        order.push(send.to.path_and_query().trim_start_matches("/p/").to_owned());
        each(world);
        outputs = world.reply(*id, created(1));
    }
    order
}

#[test]
fn the_most_urgent_goes_first() {
    // 8030-5.3-1: it matters before a message leaves as well.
    let mut config = unsigned();
    config.limits.requests_per_origin = 1;
    let mut world = World::with(config);
    let outputs = world.send(job(0));
    for (id, urgency) in [(1, Urgency::VeryLow), (2, Urgency::Low), (3, Urgency::Normal), (4, Urgency::High)]
    {
        world.send(Job { urgency, ..job(id) });
    }
    world.send(Job { urgency: Urgency::High, receipt: true, ..job(5) });
    assert_eq!(order(&mut world, outputs, |_| {}), ["0", "4", "5", "3", "2", "1"]);
}

#[test]
fn no_stream_of_urgent_messages_starves_the_others() {
    let mut config = unsigned();
    config.limits.requests_per_origin = 1;
    let mut world = World::with(config);
    let outputs = world.send(job(0));
    world.send(Job { urgency: Urgency::VeryLow, ..job(1) });
    let mut next = 100;
    let order = order(&mut world, outputs, |world| {
        if next < 120 {
            world.send(Job { urgency: Urgency::High, ..job(next) });
            next += 1;
        }
    });
    assert_eq!(order.iter().position(|number| number == "1"), Some(7), "{order:?}");
}

#[test]
fn a_slow_service_does_not_starve_another() {
    let mut config = unsigned();
    (config.limits.requests_per_origin, config.limits.requests) = (2, 3);
    let mut world = World::with(config);
    for id in 0..50 {
        world.send(Job { urgency: Urgency::High, ..job_at(id, "slow.example") });
    }
    let mut outputs = world.send(Job { urgency: Urgency::VeryLow, ..job_at(100, "fast.example") });
    for id in 101..110 {
        let (request, send) = sent(&outputs);
        assert_eq!(send.to.host(), "fast.example");
        world.reply(request, created(id));
        outputs = world.send(job_at(id, "fast.example"));
    }
}
