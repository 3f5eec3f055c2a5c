//! A session whose service lies: whatever comes in, it comes to rest, says each thing once, and nothing after its end.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use push_proto::{
    AgentId, Content, Handle, Message, MessageId, Mono, Now, Refusal, SealingKeyId, Slot, SubscriptionId,
    UnixTime, Urgency,
    autopush::{Ask, Came, Config, Input, Limits, Monitored, Output, Session},
    service::{Delivery, Response, Subscribed},
    store::Item,
    wire::Door,
};

use crate::world::World;

#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Junk(String),
    Binary,
    Control,
    Answered(u64, usize),
    Opened(u64),
    Push(u64),
    Retract(u64, u64),
    Ended(u64, usize),
    Drain,
    Pass(u64),
    Room(bool),
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly the latest.
    let ask = || 0..12_u64;
    let delivery = || 0..30_u64;
    prop_oneof![
        10 => (0..SAID.len()).prop_map(Step::Say),
        1 => ".{0,30}".prop_map(Step::Junk),
        1 => Just(Step::Binary),
        2 => Just(Step::Control),
        8 => (ask(), 0..5_usize).prop_map(|(ask, response)| Step::Answered(ask, response)),
        6 => ask().prop_map(Step::Opened),
        6 => ask().prop_map(Step::Push),
        2 => (ask(), delivery()).prop_map(|(ask, delivery)| Step::Retract(ask, delivery)),
        1 => (ask(), 0..5_usize).prop_map(|(ask, response)| Step::Ended(ask, response)),
        1 => Just(Step::Drain),
        4 => prop_oneof![Just(0_u64), 1..30_u64, Just(2000)].prop_map(Step::Pass),
        3 => any::<bool>().prop_map(Step::Room),
    ]
}

/// `@` is a name that was made here.
const SAID: [&str; 9] = [
    r#"{"messageType":"hello"}"#,
    r#"{"messageType":"hello","uaid":"@"}"#,
    r#"{"messageType":"register","channelID":"d9b74644-4f97-46aa-b8fa-9393985cd601"}"#,
    r#"{"messageType":"unregister","channelID":"d9b74644-4f97-46aa-b8fa-9393985cd601"}"#,
    r#"{"messageType":"ack","updates":[{"version":"@"},{"version":"@"}]}"#,
    r#"{"messageType":"urgency","min":"low"}"#,
    r#"{"messageType":"broadcast_subscribe","broadcasts":{"a":"b"}}"#,
    r#"{"messageType":"nack"}"#,
    "{}",
];

pub(crate) fn message() -> Message {
    let octets = [7; 16];
    Message {
        handle: Handle {
            agent: AgentId::from_octets(octets),
            subscription: SubscriptionId::from_octets(octets),
            slot: Slot::from_octets(octets),
            id: MessageId::from_octets(octets),
        },
        sealed_by: SealingKeyId::from_u8(0),
        accepted: UnixTime::from_secs(1),
        expires: UnixTime::from_secs(2_000_000_000),
        urgency: Urgency::Normal,
        receipt: None,
        content: Content { body: Bytes::from_static(b"x"), ..Content::default() },
    }
}

fn response(which: usize) -> Response {
    let handle = message().handle;
    match which {
        0 => Response::Done,
        1 => Response::MonitorEnded { empty: false, taken_over: true },
        2 => Response::Refused(Refusal::NOT_FOUND),
        3 => Response::Refused(Refusal::STORE_UNAVAILABLE),
        _ => Response::Subscribed(Subscribed {
            agent: handle.agent,
            subscription: handle.subscription,
            set_sealed_by: None,
        }),
    }
}

struct Alone {
    session: Session,
    door: Door,
    uaid: String,
    now: Now,
    room: bool,
    /// Pushes that nothing was said about.
    open: BTreeSet<Delivery>,
    pushed: u64,
    asked: BTreeSet<Ask>,
    outputs: usize,
    closed: bool,
}

impl Alone {
    fn new() -> Self {
        // For its door and a name that opens.
        let mut world = World::new();
        let (_, uaid, _) = world.subscriber();
        let now = Now { mono: Mono::from_nanos(1), wall: UnixTime::from_secs(1_800_000_000) };
        let limits = Limits { requests: 4, frames: None, ..Limits::default() };
        let config = Arc::new(Config { limits, ..Config::default() });
        Self {
            session: Session::new(config, AgentId::from_octets([9; 16]), now),
            door: world.door.clone(),
            uaid,
            now,
            room: true,
            open: BTreeSet::new(),
            pushed: 0,
            asked: BTreeSet::new(),
            outputs: 0,
            closed: false,
        }
    }

    fn take(&mut self, step: Step) {
        let latest = |ask: u64, asks: usize| Ask(u64::try_from(asks).unwrap().saturating_sub(ask));
        let asks = self.asked.len();
        match step {
            Step::Say(which) => self.say(&SAID[which].replace('@', &self.uaid.clone())),
            Step::Junk(text) => self.say(&text),
            Step::Binary => self.give(Input::Came(Came::Binary)),
            Step::Control => self.give(Input::Came(Came::Control)),
            Step::Answered(ask, which) => self.give(Input::Answered(latest(ask, asks), response(which))),
            Step::Opened(ask) => self.give(Input::Monitored(latest(ask, asks), Monitored::Opened)),
            Step::Push(ask) => {
                self.pushed += 1;
                let delivery = Delivery(self.pushed);
                if !self.closed {
                    self.open.insert(delivery);
                }
                let push = Monitored::Push(delivery, Item::Message(Arc::new(message())));
                self.give(Input::Monitored(latest(ask, asks), push));
            }
            Step::Retract(ask, back) => {
                let delivery = Delivery(self.pushed.saturating_sub(back));
                self.give(Input::Monitored(latest(ask, asks), Monitored::Retract(delivery)));
            }
            Step::Ended(ask, which) => {
                self.give(Input::Monitored(latest(ask, asks), Monitored::Ended(response(which))));
            }
            Step::Drain => self.give(Input::Drain),
            Step::Pass(secs) => {
                self.now.mono = self.now.mono.after(Duration::from_secs(secs));
                self.give(Input::Tick);
            }
            Step::Room(room) => {
                self.room = room;
                self.give(Input::Tick);
            }
        }
    }

    fn say(&mut self, text: &str) {
        if self.session.wants_frames() {
            self.give(Input::Came(Came::Text(text)));
        }
    }

    fn give(&mut self, input: Input<'_>) {
        self.session.handle(input, &self.door, self.now);
        for _ in 0..1000 {
            let output = self.session.poll(self.room, &self.door, self.now);
            self.outputs += 1;
            match output {
                Output::Wait(at) => {
                    assert!(at.is_none_or(|at| at > self.now.mono), "a deadline in the past");
                    return;
                }
                output => self.see(output),
            }
        }
        panic!("it does not come to rest");
    }

    fn see(&mut self, output: Output) {
        assert!(!self.closed, "after its end: {output:?}");
        match output {
            Output::Frame(text, push) => {
                assert!(self.room);
                assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap().is_object());
                assert!(push.is_none_or(|push| self.open.remove(&push)), "said twice");
            }
            Output::Retracted(push) => assert!(self.open.remove(&push), "said twice"),
            Output::Ask(ask, _) | Output::Monitor(ask, _) => assert!(self.asked.insert(ask), "a name twice"),
            Output::Ping => assert!(self.room),
            Output::Identified(_) => {}
            Output::Close(_) => self.closed = true,
            Output::Wait(_) => panic!("seen to before"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_survives_any_service(steps in prop::collection::vec(step(), 1..80)) {
        let mut alone = Alone::new();
        let count = steps.len();
        for step in steps {
            alone.take(step);
        }
        // Two requests by an acknowledgement, a reply and a rest are the most that one input makes.
        prop_assert!(alone.outputs <= 8 * count, "{} of {count}", alone.outputs);
        alone.room = true;
        alone.give(Input::Drain);
        prop_assert!(alone.closed);
    }
}
