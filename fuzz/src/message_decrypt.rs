use push_crypto::message::{
    DecryptError, MAX_PLAINTEXT, MessageKeys, Options, Padding, decrypt, decrypt_in_place, encrypt_with,
    sender_key,
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
    let padding = match script.octet() % 4 {
        0 => Padding::None,
        1 => Padding::Full,
        2 => Padding::Buckets(script.u16().into()),
        _ => Padding::ToLength(script.u16().into()),
    };
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
    match alter.1 % 3 {
        0 => body[place] ^= alter.2,
        1 => body.truncate(place),
        _ => body.push(alter.2),
    }
    if let Ok(decrypted) = agreed(&body) {
        assert_eq!(decrypted, plaintext, "8291-4-10: damaged and accepted");
    }
}

fn agreed(body: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let decrypted = decrypt(&FAST, &RECEIVER, body);
    assert_eq!(decrypt(&PORTABLE, &RECEIVER, body), decrypted, "the providers differ");
    let mut place = body.to_vec();
    let in_place = decrypt_in_place(&FAST, &RECEIVER, &mut place).map(|plaintext| plaintext.to_vec());
    assert_eq!(in_place, decrypted);
    decrypted
}
