//! RFC 8030 §5.3: urgency, as a user agent filters by it.

use std::time::Duration;

use push_proto::{
    Ttl, Urgency,
    service::{Monitor, Response, Send, Target},
};

use crate::world::{World, message};

/// 8030-5.3-5, 8030-6-6, 8030-6.1-3: every urgency against every filter, for a subscription and for its set; messages
/// that were stored before, that come later, and that are not stored at all.
#[test]
fn rfc8030_5_3_5_nothing_below_the_wanted_urgency_is_pushed() {
    for wanted in Urgency::ALL {
        for urgency in Urgency::ALL {
            for set in [true, false] {
                let mut world = World::new();
                let to = world.subscribe(None);
                let send = |body| Send { urgency, ..message(to, body) };
                world.send(send("stored"));
                let target = if set { Target::Set(to.0) } else { Target::Subscription(to.0, to.1) };
                let monitor = world.monitor_with(Monitor { target, urgency: wanted, wait: None }, 8);
                world.send(send("fresh"));
                world.send(Send { ttl: Ttl::ZERO, ..send("transient") });
                let pushed = world.take_bodies(monitor);
                let all: &[&str] = &["stored", "fresh", "transient"];
                let expected = if urgency >= wanted { all } else { &[] };
                assert_eq!(pushed, expected, "{urgency:?} to a monitor of {wanted:?}, set: {set}");
            }
        }
    }
}

/// 8030-5.3-5 with `Prefer: wait=0` (8030-6-7, 8030-6.1-4): what is below the wanted urgency is no reason for a 200
/// either (8030-6-8, 8030-6.1-5), and is not used up.
#[test]
fn rfc8030_5_3_5_a_snapshot_has_nothing_below_the_wanted_urgency() {
    for wanted in Urgency::ALL {
        for urgency in Urgency::ALL {
            for set in [true, false] {
                let mut world = World::new();
                let to = world.subscribe(None);
                let sent = world.send(Send { urgency, ..message(to, "stored") });
                let target = if set { Target::Set(to.0) } else { Target::Subscription(to.0, to.1) };
                let snapshot = |urgency| Monitor { target, urgency, wait: Some(Duration::ZERO) };
                let monitor = world.monitor_with(snapshot(wanted), 8);
                let expected = if urgency >= wanted { vec![sent.handle] } else { vec![] };
                assert_eq!(world.write_all(monitor), expected, "{urgency:?} to {wanted:?}, set: {set}");
                let ended = world.response(monitor);
                let Some(Response::MonitorEnded { empty, .. }) = ended else { panic!("{ended:?}") };
                assert_eq!(empty, expected.is_empty(), "{urgency:?} to {wanted:?}: 204 or 200");
                let monitor = world.monitor_with(snapshot(Urgency::VeryLow), 8);
                assert_eq!(world.write_all(monitor), [sent.handle], "8030-5.3-6");
            }
        }
    }
}

/// 8030-5.3-7: each is delivered to a filter of the next lower, and not to that of the next higher.
#[test]
fn rfc8030_5_3_7_very_low_is_below_low_below_normal_below_high() {
    let ordered = ["very-low", "low", "normal", "high"].map(|token| Urgency::parse(token.as_bytes()));
    assert_eq!(ordered, Urgency::ALL.map(Some));
    assert!(Urgency::ALL.is_sorted_by(|lower, higher| lower < higher));
    for neighbours in Urgency::ALL.windows(2) {
        for (sent, wanted, comes) in [(neighbours[1], neighbours[0], 1), (neighbours[0], neighbours[1], 0)] {
            let mut world = World::new();
            let to = world.subscribe(None);
            let monitor = Monitor { target: Target::Set(to.0), urgency: wanted, wait: None };
            let monitor = world.monitor_with(monitor, 8);
            world.send(Send { urgency: sent, ..message(to, "x") });
            assert_eq!(world.take_pushes(monitor).len(), comes, "{sent:?} to {wanted:?}");
        }
    }
}
