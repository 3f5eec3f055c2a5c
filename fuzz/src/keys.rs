use push_crypto::{
    PublicKey, ReceiverKeys,
    vapid::{MAX_SUBJECT_LEN, SigningKey, Subject},
};

/// Keys and subjects in all their forms: what is read and written again is the same.
pub fn keys(octets: &[u8]) {
    if let Ok(key) = SigningKey::from_pkcs8_der(octets) {
        written_and_read(&key);
    }
    if let Ok(keys) = ReceiverKeys::from_bytes(octets) {
        let again = ReceiverKeys::from_bytes(keys.to_bytes().expose()).unwrap();
        assert_eq!(again.to_bytes().expose(), keys.to_bytes().expose());
        assert_eq!(again.public_key(), keys.public_key());
    }
    if let Ok(key) = PublicKey::from_bytes(octets) {
        assert_eq!(key.as_bytes().as_slice(), octets, "one form");
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    for key in [SigningKey::from_pem(text), SigningKey::from_base64url(text)].into_iter().flatten() {
        written_and_read(&key);
    }
    let lenient = text.parse::<PublicKey>();
    if let Ok(key) = PublicKey::parse_strict(text) {
        assert_eq!(lenient.as_ref(), Ok(&key));
        assert_eq!(key.to_string(), text, "one strict form");
    }
    if let Ok(key) = lenient {
        assert_eq!(PublicKey::parse_strict(&key.to_string()), Ok(key));
    }
    if let Ok(subject) = text.parse::<Subject>() {
        assert!(subject.as_str().len() <= MAX_SUBJECT_LEN, "G5");
        assert_eq!(subject.as_str().parse::<Subject>().unwrap().as_str(), subject.as_str());
    }
}

fn written_and_read(key: &SigningKey) {
    let pem = SigningKey::from_pem(key.to_pem().unwrap().expose()).unwrap();
    let plain = SigningKey::from_base64url(key.to_base64url().expose()).unwrap();
    assert_eq!((pem.public_key(), plain.public_key()), (key.public_key(), key.public_key()));
}
