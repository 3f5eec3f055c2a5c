//! Keys that rotate (design, section 3.3): a peer hears of what it knows by the URL that it knows.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Response as HttpResponse};
use push_crypto::capability::Keyring;
use push_proto::{
    Mono, Now, Outcome, Receipt, SealingKeyId, Seed,
    service::{Accepted, Config, Exchange, Input, Output, Response, Service, Subscribed, Transfer},
    store::Item,
    wire::{Door, Limits, Promise, PublicUrl, Relation, link},
};
use push_store::{Client, Memory, Quotas};

use crate::fixture::{
    ACCEPTED, AGENT, HANDLE, Knock, NOW, ORIGIN, PROVIDER, RECEIPTS, SUBSCRIBED, SUBSCRIPTION, field, message,
};

/// A service behind a door, whose keyring is at hand.
struct Site {
    keyring: Keyring,
    service: Service,
    memory: Memory,
    client: Client,
    exchanges: u64,
    responses: Vec<HttpResponse<Bytes>>,
    promises: Vec<Promise>,
}

impl Site {
    fn new() -> Self {
        let mut memory = Memory::new(Quotas::default());
        Self {
            keyring: Keyring::generate(&PROVIDER).unwrap(),
            service: Service::new(Config::default(), &Seed::from_octets([7; 32])),
            client: memory.attach(),
            memory,
            exchanges: 0,
            responses: Vec::new(),
            promises: Vec::new(),
        }
    }

    fn door(&self) -> Door {
        let url = PublicUrl::parse(ORIGIN).unwrap();
        Door::new(Arc::new(self.keyring.clone()), url, *PROVIDER, Limits::default())
    }

    fn rotate(&mut self) -> SealingKeyId {
        self.keyring.rotate(&PROVIDER).unwrap()
    }

    /// The key of a URL.
    fn key(&self, url: &str) -> SealingKeyId {
        self.keyring.open_with_key_id(url.rsplit('/').next().unwrap()).unwrap().1
    }

    /// The head of the response.
    fn ask(&mut self, knock: Knock) -> HeaderMap {
        self.start(knock);
        self.responses.pop().expect("answered").headers().clone()
    }

    /// What is pushed to a monitor at once.
    fn monitor(&mut self, url: &str) -> Vec<Promise> {
        let exchange = self.start(Knock::new("GET", url));
        self.give(Input::Credit(exchange, 8));
        std::mem::take(&mut self.promises)
    }

    fn start(&mut self, knock: Knock) -> Exchange {
        self.exchanges += 1;
        let exchange = Exchange { origin: 0, number: self.exchanges };
        let request = knock.at(&self.door()).unwrap();
        self.give(Input::Request(exchange, request));
        exchange
    }

    fn give(&mut self, input: Input) {
        let (door, now) = (self.door(), Now { mono: Mono::ZERO, wall: NOW });
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.service.handle(input, now);
            loop {
                match self.service.poll(now) {
                    Output::Store(command) => self
                        .memory
                        .run(self.client, command, &mut |_, done| inputs.push_back(Input::Store(done))),
                    Output::Respond(_, response) => self.responses.push(door.respond(&response, NOW)),
                    Output::Push(exchange, delivery, item) => {
                        self.promises.push(door.promise(&item, NOW));
                        inputs.push_back(Input::Pushed(exchange, delivery, Transfer::Written));
                    }
                    Output::Opened(_) | Output::Retract(..) | Output::Retire(_) => {}
                    Output::Wait(..) => break,
                }
            }
        }
    }
}

fn send(push: &str) -> Knock {
    Knock::new("POST", push).headers(&[("ttl", "60"), ("prefer", "respond-async")])
}

fn target(headers: &HeaderMap, relation: Relation) -> String {
    link(headers, relation).unwrap().as_str().to_owned()
}

fn promised(promise: &Promise) -> String {
    promise.request.uri().to_string()
}

/// `8030-6-3`, `8030-6-4`, `8030-6.3-3`, A-10, A-13: however often the keys rotate in between.
#[test]
fn a_message_keeps_its_urls() {
    let mut site = Site::new();
    let subscribed = site.ask(Knock::new("POST", "/subscribe"));
    let (push, set) = (target(&subscribed, Relation::Push), target(&subscribed, Relation::Set));
    let newest = site.rotate();
    let sent = site.ask(send(&push));
    let location = field(&sent, "location");
    let receipts = target(&sent, Relation::Receipt);
    assert_eq!(site.key(location), site.key(&push));
    assert_eq!(site.key(&receipts), newest, "it is new");
    site.rotate();
    let [loaded] = site.monitor(&set).try_into().unwrap();
    site.rotate();
    // Stored or pushed on its way in, it is all the same.
    let other = site.ask(send(&push));
    let [early] = std::mem::take(&mut site.promises).try_into().unwrap();
    for (promise, location) in [(&loaded, location), (&early, field(&other, "location"))] {
        assert_eq!(promised(promise), location);
        for headers in [promise.request.headers(), promise.response.headers()] {
            assert_eq!(target(headers, Relation::Push), push);
        }
    }
    let read = site.ask(Knock::new("GET", location));
    assert_eq!(target(&read, Relation::Push), push);
    site.ask(Knock::new("DELETE", location));
    site.rotate();
    let [receipt] = site.monitor(&receipts).try_into().unwrap();
    assert_eq!(promised(&receipt), location);
}

/// `8030-4.1-4`: the set that was joined has the URL that it was named by; what is new is sealed with the newest key.
#[test]
fn a_set_keeps_its_url() {
    let mut site = Site::new();
    let set = target(&site.ask(Knock::new("POST", "/subscribe")), Relation::Set);
    let newest = site.rotate();
    let named = format!("<{set}>; rel=\"urn:ietf:params:push:set\"");
    let joined = site.ask(Knock::new("POST", "/subscribe").header("link", named));
    assert_eq!(target(&joined, Relation::Set), set);
    for url in [&target(&joined, Relation::Push), field(&joined, "location")] {
        assert_eq!(site.key(url), newest);
    }
}

/// `8030-5.1-7`: and so has a receipt subscription.
#[test]
fn a_receipt_subscription_keeps_its_url() {
    let mut site = Site::new();
    let push = target(&site.ask(Knock::new("POST", "/subscribe")), Relation::Push);
    let receipts = target(&site.ask(send(&push)), Relation::Receipt);
    site.rotate();
    let named = format!("<{receipts}>; rel=\"urn:ietf:params:push:receipt\"");
    assert_eq!(target(&site.ask(send(&push).header("link", named)), Relation::Receipt), receipts);
}

/// URLs of a retired key lead nowhere, so there is no point in keeping to it.
#[test]
fn a_retired_key_gives_way_to_the_newest() {
    let mut site = Site::new();
    let gone = site.keyring.newest();
    let newest = site.rotate();
    site.keyring.retire(gone).unwrap();
    let door = site.door();
    let subscribed = Subscribed { set_sealed_by: Some(gone), ..SUBSCRIBED };
    let accepted = Accepted { receipt: Some(RECEIPTS), receipt_sealed_by: Some(gone), ..ACCEPTED };
    let receipt = Receipt {
        agent: RECEIPTS,
        message: HANDLE,
        sealed_by: gone,
        outcome: Outcome::Failed,
        expires: NOW.saturating_add_secs(9),
    };
    let subscribed = door.respond(&Response::Subscribed(subscribed), NOW);
    let accepted = door.respond(&Response::Accepted(Accepted { sealed_by: gone, ..accepted }), NOW);
    let pushed = message();
    assert_eq!(pushed.sealed_by, gone);
    let pushed = door.promise(&Item::Message(Arc::new(pushed)), NOW);
    let location = door.message_url(HANDLE, newest);
    assert_eq!(target(subscribed.headers(), Relation::Set), door.set_url(AGENT));
    assert_eq!(target(accepted.headers(), Relation::Receipt), door.receipts_url(RECEIPTS));
    assert_eq!(field(accepted.headers(), "location"), location);
    assert_eq!(promised(&pushed), location);
    assert_eq!(target(pushed.response.headers(), Relation::Push), door.push_url(AGENT, SUBSCRIPTION));
    assert_eq!(promised(&door.promise(&Item::Receipt(receipt), NOW)), location);
    assert_eq!(site.key(&location), newest);
}
