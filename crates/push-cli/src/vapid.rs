//! The key that identifies a sender, as a file in any of the forms that people have.

use std::path::Path;

use push_crypto::vapid::{SigningKey, SigningKeyError, Subject};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    files,
};

/// Reads PEM, base64url, or JSON with a member `privateKey`.
pub(crate) fn read(path: &Path) -> Result<SigningKey> {
    let text = files::read_secret_text(path, FILE_OCTETS_MAX).map_err(|error| error.hint(MAKE_ONE))?;
    parse(&text).map_err(|why| Error::file("use the VAPID key in", path, why).hint(MAKE_ONE))
}

/// Reads a contact.
pub(crate) fn subject(text: &str) -> Result<Subject> {
    text.parse().map_err(|error| Error::usage(format!("--subject: {error}")))
}

fn parse(text: &str) -> std::result::Result<SigningKey, String> {
    let trimmed = text.trim();
    if trimmed.starts_with('{') {
        // What is left of it in memory is no worse than what is on disk.
        let json: Value =
            serde_json::from_str(trimmed).map_err(|_| "it begins like JSON and is none".to_owned())?;
        let key = json.get("privateKey").and_then(Value::as_str);
        let key = key.ok_or_else(|| "the JSON has no member `privateKey`".to_owned())?;
        return say(SigningKey::from_base64url(key));
    }
    if trimmed.contains("-----BEGIN") {
        return say(SigningKey::from_pem(trimmed));
    }
    say(SigningKey::from_base64url(trimmed))
}

fn say(key: std::result::Result<SigningKey, SigningKeyError>) -> std::result::Result<SigningKey, String> {
    key.map_err(|error| error.to_string())
}

/// A key with parameters, certificates before it and comments has at most a few kilobytes.
const FILE_OCTETS_MAX: u64 = 64 * 1024;

const MAKE_ONE: &str = "`webpush keygen --out FILE` makes a key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_key_are_read_back() {
        let key = SigningKey::generate(&push_crypto::aws_lc::provider()).unwrap();
        let raw = key.to_base64url();
        let json = format!("{{\"publicKey\":\"\",\"privateKey\":\"{}\"}}", raw.expose());
        for form in [key.to_pem().unwrap().expose(), raw.expose(), &json, &format!("\n{}\n", raw.expose())] {
            assert_eq!(parse(form).unwrap().public_key(), key.public_key());
        }
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        for (form, says) in [
            ("{", "none"),
            ("{}", "privateKey"),
            ("-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----\n", "PKCS#8"),
            ("secretsecret", "octets"),
            ("?", "base64url"),
        ] {
            let why = parse(form).unwrap_err();
            assert!(why.contains(says) && !why.contains("secretsecret"), "{form}: {why}");
        }
    }
}
