//! What push services answer, in the words of each vendor.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::Vendor;

/// How the service answers one message.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With this, whatever it makes of the message.
    Response(Box<Response<Bytes>>),
    /// By closing the connection at once, and so with everything else that is under way on it: over HTTP/2 those are other
    /// messages as well.
    Close,
    /// Never.
    Silence,
    /// With this, but its body does not end: what there is of it is the beginning of one that never comes.
    Unfinished(Box<Response<Bytes>>),
}

/// What can become of a message, as senders learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Situation {
    /// It is taken.
    Accepted,
    /// The user unsubscribed.
    Gone,
    /// There never was such a subscription, or it is forgotten.
    Unknown,
    /// The subscription was made with another VAPID key.
    KeyMismatch,
    /// The token is not accepted.
    BadToken,
    /// There were too many messages; see [`Answer::retry_after`].
    Throttled,
    /// The service has too much to do; see [`Answer::retry_after`].
    Overloaded,
    /// It is too large.
    TooLarge,
    /// The topic is none there.
    BadTopic,
    /// It is taken, and thrown away.
    Dropped,
}

impl Answer {
    /// What that vendor's service answers then; the nearest that it has, where it has nothing of the kind. Of
    /// [`Vendor::Other`] it is what RFC 8030 and RFC 8292 have.
    #[must_use]
    pub fn of(vendor: Vendor, situation: Situation) -> Self {
        let of = |vendor| {
            ANSWERS
                .iter()
                .find(move |answer: &&Known| answer.vendor == vendor && answer.situation == situation)
        };
        match of(vendor).or_else(|| of(Vendor::Other)) {
            Some(known) => known.answer(),
            // RFC 9110 §15.6.1
            None => Self::status(500),
        }
    }

    /// That status and nothing else. A number that is none is 500.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::from(response)
    }

    /// And says when to come again, in whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        if let Self::Response(response) = &mut self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        self
    }
}

impl From<Response<Bytes>> for Answer {
    fn from(response: Response<Bytes>) -> Self {
        Self::Response(Box::new(response))
    }
}

struct Known {
    vendor: Vendor,
    situation: Situation,
    status: u16,
    fields: &'static [(&'static str, &'static str)],
    body: &'static str,
}

impl Known {
    fn answer(&self) -> Answer {
        let Answer::Response(mut response) = Answer::status(self.status) else { return Answer::Silence };
        for (name, value) in self.fields {
            response.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        *response.body_mut() = Bytes::from_static(self.body.as_bytes());
        Answer::Response(response)
    }
}

const fn known(
    vendor: Vendor,
    situation: Situation,
    status: u16,
    fields: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> Known {
    Known { vendor, situation, status, fields, body }
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const MONTH: &[(&str, &str)] = &[("content-type", "application/json"), ("cache-control", "max-age=86400")];

/// As the services were seen to answer; sources as in [`RULES`](crate::RULES), read 2026-11-23.
const ANSWERS: &[Known] = &[
    known(Vendor::Other, Situation::Accepted, 201, &[("location", "/m/scripted"), ("ttl", "60")], ""),
    known(Vendor::Other, Situation::Gone, 410, &[], ""),
    known(Vendor::Other, Situation::Unknown, 404, &[], ""),
    known(Vendor::Other, Situation::KeyMismatch, 403, JSON, r#"{"reason":"vapid-key-mismatch"}"#),
    known(Vendor::Other, Situation::BadToken, 401, &[("www-authenticate", "vapid")], ""),
    known(Vendor::Other, Situation::Throttled, 429, &[], ""),
    known(Vendor::Other, Situation::Overloaded, 503, &[], ""),
    known(Vendor::Other, Situation::TooLarge, 413, &[], ""),
    known(Vendor::Other, Situation::BadTopic, 400, &[], ""),
    known(Vendor::Other, Situation::Dropped, 201, &[], ""),
    known(Vendor::Fcm, Situation::Gone, 410, &[], "push subscription has unsubscribed or expired.\n"),
    known(
        Vendor::Fcm,
        Situation::Unknown,
        404,
        &[],
        "A valid push subscription endpoint should be specified in the URL.\n",
    ),
    known(
        Vendor::Fcm,
        Situation::KeyMismatch,
        403,
        &[],
        "the VAPID credentials in the authorization header do not correspond to the credentials used to create the \
         subscriptions.\n",
    ),
    known(
        Vendor::Fcm,
        Situation::BadToken,
        403,
        &[],
        "aud claim in the token MUST include the origin of the push resource URL.\n",
    ),
    known(
        Vendor::Mozilla,
        Situation::Gone,
        410,
        MONTH,
        r#"{"code":410,"errno":106,"error":"Gone","message":"No such subscription","more_info":""}"#,
    ),
    known(
        Vendor::Mozilla,
        Situation::Unknown,
        404,
        JSON,
        r#"{"code":404,"errno":102,"error":"Not Found","message":"Invalid endpoint","more_info":""}"#,
    ),
    known(
        Vendor::Mozilla,
        Situation::KeyMismatch,
        401,
        JSON,
        r#"{"code":401,"errno":109,"error":"Unauthorized","message":"VAPID public key mismatch","more_info":""}"#,
    ),
    known(
        Vendor::Mozilla,
        Situation::BadToken,
        401,
        JSON,
        r#"{"code":401,"errno":109,"error":"Unauthorized","message":"Missing or invalid VAPID header","more_info":""}"#,
    ),
    known(
        Vendor::Mozilla,
        Situation::Throttled,
        503,
        JSON,
        r#"{"code":503,"errno":201,"error":"Service Unavailable","message":"Use exponential back-off","more_info":""}"#,
    ),
    known(
        Vendor::Mozilla,
        Situation::Overloaded,
        503,
        JSON,
        r#"{"code":503,"errno":202,"error":"Service Unavailable","message":"Immediate retry ok","more_info":""}"#,
    ),
    known(
        Vendor::Mozilla,
        Situation::TooLarge,
        413,
        JSON,
        r#"{"code":413,"errno":104,"error":"Payload Too Large","message":"Data payload too large","more_info":""}"#,
    ),
    known(
        Vendor::Mozilla,
        Situation::BadTopic,
        400,
        JSON,
        r#"{"code":400,"errno":113,"error":"Bad Request","message":"Invalid topic","more_info":""}"#,
    ),
    known(
        Vendor::Apple,
        Situation::Accepted,
        201,
        &[("apns-id", "eabeae54-14a8-11e5-b60b-1697f925ec7b")],
        "",
    ),
    known(Vendor::Apple, Situation::Gone, 410, JSON, r#"{"reason":"Unregistered"}"#),
    known(Vendor::Apple, Situation::Unknown, 404, JSON, r#"{"reason":"BadPath"}"#),
    known(Vendor::Apple, Situation::KeyMismatch, 400, JSON, r#"{"reason":"VapidPkHashMismatch"}"#),
    known(Vendor::Apple, Situation::BadToken, 403, JSON, r#"{"reason":"BadJwtToken"}"#),
    known(Vendor::Apple, Situation::Throttled, 429, JSON, r#"{"reason":"TooManyRequests"}"#),
    known(Vendor::Apple, Situation::Overloaded, 503, JSON, r#"{"reason":"ServiceUnavailable"}"#),
    known(Vendor::Apple, Situation::TooLarge, 413, JSON, r#"{"reason":"PayloadTooLarge"}"#),
    known(Vendor::Apple, Situation::BadTopic, 400, JSON, r#"{"reason":"BadWebPushTopic"}"#),
    known(Vendor::Wns, Situation::Accepted, 201, &[("x-wns-status", "received")], ""),
    known(
        Vendor::Wns,
        Situation::KeyMismatch,
        403,
        &[("x-wns-error-description", "The token does not match.")],
        "",
    ),
    known(Vendor::Wns, Situation::BadToken, 401, &[("x-wns-error-description", "The token is invalid.")], ""),
    known(
        Vendor::Wns,
        Situation::Throttled,
        406,
        &[
            ("x-wns-status", "channelthrottled"),
            ("x-wns-error-description", "The channel has exceeded its throttle limit."),
        ],
        "",
    ),
    known(Vendor::Wns, Situation::Dropped, 200, &[("x-wns-status", "dropped")], ""),
];
