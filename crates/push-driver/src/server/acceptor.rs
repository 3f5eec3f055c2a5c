//! Accepts connections and deals them to the shards, round robin.

use std::{
    cell::Cell,
    convert::Infallible,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot, watch},
};

use super::{
    Listen,
    clients::Clients,
    connection::{Incoming, Transport},
    proxies::End,
};
use crate::{Limits, Runtime, runtime::sleep};

/// Where the connections of one shard go in, and how many it still takes.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) deal: mpsc::UnboundedSender<Incoming>,
    pub(super) places: Arc<Places>,
}

/// The connections that one shard has, and may have.
#[derive(Debug)]
pub(super) struct Places {
    taken: AtomicUsize,
    most: AtomicUsize,
}

/// A connection's place, as long as it is there.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Places {
    /// So many, all free.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), most: AtomicUsize::new(most) })
    }

    /// One, if there is any.
    fn take(self: &Arc<Self>) -> Option<Place> {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |taken: usize| (taken < most).then(|| taken.saturating_add(1));
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Place(Arc::clone(self)))
    }

    fn free(&self) -> usize {
        self.most.load(Ordering::Relaxed).saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Deals to all shards in turn.
#[derive(Clone)]
pub(super) struct Dealer {
    doors: Arc<[Door]>,
    clients: Arc<Clients>,
}

impl Dealer {
    pub(super) const fn new(doors: Arc<[Door]>, clients: Arc<Clients>) -> Self {
        Self { doors, clients }
    }

    /// Open connections, of all shards.
    pub(super) fn connections(&self) -> usize {
        self.doors.iter().map(|door| door.places.taken.load(Ordering::Relaxed)).sum()
    }

    /// From now on by these bounds. Who has a place keeps it.
    pub(super) fn reconfigure(&self, limits: &Limits) {
        self.doors.iter().for_each(|door| door.places.most.store(limits.connections, Ordering::Relaxed));
        self.clients.reconfigure(limits);
    }

    /// Deals to the shard whose turn it is, or the next that has a place. Without any, or if its address has as many
    /// connections as it may have, the transport is dropped, which closes the connection.
    pub(super) fn deal(&self, turn: usize, transport: Transport, end: End) {
        let Some(client) = self.clients.connect(end) else {
            return tracing::debug!("a connection was closed: its address has as many as it can have");
        };
        let turn = turn.checked_rem(self.doors.len()).unwrap_or(0);
        let (after, first) = self.doors.split_at_checked(turn).unwrap_or_default();
        let free = first.iter().chain(after).find_map(|door| Some((door, door.places.take()?)));
        let Some((door, place)) = free else {
            return tracing::warn!("a connection was closed: every shard has as many as it can have");
        };
        drop(door.deal.send(Incoming { transport, place, client }));
    }

    /// Deals a transport that the caller brought along, to the shard with most places; comes back at its end.
    pub(super) async fn deal_given(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        client: End,
    ) {
        let (ended, end) = oneshot::channel();
        let freest = self.doors.iter().enumerate().max_by_key(|(_, door)| door.places.free());
        self.deal(freest.map_or(0, |(index, _)| index), Transport::Given(Box::new(io), ended), client);
        drop(end.await);
    }
}

/// Accepts until the server drains.
pub(super) async fn run<R: Runtime>(
    runtime: R,
    listens: Vec<Listen>,
    dealer: Dealer,
    draining: watch::Receiver<bool>,
    open: mpsc::Sender<Infallible>,
) {
    let turn = Rc::new(Cell::new(0));
    let mut ends = Vec::new();
    for listen in listens {
        let (ended, end) = oneshot::channel::<Infallible>();
        ends.push(end);
        let accept = accept(runtime.clone(), listen, dealer.clone(), Rc::clone(&turn));
        let (mut draining, open) = (draining.clone(), open.clone());
        runtime.spawn_local(async move {
            tokio::select! {
                biased;
                _drained = draining.wait_for(|draining| *draining) => {}
                () = accept => {}
            }
            drop((ended, open));
        });
    }
    drop(open);
    for end in ends {
        drop(end.await);
    }
}

async fn accept<R: Runtime>(runtime: R, listen: Listen, dealer: Dealer, turn: Rc<Cell<usize>>) {
    let Listen { listener, tls, proxies } = listen;
    let mut listener = match runtime.listen(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listener was not taken"),
    };
    loop {
        match runtime.accept(&mut listener).await {
            Ok(socket) => {
                // Without an address its peer has gone.
                let Ok(address) = socket.address() else { continue };
                let end = End::of(address, tls.is_some(), &proxies);
                dealer.deal(turn.get(), Transport::Socket(socket, tls.clone()), end);
                turn.set(turn.get().wrapping_add(1));
            }
            // Usually there are no file descriptors left. Some connection will end.
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(runtime.clone(), PAUSE).await;
            }
        }
    }
}

/// How long to wait when the machine gives no connection.
const PAUSE: Duration = Duration::from_millis(100);
