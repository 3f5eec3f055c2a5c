//! RFC 8292: signing and verification.

use push_crypto::provider::SIGNATURE_LEN;
use push_crypto::vapid::{
    Audience, Credentials, MAX_LIFETIME_SECS, OptionsError, SignError, Signer, SigningKey, Subject,
    SubjectError, VapidError, Verified, restriction_from_json, verify,
};
use push_crypto::{KeyError, KeyPair, Origin, Provider, SecretKey, UnixTime};

use crate::common::{encode, portable, providers, text, vectors};

const DAY: u64 = MAX_LIFETIME_SECS;
const NOW: u64 = 1_700_000_000;
const HEADER: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

fn origin() -> Origin {
    "https://push.example.net".parse().unwrap()
}

fn pair() -> KeyPair {
    KeyPair::from_secret(SecretKey::from_bytes(&[7; 32]).unwrap()).unwrap()
}

/// Credentials with any header and claims, rightly signed.
fn forge(provider: &Provider, header: &str, claims: &str) -> Credentials {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = provider.signature.sign(&pair(), signed.as_bytes()).unwrap();
    credentials(&format!("{signed}.{}", encode(&signature)))
}

fn credentials(token: &str) -> Credentials {
    Credentials::parse(format!("vapid t={token}, k={}", pair().public())).unwrap()
}

fn check(provider: &Provider, credentials: &Credentials, leeway: u64) -> Result<Verified, VapidError> {
    verify(provider, credentials, &origin(), UnixTime::from_secs(NOW), leeway)
}

/// RFC 8292 §2.4, with an injected clock: `8292-4.2-6`, `8292-4.2-7`.
#[test]
fn rfc8292_2_4_example() {
    let vectors = vectors();
    let example = &vectors["rfc8292"];
    let credentials = Credentials::parse(text(example, "authorization")).unwrap();
    let exp = example["jwt_claims"]["exp"].as_u64().unwrap();
    for provider in providers() {
        let at = |now: u64| verify(&provider, &credentials, &origin(), UnixTime::from_secs(now), 0);
        let verified = at(exp - 100).unwrap();
        assert_eq!(verified.key().to_string(), text(example, "k"));
        assert_eq!(verified.expires(), UnixTime::from_secs(exp));
        assert_eq!(verified.contact(), Some("mailto:push@example.com"));
        for (now, expected) in [
            (exp - DAY - 1, Err(VapidError::Lifetime)),
            (exp - DAY, Ok(())),
            (exp, Ok(())),
            (exp + 1, Err(VapidError::Expired)),
            (u64::MAX, Err(VapidError::Expired)),
            (0, Err(VapidError::Lifetime)),
        ] {
            assert_eq!(at(now).map(|_| ()), expected, "{now}");
        }
    }
}

/// RFC 8292 §4.2: any altered octet of the token, and any other key.
#[test]
fn rfc8292_4_2_altered_tokens_are_refused() {
    let vectors = vectors();
    let example = &vectors["rfc8292"];
    let (token, key) = (text(example, "t"), text(example, "k"));
    let now = UnixTime::from_secs(example["jwt_claims"]["exp"].as_u64().unwrap());
    for provider in providers() {
        for index in 0..token.len() {
            let mut altered = token.as_bytes().to_vec();
            altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            let credentials = Credentials::parse(format!("vapid t={altered}, k={key}")).unwrap();
            assert!(verify(&provider, &credentials, &origin(), now, 0).is_err(), "{index}");
        }
        let other = Credentials::parse(format!("vapid t={token}, k={}", pair().public())).unwrap();
        assert_eq!(verify(&provider, &other, &origin(), now, 0), Err(VapidError::Signature));
    }
}

/// RFC 8292 §2: `8292-2-3`, `8292-2-4`, `8292-4.2-7`, A-21.
#[test]
fn rfc8292_2_expiry_boundaries() {
    let now = NOW;
    let provider = providers()[0];
    for (exp, leeway, expected) in [
        (format!("{now}"), 0, Ok(())),
        (format!("{}", now - 1), 0, Err(VapidError::Expired)),
        (format!("{}", now - 60), 60, Ok(())),
        (format!("{}", now - 61), 60, Err(VapidError::Expired)),
        (format!("{}", now + DAY), 0, Ok(())),
        (format!("{}", now + DAY + 1), 0, Err(VapidError::Lifetime)),
        (format!("{}.5", now + DAY), 0, Err(VapidError::Lifetime)),
        (format!("{}.5", now + DAY - 1), 0, Ok(())),
        (format!("{}", now + DAY + 60), 60, Ok(())),
        (format!("{}", now + DAY + 61), 60, Err(VapidError::Lifetime)),
        (format!("{now}.25"), 0, Ok(())),
        (format!("{}.75", now - 1), 0, Err(VapidError::Expired)),
        ("1.7e9".to_owned(), 0, Ok(())),
        ("0".to_owned(), 0, Err(VapidError::Expired)),
        ("1e300".to_owned(), 60, Err(VapidError::Lifetime)),
        (format!("{}", u64::MAX), 60, Err(VapidError::Lifetime)),
        ("-1".to_owned(), 60, Err(VapidError::Expiry)),
        ("-0.5".to_owned(), 60, Err(VapidError::Expiry)),
        (format!("\"{now}\""), 60, Err(VapidError::Expiry)),
        ("true".to_owned(), 60, Err(VapidError::Expiry)),
        (format!("[{now}]"), 60, Err(VapidError::Expiry)),
        ("null".to_owned(), 60, Err(VapidError::MissingExpiry)),
        ("1e400".to_owned(), 60, Err(VapidError::Token)),
    ] {
        let claims = format!(r#"{{"aud":"https://push.example.net","exp":{exp}}}"#);
        let result = check(&provider, &forge(&provider, HEADER, &claims), leeway);
        assert_eq!(result.map(|_| ()), expected, "{exp} {leeway}");
    }
    let missing = forge(&provider, HEADER, r#"{"aud":"https://push.example.net"}"#);
    assert_eq!(check(&provider, &missing, 0), Err(VapidError::MissingExpiry));
}

/// RFC 8292 §2: `8292-2-2`, `8292-4.2-8`, A-20.
#[test]
fn rfc8292_2_audiences() {
    let provider = providers()[0];
    let audience = |aud: &str| {
        let claims = format!(r#"{{"aud":{aud},"exp":{NOW},"sub":7,"other":[1]}}"#);
        check(&provider, &forge(&provider, HEADER, &claims), 0).map(|_| ())
    };
    for good in [
        r#""https://push.example.net""#,
        r#""https://push.example.net:443""#,
        r#"["https://push.example.net"]"#,
        r#"["https://a.example", 7, "https://push.example.net:443"]"#,
    ] {
        assert_eq!(audience(good), Ok(()), "{good}");
    }
    for bad in [
        r#""https://push.example.net/""#,
        r#""https://push.example.net/p/1""#,
        r#""http://push.example.net""#,
        r#""https://push.example.net:8443""#,
        r#""https://push.example.net:80""#,
        r#""https://push.example.net:0443""#,
        r#""https://push.example.net:443:443""#,
        r#""https://push.example.net.""#,
        r#""https://push.example.org""#,
        r#""HTTPS://PUSH.EXAMPLE.NET""#,
        r#""push.example.net""#,
        r#""""#,
        "[]",
        "7",
        "{}",
        r#"["https://a.example"]"#,
    ] {
        assert_eq!(audience(bad), Err(VapidError::Audience), "{bad}");
    }
    assert_eq!(audience("null"), Err(VapidError::MissingAudience));
    let missing = forge(&provider, HEADER, &format!(r#"{{"exp":{NOW}}}"#));
    assert_eq!(check(&provider, &missing, 0), Err(VapidError::MissingAudience));
}

/// `8292-2-2`, `8292-4.2-8`, A-20: where it is switched on, scheme and host must be right, and the port is ours, the default
/// one, or missing.
#[test]
fn an_audience_may_be_allowed_to_lack_its_port() {
    let provider = providers()[0];
    let verified = |origin: &str, aud: &str, portless: bool| {
        let origin: Origin = origin.parse().unwrap();
        let credentials = forge(&provider, HEADER, &format!(r#"{{"aud":"{aud}","exp":{NOW}}}"#));
        let audience = Audience::new(&origin);
        let audience = if portless { audience.or_without_port() } else { audience };
        verify(&provider, &credentials, audience, UnixTime::from_secs(NOW), 0).map(|_| ())
    };
    let refused = Err(VapidError::Audience);
    for origin in
        ["https://push.example.net:8443", "https://[2001:db8::1]:8443", "http://push.example.net:8080"]
    {
        let (host, _port) = origin.rsplit_once(':').unwrap();
        let default = if host.starts_with("https") { 443 } else { 80 };
        assert_eq!(verified(origin, origin, false), Ok(()));
        for aud in [host.to_owned(), format!("{host}:{default}")] {
            assert_eq!(verified(origin, &aud, true), Ok(()), "{aud}");
            assert_eq!(verified(origin, &aud, false), refused, "{aud}");
        }
        assert_eq!(verified(origin, origin, true), Ok(()));
        for aud in [
            format!("{host}:8444"),
            format!("{host}:"),
            format!("{host}:0{default}"),
            format!("{host}/"),
            format!("{host}."),
            format!("{host}.example"),
            format!("{host}:{default}/"),
            format!("x{host}"),
            host.to_ascii_uppercase(),
            host.replace("http", "ws"),
            host.split_once("://").unwrap().1.to_owned(),
            String::new(),
        ] {
            assert_eq!(verified(origin, &aud, true), refused, "{aud}");
        }
    }
    assert_eq!(verified("https://a.example:8443", "http://a.example", true), refused);
    assert_eq!(verified("https://a.example", "https://a.example", true), Ok(()));
    assert_eq!(verified("https://a.example", "https://a.example:8443", true), refused);
}

/// RFC 8292 §2: `8292-2-8`, `8292-2-9`, `8292-2.3-1`.
#[test]
fn rfc8292_2_algorithms() {
    let provider = providers()[0];
    let claims = format!(r#"{{"aud":"https://push.example.net","exp":{NOW}}}"#);
    for (header, expected) in [
        (r#"{"alg":"ES256"}"#, Ok(())),
        (r#"{"alg":"ES256","typ":"at+jwt","kid":"1"}"#, Ok(())),
        (r#"{"alg":"none"}"#, Err(VapidError::Algorithm)),
        (r#"{"alg":"HS256"}"#, Err(VapidError::Algorithm)),
        (r#"{"alg":"ES384"}"#, Err(VapidError::Algorithm)),
        (r#"{"alg":"es256"}"#, Err(VapidError::Algorithm)),
        (r#"{"alg":["ES256"]}"#, Err(VapidError::Algorithm)),
        ("{}", Err(VapidError::Algorithm)),
        (r#"{"alg":"ES256","crit":["exp"]}"#, Err(VapidError::Token)),
        ("[]", Err(VapidError::Token)),
        ("", Err(VapidError::Token)),
    ] {
        let result = check(&provider, &forge(&provider, header, &claims), 0);
        assert_eq!(result.map(|_| ()), expected, "{header}");
    }
    for claims in ["", "[]", "7", "{", "{}x"] {
        assert_eq!(
            check(&provider, &forge(&provider, HEADER, claims), 0),
            Err(VapidError::Token),
            "{claims}"
        );
    }
}

/// `8292-2-8`, `8292-2-9`: the shape of the token and of its signature.
#[test]
fn rfc8292_2_shape_of_tokens() {
    let claims = format!(r#"{{"aud":"https://push.example.net","exp":{NOW}}}"#);
    let signed = format!("{}.{}", encode(HEADER.as_bytes()), encode(claims.as_bytes()));
    for provider in providers() {
        let signature = provider.signature.sign(&pair(), signed.as_bytes()).unwrap();
        let der = p256::ecdsa::Signature::from_slice(&signature).unwrap().to_der();
        let good = encode(&signature);
        for (token, expected) in [
            (format!("{signed}.{good}"), Ok(())),
            (format!("{signed}."), Err(VapidError::Token)),
            (signed.clone(), Err(VapidError::Token)),
            (format!("{signed}.{}", encode(&signature[..63])), Err(VapidError::Signature)),
            (format!("{signed}.{}", encode(&[&signature[..], &[0]].concat())), Err(VapidError::Signature)),
            (format!("{signed}.{}", encode(der.as_bytes())), Err(VapidError::Signature)),
            (format!("{signed}.{}", encode(&[0; SIGNATURE_LEN])), Err(VapidError::Signature)),
            (format!("{signed}.{}", encode(&[0xff; SIGNATURE_LEN])), Err(VapidError::Signature)),
            (format!("{signed}.{good}.{good}"), Err(VapidError::Token)),
            (format!("{signed}.{good}.{good}.{good}"), Err(VapidError::Token)),
            (format!(".{signed}.{good}"), Err(VapidError::Token)),
            (good.clone(), Err(VapidError::Token)),
            ("..".to_owned(), Err(VapidError::Token)),
        ] {
            let result = check(&provider, &credentials(&token), 0).map(|_| ());
            // An empty signature is no base64 error but a wrong length.
            let expected =
                if token.ends_with('.') && token != ".." { Err(VapidError::Signature) } else { expected };
            assert_eq!(result, expected, "{token}");
        }
        let padded =
            Credentials::parse(format!("vapid t=\"{signed}.{good}==\", k={}", pair().public())).unwrap();
        assert_eq!(check(&provider, &padded, 0), Err(VapidError::Token));
    }
}

/// `8292-2-2` to `8292-2-5`: what we sign, we accept; each provider the other's.
#[test]
fn signing_and_verifying() {
    let now = UnixTime::from_secs(NOW);
    for signing in providers() {
        for verifying in providers() {
            let key = SigningKey::generate(&signing).unwrap();
            let signer = Signer::new(key, Some("mailto:push@example.com".parse().unwrap()));
            let prepared = signer.prepare(&signing).unwrap();
            assert_eq!(prepared.signer().public_key(), signer.public_key());
            let expires = now.saturating_add_secs(DAY);
            for token in [
                signer.sign(&signing, &origin(), expires, now).unwrap(),
                prepared.sign(&origin(), expires, now).unwrap(),
                prepared.sign(&origin(), expires, now).unwrap(),
            ] {
                let field = token.authorization();
                assert_eq!(field, format!("vapid t={}, k={}", token.jwt(), signer.public_key()));
                let credentials = Credentials::parse(&field).unwrap();
                let verified = check(&verifying, &credentials, 0).unwrap();
                assert_eq!((verified.key(), verified.expires()), (token.key(), token.expires()));
                assert_eq!(verified.contact(), signer.subject().map(Subject::as_str));
                let elsewhere: Origin = "https://other.example".parse().unwrap();
                assert_eq!(verify(&verifying, &credentials, &elsewhere, now, 0), Err(VapidError::Audience));
            }
        }
    }
}

/// `8292-2-4`: we do not make tokens that nobody would accept.
#[test]
fn rfc8292_2_lifetimes_of_our_tokens() {
    let provider = portable();
    let signer = Signer::new(SigningKey::generate(&provider).unwrap(), None);
    let now = UnixTime::from_secs(NOW);
    let prepared = signer.prepare(&provider).unwrap();
    let sign = |secs| {
        let signed = signer.sign(&provider, &origin(), UnixTime::from_secs(secs), now).map(|_| ());
        assert_eq!(prepared.sign(&origin(), UnixTime::from_secs(secs), now).map(|_| ()), signed);
        signed
    };
    for (secs, expected) in [
        (0, Err(SignError::Past)),
        (NOW, Err(SignError::Past)),
        (NOW + 1, Ok(())),
        (NOW + DAY, Ok(())),
        (NOW + DAY + 1, Err(SignError::TooFar)),
        (u64::MAX, Err(SignError::TooFar)),
    ] {
        assert_eq!(sign(secs), expected, "{secs}");
    }
}

/// `8292-2.1-2`, A-25.
#[test]
fn rfc8292_2_1_subjects() {
    for good in [
        "mailto:push@example.com",
        "MAILTO:a+b@example.com?subject=x",
        "https://example.com",
        "https://example.com/contact",
        "https://127.example.com",
        "https://local.example.com",
        "https://192.0.2.1/",
        "https://172.32.0.1/",
        "https://11.0.0.1/",
        "https://[2001:db8::1]/",
        "mailto:push@[192.0.2.1]",
        "mailto:push@[IPv6:2001:db8::1]",
    ] {
        assert_eq!(good.parse::<Subject>().unwrap().as_str(), good);
    }
    for (bad, error) in [
        ("", SubjectError::Scheme),
        ("push@example.com", SubjectError::Scheme),
        ("http://example.com", SubjectError::Scheme),
        ("tel:+1", SubjectError::Scheme),
        ("mailto: push@example.com", SubjectError::Character),
        ("mailto:<push@example.com>", SubjectError::Character),
        ("mailto:\"x\"@example.com", SubjectError::Character),
        ("mailto:p\u{fc}sh@example.com", SubjectError::Character),
        ("mailto:", SubjectError::Address),
        ("mailto:@example.com", SubjectError::Address),
        ("mailto:push@", SubjectError::Address),
        ("mailto:mailto:push@example.com", SubjectError::Address),
        ("https://", SubjectError::Address),
        ("https:example.com", SubjectError::Address),
        ("mailto:push@localhost", SubjectError::Localhost),
        ("https://localhost:8080/", SubjectError::Localhost),
        ("https://app.localhost", SubjectError::Localhost),
        ("https://127.0.0.1", SubjectError::Localhost),
        ("https://[::1]/", SubjectError::Localhost),
        ("mailto:push@[192.0.2.1", SubjectError::Address),
        ("mailto:push@[2001:db8::1]", SubjectError::Address),
        ("mailto:push@[x]", SubjectError::Address),
        ("https://127.1/", SubjectError::Address),
        ("https://2130706433/", SubjectError::Address),
    ] {
        assert_eq!(bad.parse::<Subject>(), Err(error), "{bad}");
    }
    assert_eq!(format!("mailto:{}@x.org", "a".repeat(600)).parse::<Subject>(), Err(SubjectError::TooLong));
}

/// A-25: Apple refuses what it cannot reach.
#[test]
fn a_contact_in_a_network_of_ones_own_is_refused() {
    for host in [
        "printer.LOCAL",
        "0.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "127.8.9.10",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "[::]",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fc00::1]",
        "[fdff::1]",
        "[fe80::1]",
        "[febf::1]",
    ] {
        let mail = host.replace('[', "[IPv6:");
        for subject in [format!("https://{host}/contact"), format!("mailto:push@{mail}")] {
            assert_eq!(subject.parse::<Subject>(), Err(SubjectError::Localhost), "{subject}");
        }
    }
    for subject in [
        "mailto:push@[10.0.0.1]",
        "mailto:a@b",
        "mailto:a@localhost.",
        "mailto:a@intranet.",
        "mailto:root@mail?subject=x",
    ] {
        assert_eq!(subject.parse::<Subject>(), Err(SubjectError::Localhost), "{subject}");
    }
}

/// RFC 8292 §4.1: `8292-4.1-1`, `8292-4.1-4`.
#[test]
fn rfc8292_4_1_options() {
    let vectors = vectors();
    let example = &vectors["rfc8292"];
    let key = text(example, "k");
    let body = text(example, "subscribe_body");
    assert_eq!(restriction_from_json(body.as_bytes()).unwrap().unwrap().to_string(), key);
    let more = format!(r#"{{"x":{{"vapid":1}},"vapid":"{key}"}}"#);
    assert_eq!(restriction_from_json(more.as_bytes()).unwrap().unwrap().to_string(), key);
    assert_eq!(restriction_from_json(b"{}"), Ok(None));
    assert_eq!(restriction_from_json(br#"{"x":1}"#), Ok(None));
    for (body, error) in [
        (&b""[..], OptionsError::NotJson),
        (b"\xff", OptionsError::NotJson),
        (b"[]", OptionsError::NotAnObject),
        (br#"{"vapid":null}"#, OptionsError::WrongType),
        (br#"{"vapid":[]}"#, OptionsError::WrongType),
        (br#"{"vapid":"AA"}"#, OptionsError::Key(KeyError::Infinity)),
        (br#"{"vapid":"="}"#, OptionsError::Key(KeyError::Base64)),
        (&[b' '; 5000], OptionsError::TooLong),
    ] {
        assert_eq!(restriction_from_json(body), Err(error));
        assert_eq!(error.section(), "RFC 8292 §4.1");
    }
}

/// `8292-2.2-1`: other claims are nobody's concern. `8292-2.1-1`: neither is a missing or odd `sub`.
/// `8292-5-2`: whoever the contact says it is, it opens nothing and closes nothing.
#[test]
fn rfc8292_2_2_other_claims_are_ignored() {
    let provider = portable();
    let base = format!(r#""aud":"https://push.example.net","exp":{}"#, NOW + 60);
    for more in
        [r#","jti":"1","x":{"exp":0,"aud":[]}"#, r#","nbf":99999999999"#, r#","sub":7"#, r#","sub":null"#, ""]
    {
        let verified = check(&provider, &forge(&provider, HEADER, &format!("{{{base}{more}}}")), 0).unwrap();
        assert_eq!(verified.contact(), None, "{more}");
    }
}

/// `8292-2.2-2`: whatever the subject, a token of ours holds no more than the 1 KiB that fits everywhere.
#[test]
fn rfc8292_2_2_our_claims_are_small() {
    let provider = portable();
    let name = "a".repeat(push_crypto::vapid::MAX_SUBJECT_LEN - "mailto:@example.com".len());
    let subject: Subject = format!("mailto:{name}@example.com").parse().unwrap();
    let signer = Signer::new(SigningKey::generate(&provider).unwrap(), Some(subject));
    let host = ["b".repeat(63), "c".repeat(63), "d".repeat(63), "e".repeat(61)].join(".");
    let audience: Origin = format!("https://{host}:65535").parse().unwrap();
    let now = UnixTime::from_secs(NOW);
    let token = signer.sign(&provider, &audience, now.saturating_add_secs(DAY), now).unwrap();
    let claims = token.jwt().split('.').nth(1).unwrap();
    assert!(claims.len() / 4 * 3 <= 1024, "{}", claims.len());
}
