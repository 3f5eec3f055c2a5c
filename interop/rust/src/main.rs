//! Makes one push message as web-push (Rust) or web-push-native does, and prints it as a configuration of curl: neither
//! is used with a client of its own.
//!
//!     interop-senders web-push|web-push-native SUBSCRIPTION PAYLOAD BODY [VAPID-KEY]
//!
//! SUBSCRIPTION is the JSON of a subscription, PAYLOAD a file; the encrypted body goes to BODY. VAPID-KEY is a file as
//! `webpush keygen` writes it, in PEM.

use std::{env, error::Error, fs};

use web_push::{
    ContentEncoding, SubscriptionInfo, VapidSignatureBuilder, WebPushMessageBuilder,
    request_builder::build_request,
};
use web_push_native::{WebPushBuilder, jwt_simple::algorithms::ES256KeyPair};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is to be sent.
struct Made {
    url: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [sender, subscription, payload, body, key @ ..] = words.as_slice() else {
        return Err("which sender, subscription, payload and body?".into());
    };
    let subscription = fs::read_to_string(subscription)?;
    let payload = fs::read(payload)?;
    let key = key.first().map(fs::read_to_string).transpose()?;
    let made = match sender.as_str() {
        "web-push" => web_push(&subscription, &payload, key.as_deref())?,
        "web-push-native" => web_push_native(&subscription, payload, key.as_deref())?,
        other => return Err(format!("{other} is not known").into()),
    };
    fs::write(body, &made.body)?;
    println!("url = \"{}\"\nrequest = POST\ndata-binary = \"@{body}\"", made.url);
    for (name, value) in made.fields {
        println!("header = \"{name}: {value}\"");
    }
    Ok(())
}

fn web_push(subscription: &str, payload: &[u8], key: Option<&str>) -> Result<Made> {
    let to: SubscriptionInfo = serde_json::from_str(subscription)?;
    let mut message = WebPushMessageBuilder::new(&to);
    message.set_payload(ContentEncoding::Aes128Gcm, payload);
    message.set_ttl(TTL);
    if let Some(key) = key {
        let mut signature = VapidSignatureBuilder::from_pem(key.as_bytes(), &to)?;
        signature.add_claim("sub", SUBJECT);
        message.set_vapid_signature(signature.build()?);
    }
    let (head, body) = build_request::<Vec<u8>>(message.build()?).into_parts();
    let fields = head.headers.iter().map(|(name, value)| field(name.as_str(), value.as_bytes()));
    Ok(Made { url: head.uri.to_string(), fields: fields.collect(), body })
}

fn web_push_native(subscription: &str, payload: Vec<u8>, key: Option<&str>) -> Result<Made> {
    let to: WebPushBuilder = serde_json::from_str(subscription)?;
    let to = to.with_valid_duration(std::time::Duration::from_secs(TTL.into()));
    let request = match key.map(ES256KeyPair::from_pem).transpose()? {
        Some(key) => to.with_vapid(&key, SUBJECT).build(payload)?,
        None => to.build(payload)?,
    };
    let (head, body) = request.into_parts();
    let fields = head.headers.iter().map(|(name, value)| field(name.as_str(), value.as_bytes()));
    Ok(Made { url: head.uri.to_string(), fields: fields.collect(), body })
}

fn field(name: &str, value: &[u8]) -> (String, String) {
    (name.to_owned(), String::from_utf8_lossy(value).into_owned())
}

const TTL: u32 = 3600;
const SUBJECT: &str = "mailto:interop@example.com";
