//! G7: what the service says when its store fails.

use push_proto::{
    Refusal,
    service::{Input, Request, Response, Target},
    store::{Availability, Completion},
};

use crate::world::{World, message, refusal};

#[test]
fn a_failed_command_is_a_503_and_the_outcome_is_unknown() {
    let mut world = World::new();
    let to = world.subscribe(None);
    world.hold();
    let requests = [
        Request::Send(message(to, "x")),
        Request::Subscribe(Default::default()),
        Request::Unsubscribe(Target::Set(to.0)),
    ];
    let exchanges = requests.map(|request| world.start(request));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.held(), 4 + usize::from(world.held() > 4), "one command each, and perhaps a sweep");
    world.fail_held();
    for exchange in exchanges.into_iter().chain([monitor]) {
        let refusal = refusal(&world.response(exchange).expect("answered"));
        assert_eq!((refusal.status(), refusal.reason()), (503, Refusal::STORE_UNAVAILABLE.reason()));
        assert!(refusal.retry_after().is_some());
    }
    assert!(matches!(world.ask(Request::Send(message(to, "y"))), Response::Accepted(_)), "the next may do");
}

#[test]
fn while_the_store_is_down_nothing_is_promised() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.handle(Input::Store(Completion::Availability(Availability::Down)));
    assert_eq!(refusal(&world.response(monitor).expect("ended")).status(), 503);
    assert_eq!(refusal(&world.ask(Request::Send(message(to, "x")))).status(), 503);
    world.pass(10);
    world.handle(Input::Store(Completion::Availability(Availability::Up)));
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.send(message(to, "y"));
    assert_eq!(world.take_bodies(monitor), ["y"]);
}

#[test]
fn completions_that_nobody_waits_for_do_no_harm() {
    use push_proto::store::Ticket;
    let mut world = World::new();
    for completion in [
        Completion::Applied(Ticket(999), Vec::new()),
        Completion::Failed(Ticket(998)),
        Completion::Watching(Ticket(997)),
        Completion::Read(Ticket(996), None),
    ] {
        world.handle(Input::Store(completion));
    }
    world.subscribe(None);
}
