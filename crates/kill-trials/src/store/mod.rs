//! The embedded store killed with SIGKILL at random points of random operations.
//!
//! A child process carries out a script and reports every completion through a pipe; the parent kills it,
//! opens its folder and compares with the reference ([`Memory`]), to which it does the same. Commands of one client apply in
//! order, so what is on the disk must be exactly what the reference holds after all that was reported and, of the rest that
//! was given, some first part.

mod place;
mod script;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::{Arc, mpsc},
};

use push_proto::{
    Content, Receipt, UnixTime,
    store::{Command, Completion, Done, Item, Load, Page, Position, Ticket},
};
use push_store::{Client, Completions, Embedded, Memory, Store};

use crate::{Failure, Result, random::Random};
use place::Place;
use script::{Script, agents, quotas, time};

/// What to do.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The program that is the child when its first two words are [`CHILD`] and a folder: this one.
    pub program: PathBuf,
    /// An empty folder, for the stores.
    pub folder: PathBuf,
    /// Processes to be killed.
    pub kills: u64,
    /// Of all draws. When the kill comes depends on time as well, so a seed does not repeat a trial; it names it.
    pub seed: u64,
    /// Whether the power goes with the process: what was not synced is lost, in part or all of it.
    pub power_loss: bool,
}

/// What happened in a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processes killed.
    pub kills: u64,
    /// Folders that were used.
    pub stores: u64,
    /// Commands answered.
    pub answered: u64,
    /// Commands that were carried out without an answer, since the process died before it.
    pub survived: u64,
    /// Kills that left some of these.
    pub surprises: u64,
    /// Entries found in queues after kills.
    pub entries: u64,
    /// Writes and names that were lost with the power.
    pub lost: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("kills", self.kills),
            ("stores", self.stores),
            ("commands answered", self.answered),
            ("commands carried out, not answered", self.survived),
            ("kills that left some of these", self.surprises),
            ("entries found after kills", self.entries),
            ("unsynced changes lost", self.lost),
        ];
        for (name, number) in rows {
            writeln!(f, "{name:<36}{number:>9}")?;
        }
        Ok(())
    }
}

/// Carries out a trial; `progress` hears of each kill.
///
/// # Errors
///
/// The first difference between the store and the reference, or why the trial could not go on.
pub fn run(trial: &Trial, progress: &mut dyn FnMut(u64)) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut random = Random::new(trial.seed);
    let mut model = Model::new();
    let mut place = Place::new(trial, 0)?;
    for kill in 0..trial.kills {
        if kill > 0 && kill.is_multiple_of(LIVES) {
            // Stores stay small, and each is made anew under fire.
            figures.lost += place.leave()?;
            (place, model) = (Place::new(trial, kill)?, Model::new());
        }
        figures.stores += u64::from(kill.is_multiple_of(LIVES));
        let life = Life { seed: trial.seed, number: kill, folder: place.store.clone() };
        let named = |failure| Failure::new(format!("life {kill}: {failure}"));
        place.enter()?;
        let answers = life.until_killed(&trial.program, &mut random)?;
        place.crash(&mut random)?;
        let found = life.look().map_err(named)?;
        let survived = model.explain(&life, &answers, &found).map_err(named)?;
        figures.kills += 1;
        figures.answered += u64::try_from(answers.len()).unwrap_or(u64::MAX);
        figures.survived += survived;
        figures.surprises += u64::from(survived > 0);
        figures.entries += found.iter().map(|queue| queue.entries).sum::<u64>();
        progress(kill + 1);
    }
    figures.lost += place.leave()?;
    Ok(figures)
}

/// One life of a child.
struct Life {
    seed: u64,
    number: u64,
    folder: PathBuf,
}

impl Life {
    /// Starts a child, and kills it after some answers; what it was told, in order.
    fn until_killed(&self, program: &Path, random: &mut Random) -> Result<Vec<String>> {
        let failed = |error: std::io::Error| Failure::new(format!("the child: {error}"));
        let mut command = Process::new(program);
        command.arg(CHILD).arg(&self.folder).args([self.seed, self.number].map(|number| number.to_string()));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let Some(pipe) = child.stdout.take() else { return Err(Failure::new("the child has no pipe")) };
        // Often before the first answer: while the store is being opened or made.
        let deadly = if random.once_in(6) { 0 } else { random.below(300) };
        let delay = random.below(if deadly == 0 { 2_000_000 } else { 50_000 });
        let answers = listen(&mut child, BufReader::new(pipe), deadly, delay);
        child.wait().map_err(failed)?;
        answers.map_err(failed)
    }

    /// What is there once the store is opened again.
    fn look(&self) -> Result<Vec<Queue>> {
        let store = Embedded::open(&self.folder, quotas());
        let store = store.map_err(|error| Failure::new(format!("the store does not open: {error}")))?;
        let desk = Desk::attach(&store);
        let found = look(&mut |command| desk.ask(&store, command), self.number);
        store.close();
        found
    }
}

/// Reads answers, kills at the right one, and reads what was in the pipe by then.
fn listen(
    child: &mut Child,
    mut pipe: BufReader<impl std::io::Read>,
    deadly: u64,
    delay: u64,
) -> std::io::Result<Vec<String>> {
    let mut answers = Vec::new();
    let mut line = String::new();
    let mut killed = false;
    loop {
        if !killed && u64::try_from(answers.len()).unwrap_or(u64::MAX) >= deadly {
            // Not always on the heels of an answer.
            for step in 0..delay {
                std::hint::black_box(step);
                std::hint::spin_loop();
            }
            child.kill()?;
            killed = true;
        }
        line.clear();
        pipe.read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(answer) => answers.push(answer.to_owned()),
            // The last one may be cut short: then nobody was told.
            None => return Ok(answers),
        }
    }
}

/// What one agent's records and queue say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Queue {
    text: String,
    entries: u64,
}

/// What there is: the store is told the time, as it should be, and then loaded.
fn look(ask: &mut dyn FnMut(Command) -> Result<Completion>, life: u64) -> Result<Vec<Queue>> {
    ask(Command::Expire(Ticket(0), UnixTime::from_secs(time(life))))?;
    agents()
        .map(|agent| queue(&mut |after| ask(Command::Load(Ticket(0), Load { agent, after, limit: 7 }))))
        .collect()
}

fn queue(load: &mut dyn FnMut(Position) -> Result<Completion>) -> Result<Queue> {
    let (mut text, mut entries, mut after) = (String::new(), 0, Position::START);
    loop {
        let Completion::Loaded(_, loaded) = load(after)? else {
            return Err(Failure::new("a load was answered by something else"));
        };
        let page = match loaded {
            Ok(page) => page,
            Err(unmet) => return Ok(Queue { text: format!("{unmet:?}"), entries }),
        };
        if after == Position::START {
            text.push_str(&format!("{:?} {:?}", page.record, page.subscriptions));
        }
        text.push_str(&items(&page));
        entries += u64::try_from(page.entries.len()).unwrap_or(0);
        if !page.more {
            return Ok(Queue { text, entries });
        }
        if page.through <= after {
            return Err(Failure::new("a page without progress"));
        }
        after = page.through;
    }
}

/// The reference, as of what is known to be on the disk: more than one, as long as nobody can tell which.
struct Model {
    candidates: Vec<Memory>,
    client: Client,
}

impl Model {
    fn new() -> Self {
        let mut memory = Memory::new(quotas());
        let client = memory.attach();
        Self { candidates: vec![memory], client }
    }

    /// Does what the child did: all answers must be the same, and what was found must be what some first part of the
    /// commands that were still open makes of it. How many of these were carried out, at least.
    fn explain(&mut self, life: &Life, answers: &[String], found: &[Queue]) -> Result<u64> {
        let mut least = Err(Failure::new("there is no reference"));
        // What shows no difference may differ in what is not shown: when an agent was seen, say. Later answers tell.
        let mut explained = BTreeMap::new();
        for memory in std::mem::take(&mut self.candidates) {
            let explanations =
                Explaining { memory, client: self.client, life, script: Script::new(life.seed, life.number) };
            match explanations.all(answers, found) {
                Ok(new) => {
                    let first = new.iter().map(|(survived, _)| *survived).min().unwrap_or(0);
                    least = Ok(least.map_or(first, |least: u64| least.min(first)));
                    explained.extend(new.into_iter().map(|(_, memory)| (format!("{memory:?}"), memory)));
                }
                Err(failure) => least = least.or(Err(failure)),
            }
        }
        self.candidates = explained.into_values().collect();
        least
    }
}

/// One candidate in one life.
struct Explaining<'a> {
    memory: Memory,
    client: Client,
    life: &'a Life,
    script: Script,
}

impl Explaining<'_> {
    /// Every state that explains the answers and what was found, and how many commands it has beyond those answered.
    fn all(mut self, answers: &[String], found: &[Queue]) -> Result<Vec<(u64, Memory)>> {
        for (number, answer) in answers.iter().enumerate() {
            let (asked, expected) = self.step()?;
            if *answer != expected {
                let what = format!("was answered by {answer}, by the reference {expected}: {asked:?}");
                return Err(Failure::new(format!("command {number} {what}")));
            }
        }
        let (mut explanations, mut differs) = (Vec::new(), None);
        for survived in 0..=IN_FLIGHT {
            // To look is an operation as well, so it is tried on a copy.
            let mut memory = self.memory.clone();
            let expected = look(&mut |command| told(&mut memory, self.client, command), self.life.number)?;
            if expected == *found {
                explanations.push((survived, memory));
            } else {
                let mut pairs = found.iter().cloned().zip(expected);
                differs = pairs.find(|(found, expected)| found != expected);
            }
            self.step()?;
        }
        if explanations.is_empty() {
            let answers = answers.len();
            let what =
                format!("after {answers} answers nothing explains the store; at the last: {differs:?}");
            return Err(Failure::new(what));
        }
        Ok(explanations)
    }

    /// The next command, and the reference's answer.
    fn step(&mut self) -> Result<(Command, String)> {
        let command = self.script.next();
        let completion = told(&mut self.memory, self.client, command.clone())?;
        Ok((command, report(&completion)))
    }
}

/// What the reference answers.
fn told(memory: &mut Memory, client: Client, command: Command) -> Result<Completion> {
    let mut said = Err(Failure::new("the reference said nothing"));
    memory.run(client, command, &mut |_, completion| {
        if completion.ticket().is_some() {
            said = Ok(completion);
        }
    });
    said
}

/// The first word of a child's command line. A folder, a seed and the number of a life follow.
pub const CHILD: &str = "child";

/// The life of a child: it ends by being killed.
///
/// # Errors
///
/// Why it could not even begin.
pub fn child(folder: &Path, seed: u64, life: u64) -> Result<()> {
    let store = Embedded::open(folder, quotas());
    let store = store.map_err(|error| Failure::new(format!("the store does not open: {error}")))?;
    let desk = Desk::attach(&store);
    let mut script = Script::new(seed, life);
    let mut given = 0;
    let mut out = std::io::stdout().lock();
    loop {
        while given < IN_FLIGHT {
            store.submit(desk.client, script.next());
            given += 1;
        }
        let line = format!("{}\n", report(&desk.next()?));
        // One write: an answer is in the pipe, or it is not.
        out.write_all(line.as_bytes()).map_err(|error| Failure::new(error.to_string()))?;
        out.flush().map_err(|error| Failure::new(error.to_string()))?;
        given -= 1;
    }
}

/// One client of a store, and what it is told.
struct Desk {
    client: Client,
    told: mpsc::Receiver<Completion>,
}

struct Inbox(mpsc::Sender<Completion>);

impl Completions for Inbox {
    fn complete(&self, completion: Completion) {
        if completion.ticket().is_some() {
            // Whoever listened may have gone.
            drop(self.0.send(completion));
        }
    }
}

impl Desk {
    fn attach(store: &Embedded) -> Self {
        let (sender, told) = mpsc::channel();
        Self { client: store.attach(Arc::new(Inbox(sender))), told }
    }

    fn next(&self) -> Result<Completion> {
        self.told.recv().map_err(|_| Failure::new("the store stopped answering"))
    }

    fn ask(&self, store: &Embedded, command: Command) -> Result<Completion> {
        store.submit(self.client, command);
        self.next()
    }
}

/// A completion in one line, without positions, which the reference numbers otherwise after a crash.
fn report(completion: &Completion) -> String {
    match completion {
        Completion::Applied(ticket, done) => {
            let one = |result: &Result<Done, _>| match result {
                Ok(Done::Put(placed)) => {
                    let kept = placed.position.is_some();
                    let dropped: VecDeque<_> =
                        placed.dropped.iter().map(|handle| *handle.id.octets()).collect();
                    format!("put {kept} {:?} {dropped:?}", placed.replaced.map(|id| *id.octets()))
                }
                Ok(done) => format!("{done:?}"),
                Err(unmet) => format!("{unmet:?}"),
            };
            format!("{} applied {:?}", ticket.0, done.iter().map(one).collect::<Vec<_>>())
        }
        Completion::Loaded(ticket, Ok(page)) => {
            format!("{} loaded {:?} {} {:?}", ticket.0, page.record, page.more, items(page))
        }
        Completion::Loaded(ticket, Err(unmet)) => format!("{} loaded {unmet:?}", ticket.0),
        Completion::Read(ticket, found) => {
            format!("{} read {}", ticket.0, found.as_ref().map_or(String::new(), item))
        }
        Completion::Expired(ticket, sweep) => format!("{} expired {sweep:?}", ticket.0),
        Completion::Watching(_)
        | Completion::Hint(..)
        | Completion::Failed(_)
        | Completion::Availability(_) => {
            format!("{completion:?}")
        }
    }
}

fn items(page: &Page) -> String {
    page.entries.iter().map(|entry| item(&entry.item)).collect()
}

fn item(of: &Item) -> String {
    match of {
        Item::Message(message) => {
            let Content { body, .. } = &message.content;
            let sum =
                body.iter().fold(0_u64, |sum, octet| sum.wrapping_mul(31).wrapping_add(u64::from(*octet)));
            let ends = (message.accepted, message.expires, message.urgency);
            let id = message.handle.id.octets();
            format!("[{id:?} {:?} {ends:?} {:?} {} {sum}]", message.sealed_by, message.receipt, body.len())
        }
        Item::Receipt(receipt) => {
            let Receipt { message, sealed_by, outcome, expires, .. } = receipt;
            format!("[{:?} {sealed_by:?} {outcome:?} {expires:?}]", message.id.octets())
        }
    }
}

/// Commands that are under way at once.
const IN_FLIGHT: u64 = 48;

/// Kills of one store.
const LIVES: u64 = 20;
