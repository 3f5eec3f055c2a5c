use base64ct::{Base64UrlUnpadded, Encoding as _};
use push_crypto::{
    Origin, UnixTime,
    vapid::{Credentials, MAX_LIFETIME_SECS, VapidError, Verified, verify},
};

use crate::{
    fixture::{FAST, NOW, ORIGIN, PORTABLE, pair},
    script::Script,
};

/// VAPID credentials: any field, and any header and claims under a good signature. Both providers agree; what is
/// accepted is signed, for us, and not for long.
pub fn vapid(octets: &[u8]) {
    let mut script = Script::new(octets);
    match script.octet() % 3 {
        0 => field(script.rest()),
        1 => draft(&mut script),
        _ => signed(&mut script),
    }
}

fn field(field: &[u8]) {
    let strict = Credentials::parse(field);
    let lenient = Credentials::parse_lenient(field);
    match &strict {
        Ok(_) => assert_eq!(strict, lenient, "lenient takes what strict takes"),
        Err(error) => precise(*error),
    }
    if let Ok(credentials) = &lenient {
        let _ = checked(credentials, NOW);
    }
}

fn draft(script: &mut Script<'_>) {
    let key = script.flag().then(|| script.string());
    match Credentials::parse_draft(script.rest(), key) {
        Ok(credentials) => drop(checked(&credentials, NOW)),
        Err(error) => precise(error),
    }
}

/// Header and claims are JSON of the fuzzer's, signed by us.
fn signed(script: &mut Script<'_>) {
    let now = UnixTime::from_secs(NOW.as_secs().wrapping_add(script.u64() >> 40));
    let (header, damage) = (script.string(), (script.u16(), script.octet()));
    let header = if header.is_empty() { br#"{"typ":"JWT","alg":"ES256"}"# } else { header };
    let claims = script.rest();
    let parts = [header, claims].map(Base64UrlUnpadded::encode_string);
    let unsigned = parts.join(".");
    let pair = pair(5);
    let signature = PORTABLE.signature.sign(&pair, unsigned.as_bytes()).unwrap();
    let token = format!("{unsigned}.{}", Base64UrlUnpadded::encode_string(&signature));
    let credentials = |token: &str| Credentials::parse(format!("vapid t={token}, k={}", pair.public()));

    let Ok(good) = credentials(&token) else { return };
    let verified = checked(&good, now);
    if let Ok(verified) = &verified {
        let claims: serde_json::Value = serde_json::from_slice(claims).unwrap();
        assert!(claims["aud"].to_string().to_ascii_lowercase().contains("push.example.net"), "8292-2-2");
        assert!(claims["exp"].is_number(), "8292-2-3");
        assert_eq!(verified.contact(), claims["sub"].as_str());
    }
    // One character of it changed.
    let mut altered = token.clone().into_bytes();
    let place = usize::from(damage.0) % altered.len();
    altered[place] = damage.1;
    if let Ok(altered) = String::from_utf8(altered)
        && altered != token
        && let Ok(bad) = credentials(&altered)
    {
        assert!(checked(&bad, now).is_err() || bad == good, "8292-2-7: altered and accepted");
    }
}

fn checked(credentials: &Credentials, now: UnixTime) -> Result<Verified, VapidError> {
    let audience: Origin = ORIGIN.parse().unwrap();
    let verified = verify(&FAST, credentials, &audience, now, 60);
    let portable = verify(&PORTABLE, credentials, &audience, now, 60);
    assert_eq!(portable, verified, "the providers differ");
    match &verified {
        Ok(verified) => {
            let (expires, now) = (verified.expires().as_secs(), now.as_secs());
            assert!(now <= expires + 60 && expires <= now + MAX_LIFETIME_SECS + 60, "8292-4.2-7");
            assert_eq!(verified.key(), credentials.claimed_key());
        }
        Err(error) => precise(*error),
    }
    verified
}

fn precise(error: VapidError) {
    assert!(matches!(error.status(), 400 | 401 | 403), "{error}");
    assert!(!error.section().is_empty() && !error.reason().is_empty(), "{error}");
}
