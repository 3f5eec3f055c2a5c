//! A keyring as text, for a file. Versioned; one key a line; oldest first.
//!
//! ```text
//! webpush-keyring 2
//! slot <base64url>
//! seal <key id> <when it was made, seconds since 1970, or -> <base64url>
//! ```
//!
//! Version 1 has no times, and is written where none is known.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use super::MAX_SEALING_KEYS;
use super::keyring::{KeyId, Keyring, SealingKey, SlotKey};
use crate::base64;
use crate::secret::SecretString;
use crate::time::UnixTime;

impl Keyring {
    /// The keyring as text. Whoever reads it can make every URL of the service.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        // Reserved at once, so that growing leaves no copies behind.
        let lines = self.sealing.len().saturating_add(2);
        let mut text = String::with_capacity(lines.saturating_mul(MAX_LINE_LEN));
        let dated = self.sealing.iter().any(|key| key.made.is_some());
        text.push_str(NAME);
        text.push_str(if dated { DATED_VERSION } else { VERSION });
        text.push_str("\nslot ");
        text.push_str(&Zeroizing::new(base64::encode(&self.slot.0)));
        for key in &self.sealing {
            text.push_str(&alloc::format!("\nseal {} ", key.id.as_u8()));
            match key.made {
                Some(made) => text.push_str(&alloc::format!("{} ", made.as_secs())),
                None if dated => text.push_str("- "),
                None => {}
            }
            text.push_str(&Zeroizing::new(base64::encode(&key.octets)));
        }
        text.push('\n');
        SecretString::new(text)
    }
}

impl FromStr for Keyring {
    type Err = KeyringTextError;

    /// Reads what [`Keyring::to_text`] wrote.
    fn from_str(text: &str) -> Result<Self, KeyringTextError> {
        let mut lines = text.lines();
        let dated = match lines.next().and_then(|line| line.strip_prefix(NAME)) {
            Some(VERSION) => false,
            Some(DATED_VERSION) => true,
            Some(_) => return Err(KeyringTextError::Version),
            None => return Err(KeyringTextError::NotAKeyring),
        };
        let slot = lines.next().and_then(|line| line.strip_prefix("slot ")).and_then(octets);
        let slot = SlotKey(*slot.ok_or(KeyringTextError::Line(2))?);
        let mut sealing: Vec<SealingKey> = Vec::new();
        for (line, number) in lines.zip(3..) {
            let key = sealing_key(line, dated).ok_or(KeyringTextError::Line(number))?;
            if sealing.len() >= MAX_SEALING_KEYS || sealing.iter().any(|other| other.id == key.id) {
                return Err(KeyringTextError::Line(number));
            }
            sealing.push(key);
        }
        if sealing.is_empty() { Err(KeyringTextError::NoKey) } else { Ok(Self { sealing, slot }) }
    }
}

/// What is wrong with the text of a keyring. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyringTextError {
    /// A line is malformed, repeats a key id, or is one key too many.
    Line(usize),
    /// There is no sealing key.
    NoKey,
    /// Not a keyring.
    NotAKeyring,
    /// A version that this release does not know.
    Version,
}

impl fmt::Display for KeyringTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number} of the keyring is malformed"),
            Self::NoKey => f.write_str("the keyring has no sealing key"),
            Self::NotAKeyring => f.write_str("the text is not a keyring"),
            Self::Version => f.write_str("the keyring has a version that is not known"),
        }
    }
}

impl core::error::Error for KeyringTextError {}

fn sealing_key(line: &str, dated: bool) -> Option<SealingKey> {
    let (id, rest) = line.strip_prefix("seal ")?.split_once(' ')?;
    let (made, key) = if dated { rest.split_once(' ')? } else { ("-", rest) };
    let made = if made == "-" { None } else { Some(UnixTime::from_secs(made.parse().ok()?)) };
    Some(SealingKey { id: KeyId(id.parse().ok()?), made, octets: *octets(key)? })
}

fn octets<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let octets = Zeroizing::new(base64::decode_strict(text.as_bytes())?);
    octets.as_slice().try_into().ok().map(Zeroizing::new)
}

const NAME: &str = "webpush-keyring ";
const VERSION: &str = "1";
const DATED_VERSION: &str = "2";
/// A keyword, a number, a time, and 43 characters of key.
const MAX_LINE_LEN: usize = 80;
