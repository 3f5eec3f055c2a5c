//! Stopping: nobody is cut off who could have been served.

use std::time::Duration;

use super::support::{
    Setup,
    clocked::Clocked,
    connect,
    peer::{Peer, collect},
    raw::{GOAWAY, Raw},
    run, spawn, yield_now,
};
use crate::adapter::NATIVE;
use bytes::Bytes;
use http::Method;
use push_driver::Runtime as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[test]
fn a_drain_finishes_what_was_asked() {
    run(async {
        let service = Setup::default().start();
        let mut sender = Peer::connect(&service).await;
        let subscription = sender.subscribe().await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.get(1, &subscription.set).await;
        sender.send(&subscription.push, b"x").await;
        raw.promise().await;

        // A message whose body is not there yet.
        let (response, stream) = sender.begin(Method::POST, &subscription.push, &[("ttl", "1")], false).await;
        sender.subscribe().await;
        assert!(service.server.is_ready());
        let server = service.server.clone();
        let drained = spawn(async move { server.drain(Duration::from_secs(3600)).await });
        assert_eq!(raw.status(1).await, 200, "the monitor ends");
        assert_eq!(raw.until(|frame| frame.kind == GOAWAY).await.error(), 0);
        assert!(!service.server.is_ready());

        stream.unwrap().send_data(Bytes::from_static(b"y"), true).unwrap();
        let late = collect(response.await.unwrap()).await.unwrap();
        assert_eq!(late.status(), 503, "nothing new is promised");
        assert!(String::from_utf8_lossy(late.body()).contains("draining"));
        while raw.next().await.is_some() {}
        drop(sender);
        drained.await;
        assert!(NATIVE.connect(service.address).await.is_err());
        service.server.drain(Duration::ZERO).await;
    });
}

#[test]
fn a_request_that_waits_for_the_store_is_answered_in_a_drain() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let mut sender = Peer::connect(&service).await;
        let subscription = sender.subscribe().await;
        let held = service.store.with(|store, _| {
            store.faults().hold = true;
            store.held()
        });
        let (response, stream) = sender.begin(Method::POST, &subscription.push, &[("ttl", "9")], false).await;
        stream.unwrap().send_data(Bytes::from_static(b"y"), true).unwrap();
        while service.store.with(|store, _| store.held()) <= held {
            yield_now().await;
        }
        let server = service.server.clone();
        let drained = spawn(async move { server.drain(Duration::from_secs(3600)).await });
        while service.server.is_ready() {
            yield_now().await;
        }
        service.store.with(|store, emit| {
            store.faults().hold = false;
            let all = store.held();
            store.release(all, emit);
        });
        assert_eq!(collect(response.await.unwrap()).await.unwrap().status(), 201);
        drop(sender);
        drained.await;
    });
}

#[test]
fn an_idle_connection_does_not_hold_up_a_drain() {
    run(async {
        let service = Setup::default().start();
        let mut socket = connect(service.address).await;
        socket.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut response = [0; 12];
        socket.read_exact(&mut response).await.unwrap();
        assert_eq!(&response, b"HTTP/1.1 404");
        service.server.drain(Duration::from_secs(3600)).await;
        socket.read_to_end(&mut Vec::new()).await.unwrap();
    });
}

#[test]
fn a_drain_ends_at_its_deadline() {
    run(async {
        let clock = Clocked::new();
        let service = Setup::default().start_on(clock.clone());
        let mut sender = Peer::connect(&service).await;
        let subscription = sender.subscribe().await;
        // A request that never ends.
        let (response, _stream) =
            sender.begin(Method::POST, &subscription.push, &[("ttl", "1")], false).await;
        sender.subscribe().await;
        let server = service.server.clone();
        let drained = spawn(async move { server.drain(Duration::from_secs(5)).await });
        while service.server.is_ready() {
            yield_now().await;
        }
        clock.advance(Duration::from_secs(5));
        drained.await;
        assert!(response.await.is_err());
    });
}

#[test]
fn the_last_handle_cuts_everything_off() {
    run(async {
        let service = Setup::default().start();
        let mut raw = Raw::connect(&service, &[]).await;
        raw.settle().await;
        drop(service);
        while raw.next().await.is_some() {}
    });
}
