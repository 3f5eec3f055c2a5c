//! Everything that this program says to people and pipes. Logs are another matter, see [`crate::log`].

use std::io::{self, Write as _};

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

/// Text by somebody else, without power over a terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|char| {
            if char.is_control() && char != '\n' && char != '\t' { char::REPLACEMENT_CHARACTER } else { char }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_by_others_cannot_drive_a_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}c\r\n\td"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}\n\td");
    }
}
