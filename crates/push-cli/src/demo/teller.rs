//! How the demo tells its story: numbered steps, and under each what every party sees.

use std::io::IsTerminal as _;

use crate::{error::Result, output};

/// Says what happens.
pub(super) struct Teller {
    step: u32,
    bold: bool,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { step: 0, bold: std::io::stdout().is_terminal() }
    }

    /// The next step.
    pub(super) fn step(&mut self, title: &str) -> Result<()> {
        self.step += 1;
        let line = format!("{}. {title}", self.step);
        output::line("")?;
        output::line(&if self.bold { format!("\u{1b}[1m{line}\u{1b}[0m") } else { line })
    }

    /// Where the story is.
    pub(super) const fn number(&self) -> u32 {
        self.step
    }

    /// What one of them sees or does.
    #[expect(clippy::unused_self, reason = "only who tells the story speaks for the parties")]
    pub(super) fn say(&self, party: &str, text: &str) -> Result<()> {
        output::line(&format!("   {party:<14}{text}"))
    }
}
