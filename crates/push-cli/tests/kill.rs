//! G1 and G2 for real: `webpush serve` is killed with SIGKILL while it works, and nothing it promised is lost.
//!
//! In every round messages are posted to a user agent that is connected and to one that is not; the process is killed
//! right after the Nth 201, with others in flight. After the restart everything that is left is collected:
//!
//! - what was answered by 201 and not acknowledged comes, to the right user agent;
//! - what was acknowledged, with a 204 that was seen, does not come again;
//! - what is in between (the answer was lost with the process) may do either.
//!
//! A user agent that is connected by WebSocket is promised the same.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

mod support;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, StatusCode};
use support::{
    Folder, Service,
    browser::Browser,
    http2::{Broken, Peer, link, path_of},
};
use tokio::{sync::Semaphore, task::JoinSet};

#[tokio::test]
async fn kill_9_right_after_a_201_loses_nothing() {
    let folder = Folder::new();
    let mut service = Service::start_cleartext(&folder.path("data"), "");
    let peer = Peer::connect(service.address).await.unwrap();
    let agents = [Agent::subscribe(&peer, "connected").await, Agent::subscribe(&peer, "offline").await];
    let [connected, offline] = &agents;

    for round in 0..ROUNDS {
        let receiver = Peer::connect(service.address).await.unwrap();
        let receiving = tokio::spawn(connected.clone().receive(receiver));
        let senders =
            [Peer::connect(service.address).await.unwrap(), Peer::connect(service.address).await.unwrap()];
        let mut posts = JoinSet::new();
        let places = Arc::new(Semaphore::new(IN_FLIGHT));
        for number in 0..POSTED {
            let (agent, peer) = (agents[number % 2].clone(), senders[number / 2 % 2].clone());
            let places = Arc::clone(&places);
            posts.spawn(async move {
                let _place = places.acquire().await.unwrap();
                agent.post(&peer, format!("{} {round} {number}", agent.name)).await
            });
        }
        // One more each round, so that the kill hits another phase of the commits.
        let deadly = ACCEPTED + round;
        let mut accepted = 0;
        while let Some(posted) = posts.join_next().await {
            if posted.unwrap().is_ok() {
                accepted += 1;
                if accepted == deadly {
                    service.process.kill();
                }
            }
        }
        assert!(accepted >= deadly, "round {round}: {accepted} were accepted");
        receiving.await.unwrap();

        service = Service::start_cleartext(&folder.path("data"), "");
        let peer = Peer::connect(service.address).await.unwrap();
        connected.drain(&peer, round).await;
        offline.drain(&peer, round).await;
    }

    let accepted = agents.iter().map(|agent| agent.book.lock().unwrap().accepted.len()).sum::<usize>();
    assert!(accepted >= 1000, "{accepted} messages are too few to say anything");
    let again = connected.book.lock().unwrap().again;
    println!("{ROUNDS} kills: {accepted} accepted, none lost; {again} of the connected one's came again");
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));
}

/// G1, G2: what a user agent has on its screen and has not acknowledged is the service's to keep. That what was
/// acknowledged is durable tells the receipt (G4).
#[tokio::test]
async fn kill_9_loses_nothing_that_was_pushed_by_websocket_and_not_acknowledged() {
    for runtime in ["tokio", "smol"] {
        let folder = Folder::new();
        let flags = format!("--runtime {runtime}");
        let mut service = Service::start_cleartext(&folder.path("data"), &flags);
        let peer = Peer::connect(service.address).await.unwrap();
        let (mut browser, uaid) = Browser::hello(service.address, None).await;
        let endpoint = browser.register("d9b74644-4f97-46aa-b8fa-9393985cd6cd").await;

        let mut pushed = Vec::new();
        let mut receipts = Vec::new();
        for (body, receipt) in [("first", true), ("kept", false), ("last", true)] {
            let mut fields = vec![("ttl", "3600"), ("content-encoding", "aes128gcm")];
            fields.extend(receipt.then_some(("prefer", "respond-async")));
            let answer = peer.request(Method::POST, &path_of(&endpoint), &fields, body.into()).await.unwrap();
            assert_eq!(answer.status, if receipt { 202 } else { 201 });
            if receipt {
                receipts.push(link(&answer.headers, "urn:ietf:params:push:receipt"));
            }
            let notified = browser.notified().await;
            assert_eq!(notified.body, body.as_bytes());
            pushed.push(notified);
        }
        // Delivered, and not decrypted: both have ended.
        for ((notified, code), receipts) in [(&pushed[0], 100), (&pushed[2], 101)].into_iter().zip(&receipts)
        {
            browser.acknowledge(notified, code).await;
            let receipt = peer.monitor(receipts, &[]).await.unwrap().next().await.unwrap().unwrap();
            assert_eq!(receipt.response.status, StatusCode::NO_CONTENT);
        }
        service.process.kill();

        service = Service::start_cleartext(&folder.path("data"), &flags);
        let (mut browser, again) = Browser::hello(service.address, Some(&uaid)).await;
        assert_eq!(again, uaid, "it is known");
        assert_eq!(browser.notified().await, pushed[1], "by the same version, so that it can tell");
        let peer = Peer::connect(service.address).await.unwrap();
        let fields = [("ttl", "3600"), ("content-encoding", "aes128gcm")];
        peer.request(Method::POST, &path_of(&endpoint), &fields, "next".into()).await.unwrap();
        // Messages come in the order in which they were accepted.
        assert_eq!(browser.notified().await.body, b"next", "nothing that has ended comes before it");
    }
}

/// A user agent, and what it and its sender know.
#[derive(Clone)]
struct Agent {
    name: &'static str,
    subscription: String,
    push: String,
    book: Arc<Mutex<Book>>,
}

/// Messages by their text.
#[derive(Default)]
struct Book {
    /// Answered by 201.
    accepted: BTreeSet<String>,
    /// Pushed.
    received: BTreeSet<String>,
    /// A DELETE was sent.
    acknowledging: BTreeSet<String>,
    /// It was answered by 204.
    acknowledged: BTreeSet<String>,
    /// Pushed once more, after a kill.
    again: usize,
}

impl Agent {
    async fn subscribe(peer: &Peer, name: &'static str) -> Self {
        let made = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED);
        let subscription = path_of(made.headers["location"].to_str().unwrap());
        let push = link(&made.headers, "urn:ietf:params:push");
        Self { name, subscription, push, book: Arc::default() }
    }

    /// Sends a message, and remembers it if it was accepted.
    async fn post(&self, peer: &Peer, text: String) -> Result<(), Broken> {
        let fields = [("ttl", "3600"), ("content-encoding", "aes128gcm")];
        let body = Bytes::from(text.clone());
        let answer = peer.request(Method::POST, &self.push, &fields, body).await?;
        assert_eq!(answer.status, StatusCode::CREATED);
        self.book.lock().unwrap().accepted.insert(text);
        Ok(())
    }

    /// Stays connected until the service dies. Acknowledges every other message, so that the rest must come again.
    async fn receive(self, peer: Peer) {
        let Ok(mut monitor) = peer.monitor(&self.subscription, &[]).await else { return };
        let mut deletes = JoinSet::new();
        while let Some(Ok(pushed)) = monitor.next().await {
            let text = self.note(&pushed.response.body);
            if self.book.lock().unwrap().received.len().is_multiple_of(2) {
                let (agent, peer) = (self.clone(), peer.clone());
                // Nothing can be told from an answer that was lost.
                deletes.spawn(async move { drop(agent.acknowledge(&peer, &pushed.path, &text).await) });
            }
        }
        deletes.join_all().await;
    }

    /// Collects and acknowledges all there is (`8030-6-5`), then settles the accounts.
    async fn drain(&self, peer: &Peer, round: usize) {
        let mut monitor = peer.monitor(&self.subscription, &[("prefer", "wait=0")]).await.unwrap();
        let mut left = BTreeSet::new();
        while let Some(pushed) = monitor.next().await {
            let pushed = pushed.unwrap();
            let text = self.note(&pushed.response.body);
            self.acknowledge(peer, &pushed.path, &text).await.unwrap();
            assert!(left.insert(text), "{} round {round}: pushed twice by one monitor", self.name);
        }
        assert!(monitor.response().await.unwrap().is_success());
        let book = self.book.lock().unwrap();
        let lost: Vec<_> = book.accepted.difference(&book.received).collect();
        assert!(lost.is_empty(), "{} round {round}: accepted and lost: {lost:?}", self.name);
        let unsettled: Vec<_> = book.accepted.difference(&book.acknowledging).collect();
        assert!(
            unsettled.is_empty(),
            "{} round {round}: not ended and not pushed again: {unsettled:?}",
            self.name
        );
    }

    /// Remembers what was pushed.
    fn note(&self, body: &[u8]) -> String {
        let text = str::from_utf8(body).unwrap().to_owned();
        let mut book = self.book.lock().unwrap();
        assert_eq!(text.split(' ').next(), Some(self.name), "a message for another user agent");
        assert!(!book.acknowledged.contains(&text), "{text}: pushed after its acknowledgement was confirmed");
        if !book.received.insert(text.clone()) {
            book.again += 1;
        }
        text
    }

    async fn acknowledge(&self, peer: &Peer, path: &str, text: &str) -> Result<(), Broken> {
        self.book.lock().unwrap().acknowledging.insert(text.to_owned());
        let answer = peer.request(Method::DELETE, path, &[], Bytes::new()).await?;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{text}");
        self.book.lock().unwrap().acknowledged.insert(text.to_owned());
        Ok(())
    }
}

const ROUNDS: usize = 20;

/// Messages of a round, and how many of them are on their way at once.
const POSTED: usize = 120;
const IN_FLIGHT: usize = 24;

/// The process is killed after this many 201, and one more in each round.
const ACCEPTED: usize = 55;
