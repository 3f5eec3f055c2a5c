//! Names of topics that only the application can read.

use std::fmt::Write as _;

use push_crypto::{AuthSecret, Provider};
use push_proto::Topic;

/// HMAC-SHA-256 of the name under the auth secret, set apart from what else is derived from that; 128 bits of it, in
/// hexadecimal: the 32 characters that a topic may have (`8030-5.4-3`).
pub(super) fn pseudonym(provider: &Provider, auth: &AuthSecret, name: &str) -> Option<Topic> {
    let mut code = [0; 32];
    provider.hmac.hmac(auth.expose(), &[LABEL, name.as_bytes()], &mut code);
    let mut text = String::with_capacity(code.len());
    for octet in code.iter().take(16) {
        write!(text, "{octet:02x}").ok()?;
    }
    Topic::parse(text.as_bytes())
}

const LABEL: &[u8] = b"push topic\0";

#[cfg(test)]
mod tests {
    use push_crypto::rustcrypto;

    use super::*;

    /// 8030-8.1-2: it replaces where it should, and links nothing.
    #[test]
    fn a_pseudonym_is_one_for_each_subscription_and_name() {
        let topic = |secret, name: &str| {
            pseudonym(&rustcrypto::provider(), &AuthSecret::new([secret; 16]), name).unwrap()
        };
        let long = "n\u{e9}ws ".repeat(1000);
        for name in ["", "news", long.as_str()] {
            assert_eq!(topic(1, name), topic(1, name));
            assert_ne!(topic(1, name), topic(2, name));
            assert_ne!(topic(1, name), topic(1, "other"));
            assert_eq!(topic(1, name).as_str().len(), 32);
        }
    }
}
