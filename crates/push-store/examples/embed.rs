//! A push service driven by hand: no socket, no runtime, no thread. `cargo run -p push-store --example embed`
#![expect(clippy::expect_used, clippy::print_stdout, reason = "an example says what it does")]

use std::collections::VecDeque;

use push_proto::{
    Content, Mono, Now, SealingKeyId, Seed, Ttl, UnixTime, Urgency,
    service::{
        Config, Exchange, Input, Monitor, Output, ReceiptRequest, Request, Response, Send, Service,
        Subscribe, Subscribed, Target, Transfer,
    },
    store::Item,
};
use push_store::{Memory, Quotas};

fn main() {
    // Time, entropy and storage are inputs: here a fixed clock, a fixed seed, and the memory store.
    let now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_800_000_000) };
    let mut service = Service::new(Config::default(), &Seed::from_octets([1; 32]));
    let mut store = Memory::new(Quotas::default());
    let shard = store.attach();

    // The peers, as a queue of inputs that each answer adds to.
    let [subscribing, monitoring, sending, receiving, acknowledging] =
        [1, 2, 3, 4, 5].map(|number| Exchange { origin: 0, number });
    let mut inputs = VecDeque::from([Input::Request(subscribing, Request::Subscribe(Subscribe::default()))]);

    while let Some(input) = inputs.pop_front() {
        service.handle(input, now);
        loop {
            match service.poll(now) {
                Output::Store(command) => {
                    store.run(shard, command, &mut |_, done| inputs.push_back(Input::Store(done)));
                }
                Output::Respond(_, Response::Subscribed(Subscribed { agent, subscription, .. })) => {
                    println!("user agent: subscribed, now monitoring its set");
                    let monitor = Monitor::of(Target::Set(agent));
                    inputs.push_back(Input::Request(monitoring, Request::Monitor(monitor)));
                    inputs.push_back(Input::Credit(monitoring, 1));
                    let content = Content { body: "hello".into(), ..Content::default() };
                    let send = Send {
                        agent,
                        subscription,
                        sealed_by: SealingKeyId::default(),
                        ttl: Ttl::from_secs(60),
                        urgency: Urgency::Normal,
                        topic: None,
                        receipt: ReceiptRequest::New,
                        sender: None,
                        content,
                    };
                    inputs.push_back(Input::Request(sending, Request::Send(send)));
                }
                Output::Respond(_, Response::Accepted(accepted)) => {
                    println!("application server: accepted for {} s", accepted.ttl.as_secs());
                    let monitor = Monitor::of(Target::Receipts(accepted.receipt.expect("asked for")));
                    inputs.push_back(Input::Request(receiving, Request::Monitor(monitor)));
                    inputs.push_back(Input::Credit(receiving, 1));
                }
                Output::Push(exchange, delivery, Item::Message(message)) => {
                    println!("user agent: got {:?}, acknowledges it", message.content.body);
                    inputs.push_back(Input::Pushed(exchange, delivery, Transfer::Written));
                    inputs.push_back(Input::Request(acknowledging, Request::Acknowledge(message.handle)));
                }
                Output::Push(exchange, delivery, Item::Receipt(receipt)) => {
                    println!("application server: the message was {:?}", receipt.outcome);
                    inputs.push_back(Input::Pushed(exchange, delivery, Transfer::Written));
                }
                Output::Respond(_, response) => println!("user agent: {response:?}"),
                Output::Opened(_) | Output::Retract(..) | Output::Retire(_) => {}
                // A real driver sleeps until an input or the deadline in here, and then sends `Input::Tick`.
                Output::Wait(..) => break,
            }
        }
    }
}
