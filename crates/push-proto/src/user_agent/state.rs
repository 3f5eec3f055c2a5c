//! What a user agent must not forget: a versioned value, octets on the outside.

use alloc::{collections::BTreeSet, vec::Vec};
use core::{fmt, time::Duration};

use super::input::{Secret, Tag};
use crate::{Origin, PublicKey, PushUrl};

/// What outlives the program: the subscriptions, the acknowledgements that are still owed, and how long the paths to the
/// services keep silent connections. It holds capabilities and the application's secrets: keep it as you keep a password.
/// Not printable; the secrets are wiped on drop.
///
/// ```
/// # use push_proto::user_agent::State;
/// let state = State::default();
/// assert_eq!(State::from_bytes(&state.to_bytes()).unwrap(), state);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct State {
    pub(super) subscriptions: Vec<Kept>,
    /// Messages that the application has taken and the service may not know of (`8030-6.2-7`).
    pub(super) owed: Vec<PushUrl>,
    /// The longest silence that connections to a service are known to survive, in whole milliseconds.
    pub(super) learned: Vec<(Origin, Duration)>,
}

/// One subscription, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) tag: Tag,
    /// The application is done with it; its end is still to be told to the service (`w3c-unsub-1`).
    pub(super) leaving: bool,
    /// It is in no set with others (`8030-4.1-3`).
    pub(super) alone: bool,
    pub(super) url: PushUrl,
    pub(super) push: PushUrl,
    pub(super) set: Option<PushUrl>,
    pub(super) restricted_to: Option<PublicKey>,
    pub(super) secret: Secret,
}

impl State {
    /// The octets to keep. They hold the secrets in clear: wipe them after use.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        write_count(&mut body, self.subscriptions.len());
        for kept in &self.subscriptions {
            body.extend_from_slice(&kept.tag.0.to_be_bytes());
            body.push(u8::from(kept.leaving) | u8::from(kept.alone) << 1);
            write_field(&mut body, kept.url.as_str().as_bytes());
            write_field(&mut body, kept.push.as_str().as_bytes());
            write_field(&mut body, kept.set.as_ref().map_or("", PushUrl::as_str).as_bytes());
            write_field(&mut body, kept.restricted_to.as_ref().map_or(&[], |key| key.as_bytes().as_slice()));
            write_field(&mut body, kept.secret.expose());
        }
        write_count(&mut body, self.owed.len());
        for url in &self.owed {
            write_field(&mut body, url.as_str().as_bytes());
        }
        write_count(&mut body, self.learned.len());
        for (origin, silence) in &self.learned {
            write_field(&mut body, origin.as_str().as_bytes());
            body.extend_from_slice(&u64::try_from(silence.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
        }
        let mut octets = Vec::with_capacity(HEADER_OCTETS + body.len());
        octets.extend_from_slice(&MAGIC);
        octets.push(VERSION);
        octets.extend_from_slice(&crc32c(&body).to_be_bytes());
        octets.extend_from_slice(&body);
        zeroize::Zeroize::zeroize(&mut body);
        octets
    }

    /// Reads what [`State::to_bytes`] wrote, in this version or version 1, which knew nothing of silence.
    ///
    /// # Errors
    ///
    /// The octets are something else, damaged, or of a version that this program does not know. Never a guess.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, StateError> {
        let rest = octets.strip_prefix(&MAGIC).ok_or(StateError::Foreign)?;
        let (version, rest) = rest.split_first().ok_or(StateError::Damaged)?;
        if !(OLDEST_VERSION..=VERSION).contains(version) {
            return Err(StateError::Version(*version));
        }
        let (sum, body) = rest.split_first_chunk::<4>().ok_or(StateError::Damaged)?;
        if u32::from_be_bytes(*sum) != crc32c(body) {
            return Err(StateError::Damaged);
        }
        Reader(body).state(*version).ok_or(StateError::Damaged)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("subscriptions", &self.subscriptions.len())
            .field("owed", &self.owed.len())
            .field("learned", &self.learned.len())
            .finish()
    }
}

/// Why octets are no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// Not all there, or changed.
    Damaged,
    /// Nothing that a user agent wrote.
    Foreign,
    /// Written by another version, this one.
    Version(u8),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("the user agent's state is damaged"),
            Self::Foreign => f.write_str("this is not the state of a user agent"),
            Self::Version(version) => {
                write!(f, "the user agent's state has version {version}; this is {VERSION}")
            }
        }
    }
}

impl core::error::Error for StateError {}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn state(mut self, version: u8) -> Option<State> {
        let mut state = State::default();
        let mut tags = BTreeSet::new();
        for _ in 0..self.count()? {
            let kept = self.kept(version)?;
            if !tags.insert(kept.tag) {
                return None;
            }
            state.subscriptions.push(kept);
        }
        for _ in 0..self.count()? {
            state.owed.push(self.url()?);
        }
        if version > OLDEST_VERSION {
            for _ in 0..self.count()? {
                state.learned.push(self.learned()?);
            }
        }
        self.0.is_empty().then_some(state)
    }

    fn learned(&mut self) -> Option<(Origin, Duration)> {
        let origin = core::str::from_utf8(self.field()?).ok()?.parse().ok()?;
        Some((origin, Duration::from_millis(u64::from_be_bytes(self.chunk()?))))
    }

    fn kept(&mut self, version: u8) -> Option<Kept> {
        let tag = Tag(u64::from_be_bytes(self.chunk()?));
        let [flags] = self.chunk()?;
        let (leaving, alone) = (flags & 1 != 0, flags & 2 != 0);
        if flags > 3 || (alone && version == OLDEST_VERSION) {
            return None;
        }
        let (url, push) = (self.url()?, self.url()?);
        let set = match self.field()? {
            [] => None,
            text => Some(read_url(text)?),
        };
        let restricted_to = match self.field()? {
            [] => None,
            key => Some(PublicKey::from_bytes(key).ok()?),
        };
        let secret = Secret::new(self.field()?)?;
        Some(Kept { tag, leaving, alone, url, push, set, restricted_to, secret })
    }

    fn url(&mut self) -> Option<PushUrl> {
        read_url(self.field()?)
    }

    fn count(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_be_bytes(self.chunk()?));
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }
}

fn read_url(text: &[u8]) -> Option<PushUrl> {
    PushUrl::parse_allow_http(core::str::from_utf8(text).ok()?).ok()
}

fn write_count(octets: &mut Vec<u8>, count: usize) {
    // Limits keep it far below: a user agent with 2^32 subscriptions does not fit in memory.
    octets.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

/// Fields are URLs (at most 2048 octets), keys (65) and secrets (512).
fn write_field(octets: &mut Vec<u8>, field: &[u8]) {
    octets.extend_from_slice(&u16::try_from(field.len()).unwrap_or(u16::MAX).to_be_bytes());
    octets.extend_from_slice(field);
}

/// CRC-32C, one bit at a time: a state is written seldom and small.
fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg()))
    })
}

const MAGIC: [u8; 4] = *b"WPUA";
const VERSION: u8 = 2;
const OLDEST_VERSION: u8 = 1;
const HEADER_OCTETS: usize = MAGIC.len() + 1 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_crc32c() {
        // RFC 3720 appendix B.4: 32 octets of zeros, and of ones.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    fn example() -> State {
        let url = |path: &str| PushUrl::parse(&alloc::format!("https://push.example.net{path}")).unwrap();
        let kept = Kept {
            tag: Tag(7),
            leaving: false,
            alone: true,
            url: url("/s/1"),
            push: url("/p/1"),
            set: Some(url("/a/1")),
            restricted_to: None,
            secret: Secret::new(b"keys").unwrap(),
        };
        let lone = Kept { tag: Tag(8), leaving: true, alone: false, set: None, ..kept.clone() };
        let learned = (url("/").origin(), Duration::from_millis(90_500));
        State {
            subscriptions: alloc::vec![kept, lone],
            owed: alloc::vec![url("/m/1")],
            learned: alloc::vec![learned],
        }
    }

    /// What the last version wrote: no flag but one, and nothing after what is owed.
    #[test]
    fn the_first_version_is_still_read() {
        let mut old = State { learned: Vec::new(), ..example() };
        old.subscriptions.iter_mut().for_each(|kept| kept.alone = false);
        let octets = old.to_bytes();
        let body = &octets[HEADER_OCTETS..octets.len() - 4];
        let mut first = b"WPUA\x01".to_vec();
        first.extend_from_slice(&crc32c(body).to_be_bytes());
        first.extend_from_slice(body);
        assert_eq!(State::from_bytes(&first).unwrap(), old);
        let mut later = octets;
        later[4] = 1;
        assert_eq!(State::from_bytes(&later), Err(StateError::Damaged));
    }

    #[test]
    fn octets_round_trip_and_every_flipped_bit_is_noticed() {
        let octets = example().to_bytes();
        assert_eq!(State::from_bytes(&octets).unwrap(), example());
        for position in 0..octets.len() * 8 {
            let mut damaged = octets.clone();
            damaged[position / 8] ^= 1 << (position % 8);
            assert!(State::from_bytes(&damaged).is_err(), "bit {position}");
        }
        for length in 0..octets.len() {
            assert!(State::from_bytes(&octets[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_versions_and_other_files_are_named() {
        let mut octets = example().to_bytes();
        octets[4] = 9;
        assert_eq!(State::from_bytes(&octets), Err(StateError::Version(9)));
        assert_eq!(State::from_bytes(b"{}"), Err(StateError::Foreign));
        let mut twice = example();
        twice.subscriptions[1].tag = Tag(7);
        assert_eq!(State::from_bytes(&twice.to_bytes()), Err(StateError::Damaged));
    }

    #[test]
    fn debug_shows_no_capability() {
        let state = example();
        let debug = alloc::format!("{state:?}");
        assert!(state.subscriptions.iter().all(|kept| !debug.contains(kept.url.as_str())));
    }
}
