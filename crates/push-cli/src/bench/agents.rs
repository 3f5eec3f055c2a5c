//! `webpush bench agents`: what a user agent that waits for messages by WebSocket costs the push service in memory.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use futures_util::{SinkExt as _, StreamExt as _, stream};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::clocks::resident_kib_of;
use crate::{
    args::{BenchAgentsArgs, Runtime},
    error::{Error, Result},
    output,
};

/// Measures without TLS and with it.
pub(super) fn run(args: &BenchAgentsArgs) -> Result<()> {
    let runtime = match args.runtime {
        Runtime::Tokio => "tokio",
        Runtime::Smol => "smol",
    };
    output::line(&format!(
        "{} user agents with a subscription each connect to `webpush serve` on {runtime} by WebSocket, and wait",
        args.agents
    ))?;
    for tls in [false, true] {
        let what = if tls { "TLS" } else { "cleartext" };
        let Measured { before, after } = measure(args, runtime, tls)?;
        #[allow(clippy::cast_precision_loss, reason = "for people to read")]
        let each = after.saturating_sub(before) as f64 / args.agents as f64;
        output::line(&format!(
            "{what:<10}{each:.2} KiB each: {before} KiB with one of them, {after} KiB with all"
        ))?;
    }
    Ok(())
}

/// Memory of the service, in KiB.
struct Measured {
    before: u64,
    after: u64,
}

fn measure(args: &BenchAgentsArgs, runtime: &str, tls: bool) -> Result<Measured> {
    let failed = |error: io::Error| Error::failed(format!("cannot measure: {error}"));
    let folder = tempfile::tempdir().map_err(failed)?;
    let local = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let start = || {
        let service = Service::start(folder.path(), runtime, tls)?;
        let connector = if tls { Some(connector(&folder.path().join("data/dev/ca.pem"))?) } else { None };
        let to = Place { address: service.address, connector };
        Ok::<_, Error>((service, to))
    };
    // What it takes to make subscriptions is not what it takes to wait for messages.
    let (service, to) = start()?;
    let names = local.block_on(async {
        let names = stream::iter(0..=args.agents).map(|number| to.subscribe(number));
        let names: Vec<_> = names.buffer_unordered(AT_ONCE).collect().await;
        names.into_iter().collect::<Result<Vec<_>>>()
    })?;
    drop(service);
    let (service, to) = start()?;
    local.block_on(async {
        let mut names = names.iter();
        let first = to.connect(names.next().map(String::as_str)).await?;
        let before = service.resident()?;
        let others = stream::iter(names).map(|name| to.connect(Some(name)));
        let others: Vec<_> = others.buffer_unordered(AT_ONCE).collect().await;
        let others = others.into_iter().collect::<Result<Vec<_>>>()?;
        let after = service.resident()?;
        drop((first, others));
        Ok(Measured { before, after })
    })
}

fn connector(ca: &Path) -> Result<TlsConnector> {
    let bad = |what: &dyn std::fmt::Display| Error::failed(format!("{}: {what}", ca.display()));
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(ca).map_err(|error| bad(&error))?;
    roots.add(certificate).map_err(|error| bad(&error))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Where to connect.
struct Place {
    address: SocketAddr,
    connector: Option<TlsConnector>,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<Io: AsyncRead + AsyncWrite + Unpin> Duplex for Io {}

type Agent = WebSocketStream<Box<dyn Duplex>>;

impl Place {
    /// A new user agent makes a subscription and leaves; its name.
    async fn subscribe(&self, number: u64) -> Result<String> {
        let (mut agent, name) = self.connect(None).await?;
        let channel = format!("00000000-0000-4000-8000-{number:012x}");
        ask(&mut agent, &json!({ "messageType": "register", "channelID": channel })).await?;
        Ok(name)
    }

    /// The user agent of that name, or a new one; its name.
    async fn connect(&self, name: Option<&str>) -> Result<(Agent, String)> {
        let failed = |what: &dyn std::fmt::Display| cannot(what);
        let socket = TcpStream::connect(self.address).await.map_err(|error| failed(&error))?;
        let io: Box<dyn Duplex> = match &self.connector {
            None => Box::new(socket),
            Some(connector) => {
                let name = ServerName::try_from("localhost").map_err(|error| failed(&error))?;
                Box::new(connector.connect(name, socket).await.map_err(|error| failed(&error))?)
            }
        };
        let config = WebSocketConfig::default().read_buffer_size(BUFFER_OCTETS);
        let url = format!("ws://localhost:{}/", self.address.port());
        let connected = client_async_with_config(url, io, Some(config)).await;
        let (mut agent, _) = connected.map_err(|error| failed(&error))?;
        let hello = match name {
            Some(name) => json!({ "messageType": "hello", "use_webpush": true, "uaid": name }),
            None => json!({ "messageType": "hello", "use_webpush": true }),
        };
        let heard = ask(&mut agent, &hello).await?;
        let named = heard.get("uaid").and_then(Value::as_str).unwrap_or_default();
        if name.is_some_and(|name| name != named) {
            return Err(failed(&"it was given another name"));
        }
        Ok((agent, named.to_owned()))
    }
}

/// Says something; the answer, whose status is 200.
async fn ask(agent: &mut Agent, said: &Value) -> Result<Value> {
    agent.send(Message::text(said.to_string())).await.map_err(|error| cannot(&error))?;
    let heard = agent.next().await.ok_or_else(|| cannot(&"the service has gone"))?;
    let heard = heard.map_err(|error| cannot(&error))?;
    let text = heard.to_text().map_err(|error| cannot(&error))?;
    let answer: Value = serde_json::from_str(text).map_err(|error| cannot(&error))?;
    if answer.get("status").is_some_and(|status| *status == 200) {
        Ok(answer)
    } else {
        Err(cannot(&"it was refused"))
    }
}

fn cannot(what: &dyn std::fmt::Display) -> Error {
    Error::failed(format!("a user agent cannot connect: {what}"))
}

/// `webpush serve`, as a child process. Killed when dropped.
struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    fn start(folder: &Path, runtime: &str, tls: bool) -> Result<Self> {
        let failed =
            |what: &dyn std::fmt::Display| Error::failed(format!("the push service does not start: {what}"));
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let log = fs::File::create(folder.join("serve.log")).map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--runtime", runtime]);
        // All of them come from one address, and at once.
        command.args(["--connections", "100000", "--address-connections", "100000"]);
        command.args(["--address-rate", "0", "--address-agent-rate", "0", "--agent-rate", "0", "--data"]);
        command.arg(folder.join("data")).args((!tls).then_some("--cleartext"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let mut line = String::new();
        let said = child.stdout.take().ok_or_else(|| failed(&"it says nothing"))?;
        BufReader::new(said).read_line(&mut line).map_err(|error| failed(&error))?;
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        let address = address.and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { child, address }),
            None => {
                let _ended_already = child.kill();
                Err(failed(&fs::read_to_string(folder.join("serve.log")).unwrap_or_default()))
            }
        }
    }

    fn resident(&self) -> Result<u64> {
        let unknown = || Error::failed("this system does not say how much memory a process has");
        resident_kib_of(&self.child.id().to_string()).ok_or_else(unknown)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Of this side.
const BUFFER_OCTETS: usize = 512;
/// As many connect at once: what they take for that moment stays with the service's allocator.
const AT_ONCE: usize = 32;
