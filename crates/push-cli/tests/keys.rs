//! `webpush rotate-key` and `webpush keys` through the real binary.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

mod support;

use std::{fs, process::Output};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{Method, StatusCode};
use support::{
    Folder, Service, assert_fails,
    http2::{Agent, Peer, path_of},
    run, stderr, stdout,
};

impl Agent {
    /// The path of the message, as its sender is told.
    async fn post(&self, peer: &Peer) -> Result<String, StatusCode> {
        let answer =
            peer.request(Method::POST, &self.push, &[("ttl", "3600")], Bytes::from("hello")).await.unwrap();
        if answer.status != StatusCode::CREATED {
            return Err(answer.status);
        }
        Ok(path_of(answer.headers["location"].to_str().unwrap()))
    }

    /// The path of the only message that waits, as its user agent is told; it is acknowledged.
    async fn collect(&self, peer: &Peer) -> String {
        let monitor = peer.monitor(&self.subscription, &[("prefer", "wait=0")]).await.unwrap();
        let pushed = monitor.all().await.unwrap().1;
        assert_eq!(pushed.len(), 1);
        let path = pushed[0].path.clone();
        let answer = peer.request(Method::DELETE, &path, &[], Bytes::new()).await.unwrap();
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        path
    }
}

/// The number of the key that sealed a URL: its second octet, for all to see.
fn key_of(path: &str) -> u8 {
    let token = path.rsplit('/').next().unwrap();
    Base64UrlUnpadded::decode_vec(token).unwrap()[1]
}

fn rotate(folder: &Folder, more: &[&str]) -> Output {
    let data = folder.text("data");
    run(["rotate-key", "--data", &data].into_iter().chain(more.iter().copied()))
}

fn keys(folder: &Folder) -> Vec<String> {
    let listed = run(["keys", "--data", &folder.text("data")]);
    assert_eq!(listed.status.code(), Some(0), "{}", stderr(&listed));
    let text = fs::read_to_string(folder.path("data/sealing.key")).unwrap();
    for secret in text.split_whitespace().filter(|word| word.len() > 40) {
        assert!(!stdout(&listed).contains(secret) && !stderr(&listed).contains(secret), "a key is shown");
    }
    stdout(&listed).lines().map(str::to_owned).collect()
}

async fn start(folder: &Folder) -> (Service, Peer) {
    let service = Service::start_cleartext(&folder.path("data"), "");
    let peer = Peer::connect(service.address).await.unwrap();
    (service, peer)
}

#[tokio::test]
async fn old_urls_stay_and_new_ones_get_the_new_key() {
    let folder = Folder::new();
    let (service, peer) = start(&folder).await;
    let old = Agent::subscribe(&peer).await;
    assert_eq!(key_of(&old.push), 0);
    let waiting = old.post(&peer).await.unwrap();
    let [only] = keys(&folder).try_into().unwrap();
    assert!(only.starts_with("key 0 made ") && only.ends_with(" GMT: seals what is new"), "{only}");
    assert_fails(&rotate(&folder, &[]), 1, &["the service is running", "stop it"]);
    drop(service);

    let rotated = rotate(&folder, &[]);
    assert_eq!(rotated.status.code(), Some(0), "{}", stderr(&rotated));
    assert!(
        stdout(&rotated).starts_with("key 1 seals new URLs from the next start on"),
        "{}",
        stdout(&rotated)
    );
    assert!(stderr(&rotated).contains("make a new one"), "{}", stderr(&rotated));
    let [first, second] = keys(&folder).try_into().unwrap();
    assert!(first.starts_with("key 0 ") && first.ends_with("opens older URLs"), "{first}");
    assert!(second.starts_with("key 1 ") && second.ends_with("seals what is new"), "{second}");

    let (service, peer) = start(&folder).await;
    assert_eq!(old.collect(&peer).await, waiting, "known by the same URL as before");
    let sent = old.post(&peer).await.unwrap();
    assert_eq!(key_of(&sent), 0, "the key of the push URL");
    assert_eq!(old.collect(&peer).await, sent);
    let new = Agent::subscribe(&peer).await;
    assert_eq!([key_of(&new.push), key_of(&new.subscription)], [1, 1]);
    let sent = new.post(&peer).await.unwrap();
    assert_eq!(key_of(&sent), 1);
    assert_eq!(new.collect(&peer).await, sent);
    drop(service);

    // A backup has all keys.
    let (data, file, restored) = (folder.text("data"), folder.text("b"), folder.text("restored"));
    assert_eq!(run(["backup", "--data", &data, "--to", &file]).status.code(), Some(0));
    assert_eq!(run(["restore", "--from", &file, "--data", &restored]).status.code(), Some(0));
    assert!(
        fs::read(folder.path("restored/sealing.key")).unwrap()
            == fs::read(folder.path("data/sealing.key")).unwrap()
    );
}

#[tokio::test]
async fn a_key_is_retired_only_by_somebody_who_knows_what_ends() {
    let folder = Folder::new();
    let (service, peer) = start(&folder).await;
    let old = Agent::subscribe(&peer).await;
    old.post(&peer).await.unwrap();
    drop(service);
    assert_fails(&rotate(&folder, &["--retire", "0"]), 2, &["key 0 is the newest", "without --retire"]);
    assert_fails(&rotate(&folder, &["--retire", "7"]), 2, &["there is no key 7", "there is: 0"]);
    assert_fails(&rotate(&folder, &["--force"]), 2, &["--retire"]);
    for _ in 0..2 {
        assert_eq!(rotate(&folder, &[]).status.code(), Some(0));
    }
    assert_fails(&rotate(&folder, &["--retire", "1"]), 2, &["key 1 is not the oldest"]);
    let says = ["key 0 is in use", "user agents: 1, subscriptions: 1,", "that wait: 1", "404", "--force"];
    assert_fails(&rotate(&folder, &["--retire", "0"]), 1, &says);
    assert_eq!(keys(&folder).len(), 3);

    let forced = rotate(&folder, &["--retire", "0", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert!(stdout(&forced).contains("key 0 is gone") && stdout(&forced).contains("subscriptions: 1"));
    assert_eq!(keys(&folder).len(), 2);
    let (_service, peer) = start(&folder).await;
    assert_eq!(old.post(&peer).await, Err(StatusCode::NOT_FOUND));
    let new = Agent::subscribe(&peer).await;
    assert_eq!(key_of(&new.push), 2);
    assert!(new.post(&peer).await.is_ok());
}

/// Nothing came while it was in use, so nobody has to be warned.
#[tokio::test]
async fn a_key_that_nobody_needs_goes_without_force() {
    let folder = Folder::new();
    let (service, peer) = start(&folder).await;
    drop((service, peer));
    assert_eq!(rotate(&folder, &[]).status.code(), Some(0));
    let retired = rotate(&folder, &["--retire", "0"]);
    assert_eq!(retired.status.code(), Some(0), "{}", stderr(&retired));
    assert_eq!(keys(&folder).len(), 1);
    let (_service, peer) = start(&folder).await;
    assert!(Agent::subscribe(&peer).await.post(&peer).await.is_ok());
}

#[test]
fn a_folder_without_a_service_has_no_keys() {
    let folder = Folder::new();
    assert_fails(&run(["keys", "--data", &folder.text("data")]), 1, &["sealing.key", "no such file"]);
    assert_fails(&rotate(&folder, &[]), 1, &["there is no push service in", "--data"]);
    assert!(!folder.path("data").exists(), "nothing was made");
}
