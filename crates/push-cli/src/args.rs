//! The command line, and what `--help` says.

use std::{convert::Infallible, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use push_proto::{
    PublicKey, Topic, Ttl, Urgency,
    wire::{PublicUrl, WebSocketAt},
};
use push_tokio::TrustedProxies;
use webpush::{Proxy, ProxyError};

use crate::{
    bounds::Bounds,
    log::Level,
    sockets::{Place, mode},
    websocket,
};

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
    /// Copy the data of a push service into one file, while it runs or not
    Backup(BackupArgs),
    /// Measure what this machine does
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Show the whole job on this machine: subscribe, send, crash, deliver, receipt. Needs nothing
    Demo(DemoArgs),
    /// Walk the ways of a message to a push service and back, and say which hop breaks
    Doctor(DoctorArgs),
    /// Make the key that identifies a sender to push services (VAPID)
    Keygen(KeygenArgs),
    /// List the keys that seal the URLs of a push service
    Keys(KeysArgs),
    /// Subscribe, then print messages as they come
    Listen(ListenArgs),
    /// Make the data of a push service from a backup
    Restore(RestoreArgs),
    /// Give a push service that is stopped another key to seal its URLs with, or retire one
    RotateKey(RotateKeyArgs),
    /// Encrypt a message for a subscription and send it
    Send(SendArgs),
    /// Run a push service
    Serve(Box<ServeArgs>),
}

/// What `backup` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  webpush backup --data /var/lib/webpush --to webpush.backup
  webpush backup --data /var/lib/webpush --to /dev/stdout | age -r RECIPIENT > webpush.backup.age

A service that runs is asked for it, by a socket in its data folder; run this as its user or as root.
All that was answered by 201 before the command began is in the file, or has ended. The file replaces
the one before only when it is whole. It is a secret: the sealing keys are in it. See
docs/operations.md.")]
pub(crate) struct BackupArgs {
    /// The data folder of the service
    #[arg(long, value_name = "DIR", default_value = "webpush-data", env = "WEBPUSH_DATA")]
    pub(crate) data: PathBuf,
    /// The file, mode 0600, or a pipe
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

/// What `doctor` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  webpush doctor https://push.example.org
  webpush doctor https://localhost:8443 --ca webpush-data/dev/ca.pem --json

Each hop has a line: ok, warning or broken, and what to do. With --json the lines are
{\"hop\":..,\"state\":..,\"said\":..,\"do\":..}. It subscribes, sends itself two messages, and ends what
it made, and does the same by WebSocket, where the name of a user agent stays until it has been idle
for the service's agent-idle. Exit code 0 means that no hop is broken.")]
pub(crate) struct DoctorArgs {
    /// The push service, as `webpush serve` prints it
    #[arg(value_name = "URL", value_parser = service_url)]
    pub(crate) url: PublicUrl,
    /// Trust the certificates in this PEM file instead of those of the system
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// Where below the public URL the service has its WebSocket, if its `websocket-path` says so
    #[arg(long, value_name = "PATH", value_parser = websocket::path, conflicts_with = "no_websocket")]
    pub(crate) websocket_path: Option<WebSocketAt>,
    /// The service lets nobody connect by WebSocket: do not try
    #[arg(long)]
    pub(crate) no_websocket: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `restore` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  webpush restore --from webpush.backup --data /var/lib/webpush

Nothing is put in place before the whole file was read and found undamaged. The URLs are the same as
before, if the service has the same public URL. Messages that were delivered after the backup may come
again. Never run what is restored beside the service it was made from.")]
pub(crate) struct RestoreArgs {
    /// The backup, or a pipe
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// The data folder that is to be: empty, or none yet
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// What `keys` can be told.
#[derive(Debug, ClapArgs)]
pub(crate) struct KeysArgs {
    /// The data folder of the service
    #[arg(long, value_name = "DIR", default_value = "webpush-data", env = "WEBPUSH_DATA")]
    pub(crate) data: PathBuf,
}

/// What `rotate-key` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  webpush rotate-key --data /var/lib/webpush               new URLs get a new key, old ones stay valid
  webpush keys --data /var/lib/webpush
  webpush rotate-key --data /var/lib/webpush --retire 0    refused as long as something needs key 0

The service must be stopped: it reads its keys when it starts.")]
pub(crate) struct RotateKeyArgs {
    /// The data folder of the service
    #[arg(long, value_name = "DIR", default_value = "webpush-data", env = "WEBPUSH_DATA")]
    pub(crate) data: PathBuf,
    /// Make no new key, but take this one away, the oldest: its URLs are 404 from then on
    #[arg(long, value_name = "ID")]
    pub(crate) retire: Option<u8>,
    /// With --retire: even if user agents and senders have URLs that need it
    #[arg(long, requires = "retire")]
    pub(crate) force: bool,
}

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Connect user agents by WebSocket to a push service on this machine, and tell how much memory each costs it
    Agents(BenchAgentsArgs),
    /// Send messages to a push service on this machine that takes everything, and tell how fast, with how much memory
    Send(BenchSendArgs),
    /// A push service that takes every message and keeps none, to measure any sender by
    ///
    /// Says on standard output where it is (JSON: address, certificate, a subscription), serves until standard input ends,
    /// then says what came.
    Sink,
}

/// What `bench agents` can be told.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Each user agent has a subscription from before the service was started, connects, and waits; without
TLS, then with it. What the kernel
keeps for a connection is not counted. The limit on open files (ulimit -n) must be above their number.")]
pub(crate) struct BenchAgentsArgs {
    /// How many user agents
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=25_000))]
    pub(crate) agents: u64,
    /// What the service runs on
    #[arg(long, value_enum, default_value_t = Runtime::Tokio)]
    pub(crate) runtime: Runtime,
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
  webpush serve --data /var/lib/webpush --public-url https://push.example.org --behind-proxy \\
      --listen unix:/run/webpush/push.sock --trusted-proxy unix
  webpush serve --config webpush.toml --check

What is told twice counts in this order: flag, environment, file, default. SIGHUP reads all of it
again, certificate and key too; what cannot change while it serves is named in the log.

Prints one line on standard output when it is ready. SIGTERM or Ctrl-C: it accepts nothing new,
finishes what is under way and ends; a second one ends it at once.

Every URL that the service hands out begins with the public URL and holds a secret sealed with the
key in DIR/sealing.key: without that key every subscription is lost. `webpush backup` copies both.
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
    /// Refuse to start where there is no push service yet, instead of making one: for every start but the first, so that a
    /// disk that is not mounted is missed
    #[arg(long, env = "WEBPUSH_DATA_MUST_EXIST", value_parser = FalseyValueParser::new())]
    pub(crate) data_must_exist: bool,
    /// Where the world finds this service, for example https://push.example.org; with --dev by default
    /// https://localhost:PORT
    #[arg(long, value_name = "URL", value_parser = public_url, env = "WEBPUSH_PUBLIC_URL")]
    pub(crate) public_url: Option<PublicUrl>,
    /// Where to listen, more than once if need be; port 0 takes a free one and prints it. unix:PATH is a socket for what runs
    /// on this machine, without TLS
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8443",
        env = "WEBPUSH_LISTEN",
        value_delimiter = ','
    )]
    pub(crate) listen: Vec<Place>,
    /// Who may connect to a unix:PATH, as of a file (660); without it the umask decides
    #[arg(long, value_name = "MODE", value_parser = mode, env = "WEBPUSH_SOCKET_MODE")]
    pub(crate) socket_mode: Option<u32>,
    /// Believe this proxy when it says in Forwarded or X-Forwarded-For for whom it asks, so that bounds of an address are
    /// those of its clients: an address, a network such as 10.1.0.0/16, or unix for whoever comes by a unix:PATH
    #[arg(long, value_name = "CIDR", env = "WEBPUSH_TRUSTED_PROXY")]
    pub(crate) trusted_proxy: Vec<TrustedProxies>,
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
    /// Also take tokens of senders who leave the port out of `aud`, where the public URL has one
    #[arg(long, env = "WEBPUSH_PORTLESS_AUDIENCE", value_parser = FalseyValueParser::new())]
    pub(crate) portless_audience: bool,
    /// Where below the public URL user agents connect by WebSocket, as Firefox does; by default at the public URL itself
    #[arg(long, value_name = "PATH", value_parser = websocket::path, env = "WEBPUSH_WEBSOCKET_PATH")]
    pub(crate) websocket_path: Option<WebSocketAt>,
    /// Let pages of this origin connect by WebSocket, and of no other; by default all may. User agents send none, or that of
    /// the service
    #[arg(
        long,
        value_name = "ORIGIN",
        value_parser = websocket::origin,
        env = "WEBPUSH_WEBSOCKET_ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) websocket_origin: Vec<String>,
    /// Nobody connects by WebSocket
    #[arg(long, env = "WEBPUSH_NO_WEBSOCKET", value_parser = FalseyValueParser::new())]
    pub(crate) no_websocket: bool,
    /// Tell user agents that connect by WebSocket the version of a broadcast, if they have another
    #[arg(long, value_name = "ID=VERSION", value_parser = websocket::broadcast, env = "WEBPUSH_BROADCAST", value_delimiter = ',')]
    pub(crate) broadcast: Vec<(String, String)>,
    /// Tell Prometheus how it is, by GET /metrics at this address. There are no secrets in it, but it is nobody else's
    /// business: prefer an address of this machine
    #[arg(long, value_name = "ADDR", env = "WEBPUSH_METRICS")]
    pub(crate) metrics: Option<SocketAddr>,
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
