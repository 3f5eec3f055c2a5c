//! The command line, and what `--help` says.

use std::{convert::Infallible, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use push_proto::{PublicKey, Topic, Ttl, Urgency, wire::PublicUrl};
use webpush::{Proxy, ProxyError};

use crate::{bounds::Bounds, log::Level};

/// A push service, a sender and a receiver of web push messages (RFC 8030, 8291, 8292).
#[derive(Debug, Parser)]
#[command(name = "webpush", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Args {
    /// How much to log on standard error; never shows keys, payloads or capability URLs
    #[arg(
        long,
        value_enum,
        value_name = "LEVEL",
        default_value = "warn",
        env = "WEBPUSH_LOG",
        global = true
    )]
    pub(crate) log: Level,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure what this machine does
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Show the whole job on this machine: subscribe, send, crash, deliver, receipt. Needs nothing
    Demo(DemoArgs),
    /// Make the key that identifies a sender to push services (VAPID)
    Keygen(KeygenArgs),
    /// Subscribe, then print messages as they come
    Listen(ListenArgs),
    /// Encrypt a message for a subscription and send it
    Send(SendArgs),
    /// Run a push service
    Serve(Box<ServeArgs>),
}

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Send messages to a push service on this machine that takes everything, and tell how fast, with how much memory
    Send(BenchSendArgs),
    /// A push service that takes every message and keeps none, to measure any sender by
    ///
    /// Says on standard output where it is (JSON: address, certificate, a subscription), serves until standard input ends,
    /// then says what came.
    Sink,
}

/// What `bench send` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The push services are one process that answers for all their names; what it takes of the machine is
told apart. A message is what an application makes of a row of its table: the subscription's JSON is
parsed, the message encrypted, signed and sent, and its verdict told.

Exit code 0 means that each message has one verdict, was accepted, and arrived.")]
pub(crate) struct BenchSendArgs {
    /// How many messages
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) messages: u64,
    /// To how many push services, one after the other
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) origins: u64,
    /// Octets of each message
    #[arg(long, value_name = "OCTETS", default_value_t = 1024)]
    pub(crate) payload: usize,
    /// How many may be under way at once; by default as in any program
    #[arg(long, value_name = "N")]
    pub(crate) in_flight: Option<NonZeroUsize>,
    /// What the sender runs on
    #[arg(long, value_enum, default_value_t = Runtime::Tokio)]
    pub(crate) runtime: Runtime,
}

/// What `demo` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Starts the service as a child process on a free port of 127.0.0.1, with TLS and a store in a
temporary folder, which is removed at the end. Exit code 0 means that every step really held.

With --browser it is your own browser that subscribes, at the push service of its vendor: open
the page that is served, and press its buttons. It ends with Ctrl-C.")]
pub(crate) struct DemoArgs {
    /// Leave the temporary folder there, to look into it
    #[arg(long, conflicts_with = "browser")]
    pub(crate) keep: bool,
    /// Serve a page on this machine that subscribes your browser, sends it messages and shows them
    #[arg(long)]
    pub(crate) browser: bool,
    /// With --browser: the port of 127.0.0.1 for the page; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = BROWSER_PORT, requires = "browser")]
    pub(crate) port: u16,
    /// With --browser: for browsers that use a push service of your own. Trust the certificates in this PEM file instead
    /// of those of the system, and send to addresses of this machine and its networks too
    #[arg(long, value_name = "PEM", requires = "browser")]
    pub(crate) ca: Option<PathBuf>,
}

/// Always the same, since browsers keep permission and subscription by origin; it is the number of web push's RFC.
const BROWSER_PORT: u16 = 8030;

/// What `keygen` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  webpush keygen --out vapid.pem             key into a file for `webpush send --key`,
                                             public key on standard output
  webpush keygen --format json               the form of other tools: publicKey, privateKey

The public key is what a web page passes as `applicationServerKey`. Subscriptions made with it
accept messages signed with this key only, so keep the key as long as the subscriptions.")]
pub(crate) struct KeygenArgs {
    /// How to write the key: PKCS#8 PEM, 32 octets in base64url, or JSON with both halves
    #[arg(long, value_enum, default_value = "pem")]
    pub(crate) format: KeyFormat,
    /// Write the private key to this new file, readable by its owner only, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// How a VAPID key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyFormat {
    Base64url,
    Json,
    Pem,
}

/// What `listen` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  webpush listen --url https://localhost:8443 --ca data/dev/ca.pem \\
      --state me.state --subscription-out me.json
  webpush send --to me.json --ca data/dev/ca.pem 'hello'

The first run subscribes and prints the subscription, which is what senders need: give it to them
over a confidential channel. Later runs with the same --state take up that subscription and get
what came in between. Each message is acknowledged after it was printed. Ctrl-C ends.

With --json the lines are {\"subscription\":{..}}, {\"message\":\"..\"} (or message_base64url if it is
not text; null if it has no payload), and {\"event\":\"offline\"}, online, busy, discarded, failed.")]
pub(crate) struct ListenArgs {
    /// The push service, as `webpush serve` prints it
    #[arg(long, value_name = "URL", value_parser = service_url)]
    pub(crate) url: PublicUrl,
    /// Keep the subscription and its keys in this file (mode 0600), and take it up if it exists; without it they end
    /// with this program
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Write the subscription's JSON to this file (mode 0600), pipe or device too
    #[arg(long, value_name = "FILE")]
    pub(crate) subscription_out: Option<PathBuf>,
    /// Trust the certificates in this PEM file instead of those of the system
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// Only the holder of this VAPID key may send (87 characters of base64url)
    #[arg(long, value_name = "PUBLIC_KEY")]
    pub(crate) vapid: Option<PublicKey>,
    /// Only messages that matter this much or more: very-low, low, normal, high. The others wait at the service as long as
    /// their TTL allows
    #[arg(long, value_name = "URGENCY", value_parser = urgency)]
    pub(crate) urgency: Option<Urgency>,
    /// One JSON object a line: first the subscription, then each message, and what else happens
    #[arg(long)]
    pub(crate) json: bool,
    /// End after this many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// What `send` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  webpush send --to me.json 'hello'
  webpush send --to me.json --key vapid.pem --subject mailto:ops@example.org --file message.json
  echo 'disk is full' | webpush send --to me.json
  webpush send --to me.json --topic disk --ttl 1h --urgency high --wait-receipt 30 'disk is full'
  webpush send --to subscriptions.jsonl --key vapid.pem --subject mailto:ops@example.org \\
      --verdicts verdicts.jsonl 'hello, all'
  webpush send --to me.json --dry-run --curl 'hello'

A file that ends in .jsonl or .ndjson has a subscription on each line. Then a table tells what came of
them, push service by push service.

Exit code 0 means that the push service accepted the message, all of them if there are many, and with
--wait-receipt that it was delivered as well.")]
pub(crate) struct SendArgs {
    /// The subscription's JSON, as the browser or `webpush listen` gives it; - for standard input; FILE.jsonl for one on
    /// each line
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Sign with this VAPID key: PEM, base64url or JSON, as `webpush keygen` writes them
    #[arg(long, value_name = "FILE", env = "WEBPUSH_KEY_FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Whom the push service may write to if something is wrong: mailto:.. or https://..
    #[arg(long, value_name = "URI", requires = "key")]
    pub(crate) subject: Option<String>,
    /// How long the service may keep the message: 90, 90s, 15m, 1h, 7d. 0 means deliver now or never
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = ttl)]
    pub(crate) ttl: Ttl,
    /// How much it matters: very-low, low, normal, high
    #[arg(long, value_name = "URGENCY", default_value = "normal", value_parser = urgency)]
    pub(crate) urgency: Urgency,
    /// Replace an undelivered message with this topic: 1 to 32 characters of A-Z a-z 0-9 - _
    #[arg(long, value_parser = topic)]
    pub(crate) topic: Option<Topic>,
    /// Ask for a receipt
    #[arg(long)]
    pub(crate) receipt: bool,
    /// Ask for a receipt and wait this long for it; not with a TTL of 0, for which none can be relied on
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) wait_receipt: Option<Duration>,
    /// Trust the certificates in this PEM file instead of those of the system
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// Send to addresses of this machine and its networks too; --ca implies it
    #[arg(long)]
    pub(crate) private_addresses: bool,
    /// Reach push services by this HTTP proxy (CONNECT): http[s]://[user:password@]host[:port], percent-encoded. It resolves
    /// their names, so it must see to it that nothing inside is reached. Other users of this machine may see flags: prefer
    /// the environment for a password
    #[arg(long, value_name = "URL", env = "WEBPUSH_PROXY", hide_env_values = true, value_parser = proxy)]
    pub(crate) proxy: Option<Result<Proxy, ProxyError>>,
    /// Of many: what came of each line, as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) verdicts: Option<PathBuf>,
    /// Send nothing: show the request
    #[arg(long, conflicts_with_all = ["wait_receipt", "verdicts"])]
    pub(crate) dry_run: bool,
    /// Show it as a command that sends it; whoever sees it can send in your name for twelve hours
    #[arg(long, requires = "dry_run")]
    pub(crate) curl: bool,
    /// Show the URL of the message too; whoever has it can read and remove the message
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Send the content of this file
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// What to send; without it and without --file, standard input
    pub(crate) text: Option<String>,
}

/// What `serve` can be told, by flag or by environment. [`ServeArgs::config`] makes sense of it.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  webpush serve --dev                                   try it: https://localhost:8443
  webpush serve --data /var/lib/webpush --public-url https://push.example.org \\
      --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  webpush serve --data /var/lib/webpush --public-url https://push.example.org --behind-proxy
  webpush serve --config webpush.toml --check

What is told twice counts in this order: flag, environment, file, default. SIGHUP reads all of it
again, certificate and key too; what cannot change while it serves is named in the log.

Prints one line on standard output when it is ready. SIGTERM or Ctrl-C: it accepts nothing new,
finishes what is under way and ends; a second one ends it at once.

Every URL that the service hands out begins with the public URL and holds a secret sealed with the
key in DIR/sealing.key. Back up the folder as a whole: without that key every subscription is lost.
Web push by server push needs HTTP/2 end to end, which few proxies pass on: prefer TLS here.")]
pub(crate) struct ServeArgs {
    /// A file that says what flags and environment do not: TOML, each key a flag without its dashes. By default none is read
    #[arg(long, value_name = "FILE", env = "WEBPUSH_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Serve nothing: read the configuration, certificate, key and data folder, and say what would be served
    #[arg(long)]
    pub(crate) check: bool,
    /// The folder for everything that must outlive a restart; made if it does not exist
    #[arg(long, value_name = "DIR", default_value = "webpush-data", env = "WEBPUSH_DATA")]
    pub(crate) data: PathBuf,
    /// Where the world finds this service, for example https://push.example.org; with --dev by default
    /// https://localhost:PORT
    #[arg(long, value_name = "URL", value_parser = public_url, env = "WEBPUSH_PUBLIC_URL")]
    pub(crate) public_url: Option<PublicUrl>,
    /// Where to listen; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443", env = "WEBPUSH_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// The certificate chain, PEM, our own certificate first
    #[arg(long, value_name = "PEM", env = "WEBPUSH_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "PEM", env = "WEBPUSH_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// For trying things out: a certificate of our own, made into the data folder
    #[arg(long, env = "WEBPUSH_DEV", value_parser = FalseyValueParser::new())]
    pub(crate) dev: bool,
    /// With --dev: no TLS at all
    #[arg(long, env = "WEBPUSH_CLEARTEXT", value_parser = FalseyValueParser::new())]
    pub(crate) cleartext: bool,
    /// No TLS here: a proxy in front sees to it, and nobody else reaches this address
    #[arg(long, env = "WEBPUSH_BEHIND_PROXY", value_parser = FalseyValueParser::new())]
    pub(crate) behind_proxy: bool,
    /// Also take the credentials that senders had before RFC 8292: `Authorization: WebPush` with `Crypto-Key: p256ecdsa`
    #[arg(long, env = "WEBPUSH_DRAFT_VAPID", value_parser = FalseyValueParser::new())]
    pub(crate) draft_vapid: bool,
    /// What the threads that serve run on
    #[arg(long, value_enum, default_value_t = Runtime::Tokio, env = "WEBPUSH_RUNTIME")]
    pub(crate) runtime: Runtime,
    /// Threads that serve; by default one for each processor
    #[arg(long, value_name = "N", env = "WEBPUSH_SHARDS")]
    pub(crate) shards: Option<NonZeroUsize>,
    /// How long to wait for what is under way when asked to end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, env = "WEBPUSH_DRAIN")]
    pub(crate) drain: Duration,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
}

/// Both do the same: whoever measures or debugs one may want the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    Tokio,
    Smol,
}

const EXAMPLES: &str = "\
Start here:
  webpush demo                               everything at once, nothing to set up
  webpush serve --dev                        a push service at https://localhost:8443
  webpush listen --url https://localhost:8443 --ca webpush-data/dev/ca.pem \\
      --subscription-out me.json
  webpush send --to me.json --ca webpush-data/dev/ca.pem 'hello'

Exit codes: 0 it worked, 1 it did not, 2 wrong use.";

fn public_url(text: &str) -> Result<PublicUrl, String> {
    PublicUrl::parse(text).map_err(|error| error.to_string())
}

/// A service's URL, with or without the last step to where one subscribes.
fn service_url(text: &str) -> Result<PublicUrl, String> {
    let text = text.trim_end_matches('/');
    public_url(text.strip_suffix("/subscribe").unwrap_or(text))
}

fn ttl(text: &str) -> Result<Ttl, String> {
    let seconds = duration(text)?.as_secs();
    Ok(Ttl::from_secs(u32::try_from(seconds).unwrap_or(u32::MAX)))
}

/// `90`, `90s`, `15m`, `1h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let seconds: u64 = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(format!("`{unit}` is no unit of time; use s, m, h or d")),
    };
    let number = digits.parse::<u64>().map_err(|_| "not a time; write 90s, 15m, 1h or 7d".to_owned())?;
    let whole = number.checked_mul(seconds).ok_or_else(|| "too long".to_owned())?;
    Ok(Duration::from_secs(whole))
}

fn urgency(text: &str) -> Result<Urgency, String> {
    Urgency::parse(text.as_bytes()).ok_or_else(|| "use very-low, low, normal or high".to_owned())
}

/// What is none is refused later: here the refusal would repeat it, with its password.
#[expect(clippy::unnecessary_wraps, reason = "a parser of clap gives a result")]
fn proxy(text: &str) -> Result<Result<Proxy, ProxyError>, Infallible> {
    Ok(text.parse())
}

fn topic(text: &str) -> Result<Topic, String> {
    let wrong = "a topic has 1 to 32 characters of A-Z a-z 0-9 - _ (RFC 8030 §5.4)";
    Topic::parse(text.as_bytes()).ok_or_else(|| wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "1y", "-1s", "1.5h", "1 h", "99999999999999999999", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(ttl("9999999d"), Ok(Ttl::MAX));
    }

    #[test]
    fn the_service_may_be_named_with_or_without_its_last_step() {
        for text in ["https://a.example/x", "https://a.example/x/", "https://a.example/x/subscribe"] {
            assert_eq!(service_url(text).unwrap().subscribe(), "https://a.example/x/subscribe");
        }
        assert!(service_url("a.example").is_err());
    }
}
