use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use push_proto::{
    Content, ContentField, Handle, Message, Outcome, PushUrl, Receipt, Refusal, SealingKeyId, UnixTime,
    Urgency,
    service::{Request, Response},
    store::Item,
    user_agent::RetryAfter,
    wire::{Door, EventReader, KEEPALIVE, StreamEvent},
};

use crate::{
    fixture::DOORS,
    script::{Script, pieces},
};

/// Messages and receipts as events: what the service writes, the user agent reads, whatever is in it.
pub fn event_writer(octets: &[u8]) {
    let mut script = Script::new(octets);
    let door = &DOORS[script.below(DOORS.len())];
    let cuts = script.string();
    let mut items = Vec::new();
    while !script.is_done() && items.len() < 16 {
        items.push(item(&mut script));
    }
    let mut stream = Vec::new();
    for item in &items {
        stream.extend_from_slice(&door.event(item));
        stream.extend_from_slice(KEEPALIVE);
    }
    let refusal = Refusal::DRAINING.retry_in(Duration::from_millis(script.u64() >> 20));
    stream.extend_from_slice(&door.last_event(&Response::Refused(refusal)));

    let mut reader = EventReader::new(1 << 20);
    let mut events = Vec::new();
    for mut piece in pieces(&stream, cuts) {
        while let Some(event) = reader.next(&mut piece).unwrap() {
            events.push(event);
        }
    }
    assert_eq!(events.len(), items.len() + 1);
    let Some(StreamEvent::End(end)) = events.pop() else { panic!("the last event is the end") };
    assert_eq!((end.status, end.reason.as_deref()), (503, Some(refusal.reason())));
    let Some(RetryAfter::In(wait)) = end.retry_after else { panic!("it says when to come again") };
    assert!(Some(wait) >= refusal.retry_after() && wait.subsec_nanos() == 0);
    items.iter().zip(&events).for_each(|(item, event)| check(door, item, event));
}

fn item(script: &mut Script<'_>) -> Item {
    let handle = Handle {
        agent: script.agent(3),
        subscription: script.subscription(3),
        slot: script.slot(3),
        id: script.message(),
    };
    let sealed_by = SealingKeyId::from_u8(script.octet() & 1);
    if script.flag() {
        let outcome = script.pick(&[Outcome::Delivered, Outcome::Failed]);
        let expires = UnixTime::from_secs(script.u64());
        return Item::Receipt(Receipt {
            agent: script.agent(3),
            message: handle,
            sealed_by,
            outcome,
            expires,
        });
    }
    let named = script.octet();
    let chosen = ContentField::ALL.into_iter().enumerate().filter(|(bit, _)| named >> bit & 1 == 1);
    let fields = chosen.map(|(_, field)| (field, value(script.string()))).collect();
    let body = Bytes::copy_from_slice(script.string());
    Item::Message(Arc::new(Message {
        handle,
        sealed_by,
        // An HTTP date has four digits for the year.
        accepted: UnixTime::from_secs(script.u64() % 253_402_300_800),
        expires: UnixTime::from_secs(script.u64()),
        urgency: script.pick(&Urgency::ALL),
        receipt: script.flag().then(|| script.agent(3)),
        content: Content { body, fields },
    }))
}

/// The part of `octets` that can stand in a field.
fn value(octets: &[u8]) -> Bytes {
    let legal = |octet: &u8| HeaderValue::from_bytes(&[*octet]).is_ok();
    octets.iter().copied().filter(legal).collect()
}

fn check(door: &Door, item: &Item, event: &StreamEvent) {
    match (item, event) {
        (Item::Message(message), StreamEvent::Message(pushed)) => {
            assert_eq!(pushed.content.body, message.content.body);
            let text = |octets: &[u8]| octets.iter().copied().map(char::from).collect::<String>();
            let written: Vec<_> =
                message.content.fields.iter().map(|(field, value)| (*field, text(value))).collect();
            let read = pushed.content.fields.iter();
            let read: Vec<_> =
                read.map(|(field, value)| (*field, String::from_utf8(value.to_vec()).unwrap())).collect();
            assert_eq!(read, written, "octet by octet");
            named(door, pushed.message.as_str(), &message.handle);
            let push = pushed.promised_for.as_ref().unwrap();
            assert!(matches!(door.ending(push.as_str()), Some(Request::Unsubscribe(_))));
        }
        (Item::Receipt(receipt), StreamEvent::Receipt(pushed)) => {
            assert_eq!(pushed.status, receipt.outcome.status());
            named(door, pushed.message.as_str(), &receipt.message);
        }
        (item, event) => panic!("{item:?} became {event:?}"),
    }
}

fn named(door: &Door, url: &str, handle: &Handle) {
    assert!(PushUrl::parse(url).is_ok());
    let Some(Request::Drop(named)) = door.ending(url) else { panic!("no URL of a message") };
    assert_eq!(named, *handle);
}
