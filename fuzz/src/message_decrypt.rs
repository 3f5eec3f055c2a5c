use push_crypto::{
    message::{
        DecryptError, HEADER_LEN, MAX_PLAINTEXT, MessageKeys, Options, decrypt, decrypt_in_place,
        encrypt_with, sender_key,
    },
    record::RecordError,
};

use crate::{
    fixture::{FAST, PORTABLE, RECEIVER, pair},
    script::Script,
};

/// RFC 8291 messages: any octets, and what was encrypted, damaged. Both providers agree; damaged is an error or what
/// was written.
pub fn message_decrypt(octets: &[u8]) {
    let mut script = Script::new(octets);
    if script.flag() {
        let _ = agreed(script.rest());
        return;
    }
    let padding = script.padding();
    let options = Options::new(padding).limit(usize::from(script.u16()).min(MAX_PLAINTEXT));
    let (ephemeral, salt) = (script.octet(), script.array());
    let alter = (script.u16(), script.octet(), script.octet());
    let plaintext = script.rest();
    let encrypted = |provider| {
        let keys = MessageKeys::fixed(pair(ephemeral), salt);
        encrypt_with(provider, &RECEIVER.recipient(), plaintext, options, keys)
    };
    let body = encrypted(&FAST);
    assert_eq!(body, encrypted(&PORTABLE), "the providers differ");
    let Ok(mut body) = body else { return };
    assert_eq!(agreed(&body).as_deref(), Ok(plaintext));
    assert_eq!(sender_key(&body), Some(pair(ephemeral).public().as_bytes().as_slice()));

    let place = usize::from(alter.0) % body.len();
    match alter.1 % 4 {
        0 => body[place] ^= alter.2,
        1 => body.truncate(place),
        2 => body.push(alter.2),
        _ => return record_size(body, alter.0.into(), plaintext),
    }
    if let Ok(decrypted) = agreed(&body) {
        assert_eq!(decrypted, plaintext, "8291-4-10: damaged and accepted");
    }
}

/// The record size is in no checksum, so what it says must be kept: it holds the record, or there are several.
fn record_size(mut body: Vec<u8>, size: u32, plaintext: &[u8]) {
    body[16..20].copy_from_slice(&size.to_be_bytes());
    let record_len = u32::try_from(body.len() - HEADER_LEN).unwrap();
    let expected = match size {
        0..18 => Err(DecryptError::Record(RecordError::RecordSize(size))),
        _ if size < record_len => Err(DecryptError::SeveralRecords),
        _ => Ok(plaintext),
    };
    assert_eq!(agreed(&body).as_deref().map_err(|error| *error), expected, "8291-4-8, 8291-4-9");
}

fn agreed(body: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let decrypted = decrypt(&FAST, &RECEIVER, body);
    assert_eq!(decrypt(&PORTABLE, &RECEIVER, body), decrypted, "the providers differ");
    let mut place = body.to_vec();
    let in_place = decrypt_in_place(&FAST, &RECEIVER, &mut place).map(|plaintext| plaintext.to_vec());
    assert_eq!(in_place, decrypted);
    decrypted
}
