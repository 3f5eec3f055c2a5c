//! Networks of addresses.

use std::{net::IpAddr, str::FromStr};

/// The addresses of which the first so many bits are those of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// None if the address has fewer bits. An IPv4 address that is written as IPv6 is the IPv4 address, without the bits
    /// before it; none if some of these do not count, since nothing that has another there is one.
    pub(crate) const fn new(address: IpAddr, bits: u32) -> Option<Self> {
        if bits > width(address) {
            return None;
        }
        let IpAddr::V6(written) = address else { return Some(Self { address, bits }) };
        match (written.to_ipv4_mapped(), bits.checked_sub(MAPPED_BITS)) {
            (None, _) => Some(Self { address, bits }),
            (Some(mapped), Some(bits)) => Some(Self { address: IpAddr::V4(mapped), bits }),
            (Some(_), None) => None,
        }
    }

    /// Whether the address is in it. An IPv4 address that is written as IPv6 is the IPv4 address.
    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// An address, or a network such as `10.1.0.0/16`.
impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let address = address.parse().map_err(|_| NotANetwork)?;
        Self::new(address, bits.unwrap_or(width(address))).ok_or(NotANetwork)
    }
}

/// Text that is neither an address nor a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotANetwork;

/// Those of `::ffff:0:0/96` (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u32 = 96;

const fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}
