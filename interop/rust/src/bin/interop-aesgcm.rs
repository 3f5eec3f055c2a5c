//! Our `aesgcm`, the content coding of the drafts, for senders and decrypters that are not ours.
//!
//!     interop-aesgcm keys SECRET                              makes a user agent's keys; prints the public half as JSON
//!     interop-aesgcm seal SUBSCRIPTION PAYLOAD BODY [KEY]     encrypts; prints the fields of the request as JSON
//!     interop-aesgcm open SECRET BODY ENCRYPTION CRYPTO-KEY   decrypts; prints the payload
//!
//! SUBSCRIPTION is the JSON of a subscription, PAYLOAD a file; the encrypted body goes to BODY. KEY is a file as
//! `webpush keygen` writes it, in PEM: who signs does so as the draft had it (draft-ietf-webpush-vapid-01).

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use push_crypto::{
    ReceiverKeys, Subscription, UnixTime,
    aesgcm::{CONTENT_CODING, Fields, decrypt, encrypt},
    message::Padding,
    rustcrypto,
    vapid::{Signer, SigningKey},
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["keys", secret] => println!("{}", keys(secret)?),
        ["seal", subscription, payload, body, key @ ..] => {
            println!("{}", seal(subscription, payload, body, key.first().copied())?);
        }
        ["open", secret, body, encryption, crypto_key] => {
            let keys = ReceiverKeys::from_bytes(&fs::read(secret)?)?;
            let fields = Fields::parse(encryption, crypto_key)?;
            let payload = decrypt(&rustcrypto::provider(), &keys, &fields, &fs::read(body)?)?;
            io::stdout().write_all(&payload)?;
        }
        _ => return Err("keys, seal or open?".into()),
    }
    Ok(())
}

fn keys(secret: &str) -> Result<Value> {
    let keys = ReceiverKeys::generate(&rustcrypto::provider())?;
    fs::write(secret, keys.to_bytes().expose())?;
    // Where its messages go is for the caller to say.
    let subscription = Subscription {
        endpoint: "https://push.example/".parse()?,
        p256dh: *keys.public_key(),
        auth: keys.auth().clone(),
        expiration_time: None,
    };
    let json: Value = serde_json::from_str(&subscription.to_json())?;
    Ok(json["keys"].clone())
}

fn seal(subscription: &str, payload: &str, body: &str, key: Option<&str>) -> Result<Value> {
    let provider = rustcrypto::provider();
    let to: Subscription = fs::read_to_string(subscription)?.parse()?;
    let message = encrypt(&provider, &to.recipient(), &fs::read(payload)?, Padding::None)?;
    fs::write(body, &message.body)?;
    let mut fields = json!({
        "content-encoding": CONTENT_CODING,
        "encryption": message.fields.encryption(),
        "crypto-key": message.fields.crypto_key(),
    });
    if let Some(key) = key {
        let signer = Signer::new(
            SigningKey::from_pem(&fs::read_to_string(key)?)?,
            Some("mailto:interop@example.com".parse()?),
        );
        let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
        let token = signer.sign(&provider, &to.endpoint.origin(), now.saturating_add_secs(3600), now)?;
        fields["crypto-key"] = message.fields.crypto_key_with(&token).into();
        fields["authorization"] = token.draft_authorization().into();
    }
    Ok(fields)
}
