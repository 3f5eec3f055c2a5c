//! A notification into JSON.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::Value;

use super::{Action, Link, Notification, WEB_PUSH};

impl Notification {
    /// The payload, to be encrypted (`dwp-1`, `dwp-2`, `dwp-3`).
    ///
    /// `mutable` and `app_badge` are in it twice, at the top and inside `notification`: drafts and browsers moved them
    /// and each reads one place only (A-31, `dwp-4`, `dwp-5`).
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut top = Object::default();
        top.raw("web_push", &WEB_PUSH.to_string());
        let mut inner = Object::default();
        self.write_members(&mut inner);
        self.write_moved(&mut inner);
        top.raw("notification", &inner.end());
        self.write_moved(&mut top);
        top.end()
    }

    fn write_members(&self, to: &mut Object) {
        to.text("title", Some(&self.title));
        to.text("navigate", Some(self.navigate.as_str()));
        to.text("dir", self.dir.map(super::Direction::as_str));
        to.text("lang", self.lang());
        to.text("body", self.body());
        to.text("tag", self.tag());
        to.text("image", self.image().map(Link::as_str));
        to.text("icon", self.icon().map(Link::as_str));
        to.text("badge", self.badge().map(Link::as_str));
        if let Some(pattern) = &self.vibrate {
            to.raw("vibrate", &list(pattern.iter().map(u32::to_string)));
        }
        if let Some(timestamp) = self.timestamp {
            to.raw("timestamp", &timestamp.as_millis().to_string());
        }
        to.flag("renotify", self.renotify);
        if let Some(silent) = self.silent {
            to.raw("silent", if silent { "true" } else { "false" });
        }
        to.flag("requireInteraction", self.require_interaction);
        if let Some(data) = &self.data {
            to.raw("data", data);
        }
        if !self.actions.is_empty() {
            to.raw("actions", &list(self.actions.iter().map(Action::to_json)));
        }
    }

    fn write_moved(&self, to: &mut Object) {
        to.flag("mutable", self.mutable);
        if let Some(app_badge) = self.app_badge {
            to.raw("app_badge", &app_badge.to_string());
        }
    }
}

impl Action {
    fn to_json(&self) -> String {
        let mut to = Object::default();
        to.text("action", Some(&self.action));
        to.text("title", Some(&self.title));
        to.text("navigate", Some(self.navigate.as_str()));
        to.text("icon", self.icon().map(Link::as_str));
        to.end()
    }
}

/// The members of an object, each behind a comma or, the first, a brace.
#[derive(Default)]
struct Object(String);

impl Object {
    /// A member whose value is JSON already.
    fn raw(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.raw(name, &Value::from(value).to_string());
        }
    }

    /// A member that is false where it is missing.
    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.raw(name, "true");
        }
    }

    /// None of ours is without members.
    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn list(elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<String> = elements.collect();
    alloc::format!("[{}]", elements.join(","))
}
