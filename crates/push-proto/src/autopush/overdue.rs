//! Acknowledgements that the service had no room for.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{Handle, Mono, Refusal};

/// They are asked for again, since nobody else will: their user agent is done with these messages. Counts as what is not
/// answered yet, so [`Limits::requests`](super::Limits::requests) and one frame bound it.
#[derive(Debug, Default)]
pub(super) struct Overdue(Vec<(Mono, Handle)>);

impl Overdue {
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Not now, says the service, and perhaps when.
    pub(super) fn push(&mut self, handle: Handle, refusal: &Refusal, now: Mono) {
        self.0.push((now.after(refusal.retry_after().unwrap_or(AGAIN)), handle));
    }

    /// One whose time has come.
    pub(super) fn pop(&mut self, now: Mono) -> Option<Handle> {
        let at = self.0.iter().position(|(due, _)| *due <= now)?;
        let (_, handle) = self.0.swap_remove(at);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(handle)
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Mono> {
        self.0.iter().map(|(due, _)| *due).min()
    }
}

/// Where the service does not say when.
const AGAIN: Duration = Duration::from_secs(5);
