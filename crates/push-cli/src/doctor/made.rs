//! What the walk has made at the service: the service would keep it for days, and a walk comes by the minute.

use http::{Method, StatusCode};
use push_crypto::PushUrl;

use super::{
    refused,
    report::Walked,
    way::{Hop, Way},
};

/// What is not ended yet.
#[derive(Default)]
pub(super) struct Made {
    /// What DELETE ends, the last first.
    resources: Vec<PushUrl>,
    /// The receipt subscription, which is among them.
    pub(super) receipts: Option<PushUrl>,
    /// The name of the user agent that has a subscription by WebSocket.
    pub(super) uaid: Option<String>,
}

impl Made {
    pub(super) fn note(&mut self, resource: &PushUrl) {
        self.resources.push(resource.clone());
    }

    pub(super) fn note_receipts(&mut self, receipts: &PushUrl) {
        if !self.resources.contains(receipts) {
            self.note(receipts);
        }
        self.receipts = Some(receipts.clone());
    }

    /// Whether DELETE has nothing to end.
    pub(super) const fn is_ended(&self) -> bool {
        self.resources.is_empty()
    }

    /// Ends all that DELETE can end, as far as possible. Cancel safe.
    pub(super) async fn end(&mut self, way: &Way) -> Hop<Walked<()>> {
        let mut ended = Ok(());
        self.receipts = None;
        while let Some(resource) = self.resources.last() {
            ended = ended.and(end(way, resource).await);
            self.resources.pop();
        }
        ended.map(|()| Walked::new((), "204: set, subscription and receipt subscription are ended"))
    }
}

async fn end(way: &Way, resource: &PushUrl) -> Hop<()> {
    let answer = way.ask(way.request(Method::DELETE, resource.path_and_query(), &[], "")?).await?;
    if answer.status != StatusCode::NO_CONTENT {
        return Err(refused("what this walk made cannot be ended", &answer));
    }
    Ok(())
}

/// Of what was not ended.
pub(super) const STAYS: &str = "what this walk made may stay until it has been idle for agent-idle (90 days by default) and receipts-idle (7 days)";
