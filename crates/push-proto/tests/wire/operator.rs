//! What a URL names to an operator who wants it ended.

use push_proto::{
    service::{Request, Target},
    wire::Limits,
};

use crate::fixture::{AGENT, HANDLE, KEY, ORIGIN, RECEIPTS, SUBSCRIPTION, door, door_at};

/// 8030-7.3-1, 8030-7.3.1-1, 8030-8.4-4: every capability URL says what is to end, a push URL too.
#[test]
fn each_url_ends_what_it_names() {
    let door = door();
    let member = Target::Subscription(AGENT, SUBSCRIPTION);
    for (url, expected) in [
        (door.push_url(AGENT, SUBSCRIPTION), member),
        (door.subscription_url(AGENT, SUBSCRIPTION), member),
        (door.set_url(AGENT), Target::Set(AGENT)),
        (door.receipts_url(RECEIPTS), Target::Receipts(RECEIPTS)),
    ] {
        assert!(
            matches!(door.ending(&url), Some(Request::Unsubscribe(target)) if target == expected),
            "{url}"
        );
        assert!(door.ending(&format!("{url}?query")).is_some(), "{url}: the query does not matter");
    }
    let message = door.message_url(HANDLE, KEY);
    assert!(matches!(door.ending(&message), Some(Request::Drop(HANDLE))), "8030-6.2-5");
}

#[test]
fn what_is_not_of_this_service_ends_nothing() {
    let door = door();
    let push = door.push_url(AGENT, SUBSCRIPTION);
    let path = push.strip_prefix(ORIGIN).unwrap();
    for url in [
        "",
        path,
        ORIGIN,
        &door.url().subscribe(),
        &format!("{ORIGIN}/p/made-up"),
        &format!("https://elsewhere.example{path}"),
        &format!("http://push.example.net{path}"),
        &format!("{ORIGIN}/prefix{path}/x"),
    ] {
        assert!(door.ending(url).is_none(), "{url}");
    }
    let below = door_at("https://push.example.net/below", Limits::default());
    assert!(below.ending(&push).is_none(), "the prefix belongs to the URL");
    assert!(below.ending(&below.push_url(AGENT, SUBSCRIPTION)).is_some());
}
