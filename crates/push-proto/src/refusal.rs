//! Why a request is refused: the status, a machine-readable reason (RFC 9457) and the section that says so.

use core::{fmt, time::Duration};

/// A refusal. Plain data; the closed set of them is below, one line each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    reason: &'static str,
    section: &'static str,
    detail: &'static str,
    exceeded_by: Option<Party>,
    retry_after: Option<Duration>,
}

/// Who asked for more than it is to get: whom a 429 blames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Party {
    /// The client's address, with all who share it.
    Address,
    /// The VAPID key that signed the request.
    Key,
    /// The subscription: all who send to it.
    Subscription,
    /// The user agent or receipt subscription: all who send to any subscription of it.
    Agent,
}

impl Party {
    /// Its name in problem details.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Key => "key",
            Self::Subscription => "subscription",
            Self::Agent => "agent",
        }
    }
}

impl Refusal {
    /// The HTTP status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Short, stable, kebab-case.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// The document and section that the request goes against.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        self.section
    }

    /// One sentence for a human: what is wrong and what to do.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        self.detail
    }

    /// Who asked for too much, where it is one party's excess and not the service's own shortage.
    #[must_use]
    pub const fn exceeded_by(&self) -> Option<Party> {
        self.exceeded_by
    }

    /// When to come again, where that helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The same, with a time to come again.
    #[must_use]
    pub const fn retry_in(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// A refusal of the carrier: `wire` and the VAPID checks make theirs by this.
    #[must_use]
    pub const fn new(status: u16, reason: &'static str, section: &'static str, detail: &'static str) -> Self {
        Self { status, reason, section, detail, exceeded_by: None, retry_after: None }
    }

    /// The same, which blames that party.
    #[must_use]
    pub const fn blaming(self, party: Party) -> Self {
        Self { exceeded_by: Some(party), ..self }
    }

    // Decided by the core.

    /// No such resource, or it has gone; a capability that does not open looks the same (`8030-8.3-2`).
    pub const NOT_FOUND: Self =
        Self::new(404, "not-found", "RFC 8030 §7.3", "There is no such resource, or it has gone for good.");
    /// `8030-4.1-5`
    pub const SET_INVALID: Self = Self::new(
        400,
        "set-invalid",
        "RFC 8030 §4.1",
        "The subscription set in Link is unknown or has gone; subscribe without one.",
    );
    /// RFC 6455 §4.2.2, RFC 9110 §15.5.22
    pub const UPGRADE_REQUIRED: Self = Self::new(
        426,
        "upgrade-required",
        "RFC 6455 §4.2",
        "Here user agents connect by WebSocket, version 13; subscriptions are made by POST to the URL below this one.",
    );
    /// RFC 6455 §4.2.1
    pub const HANDSHAKE_INVALID: Self = Self::new(
        400,
        "handshake-invalid",
        "RFC 6455 §4.2.1",
        "A WebSocket needs Connection: Upgrade and a Sec-WebSocket-Key of sixteen octets.",
    );
    /// RFC 6455 §10.2
    pub const ORIGIN_REFUSED: Self =
        Self::new(403, "origin-refused", "RFC 6455 §10.2", "This origin may not connect here.");
    /// Of user agents that name their subscriptions themselves: Mozilla's push protocol.
    pub const SUBSCRIPTION_DIFFERS: Self = Self::new(
        409,
        "subscription-differs",
        "autopush register",
        "There is a subscription of this name with another key, or it is just being ended; choose another name.",
    );
    /// `8030-5.1-9`
    pub const RECEIPT_INVALID: Self = Self::new(
        400,
        "receipt-subscription-invalid",
        "RFC 8030 §5.1",
        "The receipt subscription in Link is unknown or has gone; ask without one.",
    );
    /// `8292-4.2-3`
    pub const CREDENTIALS_MISSING: Self = Self::new(
        401,
        "vapid-missing",
        "RFC 8292 §4.2",
        "This subscription is restricted: sign the request with the key it was made with.",
    );
    /// `8292-4.2-9`
    pub const CREDENTIALS_DIFFERENT: Self = Self::new(
        403,
        "vapid-key-mismatch",
        "RFC 8292 §4.2",
        "This subscription is restricted to another key than the one that signed the request.",
    );
    /// Push is what RFC 8030 §6 delivers by.
    pub const PUSH_UNSUPPORTED: Self = Self::new(
        406,
        "push-unsupported",
        "RFC 8030 §6",
        "Messages come by HTTP/2 server push: use HTTP/2 and leave SETTINGS_ENABLE_PUSH at 1, with streams to spare. \
         Or ask for an event stream, by Accept: text/event-stream.",
    );
    /// `8030-8.4-2`
    pub const QUEUE_FULL: Self = Self::new(
        429,
        "queue-full",
        "RFC 8030 §8.4",
        "Too many messages wait for this user agent; try again later.",
    )
    .blaming(Party::Agent);
    /// `8030-8.4-1`
    pub const RATE_EXCEEDED: Self = Self::new(
        429,
        "rate-exceeded",
        "RFC 8030 §8.4",
        "Messages come faster than this user agent is to get them; try again later.",
    )
    .blaming(Party::Agent);
    /// `8030-8.4-1`
    pub const SUBSCRIPTION_RATE_EXCEEDED: Self = Self::new(
        429,
        "subscription-rate-exceeded",
        "RFC 8030 §8.4",
        "Messages come faster than this subscription is to get them; others are not affected. Try again later.",
    )
    .blaming(Party::Subscription);
    /// Of one sender.
    pub const SENDER_RATE_EXCEEDED: Self = Self::new(
        429,
        "sender-rate-exceeded",
        "RFC 8030 §8.4",
        "Messages signed with this key come too fast, whomever they are for; try again later.",
    )
    .blaming(Party::Key);
    /// Of all who share an address.
    pub const ADDRESS_RATE_EXCEEDED: Self = Self::new(
        429,
        "address-rate-exceeded",
        "RFC 8030 §8.4",
        "Requests come too fast from this address; try again later.",
    )
    .blaming(Party::Address);
    /// Of all unsigned messages from an address.
    pub const UNSIGNED_RATE_EXCEEDED: Self = Self::new(
        429,
        "unsigned-rate-exceeded",
        "RFC 8030 §8.4",
        "Unsigned messages come too fast from this address; sign them (RFC 8292) to be counted by your key, or try \
         again later.",
    )
    .blaming(Party::Address);
    /// Of one user agent.
    pub const MONITORS_EXCEEDED: Self = Self::new(
        429,
        "monitors-exceeded",
        "RFC 8030 §6",
        "This user agent monitors as many of its resources as it can; monitor the set instead of each subscription.",
    )
    .blaming(Party::Agent);
    /// `8030-4.1-6`, of all who share an address.
    pub const ADDRESS_AGENTS_EXCEEDED: Self = Self::new(
        429,
        "address-agents-exceeded",
        "RFC 8030 §4.1",
        "New subscription sets and receipt subscriptions are made too fast from this address; name one that you have, \
         or try again later.",
    )
    .blaming(Party::Address);
    /// `8030-4.1-6`
    pub const AGENTS_EXCEEDED: Self = Self::new(
        429,
        "agents-exceeded",
        "RFC 8030 §4.1",
        "New subscription sets and receipt subscriptions are made too fast; name one that you have, or try again later.",
    );
    /// A set has as many subscriptions as it can have.
    pub const SET_FULL: Self = Self::new(
        429,
        "set-full",
        "RFC 8030 §4.1",
        "This subscription set has as many subscriptions as it can have; remove one first.",
    )
    .blaming(Party::Agent);
    /// A bound of the whole store.
    pub const CROWDED: Self = Self::new(
        503,
        "crowded",
        "RFC 8030 §7.1",
        "The push service holds as many subscription sets, or receipt subscriptions, as it can; try again later.",
    );
    /// A named limit of this service is reached.
    pub const OVERLOADED: Self =
        Self::new(503, "overloaded", "RFC 8030 §7.1", "The push service is busy; try again later.");
    /// What its peers make it hold is as much as it can.
    pub const MEMORY_SHORT: Self = Self::new(
        503,
        "memory-short",
        "RFC 8030 §7.1",
        "The push service has no memory for the body of this request now; try again later.",
    );
    /// `G7`
    pub const STORE_UNAVAILABLE: Self = Self::new(
        503,
        "store-unavailable",
        "RFC 8030 §7.1",
        "The push service cannot promise to keep anything now; whether this request took effect is unknown.",
    );
    /// The service is being stopped.
    pub const DRAINING: Self =
        Self::new(503, "draining", "RFC 8030 §7.1", "The push service is being stopped; try again later.");

    // Decided by the wire.

    /// `8030-5.2-5`
    pub const TTL_MISSING: Self = Self::new(
        400,
        "ttl-missing",
        "RFC 8030 §5.2",
        "Every message needs a TTL: the seconds for which it is worth delivering.",
    );
    ///
    pub const TTL_INVALID: Self =
        Self::new(400, "ttl-invalid", "RFC 8030 §5.2", "TTL takes one number of seconds, in digits only.");
    /// `8030-5.3-8`, A-05
    pub const URGENCY_INVALID: Self = Self::new(
        400,
        "urgency-invalid",
        "RFC 8030 §5.3",
        "Urgency takes one of very-low, low, normal and high.",
    );
    /// `8030-5.4-4`, A-06
    pub const TOPIC_INVALID: Self = Self::new(
        400,
        "topic-invalid",
        "RFC 8030 §5.4",
        "Topic takes one name of 1 to 32 characters: letters, digits, hyphen and underscore.",
    );
    /// whether it was a set or a receipt subscription cannot be known.
    pub const LINK_MALFORMED: Self = Self::new(
        400,
        "link-malformed",
        "RFC 8288 §3",
        "Link cannot be read; it takes values such as <url>; rel=\"name\".",
    );
    /// `8292-4.1-1`
    pub const OPTIONS_MALFORMED: Self = Self::new(
        400,
        "subscription-options-malformed",
        "RFC 8292 §4.1",
        "Subscription options are a JSON object; its member vapid is an uncompressed P-256 key in base64url.",
    );
    /// `8292-3.2-3`, `vapid01-4-2`
    pub const KEYS_IDENTICAL: Self = Self::new(
        400,
        "keys-identical",
        "RFC 8292 §3.2",
        "The key that signs the request also encrypts its message; they must be different keys.",
    );
    /// `8292-4.2-10` could not be kept.
    pub const CRYPTO_KEY_MALFORMED: Self = Self::new(
        400,
        "crypto-key-malformed",
        "draft-ietf-webpush-vapid-01 §4",
        "Crypto-Key cannot be read, so its p256ecdsa part cannot be kept from the user agent.",
    );
    /// A-23; what else may be wrong with credentials is said by `push_crypto`.
    pub const CREDENTIALS_SEVERAL: Self = Self::new(
        403,
        "vapid-several",
        "RFC 8292 §3",
        "There are credentials twice: more than one Authorization field, or more than one p256ecdsa.",
    );
    /// RFC 9110 §15.5.6, for the resources that are written to.
    pub const METHOD_POST_ONLY: Self = Self::new(
        405,
        "method-not-allowed",
        "RFC 8030 §2",
        "This resource takes POST only; messages are read and subscriptions ended elsewhere.",
    );
    /// RFC 9110 §15.5.6, for the resources that are read and ended.
    pub const METHOD_GET_DELETE: Self = Self::new(
        405,
        "method-not-allowed",
        "RFC 8030 §2",
        "This resource takes GET and DELETE only; messages are sent to the push resource.",
    );
    /// RFC 9110 §15.5.6, for what is only read: how the service is.
    pub const METHOD_GET_ONLY: Self =
        Self::new(405, "method-not-allowed", "RFC 9110 §15.5.6", "This resource takes GET and HEAD only.");
    /// `8030-7.2-4`
    pub const BODY_TOO_LARGE: Self = Self::new(
        413,
        "body-too-large",
        "RFC 8030 §7.2",
        "The body is larger than this service takes; 4096 octets are never too large.",
    );
    /// RFC 9110 §15.5.9
    pub const BODY_SLOW: Self =
        Self::new(408, "body-slow", "RFC 9110 §15.5.9", "The body of the request did not come in time.");
    /// A named limit of the wire is reached.
    pub const FIELDS_TOO_LARGE: Self = Self::new(
        431,
        "fields-too-large",
        "RFC 6585 §5",
        "The header fields are longer, or more, than this service takes.",
    );
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({} {})", self.status, self.reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}): {}", self.status, self.reason, self.section, self.detail)
    }
}

impl core::error::Error for Refusal {}
