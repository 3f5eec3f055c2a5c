//! `webpush demo --browser`: a page on this machine that subscribes the visitor's own browser at the push service of its
//! vendor. Messages are sent by our sender, and come back by that service.
//!
//! | module | what it is |
//! |---|---|
//! | [`site`] | the page and its few JSON resources, for this machine only |
//! | [`visitor`] | the subscription that the browser gave, and what sends to it |
//!
//! Plain http is enough: browsers take localhost for a secure context (W3C Secure Contexts §3.1).

mod site;
mod visitor;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use self::{site::Site, visitor::Visitor};
use crate::{
    args::DemoArgs,
    error::{Error, Result},
    output,
    signals::Signals,
    tls,
};

/// Serves the page until a signal says that it is enough.
pub(super) fn run(args: &DemoArgs) -> Result<()> {
    let tls = tls::client(args.ca.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let listener = listen(args.port).await?;
        let address = listener.local_addr().map_err(|error| cannot_listen(args.port, &error))?;
        let visitor = Visitor::new(tls, args.ca.is_some())?;
        let key = *visitor.key();
        let site = Arc::new(Site::new(address.port(), visitor));
        output::line(&format!("open http://localhost:{} in your browser; Ctrl-C ends", address.port()))?;
        output::line(&format!("VAPID key, made for this run: {key}"))?;
        let mut connections = JoinSet::new();
        let (end, ends) = watch::channel(());
        tokio::select! {
            biased;
            () = signals.next() => {}
            () = accept(&listener, &site, &ends, &mut connections) => {}
        }
        drop((listener, end));
        let drained = async { while connections.join_next().await.is_some() {} };
        let in_order = tokio::select! {
            biased;
            drained = tokio::time::timeout(DRAIN, drained) => drained.is_ok(),
            () = signals.next() => false,
        };
        connections.abort_all();
        site.visitor().close().await;
        if !in_order {
            output::note("ended before every answer was written");
        }
        output::line(
            "ended; what the browser subscribed stays there until you end it on the page or start again",
        )
    })
}

async fn listen(port: u16) -> Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| cannot_listen(port, &error))
}

fn cannot_listen(port: u16, error: &io::Error) -> Error {
    let failed = Error::failed(format!("cannot listen on port {port} of 127.0.0.1: {error}"));
    if error.kind() == io::ErrorKind::AddrInUse {
        return failed
            .hint("something else listens there already; choose another with --port, 0 takes a free one");
    }
    failed
}

/// Never ends.
async fn accept(
    listener: &TcpListener,
    site: &Arc<Site>,
    ends: &watch::Receiver<()>,
    connections: &mut JoinSet<()>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Nobody closes it.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let socket = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    // What is lacking, such as descriptors, comes back when a connection ends.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let (site, ends) = (Arc::clone(site), ends.clone());
        connections.spawn(async move {
            serve(socket, site, ends).await;
            drop(place);
        });
    }
}

/// One connection, until the demo `ends` at the latest; a request that is under way then is answered.
async fn serve(socket: TcpStream, site: Arc<Site>, mut ends: watch::Receiver<()>) {
    let respond = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, std::convert::Infallible>(site.respond(request).await) }
    });
    let mut builder = Builder::new();
    // One request each: nothing idle has to be looked after.
    let connection = builder
        .keep_alive(false)
        .max_buf_size(HEAD_OCTETS_MAX)
        .serve_connection(TokioIo::new(socket), respond);
    let mut connection = pin!(connection);
    let served = async {
        tokio::select! {
            biased;
            served = connection.as_mut() => return served,
            // It ends when its sender is dropped.
            _ = ends.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    match tokio::time::timeout(CONNECTION_AGE, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "connection failed"),
        Err(_) => tracing::debug!("connection took too long"),
    }
}

/// One browser needs six; further ones wait.
const CONNECTIONS_MAX: usize = 32;

/// Longer than [`visitor::ANSWER_WAIT`], so that whoever waits for a push service gets an answer.
const CONNECTION_AGE: Duration = Duration::from_secs(60);

/// Browsers send about one kilobyte; cookies of other programs at localhost come along.
const HEAD_OCTETS_MAX: usize = 32 * 1024;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For answers that are under way at the end.
const DRAIN: Duration = Duration::from_secs(3);
