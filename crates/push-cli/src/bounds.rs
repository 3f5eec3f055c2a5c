//! How much a push service takes on, and for how long: what an operator may want otherwise.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use clap::Args as ClapArgs;
use push_proto::service::{self, Rate};
use push_store::Quotas;
use push_tokio::Limits;

use crate::{
    args::duration,
    error::{Error, Result},
};

/// The bounds that `serve` can be told. Without a word about them they are the library's.
#[derive(Clone, Debug, PartialEq, Eq, ClapArgs)]
#[command(next_help_heading = "Bounds")]
pub(crate) struct Bounds {
    /// User agents (subscription sets) there may be; one more is 503
    #[arg(long, value_name = "N", default_value_t = Quotas::default().agents, env = "WEBPUSH_AGENTS")]
    agents: u32,
    /// Receipt subscriptions there may be; one more is 503
    #[arg(
        long,
        value_name = "N",
        default_value_t = Quotas::default().receipt_subscriptions,
        env = "WEBPUSH_RECEIPT_SUBSCRIPTIONS"
    )]
    receipt_subscriptions: u32,
    /// End a user agent that was not heard of for so long, with all its subscriptions; 0 for never
    #[arg(
        long,
        value_name = "TIME",
        default_value = "90d",
        value_parser = duration,
        env = "WEBPUSH_AGENT_IDLE"
    )]
    agent_idle: Duration,
    /// End a receipt subscription that nobody wanted for so long after all it waited for; 0 for never
    #[arg(
        long,
        value_name = "TIME",
        default_value = "7d",
        value_parser = duration,
        env = "WEBPUSH_RECEIPTS_IDLE"
    )]
    receipts_idle: Duration,
    /// Messages of lower urgency that may be given up for one that finds its queue full; 0 for none
    #[arg(long, value_name = "N", default_value_t = Quotas::default().dropped, env = "WEBPUSH_DROPPED")]
    dropped: u32,
    /// Messages a second to one user agent; more are 429. 0 for no bound
    #[arg(long, value_name = "N", default_value_t = per_second(limits().messages), env = "WEBPUSH_MESSAGE_RATE")]
    message_rate: u32,
    /// Messages to one user agent at once, after a pause
    #[arg(long, value_name = "N", default_value_t = burst(limits().messages), env = "WEBPUSH_MESSAGE_BURST")]
    message_burst: NonZeroU32,
    /// User agents whose rate each thread keeps in mind
    #[arg(long, value_name = "N", default_value_t = limits().rated_agents, env = "WEBPUSH_RATED_AGENTS")]
    rated_agents: usize,
    /// New user agents and receipt subscriptions a second for each thread; more are 429. 0 for no bound
    #[arg(long, value_name = "N", default_value_t = per_second(limits().new_agents), env = "WEBPUSH_AGENT_RATE")]
    agent_rate: u32,
    /// New user agents and receipt subscriptions for each thread at once, after a pause
    #[arg(long, value_name = "N", default_value_t = burst(limits().new_agents), env = "WEBPUSH_AGENT_BURST")]
    agent_burst: NonZeroU32,
    /// Messages a second to one subscription; more are 429. 0 for no bound
    #[arg(
        long,
        value_name = "N",
        default_value_t = per_second(limits().subscription_messages),
        env = "WEBPUSH_SUBSCRIPTION_RATE"
    )]
    subscription_rate: u32,
    /// Messages to one subscription at once, after a pause
    #[arg(
        long,
        value_name = "N",
        default_value_t = burst(limits().subscription_messages),
        env = "WEBPUSH_SUBSCRIPTION_BURST"
    )]
    subscription_burst: NonZeroU32,
    /// Messages a second signed with one VAPID key, for each thread; more are 429. 0 for no bound
    #[arg(
        long,
        value_name = "N",
        default_value_t = per_second(limits().sender_messages),
        env = "WEBPUSH_SENDER_RATE"
    )]
    sender_rate: u32,
    /// Messages signed with one VAPID key at once, after a pause
    #[arg(long, value_name = "N", default_value_t = burst(limits().sender_messages), env = "WEBPUSH_SENDER_BURST")]
    sender_burst: NonZeroU32,
    /// VAPID keys whose rate each thread keeps in mind
    #[arg(long, value_name = "N", default_value_t = limits().rated_senders, env = "WEBPUSH_RATED_SENDERS")]
    rated_senders: usize,
    /// Monitors of one user agent; one more is 429
    #[arg(long, value_name = "N", default_value_t = limits().agent_monitors, env = "WEBPUSH_AGENT_MONITORS")]
    agent_monitors: usize,
    /// Subscriptions of one user agent; one more is 429
    #[arg(
        long,
        value_name = "N",
        default_value_t = Quotas::default().subscriptions,
        env = "WEBPUSH_AGENT_SUBSCRIPTIONS"
    )]
    agent_subscriptions: u32,
    /// Messages that wait for one user agent; one more is 429
    #[arg(long, value_name = "N", default_value_t = Quotas::default().entries, env = "WEBPUSH_AGENT_MESSAGES")]
    agent_messages: u32,
    /// Octets of the messages that wait for one user agent; more are 429
    #[arg(long, value_name = "OCTETS", default_value_t = Quotas::default().octets, env = "WEBPUSH_AGENT_OCTETS")]
    agent_octets: u64,
    #[command(flatten)]
    carrier: Carrier,
}

/// Those of connections.
#[derive(Clone, Debug, PartialEq, Eq, ClapArgs)]
struct Carrier {
    /// Connections of each thread; one more is closed
    #[arg(long, value_name = "N", default_value_t = connections(), env = "WEBPUSH_CONNECTIONS")]
    connections: NonZeroUsize,
    /// Connections of one address (with TLS; without, an address is a proxy's); one more is closed. 0 for no bound
    #[arg(
        long,
        value_name = "N",
        default_value_t = carrier().address_connections,
        env = "WEBPUSH_ADDRESS_CONNECTIONS"
    )]
    address_connections: usize,
    /// Requests a second from one address; more are 429. 0 for no bound
    #[arg(
        long,
        value_name = "N",
        default_value_t = per_second(carrier().address_requests),
        env = "WEBPUSH_ADDRESS_RATE"
    )]
    address_rate: u32,
    /// Requests from one address at once, after a pause
    #[arg(
        long,
        value_name = "N",
        default_value_t = burst(carrier().address_requests),
        env = "WEBPUSH_ADDRESS_BURST"
    )]
    address_burst: NonZeroU32,
    /// New user agents and receipt subscriptions a second from one address; more are 429. 0 for no bound
    #[arg(
        long,
        value_name = "N",
        default_value_t = per_second(carrier().address_agents),
        env = "WEBPUSH_ADDRESS_AGENT_RATE"
    )]
    address_agent_rate: u32,
    /// New user agents and receipt subscriptions from one address at once, after a pause
    #[arg(
        long,
        value_name = "N",
        default_value_t = burst(carrier().address_agents),
        env = "WEBPUSH_ADDRESS_AGENT_BURST"
    )]
    address_agent_burst: NonZeroU32,
    /// Messages without VAPID credentials a second from one address; more are 429. 0 for no bound
    #[arg(
        long,
        value_name = "N",
        default_value_t = per_second(carrier().address_unsigned),
        env = "WEBPUSH_UNSIGNED_RATE"
    )]
    unsigned_rate: u32,
    /// Messages without VAPID credentials from one address at once, after a pause
    #[arg(
        long,
        value_name = "N",
        default_value_t = burst(carrier().address_unsigned),
        env = "WEBPUSH_UNSIGNED_BURST"
    )]
    unsigned_burst: NonZeroU32,
    /// Addresses whose rates are kept in mind
    #[arg(long, value_name = "N", default_value_t = carrier().rated_addresses, env = "WEBPUSH_RATED_ADDRESSES")]
    rated_addresses: usize,
    /// Octets of bodies that each thread holds; with more, another body is 503
    #[arg(long, value_name = "OCTETS", default_value_t = carrier().shed_octets, env = "WEBPUSH_SHED_OCTETS")]
    shed_octets: usize,
    /// Octets of bodies that each thread holds; with more, connections that do not read are cut off
    #[arg(long, value_name = "OCTETS", default_value_t = carrier().cut_octets, env = "WEBPUSH_CUT_OCTETS")]
    cut_octets: usize,
}

impl Bounds {
    /// These, if they make sense.
    ///
    /// # Errors
    ///
    /// Idle times so short that they would end who is there; memory bounds in the wrong order.
    pub(crate) fn check(self) -> Result<Self> {
        for (flag, idle) in [("--agent-idle", self.agent_idle), ("--receipts-idle", self.receipts_idle)] {
            if !idle.is_zero() && idle < IDLE_MIN {
                return Err(Error::usage(format!("{flag} is shorter than a day"))
                    .hint("user agents sleep and senders pause for longer than that; 0 means never"));
            }
        }
        if self.carrier.cut_octets < self.carrier.shed_octets {
            return Err(Error::usage("--cut-octets is less than --shed-octets")
                .hint("bodies are to be refused before connections are cut off"));
        }
        Ok(self)
    }

    /// What the store is to be bounded by.
    pub(crate) fn quotas(&self) -> Quotas {
        Quotas {
            agents: self.agents,
            receipt_subscriptions: self.receipt_subscriptions,
            agent_idle_secs: self.agent_idle.as_secs(),
            receipts_idle_secs: self.receipts_idle.as_secs(),
            dropped: self.dropped,
            subscriptions: self.agent_subscriptions,
            entries: self.agent_messages,
            octets: self.agent_octets,
            ..Quotas::default()
        }
    }

    /// What each shard is to be bounded by.
    pub(crate) fn service(&self) -> service::Limits {
        service::Limits {
            messages: Rate::new(self.message_rate, self.message_burst.get()),
            rated_agents: self.rated_agents,
            new_agents: Rate::new(self.agent_rate, self.agent_burst.get()),
            subscription_messages: Rate::new(self.subscription_rate, self.subscription_burst.get()),
            sender_messages: Rate::new(self.sender_rate, self.sender_burst.get()),
            rated_senders: self.rated_senders,
            agent_monitors: self.agent_monitors,
            ..limits()
        }
    }

    /// What connections are to be bounded by.
    pub(crate) fn carrier(&self) -> Limits {
        let Carrier { connections, rated_addresses, shed_octets, cut_octets, .. } = self.carrier;
        let address_connections = match self.carrier.address_connections {
            0 => usize::MAX,
            bound => bound,
        };
        let Carrier { address_rate, address_burst, address_agent_rate, address_agent_burst, .. } =
            self.carrier;
        Limits {
            connections: connections.get(),
            address_connections,
            address_requests: Rate::new(address_rate, address_burst.get()),
            address_agents: Rate::new(address_agent_rate, address_agent_burst.get()),
            address_unsigned: Rate::new(self.carrier.unsigned_rate, self.carrier.unsigned_burst.get()),
            rated_addresses,
            shed_octets,
            cut_octets,
            ..carrier()
        }
    }
}

fn limits() -> service::Limits {
    service::Limits::default()
}

fn carrier() -> Limits {
    Limits::default()
}

fn connections() -> NonZeroUsize {
    NonZeroUsize::new(carrier().connections).unwrap_or(NonZeroUsize::MIN)
}

fn per_second(rate: Option<Rate>) -> u32 {
    rate.map_or(0, |rate| rate.per_second.get())
}

fn burst(rate: Option<Rate>) -> NonZeroU32 {
    rate.map_or(NonZeroU32::MIN, |rate| rate.burst)
}

/// A user agent that is switched on daily must not end by being switched off at night.
const IDLE_MIN: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn bounds(flags: &str) -> Result<Bounds> {
        let words = ["webpush", "serve"].into_iter().chain(flags.split_whitespace());
        let Command::Serve(args) = Args::try_parse_from(words).unwrap().command else { panic!("not serve") };
        args.bounds.check()
    }

    #[test]
    fn without_a_word_they_are_the_librarys() {
        let bounds = bounds("").unwrap();
        assert_eq!(bounds.quotas(), Quotas::default());
        assert_eq!(format!("{:?}", bounds.service()), format!("{:?}", service::Limits::default()));
        assert_eq!(bounds.carrier(), Limits::default());
    }

    #[test]
    fn each_can_be_set() {
        let flags = "--agents 1 --receipt-subscriptions 2 --agent-idle 30d --receipts-idle 2d --dropped 3 \
                     --message-rate 4 --message-burst 5 --rated-agents 6 --agent-rate 7 --agent-burst 8 \
                     --subscription-rate 9 --subscription-burst 10 --sender-rate 11 --sender-burst 12 \
                     --rated-senders 13 --agent-monitors 14 --agent-subscriptions 15 --agent-messages 16 \
                     --agent-octets 17";
        let bounds = bounds(flags).unwrap();
        let quotas = Quotas {
            agents: 1,
            receipt_subscriptions: 2,
            agent_idle_secs: 30 * 24 * 3600,
            receipts_idle_secs: 2 * 24 * 3600,
            dropped: 3,
            subscriptions: 15,
            entries: 16,
            octets: 17,
            ..Quotas::default()
        };
        assert_eq!(bounds.quotas(), quotas);
        let service = bounds.service();
        assert_eq!((service.messages, service.new_agents), (Rate::new(4, 5), Rate::new(7, 8)));
        assert_eq!(
            (service.subscription_messages, service.sender_messages),
            (Rate::new(9, 10), Rate::new(11, 12))
        );
        assert_eq!((service.rated_agents, service.rated_senders, service.agent_monitors), (6, 13, 14));
    }

    #[test]
    fn those_of_connections_can_be_set() {
        let flags = "--connections 1 --address-connections 2 --address-rate 3 --address-burst 4 \
                     --address-agent-rate 5 --address-agent-burst 6 --unsigned-rate 7 --unsigned-burst 8 \
                     --rated-addresses 9 --shed-octets 10 --cut-octets 11";
        let limits = Limits {
            connections: 1,
            address_connections: 2,
            address_requests: Rate::new(3, 4),
            address_agents: Rate::new(5, 6),
            address_unsigned: Rate::new(7, 8),
            rated_addresses: 9,
            shed_octets: 10,
            cut_octets: 11,
            ..Limits::default()
        };
        assert_eq!(bounds(flags).unwrap().carrier(), limits);
        let off = "--address-connections 0 --address-rate 0 --address-agent-rate 0 --unsigned-rate 0";
        let off = bounds(off).unwrap().carrier();
        assert_eq!((off.address_connections, off.address_requests), (usize::MAX, None));
        assert_eq!((off.address_agents, off.address_unsigned), (None, None));
    }

    #[test]
    fn bodies_are_refused_before_connections_are_cut_off() {
        let error = bounds("--shed-octets 11 --cut-octets 10").unwrap_err();
        assert!(error.to_string().contains("less than --shed-octets"), "{error}");
    }

    #[test]
    fn rates_and_ends_can_be_switched_off() {
        let flags = "--agent-idle 0 --receipts-idle 0 --message-rate 0 --agent-rate 0 --dropped 0";
        let bounds = bounds(flags).unwrap();
        let Quotas { agent_idle_secs, receipts_idle_secs, dropped, .. } = bounds.quotas();
        assert_eq!((agent_idle_secs, receipts_idle_secs, dropped), (0, 0, 0));
        assert_eq!((bounds.service().messages, bounds.service().new_agents), (None, None));
    }

    #[test]
    fn who_is_there_does_not_end() {
        for flags in ["--agent-idle 23h", "--receipts-idle 1"] {
            assert!(bounds(flags).unwrap_err().to_string().contains("shorter than a day"), "{flags}");
        }
    }
}
