//! What an operator knows of an abused subscription is a URL of it.

use push_crypto::PushUrl;

use super::{Door, door::Resource};
use crate::service::{Request, Target};

impl Door {
    /// What ends at once whatever this URL names (`8030-6.2-5`, `8030-7.3-1`): a push URL its subscription, a message
    /// URL the message. `None` if the URL is not one of this service's.
    ///
    /// Not for peers: a push URL by itself entitles nobody to end its subscription.
    #[must_use]
    pub fn ending(&self, url: &str) -> Option<Request> {
        let url = PushUrl::parse_allow_http(url).ok()?;
        if url.origin() != *self.url.origin() {
            return None;
        }
        let path = url.path_and_query().split('?').next().unwrap_or_default();
        match self.resource(path).ok()? {
            Resource::Service => None,
            Resource::Push(push) => {
                Some(Request::Unsubscribe(Target::Subscription(push.agent, push.subscription)))
            }
            Resource::Message(handle) => Some(Request::Drop(handle)),
            Resource::Queue(target) => Some(Request::Unsubscribe(target)),
        }
    }
}
