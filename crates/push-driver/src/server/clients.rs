//! Who connects from where, and how much they may ask for: what is counted by address, over all shards.
//!
//! An address stands for whoever shares it: an office, a carrier's customers. So its bounds are far above what one user
//! agent needs, and what can be counted by a name of its own (VAPID key, subscription, user agent) is counted by that
//! too. A connection without an address has none of these bounds.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::HeaderMap;
use push_proto::{
    Mono, Refusal,
    service::{Buckets, Request, Response},
};

use super::proxies::End;
use crate::Limits;

/// Whose connection it is, as far as bounds go: an IPv4 address, or 64 bits of an IPv6 address, since those behind them
/// belong to one customer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(u128);

impl Origin {
    /// Of a peer's address. An IPv4 address that is written as IPv6 is the IPv4 address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(prefix(address)),
        }
    }
}

/// The network of an address.
const fn prefix(address: Ipv6Addr) -> u128 {
    address.to_bits() & !(u64::MAX as u128)
}

/// The books of all addresses.
pub(super) struct Clients {
    books: Mutex<Books>,
}

struct Books {
    connections_max: usize,
    /// Bounded by all connections there may be.
    connections: BTreeMap<Origin, usize>,
    requests: Buckets<Origin>,
    /// New user agents and receipt subscriptions.
    made: Buckets<Origin>,
    /// Messages without credentials.
    unsigned: Buckets<Origin>,
}

impl Clients {
    /// Nobody is there.
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let rated = limits.rated_addresses;
        Arc::new(Self {
            books: Mutex::new(Books {
                connections_max: limits.address_connections,
                connections: BTreeMap::new(),
                requests: Buckets::new(limits.address_requests, rated),
                made: Buckets::new(limits.address_agents, rated),
                unsigned: Buckets::new(limits.address_unsigned, rated),
            }),
        })
    }

    /// From now on by these bounds. Connections that are there stay.
    pub(super) fn reconfigure(&self, limits: &Limits) {
        let mut books = self.books();
        let rated = limits.rated_addresses;
        books.connections_max = limits.address_connections;
        books.requests.reconfigure(limits.address_requests, rated);
        books.made.reconfigure(limits.address_agents, rated);
        books.unsigned.reconfigure(limits.address_unsigned, rated);
    }

    /// A connection with this end; none if its address has as many as it may have.
    pub(super) fn connect(self: &Arc<Self>, end: End) -> Option<Client> {
        if let Some(origin) = end.connects().map(Origin::of) {
            let mut books = self.books();
            let most = books.connections_max;
            let connections = books.connections.entry(origin).or_default();
            if *connections >= most {
                if *connections == 0 {
                    books.connections.remove(&origin);
                }
                return None;
            }
            *connections += 1;
        }
        Some(Client { clients: Arc::clone(self), end })
    }

    /// Nothing in here panics, so the books are in order whatever else did.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a connection, counted as long as it is there.
pub(super) struct Client {
    clients: Arc<Clients>,
    end: End,
}

impl Client {
    /// In whose name a request with these fields asks: by a proxy each may come from another client.
    pub(super) fn asker(&self, headers: &HeaderMap) -> Asker {
        Asker { clients: Arc::clone(&self.clients), origin: self.end.asks(headers).map(Origin::of) }
    }
}

/// Whose bounds a request falls under.
#[derive(Clone)]
pub(super) struct Asker {
    clients: Arc<Clients>,
    origin: Option<Origin>,
}

impl Asker {
    /// A request has come.
    ///
    /// # Errors
    ///
    /// 429: one too many.
    pub(super) fn requested(&self, now: Mono) -> Result<(), Refusal> {
        let Some(origin) = &self.origin else { return Ok(()) };
        let taken = self.clients.books().requests.take(origin, now);
        taken.map_err(|wait| Refusal::ADDRESS_RATE_EXCEEDED.retry_in(wait))
    }

    /// It was understood, and asks for this.
    ///
    /// # Errors
    ///
    /// 429: an address may not ask for more of that. Nothing has counted then.
    pub(super) fn asks(&self, request: &Request, now: Mono) -> Result<Asked, Refusal> {
        let is_unsigned = matches!(request, Request::Send(send) if send.sender.is_none());
        let asked = Asked { asker: self.clone(), is_unsigned, makes_agent: request.makes_agent() };
        let Some(origin) = &self.origin else { return Ok(asked) };
        let mut books = self.clients.books();
        if is_unsigned {
            let taken = books.unsigned.take(origin, now);
            taken.map_err(|wait| Refusal::UNSIGNED_RATE_EXCEEDED.retry_in(wait))?;
        }
        if asked.makes_agent
            && let Err(wait) = books.made.take(origin, now)
        {
            if is_unsigned {
                books.unsigned.give_back(origin);
            }
            return Err(Refusal::ADDRESS_AGENTS_EXCEEDED.retry_in(wait));
        }
        Ok(asked)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(origin) = self.end.connects().map(Origin::of) else { return };
        let mut books = self.clients.books();
        if let Some(connections) = books.connections.get_mut(&origin) {
            *connections = connections.saturating_sub(1);
            if *connections == 0 {
                books.connections.remove(&origin);
            }
        }
    }
}

/// What a request counted for.
pub(super) struct Asked {
    asker: Asker,
    is_unsigned: bool,
    makes_agent: bool,
}

impl Asked {
    /// Gives back what a refusal did not take: nobody is made by one, and what a receiver or the service has no room for
    /// is not the sender's excess.
    pub(super) fn answered(self, response: &Response) {
        let Response::Refused(refusal) = response else { return };
        let Some(origin) = &self.asker.origin else { return };
        let mut books = self.asker.clients.books();
        if self.makes_agent {
            books.made.give_back(origin);
        }
        if self.is_unsigned && matches!(refusal.status(), 429 | 503) {
            books.unsigned.give_back(origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One address, however it is written; a network of IPv6, whatever is behind its 64 bits.
    #[test]
    fn one_customer_is_one_origin() {
        let origin = |address: &str| Origin::of(address.parse().unwrap()).0;
        assert_eq!(origin("192.0.2.7"), origin("::ffff:192.0.2.7"));
        assert_ne!(origin("192.0.2.7"), origin("192.0.2.8"));
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_ne!(origin("::1"), origin("192.0.2.7"));
    }

    /// G5: nothing is kept of an address whose connections have gone.
    #[test]
    fn connections_of_an_address_are_counted_while_they_are_there() {
        let clients = Clients::new(&Limits { address_connections: 2, ..Limits::default() });
        let [here, there] = ["192.0.2.7", "2001:db8::1"].map(|address| End::Client(address.parse().unwrap()));
        let first = clients.connect(here.clone()).unwrap();
        let second = clients.connect(here.clone()).unwrap();
        assert!(clients.connect(here.clone()).is_none());
        let other = clients.connect(there).unwrap();
        let nowhere: Vec<_> = (0..5).filter_map(|_| clients.connect(End::Unknown)).collect();
        assert_eq!(nowhere.len(), 5, "without an address there is no bound");
        drop(first);
        let third = clients.connect(here.clone()).unwrap();
        drop((second, third, other));
        assert!(clients.books().connections.is_empty());
        let none = Clients::new(&Limits { address_connections: 0, ..Limits::default() });
        assert!(none.connect(here).is_none() && none.books().connections.is_empty());
    }
}
