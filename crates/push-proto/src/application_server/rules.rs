//! What a status and the words beside it mean, service by service: facts, each with its source and the day it was read.

use super::{input::Response, verdict::Class};

/// What a throttling service wants left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The push resource that the message was for (`8030-8.4-2`).
    PushResource,
    /// The service as a whole.
    PushService,
}

/// What a service says in a field of its own, beside the status (WNS: `X-WNS-Status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It took the message, and threw it away.
    Dropped,
    /// It took the message, and threw it away because there were too many for this push resource.
    ResourceThrottled,
    /// The same, because there were too many from this application server.
    SenderThrottled,
}

/// One fact.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Who answers so.
    pub service: &'static str,
    /// The first status that it is about.
    pub from: u16,
    /// The last.
    pub to: u16,
    /// What else must be there.
    pub says: Says,
    /// What it means.
    pub class: Class,
    /// Where that is said: a requirement, an ambiguity, or an address.
    pub source: &'static str,
    /// When that was read.
    pub read: &'static str,
}

/// What a rule wants to be there beside the status.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// Nothing.
    Anything,
    /// One of these in the body, in any case.
    Words(&'static [&'static str]),
    /// When to come again.
    RetryAfter,
    /// That.
    Notice(Notice),
}

impl Class {
    /// The class of a response to a send: that of the first of [`RULES`] that fits.
    ///
    /// ```
    /// # use push_proto::application_server::{Class, Response};
    /// let class = |status, reason: &'static str| Class::of(&Response { status, reason: reason.into(), ..Response::default() });
    /// assert_eq!(class(201, ""), Class::Accepted);
    /// assert_eq!(class(410, ""), Class::Gone);
    /// assert_eq!(class(400, r#"{"reason":"VapidPkHashMismatch"}"#), Class::KeyMismatch);
    /// assert_eq!(class(302, ""), Class::Rejected);
    /// ```
    #[must_use]
    pub fn of(response: &Response) -> Self {
        RULES.iter().find(|rule| rule.fits(response)).map_or(Self::Rejected, |rule| rule.class)
    }
}

impl Rule {
    /// Whether it is about such a response.
    #[must_use]
    pub fn fits(&self, response: &Response) -> bool {
        let says = match self.says {
            Says::Anything => true,
            Says::Words(words) => words.iter().any(|word| contains(&response.reason, word.as_bytes())),
            Says::RetryAfter => response.retry_after.is_some(),
            Says::Notice(notice) => response.notice == Some(notice),
        };
        says && (self.from..=self.to).contains(&response.status)
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

const fn rule(
    service: &'static str,
    (from, to): (u16, u16),
    says: Says,
    class: Class,
    source: &'static str,
) -> Rule {
    Rule { service, from, to, says, class, source, read: "2026-11-23" }
}

/// All of them, the more special first. What none is about is [`Class::Rejected`]: redirections too (A-33), 413, and
/// statuses that nobody knows.
pub const RULES: &[Rule] = &[
    rule("WNS", SUCCESS, Says::Notice(Notice::Dropped), Class::Rejected, WNS_FIELDS),
    rule(
        "WNS",
        SUCCESS,
        Says::Notice(Notice::ResourceThrottled),
        Class::Throttled(Scope::PushResource),
        WNS_FIELDS,
    ),
    rule(
        "WNS",
        SUCCESS,
        Says::Notice(Notice::SenderThrottled),
        Class::Throttled(Scope::PushService),
        WNS_FIELDS,
    ),
    rule("any", SUCCESS, Says::Anything, Class::Accepted, "8030-5-2, 8030-5.1-5"),
    rule("this project", CLAIMS, Says::Words(&["vapid-key-mismatch"]), Class::KeyMismatch, "8292-4.2-9"),
    rule("Apple", CLAIMS, Says::Words(&["VapidPkHashMismatch"]), Class::KeyMismatch, "A-19"),
    rule("Mozilla", CLAIMS, Says::Words(&["public key mismatch"]), Class::KeyMismatch, "A-19"),
    rule(
        "FCM",
        CLAIMS,
        Says::Words(&["do not correspond"]),
        Class::KeyMismatch,
        "https://github.com/web-push-libs/webpush-java/issues/212",
    ),
    rule(
        "FCM",
        only(403),
        Says::Words(&["invalid push subscription endpoint"]),
        Class::Gone,
        "https://github.com/pushpad/web-push/issues/14",
    ),
    rule("any", (401, 401), Says::Anything, Class::Auth, "8292-4.2-9"),
    rule("any", (403, 403), Says::Anything, Class::Auth, "8292-4.2-9"),
    rule("Apple", only(400), Says::Words(&["BadJwtToken"]), Class::Auth, "A-19"),
    rule("FCM", only(400), Says::Words(&["UnauthorizedRegistration"]), Class::Auth, "A-19"),
    rule("this project", only(400), Says::Words(&["vapid-"]), Class::Auth, "A-19"),
    rule("any", only(404), Says::Anything, Class::Gone, "A-04"),
    rule("any", only(410), Says::Anything, Class::Gone, "A-04, 8030-7.3-3"),
    rule("any", only(429), Says::Anything, Class::Throttled(Scope::PushResource), "8030-8.4-2"),
    rule("any", only(503), Says::Anything, Class::Throttled(Scope::PushService), "RFC 9110 §15.6.4"),
    rule(
        "WNS",
        only(406),
        Says::Notice(Notice::ResourceThrottled),
        Class::Throttled(Scope::PushResource),
        WNS_FIELDS,
    ),
    rule(
        "WNS",
        only(406),
        Says::RetryAfter,
        Class::Throttled(Scope::PushService),
        "https://github.com/zaru/webpush/issues/109",
    ),
    rule(
        "WNS",
        only(406),
        Says::Words(&["throttle"]),
        Class::Throttled(Scope::PushService),
        "https://github.com/SherClockHolmes/webpush-go/issues/48",
    ),
    rule("any", only(408), Says::Anything, Class::Transient, "RFC 9110 §15.5.9"),
    rule("any", only(425), Says::Anything, Class::Transient, "RFC 8470 §5.2"),
    rule("any", (500, 599), Says::Anything, Class::Transient, "RFC 9110 §15.6"),
];

const SUCCESS: (u16, u16) = (200, 299);
/// With which services answer that the credentials are not those of the subscription.
const CLAIMS: (u16, u16) = (400, 403);
const WNS_FIELDS: &str = "https://learn.microsoft.com/en-us/windows/apps/design/shell/tiles-and-notifications/push-request-response-headers";

const fn only(status: u16) -> (u16, u16) {
    (status, status)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::user_agent::RetryAfter;

    fn class(status: u16, reason: &'static str) -> Class {
        Class::of(&Response { status, reason: reason.into(), ..Response::default() })
    }

    #[test]
    fn every_status_has_its_class() {
        let resource = Class::Throttled(Scope::PushResource);
        let service = Class::Throttled(Scope::PushService);
        for (status, expected) in [
            (200, Class::Accepted),
            (201, Class::Accepted),
            (202, Class::Accepted),
            (301, Class::Rejected),
            (307, Class::Rejected),
            (308, Class::Rejected),
            (400, Class::Rejected),
            (401, Class::Auth),
            (402, Class::Rejected),
            (403, Class::Auth),
            (404, Class::Gone),
            (406, Class::Rejected),
            (408, Class::Transient),
            (410, Class::Gone),
            (413, Class::Rejected),
            (429, resource),
            (500, Class::Transient),
            (502, Class::Transient),
            (503, service),
            (0, Class::Rejected),
            (u16::MAX, Class::Rejected),
        ] {
            assert_eq!(class(status, ""), expected, "{status}");
        }
        let retry_after = Some(RetryAfter::In(Duration::from_secs(7)));
        assert_eq!(Class::of(&Response { status: 406, retry_after, ..Response::default() }), service);
    }

    /// A-19: each service says it in words of its own.
    #[test]
    fn a_key_mismatch_is_told_from_bad_credentials_by_its_reason() {
        for (status, reason) in [
            (403, "the VAPID credentials in the authorization header do not correspond to the credentials"),
            (401, r#"{"code":401,"errno":109,"message":"VAPID public key mismatch"}"#),
            (400, r#"{"reason":"VapidPkHashMismatch"}"#),
            (403, r#"{"type":"vapid-key-mismatch"}"#),
        ] {
            assert_eq!(class(status, reason), Class::KeyMismatch, "{reason}");
        }
        assert_eq!(class(400, r#"{"reason":"BadJwtToken"}"#), Class::Auth);
        assert_eq!(class(404, "vapid-key-mismatch"), Class::Gone);
    }

    /// A rule that another hides says nothing.
    #[test]
    fn every_rule_is_the_first_for_something() {
        for (index, rule) in RULES.iter().enumerate() {
            assert!(!rule.source.is_empty() && rule.from <= rule.to);
            let response = Response {
                status: rule.from,
                reason: match rule.says {
                    Says::Words(words) => words[0].into(),
                    Says::Anything | Says::RetryAfter | Says::Notice(_) => "".into(),
                },
                retry_after: matches!(rule.says, Says::RetryAfter)
                    .then_some(RetryAfter::In(Duration::from_secs(1))),
                notice: match rule.says {
                    Says::Notice(notice) => Some(notice),
                    Says::Anything | Says::Words(_) | Says::RetryAfter => None,
                },
                ..Response::default()
            };
            assert_eq!(RULES.iter().position(|rule| rule.fits(&response)), Some(index), "{rule:?}");
        }
    }
}
