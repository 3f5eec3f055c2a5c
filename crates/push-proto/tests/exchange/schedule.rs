//! What can happen, in words that a shrunken failure can be read in.

use proptest::prelude::*;

/// One event of a schedule. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// An application sends.
    Send(Send),
    /// Frames move.
    Network(Network),
    /// A user agent's application acts.
    Application(Application),
    /// The store misbehaves, or stops to.
    Store(StoreStep),
    /// Both clocks go on.
    Pass(u32),
    /// The wall clock alone steps back by so many seconds.
    WallBack(u32),
    /// The service is made anew over the same store; whatever was in flight is lost.
    Restart,
    /// Somebody else who knows its URL monitors a user agent's set, or its newest subscription, for so many seconds;
    /// for none, to get what is stored now (`Prefer: wait`).
    Peek { agent: usize, member: bool, wait: u32 },
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Send {
    pub(crate) sender: usize,
    pub(crate) to: usize,
    pub(crate) ttl: u32,
    pub(crate) urgency: usize,
    pub(crate) topic: Option<u8>,
    pub(crate) receipt: bool,
}

/// What becomes of the frames of one client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Network {
    /// Its requests reach the service.
    Arrive(usize),
    /// The service's connection writes what waits.
    Write(usize),
    /// The same, but answers only: they overtake pushes.
    Answer(usize),
    /// What was written reaches the client.
    Receive(usize),
    /// The first push that waits is reset.
    Reset(usize),
    /// The connection ends; what is on it is lost.
    Cut(usize),
    /// Everything moves, for everybody, until nothing does.
    Settle,
}

/// What a user agent's application does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Application {
    /// Takes the message that it has had longest.
    Take(usize),
    /// Gives it back.
    Release(usize),
    /// Makes a subscription; restricted to the first sender, or to nobody.
    Subscribe(usize, bool),
    /// Ends its oldest subscription.
    Unsubscribe(usize),
    /// Ends the whole set, by its URL.
    DeleteSet(usize),
}

/// What becomes of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StoreStep {
    /// Commands do not reach it.
    Hold,
    /// They do again.
    Release,
    /// Its answers do not come.
    Mute,
    /// They do again.
    Unmute,
    /// The next commit fails, and the store with it.
    Fail,
    /// It is opened again.
    Reopen,
}

pub(crate) fn schedule() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..60)
}

fn step() -> impl Strategy<Value = Step> {
    let pass = prop_oneof![3 => Just(1), 2 => Just(4), 2 => Just(31), 2 => Just(65), 1 => Just(400)];
    let peek = (0..2_usize, any::<bool>(), prop_oneof![Just(0), Just(30)])
        .prop_map(|(agent, member, wait)| Step::Peek { agent, member, wait });
    prop_oneof![
        8 => send().prop_map(Step::Send),
        12 => network().prop_map(Step::Network),
        6 => application().prop_map(Step::Application),
        3 => store().prop_map(Step::Store),
        4 => pass.prop_map(Step::Pass),
        1 => (1..100_u32).prop_map(Step::WallBack),
        1 => Just(Step::Restart),
        2 => peek,
    ]
}

fn send() -> impl Strategy<Value = Send> {
    let ttl = prop_oneof![2 => Just(0), 1 => Just(2), 2 => Just(70), 4 => Just(100_000)];
    let topic = proptest::option::of(0..2_u8);
    (0..2_usize, 0..6_usize, ttl, 0..4_usize, topic, any::<bool>()).prop_map(
        |(sender, to, ttl, urgency, topic, receipt)| Send { sender, to, ttl, urgency, topic, receipt },
    )
}

fn network() -> impl Strategy<Value = Network> {
    let client = 0..4_usize;
    prop_oneof![
        2 => client.clone().prop_map(Network::Arrive),
        2 => client.clone().prop_map(Network::Write),
        1 => client.clone().prop_map(Network::Answer),
        2 => client.clone().prop_map(Network::Receive),
        1 => client.clone().prop_map(Network::Reset),
        1 => client.prop_map(Network::Cut),
        6 => Just(Network::Settle),
    ]
}

fn application() -> impl Strategy<Value = Application> {
    let agent = 0..2_usize;
    prop_oneof![
        8 => agent.clone().prop_map(Application::Take),
        2 => agent.clone().prop_map(Application::Release),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, to)| Application::Subscribe(agent, to)),
        1 => agent.clone().prop_map(Application::Unsubscribe),
        1 => agent.prop_map(Application::DeleteSet),
    ]
}

fn store() -> impl Strategy<Value = StoreStep> {
    prop_oneof![
        3 => Just(StoreStep::Hold),
        3 => Just(StoreStep::Release),
        3 => Just(StoreStep::Mute),
        3 => Just(StoreStep::Unmute),
        1 => Just(StoreStep::Fail),
        3 => Just(StoreStep::Reopen),
    ]
}
