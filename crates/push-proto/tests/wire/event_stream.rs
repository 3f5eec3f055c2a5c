//! The event stream: who gets one, and what is in it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use proptest::{collection::vec, prelude::*};
use push_proto::{
    Content, ContentField, Message, Outcome, Receipt, Refusal, UnixTime, Via, service::Response, store::Item,
    wire::EVENT_STREAM,
};

use crate::fixture::{AGENT, HANDLE, KEY, Knock, NOW, RECEIPTS, SUBSCRIPTION, door, message};

/// it is asked for by its name, wanted to any degree; whatever else `Accept` says, and however badly, asks for
/// nothing.
#[test]
fn only_its_own_name_asks_for_a_stream() {
    let asks = [
        &["text/event-stream"][..],
        &["TEXT/Event-Stream"],
        &["text/html, text/event-stream"],
        &["text/html", "text/event-stream"],
        &["  text/event-stream  "],
        &["text/event-stream;q=0.001"],
        &["text/event-stream ; Q=1.000"],
        &["text/event-stream;charset=utf-8;q=0.5"],
        &["text/event-stream;q=0, text/event-stream"],
        &["*/*;q=0, text/event-stream"],
        &["text/html;level=\"1,2\", text/event-stream"],
    ];
    let does_not = [
        &[][..],
        &[""],
        &["*/*"],
        &["text/*"],
        &["text/event-stream-x"],
        &["text/event stream"],
        &["xtext/event-stream"],
        &["text/event-stream;q=0"],
        &["text/event-stream;q=0.000"],
        &["text/event-stream;q=2"],
        &["text/event-stream;q=1.001"],
        &["text/event-stream;q=0.0001"],
        &["text/event-stream;q=.5"],
        &["text/event-stream;q="],
        &["text/event-stream;q"],
        &["text/event-stream;q=\"1\""],
        &["text/event-stream;q=-1"],
        &["\"text/event-stream"],
        &["text/html;x=\"text/event-stream"],
    ];
    let cases = asks.map(|case| (case, Via::Stream)).into_iter();
    for (lines, via) in cases.chain(does_not.map(|case| (case, Via::Push))) {
        let mut knock = Knock::new("GET", door().set_url(AGENT));
        for line in lines {
            knock.headers.append(ACCEPT, line.parse().unwrap());
        }
        let mut request = http::Request::get(&knock.url).body(()).unwrap();
        *request.headers_mut() = knock.headers;
        let (head, ()) = request.into_parts();
        assert_eq!(door().admit(&head).unwrap().via(), via, "{lines:?}");
    }
}

#[test]
fn the_head_says_what_it_is_and_that_nobody_may_keep_it() {
    let head = door().event_stream(NOW);
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], EVENT_STREAM);
    assert_eq!(head.headers()["cache-control"], "private, no-store");
    assert_eq!(head.headers()["x-accel-buffering"], "no");
    assert!(head.headers().contains_key("date") && !head.headers().contains_key("content-length"));
}

/// 8030-6.3-4, 8030-6.3-5: the statuses are those of pushed receipts.
#[test]
fn receipts_and_ends_are_as_they_are_written() {
    let url = door().message_url(HANDLE, KEY);
    for (outcome, status) in [(Outcome::Delivered, 204), (Outcome::Failed, 410)] {
        let expires = UnixTime::from_secs(9);
        let receipt = Receipt { agent: RECEIPTS, message: HANDLE, sealed_by: KEY, outcome, expires };
        let event = door().event(&Item::Receipt(receipt));
        assert_eq!(event, format!("event: receipt\ndata: {{\"message\":\"{url}\",\"status\":{status}}}\n\n"));
    }
    let busy = Refusal::STORE_UNAVAILABLE.retry_in(core::time::Duration::from_millis(4001));
    for (response, data) in [
        (Response::MonitorEnded { empty: false, taken_over: false }, "{\"status\":200}"),
        (Response::MonitorEnded { empty: true, taken_over: false }, "{\"status\":200}"),
        (Response::Refused(Refusal::NOT_FOUND), "{\"status\":404,\"reason\":\"not-found\"}"),
        (Response::Refused(busy), "{\"status\":503,\"reason\":\"store-unavailable\",\"retry_after\":5}"),
    ] {
        assert_eq!(door().last_event(&response), format!("event: end\ndata: {data}\n\n"));
    }
}

proptest! {
    /// 8030-5-3: whatever is carried, it is one line of JSON, and all of it is there.
    #[test]
    fn any_message_is_one_line_of_json(
        body in vec(any::<u8>(), 0..300),
        field in vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..60),
    ) {
        let fields = [(ContentField::Type, Bytes::from(field.clone()))];
        let content = Content { body: body.clone().into(), fields: Box::new(fields) };
        let event = door().event(&Item::Message(Arc::new(Message { content, ..message() })));
        let event = std::str::from_utf8(&event).expect("UTF-8");
        let data = event.strip_prefix("event: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let data = data.expect("two lines and an empty one");
        prop_assert!(!data.contains(['\n', '\r']));
        let json: serde_json::Value = serde_json::from_str(data).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        prop_assert_eq!(text(&json["message"]), door().message_url(HANDLE, KEY));
        prop_assert_eq!(text(&json["push"]), door().push_url(AGENT, SUBSCRIPTION));
        let carried: Vec<u8> = text(&json["headers"]["content-type"]).chars().map(|char| char as u8).collect();
        prop_assert_eq!(carried, field);
        use base64ct::{Base64UrlUnpadded, Encoding as _};
        prop_assert_eq!(Base64UrlUnpadded::decode_vec(&text(&json["body"])).expect("base64url"), body);
    }
}
