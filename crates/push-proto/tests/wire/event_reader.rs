//! The reader of event streams (A-12).

use std::time::Duration;

use proptest::prelude::*;
use push_proto::{
    ContentField,
    user_agent::RetryAfter,
    wire::{EventReader, StreamEvent, StreamFault},
};

const OCTETS_MAX: usize = 512;

/// All events, of a stream that comes in these pieces.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<StreamEvent>, StreamFault> {
    let mut reader = EventReader::new(OCTETS_MAX);
    let mut events = Vec::new();
    for mut piece in pieces {
        while let Some(event) = reader.next(&mut piece)? {
            events.push(event);
        }
        assert!(piece.is_empty(), "without an event everything is taken");
    }
    Ok(events)
}

/// What of an event can be compared.
fn shown(event: &StreamEvent) -> String {
    match event {
        StreamEvent::Message(pushed) => format!(
            "message {} {:?} {} {:?} {:?}",
            pushed.message.as_str(),
            pushed.promised_for.as_ref().map(|link| link.as_str().to_owned()),
            pushed.status,
            pushed.content.body,
            pushed.content.fields,
        ),
        StreamEvent::Receipt(receipt) => format!("receipt {} {}", receipt.message.as_str(), receipt.status),
        StreamEvent::End(end) => format!("{end:?}"),
        StreamEvent::Malformed => "malformed".to_owned(),
    }
}

fn all(text: &str) -> Vec<String> {
    read([text.as_bytes()]).unwrap().iter().map(shown).collect()
}

const END: &str = "event: end\ndata: {\"status\":200}\n\n";

#[test]
fn a_message_is_what_a_push_would_be() {
    let text = "event: message\ndata: {\"message\":\"https://p.example/m/1\",\"push\":\"https://p.example/p/1\",\
                \"headers\":{\"content-encoding\":\"aes128gcm\",\"x-other\":\"y\"},\"body\":\"aGVsbG8\"}\n\n";
    let events = read([text.as_bytes()]).unwrap();
    let [StreamEvent::Message(pushed)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(pushed.message.as_str(), "https://p.example/m/1");
    assert_eq!(pushed.promised_for.as_ref().unwrap().as_str(), "https://p.example/p/1");
    assert_eq!((pushed.status, pushed.content.body.as_ref()), (200, b"hello".as_slice()));
    assert_eq!(*pushed.content.fields, [(ContentField::Encoding, "aes128gcm".into())]);
    // G6: neither capabilities nor payloads.
    let debug = format!("{events:?} {:?}", EventReader::new(9));
    assert!(!debug.contains("/m/1") && !debug.contains("/p/1") && !debug.contains("hello"), "{debug}");
}

/// `w3c-recv-2`: without a body, and with as little else as there may be.
#[test]
fn what_may_be_missing_may_be_missing() {
    let text = "event: message\ndata: {\"message\":\"/m/1\",\"new\":[{}]}\n\n";
    assert_eq!(all(text), ["message /m/1 None 200 b\"\" []"]);
}

/// `8030-6.3-4`, `8030-6.3-5`, `8030-8.4-3`
#[test]
fn receipts_and_ends_are_read() {
    let text = "event: receipt\ndata: {\"message\":\"/m/1\",\"status\":410}\n\n\
                event: end\ndata: {\"status\":503,\"reason\":\"full\",\"retry_after\":7}\n\n";
    let events = read([text.as_bytes()]).unwrap();
    let [StreamEvent::Receipt(receipt), StreamEvent::End(end)] = events.as_slice() else { panic!() };
    assert_eq!((receipt.message.as_str(), receipt.status), ("/m/1", 410));
    assert_eq!((end.status, end.reason.as_deref()), (503, Some("full")));
    assert_eq!(end.retry_after, Some(RetryAfter::In(Duration::from_secs(7))));
}

#[test]
fn the_grammar_is_read_leniently() {
    let end = all(END);
    for text in [
        "\u{feff}event: end\ndata: {\"status\":200}\n\n",
        "event:end\rdata:{\"status\":200}\r\r",
        "event: end\r\ndata: {\"status\":200}\r\n\r\n",
        ": still here\n\n:\n:\nevent: end\n: in between\ndata: {\"status\":200}\n\n",
        "data: {\ndata: \"status\":\ndata: 200}\nevent: end\n\n",
        "id: 7\nretry: 5\nevent: start\nother: x\nlonely\nevent: end\ndata: {\"status\":200}\n\n",
        // No data, no event: and its name is forgotten.
        "event: end\n\nevent: end\ndata: {\"status\":200}\n\n",
        // A name is for one event.
        "event: end\ndata: {\"status\":200}\n\ndata: {\"status\":204}\n\nevent: end\n\ndata: {\"status\":204}\n\n",
        // Unknown events, and those without a name.
        "event: begin\ndata: {}\n\ndata: {\"status\":204}\n\nevent: end\ndata: {\"status\":200}\n\n",
    ] {
        assert_eq!(all(text), end, "{text:?}");
    }
    // A byte order mark stands at the beginning only.
    assert_eq!(all("\n\u{feff}event: end\ndata: {\"status\":200}\n\n"), [""; 0]);
    // What is not whole is no event.
    assert_eq!(all("event: end\ndata: {\"status\":200}\n"), [""; 0]);
}

#[test]
fn what_is_known_by_name_and_not_by_content_is_malformed_and_the_rest_goes_on() {
    for data in ["{", "[]", "null", "{\"status\":\"204\"}", "{\"message\":7}", "\u{1}"] {
        for name in ["message", "receipt", "end"] {
            let events = all(&format!("event: {name}\ndata: {data}\n\n{END}"));
            assert_eq!(events.first().map(String::as_str), Some("malformed"), "{name} {data}");
            assert_eq!(events.len(), 2);
        }
    }
    let body = "event: message\ndata: {\"message\":\"/m/1\",\"body\":\"!\"}\n\n";
    assert_eq!(all(body), ["malformed"]);
}

#[test]
fn lines_and_events_are_bounded() {
    let line = |octets: usize| format!("{}\n", "x".repeat(octets));
    assert!(read([line(OCTETS_MAX).as_bytes()]).is_ok());
    assert_eq!(read([line(OCTETS_MAX + 1).as_bytes()]).unwrap_err(), StreamFault::LineTooLong);
    // Also while it is not whole, and if it is a comment.
    let comment = format!(":{}", "x".repeat(OCTETS_MAX));
    assert_eq!(read([comment.as_bytes()]).unwrap_err(), StreamFault::LineTooLong);
    let data = |lines: usize| format!("data:{}\n", "x".repeat(63)).repeat(lines);
    assert!(read([data(OCTETS_MAX / 64).as_bytes()]).is_ok());
    assert_eq!(read([data(OCTETS_MAX / 64 + 1).as_bytes()]).unwrap_err(), StreamFault::EventTooLarge);
    // Each event has the whole bound.
    assert!(read([format!("{}\n", data(OCTETS_MAX / 64)).repeat(9).as_bytes()]).is_ok());
}

fn line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "event: message",
        "event: receipt",
        "event:end",
        "event: odd",
        "data: {\"message\":\"/m/1\",\"body\":\"aGk\"}",
        "data: {\"message\":\"/m/1\",\"status\":204}",
        "data: {\"status\":200}",
        "data: {",
        "data",
        ": comment",
        "id: 1",
        "\u{feff}event: end",
        "",
        "",
    ]);
    let ends = prop::sample::select(vec!["\n", "\r", "\r\n"]);
    (prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,12}"], ends)
        .prop_map(|(line, end)| format!("{line}{end}"))
}

proptest! {
    /// However a stream is cut into pieces, it says the same.
    #[test]
    fn any_split_reads_the_same(
        lines in prop::collection::vec(line(), 0..40),
        cuts in prop::collection::vec(1_usize..20, 1..40),
    ) {
        let text = lines.concat();
        let whole = read([text.as_bytes()]).map(|events| events.iter().map(shown).collect::<Vec<_>>());
        let mut pieces = Vec::new();
        let mut rest = text.as_bytes();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let pieces = read(pieces).map(|events| events.iter().map(shown).collect::<Vec<_>>());
        prop_assert_eq!(whole, pieces);
    }

    /// Any octets are events or a fault, and everything up to there is taken.
    #[test]
    fn garbage_is_survived(octets in prop::collection::vec(any::<u8>(), 0..3000)) {
        let _ = read([octets.as_slice()]);
        let _ = read(octets.chunks(7));
    }
}
