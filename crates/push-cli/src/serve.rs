//! `webpush serve`

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use push_crypto::capability::Keyring;
use push_proto::{
    Seed, autopush,
    wire::{self, Door, PublicUrl},
};
use push_store::Embedded;
use push_tokio::{Listen, Server, ServerTls};
use tokio::runtime;

#[cfg(unix)]
use crate::backup;
use crate::{
    args::Runtime,
    config::{Config, Transport},
    dev_ca::DevCertificate,
    error::{Error, Result},
    files, firefox, metrics, output,
    reload::{Hangup, Reloadable},
    sealing::{self, Found},
    settings::Told,
    signals::Signals,
    sockets::{Bound, Place},
    store,
    supervisor::Supervisor,
    tls,
};

/// Serves until a signal says that it is enough.
pub(crate) fn run(config: Config, told: Vec<Told>) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    // Before all that takes time: until it is noted, this signal ends the process.
    let mut hangup = {
        let _runtime = runtime.enter();
        Hangup::new()?
    };
    let found = check_data(&config)?;
    files::create_private_folder(&config.data)?;
    let places = config.listen.iter().map(|place| Bound::bind(place, config.socket_mode));
    let (bound, listeners): (Vec<_>, Vec<_>) = places.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let metrics = config.metrics.map(metrics_listener).transpose()?;
    let public_url = public_url(&config, bound.iter().map(|bound| &bound.place))?;
    let tls = server_tls(&config, &public_url)?;
    let (store, keyring) = open_store(&config, found)?;
    let store = Arc::new(store);
    #[cfg(unix)]
    let for_backups = Arc::clone(&store);
    let parts = parts(&config, door(&config, keyring, public_url.clone()), Arc::clone(&store))?;
    runtime.block_on(async {
        // Before anybody is told that it is ready: a signal that comes right then must not be lost.
        let mut signals = Signals::new()?;
        let operators = tls.clone().filter(|_| matches!(config.transport, Transport::Tls { .. }));
        let listen = |(listener, of): (_, &Bound)| {
            // What comes by a path comes from this machine.
            let tls = tls.clone().filter(|_| matches!(of.place, Place::Address(_)));
            Listen::new(listener, tls).behind(config.trusted_proxies.clone())
        };
        let listens = listeners.into_iter().zip(&bound).map(listen).collect();
        let server = match config.runtime {
            Runtime::Tokio => push_tokio::serve(parts, listens),
            Runtime::Smol => push_smol::serve(parts, listens),
        };
        let server = server.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
        metrics.map(|listener| tell_metrics(listener, server.clone())).transpose()?;
        #[cfg(unix)]
        let control = backup::Control::open(&config.data, for_backups)
            .inspect_err(|error| tracing::warn!(%error, "no backups while this runs: no control socket"));
        let places: Vec<_> = bound.iter().map(|bound| bound.place.to_string()).collect();
        output::line(&format!("listening on {}, public URL {public_url}", places.join(" and ")))?;
        if let Some(at) = &config.websocket {
            let preferences = firefox::preferences(&public_url, at);
            output::note(&format!("for Firefox set in about:config\n  {}", preferences.join("\n  ")));
        }
        let supervisor = Supervisor::of_environment();
        supervisor.ready();
        let mut service = Reloadable { server, store, tls: operators, told, drain: config.drain };
        tokio::select! {
            biased;
            () = signals.next() => {}
            never = service.follow(&mut hangup, &supervisor) => match never {},
        }
        #[cfg(unix)]
        drop(control);
        tracing::info!("draining");
        supervisor.stopping();
        tokio::select! {
            biased;
            () = service.server.drain(service.drain) => Ok(()),
            () = signals.next() => Err(Error::failed("ended by a second signal before everything was finished")),
        }
    })
}

/// What the server is made of.
fn parts(config: &Config, door: Door, store: Arc<Embedded>) -> Result<push_tokio::Config> {
    Ok(push_tokio::Config {
        door,
        store,
        seed: seed()?,
        shards: u16::try_from(config.shards.get()).unwrap_or(u16::MAX),
        service: config.bounds.service(),
        limits: config.bounds.carrier(),
        autopush: autopush::Config { broadcasts: config.broadcasts.clone(), ..autopush::Config::default() },
    })
}

/// Says where it is, too: its port may be any.
fn metrics_listener(address: SocketAddr) -> Result<TcpListener> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        output::note(&format!("metrics at http://{}/metrics", listener.local_addr()?));
        Ok(listener)
    };
    bind().map_err(|error: io::Error| {
        Error::failed(format!("cannot tell metrics at {address}: {error}"))
            .hint("choose another address with --metrics")
    })
}

fn tell_metrics(listener: TcpListener, server: Server) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener);
    let listener = listener.map_err(|error| Error::failed(format!("cannot tell metrics: {error}")))?;
    tokio::spawn(metrics::serve(listener, server, push_tokio::system_clocks().wall));
    Ok(())
}

/// With everything that the operator wants to be let in.
fn door(config: &Config, keyring: Keyring, public_url: PublicUrl) -> Door {
    let provider = push_crypto::aws_lc::provider();
    let door = Door::new(Arc::new(keyring), public_url, provider, wire::Limits::default());
    let door = config.websocket.clone().into_iter().fold(door, Door::with_websocket);
    let door = if config.draft_vapid { door.with_draft_vapid() } else { door };
    if config.portless_audience { door.with_portless_audience() } else { door }
}

/// Where the world finds a service that listens there.
pub(crate) fn public_url<'a>(
    config: &Config,
    places: impl IntoIterator<Item = &'a Place>,
) -> Result<PublicUrl> {
    if let Some(url) = &config.public_url {
        return Ok(url.clone());
    }
    let port = places.into_iter().find_map(|place| match place {
        Place::Address(address) => Some(address.port()),
        Place::Path(_) => None,
    });
    let port = port.ok_or_else(|| {
        Error::usage("--public-url is missing")
            .hint("where nothing but a socket is listened on, say where the world is to ask")
    })?;
    let scheme = if config.transport == Transport::DevCleartext { "http" } else { "https" };
    let url = format!("{scheme}://localhost:{port}");
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

/// What is in the data folder. Refuses what a start cannot use, and a folder without a service if there must be one.
/// Changes nothing.
pub(crate) fn check_data(config: &Config) -> Result<Found> {
    files::check_owner_if_root(&config.data)?;
    let found = sealing::check(&config.data)?;
    if config.data_must_exist && found != Found::Service {
        let none = format!("there is no push service in {}", config.data.display());
        return Err(Error::failed(format!("{none}, and --data-must-exist says that there must be")).hint(
            "is --data right, and the disk mounted? To make a new service there, start it once without \
             --data-must-exist",
        ));
    }
    Ok(found)
}

/// The store and the key that belongs to it.
fn open_store(config: &Config, found: Found) -> Result<(Embedded, Keyring)> {
    let Config { data, .. } = config;
    let (path, quotas) = (store::path(data), config.bounds.quotas());
    if found == Found::Service {
        let store = Embedded::open_existing(&path, quotas).map_err(|error| store::refused(&error))?;
        return Ok((store, sealing::settle(data)?));
    }
    if found == Found::Nothing {
        sealing::draft(data)?;
    }
    // Even if the data folder was made by somebody who lets others in.
    files::create_private_folder(&path)?;
    let store = Embedded::open(&path, quotas).map_err(|error| store::refused(&error))?;
    let keyring = sealing::settle(data)?;
    output::note(&format!(
        "{} is new: made a store and a sealing key; no URL of an earlier service is valid here",
        data.display()
    ));
    Ok((store, keyring))
}

fn seed() -> Result<Seed> {
    let mut octets = zeroize::Zeroizing::new([0; 32]);
    push_crypto::aws_lc::provider()
        .fill(octets.as_mut_slice())
        .map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    Ok(Seed::from_octets(*octets))
}
