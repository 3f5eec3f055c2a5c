use push_crypto::{MAX_SUBSCRIPTION_LEN, Subscription, vapid::restriction_from_json};

/// The JSON of a subscription, and that of subscription options: what is read and written again is the same.
pub fn subscription(octets: &[u8]) {
    if let Ok(Some(key)) = restriction_from_json(octets) {
        let again = restriction_from_json(format!("{{\"vapid\":\"{key}\"}}").as_bytes());
        assert_eq!(again.unwrap(), Some(key));
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let with_serde = serde_json::from_str::<Subscription>(text);
    let Ok(subscription) = text.parse::<Subscription>() else {
        assert!(with_serde.is_err() || text.len() > MAX_SUBSCRIPTION_LEN, "serde reads what we do not");
        return;
    };
    assert_eq!(with_serde.unwrap(), subscription);
    assert!(subscription.endpoint.is_https());
    let json = subscription.to_json();
    assert_eq!(json.parse::<Subscription>().as_ref(), Ok(&subscription));
    assert_eq!(serde_json::to_string(&subscription).unwrap().parse::<Subscription>(), Ok(subscription));
}
