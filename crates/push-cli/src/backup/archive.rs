//! The file of a backup.
//!
//! ```text
//! webpush-backup 1 \n
//! frame*            kind 1, length 4, content, check 32
//! ```
//!
//! | kind | frame | content |
//! |---|---|---|
//! | 1 | head, the first | when it was made, seconds since 1970: 8; the keyring as text |
//! | 2 | records | keyspace 1; then for each key length 2, value length 4, key, value, in the order of the keys |
//! | 3 | end, the last | how many records there are: 8 |
//!
//! Numbers are big-endian. A check is the SHA-256 of the check before it, kind, length and content; before the first it
//! is that of the first line. So each frame is known to be whole, and in its place, as soon as it was read, and what lacks
//! its end is cut short. It shows damage; it does not hold off somebody who wants to forge a backup.

use std::{
    fmt,
    io::{self, Read, Write},
};

use push_crypto::{UnixTime, capability::Keyring};
use push_store::{Records, engine::Keyspace};
use zeroize::Zeroizing;

/// A backup that is being written. It takes whole frames, so that nothing of the key stays in a buffer.
pub(super) struct Writing<W> {
    to: W,
    check: [u8; 32],
    records: u64,
}

impl<W: Write> Writing<W> {
    pub(super) fn begin(mut to: W, made: UnixTime, keyring: &Keyring) -> io::Result<Self> {
        to.write_all(FIRST_LINE.as_bytes())?;
        let mut writing = Self { to, check: push_crypto::sha256(&[FIRST_LINE.as_bytes()]), records: 0 };
        let text = keyring.to_text();
        let mut head = Zeroizing::new(Vec::with_capacity(text.expose().len().saturating_add(8)));
        head.extend_from_slice(&made.as_secs().to_be_bytes());
        head.extend_from_slice(text.expose().as_bytes());
        writing.frame(HEAD, &head)?;
        Ok(writing)
    }

    pub(super) fn records(&mut self, records: &Records) -> io::Result<()> {
        let mut content = vec![records.keyspace.number()];
        for (key, value) in &records.entries {
            let too_long = |_| io::Error::other("a record is too long for a backup");
            content.extend_from_slice(&u16::try_from(key.len()).map_err(too_long)?.to_be_bytes());
            content.extend_from_slice(&u32::try_from(value.len()).map_err(too_long)?.to_be_bytes());
            content.extend_from_slice(key);
            content.extend_from_slice(value);
            self.records = self.records.saturating_add(1);
        }
        self.frame(RECORDS, &content)
    }

    /// Gives back what was written to, and how many records are in it.
    pub(super) fn end(mut self) -> io::Result<(W, u64)> {
        self.frame(END, &self.records.to_be_bytes())?;
        self.to.flush()?;
        Ok((self.to, self.records))
    }

    fn frame(&mut self, kind: u8, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len()).ok().filter(|length| *length <= FRAME_OCTETS_MAX);
        let length = length.ok_or_else(|| io::Error::other("a record is too long for a backup"))?;
        let [a, b, c, d] = length.to_be_bytes();
        let prefix = [kind, a, b, c, d];
        self.check = push_crypto::sha256(&[&self.check, &prefix, content]);
        self.to.write_all(&prefix)?;
        self.to.write_all(content)?;
        self.to.write_all(&self.check)
    }
}

/// A backup that is being read.
pub(super) struct Reading<R> {
    from: R,
    check: [u8; 32],
    records: u64,
    ended: bool,
}

/// What a backup says first.
pub(super) struct Head {
    pub(super) made: UnixTime,
    pub(super) keyring: Keyring,
}

impl<R: Read> Reading<R> {
    pub(super) fn begin(mut from: R) -> Result<(Head, Self), Unreadable> {
        let line = first_line(&mut from)?;
        match line.strip_prefix(NAME).map(|version| version.trim_ascii_end()) {
            Some(VERSION) => {}
            Some(newer) if !newer.is_empty() && newer.iter().all(u8::is_ascii_digit) => {
                return Err(Unreadable::Version(String::from_utf8_lossy(newer).into_owned()));
            }
            _ => return Err(Unreadable::NotABackup),
        }
        let mut reading = Self { from, check: push_crypto::sha256(&[&line]), records: 0, ended: false };
        let (HEAD, content) = reading.frame()? else { return Err(Unreadable::Damaged) };
        let (made, text) = content.split_first_chunk().ok_or(Unreadable::Damaged)?;
        let keyring = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        let made = UnixTime::from_secs(u64::from_be_bytes(*made));
        Ok((Head { made, keyring: keyring.ok_or(Unreadable::Damaged)? }, reading))
    }

    /// The next records; `None` once the end was read, and nothing lies behind it.
    pub(super) fn next_records(&mut self) -> Result<Option<Records>, Unreadable> {
        if self.ended {
            return Ok(None);
        }
        match self.frame()? {
            (RECORDS, content) => {
                let records = parse(&content).ok_or(Unreadable::Damaged)?;
                let more = u64::try_from(records.entries.len()).unwrap_or(u64::MAX);
                self.records = self.records.saturating_add(more);
                Ok(Some(records))
            }
            (END, content) if *content == self.records.to_be_bytes() => {
                let behind = self.from.read(&mut [0]).map_err(Unreadable::Io)?;
                self.ended = true;
                if behind == 0 { Ok(None) } else { Err(Unreadable::Damaged) }
            }
            _ => Err(Unreadable::Damaged),
        }
    }

    /// How many were read.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    fn frame(&mut self) -> Result<(u8, Zeroizing<Vec<u8>>), Unreadable> {
        let mut prefix = [0; 5];
        fill(&mut self.from, &mut prefix)?;
        let [kind, length @ ..] = prefix;
        let length = u32::from_be_bytes(length);
        if length > FRAME_OCTETS_MAX {
            return Err(Unreadable::Damaged);
        }
        let mut content = Zeroizing::new(vec![0; usize::try_from(length).unwrap_or_default()]);
        fill(&mut self.from, &mut content)?;
        let mut check = [0; 32];
        fill(&mut self.from, &mut check)?;
        self.check = push_crypto::sha256(&[&self.check, &prefix, &content]);
        if check == self.check { Ok((kind, content)) } else { Err(Unreadable::Damaged) }
    }
}

/// The first line with its end, or what stands in its place.
fn first_line(from: &mut impl Read) -> Result<Vec<u8>, Unreadable> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < FIRST_LINE_OCTETS_MAX {
        let mut octet = [0];
        match fill(from, &mut octet) {
            Err(Unreadable::CutShort) if !(NAME.starts_with(&line) || line.starts_with(NAME)) => {
                return Err(Unreadable::NotABackup);
            }
            filled => filled?,
        }
        line.extend_from_slice(&octet);
    }
    Ok(line)
}

fn fill(from: &mut impl Read, octets: &mut [u8]) -> Result<(), Unreadable> {
    from.read_exact(octets).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Unreadable::CutShort
        } else {
            Unreadable::Io(error)
        }
    })
}

fn parse(content: &[u8]) -> Option<Records> {
    let (&number, mut rest) = content.split_first()?;
    let keyspace = Keyspace::ALL.into_iter().find(|keyspace| keyspace.number() == number)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (key, more) = rest.split_first_chunk()?;
        let (value, more) = more.split_first_chunk()?;
        let (key, more) = more.split_at_checked(usize::from(u16::from_be_bytes(*key)))?;
        let (value, more) = more.split_at_checked(usize::try_from(u32::from_be_bytes(*value)).ok()?)?;
        entries.push((key.to_vec(), value.to_vec()));
        rest = more;
    }
    Some(Records { keyspace, entries })
}

/// Why a backup cannot be used.
#[derive(Debug)]
pub(super) enum Unreadable {
    CutShort,
    Damaged,
    Io(io::Error),
    NotABackup,
    /// Of another format.
    Version(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort => f.write_str("it is cut short: its end is missing"),
            Self::Damaged => f.write_str("it is damaged: a part of it is not what was written"),
            Self::Io(error) => f.write_str(&crate::files::why(error)),
            Self::NotABackup => f.write_str("it is not a backup made by `webpush backup`"),
            Self::Version(version) => {
                write!(f, "it has format {version}, and this version of webpush knows format 1")
            }
        }
    }
}

const FIRST_LINE: &str = "webpush-backup 1\n";
const NAME: &[u8] = b"webpush-backup ";
const VERSION: &[u8] = b"1";
const FIRST_LINE_OCTETS_MAX: usize = 32;
const HEAD: u8 = 1;
const RECORDS: u8 = 2;
const END: u8 = 3;
/// A page of records has 256 KiB, and one more record at the most; the longest is 1 MiB.
const FRAME_OCTETS_MAX: u32 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::generate(&push_crypto::aws_lc::provider()).unwrap()
    }

    fn some() -> Vec<Records> {
        let entries =
            |number: u8| (0..number).map(move |at| (vec![number, at], vec![at; usize::from(at) * 9]));
        let of = |(keyspace, number)| Records { keyspace, entries: entries(number).collect() };
        [(Keyspace::Messages, 7), (Keyspace::Messages, 9), (Keyspace::Seen, 1)].map(of).into()
    }

    fn written(keyring: &Keyring) -> Vec<u8> {
        let mut writing = Writing::begin(Vec::new(), UnixTime::from_secs(5), keyring).unwrap();
        some().iter().for_each(|records| writing.records(records).unwrap());
        let (octets, records) = writing.end().unwrap();
        assert_eq!(records, 17);
        octets
    }

    fn read(octets: &[u8]) -> Result<(Head, Vec<Records>), Unreadable> {
        let (head, mut reading) = Reading::begin(octets)?;
        let mut all = Vec::new();
        while let Some(records) = reading.next_records()? {
            all.push(records);
        }
        assert!(reading.next_records()?.is_none());
        Ok((head, all))
    }

    #[test]
    fn what_was_written_is_read() {
        let keyring = keyring();
        let (head, records) = read(&written(&keyring)).unwrap();
        assert_eq!(head.made, UnixTime::from_secs(5));
        assert_eq!(head.keyring.to_text().expose(), keyring.to_text().expose());
        assert!(records == some());
    }

    #[test]
    fn every_change_is_found_out() {
        let whole = written(&keyring());
        for length in 0..whole.len() {
            let cut = read(&whole[..length]).err();
            assert!(matches!(cut, Some(Unreadable::CutShort)), "{length}: {cut:?}");
        }
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 8);
            assert!(read(&altered).is_err(), "{at}");
        }
        let longer = [whole.as_slice(), b"\0"].concat();
        assert!(matches!(read(&longer), Err(Unreadable::Damaged)));
    }

    #[test]
    fn frames_are_in_their_place() {
        // Head, three of records, and the end, which are told apart by their lengths.
        let whole = written(&keyring());
        let (line, mut rest) = whole.split_at(FIRST_LINE.len());
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            let (frame, more) = rest.split_at(5 + length + 32);
            frames.push(frame);
            rest = more;
        }
        let of = |places: &[usize]| {
            let frames = places.iter().map(|place| frames[*place]);
            read(&std::iter::once(line).chain(frames).collect::<Vec<_>>().concat())
        };
        assert!(of(&[0, 1, 2, 3, 4]).is_ok());
        for places in
            [&[0, 2, 1, 3, 4][..], &[0, 1, 3, 4], &[1, 2, 3, 4], &[0, 1, 1, 2, 3, 4], &[0, 1, 2, 4, 3]]
        {
            assert!(matches!(of(places), Err(Unreadable::Damaged)), "{places:?}");
        }
    }

    #[test]
    fn what_is_none_and_what_is_newer_is_told_apart() {
        for (text, says) in [
            ("hello, world\n", "not a backup"),
            ("hello", "not a backup"),
            ("webpush-backup x\n", "not a backup"),
            ("webpush-backup 1", "cut short"),
            ("", "cut short"),
            ("webpush-backup 2\nwhatever", "format 2, and this version of webpush knows format 1"),
        ] {
            let error = read(text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        let huge = [FIRST_LINE.as_bytes(), &[HEAD, 0xff, 0xff, 0xff, 0xff]].concat();
        assert!(matches!(read(&huge), Err(Unreadable::Damaged)), "nothing is reserved for it");
    }
}
