use push_crypto::capability::{Capability, KeyId, Keyring, OpenError};

use crate::{fixture::KEYRING, script::Script};

/// Capability tokens: only what was sealed opens, and there is one token for each capability and key.
pub fn capability(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        check(text);
    }
    let mut script = Script::new(octets);
    let capability = any(&mut script);
    let key = KeyId::from_u8(script.octet() & 1);
    let token = KEYRING.seal_with(key, &capability).unwrap();
    assert_eq!(KEYRING.open_with_key_id(&token), Ok((capability, key)));

    // One octet of it changed, or more of it, or less.
    let mut altered = token.clone().into_bytes();
    let place = script.below(altered.len());
    altered[place] = script.octet();
    altered.truncate(altered.len() - script.below(3));
    altered.extend_from_slice(script.take(2));
    if let Ok(altered) = std::str::from_utf8(&altered) {
        check(altered);
        assert!(altered == token || KEYRING.open(altered) == Err(OpenError), "8030-8.2-1");
    }
    let id = match capability {
        Capability::Push { subscription, .. }
        | Capability::Subscription { subscription, .. }
        | Capability::Message { subscription, .. } => subscription,
        Capability::Receipts { agent } | Capability::Set { agent } => agent,
    };
    let topic = String::from_utf8_lossy(script.string());
    assert_eq!(KEYRING.topic_slot(&id, &topic), rotated().topic_slot(&id, &topic), "topics never rotate");
}

fn any(script: &mut Script<'_>) -> Capability {
    let kind = script.octet();
    let (agent, subscription, slot, id) = (script.array(), script.array(), script.array(), script.array());
    match kind % 5 {
        0 => Capability::Push { agent, subscription },
        1 => Capability::Message { agent, subscription, slot, id },
        2 => Capability::Receipts { agent },
        3 => Capability::Set { agent },
        _ => Capability::Subscription { agent, subscription },
    }
}

fn check(text: &str) {
    if let Ok((capability, key)) = KEYRING.open_with_key_id(text) {
        assert_eq!(KEYRING.seal_with(key, &capability).unwrap(), text, "one token for each capability");
    }
}

fn rotated() -> Keyring {
    let mut keyring = Keyring::clone(&KEYRING);
    keyring.retire(KeyId::from_u8(0)).unwrap();
    keyring
}
