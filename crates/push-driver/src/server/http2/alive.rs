//! Whether the peer of an HTTP/2 connection lives, and is of use.

use std::{cell::Cell, rc::Rc};

use h2::{Ping, PingPong};
use push_proto::Mono;

use crate::{
    Limits, Runtime,
    runtime::{sleep, within},
};

/// What happens on a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    requests: Cell<u64>,
    monitors: Cell<usize>,
}

impl Activity {
    /// A request has come.
    pub(super) fn requested(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// There are this many monitors.
    pub(super) fn monitors(&self, open: usize) {
        self.monitors.set(open);
    }
}

/// What is found of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not answer.
    Dead,
    /// It wants nothing any more.
    Idle,
}

/// Asks a peer that monitors whether it lives, and finds out when one that does not has nothing more to ask.
pub(super) async fn watch<R: Runtime>(
    runtime: R,
    limits: Limits,
    mut ping: PingPong,
    activity: Rc<Activity>,
) -> Verdict {
    let mut last: (u64, Mono) = (0, runtime.now().mono);
    loop {
        let monitored = activity.monitors.get() > 0;
        sleep(runtime.clone(), if monitored { limits.keepalive } else { limits.keepalive.min(limits.idle) })
            .await;
        let now = runtime.now().mono;
        if activity.monitors.get() > 0 {
            last = (activity.requests.get(), now);
            match within(&runtime, limits.pong, ping.ping(Ping::opaque())).await {
                Some(Ok(_pong)) => {}
                Some(Err(_)) | None => return Verdict::Dead,
            }
        } else if activity.requests.get() != last.0 {
            last = (activity.requests.get(), now);
        } else if now.since(last.1) >= limits.idle {
            return Verdict::Idle;
        }
    }
}
