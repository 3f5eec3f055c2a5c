//! Which push service it is, as far as its name tells.

use crate::PushUrl;

/// The push services that most browsers have, and all others. Nothing depends on it but what they alone want; their
/// answers are told apart by what they say ([`RULES`](super::RULES)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PushService {
    /// Apple's: Safari.
    Apple,
    /// Google's Firebase Cloud Messaging: Chrome and its kin.
    Fcm,
    /// Mozilla's autopush: Firefox.
    Mozilla,
    /// Microsoft's Windows Push Notification Services: Edge on Windows.
    Wns,
    /// Any other, of one's own too.
    Other,
}

impl PushService {
    /// Whose push resource it is.
    ///
    /// ```
    /// # use push_proto::{PushUrl, application_server::PushService};
    /// let url: PushUrl = "https://wns2-par02p.notify.windows.com/w/?token=1".parse()?;
    /// assert_eq!(PushService::of(&url), PushService::Wns);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(url: &PushUrl) -> Self {
        let host = url.host();
        let within = |(domain, _): &&(&str, Self)| {
            host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        HOSTS.iter().find(within).map_or(Self::Other, |(_, service)| *service)
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apple => "Apple",
            Self::Fcm => "FCM",
            Self::Mozilla => "Mozilla",
            Self::Wns => "WNS",
            Self::Other => "other",
        }
    }
}

/// Hosts, and all below them. Read 2026-11-23 in the documentation of each.
const HOSTS: &[(&str, PushService)] = &[
    ("push.apple.com", PushService::Apple),
    ("fcm.googleapis.com", PushService::Fcm),
    ("android.googleapis.com", PushService::Fcm),
    ("jmt17.google.com", PushService::Fcm),
    ("push.services.mozilla.com", PushService::Mozilla),
    ("notify.windows.com", PushService::Wns),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_from_its_end() {
        for (host, service) in [
            ("web.push.apple.com", PushService::Apple),
            ("push.apple.com", PushService::Apple),
            ("evilpush.apple.com", PushService::Other),
            ("fcm.googleapis.com:8443", PushService::Fcm),
            ("fcm.googleapis.com.example.net", PushService::Other),
            ("UPDATES.push.services.mozilla.com", PushService::Mozilla),
            ("db5p.notify.windows.com", PushService::Wns),
            ("push.example.net", PushService::Other),
            ("[2001:db8::1]", PushService::Other),
        ] {
            let url = PushUrl::parse(&alloc::format!("https://{host}/p")).unwrap();
            assert_eq!(PushService::of(&url), service, "{host}");
        }
    }
}
