//! `webpush bench send`: the sender, all included, against a push service in a process of its own that takes everything.

use std::{
    io::{self, BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use futures_util::stream;
use push_crypto::{Subscription, vapid::SigningKey};
use webpush::{Message, Options, Sender, SubscriptionError, Vapid, Verdict, testing::Sink};

use super::{
    clocks::{Spent, resident_kib},
    sink::{Arrived, Place},
};
use crate::{
    args::{BenchSendArgs, Runtime},
    error::{Error, Result},
    output,
    send::said_of,
};

/// Sends, and tells what it took.
pub(super) fn run(args: &BenchSendArgs) -> Result<()> {
    let failed = |what: &dyn std::fmt::Display| Error::failed(format!("cannot start: {what}"));
    let mut service = Service::start()?;
    let key = SigningKey::generate(&webpush::provider()).map_err(|error| failed(&error))?;
    let vapid = Vapid::new(key, "mailto:bench@example.org").map_err(|error| failed(&error))?;
    let options = options(args, &service.place);
    let rows = Rows::new(args, &service.place);
    let tally = match args.runtime {
        Runtime::Tokio => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| failed(&error))?.block_on(async {
                let sender = webpush::tokio::sender(&vapid, options).map_err(|error| failed(&error))?;
                Ok(send(&sender, rows, args.messages).await)
            })?
        }
        Runtime::Smol => webpush::smol::block_on(async {
            let sender = webpush::smol::sender(&vapid, options).map_err(|error| failed(&error))?;
            Ok(send(&sender, rows, args.messages).await)
        })?,
    };
    let arrived = service.stop()?;
    tell(args, &tally, &arrived)?;
    judge(args, &tally, &arrived)
}

/// As many push services at once as there are; otherwise as everybody has it.
fn options(args: &BenchSendArgs, place: &Place) -> Options {
    let mut options = Sink::options_for(place.address, place.certificate.as_bytes());
    let origins = usize::try_from(args.origins).unwrap_or(usize::MAX);
    options.config.limits.origins = options.config.limits.origins.max(origins);
    options.limits.idle_connections = options.limits.idle_connections.max(origins);
    options.in_flight = args.in_flight.map(std::num::NonZeroUsize::get);
    options
}

/// What an application has in its table: the subscriptions' JSON.
struct Rows {
    /// What is before the endpoint and after it.
    json: (String, String),
    port: u16,
    origins: u64,
    payload: Vec<u8>,
}

impl Rows {
    fn new(args: &BenchSendArgs, place: &Place) -> Self {
        let json = place.subscription.to_json();
        let (before, after) = json.split_once(place.subscription.endpoint.as_str()).unwrap_or_default();
        Self {
            json: (before.to_owned(), after.to_owned()),
            port: place.address.port(),
            origins: args.origins,
            payload: vec![b'x'; args.payload],
        }
    }

    fn message(&self, row: u64) -> std::result::Result<Message, SubscriptionError> {
        let (before, after) = &self.json;
        let (service, port) = (row.checked_rem(self.origins).unwrap_or_default(), self.port);
        let json = format!("{before}https://s{service}.push.test:{port}/p/{row}{after}");
        json.parse::<Subscription>().map(|to| Message::new(to, self.payload.as_slice()))
    }
}

/// What was told, and what it took.
struct Tally {
    /// One for each row, once.
    told: Vec<bool>,
    twice: u64,
    accepted: u64,
    another: Option<Verdict>,
    spent: Spent,
    /// Memory after a tenth, most of it since, and at the end.
    memory: Option<(u64, u64, u64)>,
}

async fn send(sender: &Sender, rows: Rows, messages: u64) -> Tally {
    let count = usize::try_from(messages).unwrap_or(usize::MAX);
    let (mut told, mut twice, mut accepted, mut another) = (vec![false; count], 0, 0, None);
    let mut memory = None;
    let began = Spent::read();
    let messages = (0..messages).map(move |row| (row, rows.message(row)));
    let mut sent = sender.send_all(stream::iter(messages));
    let mut number = 0_usize;
    while let Some((row, sent)) = sent.next().await {
        match usize::try_from(row).ok().and_then(|row| told.get_mut(row)) {
            Some(told) if !*told => *told = true,
            Some(_) | None => twice += 1,
        }
        if matches!(sent.verdict, Verdict::Accepted(_)) {
            accepted += 1;
        } else {
            another = Some(sent.verdict);
        }
        number += 1;
        if number.is_multiple_of((count / 100).max(1)) && number >= count / 10 {
            memory = resident_kib().map(|now| {
                let (first, most, _) = memory.unwrap_or((now, now, now));
                (first, now.max(most), now)
            });
        }
    }
    let spent = Spent::read().since(began);
    sender.close().await;
    Tally { told, twice, accepted, another, spent, memory }
}

fn tell(args: &BenchSendArgs, tally: &Tally, arrived: &Arrived) -> Result<()> {
    let BenchSendArgs { messages, origins, payload, .. } = args;
    let runtime = match args.runtime {
        Runtime::Tokio => "tokio",
        Runtime::Smol => "smol",
    };
    let (wall, cpu) = (tally.spent.wall.as_secs_f64(), tally.spent.cpu.as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "for people to read")]
    let rate = |seconds: f64| (*messages as f64 / seconds.max(f64::MIN_POSITIVE)).round();
    output::line(&format!(
        "{messages} messages of {payload} octets to {origins} push services, by HTTP/2 and TLS on {runtime}; each is \
         read from JSON, encrypted, signed, sent, and its verdict told"
    ))?;
    output::line(&format!("verdicts  {} accepted of {messages}", tally.accepted))?;
    let Arrived { messages: came, checked, bad, cpu_seconds } = arrived;
    output::line(&format!(
        "arrived   {came}; {checked} of them decrypted and their tokens verified, {bad} bad"
    ))?;
    output::line(&format!("time      {wall:.2} s, {} messages a second", rate(wall)))?;
    output::line(&format!(
        "CPU       {cpu:.2} s, {} messages a second and core; the push services took {cpu_seconds:.2} s more",
        rate(cpu)
    ))?;
    if let Some((first, most, last)) = tally.memory {
        output::line(&format!(
            "memory    {} MiB after a tenth, {} MiB at the end, {} MiB at most",
            first / 1024,
            last / 1024,
            most / 1024
        ))?;
    }
    Ok(())
}

fn judge(args: &BenchSendArgs, tally: &Tally, arrived: &Arrived) -> Result<()> {
    let missing = tally.told.iter().filter(|told| !**told).count();
    if missing > 0 || tally.twice > 0 {
        return Err(Error::failed(format!("{missing} messages had no verdict, {} had two", tally.twice)));
    }
    if let Some(verdict) = &tally.another {
        let unlike = args.messages - tally.accepted;
        let why = said_of(verdict).unwrap_or_else(|| format!("{verdict:?}"));
        return Err(Error::failed(format!("{unlike} messages were not accepted, the last of them: {why}")));
    }
    if arrived.bad > 0 || arrived.messages < args.messages {
        return Err(Error::failed(format!("{} messages arrived, {} bad", arrived.messages, arrived.bad)));
    }
    Ok(())
}

/// `webpush bench sink`, as a child process. Killed when dropped.
struct Service {
    child: Child,
    said: BufReader<ChildStdout>,
    place: Place,
}

impl Service {
    fn start() -> Result<Self> {
        let failed = |error: io::Error| Error::failed(format!("the push service does not start: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["bench", "sink"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let silent = || Error::failed("the push service does not start: it says nothing");
        let mut said = BufReader::new(child.stdout.take().ok_or_else(silent)?);
        let mut line = String::new();
        said.read_line(&mut line).map_err(failed)?;
        let place = Place::parse(&line).ok_or_else(silent)?;
        Ok(Self { child, said, place })
    }

    /// What came to it.
    fn stop(&mut self) -> Result<Arrived> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        let read = self.said.read_line(&mut line).ok();
        let arrived = read.and_then(|_| Arrived::parse(&line));
        arrived.ok_or_else(|| Error::failed("the push service ended without a word"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
