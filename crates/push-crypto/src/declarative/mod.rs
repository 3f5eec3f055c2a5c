//! Declarative Web Push: a payload that the user agent shows as a notification by itself, without a service worker.
//!
//! The format is that of the Push API's editor's draft of 2026 and of WebKit and Gecko, marked by `"web_push":8030`;
//! older generations are not written and not read (A-31). It is JSON inside the encryption, so it needs no Content-Type
//! and no push service has to know it (`dwp-7`), and a user agent that does not know it hands it to the service worker
//! like any other message.
//!
//! | who | uses |
//! |---|---|
//! | application server | [`Notification::builder`], [`Notification::to_json`], then [`crate::message::encrypt`] |
//! | user agent | [`crate::message::decrypt`], then [`Notification::parse`] |
//!
//! ```
//! use push_crypto::declarative::{Action, Link, Notification};
//!
//! let notification = Notification::builder("New message", "https://chat.example/inbox/42")
//!     .body("Hi!")
//!     .tag("inbox-42")
//!     .action(Action::new("mute", "Mute", "https://chat.example/inbox/42/mute")?)
//!     .app_badge(3)
//!     .build()?;
//! let payload = notification.to_json();
//! assert!(payload.starts_with(r#"{"web_push":8030,"notification":{"title":"New message","#));
//!
//! let scope: Link = "https://chat.example/".parse()?;
//! assert_eq!(Notification::parse(payload.as_bytes(), Some(&scope)), Some(notification));
//! // An ordinary message is not an error: it belongs to the application.
//! assert_eq!(Notification::parse(b"hello", Some(&scope)), None);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde_json::Value;

use crate::time::UnixMillis;
use crate::url::UrlError;

mod link;
mod read;
mod write;

pub use link::Link;

/// What says that a payload is declarative (`dwp-1`).
pub const WEB_PUSH: u64 = 8030;

/// The largest number that [`Builder::app_badge`] takes: WebKit reads no larger one, and drops the whole message.
pub const MAX_APP_BADGE: u64 = i32::MAX as u64;

/// The longest payload that [`Notification::parse`] looks at, in octets. Push services take about 4000.
pub const MAX_PAYLOAD_LEN: usize = 64 * 1024;

/// In which direction the text runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As the text suggests.
    Auto,
    /// From left to right.
    Ltr,
    /// From right to left.
    Rtl,
}

impl Direction {
    const ALL: [Self; 3] = [Self::Auto, Self::Ltr, Self::Rtl];

    /// The value of the member `dir`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

/// A notification that can be created: what makes the user agent refuse one cannot be in it (`dwp-8`).
///
/// `Debug` shows nothing of it, since it is a payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    title: String,
    navigate: Link,
    dir: Option<Direction>,
    lang: Option<String>,
    body: Option<String>,
    tag: Option<String>,
    image: Option<Link>,
    icon: Option<Link>,
    badge: Option<Link>,
    vibrate: Option<Vec<u32>>,
    timestamp: Option<UnixMillis>,
    renotify: bool,
    silent: Option<bool>,
    require_interaction: bool,
    data: Option<String>,
    actions: Vec<Action>,
    mutable: bool,
    app_badge: Option<u64>,
}

impl Notification {
    /// Begins a notification with the two members that it must have (`dwp-2`): a title, and the `https` or `http` URL
    /// that a click on it opens. All URLs are absolute, since WebKit resolves none.
    #[must_use]
    pub fn builder(title: impl Into<String>, navigate: &str) -> Builder {
        let title = title.into();
        if title.is_empty() {
            return Builder(Err(NotificationError::EmptyTitle));
        }
        Builder(link("navigate", navigate).map(|navigate| Self::new(title, navigate)))
    }

    const fn new(title: String, navigate: Link) -> Self {
        Self {
            title,
            navigate,
            dir: None,
            lang: None,
            body: None,
            tag: None,
            image: None,
            icon: None,
            badge: None,
            vibrate: None,
            timestamp: None,
            renotify: false,
            silent: None,
            require_interaction: false,
            data: None,
            actions: Vec::new(),
            mutable: false,
            app_badge: None,
        }
    }

    /// What the Notifications API refuses to create (`dwp-8`).
    fn check(self) -> Result<Self, NotificationError> {
        if self.renotify && self.tag.as_deref().unwrap_or_default().is_empty() {
            Err(NotificationError::RenotifyWithoutTag)
        } else if self.silent == Some(true) && self.vibrate.is_some() {
            Err(NotificationError::SilentWithVibrate)
        } else {
            Ok(self)
        }
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What a click on the notification opens.
    #[must_use]
    pub const fn navigate(&self) -> &Link {
        &self.navigate
    }

    /// In which direction the text runs.
    #[must_use]
    pub const fn dir(&self) -> Option<Direction> {
        self.dir
    }

    /// The language of the text, as a language tag.
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        self.lang.as_deref()
    }

    /// The text below the title.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// A notification with the same tag takes the place of this one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// A picture that is part of the content.
    #[must_use]
    pub const fn image(&self) -> Option<&Link> {
        self.image.as_ref()
    }

    /// A picture beside the text.
    #[must_use]
    pub const fn icon(&self) -> Option<&Link> {
        self.icon.as_ref()
    }

    /// A picture where there is no room for more.
    #[must_use]
    pub const fn badge(&self) -> Option<&Link> {
        self.badge.as_ref()
    }

    /// Milliseconds of vibration and pause, in turn.
    #[must_use]
    pub fn vibrate(&self) -> Option<&[u32]> {
        self.vibrate.as_deref()
    }

    /// What time the notification is about.
    #[must_use]
    pub const fn timestamp(&self) -> Option<UnixMillis> {
        self.timestamp
    }

    /// Whether the user is alerted again when this takes the place of another.
    #[must_use]
    pub const fn renotify(&self) -> bool {
        self.renotify
    }

    /// Whether there is neither sound nor vibration; `None` leaves it to the platform.
    #[must_use]
    pub const fn silent(&self) -> Option<bool> {
        self.silent
    }

    /// Whether it stays until the user acts.
    #[must_use]
    pub const fn require_interaction(&self) -> bool {
        self.require_interaction
    }

    /// The application's own data, as JSON.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// What else the user can choose. A user agent shows as many as it has room for.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Whether a service worker may replace the notification before it is shown; if it does not, this one is (`dwp-4`).
    #[must_use]
    pub const fn mutable(&self) -> bool {
        self.mutable
    }

    /// The number on the application's icon; 0 takes it away (`dwp-5`).
    #[must_use]
    pub const fn app_badge(&self) -> Option<u64> {
        self.app_badge
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notification(..)")
    }
}

/// Something that the user can choose instead of a click on the notification.
#[derive(Clone, PartialEq, Eq)]
pub struct Action {
    action: String,
    title: String,
    navigate: Link,
    icon: Option<Link>,
}

impl Action {
    /// Its name for the application, its name for the user, and the URL that it opens.
    ///
    /// # Errors
    ///
    /// The URL is not absolute, `https` or `http`.
    pub fn new(
        action: impl Into<String>,
        title: impl Into<String>,
        navigate: &str,
    ) -> Result<Self, NotificationError> {
        let navigate = link("actions.navigate", navigate)?;
        Ok(Self { action: action.into(), title: title.into(), navigate, icon: None })
    }

    /// With a picture.
    ///
    /// # Errors
    ///
    /// The URL is not absolute, `https` or `http`.
    pub fn with_icon(self, icon: &str) -> Result<Self, NotificationError> {
        Ok(Self { icon: Some(link("actions.icon", icon)?), ..self })
    }

    /// Its name for the application.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Its name for the user.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it opens.
    #[must_use]
    pub const fn navigate(&self) -> &Link {
        &self.navigate
    }

    /// Its picture.
    #[must_use]
    pub const fn icon(&self) -> Option<&Link> {
        self.icon.as_ref()
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Action(..)")
    }
}

/// Makes a [`Notification`]; [`Builder::build`] tells the first thing that was wrong.
///
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Builder(Result<Notification, NotificationError>);

impl Builder {
    /// In which direction the text runs.
    #[must_use]
    pub fn dir(self, dir: Direction) -> Self {
        self.set(|to| to.dir = Some(dir))
    }

    /// The language of the text, as a language tag.
    #[must_use]
    pub fn lang(self, lang: impl Into<String>) -> Self {
        self.set(|to| to.lang = Some(lang.into()))
    }

    /// The text below the title.
    #[must_use]
    pub fn body(self, body: impl Into<String>) -> Self {
        self.set(|to| to.body = Some(body.into()))
    }

    /// A later notification with the same tag takes the place of this one.
    #[must_use]
    pub fn tag(self, tag: impl Into<String>) -> Self {
        self.set(|to| to.tag = Some(tag.into()))
    }

    /// A picture that is part of the content.
    #[must_use]
    pub fn image(self, image: &str) -> Self {
        self.set_link("image", image, |to, link| to.image = Some(link))
    }

    /// A picture beside the text.
    #[must_use]
    pub fn icon(self, icon: &str) -> Self {
        self.set_link("icon", icon, |to, link| to.icon = Some(link))
    }

    /// A picture where there is no room for more.
    #[must_use]
    pub fn badge(self, badge: &str) -> Self {
        self.set_link("badge", badge, |to, link| to.badge = Some(link))
    }

    /// Milliseconds of vibration and pause, in turn. Not with [`Builder::silent`]. Only Chromium does it, and it may
    /// leave the standard.
    #[must_use]
    pub fn vibrate(self, pattern: &[u32]) -> Self {
        self.set(|to| to.vibrate = Some(pattern.to_vec()))
    }

    /// What time the notification is about.
    #[must_use]
    pub fn timestamp(self, timestamp: UnixMillis) -> Self {
        self.set(|to| to.timestamp = Some(timestamp))
    }

    /// Whether the user is alerted again when this takes the place of another. Needs [`Builder::tag`].
    #[must_use]
    pub fn renotify(self, renotify: bool) -> Self {
        self.set(|to| to.renotify = renotify)
    }

    /// Whether there is neither sound nor vibration. Without this the platform decides.
    #[must_use]
    pub fn silent(self, silent: bool) -> Self {
        self.set(|to| to.silent = Some(silent))
    }

    /// Whether it stays until the user acts.
    #[must_use]
    pub fn require_interaction(self, require_interaction: bool) -> Self {
        self.set(|to| to.require_interaction = require_interaction)
    }

    /// The application's own data: any JSON. It is sent without white space, its members in order of their names.
    #[must_use]
    pub fn data(self, json: &str) -> Self {
        self.try_set(|to| {
            let value: Value = serde_json::from_str(json).map_err(|_| NotificationError::Data)?;
            to.data = Some(value.to_string());
            Ok(())
        })
    }

    /// One more action. User agents show a few, and skip the rest.
    #[must_use]
    pub fn action(self, action: Action) -> Self {
        self.set(|to| to.actions.push(action))
    }

    /// Whether a service worker may replace the notification before it is shown (`dwp-4`).
    #[must_use]
    pub fn mutable(self, mutable: bool) -> Self {
        self.set(|to| to.mutable = mutable)
    }

    /// The number on the application's icon, at most [`MAX_APP_BADGE`]; 0 takes it away (`dwp-5`).
    #[must_use]
    pub fn app_badge(self, app_badge: u64) -> Self {
        self.try_set(|to| {
            to.app_badge = Some(app_badge);
            if app_badge > MAX_APP_BADGE { Err(NotificationError::AppBadge) } else { Ok(()) }
        })
    }

    /// The notification. How long it may be, encryption says.
    ///
    /// # Errors
    ///
    /// What would keep a user agent from showing it (`dwp-2`, `dwp-8`).
    pub fn build(self) -> Result<Notification, NotificationError> {
        self.0?.check()
    }

    fn set(self, set: impl FnOnce(&mut Notification)) -> Self {
        self.try_set(|to| {
            set(to);
            Ok(())
        })
    }

    fn set_link(self, member: &'static str, url: &str, set: impl FnOnce(&mut Notification, Link)) -> Self {
        self.try_set(|to| link(member, url).map(|link| set(to, link)))
    }

    fn try_set(self, set: impl FnOnce(&mut Notification) -> Result<(), NotificationError>) -> Self {
        Self(self.0.and_then(|mut notification| {
            set(&mut notification)?;
            Ok(notification)
        }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Builder(..)")
    }
}

fn link(member: &'static str, url: &str) -> Result<Link, NotificationError> {
    url.parse().map_err(|error| NotificationError::Url { member, error })
}

/// Why a user agent would not show a notification: the application's fault. Names the member and shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotificationError {
    /// The number on the icon is above [`MAX_APP_BADGE`].
    AppBadge,
    /// The data is not JSON.
    Data,
    /// The title is empty, which WebKit refuses.
    EmptyTitle,
    /// `renotify` without a tag (`dwp-8`).
    RenotifyWithoutTag,
    /// `silent` and `vibrate` (`dwp-8`).
    SilentWithVibrate,
    /// A URL is not absolute, `https` or `http`.
    Url {
        /// Which member.
        member: &'static str,
        /// What is wrong with it.
        error: UrlError,
    },
}

impl fmt::Display for NotificationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppBadge => write!(f, "app_badge: {MAX_APP_BADGE} is the most"),
            Self::Data => f.write_str("data: not JSON"),
            Self::EmptyTitle => f.write_str("title: empty"),
            Self::RenotifyWithoutTag => f.write_str("renotify: needs a tag that is not empty"),
            Self::SilentWithVibrate => f.write_str("silent: a silent notification cannot vibrate"),
            Self::Url { member, error } => write!(f, "{member}: {error}"),
        }
    }
}

impl core::error::Error for NotificationError {}
