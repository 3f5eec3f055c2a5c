//! A user agent of either protocol, as the rest of the world has to do with it.

use std::collections::BTreeSet;

use push_proto::{
    Mono, Now, PushUrl,
    user_agent::{Disposition, Tag},
};

use crate::{
    schedule::Speech,
    site::{Arrival, LinkId, Site},
};

/// A subscription that its application knows.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) tag: Tag,
    pub(crate) push: PushUrl,
    pub(crate) restricted: bool,
}

/// What the world knows of a user agent.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) number: usize,
    pub(crate) deadline: Option<Mono>,
    pub(crate) closed: bool,
    /// Its next connections take no pushes, if they could.
    pub(crate) pushless: bool,
    pub(crate) unreachable: bool,
    /// Oldest first.
    pub(crate) known: Vec<Known>,
    /// Jobs that the application has got.
    pub(crate) got: BTreeSet<u64>,
}

/// A user agent.
pub(crate) trait Party {
    fn account(&self) -> &Account;

    fn account_mut(&mut self) -> &mut Account;

    /// Makes a subscription: restricted to the first sender or not, and in no set if the protocol can say so.
    fn subscribe(&mut self, restricted: bool, alone: bool, site: &mut Site, now: Now);

    /// Ends the oldest subscription.
    fn unsubscribe(&mut self, site: &mut Site, now: Now);

    /// The condition of the device: from 0, on power and Wi-Fi, to 3, low battery.
    fn power(&mut self, level: u8, site: &mut Site, now: Now);

    /// What only Mozilla's protocol can say.
    fn speak(&mut self, _speech: Speech, _site: &mut Site, _now: Now) {}

    /// It leaves for good.
    fn close(&mut self, site: &mut Site, now: Now);

    /// The application says what became of its oldest message. Whether it had one.
    fn dispose(&mut self, disposition: Disposition, site: &mut Site, now: Now) -> bool;

    /// The connections that it wants are made, or cannot be. Whether it wanted one.
    fn connect(&mut self, site: &mut Site, now: Now) -> bool;

    /// The service says that it will take no more requests on a connection.
    fn drained(&mut self, link: LinkId, site: &mut Site, now: Now);

    /// A connection is lost to it; `silent` if the service does not know.
    fn lose(&mut self, link: LinkId, silent: bool, site: &mut Site, now: Now);

    /// Its process dies, and starts again with what was saved last.
    fn kill(&mut self, site: &mut Site, now: Now);

    fn receive(&mut self, link: LinkId, arrival: Arrival, site: &mut Site, now: Now);

    /// Time has come for it.
    fn tick(&mut self, site: &mut Site, now: Now);
}
