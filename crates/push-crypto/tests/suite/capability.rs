//! Capability tokens: `8030-8.2-1`, `8030-8.3-1`, design section 3.3.

use push_crypto::{
    UnixTime,
    capability::{Capability, Keyring, KeyringError, KeyringTextError, MAX_SEALING_KEYS, OpenError},
};

use crate::common::{decode, encode, portable};

pub(crate) fn one_of_each() -> Vec<Capability> {
    let [agent, subscription, slot, id] = [[1; 16], [2; 16], [3; 16], [4; 16]];
    vec![
        Capability::Subscription { agent, subscription },
        Capability::Push { agent, subscription },
        Capability::Message { agent, subscription, slot, id },
        Capability::Receipts { agent },
        Capability::Set { agent },
    ]
}

fn keyring() -> Keyring {
    Keyring::generate(&portable()).unwrap()
}

#[test]
fn tokens_open_and_have_one_length_per_kind() {
    let keyring = keyring();
    for (capability, length) in one_of_each().into_iter().zip([50, 50, 82, 34, 34]) {
        let token = keyring.seal(&capability);
        assert_eq!(decode(&token).len(), length);
        assert_eq!(keyring.open(&token), Ok(capability));
        assert_eq!(keyring.seal(&capability), token, "sealing is deterministic");
        assert_eq!(keyring.clone().open(&token), Ok(capability));
        assert_eq!(self::keyring().open(&token), Err(OpenError));
    }
}

/// No token is good as another kind, with another key id, cut, extended or written in another way.
#[test]
fn whatever_is_wrong_the_error_is_the_same() {
    let provider = portable();
    let mut keyring = keyring();
    keyring.rotate(&provider).unwrap();
    for capability in one_of_each() {
        let token = keyring.seal(&capability);
        let octets = decode(&token);
        for first in 0..=255 {
            for second in [octets[1], 0, 1, 2, 255] {
                let mut other = octets.clone();
                (other[0], other[1]) = (first, second);
                assert_eq!(keyring.open(&encode(&other)).is_ok(), other == octets);
            }
        }
        for index in 0..octets.len() {
            let mut other = octets.clone();
            other[index] ^= 1;
            assert_eq!(keyring.open(&encode(&other)), Err(OpenError), "{index}");
            assert_eq!(keyring.open(&encode(&octets[..index])), Err(OpenError));
        }
        for bad in
            [format!("{token}="), format!("{token}A"), format!(" {token}"), token.repeat(2), token.repeat(50)]
        {
            assert_eq!(keyring.open(&bad), Err(OpenError), "{bad}");
        }
    }
    for bad in ["", "A", "AA", "AQA", "\u{e9}", "+/+/"] {
        assert_eq!(keyring.open(bad), Err(OpenError), "{bad}");
    }
}

/// The bits of the last character that carry nothing must be zero: one capability, one token.
#[test]
fn tokens_are_canonical() {
    let keyring = keyring();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for capability in one_of_each() {
        let token = keyring.seal(&capability);
        let stem = &token[..token.len() - 1];
        let good = alphabet.chars().filter(|last| keyring.open(&format!("{stem}{last}")).is_ok());
        assert_eq!(good.count(), 1);
    }
}

/// Rotation: the newest seals, every one opens until it is retired.
#[test]
fn keys_rotate_and_retire() {
    let provider = portable();
    let mut keyring = keyring();
    let first = keyring.newest();
    let push = one_of_each()[1];
    let old = keyring.seal(&push);
    let second = keyring.rotate(&provider).unwrap();
    let new = keyring.seal(&push);
    assert_ne!(old, new);
    assert_eq!(keyring.open_with_key_id(&old), Ok((push, first)));
    assert_eq!(keyring.open_with_key_id(&new), Ok((push, second)));
    assert_eq!(keyring.seal_with(first, &push), Ok(old.clone()));
    assert_eq!(keyring.key_ids().collect::<Vec<_>>(), [first, second]);

    assert_eq!(keyring.retire(second), Err(KeyringError::Newest));
    keyring.retire(first).unwrap();
    assert_eq!(keyring.retire(first), Err(KeyringError::UnknownKey));
    assert_eq!(keyring.seal_with(first, &push), Err(KeyringError::UnknownKey));
    assert_eq!(keyring.open(&old), Err(OpenError));
    assert_eq!(keyring.open(&new), Ok(push));
}

#[test]
fn key_ids_wrap_around_and_the_ring_is_bounded() {
    let provider = portable();
    let mut keyring = keyring();
    let keep = keyring.rotate(&provider).unwrap();
    for _ in 0..600 {
        let oldest = keyring.key_ids().find(|&id| id != keep).unwrap();
        keyring.rotate(&provider).unwrap();
        keyring.retire(oldest).unwrap();
    }
    assert!(keyring.key_ids().any(|id| id == keep));
    while keyring.key_ids().count() < MAX_SEALING_KEYS {
        keyring.rotate(&provider).unwrap();
    }
    assert_eq!(keyring.rotate(&provider), Err(KeyringError::Full));
    let ids: std::collections::BTreeSet<_> = keyring.key_ids().collect();
    assert_eq!(ids.len(), MAX_SEALING_KEYS);
}

/// Slots depend on subscription and topic only, and outlive rotations and the file.
#[test]
fn topic_slots_stay() {
    let mut keyring = keyring();
    let slot = keyring.topic_slot(&[1; 16], "upd");
    keyring.rotate(&portable()).unwrap();
    assert_eq!(keyring.topic_slot(&[1; 16], "upd"), slot);
    assert_ne!(keyring.topic_slot(&[2; 16], "upd"), slot);
    assert_ne!(keyring.topic_slot(&[1; 16], "upd2"), slot);
    assert_ne!(self::keyring().topic_slot(&[1; 16], "upd"), slot);
    let read: Keyring = keyring.to_text().expose().parse().unwrap();
    assert_eq!(read.topic_slot(&[1; 16], "upd"), slot);
}

#[test]
fn keyrings_as_text() {
    let mut keyring = keyring();
    keyring.rotate(&portable()).unwrap();
    let text = keyring.to_text();
    let read: Keyring = text.expose().parse().unwrap();
    assert_eq!(read.to_text().expose(), text.expose());
    let token = keyring.seal(&one_of_each()[2]);
    assert_eq!(read.open(&token), Ok(one_of_each()[2]));
    assert_eq!(read.newest(), keyring.newest());

    let lines: Vec<&str> = text.expose().lines().collect();
    let error = |lines: &[&str]| lines.join("\n").parse::<Keyring>().unwrap_err();
    assert_eq!(error(&[]), KeyringTextError::NotAKeyring);
    assert_eq!(error(&["something"]), KeyringTextError::NotAKeyring);
    assert_eq!(error(&["webpush-keyring 3", lines[1]]), KeyringTextError::Version);
    assert_eq!(error(&lines[..1]), KeyringTextError::Line(2));
    assert_eq!(error(&[lines[0], lines[2]]), KeyringTextError::Line(2));
    assert_eq!(error(&lines[..2]), KeyringTextError::NoKey);
    assert_eq!(error(&[lines[0], lines[1], lines[2], lines[2]]), KeyringTextError::Line(4));
    assert_eq!(error(&[lines[0], lines[1], lines[2], "seal 9 AAAA"]), KeyringTextError::Line(4));
    assert_eq!(error(&[lines[0], lines[1], lines[2], "seal 256 AAAA"]), KeyringTextError::Line(4));
    assert_eq!(error(&[lines[0], lines[1], lines[2], "", ""]), KeyringTextError::Line(4));
}

/// What is known of a time is kept, and changes no token.
#[test]
fn keyrings_say_when_their_keys_were_made() {
    let mut keyring = keyring();
    let first = keyring.newest();
    assert_eq!(keyring.made(first), None);
    assert!(keyring.to_text().expose().starts_with("webpush-keyring 1\n"), "as older programs read it");
    let second = keyring.rotate(&portable()).unwrap();
    keyring.note_made(UnixTime::from_secs(1_800_000_000));
    let text = keyring.to_text();
    assert!(text.expose().starts_with("webpush-keyring 2\n"));
    let read: Keyring = text.expose().parse().unwrap();
    assert_eq!([first, second].map(|id| read.made(id)), [None, Some(UnixTime::from_secs(1_800_000_000))]);
    assert_eq!(read.to_text().expose(), text.expose());
    let token = keyring.seal_with(first, &one_of_each()[0]).unwrap();
    assert_eq!(read.open_with_key_id(&token), Ok((one_of_each()[0], first)));

    for wrong in ["seal 9 soon", "seal 9 -1", "seal 9"] {
        let key = encode(&[9; 32]);
        let text = format!("webpush-keyring 2\nslot {key}\n{wrong} {key}\n");
        assert_eq!(text.parse::<Keyring>().unwrap_err(), KeyringTextError::Line(3), "{wrong}");
    }
}

/// Tokens of one release open in the next: this one was made by the first.
#[test]
fn the_format_stays() {
    let key = encode(&[9; 32]);
    let keyring: Keyring = format!("webpush-keyring 1\nslot {key}\nseal 3 {key}\n").parse().unwrap();
    let tokens: Vec<String> = one_of_each().iter().map(|capability| keyring.seal(capability)).collect();
    assert_eq!(tokens, FIRST_RELEASE);
    assert_eq!(encode(&keyring.topic_slot(&[1; 16], "upd")), FIRST_RELEASE_SLOT);
}

const FIRST_RELEASE: [&str; 5] = [
    "AQNKqlkvCJOJe_SYVU8ONZeK9c7T1g-pUqT3ahZMwcVY2xr2_D3UR_UewqyPXoyIs_4",
    "AgPeRk2Zm27g8cUu2lQz2AXJQmua9WlXWjqzJDgDqFkXHYMPfuNOBSQyQ-Rjdk8ku5E",
    "AwMkV4WthKsizLoour1WLO8Aq9Gu00AY0Ah-H8fEakDkr2Lf5fwY4k1dUtOc6mJNdhBxgX5Rwm3TuY5bfPhwZYEYFSvv_m8ZPLEZgCoRJZTg-Q",
    "BAPlFwy8cAUUuWd6clY3iyq2aMUJLmB6miLpRKyI0AFX0w",
    "BQPwgGhtXa12Ubb22aBZB6b9G2zg8bi8sR79IqHqT9QxeA",
];
const FIRST_RELEASE_SLOT: &str = "642e6ytaeuuaao4b6zzgjA";
