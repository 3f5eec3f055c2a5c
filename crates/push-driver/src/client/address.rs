//! Which addresses may be connected to: a subscription comes from the world, and its endpoint may name anything.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use crate::network::{Network, NotANetwork};

/// What a client connects to. The address is checked after the name was resolved, and that very address is used, so that
/// a name which is resolved otherwise the next time gains nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Public addresses only: nothing in this machine or its networks.
    #[default]
    Public,
    /// Those, and these: services of one's own.
    PublicAnd(Arc<[Allowed]>),
    /// Any: for development.
    Any,
}

impl Addresses {
    pub(crate) fn allow(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public => is_public(address),
            Self::PublicAnd(allowed) => {
                is_public(address) || allowed.iter().any(|allowed| allowed.covers(host, address))
            }
        }
    }

    /// Whether somebody else may be asked to connect to it, who resolves the name: what can be told without.
    pub(crate) fn allow_unresolved(&self, host: &str) -> bool {
        if let Ok(address) = host.parse() {
            return self.allow(host, address);
        }
        match self {
            Self::Any => true,
            Self::Public => !is_local(host),
            Self::PublicAnd(allowed) => !is_local(host) || allowed.iter().any(|allowed| allowed.names(host)),
        }
    }
}

/// Whether a name can only mean something inside: one of a local network (RFC 6761 §6.3, RFC 6762 §3, RFC 8375 §4, and
/// `internal`, which ICANN keeps free for it), or one without a dot, which a search list completes.
fn is_local(host: &str) -> bool {
    let ends_with = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    !host.contains('.') || ["localhost", "local", "internal", "home.arpa"].into_iter().any(ends_with)
}

/// What may be connected to though it is not public.
///
/// ```
/// use push_driver::{Addresses, Allowed};
///
/// let ours = ["push.internal.example", "10.1.0.0/16", "::1"].map(str::parse::<Allowed>);
/// let addresses = Addresses::PublicAnd(ours.into_iter().collect::<Result<_, _>>()?);
/// # Ok::<(), push_driver::AllowedError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// In lower case.
    Host(Box<str>),
    Network(Network),
}

impl Allowed {
    /// One host by its name, whatever that is resolved to. Whoever can change what it is resolved to can have anything
    /// connected to.
    ///
    /// # Errors
    ///
    /// It is no name.
    pub fn host(name: &str) -> Result<Self, AllowedError> {
        let character = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'.';
        if name.is_empty() || name.len() > NAME_OCTETS || !name.bytes().all(character) {
            return Err(AllowedError);
        }
        Ok(Self(Kind::Host(name.to_ascii_lowercase().into())))
    }

    /// The addresses of which the first `bits` are those of `address`.
    ///
    /// # Errors
    ///
    /// It has fewer bits.
    pub const fn network(address: IpAddr, bits: u32) -> Result<Self, AllowedError> {
        match Network::new(address, bits) {
            Some(network) => Ok(Self(Kind::Network(network))),
            None => Err(AllowedError),
        }
    }

    fn names(&self, host: &str) -> bool {
        matches!(&self.0, Kind::Host(name) if host.eq_ignore_ascii_case(name))
    }

    fn covers(&self, host: &str, address: IpAddr) -> bool {
        match &self.0 {
            Kind::Host(_) => self.names(host),
            Kind::Network(network) => network.covers(address),
        }
    }
}

/// A name, an address, or a network as `10.1.0.0/16`.
impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        match text.parse() {
            Ok(network) => Ok(Self(Kind::Network(network))),
            Err(NotANetwork) => Self::host(text),
        }
    }
}

/// Text that is neither a host, an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedError;

impl fmt::Display for AllowedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a host's name, nor an address, nor a network such as 10.1.0.0/16")
    }
}

impl std::error::Error for AllowedError {}

/// RFC 1035 §2.3.4
const NAME_OCTETS: usize = 253;

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The special-purpose registry of IANA (RFC 6890), without what is globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = a == 192 && b == 0 && c == 0;
    let relays = a == 192 && b == 88 && c == 99;
    let benchmarks = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 240
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || shared
        || protocols
        || relays
        || benchmarks)
}

/// Global unicast, and not a way round to an IPv4 address that is not public.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, c, d, ..] = address.segments();
    if a == 0x64 && b == 0xff9b && c == 0 && d == 0 {
        let [.., w, x, y, z] = address.octets();
        return is_public_v4(Ipv4Addr::new(w, x, y, z));
    }
    let global = a & 0xe000 == 0x2000;
    let special = a == 0x2001 && b < 0x200;
    let documentation = (a == 0x2001 && b == 0xdb8) || (a == 0x3fff && b < 0x1000);
    let six_to_four = a == 0x2002;
    global && !special && !documentation && !six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inside_is_public() {
        for (address, public) in [
            ("1.1.1.1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.0.0.1", false),
            ("192.168.0.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:1.1.1.1", true),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::1.1.1.1", true),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("2606:4700::1111", true),
            ("fc00::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(Addresses::Public.allow("push.example", parsed), public, "{address}");
            assert!(Addresses::Any.allow("push.example", parsed));
        }
    }

    /// What is left to check where a proxy resolves.
    #[test]
    fn a_name_that_can_only_be_local_is_known_by_itself() {
        let ours = ["push.internal", "localhost", "10.1.0.0/16"].map(|text| text.parse::<Allowed>().unwrap());
        let ours = Addresses::PublicAnd(ours.into());
        for (host, public, with_ours) in [
            ("push.example", true, true),
            ("internal.example", true, true),
            ("notlocalhost.example", true, true),
            ("localhost", false, true),
            ("a.localhost", false, false),
            ("printer.local", false, false),
            ("push.internal", false, true),
            ("metadata.internal", false, false),
            ("router.home.arpa", false, false),
            ("intranet", false, false),
            ("1.1.1.1", true, true),
            ("10.1.2.3", false, true),
            ("169.254.169.254", false, false),
            ("::1", false, false),
            ("::ffff:10.2.0.1", false, false),
            ("2606:4700::1111", true, true),
        ] {
            assert_eq!(Addresses::Public.allow_unresolved(host), public, "{host}");
            assert_eq!(ours.allow_unresolved(host), with_ours, "{host}");
            assert!(Addresses::Any.allow_unresolved(host));
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_and_nothing_beside_it() {
        let of = |texts: &[&str]| {
            Addresses::PublicAnd(texts.iter().map(|text| text.parse::<Allowed>().unwrap()).collect())
        };
        for (allowed, host, address, expected) in [
            ("10.1.0.0/16", "a.example", "10.1.2.3", true),
            ("10.1.0.0/16", "a.example", "10.2.2.3", false),
            ("10.1.0.0/16", "a.example", "::ffff:10.1.2.3", true),
            ("10.1.2.3", "a.example", "10.1.2.3", true),
            ("10.1.2.3", "a.example", "10.1.2.4", false),
            ("0.0.0.0/0", "a.example", "127.0.0.1", true),
            ("0.0.0.0/0", "a.example", "::1", false),
            ("fd00::/8", "a.example", "fd12::1", true),
            ("fd00::/8", "a.example", "fe80::1", false),
            ("Push.Internal", "push.internal", "10.9.9.9", true),
            ("push.internal", "evil.push.internal", "10.9.9.9", false),
            ("push.internal", "a.example", "1.1.1.1", true),
        ] {
            assert_eq!(
                of(&[allowed]).allow(host, address.parse().unwrap()),
                expected,
                "{allowed}: {address}"
            );
        }
        for nonsense in
            ["", "a b", "10.0.0.0/33", "10.0.0.0/", "/8", "::/129", "https://a.example", "a.example:443"]
        {
            assert_eq!(nonsense.parse::<Allowed>(), Err(AllowedError), "{nonsense}");
        }
    }
}
