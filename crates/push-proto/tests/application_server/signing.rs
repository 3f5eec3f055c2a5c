//! VAPID tokens (RFC 8292 §2, §5).

use std::time::Duration;

use push_proto::{
    Origin, UnixTime,
    application_server::{Config, Credentials, Input, Limits, Output, Token, Verdict},
};

use crate::world::*;

const ORIGIN: &str = "https://push.example.net";

fn token(expires: UnixTime) -> Option<Token> {
    Some(Token { credentials: Credentials::new("vapid t=x.y.z, k=w"), expires })
}

fn origin() -> Origin {
    ORIGIN.parse().unwrap()
}

/// A world that has just been given its first token, with the send that comes of it.
fn signed() -> (World, UnixTime, Vec<Output>) {
    let mut world = World::with(Config::default());
    let asked = signatures(&world.send(job(1)));
    let expires = asked[0].1;
    let outputs = world.give(Input::Signed(origin(), token(expires)));
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
    let outputs = world.give(Input::Signed(origin(), token(expires)));
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
    assert_eq!(sends(&world.give(Input::Signed(origin(), token(later)))).len(), 1);
}

#[test]
fn no_token_lives_longer_than_a_day() {
    // 8292-2-4
    let mut config = Config::default();
    config.limits.token = Duration::from_secs(7 * 24 * 3600);
    let mut world = World::with(config);
    let outputs = world.send(job(1));
    let day = world.now.wall.saturating_add_secs(24 * 3600);
    assert_eq!(signatures(&outputs)[0].1, day);
    let outputs = world.give(Input::Signed(origin(), token(day.saturating_add_secs(1))));
    assert!(matches!(verdict(&outputs), Verdict::Auth(rejection) if rejection.status.is_none()));
}

#[test]
fn without_a_token_the_verdict_is_about_credentials() {
    for useless in [None, token(UnixTime::from_secs(1_700_000_000))] {
        let mut world = World::with(Config::default());
        world.send(job(1));
        world.send(job(2));
        let outputs = world.give(Input::Signed(origin(), useless));
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
    assert!(world.give(Input::Signed(origin(), None)).is_empty());
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
    assert!(world.give(Input::Signed(origin(), None)).is_empty());
    assert!(world.give(Input::Signed("https://other.example".parse().unwrap(), None)).is_empty());
}
