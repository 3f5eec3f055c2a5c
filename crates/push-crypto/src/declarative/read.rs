//! JSON into a notification, as leniently as the draft has it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::{Action, Direction, Link, MAX_PAYLOAD_LEN, Notification, WEB_PUSH};
use crate::time::UnixMillis;

impl Notification {
    /// Reads a payload that was decrypted. URLs in it are resolved against `scope`, that of the service worker
    /// registration (`dwp-2`); without one they must be absolute.
    ///
    /// `None` is not an error: the message is an ordinary one, and the application gets it as it is (`dwp-6`). So it is
    /// if there is no title or no URL to open (`dwp-2`), or the notification could not be created (`dwp-8`). Other
    /// members are as if missing where their type is wrong, and unknown ones are ignored (`dwp-3`). `mutable` and
    /// `app_badge` are read at the top and inside `notification`.
    ///
    /// Only `https` and `http` URLs are followed: with any other to open, the message is an ordinary one.
    #[must_use]
    pub fn parse(payload: &[u8], scope: Option<&Link>) -> Option<Self> {
        if payload.len() > MAX_PAYLOAD_LEN {
            return None;
        }
        let text = String::from_utf8_lossy(payload);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let top = match serde_json::from_str(text) {
            Ok(Value::Object(top)) => top,
            _ => return None,
        };
        // The number, however it is written (dwp-1).
        if top.get("web_push").and_then(integer) != Some(WEB_PUSH) {
            return None;
        }
        let inner = top.get("notification")?.as_object()?;
        let navigate = Link::resolve(scope, inner.get("navigate")?.as_str()?)?;
        let mut read = Self::new(inner.get("title")?.as_str()?.to_string(), navigate);
        read.read_texts(inner);
        read.read_links(inner, scope);
        read.vibrate = inner.get("vibrate").and_then(pattern);
        read.timestamp = inner.get("timestamp").and_then(integer).map(UnixMillis::from_millis);
        read.renotify = flag(inner, "renotify").unwrap_or(false);
        read.silent = flag(inner, "silent");
        read.require_interaction = flag(inner, "requireInteraction").unwrap_or(false);
        read.data = inner.get("data").map(Value::to_string);
        read.actions = actions(inner, scope)?;
        read.mutable = [&top, inner].into_iter().any(|object| flag(object, "mutable") == Some(true));
        read.app_badge =
            [&top, inner].into_iter().find_map(|object| object.get("app_badge").and_then(badge_number));
        read.check().ok()
    }

    fn read_texts(&mut self, from: &Map<String, Value>) {
        let dir = from.get("dir").and_then(Value::as_str);
        self.dir = dir.and_then(|dir| Direction::ALL.into_iter().find(|known| known.as_str() == dir));
        self.lang = text(from, "lang");
        self.body = text(from, "body");
        self.tag = text(from, "tag");
    }

    /// A picture that cannot be had is no reason to show nothing.
    fn read_links(&mut self, from: &Map<String, Value>, scope: Option<&Link>) {
        let link = |member| from.get(member)?.as_str().and_then(|url| Link::resolve(scope, url));
        self.image = link("image");
        self.icon = link("icon");
        self.badge = link("badge");
    }
}

/// What lacks a name or a URL is skipped; a URL that leads nowhere is as bad as that of the notification.
fn actions(from: &Map<String, Value>, scope: Option<&Link>) -> Option<Vec<Action>> {
    let listed = from.get("actions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut actions = Vec::new();
    for listed in listed.iter().filter_map(Value::as_object) {
        let (Some(action), Some(title)) = (text(listed, "action"), text(listed, "title")) else { continue };
        let Some(navigate) = listed.get("navigate").and_then(Value::as_str) else { continue };
        let navigate = Link::resolve(scope, navigate)?;
        let icon = listed.get("icon").and_then(Value::as_str).and_then(|icon| Link::resolve(scope, icon));
        actions.push(Action { action, title, navigate, icon });
    }
    Some(actions)
}

fn text(from: &Map<String, Value>, member: &str) -> Option<String> {
    from.get(member)?.as_str().map(ToString::to_string)
}

fn flag(from: &Map<String, Value>, member: &str) -> Option<bool> {
    from.get(member)?.as_bool()
}

/// A whole number that is not negative; `8030.0` is one.
fn integer(value: &Value) -> Option<u64> {
    let whole = |number: f64| {
        // The cast saturates: what is not whole, or negative, or too large does not come back the same.
        let integer = number as u64;
        (integer as f64 == number && integer < u64::MAX).then_some(integer)
    };
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

/// One number, or a list of them.
fn pattern(value: &Value) -> Option<Vec<u32>> {
    let millis = |value: &Value| integer(value).and_then(|millis| u32::try_from(millis).ok());
    match value.as_array() {
        Some(values) => values.iter().map(millis).collect(),
        None => millis(value).map(|millis| alloc::vec![millis]),
    }
}

/// A number, or its digits in a string (`dwp-5`).
fn badge_number(value: &Value) -> Option<u64> {
    match value.as_str() {
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
        None => integer(value),
    }
}
