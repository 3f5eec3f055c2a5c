//! What is sent, and what the answers mean (RFC 8030 §5, §7.3; ).

use std::time::Duration;

use bytes::Bytes;
use push_proto::{
    Topic, Ttl, Urgency,
    application_server::{
        Accepted, Input, Job, JobId, Limits, Output, ReceiptRequest, Refused, Rejection, Request, Response,
        Throttled, Transient, Verdict,
    },
    user_agent::{Failure, Reference},
};

use crate::world::*;

#[test]
fn a_message_is_posted_with_all_it_has() {
    // 8030-5-1, 8030-5.2-1, 8030-5.3-1, 8030-5.4-3
    let mut world = World::new();
    let topic = Topic::parse(b"news");
    let outputs = world.send(Job { urgency: Urgency::High, topic: topic.clone(), ..job(1) });
    let (_, request) = &requests(&outputs)[0];
    assert_eq!((request.method(), request.url()), ("POST", &url("https://push.example.net/p/1")));
    let (id, send) = sent(&outputs);
    assert_eq!((send.ttl, send.urgency, send.topic), (Ttl::from_secs(600), Urgency::High, topic));
    assert_eq!((send.content, send.receipt, send.credentials), (job(1).content, ReceiptRequest::No, None));

    // 8030-5-2, A-03: a relative Location, a TTL that was cut.
    let outputs = world.reply(id, Response { ttl: Some(Ttl::from_secs(60)), ..created(7) });
    let message = Some(url("https://push.example.net/m/7"));
    let accepted = Accepted { message, ttl: Some(Ttl::from_secs(60)), receipt: false };
    assert_eq!(verdict(&outputs), Verdict::Accepted(accepted));
}

#[test]
fn the_ttl_granted_is_never_more_than_was_asked_for() {
    // 8030-5.2-7 is the service's duty; ours is not to believe more.
    for (granted, expected) in [(None, 600), (Some(599), 599), (Some(601), 600), (Some(u32::MAX), 600)] {
        let mut world = World::new();
        let id = world.sending(job(1));
        let outputs = world.reply(id, Response { ttl: granted.map(Ttl::from_secs), ..created(1) });
        let Verdict::Accepted(accepted) = verdict(&outputs) else { panic!() };
        assert_eq!(accepted.ttl, Some(Ttl::from_secs(expected)));
    }
}

#[test]
fn an_answer_that_is_final_is_final_at_once() {
    // 8030-2-2, A-04, A-19, A-33
    let name = |verdict: &Verdict| match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Gone(_) => "gone",
        Verdict::KeyMismatch(_) => "key mismatch",
        Verdict::Auth(_) => "auth",
        Verdict::Rejected(_) => "rejected",
        Verdict::Throttled(_) => "throttled",
        Verdict::Expired => "expired",
        Verdict::Transient(_) => "transient",
    };
    for (code, reason, expected) in [
        (200, "", "accepted"),
        (201, "", "accepted"),
        (202, "", "accepted"),
        (404, "", "gone"),
        (410, "", "gone"),
        (401, "", "auth"),
        (403, "", "auth"),
        (403, "vapid-key-mismatch", "key mismatch"),
        (400, "VapidPkHashMismatch", "key mismatch"),
        (400, "", "rejected"),
        (413, "", "rejected"),
        (301, "", "rejected"),
        (307, "", "rejected"),
        (308, "", "rejected"),
        (100, "", "rejected"),
    ] {
        let mut world = World::new();
        let id = world.sending(job(1));
        let location = Some(Reference::new("https://evil.example/p/1"));
        let outputs = world.reply(id, Response { location, reason: reason.into(), ..status(code) });
        assert_eq!(name(&verdict(&outputs)), expected, "{code}");
        assert_eq!(requests(&outputs).len(), 0, "{code}: nothing is repeated, no redirection is followed");
        assert_eq!(world.deadline, None);
    }
}

#[test]
fn a_reason_is_kept_in_part_and_never_printed() {
    let mut world = World::new();
    let id = world.sending(job(1));
    let reason = "sesame".repeat(1000);
    let outputs = world.reply(id, Response { reason: reason.into(), ..status(413) });
    assert!(!format!("{outputs:?}").contains("sesame"));
    let Verdict::Rejected(rejection) = verdict(&outputs) else { panic!() };
    assert_eq!((rejection.status, rejection.reason.len()), (Some(413), Limits::default().reason_octets));
}

#[test]
fn server_errors_are_retried_until_the_attempts_run_out() {
    let mut world = World::new();
    let mut id = world.sending(job(1));
    let mut waits = Vec::new();
    for _ in 1..Limits::default().attempts {
        assert_eq!(verdicts(&world.reply(id, status(500))), []);
        let (wait, outputs) = world.wake();
        waits.push(wait);
        id = sent(&outputs).0;
    }
    assert!(waits.windows(2).all(|pair| pair[1] > pair[0] / 2) && waits[4] > waits[0], "{waits:?}");
    let said = Some(Rejection { status: Some(500), reason: Bytes::new() });
    let transient = Transient { said, sent: true };
    assert_eq!(verdict(&world.reply(id, status(500))), Verdict::Transient(transient));
}

#[test]
fn what_did_not_leave_is_sent_again_and_what_may_have_arrived_only_if_it_replaces_itself() {
    let topic = Topic::parse(b"t");
    let mut world = World::new();
    let id = world.sending(job(1));
    assert_eq!(verdicts(&world.fail(id, Failure::NotSent)), []);
    let id = sent(&world.wake().1).0;
    let lost = Verdict::Transient(Transient { said: None, sent: true });
    assert_eq!(verdict(&world.fail(id, Failure::Lost)), lost);

    let id = world.sending(Job { topic, ..job(2) });
    assert_eq!(verdicts(&world.fail(id, Failure::Lost)), []);
    sent(&world.wake().1);

    let mut world = World::with(push_proto::application_server::Config { repeat: true, ..unsigned() });
    let id = world.sending(job(3));
    assert_eq!(verdicts(&world.fail(id, Failure::Lost)), []);
    sent(&world.wake().1);
}

#[test]
fn a_service_that_is_out_of_reach_is_told_from_one_that_may_have_it() {
    let mut world = World::new();
    let mut id = world.sending(job(1));
    let verdict = loop {
        let outputs = world.fail(id, Failure::NotSent);
        match verdicts(&outputs).pop() {
            Some((_, verdict)) => break verdict,
            None => id = sent(&world.wake().1).0,
        }
    };
    assert_eq!(verdict, Verdict::Transient(Transient { said: None, sent: false }));
}

#[test]
fn a_silent_service_is_cancelled_and_counts_as_lost() {
    let mut world = World::new();
    let id = world.sending(job(1));
    let (wait, outputs) = world.wake();
    assert_eq!(wait, Limits::default().response);
    assert!(matches!(outputs[0], Output::Cancel(cancelled) if cancelled == id));
    assert_eq!(verdict(&outputs), Verdict::Transient(Transient { said: None, sent: true }));
    assert!(world.reply(id, created(1)).is_empty(), "too late");
}

#[test]
fn what_waits_here_counts_against_the_ttl() {
    // 8030-5.2-1, 8030-5.2-11
    let mut world = World::new();
    let id = world.sending(job(1));
    world.reply(id, retry_after(503, 100));
    let outputs = world.advance(Duration::from_secs(100));
    assert_eq!(sent(&outputs).1.ttl, Ttl::from_secs(500));

    // It does not wait for a time at which nobody wants it any more.
    let outputs = world.reply(sent(&outputs).0, retry_after(429, 500));
    assert_eq!(
        verdict(&outputs),
        Verdict::Throttled(Throttled {
            wait: Duration::from_secs(500),
            said: Some(Rejection { status: Some(429), reason: Bytes::new() })
        })
    );
}

#[test]
fn a_message_that_never_had_its_turn_expires() {
    let mut world = World::new();
    let id = world.sending(job(1));
    world.reply(id, retry_after(503, 100));
    assert!(world.send(Job { ttl: Ttl::from_secs(10), ..job(2) }).is_empty());
    assert!(world.send(Job { ttl: Ttl::ZERO, ..job(3) }).is_empty());
    let (wait, outputs) = world.wake();
    assert_eq!((wait, verdicts(&outputs)), (Duration::from_secs(10), vec![(2, Verdict::Expired)]));
    let (wait, outputs) = world.wake();
    assert_eq!((wait, verdicts(&outputs)), (Duration::from_secs(20), vec![(3, Verdict::Expired)]));
    assert_eq!(sends(&world.wake().1).len(), 1);
}

#[test]
fn ttl_zero_is_sent_as_such_even_after_a_wait() {
    // 8030-5.2-9
    let mut world = World::new();
    let id = world.sending(Job { ttl: Ttl::ZERO, ..job(1) });
    world.reply(id, retry_after(503, 20));
    assert_eq!(sent(&world.wake().1).1.ttl, Ttl::ZERO);
}

#[test]
fn a_full_queue_gives_the_job_back() {
    let mut config = unsigned();
    (config.limits.jobs, config.limits.requests_per_origin) = (2, 1);
    let mut world = World::with(config);
    let first = world.sending(job(1));
    assert!(world.send(job(2)).is_empty());
    assert_eq!(world.sender.room(), 0);
    let outputs = world.send(job(3));
    assert!(matches!(&outputs[..], [Output::Refused(job, Refused::Jobs)] if job.id == JobId(3)));
    assert_eq!(verdicts(&world.reply(first, created(1))).len(), 1);
    assert!(matches!(&world.send(job(2))[..], [Output::Refused(_, Refused::Exists)]));
    assert!(world.send(job(3)).is_empty());
    // A verdict frees the id.
    assert_eq!(world.sender.room(), 0);
}

#[test]
fn closing_gives_every_job_its_verdict() {
    let mut config = unsigned();
    config.limits.requests_per_origin = 1;
    let mut world = World::with(config);
    let id = world.sending(job(1));
    world.send(job(2));
    let outputs = world.give(Input::Close);
    assert!(matches!(outputs[0], Output::Cancel(cancelled) if cancelled == id));
    let transient = |sent| Verdict::Transient(Transient { said: None, sent });
    assert_eq!(verdicts(&outputs), [(1, transient(true)), (2, transient(false))]);
    assert!(matches!(&world.send(job(3))[..], [Output::Refused(_, Refused::Closed)]));
    assert!(world.reply(id, created(1)).is_empty());
    assert_eq!((world.sender.room(), world.deadline), (0, None));
}

#[test]
fn nothing_that_is_printed_shows_a_capability() {
    // 8030-8.5-1, G6
    let mut world = World::new();
    let outputs = world.send(Job { topic: Topic::parse(b"private"), receipt: true, ..job(77) });
    let (id, _) = sent(&outputs);
    let accepted = world.reply(id, promised(88, "/r/99"));
    let shown = format!("{:?} {outputs:?} {accepted:?}", world.sender);
    for secret in ["/p/77", "/m/88", "/r/99", "private"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(matches!(requests(&accepted)[0].1, Request::MonitorReceipts { .. }));
}
