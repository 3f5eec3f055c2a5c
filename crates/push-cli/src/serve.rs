//! `webpush serve`

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use push_proto::{
    Seed,
    wire::{self, Door, PublicUrl},
};
use push_store::{Embedded, Failure, OpenError};
use push_tokio::{Listen, ServerTls};
use tokio::{runtime, signal};

use crate::{
    args::Runtime,
    config::{Config, Transport},
    dev_ca::DevCertificate,
    error::{Error, Result},
    files, firefox, output,
    reload::{Hangup, Reloadable},
    sealing,
    settings::Told,
    supervisor::Supervisor,
    tls,
};

/// Serves until a signal says that it is enough.
pub(crate) fn run(config: Config, told: Vec<Told>) -> Result<()> {
    files::create_private_folder(&config.data)?;
    let listener = listen(config.listen)?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::failed(format!("cannot tell the port of {}: {error}", config.listen)))?;
    let public_url = public_url(&config, address)?;
    let tls = server_tls(&config, &public_url)?;
    let door = |keyring| {
        let provider = push_crypto::aws_lc::provider();
        let door = Door::new(Arc::new(keyring), public_url.clone(), provider, wire::Limits::default());
        if config.draft_vapid { door.with_draft_vapid() } else { door }
    };
    let (store, keyring) = open_store(&config)?;
    let store = Arc::new(store);
    let parts = push_tokio::Config {
        door: door(keyring),
        store: Arc::clone(&store) as _,
        seed: seed()?,
        shards: u16::try_from(config.shards.get()).unwrap_or(u16::MAX),
        service: config.bounds.service(),
        limits: config.bounds.carrier(),
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        // Before anybody is told that it is ready: a signal that comes right then must not be lost.
        let (mut signals, mut hangup) = (Signals::new()?, Hangup::new()?);
        let operators = tls.clone().filter(|_| matches!(config.transport, Transport::Tls { .. }));
        let listens = vec![Listen { listener, tls }];
        let server = match config.runtime {
            Runtime::Tokio => push_tokio::serve(parts, listens),
            Runtime::Smol => push_smol::serve(parts, listens),
        };
        let server = server.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
        output::line(&format!("listening on {address}, public URL {public_url}"))?;
        let preferences = firefox::preferences(&public_url);
        output::note(&format!("for Firefox set in about:config\n  {}", preferences.join("\n  ")));
        let supervisor = Supervisor::of_environment();
        supervisor.ready();
        let mut service = Reloadable { server, store, tls: operators, told, drain: config.drain };
        tokio::select! {
            biased;
            () = signals.next() => {}
            never = service.follow(&mut hangup, &supervisor) => match never {},
        }
        tracing::info!("draining");
        supervisor.stopping();
        tokio::select! {
            biased;
            () = service.server.drain(service.drain) => Ok(()),
            () = signals.next() => Err(Error::failed("ended by a second signal before everything was finished")),
        }
    })
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        let known = CANNOT_LISTEN.iter().find(|(kind, ..)| *kind == error.kind());
        match known {
            Some((_, why, hint)) => Error::failed(format!("cannot listen on {address}: {why}")).hint(*hint),
            None => Error::failed(format!("cannot listen on {address}: {error}")),
        }
    })
}

const CANNOT_LISTEN: [(io::ErrorKind, &str, &str); 3] = [
    (
        io::ErrorKind::AddrInUse,
        "something else listens there already",
        "end that, or choose another address with --listen; port 0 takes a free one",
    ),
    (
        io::ErrorKind::AddrNotAvailable,
        "this machine has no such address",
        "0.0.0.0 and [::] stand for all addresses of this machine",
    ),
    (
        io::ErrorKind::PermissionDenied,
        "permission denied",
        "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE on Linux)",
    ),
];

/// Where the world finds a service that listens there.
pub(crate) fn public_url(config: &Config, address: SocketAddr) -> Result<PublicUrl> {
    if let Some(url) = &config.public_url {
        return Ok(url.clone());
    }
    let scheme = if config.transport == Transport::DevCleartext { "http" } else { "https" };
    let url = format!("{scheme}://localhost:{}", address.port());
    PublicUrl::parse(&url).map_err(|error| Error::failed(format!("{url}: {error}")))
}

fn server_tls(config: &Config, public_url: &PublicUrl) -> Result<Option<ServerTls>> {
    match &config.transport {
        Transport::Tls { certificate, key } => tls::server(certificate, key).map(Some),
        Transport::DevTls => {
            let dev = DevCertificate::ensure(&config.data, public_url.origin().host())?;
            output::note(&format!("clients are to trust {}", dev.ca().display()));
            tls::server(&dev.certificate(), &dev.key()).map(Some)
        }
        Transport::DevCleartext | Transport::BehindProxy => Ok(None),
    }
}

/// The store and the key that belongs to it.
fn open_store(config: &Config) -> Result<(Embedded, push_crypto::capability::Keyring)> {
    let path = store_path(&config.data);
    sealing::prepare(&config.data, store_exists(&config.data))?;
    // Even if the data folder was made by somebody who lets others in.
    files::create_private_folder(&path)?;
    let store = Embedded::open(&path, config.bounds.quotas()).map_err(|error| refused(&error))?;
    Ok((store, sealing::settle(&config.data)?))
}

/// Whether there is a store in this data folder.
pub(crate) fn store_exists(data: &Path) -> bool {
    store_path(data).join("FORMAT").exists()
}

fn store_path(data: &Path) -> PathBuf {
    data.join("store")
}

fn refused(error: &OpenError) -> Error {
    let failed = Error::failed(error.to_string());
    if matches!(error, OpenError::InUse(_)) {
        return failed
            .hint("only one `webpush serve` can use a data folder: end the other, or use another --data");
    }
    match (error, error.failure()) {
        (_, Failure::Full) => failed.hint("make room on the disk of the data folder"),
        (_, Failure::ReadOnly) => failed.hint("let this user write to the data folder, all of it"),
        (OpenError::NotAStore(_) | OpenError::Corrupt(_) | OpenError::Engine(_), _) => {
            failed.hint("restore the data folder, key and all, from a backup, or use another folder")
        }
        _ => failed,
    }
}

fn seed() -> Result<Seed> {
    let mut octets = zeroize::Zeroizing::new([0; 32]);
    push_crypto::aws_lc::provider()
        .fill(octets.as_mut_slice())
        .map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    Ok(Seed::from_octets(*octets))
}

/// The signals that ask a program to end.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
    #[cfg(unix)]
    terminate: signal::unix::Signal,
}

impl Signals {
    /// From now on signals are noted. Needs a runtime.
    pub(crate) fn new() -> Result<Self> {
        #[cfg(unix)]
        {
            use signal::unix::{SignalKind, signal};
            let listen = |kind| signal(kind).map_err(|error| Error::failed(format!("no signals: {error}")));
            Ok(Self {
                interrupt: listen(SignalKind::interrupt())?,
                terminate: listen(SignalKind::terminate())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// The next one. Cancel safe.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _signal = self.interrupt.recv() => {}
            _signal = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
