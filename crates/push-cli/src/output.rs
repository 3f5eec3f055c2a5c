//! Everything that this program says to people and pipes. Logs are another matter, see [`crate::log`].

use std::io::{self, IsTerminal as _, Write as _};

use crate::error::{Error, Result};

/// Writes a line to standard output, at once.
///
/// # Errors
///
/// Standard output is gone, for example because the reader of a pipe has had enough.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| Error::failed(format!("cannot write to standard output: {error}")))
}

/// Says something beside the result: to standard error, so that a pipe gets the result only.
pub(crate) fn note(text: &str) {
    // Nobody is left to tell that standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Tells why the program ends.
pub(crate) fn error(error: &Error) {
    note(&format!("webpush: {error}"));
}

/// `text` in bold where that shows, for headings.
pub(crate) fn heading(text: &str) -> Result<()> {
    if io::stdout().is_terminal() { line(&format!("\u{1b}[1m{text}\u{1b}[0m")) } else { line(text) }
}
