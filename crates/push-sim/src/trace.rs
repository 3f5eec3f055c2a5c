//! What happened, line by line, if anybody wants to read it.

use std::fmt;

use push_proto::Now;

/// Lines that are kept: what led to a failure is at the end.
const LINES: usize = 4000;

/// Off, unless the run is to be read.
#[derive(Debug, Default)]
pub(crate) struct Trace(Option<Vec<String>>);

impl Trace {
    pub(crate) const fn on() -> Self {
        Self(Some(Vec::new()))
    }

    /// Notes what somebody was given, or did.
    pub(crate) fn note(&mut self, now: Now, who: fmt::Arguments<'_>, what: &dyn fmt::Debug) {
        if let Some(lines) = self.0.as_mut().filter(|lines| lines.len() < LINES) {
            let secs = now.mono.as_nanos() / 1_000_000_000;
            lines.push(format!("{secs:>6} {:>10} {who}: {what:?}", now.wall.as_secs()));
        }
    }

    pub(crate) fn lines(self) -> Vec<String> {
        self.0.unwrap_or_default()
    }
}
