//! Whose push service it is, as far as its name tells.

use crate::PushUrl;

/// Whose a push service is: that of one of the large browsers, or another. Nothing depends on it but what they alone want; their
/// answers are told apart by what they say ([`RULES`](super::RULES)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
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

impl Vendor {
    /// Whose push resource it is.
    ///
    /// ```
    /// # use push_proto::{PushUrl, application_server::Vendor};
    /// let url: PushUrl = "https://wns2-par02p.notify.windows.com/w/?token=1".parse()?;
    /// assert_eq!(Vendor::of(&url), Vendor::Wns);
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
const HOSTS: &[(&str, Vendor)] = &[
    ("push.apple.com", Vendor::Apple),
    ("fcm.googleapis.com", Vendor::Fcm),
    ("android.googleapis.com", Vendor::Fcm),
    ("jmt17.google.com", Vendor::Fcm),
    ("push.services.mozilla.com", Vendor::Mozilla),
    ("notify.windows.com", Vendor::Wns),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_from_its_end() {
        for (host, service) in [
            ("web.push.apple.com", Vendor::Apple),
            ("push.apple.com", Vendor::Apple),
            ("evilpush.apple.com", Vendor::Other),
            ("fcm.googleapis.com:8443", Vendor::Fcm),
            ("fcm.googleapis.com.example.net", Vendor::Other),
            ("UPDATES.push.services.mozilla.com", Vendor::Mozilla),
            ("db5p.notify.windows.com", Vendor::Wns),
            ("push.example.net", Vendor::Other),
            ("[2001:db8::1]", Vendor::Other),
        ] {
            let url = PushUrl::parse(&alloc::format!("https://{host}/p")).unwrap();
            assert_eq!(Vendor::of(&url), service, "{host}");
        }
    }
}
