//! User agents and application servers.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response as HttpResponse};
use push_proto::{
    Content, ContentField, Outcome, PushUrl, Receipt, Refusal, Topic, Ttl, UnixTime, Urgency, Via,
    application_server::{self as sender, Credentials},
    service::{Accepted, ReceiptRequest, Request, Response, Set},
    store::Item,
    user_agent::{self as agent, RetryAfter},
    wire::{Unremembered, application_server, user_agent},
};

use crate::fixture::{
    ACCEPTED, AGENT, HANDLE, KEY, NOW, RECEIPTS, SIGNER, SUBSCRIBED, SUBSCRIPTION, authorization, door,
    field, message, named,
};

fn url(text: &str) -> PushUrl {
    PushUrl::parse(text).unwrap()
}

/// What the service makes of a client's request.
fn arrive(request: http::Request<Bytes>) -> Result<Request, Refusal> {
    let (head, body) = request.into_parts();
    let admitted = door().admit(&head)?;
    door().request(admitted, http::Request::from_parts(head, body), &mut Unremembered, NOW)
}

fn head(response: Response) -> http::response::Parts {
    door().respond(&response, NOW).into_parts().0
}

/// `8030-4-1`, `8030-4.1-2`, `8292-4.1-1`, `8292-4.1-2`
#[test]
fn a_user_agent_subscribes() {
    let at = url(&door().url().subscribe());
    let plain = agent::Request::Subscribe { url: at.clone(), set: None, restricted_to: None };
    let built = user_agent::request(&plain).unwrap();
    assert_eq!(built.method(), Method::POST);
    assert!(built.headers().is_empty() && built.body().is_empty());
    let set = Some(url(&door().set_url(AGENT)));
    let full = agent::Request::Subscribe { url: at, set, restricted_to: Some(*SIGNER.public_key()) };
    let built = user_agent::request(&full).unwrap();
    assert_eq!(field(built.headers(), "content-type"), "application/webpush-options+json");
    let Ok(Request::Subscribe(subscribe)) = arrive(built) else { panic!() };
    assert_eq!(subscribe.set, Set::Joined(named(AGENT)));
    assert_eq!(subscribe.restricted_to.as_ref(), Some(SIGNER.public_key()));
}

/// `8030-4-2`, `8030-4-3`, `8030-4.1-1`
#[test]
fn a_user_agent_reads_what_it_got() {
    let response = user_agent::response(&head(Response::Subscribed(SUBSCRIBED)));
    assert_eq!(response.status, 201);
    assert_eq!(response.location.unwrap().as_str(), door().subscription_url(AGENT, SUBSCRIPTION));
    assert_eq!(response.push.unwrap().as_str(), door().push_url(AGENT, SUBSCRIPTION));
    assert_eq!(response.set.unwrap().as_str(), door().set_url(AGENT));
    assert_eq!(response.retry_after, None);
    let refusal = Refusal::OVERLOADED.retry_in(std::time::Duration::from_secs(9));
    let refused = user_agent::response(&head(Response::Refused(refusal)));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.retry_after, Some(RetryAfter::In(std::time::Duration::from_secs(9))));
}

/// `8030-6-1`, `8030-5.3-4`, `8030-6.2-1`, `8030-7.3-4`
#[test]
fn a_user_agent_monitors_acknowledges_and_unsubscribes() {
    let set = url(&door().set_url(AGENT));
    for urgency in [None, Some(Urgency::High)] {
        let via = Via::Push;
        let built = user_agent::request(&agent::Request::Monitor { url: set.clone(), via, urgency }).unwrap();
        assert_eq!(built.headers().get("accept"), None);
        let Ok(Request::Monitor(monitor)) = arrive(built) else { panic!() };
        assert_eq!(monitor.urgency, urgency.unwrap_or(Urgency::VeryLow));
    }
    //
    let streamed = agent::Request::Monitor { url: set.clone(), via: Via::Stream, urgency: None };
    assert_eq!(field(user_agent::request(&streamed).unwrap().headers(), "accept"), "text/event-stream");
    let message = url(&door().message_url(HANDLE, KEY));
    let built = user_agent::request(&agent::Request::Acknowledge { url: message }).unwrap();
    assert!(matches!(arrive(built), Ok(Request::Acknowledge(handle)) if handle == HANDLE));
    let built = user_agent::request(&agent::Request::Unsubscribe { url: set }).unwrap();
    assert!(matches!(arrive(built), Ok(Request::Unsubscribe(_))));
}

/// `8030-6-3` to `8030-6-5`, A-10
#[test]
fn a_user_agent_reads_a_push() {
    let promise = door().promise(&Item::Message(Arc::new(message())), NOW);
    let pushed = user_agent::pushed(&promise.request, promise.response.map(|()| promise.body));
    assert_eq!(pushed.message.as_str(), door().message_url(HANDLE, KEY));
    assert_eq!(pushed.promised_for.unwrap().as_str(), door().push_url(AGENT, SUBSCRIPTION));
    assert_eq!(pushed.pushed_for.unwrap().as_str(), door().push_url(AGENT, SUBSCRIPTION));
    assert_eq!(pushed.status, 200);
    assert_eq!(pushed.content, message().content);
}

fn send() -> sender::Send {
    sender::Send {
        to: url(&door().push_url(AGENT, SUBSCRIPTION)),
        ttl: Ttl::from_secs(60),
        urgency: Urgency::Normal,
        topic: None,
        receipt: sender::ReceiptRequest::No,
        credentials: None,
        content: Content::default(),
    }
}

/// `8030-5-1`, `8030-5.2-1`: the least there is.
#[test]
fn an_application_server_sends_a_bare_message() {
    let built = application_server::request(&sender::Request::Send(send())).unwrap();
    assert_eq!(built.method(), Method::POST);
    assert_eq!(built.headers().len(), 1);
    assert_eq!(field(built.headers(), "ttl"), "60");
    assert!(matches!(arrive(built), Ok(Request::Send(_))));
}

/// `8030-5.1-1`, `8030-5.1-6`, `8030-5.3-1`, `8030-5.4-3`, `8292-2-5`
#[test]
fn an_application_server_sends_all_it_can() {
    let content = Content {
        body: Bytes::from_static(b"x"),
        fields: [
            (ContentField::Encoding, Bytes::from_static(b"aes128gcm")),
            (ContentField::Type, Bytes::from_static(b"application/octet-stream")),
        ]
        .into(),
    };
    let full = sender::Send {
        urgency: Urgency::VeryLow,
        topic: Topic::parse(b"news"),
        receipt: sender::ReceiptRequest::On(url(&door().receipts_url(RECEIPTS))),
        credentials: Some(Credentials::new(&authorization())),
        content: content.clone(),
        ..send()
    };
    let built = application_server::request(&sender::Request::Send(full)).unwrap();
    assert_eq!(field(built.headers(), "topic"), "news");
    assert!(!format!("{built:?}").contains("vapid t="));
    let Ok(Request::Send(arrived)) = arrive(built) else { panic!() };
    assert_eq!(arrived.urgency, Urgency::VeryLow);
    assert!(arrived.topic.is_some());
    assert_eq!(arrived.receipt, ReceiptRequest::On(named(RECEIPTS)));
    assert_eq!(arrived.sender.unwrap().key(), SIGNER.public_key());
    assert_eq!(arrived.content, content);
    let new = sender::Send { receipt: sender::ReceiptRequest::New, ..send() };
    let Ok(Request::Send(arrived)) =
        arrive(application_server::request(&sender::Request::Send(new)).unwrap())
    else {
        panic!()
    };
    assert_eq!(arrived.receipt, ReceiptRequest::New);
}

/// Credentials that are no field value are an error, not a panic.
#[test]
fn credentials_that_cannot_be_sent_are_an_error() {
    let bad = sender::Send { credentials: Some(Credentials::new("vapid\n")), ..send() };
    assert!(application_server::request(&sender::Request::Send(bad)).is_err());
}

/// `8030-5-2`, `8030-5.1-4`, `8030-5.1-5`, `8030-5.2-6`, `8030-8.4-3`
#[test]
fn an_application_server_reads_the_answer() {
    let accepted = Accepted { ttl: Ttl::from_secs(5), receipt: Some(RECEIPTS), ..ACCEPTED };
    let response = application_server::response(&head(Response::Accepted(accepted)), Bytes::new());
    assert_eq!(response.status, 202);
    assert_eq!(response.location.unwrap().as_str(), door().message_url(HANDLE, KEY));
    assert_eq!(response.ttl, Some(Ttl::from_secs(5)));
    assert_eq!(response.receipt.unwrap().as_str(), door().receipts_url(RECEIPTS));
    let bare =
        HttpResponse::builder().status(429).header("retry-after", "3").body(()).unwrap().into_parts().0;
    let response = application_server::response(&bare, Bytes::from_static(b"slow down"));
    assert_eq!((response.status, response.reason.as_ref()), (429, b"slow down".as_ref()));
    assert_eq!(response.retry_after, Some(RetryAfter::In(std::time::Duration::from_secs(3))));
    assert!(response.location.is_none() && response.ttl.is_none() && response.receipt.is_none());
}

/// `8030-6.3-1`, `8030-6.3-3` to `8030-6.3-5`
#[test]
fn an_application_server_monitors_receipts() {
    let receipts = url(&door().receipts_url(RECEIPTS));
    let monitor = sender::Request::MonitorReceipts { url: receipts.clone(), via: Via::Stream };
    assert_eq!(
        field(application_server::request(&monitor).unwrap().headers(), "accept"),
        "text/event-stream"
    );
    let end = sender::Request::EndReceipts { url: receipts.clone() };
    // `8030-7.3-5`
    let Ok(Request::Unsubscribe(_)) = arrive(application_server::request(&end).unwrap()) else { panic!() };
    let monitor = sender::Request::MonitorReceipts { url: receipts, via: Via::Push };
    let built = application_server::request(&monitor).unwrap();
    assert_eq!(built.headers(), &HeaderMap::new());
    assert!(matches!(arrive(built), Ok(Request::Monitor(_))));
    for (outcome, status) in [(Outcome::Delivered, 204), (Outcome::Failed, 410)] {
        let item = Item::Receipt(Receipt {
            agent: RECEIPTS,
            message: HANDLE,
            sealed_by: KEY,
            outcome,
            expires: UnixTime::from_secs(1),
        });
        let promise = door().promise(&item, NOW);
        let receipt = application_server::receipt(&promise.request, &promise.response);
        assert_eq!(
            (receipt.message.as_str(), receipt.status),
            (door().message_url(HANDLE, KEY).as_str(), status)
        );
    }
}
