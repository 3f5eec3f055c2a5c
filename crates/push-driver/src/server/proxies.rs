//! Whose connection it is: a client's, or that of a proxy which says for whom it asks.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use http::HeaderMap;
use push_proto::wire::{Node, forwarded, x_forwarded_for};

use crate::network::{Network, NotANetwork};

/// The proxies that are believed when they say for whom a request is, in `Forwarded` (RFC 7239) or `X-Forwarded-For`.
/// Without any these fields mean nothing, since anybody can write them.
///
/// A list of addresses, networks and the word `unix`, which stands for whoever connects by a Unix socket:
///
/// ```
/// let proxies: push_driver::TrustedProxies = "127.0.0.1, ::1, 10.1.0.0/16, unix".parse()?;
/// # Ok::<(), push_driver::TrustedProxyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
}

impl TrustedProxies {
    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.networks.extend(others.networks);
        Self { unix: self.unix || others.unix, ..self }
    }

    fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    fn covers(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.covers(address))
    }

    /// Who sent this request, if `from` is one of these: of those named on the way the nearest that is none of these. If one
    /// of these does not say who was before it, it is that one, and so it is if both fields are there and do not agree: most
    /// proxies write one of them and pass on what anybody else wrote into the other.
    fn client(&self, from: IpAddr, headers: &HeaderMap) -> IpAddr {
        let told = [forwarded(headers), x_forwarded_for(headers)];
        let mut found = told.into_iter().flatten().map(|way| self.nearest_stranger(from, &way));
        match (found.next(), found.next()) {
            (Some(client), None) => client,
            (Some(client), Some(same)) if client == same => client,
            _ => from,
        }
    }

    /// `way` begins with who is farthest away.
    fn nearest_stranger(&self, from: IpAddr, way: &[Node]) -> IpAddr {
        let mut nearest = from;
        for node in way.iter().rev() {
            let Node::Address(before) = node else { break };
            nearest = *before;
            if !self.covers(nearest) {
                break;
            }
        }
        nearest
    }
}

impl FromStr for TrustedProxies {
    type Err = TrustedProxyError;

    fn from_str(text: &str) -> Result<Self, TrustedProxyError> {
        let mut proxies = Self::default();
        for proxy in text.split(',').map(str::trim) {
            if proxy == UNIX {
                proxies.unix = true;
            } else {
                proxies.networks.push(proxy.parse().map_err(|NotANetwork| TrustedProxyError)?);
            }
        }
        Ok(proxies)
    }
}

/// Text that names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxyError;

impl fmt::Display for TrustedProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither an address, nor a network such as 10.1.0.0/16, nor the word unix")
    }
}

impl std::error::Error for TrustedProxyError {}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// Nobody can tell: nothing counts for it.
    Unknown,
    /// A client.
    Client(IpAddr),
    /// One of these proxies, which may carry requests of many clients at once.
    Proxy(IpAddr, Arc<TrustedProxies>),
}

impl End {
    /// Of a connection that was accepted; without an address it came by a Unix socket.
    ///
    /// What speaks cleartext is a proxy or somebody who develops, and no client with an address; unless it was said who the
    /// proxies are, for then it is none of them.
    pub(super) fn of(address: Option<IpAddr>, with_tls: bool, proxies: &Arc<TrustedProxies>) -> Self {
        match address {
            None if proxies.unix => Self::Proxy(SOCKET, Arc::clone(proxies)),
            None => Self::Unknown,
            Some(address) if proxies.covers(address) => Self::Proxy(address, Arc::clone(proxies)),
            Some(address) if with_tls || !proxies.is_empty() => Self::Client(address),
            Some(_) => Self::Unknown,
        }
    }

    /// Who its connections count for: those of a proxy are as many as it needs.
    pub(super) const fn connects(&self) -> Option<IpAddr> {
        match self {
            Self::Client(address) => Some(*address),
            Self::Unknown | Self::Proxy(..) => None,
        }
    }

    /// Who a request with these fields is from.
    pub(super) fn asks(&self, headers: &HeaderMap) -> Option<IpAddr> {
        match self {
            Self::Unknown => None,
            Self::Client(address) => Some(*address),
            Self::Proxy(address, proxies) => Some(proxies.client(*address, headers)),
        }
    }
}

/// What stands for those who connect by a Unix socket.
const UNIX: &str = "unix";

/// The address of a proxy that has none. Nobody connects from it; this machine itself (`::1`) is counted with it.
const SOCKET: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
