use push_crypto::capability::{Capability, Keyring, MAX_SEALING_KEYS};

use crate::fixture::PORTABLE;

/// The keyring file: what is read and written again is the same keyring.
pub fn keyring(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(mut keyring) = text.parse::<Keyring>() else { return };
    let ids: Vec<_> = keyring.key_ids().collect();
    assert!((1..=MAX_SEALING_KEYS).contains(&ids.len()), "G5");
    let again: Keyring = keyring.to_text().expose().parse().unwrap();
    assert_eq!(again.to_text().expose(), keyring.to_text().expose());
    let set = Capability::Set { agent: [7; 16] };
    for id in &ids {
        let token = keyring.seal_with(*id, &set).unwrap();
        assert_eq!(again.open_with_key_id(&token), Ok((set, *id)));
    }
    assert_eq!(again.topic_slot(&[1; 16], "t"), keyring.topic_slot(&[1; 16], "t"));

    match keyring.rotate(&PORTABLE) {
        Ok(id) => assert!(!ids.contains(&id) && keyring.newest() == id, "a number is used once"),
        Err(_) => assert_eq!(ids.len(), MAX_SEALING_KEYS),
    }
}
