//! `webpush bench sink`: a push service that takes everything, in a process of its own.

use std::{
    io::{self, Read as _},
    net::SocketAddr,
};

use push_crypto::Subscription;
use serde_json::{Value, json};
use webpush::testing::{Count, Sink};

use super::clocks::Spent;
use crate::{
    error::{Error, Result},
    output,
};

/// Says on standard output where it is, serves until standard input ends, and says what came.
pub(super) fn run() -> Result<()> {
    let failed = |error: io::Error| Error::failed(format!("cannot start: {error}"));
    let sink = Sink::start().map_err(failed)?;
    let began = Spent::read();
    let subscription = sink.subscription("localhost", 1).map_err(failed)?.to_json();
    let subscription: Value = serde_json::from_str(&subscription).unwrap_or_default();
    let place = json!({
        "address": sink.address(),
        "names": ["localhost", "*.push.test"],
        "certificate": sink.certificate(),
        "subscription": subscription,
    });
    output::line(&place.to_string())?;
    let _ended = io::stdin().lock().read_to_end(&mut Vec::new());
    let Count { messages, checked, bad, .. } = sink.count();
    let cpu = Spent::read().since(began).cpu.as_secs_f64();
    output::line(
        &json!({ "messages": messages, "checked": checked, "bad": bad, "cpu_seconds": cpu }).to_string(),
    )
}

/// What it says at first.
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) certificate: String,
    pub(super) subscription: Subscription,
}

impl Place {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let place: Value = serde_json::from_str(line).ok()?;
        Some(Self {
            address: place.get("address")?.as_str()?.parse().ok()?,
            certificate: place.get("certificate")?.as_str()?.to_owned(),
            subscription: place.get("subscription")?.to_string().parse().ok()?,
        })
    }
}

/// What it says in the end.
pub(super) struct Arrived {
    pub(super) messages: u64,
    pub(super) checked: u64,
    pub(super) bad: u64,
    pub(super) cpu_seconds: f64,
}

impl Arrived {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let arrived: Value = serde_json::from_str(line).ok()?;
        let number = |name: &str| arrived.get(name)?.as_u64();
        Some(Self {
            messages: number("messages")?,
            checked: number("checked")?,
            bad: number("bad")?,
            cpu_seconds: arrived.get("cpu_seconds")?.as_f64()?,
        })
    }
}
