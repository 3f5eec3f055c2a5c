//! How much a push service takes on, and for how long: what an operator may want otherwise.

use std::{num::NonZeroU32, time::Duration};

use clap::Args as ClapArgs;
use push_proto::service::{self, Rate};
use push_store::Quotas;

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
}

impl Bounds {
    /// These, if they make sense.
    ///
    /// # Errors
    ///
    /// Idle times so short that they would end who is there.
    pub(crate) fn check(self) -> Result<Self> {
        for (flag, idle) in [("--agent-idle", self.agent_idle), ("--receipts-idle", self.receipts_idle)] {
            if !idle.is_zero() && idle < IDLE_MIN {
                return Err(Error::usage(format!("{flag} is shorter than a day"))
                    .hint("user agents sleep and senders pause for longer than that; 0 means never"));
            }
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
            ..Quotas::default()
        }
    }

    /// What each shard is to be bounded by.
    pub(crate) fn service(&self) -> service::Limits {
        service::Limits {
            messages: Rate::new(self.message_rate, self.message_burst.get()),
            rated_agents: self.rated_agents,
            new_agents: Rate::new(self.agent_rate, self.agent_burst.get()),
            ..limits()
        }
    }
}

fn limits() -> service::Limits {
    service::Limits::default()
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
    }

    #[test]
    fn each_can_be_set() {
        let flags = "--agents 1 --receipt-subscriptions 2 --agent-idle 30d --receipts-idle 2d --dropped 3 \
                     --message-rate 4 --message-burst 5 --rated-agents 6 --agent-rate 7 --agent-burst 8";
        let bounds = bounds(flags).unwrap();
        let quotas = Quotas {
            agents: 1,
            receipt_subscriptions: 2,
            agent_idle_secs: 30 * 24 * 3600,
            receipts_idle_secs: 2 * 24 * 3600,
            dropped: 3,
            ..Quotas::default()
        };
        assert_eq!(bounds.quotas(), quotas);
        let service = bounds.service();
        assert_eq!((service.messages, service.new_agents), (Rate::new(4, 5), Rate::new(7, 8)));
        assert_eq!(service.rated_agents, 6);
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
