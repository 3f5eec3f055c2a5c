use push_proto::wire::{EventReader, StreamEvent, StreamFault};

use crate::script::{Script, pieces};

/// Any octets as an event stream: however they are cut, the same comes of them.
pub fn event_reader(octets: &[u8]) {
    let mut script = Script::new(octets);
    let octets_max = usize::from(script.octet()) * 8;
    let (some, other) = (script.string(), script.string());
    let stream = script.rest();
    let whole = read(octets_max, &[stream]);
    assert_eq!(read(octets_max, &pieces(stream, some)), whole, "the cuts matter");
    assert_eq!(read(octets_max, &pieces(stream, other)), whole, "the cuts matter");
    assert_eq!(read(octets_max, &pieces(stream, &[0])), whole, "the cuts matter");
    assert!(whole.0.iter().all(|event| event.len() <= octets_max * 4 + 400), "G5: more than was read");
}

/// All events, and how reading ended.
fn read(octets_max: usize, pieces: &[&[u8]]) -> (Vec<String>, Result<(), StreamFault>) {
    let mut reader = EventReader::new(octets_max);
    let mut events = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match reader.next(&mut rest) {
                Ok(Some(event)) => events.push(print(&event)),
                Ok(None) => break,
                Err(fault) => return (events, Err(fault)),
            }
        }
        assert!(rest.is_empty(), "without an event all are taken");
    }
    (events, Ok(()))
}

/// All of it, secrets as well.
fn print(event: &StreamEvent) -> String {
    match event {
        StreamEvent::Message(pushed) => {
            let content = &pushed.content;
            format!(
                "{:?} {:?} {:?} {:?}",
                pushed.message.as_str(),
                pushed.promised_for.as_ref().map(|reference| reference.as_str().to_owned()),
                content.body,
                content.fields
            )
        }
        StreamEvent::Receipt(receipt) => format!("{:?} {}", receipt.message.as_str(), receipt.status),
        StreamEvent::End(end) => format!("{end:?}"),
        StreamEvent::Malformed => "malformed".to_owned(),
    }
}
