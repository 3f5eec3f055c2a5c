//! What can happen, in words that a minimised failure can be read in.

use crate::choices::Choices;

/// A world, and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The world.
    pub shape: Shape,
    /// What happens, before everything heals.
    pub steps: Vec<Step>,
}

/// What a world is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Nodes that share a store. One if the store is on a disk: that one is the node's own.
    pub nodes: u8,
    /// Shards of each node.
    pub shards: u8,
    /// The embedded store on a simulated disk, checked against the one in memory; or that one alone, as if it were a
    /// cluster's.
    pub disk: bool,
    /// So short queues that they fill up.
    pub short_queues: bool,
    /// So low rates that they are exceeded.
    pub low_rates: bool,
    /// How many of the user agents speak Mozilla's push protocol.
    pub browsers: u8,
}

impl Shape {
    pub(crate) fn choose(choices: &mut Choices<'_>) -> Self {
        let disk = choices.below(2) == 0;
        Self {
            nodes: if disk { 1 } else { 1 + choices.below(3) },
            shards: 1 + choices.below(2),
            disk,
            short_queues: choices.one_in(3),
            low_rates: choices.one_in(6),
            browsers: choices.of([0, 1, 1, 2]),
        }
    }
}

/// One event. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An application sends.
    Send(Send),
    /// One leg of the way is travelled.
    Travel(Leg),
    /// Everything moves, for everybody, until nothing does.
    Settle,
    /// A user agent's application acts.
    Application(Application),
    /// Somebody who knows an id speaks to the service by himself.
    Stranger(Stranger),
    /// Both clocks go on by so many seconds.
    Pass(u16),
    /// Something goes wrong.
    Fault(Fault),
    /// Something goes right again.
    Remedy(Remedy),
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Send {
    /// Which application server sends.
    pub sender: u8,
    /// To which of the known subscriptions.
    pub to: u8,
    /// Seconds.
    pub ttl: u16,
    /// From 0, very low, to 3, high.
    pub urgency: u8,
    /// One of few topics.
    pub topic: Option<u8>,
    /// Whether its outcome is wanted.
    pub receipt: bool,
}

/// What moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The requests of a client reach their mailboxes.
    Arrive(u8),
    /// A shard takes its turn.
    Turn(u8),
    /// The store carries out at most so many commands, in one commit.
    Commit(u8),
    /// What the store said reaches a shard's mailbox.
    Hear(u8),
    /// The connection of a client writes what waits.
    Write(u8),
    /// The same, but answers only: they overtake pushes of other requests.
    Answer(u8),
    /// What was written reaches its client.
    Receive(u8),
}

/// What a user agent's application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// Takes the message that it has had longest.
    Take(u8),
    /// Says that nobody can decrypt it.
    Discard(u8),
    /// Makes a subscription: restricted to the first sender, or not; in the set, or alone.
    Subscribe {
        /// Which user agent.
        agent: u8,
        /// For the first sender only.
        restricted: bool,
        /// In no set.
        alone: bool,
    },
    /// Ends its oldest subscription.
    Unsubscribe(u8),
    /// The condition of the device: from 0, on power and Wi-Fi, to 3, low battery.
    Power(u8, u8),
    /// Tells an application server that its newest subscription is good, as a page does at each visit.
    Restore(u8),
    /// A user agent says what only Mozilla's protocol can; others are silent.
    Speak(u8, Speech),
}

/// What a user agent says in Mozilla's push protocol by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Is somebody there?
    Ping,
    /// The same, more often than anybody may ask.
    Flood,
    /// All that came is acknowledged in one frame.
    AckAll,
    /// What was acknowledged last is once more.
    AckAgain,
    /// What was acknowledged last could not be handed over.
    Nack,
    /// Something that went to another user agent is acknowledged.
    AckForeign(u8),
    /// The newest subscription is asked for again.
    RegisterAgain,
    /// It connects again, beside the connection that it has.
    TakeOver,
}

/// What somebody else does who has got hold of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// Monitors a user agent's set, or its newest subscription, for so many seconds; for none, what is there now.
    Monitor {
        /// Whose.
        agent: u8,
        /// The newest subscription only.
        member: bool,
        /// `Prefer: wait`.
        wait: u8,
    },
    /// Reads a message.
    Read(u8),
    /// Acknowledges a message, perhaps one that ended long ago.
    Acknowledge(u8),
    /// The operator gives a message up.
    Drop(u8),
    /// Ends a user agent's set.
    EndSet(u8),
    /// Ends a receipt subscription.
    EndReceipts(u8),
    /// Subscribes, into the set of a user agent that there never was.
    Subscribe,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next commit fails.
    Commit(Failing),
    /// Commands do not reach the store.
    Hold,
    /// Answers of the store do not reach a shard.
    Mute(u8),
    /// The store goes down.
    StoreDown,
    /// So many of the next hints are lost.
    LoseHints(u8),
    /// So many of the next hints come twice.
    RepeatHints(u8),
    /// A node dies: at once or after so many polls more, when so many of its commands have reached the store.
    Kill {
        /// Which.
        node: u8,
        /// Polls.
        after: u8,
        /// Commands.
        survive: u8,
    },
    /// A node is asked to stop.
    Drain(u8),
    /// A connection ends.
    Cut(u8, Cut),
    /// A client will reset the next push that it gets; one of a WebSocket stops reading.
    Reset(u8),
    /// The next connections of a user agent take no pushes.
    Pushless(u8),
    /// A user agent cannot connect.
    Unreachable(u8),
    /// A shard stands still.
    Stall(u8),
    /// The wall clock is set back by so many seconds.
    WallBack(u8),
    /// The wall clock is set forward by so many seconds.
    WallForth(u16),
    /// A user agent's process dies and starts again.
    KillAgent(u8),
    /// An application gives back the message that it has had longest.
    Release(u8),
}

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// Nothing is written.
    Refused,
    /// So many octets are.
    Torn(u8),
    /// Everything is, and nobody is told.
    Unanswered,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What is on it is lost.
    Hard,
    /// What was written arrives before.
    Soft,
    /// Its client goes, and the service does not notice.
    Silent,
}

/// What goes right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Commands reach the store.
    Release,
    /// Answers reach the shards.
    Unmute,
    /// The store is opened again.
    Reopen,
    /// Nodes that are down start.
    Start,
    /// Every shard goes on.
    Resume,
    /// Connections can be made, and take pushes.
    Reach,
    /// The service notices which clients have gone.
    Notice,
}

impl Step {
    pub(crate) fn choose(choices: &mut Choices<'_>) -> Self {
        match choices.below(32) {
            0..=6 => Self::Send(Send::choose(choices)),
            7..=13 => Self::Travel(Leg::choose(choices)),
            14..=17 => Self::Settle,
            18..=21 => Self::Application(Application::choose(choices)),
            22 => Self::Stranger(Stranger::choose(choices)),
            23..=24 => Self::Pass(choices.of([1, 1, 4, 4, 11, 21, 70])),
            25..=28 => Self::Fault(Fault::choose(choices)),
            _ => Self::Remedy(Remedy::choose(choices)),
        }
    }
}

impl Send {
    fn choose(choices: &mut Choices<'_>) -> Self {
        Self {
            sender: choices.below(2),
            to: choices.below(8),
            ttl: choices.of([0, 0, 2, 30, 70, 3000, 3000, 3000, 9000]),
            urgency: choices.below(4),
            topic: choices.of([None, None, Some(0), Some(1)]),
            receipt: choices.below(2) == 0,
        }
    }
}

impl Leg {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let kind = choices.below(10);
        let which = choices.below(12);
        match kind {
            0 | 1 => Self::Arrive(which),
            2 | 3 => Self::Turn(which),
            4 => Self::Commit(1 + which),
            5 => Self::Hear(which),
            6 => Self::Write(which),
            7 => Self::Answer(which),
            _ => Self::Receive(which),
        }
    }
}

impl Application {
    /// Whose it is.
    pub(crate) const fn agent(self) -> u8 {
        match self {
            Self::Take(agent)
            | Self::Discard(agent)
            | Self::Subscribe { agent, .. }
            | Self::Unsubscribe(agent)
            | Self::Power(agent, _)
            | Self::Restore(agent)
            | Self::Speak(agent, _) => agent,
        }
    }

    fn choose(choices: &mut Choices<'_>) -> Self {
        let kind = choices.below(24);
        let agent = choices.below(3);
        match kind {
            0..=11 => Self::Take(agent),
            12 => Self::Discard(agent),
            13..=14 => Self::Subscribe { agent, restricted: choices.below(2) == 0, alone: choices.one_in(4) },
            15..=16 => Self::Unsubscribe(agent),
            17..=18 => Self::Power(agent, choices.below(4)),
            19 => Self::Restore(agent),
            _ => Self::Speak(agent, Speech::choose(choices)),
        }
    }
}

impl Speech {
    fn choose(choices: &mut Choices<'_>) -> Self {
        choices.of([
            Self::Ping,
            Self::Flood,
            Self::AckAll,
            Self::AckAll,
            Self::AckAgain,
            Self::Nack,
            Self::AckForeign(0),
            Self::AckForeign(1),
            Self::RegisterAgain,
            Self::TakeOver,
            Self::TakeOver,
        ])
    }
}

impl Stranger {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let kind = choices.below(12);
        let which = choices.below(64);
        match kind {
            0..=4 => Self::Monitor { agent: which, member: choices.below(2) == 0, wait: choices.of([0, 30]) },
            5 => Self::Read(which),
            6..=7 => Self::Acknowledge(which),
            8 => Self::Drop(which),
            9 => Self::EndSet(which),
            10 => Self::EndReceipts(which),
            _ => Self::Subscribe,
        }
    }
}

impl Fault {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let kind = choices.below(30);
        let which = choices.below(12);
        match kind {
            0 => Self::Commit(Failing::Refused),
            1 => Self::Commit(Failing::Torn(choices.below(u8::MAX))),
            2 => Self::Commit(Failing::Unanswered),
            3 => Self::Hold,
            4 => Self::Mute(which),
            5 => Self::StoreDown,
            6 => Self::LoseHints(1 + which % 3),
            7 => Self::RepeatHints(1 + which % 3),
            8 => Self::Kill { node: which, after: 0, survive: choices.below(6) },
            9..=10 => Self::Kill { node: which, after: 1 + choices.below(12), survive: choices.below(6) },
            11 => Self::Drain(which),
            12..=17 => Self::Cut(which, choices.of([Cut::Hard, Cut::Soft, Cut::Silent])),
            18..=20 => Self::Reset(which),
            21 => Self::Pushless(which),
            22 => Self::Unreachable(which),
            23..=24 => Self::Stall(which),
            25 => Self::WallBack(1 + choices.below(100)),
            26 => Self::WallForth(choices.of([1, 40, 200, 2500])),
            27 => Self::KillAgent(which),
            _ => Self::Release(which),
        }
    }
}

impl Remedy {
    fn choose(choices: &mut Choices<'_>) -> Self {
        choices.of([
            Self::Release,
            Self::Unmute,
            Self::Reopen,
            Self::Reopen,
            Self::Start,
            Self::Start,
            Self::Resume,
            Self::Reach,
            Self::Notice,
        ])
    }
}
