//! The web-push crate, with the client that it brings.

use std::rc::Rc;

use futures_util::{StreamExt as _, stream};
use hyper_tls::{HttpsConnector, native_tls};
use web_push::{
    ContentEncoding, HyperWebPushClient, SubscriptionInfo, VapidSignatureBuilder, WebPushClient as _,
    WebPushMessageBuilder,
};
use webpush::SigningKey;

use super::{MESSAGES, PAYLOAD, SUBJECT, UNDER_WAY, runtime, sink};
use crate::{Kind, Party};

pub(super) fn web_push(sink: &Rc<sink::Process>, key: &SigningKey) -> Party {
    let sink = Rc::clone(sink);
    let pem = key.to_pem().expect("a key").expose().to_owned();
    let runtime = runtime();
    let client = runtime.block_on(async { client(&sink.certificate) });
    Party::new(Kind::Peer, "web-push 0.11, OpenSSL vendored, hyper", move |steps, meter| {
        let send = |_| {
            let to: SubscriptionInfo = serde_json::from_str(&sink.subscription).expect("a subscription");
            let mut signature = VapidSignatureBuilder::from_pem(pem.as_bytes(), &to).expect("a key");
            signature.add_claim("sub", SUBJECT);
            let mut message = WebPushMessageBuilder::new(&to);
            message.set_payload(ContentEncoding::Aes128Gcm, &PAYLOAD);
            message.set_vapid_signature(signature.build().expect("a signature"));
            let message = message.build().expect("a message");
            async { client.send(message).await.expect("accepted") }
        };
        meter.time(|| {
            let sent = stream::iter(0..steps * MESSAGES).map(send).buffer_unordered(UNDER_WAY);
            runtime.block_on(sent.for_each(|()| std::future::ready(())));
        });
    })
}

fn client(certificate: &str) -> HyperWebPushClient {
    let certificate = native_tls::Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
    let tls = native_tls::TlsConnector::builder().add_root_certificate(certificate).build().expect("TLS");
    let mut http = hyper::client::HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let connector = HttpsConnector::from((http, tls.into()));
    HyperWebPushClient::from(hyper::Client::builder().build(connector))
}
