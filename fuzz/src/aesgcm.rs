use push_crypto::{
    aesgcm::{DecryptError, Fields, FieldsError, MAX_FIELD_LEN, MAX_PLAINTEXT, decrypt, encrypt_with},
    message::{MessageKeys, Options},
};

use crate::{
    fixture::{FAST, PORTABLE, RECEIVER, pair},
    script::Script,
};

/// The content coding of the drafts: any fields and any body, and what was encrypted, damaged. What was read and written
/// again is read the same; both providers agree; damaged is an error or what was written.
pub fn aesgcm(octets: &[u8]) {
    let mut script = Script::new(octets);
    if script.flag() { any(script.rest()) } else { damaged(script) }
}

/// The first line is Encryption, the second Crypto-Key, the rest a body.
fn any(octets: &[u8]) {
    let mut lines = octets.splitn(3, |octet| *octet == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (encryption, crypto_key, body) = (next(), next(), next());
    let too_long = encryption.len().max(crypto_key.len()) > MAX_FIELD_LEN;
    let fields = match Fields::parse(encryption, crypto_key) {
        Ok(fields) => fields,
        Err(error) => {
            assert!(!error.section().is_empty(), "{error}: whose fault is it?");
            return;
        }
    };
    assert!(!too_long && fields.record_size() > 1);
    assert_eq!(Fields::parse(fields.encryption(), fields.crypto_key()), Ok(fields));
    let _ = agreed(&fields, body);
}

fn damaged(mut script: Script<'_>) {
    let padding = script.padding();
    // One more than by default, so that the record size has to be told.
    let options = Options::new(padding).limit(usize::from(script.u16()).min(MAX_PLAINTEXT + 1));
    let (ephemeral, salt) = (script.octet(), script.array());
    let alter = (script.u16(), script.octet(), script.octet());
    let plaintext = script.rest();
    let encrypted = |provider| {
        let keys = MessageKeys::fixed(pair(ephemeral), salt);
        encrypt_with(provider, &RECEIVER.recipient(), plaintext, options, keys)
    };
    let message = encrypted(&FAST);
    assert_eq!(message, encrypted(&PORTABLE), "the providers differ");
    let Ok(message) = message else { return };
    let (fields, mut body) = (message.fields, message.body);
    assert_eq!((fields.salt(), fields.sender_key()), (&salt, pair(ephemeral).public()));
    assert_eq!(Fields::parse(fields.encryption(), fields.crypto_key()), Ok(fields));
    assert_eq!(agreed(&fields, &body).as_deref(), Ok(plaintext));

    let place = usize::from(alter.0) % body.len();
    match alter.1 % 6 {
        0 => body[place] ^= alter.2,
        1 => body.truncate(place),
        2 => body.push(alter.2),
        3 => return record_size(&fields, &body, (alter.0.into(), plaintext)),
        4 => return other_fields(&fields, &body, (pair(alter.2).public().to_string(), plaintext)),
        _ => body[..2].copy_from_slice(&alter.0.to_be_bytes()),
    }
    if let Ok(decrypted) = agreed(&fields, &body) {
        assert_eq!(decrypted, plaintext, "damaged and accepted");
    }
}

/// The record size is in no checksum, so what it says must be kept: the record is shorter than a full one (`ece03-2-1`).
fn record_size(fields: &Fields, body: &[u8], (size, plaintext): (u64, &[u8])) {
    let salt = fields.encryption();
    let salt = salt.split(';').next().unwrap_or_default();
    let told = match Fields::parse(format!("{salt};rs={size}"), fields.crypto_key()) {
        Ok(told) => told,
        Err(error) => return assert_eq!((error, size < 2), (FieldsError::RecordSize, true)),
    };
    assert_eq!(told.record_size(), size);
    let whole = (body.len() as u64) < size + 16;
    let expected = if whole { Ok(plaintext) } else { Err(DecryptError::SeveralRecords) };
    assert_eq!(agreed(&told, body).as_deref().map_err(|error| *error), expected);
}

/// What another sender's key makes of it.
fn other_fields(fields: &Fields, body: &[u8], (other, plaintext): (String, &[u8])) {
    let told = Fields::parse(fields.encryption(), format!("keyid=p256dh;dh=\"{other}=\"")).unwrap();
    let expected = if told == *fields { Ok(plaintext) } else { Err(DecryptError::NotAuthentic) };
    assert_eq!(agreed(&told, body).as_deref().map_err(|error| *error), expected);
}

fn agreed(fields: &Fields, body: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let decrypted = decrypt(&FAST, &RECEIVER, fields, body);
    assert_eq!(decrypt(&PORTABLE, &RECEIVER, fields, body), decrypted, "the providers differ");
    assert!(decrypted.as_ref().is_ok_and(|plaintext| plaintext.len() < body.len()) || decrypted.is_err());
    decrypted
}
