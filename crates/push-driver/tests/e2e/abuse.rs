//! Clients that misbehave on purpose: each is answered or cut off, the others are served meanwhile, and nothing of it
//! stays behind (G5).

use super::support::{
    Service, Setup,
    clocked::Clocked,
    connect,
    peer::Peer,
    raw::{DATA, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, Raw, SETTINGS},
    run, spawn, yield_now,
};
use http::Method;
use push_driver::{Census, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Somebody who behaves: has a subscription and a monitor, and sends to itself.
struct Bystander {
    peer: Peer,
    push: String,
    monitor: super::support::peer::Monitor,
}

impl Bystander {
    async fn of(service: &Service) -> Self {
        let mut peer = Peer::connect(service).await;
        let subscription = peer.subscribe().await;
        let monitor = peer.monitor(&subscription.set, &[]).await;
        Self { peer, push: subscription.push, monitor }
    }

    /// A message from the POST to the acknowledgement.
    async fn is_served(&mut self) {
        let url = self.peer.send(&self.push, b"still here").await;
        assert_eq!(self.monitor.next().await.unwrap().url, url);
        self.peer.acknowledge(&url).await;
    }
}

/// Waits until the service holds what it is asked for: this many connections, exchanges and monitors, and nothing that
/// the store has not answered. Counts are told after each turn of a shard, so there are some to go by.
async fn holds(service: &Service, connections: usize, monitors: usize) {
    loop {
        let census = service.server.census();
        let Census { exchanges, commands, .. } = census;
        if (census.connections, exchanges, census.monitors, commands) == (connections, monitors, monitors, 0)
        {
            return;
        }
        yield_now().await;
    }
}

/// GOAWAY, or the end of the connection.
async fn is_cut_off(raw: &mut Raw) {
    while let Some(frame) = raw.next().await {
        if frame.kind == GOAWAY {
            assert_ne!(frame.error(), 0, "it is told what it did");
            return;
        }
    }
}

/// CVE-2023-44487: requests that are reset as soon as they are made.
#[test]
fn a_thousand_streams_reset_at_once_are_cut_off() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        let subscription = bystander.peer.subscribe().await;
        raw.hold();
        for stream in (1..2001).step_by(2) {
            raw.get(stream, &subscription.set).await;
            raw.reset(stream, 8).await;
        }
        raw.release().await;
        bystander.is_served().await;
        is_cut_off(&mut raw).await;
        drop(raw);
        bystander.is_served().await;
        holds(&service, 1, 1).await;
    });
}

/// The same, so slowly that nobody takes offence: it costs the service nothing that lasts.
#[test]
fn a_thousand_monitors_reset_one_by_one_leave_nothing_behind() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        let subscription = bystander.peer.subscribe().await;
        for stream in (1..2001).step_by(2) {
            raw.get(stream, &subscription.set).await;
            raw.settle().await;
            raw.reset(stream, 8).await;
            raw.settle().await;
        }
        bystander.is_served().await;
        holds(&service, 2, 1).await;
        raw.get(2001, "/x").await;
        assert_eq!(raw.status(2001).await, 404, "the connection goes on");
    });
}

/// CVE-2024-27316: a header block without an end.
#[test]
fn a_flood_of_continuations_is_cut_off() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.write(HEADERS, END_STREAM, 1, b"\x82\x84\x87").await;
        // A field that is never the same, so that none of it is small in any table.
        let field = [&b"\x00\x01x\x7f\x81\x07"[..], &[b'y'; 1024]].concat();
        let mut cut = false;
        for _ in 0..4096 {
            if raw.try_write(CONTINUATION, 0, 1, &field).await.is_err() {
                cut = true;
                break;
            }
        }
        bystander.is_served().await;
        if !cut {
            is_cut_off(&mut raw).await;
        }
        drop(raw);
        holds(&service, 1, 1).await;
    });
}

/// Each block is refused at its limit, as often as it comes.
#[test]
fn a_flood_of_large_header_blocks_is_refused_block_by_block() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        for stream in (1..401).step_by(2) {
            raw.request(stream, "GET", "/x", &[("a", "b"); 600]).await;
            assert_eq!(raw.status(stream).await, 431);
        }
        bystander.is_served().await;
        holds(&service, 2, 1).await;
    });
}

/// Every stream of a connection waits for the rest of its body: each is answered with 408, and the others are served.
#[test]
fn bodies_that_stall_on_every_stream_are_408() {
    run(async {
        let clock = Clocked::new();
        let service = Setup::default().start_on(clock.clone());
        let mut bystander = Bystander::of(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.settle().await;
        let streams = 2 * (Limits::default().streams - 1);
        for stream in (1..streams).step_by(2) {
            raw.head(stream, ("POST", &bystander.push), &[("ttl", "60")], false).await;
            raw.write(DATA, 0, stream, b"half a").await;
        }
        // The last stream there may be is answered after all others have begun.
        raw.get(streams + 1, "/x").await;
        assert_eq!(raw.status(streams + 1).await, 404);
        bystander.is_served().await;
        clock.advance(Limits::default().body);
        for stream in (1..streams).step_by(2) {
            assert_eq!(raw.status(stream).await, 408);
        }
        bystander.is_served().await;
        holds(&service, 2, 1).await;
    });
}

/// Empty DATA frames keep a stream busy without sending anything (CVE-2019-9518).
#[test]
fn a_flood_of_empty_frames_is_cut_off() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.head(1, ("POST", &bystander.push), &[("ttl", "60")], false).await;
        while raw.try_write(DATA, 0, 1, b"").await.is_ok() {}
        bystander.is_served().await;
        is_cut_off(&mut raw).await;
        drop(raw);
        holds(&service, 1, 1).await;
    });
}

/// Pings and settings that nobody reads the answers of (CVE-2019-9512, CVE-2019-9515).
#[test]
fn a_peer_that_asks_and_never_reads_holds_up_only_itself() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        let mut raw = Raw::narrow(&service, 512, &[]).await;
        let flood = spawn(async move {
            for _ in 0..10_000 {
                let asked = raw.try_write(PING, 0, 0, b"are you?").await;
                let set = raw.try_write(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]).await;
                if asked.is_err() || set.is_err() {
                    return;
                }
            }
        });
        for _ in 0..20 {
            bystander.is_served().await;
        }
        // The pipe is full in both directions: it waits for us, and we for it.
        assert!(flood.stop().is_none(), "it was held up");
        holds(&service, 1, 1).await;
    });
}

/// Monitors that nobody reads the pushes of: what is handed out to them is bounded by their credit, whatever waits.
#[test]
fn pushes_that_are_not_read_stay_in_the_store() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        let mut silent = Vec::new();
        for _ in 0..8 {
            let subscription = bystander.peer.subscribe().await;
            let mut raw = Raw::narrow(&service, 512, &[]).await;
            raw.get(1, &subscription.set).await;
            raw.settle().await;
            silent.push((raw, subscription.push));
        }
        let most = 8 * usize::try_from(Limits::default().credit).unwrap();
        for _ in 0..40 {
            for (_, push) in &silent {
                bystander.peer.send(push, &[0; 4096]).await;
                let Census { pushes, push_octets, .. } = service.server.census();
                assert!(
                    pushes <= most && push_octets <= most * 4096,
                    "{pushes} pushes, {push_octets} octets"
                );
            }
            bystander.is_served().await;
        }
        // All of the credit is used, so the bound above was put to the test.
        while service.server.census().pushes < most {
            yield_now().await;
        }
        drop(silent);
        bystander.is_served().await;
        holds(&service, 1, 1).await;
    });
}

/// Requests whose responses nobody reads: as many as there may be streams, and no more.
#[test]
fn responses_that_are_not_read_are_as_many_as_there_may_be_streams() {
    run(async {
        let service = Setup::default().start();
        let mut bystander = Bystander::of(&service).await;
        // Nothing but heads fits: 404s have a body.
        let mut raw = Raw::connect(&service, &[(super::support::raw::INITIAL_WINDOW_SIZE, 0)]).await;
        let streams = Limits::default().streams;
        for stream in (1..2 * streams + 20).step_by(2) {
            raw.get(stream, "/x").await;
        }
        let refused = raw.until(|frame| frame.kind == RST_STREAM).await;
        assert_eq!((refused.stream, refused.error()), (2 * streams + 1, 7), "REFUSED_STREAM");
        bystander.is_served().await;
        drop(raw);
        holds(&service, 1, 1).await;
    });
}

/// Heads that come letter by letter, over HTTP/1.1, and handshakes that do not come at all.
#[test]
fn slow_heads_and_handshakes_are_cut_off() {
    run(async {
        let clock = Clocked::new();
        let service = Setup { tls: true, ..Setup::default() }.start_on(clock.clone());
        let cleartext = Setup::default().start_on(clock.clone());
        let mut bystander = Bystander::of(&service).await;
        let mut silent = Vec::new();
        for _ in 0..50 {
            silent.push(connect(service.address).await);
            silent.push(connect(cleartext.address).await);
            let mut slow = connect(cleartext.address).await;
            slow.write_all(b"POST /subscribe HT").await.unwrap();
            silent.push(slow);
        }
        holds(&service, 51, 1).await;
        holds(&cleartext, 100, 0).await;
        bystander.is_served().await;
        drop(bystander);
        // Some may not have begun to wait yet: time goes on until they are cut off.
        let ticking = spawn(async move {
            loop {
                clock.advance(Limits::default().handshake);
                yield_now().await;
            }
        });
        for mut socket in silent {
            let mut rest = Vec::new();
            drop(socket.read_to_end(&mut rest).await);
        }
        ticking.stop();
        let mut bystander = Bystander::of(&service).await;
        bystander.is_served().await;
        holds(&service, 1, 1).await;
        holds(&cleartext, 0, 0).await;
    });
}

/// Garbage in place of HTTP, and HTTP in place of TLS.
#[test]
fn what_is_no_http_is_cut_off() {
    run(async {
        let service = Setup { tls: true, ..Setup::default() }.start();
        let mut bystander = Bystander::of(&service).await;
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", &[0; 4096], &[0xff; 4096]] {
            let mut socket = connect(service.address).await;
            drop(socket.write_all(garbage).await);
            drop(socket.shutdown().await);
            let mut rest = Vec::new();
            drop(socket.read_to_end(&mut rest).await);
        }
        bystander.is_served().await;
        assert_eq!(bystander.peer.request(Method::GET, "/x", &[], b"").await.status(), 404);
        holds(&service, 1, 1).await;
    });
}

const CONTINUATION: u8 = 9;
