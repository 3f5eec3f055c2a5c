//! What the services store in, and what goes wrong there: the store in memory as if it were a cluster's, or the embedded
//! store on a disk that tears, with the one in memory beside it as its model.

use std::collections::VecDeque;

use push_proto::{
    AgentId, MessageId, Receipt, UnixTime,
    store::{Availability, Command, Completion, Hint, Item, Load, Operation, Page, Position, Ticket},
};
use push_store::{
    Client, Memory, Quotas,
    embedded::Writer,
    engine::{Engine as _, Mishap, SimulatedDisk},
};

use crate::{
    broken::Guarantee,
    kinds::{FaultKind, Tally},
    schedule::{Failing, Shape},
    truth::Truth,
};

/// One life of one shard, as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channel(usize);

/// What the store says to one shard.
#[derive(Default)]
struct Line {
    client: Option<Client>,
    dead: bool,
    muted: bool,
    answers: VecDeque<Said>,
}

/// A completion, and the messages whose end it tells.
pub(crate) struct Said {
    pub(crate) completion: Completion,
    pub(crate) learned: Vec<MessageId>,
}

pub(crate) struct Vault {
    quotas: Quotas,
    memory: Memory,
    disk: Option<Disk>,
    /// The client of the memory store that stands for all of them where it is the model.
    model: Option<Client>,
    lines: Vec<Line>,
    /// On their way to the store.
    commands: VecDeque<(Channel, Command)>,
    held: bool,
    failing: Option<Failing>,
    lose: u8,
    repeat: u8,
}

struct Disk {
    writer: Box<Writer<SimulatedDisk>>,
    disk: SimulatedDisk,
    /// The channel of the writer's first client.
    base: usize,
}

/// What must be known of a command once it is carried out.
enum Noted {
    Apply(Vec<Operation>),
    Expire(UnixTime),
    Other,
}

impl Vault {
    pub(crate) fn new(shape: &Shape) -> Self {
        let entries = if shape.short_queues { 6 } else { 64 };
        // Nobody is idle for so long; receipts are kept for as long as a sender waits for them.
        let quotas = Quotas { entries, receipt_secs: 20_000, ..Quotas::default() };
        let mut memory = Memory::new(quotas);
        let disk = shape.disk.then(|| Disk::open(SimulatedDisk::new(), quotas, 0)).flatten();
        let model = shape.disk.then(|| memory.attach());
        Self {
            quotas,
            memory,
            disk,
            model,
            lines: Vec::new(),
            commands: VecDeque::new(),
            held: false,
            failing: None,
            lose: 0,
            repeat: 0,
        }
    }

    /// Lets a shard in; if the store is down it hears of that at once.
    pub(crate) fn attach(&mut self) -> Channel {
        let channel = Channel(self.lines.len());
        let mut line = Line::default();
        let client = match &mut self.disk {
            Some(disk) => disk.writer.attach(),
            None => self.memory.attach(),
        };
        line.client = Some(client);
        if self.is_down() {
            let completion = Completion::Availability(Availability::Down);
            line.answers.push_back(Said { completion, learned: Vec::new() });
        }
        self.lines.push(line);
        channel
    }

    fn channel(&self, client: Client) -> Channel {
        let number = usize::try_from(client.number()).unwrap_or(usize::MAX);
        Channel(self.disk.as_ref().map_or(number, |disk| disk.base + number))
    }

    pub(crate) fn submit(&mut self, from: Channel, command: Command) {
        self.commands.push_back((from, command));
    }

    /// The next thing that was said to a shard reaches it.
    pub(crate) fn hear(&mut self, channel: Channel) -> Option<Said> {
        let line = self.lines.get_mut(channel.0)?;
        if line.muted { None } else { line.answers.pop_front() }
    }

    pub(crate) fn is_down(&self) -> bool {
        let availability =
            self.disk.as_ref().map_or_else(|| self.memory.availability(), |disk| disk.writer.availability());
        availability == Availability::Down
    }

    /// Carries out at most `count` of the commands that are on their way, in one commit. Whether there was one.
    pub(crate) fn commit(&mut self, count: usize, truth: &mut Truth, tally: &mut Tally) -> bool {
        let count = count.min(self.commands.len());
        if self.held || count == 0 {
            return false;
        }
        let group: Vec<_> = self.commands.drain(..count).collect();
        if self.disk.is_some() {
            self.commit_to_disk(group, truth, tally);
        } else {
            for (from, command) in group {
                self.run_in_memory(from, command, truth, tally);
            }
        }
        true
    }

    fn run_in_memory(&mut self, from: Channel, command: Command, truth: &mut Truth, tally: &mut Tally) {
        let ticket = command.ticket();
        let applies = matches!(command, Command::Apply(..)) && !self.is_down();
        let failing = if applies { self.failing.take() } else { None };
        if let (Some(Failing::Refused | Failing::Torn(_)), Some(ticket)) = (failing, ticket) {
            tally.fault(FaultKind::CommitRefused);
            let completion = Completion::Failed(ticket);
            return self.say(from, Said { completion, learned: Vec::new() }, tally);
        }
        let noted = Noted::of(&command);
        let mut said = Vec::new();
        let Some(client) = self.lines.get(from.0).and_then(|line| line.client) else { return };
        self.memory.run(client, command, &mut |to, completion| said.push((to, completion)));
        for (to, mut completion) in said {
            let mut learned = noted.learn(&completion, truth);
            if failing.is_some() && ticket.is_some() && completion.ticket() == ticket {
                tally.fault(FaultKind::CommitUnanswered);
                completion = Completion::Failed(ticket.unwrap_or(Ticket(0)));
                learned.clear();
            }
            self.say(self.channel(to), Said { completion, learned }, tally);
        }
    }

    fn commit_to_disk(&mut self, group: Vec<(Channel, Command)>, truth: &mut Truth, tally: &mut Tally) {
        let was_down = self.is_down();
        let Some(disk) = &mut self.disk else { return };
        disk.disk.arrange(self.failing.map(Failing::mishap));
        for (from, command) in &group {
            if let Some(client) = self.lines.get(from.0).and_then(|line| line.client) {
                disk.writer.stage(client, command.clone());
            }
        }
        let mut said = Vec::new();
        disk.writer.commit(&mut |to, completion| said.push((to, completion)));
        disk.disk.arrange(None);
        let failed = !was_down && self.is_down();
        let durable = if failed {
            let failing = self.failing.take().unwrap_or(Failing::Refused);
            tally.fault(failing.kind());
            failing == Failing::Unanswered
        } else {
            !was_down
        };
        let mut learned =
            if durable { self.model(group, &said, failed, truth) } else { Vec::new() }.into_iter();
        for (to, completion) in said {
            let learned = match completion.ticket() {
                Some(_) if failed => Vec::new(),
                Some(_) => learned.next().unwrap_or_default(),
                None => hinted(&completion),
            };
            self.say(self.channel(to), Said { completion, learned }, tally);
        }
    }

    /// The model does the same, and must say the same. Gives what each answer tells.
    fn model(
        &mut self,
        group: Vec<(Channel, Command)>,
        said: &[(Client, Completion)],
        failed: bool,
        truth: &mut Truth,
    ) -> Vec<Vec<MessageId>> {
        let mut answers =
            said.iter().map(|(_, completion)| completion).filter(|said| said.ticket().is_some());
        let mut learned = Vec::new();
        for (_, command) in group {
            let Some(ticket) = command.ticket() else { continue };
            let noted = Noted::of(&command);
            // Positions are the store's own; only what begins at the start can be compared.
            let comparable = !matches!(&command, Command::Load(_, load) if load.after != Position::START);
            let mut modelled = None;
            let Some(model) = self.model else { continue };
            self.memory.run(model, command, &mut |_, completion| {
                if completion.ticket() == Some(ticket) {
                    modelled = Some(completion);
                }
            });
            let answer = answers.next();
            let Some(modelled) = modelled else { continue };
            learned.push(noted.learn(&modelled, truth));
            if comparable && !failed {
                let alike = answer.is_some_and(|answer| is_alike(answer, &modelled));
                truth.require(alike, Guarantee::Store, || {
                    format!("the embedded store says {answer:?}, the one in memory {modelled:?}")
                });
            }
        }
        learned
    }

    fn say(&mut self, to: Channel, said: Said, tally: &mut Tally) {
        let hint = matches!(said.completion, Completion::Hint(..));
        let Some(line) = self.lines.get_mut(to.0).filter(|line| !line.dead) else { return };
        if hint && self.lose > 0 {
            self.lose -= 1;
            return tally.fault(FaultKind::HintLost);
        }
        if hint && self.repeat > 0 {
            self.repeat -= 1;
            tally.fault(FaultKind::HintRepeated);
            line.answers
                .push_back(Said { completion: said.completion.clone(), learned: said.learned.clone() });
        }
        line.answers.push_back(said);
    }

    pub(crate) const fn fail_next(&mut self, failing: Failing) {
        self.failing = Some(failing);
    }

    pub(crate) fn hold(&mut self, tally: &mut Tally) {
        if !std::mem::replace(&mut self.held, true) {
            tally.fault(FaultKind::CommandsDelayed);
        }
    }

    pub(crate) const fn release(&mut self) {
        self.held = false;
    }

    pub(crate) fn mute(&mut self, channel: Channel, tally: &mut Tally) {
        if let Some(line) = self.lines.get_mut(channel.0).filter(|line| !line.muted) {
            line.muted = true;
            tally.fault(FaultKind::AnswersDelayed);
        }
    }

    pub(crate) fn unmute(&mut self) {
        self.lines.iter_mut().for_each(|line| line.muted = false);
    }

    pub(crate) const fn lose_hints(&mut self, count: u8) {
        self.lose = count;
    }

    pub(crate) const fn repeat_hints(&mut self, count: u8) {
        self.repeat = count;
    }

    /// What was to go wrong does not any more.
    pub(crate) const fn calm(&mut self) {
        self.failing = None;
        self.lose = 0;
        self.repeat = 0;
    }

    /// A cluster's store goes down. One on a disk does by a commit that fails.
    pub(crate) fn go_down(&mut self, tally: &mut Tally) {
        if self.disk.is_some() {
            self.failing = Some(Failing::Refused);
        } else if !self.is_down() {
            tally.fault(FaultKind::StoreDown);
            self.set_availability(Availability::Down, tally);
        }
    }

    fn set_availability(&mut self, availability: Availability, tally: &mut Tally) {
        let mut said = Vec::new();
        self.memory.set_availability(availability, &mut |to, completion| said.push((to, completion)));
        for (to, completion) in said {
            self.say(self.channel(to), Said { completion, learned: Vec::new() }, tally);
        }
    }

    pub(crate) fn reopen(&mut self, truth: &mut Truth, tally: &mut Tally) {
        if !self.is_down() {
            return;
        }
        let Some(disk) = &mut self.disk else { return self.set_availability(Availability::Up, tally) };
        let mut said = Vec::new();
        let opened = disk.writer.reopen(&mut |to, completion| said.push((to, completion)));
        truth.require(opened.is_ok(), Guarantee::G7, || format!("the store stays down: {opened:?}"));
        for (to, completion) in said {
            self.say(self.channel(to), Said { completion, learned: Vec::new() }, tally);
        }
        self.compare(truth);
    }

    /// The process of these shards dies, when so many of their commands have reached the store.
    pub(crate) fn kill(&mut self, dead: &[Channel], survive: u8, truth: &mut Truth, tally: &mut Tally) {
        for channel in dead {
            if let Some(line) = self.lines.get_mut(channel.0) {
                line.dead = true;
                line.answers.clear();
            }
        }
        let mut survive = survive;
        let mut kept = VecDeque::new();
        for (from, command) in std::mem::take(&mut self.commands) {
            let lives = !dead.contains(&from);
            if lives || survive > 0 {
                survive = survive.saturating_sub(u8::from(!lives));
                kept.push_back((from, command));
            }
        }
        self.commands = kept;
        if self.disk.is_some() {
            self.held = false;
            self.commit(usize::MAX, truth, tally);
        }
    }

    /// The process that has the disk starts again.
    pub(crate) fn restart(&mut self, truth: &mut Truth) {
        let Some(disk) = self.disk.take() else { return };
        let base = self.lines.len();
        self.disk = Disk::open(disk.disk, self.quotas, base);
        truth.require(self.disk.is_some(), Guarantee::G1, || "what is durable cannot be opened".to_owned());
        self.compare(truth);
    }

    /// What is on the disk is what the model has.
    fn compare(&mut self, truth: &mut Truth) {
        let agents: std::collections::BTreeSet<AgentId> =
            truth.facts.values().map(|fact| fact.message.handle.agent).collect();
        let Self { disk: Some(disk), memory, model: Some(model), lines, .. } = self else { return };
        let reader = disk.writer.attach();
        lines.push(Line { client: Some(reader), dead: true, ..Line::default() });
        for agent in agents {
            let load = Load { agent, after: Position::START, limit: 1000 };
            let (mut stored, mut modelled) = (None, None);
            disk.writer.stage(reader, Command::Load(Ticket(0), load));
            disk.writer.commit(&mut |to, completion| {
                if to == reader {
                    stored = Some(completion);
                }
            });
            memory.run(*model, Command::Load(Ticket(0), load), &mut |_, completion| {
                modelled = Some(completion)
            });
            let alike = match (&stored, &modelled) {
                (Some(stored), Some(modelled)) => is_alike(stored, modelled),
                _ => false,
            };
            truth.require(alike, Guarantee::G1, || {
                format!("opened again, the embedded store has {stored:?}, the one in memory {modelled:?}")
            });
        }
    }
}

impl Disk {
    fn open(mut disk: SimulatedDisk, quotas: Quotas, base: usize) -> Option<Self> {
        disk.arrange(None);
        disk.reopen().ok()?;
        let writer = Writer::open(disk.clone(), quotas).ok()?;
        Some(Self { writer: Box::new(writer), disk, base })
    }
}

impl Failing {
    const fn mishap(self) -> Mishap {
        match self {
            Self::Refused => Mishap::Refused,
            Self::Torn(octets) => Mishap::Torn(octets as usize),
            Self::Unanswered => Mishap::Unanswered,
        }
    }

    const fn kind(self) -> FaultKind {
        match self {
            Self::Refused => FaultKind::CommitRefused,
            Self::Torn(_) => FaultKind::CommitTorn,
            Self::Unanswered => FaultKind::CommitUnanswered,
        }
    }
}

impl Noted {
    fn of(command: &Command) -> Self {
        match command {
            Command::Apply(_, operations) => Self::Apply(operations.clone()),
            Command::Expire(_, now) => Self::Expire(*now),
            _ => Self::Other,
        }
    }

    /// What a completion makes true. Gives the messages whose end, or welcome, it tells.
    fn learn(&self, completion: &Completion, truth: &mut Truth) -> Vec<MessageId> {
        match (self, completion) {
            (Self::Apply(operations), Completion::Applied(_, results)) => truth.durable(operations, results),
            (Self::Expire(now), Completion::Expired(_, sweep)) => {
                if !sweep.more {
                    truth.swept(*now);
                }
                Vec::new()
            }
            _ => hinted(completion),
        }
    }
}

fn hinted(completion: &Completion) -> Vec<MessageId> {
    match completion {
        Completion::Hint(_, Hint::Ended(handle)) => vec![handle.id],
        Completion::Hint(_, Hint::Offered(message)) => vec![message.handle.id],
        _ => Vec::new(),
    }
}

fn is_alike(stored: &Completion, modelled: &Completion) -> bool {
    match (stored, modelled) {
        (Completion::Applied(_, stored), Completion::Applied(_, modelled)) => {
            let alike = |(stored, modelled): (&Result<_, _>, &Result<_, _>)| match (stored, modelled) {
                (Ok(push_proto::store::Done::Put(stored)), Ok(push_proto::store::Done::Put(modelled))) => {
                    stored.replaced == modelled.replaced
                        && stored.dropped == modelled.dropped
                        && stored.position.is_some() == modelled.position.is_some()
                }
                (stored, modelled) => stored == modelled,
            };
            stored.len() == modelled.len() && stored.iter().zip(modelled).all(alike)
        }
        (Completion::Loaded(_, Ok(stored)), Completion::Loaded(_, Ok(modelled))) => {
            // How long a receipt is kept counts from the latest time that the store has seen, which is its own.
            let timeless = |item: &Item| match item {
                Item::Receipt(receipt) => {
                    Item::Receipt(Receipt { expires: UnixTime::from_secs(0), ..*receipt })
                }
                Item::Message(_) => item.clone(),
            };
            let items =
                |page: &Page| page.entries.iter().map(|entry| timeless(&entry.item)).collect::<Vec<_>>();
            stored.record == modelled.record
                && stored.subscriptions == modelled.subscriptions
                && stored.more == modelled.more
                && items(stored) == items(modelled)
        }
        (Completion::Expired(_, stored), Completion::Expired(_, modelled)) => stored.more == modelled.more,
        (stored, modelled) => stored == modelled,
    }
}
