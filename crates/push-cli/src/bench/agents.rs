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
        "{} user agents connect to `webpush serve` on {runtime} by WebSocket, have a subscription each, and wait",
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
    let service = Service::start(folder.path(), runtime, tls)?;
    let connector = if tls { Some(connector(&folder.path().join("data/dev/ca.pem"))?) } else { None };
    let to = Place { address: service.address, connector };
    let local = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    local.block_on(async {
        let first = to.connect(0).await?;
        let before = service.resident()?;
        let others = stream::iter(1..=args.agents).map(|number| to.connect(number));
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
    /// One user agent, with a subscription.
    async fn connect(&self, number: u64) -> Result<Agent> {
        let failed = |what: &dyn std::fmt::Display| {
            Error::failed(format!("user agent {number} cannot connect: {what}"))
        };
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
        for said in [
            r#"{"messageType":"hello","use_webpush":true,"broadcasts":{}}"#.to_owned(),
            format!(r#"{{"messageType":"register","channelID":"00000000-0000-4000-8000-{number:012x}"}}"#),
        ] {
            agent.send(Message::text(said)).await.map_err(|error| failed(&error))?;
            let heard = agent.next().await.ok_or_else(|| failed(&"the service has gone"))?;
            let heard = heard.map_err(|error| failed(&error))?;
            if !heard.to_text().is_ok_and(|text| text.contains("\"status\":200")) {
                return Err(failed(&heard));
            }
        }
        Ok(agent)
    }
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
