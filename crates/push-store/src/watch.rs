//! Who watches which agent, and what they hear.

use std::collections::{BTreeMap, BTreeSet};

use push_proto::{
    AgentId,
    store::{Completion, Hint},
};

use crate::Client;

/// Something to hint at, once it is durable.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) agent: AgentId,
    pub(crate) hint: Hint,
    /// Also for the client whose command it was: it cannot know of receipts, nor of what a sweep ended.
    pub(crate) own: bool,
}

impl News {
    /// For everyone but the client whose batch it was.
    pub(crate) const fn others(agent: AgentId, hint: Hint) -> Self {
        Self { agent, hint, own: false }
    }

    /// For everyone.
    pub(crate) const fn all(agent: AgentId, hint: Hint) -> Self {
        Self { agent, hint, own: true }
    }
}

/// Volatile: a watch lasts until [`Watchers::remove`], and outlives a store that goes down and comes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watchers(BTreeMap<AgentId, BTreeSet<Client>>);

impl Watchers {
    pub(crate) fn add(&mut self, client: Client, agent: AgentId) {
        self.0.entry(agent).or_default().insert(client);
    }

    pub(crate) fn remove(&mut self, client: Client, agent: AgentId) {
        if let Some(clients) = self.0.get_mut(&agent) {
            clients.remove(&client);
            if clients.is_empty() {
                self.0.remove(&agent);
            }
        }
    }

    /// Appends the hints about `news` of a command of `from` to `out`.
    pub(crate) fn tell(
        &self,
        from: Client,
        news: impl IntoIterator<Item = News>,
        out: &mut impl Extend<(Client, Completion)>,
    ) {
        for News { agent, hint, own } in news {
            let clients = self.0.get(&agent).into_iter().flatten().copied();
            let clients = clients.filter(|client| own || *client != from);
            out.extend(clients.map(|client| (client, Completion::Hint(agent, hint.clone()))));
        }
    }
}
