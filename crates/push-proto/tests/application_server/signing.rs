//! VAPID tokens (RFC 8292 §2, §5).

use std::time::Duration;

use push_proto::{
    UnixTime,
    application_server::{Audience, Config, Credentials, Input, Job, Limits, Output, Token, Verdict},
};

use push_crypto::PublicKey;

use crate::world::{GENERATOR, World, sends, signatures, verdict, verdicts};

/// The point opposite to the generator.
const OPPOSITE: &str =
    "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWsBy9HAHlgGVxGBS1g_Bh6dQxzKmUzqExNEm_l8hArgo";
const ORIGIN: &str = "https://push.example.net";

fn token(expires: UnixTime) -> Option<Token> {
    Some(Token { credentials: Credentials::new("vapid t=x.y.z, k=w"), expires })
}

fn keys() -> [PublicKey; 2] {
    [GENERATOR, OPPOSITE].map(|key| key.parse().unwrap())
}

fn audience() -> Audience {
    Audience { origin: ORIGIN.parse().unwrap(), key: Some(keys()[0]) }
}

/// A job to a subscription that was made with the first key.
fn job(id: u64) -> Job {
    Job { key: Some(keys()[0]), ..crate::world::job(id) }
}

fn job_at(id: u64, host: &str) -> Job {
    Job { key: Some(keys()[0]), ..crate::world::job_at(id, host) }
}

/// A world that has just been given its first token, with the send that comes of it.
fn signed() -> (World, UnixTime, Vec<Output>) {
    let mut world = World::with(Config::default());
    let asked = signatures(&world.send(job(1)));
    let expires = asked[0].1;
    let outputs = world.give(Input::Signed(audience(), token(expires)));
    (world, expires, outputs)
}

#[test]
fn one_token_is_made_for_each_origin_and_reused() {
    // 8292-2-2, 8292-2-5, 8292-5-3
    let mut world = World::with(Config::default());
    let outputs = world.send(job(1));
    let expires = world.now.wall.saturating_add_secs(12 * 3600);
    assert_eq!(signatures(&outputs), [(ORIGIN.to_owned(), expires)]);
    assert!(world.send(job(2)).is_empty(), "asked for already");
    let outputs = world.give(Input::Signed(audience(), token(expires)));
    assert_eq!(sends(&outputs).len(), 2);
    for (_, send) in sends(&outputs) {
        assert_eq!(send.credentials.unwrap().expose(), "vapid t=x.y.z, k=w");
    }
    // 8292-2-2: the origin keeps its port, and another origin has a token of its own.
    let outputs = world.send(job_at(3, "push.example.net:8443"));
    assert_eq!(signatures(&outputs)[0].0, "https://push.example.net:8443");
    assert_eq!((signatures(&world.send(job(4))).len(), sends(&outputs).len()), (0, 0));
    assert!(!format!("{:?}", world.sender).contains("x.y.z"));
}

#[test]
fn a_token_is_renewed_near_its_end_and_never_used_after_it() {
    // 8292-2-3, 8292-5-3
    let (mut world, expires, _) = signed();
    let margin = Limits::default().token_margin;
    world.pass(Duration::from_secs(12 * 3600) - margin - Duration::from_secs(1));
    assert!(signatures(&world.send(job(2))).is_empty());
    world.pass(Duration::from_secs(1));
    let outputs = world.send(job(3));
    assert_eq!(signatures(&outputs).len(), 1);
    assert_eq!(sends(&outputs).len(), 1, "the old one is still good");
    world.pass(margin);
    assert_eq!(world.now.wall, expires);
    assert!(sends(&world.send(job(4))).is_empty(), "it is not any more");
    let later = expires.saturating_add_secs(3600);
    assert_eq!(sends(&world.give(Input::Signed(audience(), token(later)))).len(), 1);
}

/// 8292-5-1: as long as the limit says, and never longer than the standard lets it.
#[test]
fn no_token_lives_longer_than_a_day() {
    // 8292-2-4
    let mut config = Config::default();
    config.limits.token = Duration::from_secs(7 * 24 * 3600);
    let mut world = World::with(config);
    let outputs = world.send(job(1));
    let day = world.now.wall.saturating_add_secs(24 * 3600);
    assert_eq!(signatures(&outputs)[0].1, day);
    let outputs = world.give(Input::Signed(audience(), token(day.saturating_add_secs(1))));
    assert!(matches!(verdict(&outputs), Verdict::Auth(rejection) if rejection.status.is_none()));
}

#[test]
fn without_a_token_the_verdict_is_about_credentials() {
    for useless in [None, token(UnixTime::from_secs(1_700_000_000))] {
        let mut world = World::with(Config::default());
        world.send(job(1));
        world.send(job(2));
        let outputs = world.give(Input::Signed(audience(), useless));
        assert_eq!(verdicts(&outputs).len(), 2);
        assert!(verdicts(&outputs).iter().all(|(_, verdict)| matches!(verdict, Verdict::Auth(_))));
        assert_eq!(signatures(&world.send(job(3))).len(), 1, "the next one asks again");
    }
}

#[test]
fn a_signer_that_fails_while_the_token_is_good_is_asked_again_and_nothing_is_lost() {
    let (mut world, _, _) = signed();
    world.pass(Duration::from_secs(12 * 3600) - Limits::default().token_margin);
    assert_eq!(signatures(&world.send(job(2))).len(), 1);
    assert!(world.give(Input::Signed(audience(), None)).is_empty());
    let outputs = world.send(job(3));
    assert_eq!((signatures(&outputs).len(), sends(&outputs).len()), (0, 1), "not at once");
    world.pass(Duration::from_secs(10));
    assert_eq!(signatures(&world.send(job(4))).len(), 1);
    // It never answers; the token ends; then so do the messages, in their time.
    world.pass(Limits::default().token_margin);
    assert!(sends(&world.send(job(5))).is_empty());
    assert_eq!(verdicts(&world.advance(Duration::from_secs(600))).last().unwrap(), &(5, Verdict::Expired));
}

#[test]
fn a_clock_that_steps_back_makes_no_token_good_again() {
    let (mut world, _, _) = signed();
    world.pass(Duration::from_secs(12 * 3600));
    world.give(Input::Tick);
    world.now.wall = UnixTime::from_secs(1_700_000_000);
    assert!(sends(&world.send(job(2))).is_empty());
}

#[test]
fn an_answer_that_nobody_asked_for_does_no_harm() {
    let mut world = World::with(Config::default());
    assert!(world.give(Input::Signed(audience(), None)).is_empty());
    let other = Audience { key: None, ..audience() };
    assert!(world.give(Input::Signed(other, None)).is_empty());
}

#[test]
fn each_subscription_gets_the_key_that_it_was_made_with() {
    // 8292-4.2-1, 8292-4.2-11: two keys at one push service, and a subscription without any.
    let [one, two] = keys();
    let mut world = World::new();
    let asked = world.send(job(1));
    let outputs = world.send(Job { key: Some(two), ..job(2) });
    let signed = |outputs: &[Output]| match outputs {
        [Output::Sign(audience, expires)] => (audience.clone(), *expires),
        other => panic!("{other:?}"),
    };
    let ((first, expires), (second, _)) = (signed(&asked), signed(&outputs));
    assert_eq!((first.key, second.key), (Some(one), Some(two)));
    assert_eq!(first.origin, second.origin);
    let (_, bare) = crate::world::sent(&world.send(Job { key: None, ..job(3) }));
    assert_eq!(bare.credentials, None);

    // A key without a signer holds up nobody else.
    let credentials = |text: &str| Some(Token { credentials: Credentials::new(text), expires });
    let (_, send) = crate::world::sent(&world.give(Input::Signed(second, credentials("vapid t=2, k=2"))));
    assert_eq!((send.to, send.credentials.unwrap().expose()), (job(2).to, "vapid t=2, k=2"));
    assert!(matches!(verdict(&world.give(Input::Signed(first, None))), Verdict::Auth(_)));
}

#[test]
fn a_pause_of_a_push_service_is_for_every_key() {
    // 8030-8.4-3: also for a key that is used for the first time.
    let mut world = World::new();
    let id = world.sending(Job { key: None, ..job(1) });
    world.reply(id, crate::world::retry_after(503, 60));
    assert!(world.send(job(2)).is_empty());
    assert_eq!(signatures(&world.advance(Duration::from_secs(60))).len(), 1);
}
