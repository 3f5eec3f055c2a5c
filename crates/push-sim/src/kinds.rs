//! What a run exercised, counted by kind, so that a kind that never came up is seen.

use std::fmt;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$kind_doc:meta])* $kind:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$kind_doc])* $kind,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$(Self::$kind),+].len()] = [$(Self::$kind),+];

            /// In words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)+
                }
            }
        }
    };
}

kinds! {
    /// What went wrong, each counted only where it made a difference.
    FaultKind {
        /// A commit was refused before anything was written.
        CommitRefused = "commit refused",
        /// Power went while a commit was being written.
        CommitTorn = "commit torn",
        /// A commit was durable, and nobody was told.
        CommitUnanswered = "commit unanswered",
        /// Commands wait on their way to the store.
        CommandsDelayed = "commands delayed",
        /// Answers of the store wait on their way to a shard.
        AnswersDelayed = "answers delayed",
        /// The store went down.
        StoreDown = "store down",
        /// A hint was lost.
        HintLost = "hint lost",
        /// A hint came twice.
        HintRepeated = "hint repeated",
        /// A node was killed between two turns.
        NodeKilled = "node killed",
        /// A node was killed between two polls.
        NodeKilledInTurn = "node killed in a turn",
        /// A node was drained.
        NodeDrained = "node drained",
        /// A connection was cut; what was written on it was lost.
        ConnectionCut = "connection cut",
        /// A connection ended after all that was written on it had arrived.
        ConnectionEnded = "connection ended",
        /// A client went, and the service did not notice.
        ConnectionSilent = "connection silent",
        /// A push was reset by its client.
        PushReset = "push reset",
        /// A client takes no pushes.
        PushUnsupported = "push unsupported",
        /// A user agent could not connect.
        Unreachable = "service unreachable",
        /// A shard stood still, its mailbox filling.
        ShardStalled = "shard stalled",
        /// A full mailbox refused a request.
        MailboxFull = "mailbox full",
        /// The wall clock was set back.
        WallBack = "wall clock back",
        /// The wall clock was set forward.
        WallForth = "wall clock forth",
        /// A user agent was killed, and started with its saved state.
        AgentKilled = "user agent killed",
        /// An application gave a message back.
        MessageReleased = "message released",
        /// A connection ended with a notification on its way to the user agent.
        NotificationLost = "notification lost",
        /// A connection ended with an acknowledgement on its way to the service.
        AcknowledgementLost = "acknowledgement lost",
        /// A WebSocket's user agent did not read what was being written.
        ReaderSlow = "reader slow",
        /// It did not for so long that it was cut off.
        ReaderCutOff = "reader cut off",
        /// A session ended because its user agent had another.
        SessionTakenOver = "session taken over",
        /// A session ended because the service could not serve it then.
        SessionUnserved = "session not served",
        /// A session ended because the subscriptions of its user agent had.
        SessionEnded = "session without subscriptions",
        /// A session ended because its user agent said too much.
        SessionTalkative = "session too talkative",
        /// A session ended because nobody answered its ping.
        SessionDead = "session without an answer",
        /// A user agent was told another name, and lost its subscriptions.
        Renamed = "user agent renamed",
        /// A user agent acknowledged a message that is not its own.
        ForeignAcknowledgement = "message of another acknowledged",
    }
}

kinds! {
    /// What the machines were given.
    InputKind {
        /// `service::Request::Subscribe`
        Subscribe = "service: subscribe",
        /// `service::Request::Send`
        Send = "service: send",
        /// `service::Request::Monitor`
        Monitor = "service: monitor",
        /// `service::Request::Acknowledge`
        Acknowledge = "service: acknowledge",
        /// `service::Request::Drop`
        Drop = "service: drop",
        /// `service::Request::Read`
        Read = "service: read",
        /// `service::Request::Unsubscribe`
        Unsubscribe = "service: unsubscribe",
        /// `service::Input::Cancelled`
        Cancelled = "service: cancelled",
        /// `service::Input::Credit`
        Credit = "service: credit",
        /// `service::Input::Pushed`, written
        PushWritten = "service: push written",
        /// `service::Input::Pushed`, reset or unsupported
        PushNotWritten = "service: push not written",
        /// `Completion::Applied`
        Applied = "service: applied",
        /// `Completion::Loaded`
        Loaded = "service: loaded",
        /// `Completion::Read`
        ReadDone = "service: read done",
        /// `Completion::Watching`
        Watching = "service: watching",
        /// `Completion::Hint`
        Hint = "service: hint",
        /// `Completion::Expired`
        Expired = "service: expired",
        /// `Completion::Failed`
        Failed = "service: failed",
        /// `Completion::Availability`
        Availability = "service: availability",
        /// `service::Input::Drain`
        Drain = "service: drain",
        /// `service::Input::Limits`
        Limits = "service: limits",
        /// `user_agent::Input::Subscribe`
        AgentSubscribe = "user agent: subscribe",
        /// `user_agent::Input::Unsubscribe`
        AgentUnsubscribe = "user agent: unsubscribe",
        /// `user_agent::Input::Message`
        AgentMessage = "user agent: message",
        /// `user_agent::Input::Connection`
        AgentConnection = "user agent: connection",
        /// `user_agent::Input::Reply`
        AgentReply = "user agent: reply",
        /// `user_agent::Input::Pushed`
        AgentPushed = "user agent: pushed",
        /// `user_agent::Input::Control`
        AgentControl = "user agent: control",
        /// `application_server::Input::Send`
        SenderSend = "sender: send",
        /// `application_server::Input::Signed`
        SenderSigned = "sender: signed",
        /// `application_server::Input::Reply`
        SenderReply = "sender: reply",
        /// `application_server::Input::Receipt`
        SenderReceipt = "sender: receipt",
        /// `application_server::Input::Room`
        SenderRoom = "sender: room",
        /// `application_server::Input::PushResource`
        SenderResource = "sender: push resource",
        /// `autopush::Frame::Hello`
        SessionHello = "session: hello",
        /// `autopush::Frame::Register`
        SessionRegister = "session: register",
        /// `autopush::Frame::Unregister`
        SessionUnregister = "session: unregister",
        /// `autopush::Frame::Ack`
        SessionAck = "session: ack",
        /// `autopush::Frame::Nack`
        SessionNack = "session: nack",
        /// `autopush::Frame::Urgency`
        SessionUrgency = "session: urgency",
        /// `autopush::Frame::Ping`
        SessionPing = "session: ping",
        /// `autopush::Came::Control`
        SessionControl = "session: pong",
        /// `autopush::Input::Answered`
        SessionAnswered = "session: answered",
        /// `autopush::Monitored::Opened`
        SessionOpened = "session: monitor opened",
        /// `autopush::Monitored::Push`
        SessionPush = "session: push",
        /// `autopush::Monitored::Retract`
        SessionRetract = "session: push retracted",
        /// `autopush::Monitored::Ended`
        SessionMonitorEnded = "session: monitor ended",
        /// `autopush::Input::Drain`
        SessionDrain = "session: drain",
        /// A hello was answered.
        BrowserHello = "browser: hello",
        /// A register was answered.
        BrowserRegister = "browser: register",
        /// An unregister was answered.
        BrowserUnregister = "browser: unregister",
        /// A message came.
        BrowserNotification = "browser: notification",
        /// The same message came once more.
        BrowserAgain = "browser: notification again",
        /// The service closed.
        BrowserClosed = "browser: closed",
        /// `Input::Tick` of any machine; not counted as an input of a schedule
        Tick = "any: tick",
    }
}

/// How often each kind came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    faults: [u64; FaultKind::ALL.len()],
    inputs: [u64; InputKind::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self { faults: [0; FaultKind::ALL.len()], inputs: [0; InputKind::ALL.len()] }
    }
}

impl Tally {
    pub(crate) fn fault(&mut self, kind: FaultKind) {
        if let Some(count) = self.faults.get_mut(kind as usize) {
            *count += 1;
        }
    }

    pub(crate) fn input(&mut self, kind: InputKind) {
        if let Some(count) = self.inputs.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// Adds what another run exercised.
    pub fn add(&mut self, other: &Self) {
        let faults = self.faults.iter_mut().zip(other.faults);
        let inputs = self.inputs.iter_mut().zip(other.inputs);
        faults.chain(inputs).for_each(|(count, more)| *count += more);
    }

    /// Faults of all kinds.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.iter().sum()
    }

    /// Inputs of all kinds but ticks.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.each_input().filter(|(kind, _)| *kind != InputKind::Tick).map(|(_, count)| count).sum()
    }

    /// Each kind of fault, and how often it came up.
    pub fn each_fault(&self) -> impl Iterator<Item = (FaultKind, u64)> {
        FaultKind::ALL.into_iter().zip(self.faults)
    }

    /// Each kind of input, and how often it came up.
    pub fn each_input(&self) -> impl Iterator<Item = (InputKind, u64)> {
        InputKind::ALL.into_iter().zip(self.inputs)
    }

    /// The kinds that never came up.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let faults = self.each_fault().filter(|(_, count)| *count == 0).map(|(kind, _)| kind.name());
        let inputs = self.each_input().filter(|(_, count)| *count == 0).map(|(kind, _)| kind.name());
        faults.chain(inputs).collect()
    }
}

/// A table.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.each_fault().map(|(kind, count)| (kind.name(), count));
        let inputs = self.each_input().map(|(kind, count)| (kind.name(), count));
        for (name, count) in faults.chain(inputs) {
            writeln!(f, "  {name:<32} {count:>16}")?;
        }
        Ok(())
    }
}
