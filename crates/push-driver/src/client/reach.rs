//! Which of a name's addresses answers first (RFC 8305 §5): one that never answers, as where IPv6 leads nowhere, costs a
//! quarter of a second and not the message's patience.

use std::net::SocketAddr;

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::ClientLimits;
use crate::{Runtime, runtime::sleep};

/// Connects to each address in turn, the next as soon as the last has failed or has not answered for a while; those that
/// were begun go on meanwhile. None if all have failed; for how long it tries is the caller's.
pub(super) async fn first_reached<R: Runtime>(
    runtime: &R,
    addresses: Vec<SocketAddr>,
    limits: ClientLimits,
) -> Option<R::Io> {
    let mut left = families_in_turn(addresses).take(limits.addresses).peekable();
    let mut attempts = FuturesUnordered::new();
    loop {
        attempts.extend(left.next().map(|address| runtime.connect(address)));
        let more = left.peek().is_some();
        let slow = async {
            if !more {
                return std::future::pending().await;
            }
            sleep(runtime.clone(), limits.next_address).await;
        };
        tokio::select! {
            biased;
            answer = attempts.next() => match answer {
                Some(Ok(io)) => return Some(io),
                Some(Err(_)) => {}
                None => return None,
            },
            () = slow => {}
        }
    }
}

/// IPv6 and IPv4 by turns, first what comes first (RFC 8305 §4).
fn families_in_turn(addresses: Vec<SocketAddr>) -> impl Iterator<Item = SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter().fuse(), other.into_iter().fuse());
    let mut turn = false;
    std::iter::from_fn(move || {
        turn = !turn;
        if turn { one.next().or_else(|| other.next()) } else { other.next().or_else(|| one.next()) }
    })
}
