//! GET of subscriptions, sets and receipt subscriptions (RFC 8030 §6).

use std::time::Duration;

use push_proto::{
    Refusal, Urgency,
    service::{Monitor, Request},
};

use crate::fixture::{AGENT, Knock, RECEIPTS, SUBSCRIPTION, door};

fn urls() -> [String; 3] {
    let door = door();
    [door.set_url(AGENT), door.subscription_url(AGENT, SUBSCRIPTION), door.receipts_url(RECEIPTS)]
}

fn monitor(knock: Knock) -> Monitor {
    match knock.go() {
        Ok(Request::Monitor(monitor)) => monitor,
        other => panic!("{other:?}"),
    }
}

/// `8030-5.3-4`, `8030-5.3-6`, `8030-5.3-8`, `8030-6.1-3`
#[test]
fn urgency_is_the_lowest_wanted() {
    for url in urls() {
        assert_eq!(monitor(Knock::new("GET", &url)).urgency, Urgency::VeryLow);
        for urgency in Urgency::ALL {
            assert_eq!(monitor(Knock::new("GET", &url).header("urgency", urgency.as_str())).urgency, urgency);
        }
        for lines in [vec![("urgency", "low, high")], vec![("urgency", "low"), ("urgency", "high")]] {
            assert_eq!(Knock::new("GET", &url).headers(&lines).refused(), Refusal::URGENCY_INVALID);
        }
    }
}

/// `8030-6-7`, `8030-6.1-4`, `7240-4.3-1`, A-11
#[test]
fn wait_bounds_a_monitor() {
    for url in urls() {
        for (value, seconds) in [
            ("wait=0", Some(0)),
            ("wait=\"0\"", Some(0)),
            ("WAIT = 5", Some(5)),
            ("respond-async, wait=7; x", Some(7)),
            ("wait=3, wait=9", Some(3)),
            ("wait=99999999999999999999", Some(u64::from(u32::MAX))),
            ("wait", None),
            ("wait=", None),
            ("wait=-1", None),
            ("wait=x, wait=9", None),
            ("wait=1 2", None),
            ("waiting=4", None),
            ("x=\"wait=4\"", None),
            ("x=\"wait=4", None),
            ("x;wait=4", None),
        ] {
            let wait = monitor(Knock::new("GET", &url).header("prefer", value)).wait;
            assert_eq!(wait, seconds.map(Duration::from_secs), "{value}");
        }
        let lines =
            Knock::new("GET", &url).headers(&[("prefer", "foo"), ("prefer", "wait=2"), ("prefer", "wait=3")]);
        assert_eq!(monitor(lines).wait, Some(Duration::from_secs(2)));
        assert_eq!(monitor(Knock::new("GET", &url)).wait, None);
    }
}
