//! What the walk found, a line for each hop: for people, or for programs.

use serde_json::json;

use super::way::{Hop, Trouble};
use crate::{
    error::{Error, Result},
    output,
};

/// Says each hop as soon as it was walked.
pub(super) struct Report {
    json: bool,
    broken: u32,
}

/// A hop that was walked.
pub(super) struct Walked<T> {
    pub(super) value: T,
    pub(super) said: String,
    /// It works, and could work better: what to do.
    pub(super) advice: Option<String>,
}

impl<T> Walked<T> {
    pub(super) fn new(value: T, said: impl Into<String>) -> Self {
        Self { value, said: said.into(), advice: None }
    }

    pub(super) fn but(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

impl Report {
    pub(super) const fn new(json: bool) -> Self {
        Self { json, broken: 0 }
    }

    /// Takes what came of a hop; gives what the next ones need.
    pub(super) fn hop<T>(&mut self, name: &str, hop: Hop<Walked<T>>) -> Result<Option<T>> {
        match hop {
            Ok(Walked { value, said, advice }) => {
                let state = if advice.is_some() { "warning" } else { "ok" };
                self.say(state, name, &said, advice.as_deref())?;
                Ok(Some(value))
            }
            Err(Trouble { what, hint }) => {
                self.broken = self.broken.saturating_add(1);
                self.say("broken", name, &what, Some(&hint))?;
                Ok(None)
            }
        }
    }

    /// How it ended.
    pub(super) fn end(self) -> Result<()> {
        match self.broken {
            0 => Ok(()),
            1 => Err(Error::failed("one hop is broken")),
            more => Err(Error::failed(format!("{more} hops are broken"))),
        }
    }

    fn say(&self, state: &str, name: &str, said: &str, advice: Option<&str>) -> Result<()> {
        if self.json {
            return output::line(
                &json!({"hop": name, "state": state, "said": said, "do": advice}).to_string(),
            );
        }
        output::line(&output::harmless(&format!("{state:<8} {name:<13} {said}")))?;
        advice.map_or(Ok(()), |advice| output::line(&output::harmless(&format!("{:<22} -> {advice}", ""))))
    }
}
