//! One message to many subscriptions: a line each, lazily, and a table at the end.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use futures_util::stream;
use indicatif::{ProgressBar, ProgressStyle};
use push_crypto::{MAX_SUBSCRIPTION_LEN, Subscription};
use webpush::{Message, MessageError, SendAll, Sender, Sent, Vendor, Verdict};
use zeroize::Zeroizing;

use super::Mold;
use crate::{
    args::SendArgs,
    error::{Error, Result},
    files, output,
};

/// Whether a file holds a subscription on each line.
pub(super) fn is_meant(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "jsonl" || kind == "ndjson")
}

/// Sends to each line of the file.
pub(super) async fn send(args: &SendArgs, sender: &Sender, mold: Mold) -> Result<()> {
    let file = File::open(&args.to).map_err(|error| Error::file("read", &args.to, files::why(&error)))?;
    let octets = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = if io::stderr().is_terminal() { ProgressBar::new(octets) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut verdicts = args.verdicts.as_deref().map(Verdicts::create).transpose()?;
    let lines = Lines { reader: Some(BufReader::new(file)), number: 0, bar: bar.clone() };
    let messages = lines.map(move |line| (line.place(), line.message(&mold)));
    let mut table = Table::default();
    let mut sent: SendAll<'_, Place> = sender.send_all(stream::iter(messages));
    while let Some((place, sent)) = sent.next().await {
        if let Some(verdicts) = &mut verdicts {
            verdicts.write(&place, &sent)?;
        }
        table.count(&place, &sent.verdict);
        bar.set_message(format!("{} sent", table.all()));
    }
    bar.finish_and_clear();
    output::line(&table.to_string())?;
    if table.all() == 0 {
        return Err(Error::failed(format!("{} holds no subscription", args.to.display())));
    }
    if table.accepted() == table.all() { Ok(()) } else { Err(table.error(args.verdicts.is_none())) }
}

/// Where a message came from, and where it went.
struct Place {
    line: u64,
    service: String,
}

/// A line, read when there is room for its message.
struct Line {
    number: u64,
    to: std::result::Result<Subscription, String>,
}

impl Line {
    fn place(&self) -> Place {
        let service = match &self.to {
            Ok(to) => match Vendor::of(&to.endpoint) {
                Vendor::Other => to.endpoint.host().to_owned(),
                vendor @ (Vendor::Apple | Vendor::Fcm | Vendor::Mozilla | Vendor::Wns) => {
                    vendor.name().to_owned()
                }
            },
            Err(_) => "none".to_owned(),
        };
        Place { line: self.number, service }
    }

    fn message(self, mold: &Mold) -> std::result::Result<Message, MessageError> {
        self.to.map(|to| mold.message(to)).map_err(MessageError::Other)
    }
}

struct Lines {
    /// None once it cannot be read on.
    reader: Option<BufReader<File>>,
    number: u64,
    bar: ProgressBar,
}

impl Iterator for Lines {
    type Item = Line;

    /// The next line that is not empty.
    fn next(&mut self) -> Option<Line> {
        loop {
            let reader = self.reader.as_mut()?;
            self.number += 1;
            let mut line = Zeroizing::new(Vec::new());
            let bound = u64::try_from(MAX_SUBSCRIPTION_LEN).unwrap_or(u64::MAX).saturating_add(2);
            let read = reader.by_ref().take(bound).read_until(b'\n', &mut line);
            let octets = match read {
                Ok(0) => return None,
                Ok(octets) => octets,
                Err(error) => {
                    let to = Err(format!("cannot be read: {}", files::why(&error)));
                    self.reader = None;
                    return Some(Line { number: self.number, to });
                }
            };
            self.bar.inc(u64::try_from(octets).unwrap_or(0));
            if !line.ends_with(b"\n") && u64::try_from(octets).unwrap_or(bound) == bound {
                self.skip_line();
            }
            let text = std::str::from_utf8(&line).map(str::trim);
            let to = match text {
                Ok("") => continue,
                Ok(text) => text.parse().map_err(|error: push_crypto::SubscriptionError| error.to_string()),
                Err(_) => Err("is not text".to_owned()),
            };
            return Some(Line { number: self.number, to });
        }
    }
}

impl Lines {
    /// What is left of a line that is too long for any subscription.
    fn skip_line(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        while let Ok(buffered) = reader.fill_buf() {
            let end = buffered.iter().position(|octet| *octet == b'\n');
            let octets = end.map_or(buffered.len(), |end| end + 1);
            reader.consume(octets);
            self.bar.inc(u64::try_from(octets).unwrap_or(0));
            if end.is_some() || octets == 0 {
                return;
            }
        }
    }
}

/// How often each push service said what.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, [u64; COLUMNS.len()]>,
}

const COLUMNS: [&str; 8] =
    ["accepted", "gone", "key mismatch", "auth", "rejected", "throttled", "expired", "transient"];

const fn column(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Accepted(_) => 0,
        Verdict::Gone(_) => 1,
        Verdict::KeyMismatch(_) => 2,
        Verdict::Auth(_) => 3,
        Verdict::Rejected(_) => 4,
        Verdict::Throttled(_) => 5,
        Verdict::Expired => 6,
        Verdict::Transient(_) => 7,
    }
}

impl Table {
    fn count(&mut self, place: &Place, verdict: &Verdict) {
        // Names come from the subscriptions: more than a table has room for are one row.
        let known = self.rows.contains_key(&place.service) || self.rows.len() < ROWS;
        let name = if known { place.service.as_str() } else { "others" };
        let row = self.rows.entry(name.to_owned()).or_default();
        if let Some(count) = row.get_mut(column(verdict)) {
            *count += 1;
        }
    }

    fn all(&self) -> u64 {
        self.rows.values().flatten().sum()
    }

    fn accepted(&self) -> u64 {
        self.rows.values().filter_map(|row| row.first()).sum()
    }

    fn error(&self, hint: bool) -> Error {
        let error =
            Error::failed(format!("{} of {} were not accepted", self.all() - self.accepted(), self.all()));
        if hint { error.hint("--verdicts FILE tells what came of each line") } else { error }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.rows.keys().map(String::len).max().unwrap_or(0).max("push service".len());
        write!(f, "{:<width$}", "push service")?;
        for name in COLUMNS {
            write!(f, "  {name:>8}")?;
        }
        for (service, counts) in &self.rows {
            write!(f, "\n{service:<width$}")?;
            for (name, count) in COLUMNS.iter().zip(counts) {
                write!(f, "  {count:>width$}", width = name.len().max(8))?;
            }
        }
        Ok(())
    }
}

/// One JSON object for each line of the subscriptions, in the order in which they were told.
struct Verdicts {
    file: io::BufWriter<File>,
    path: std::path::PathBuf,
}

impl Verdicts {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::file("write", path, files::why(&error)))?;
        Ok(Self { file: io::BufWriter::new(file), path: path.to_owned() })
    }

    fn write(&mut self, place: &Place, sent: &Sent) -> Result<()> {
        let name = COLUMNS.get(column(&sent.verdict)).copied().unwrap_or_default();
        let said = super::said_of(&sent.verdict);
        let json = serde_json::json!({
            "line": place.line,
            "service": place.service,
            "verdict": name,
            "said": said,
        });
        writeln!(self.file, "{json}")
            .and_then(|()| self.file.flush())
            .map_err(|error| Error::file("write", &self.path, files::why(&error)))
    }
}

/// Rows of the table.
const ROWS: usize = 64;
