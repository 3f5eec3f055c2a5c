//! Sees to it that fjall cuts nothing off a journal but a commit that was cut short.
//!
//! fjall 3.1 takes the first entry that it cannot read for the end of a journal, and cuts the file there when it opens
//! it. That is right after a loss of power, and loses acknowledged messages in silence (G1) if a bit of an entry's head
//! has rotted: what its checksums cover is the rest. So a journal is looked through before fjall gets it.
//!
//! ```text
//! batch  1, count 4, sequence number 8; entries; 3, checksum 8, "FJL" 3
//! entry  2, type 1, compression 1, keyspace 8, key length 2, value length 4, the same again 4; key; value
//!        4, keyspace 8
//! ```
//!
//! Numbers are little-endian. After the last batch there is nothing, or zeros.

use std::io::{self, BufRead as _, BufReader, Read};

/// What a journal holds, but for a tail of zeros: fjall makes it 64 MiB long before it writes to it.
pub(super) fn read(journal: impl Read) -> io::Result<Vec<u8>> {
    let mut journal = BufReader::with_capacity(16 * PAGE_OCTETS, journal);
    let (mut octets, mut zeros) = (Vec::new(), 0);
    loop {
        let piece = journal.fill_buf()?;
        let length = piece.len();
        if length == 0 {
            return Ok(octets);
        }
        if piece.iter().all(|octet| *octet == 0) {
            zeros += length;
        } else {
            octets.resize(octets.len() + zeros, 0);
            octets.extend_from_slice(piece);
            zeros = 0;
        }
        journal.consume(length);
    }
}

/// Whether all that was ever committed to it is there for fjall to find, or for its checksums to miss.
///
/// One batch at a time is on its way to the disk, so a batch that does not end is the last. If there is an end after all,
/// it was whole once; unless a page of zeros lies before it, which is what is left of one that did not reach the disk
/// when power went.
pub(super) fn is_whole(journal: &[u8]) -> bool {
    let journal = without_tail(journal);
    let mut rest = journal;
    while let Some(after) = split_batch(rest) {
        rest = after;
    }
    let from = journal.len() - rest.len();
    ends(rest).all(|(at, last)| last && has_hole(journal, from, from + at))
}

/// Up to the last page that is not zeros.
fn without_tail(journal: &[u8]) -> &[u8] {
    let mut pages = journal.chunks(PAGE_OCTETS);
    let last = pages.rposition(|page| ZEROS.get(..page.len()) != Some(page));
    let octets = last.map_or(0, |last| (last + 1) * PAGE_OCTETS);
    journal.get(..octets).unwrap_or(journal)
}

/// Where batches end in what cannot be read as batches, and whether nothing comes after.
fn ends(octets: &[u8]) -> impl Iterator<Item = (usize, bool)> {
    octets.windows(END_OCTETS).enumerate().filter_map(|(at, window)| {
        let is_end = window.first() == Some(&END) && window.ends_with(MAGIC);
        match octets.get(at + END_OCTETS) {
            Some(&START) if is_end => Some((at, false)),
            None | Some(0) if is_end => Some((at, true)),
            _ => None,
        }
    })
}

/// Whether a whole page is zeros.
fn has_hole(journal: &[u8], from: usize, to: usize) -> bool {
    let first = from.next_multiple_of(PAGE_OCTETS);
    let pages = journal.get(first..to).unwrap_or_default().chunks_exact(PAGE_OCTETS);
    pages.into_iter().any(|page| page == ZEROS)
}

fn split_batch(octets: &[u8]) -> Option<&[u8]> {
    let ([START, head @ ..], mut rest) = octets.split_first_chunk::<13>()? else { return None };
    for _ in 0..u32::from_le_bytes(*head.first_chunk()?) {
        rest = split_entry(rest)?;
    }
    let (end, rest) = rest.split_at_checked(END_OCTETS)?;
    (end.first() == Some(&END) && end.ends_with(MAGIC)).then_some(rest)
}

fn split_entry(octets: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = octets.split_first()?;
    match *tag {
        ITEM => {
            let ([kind, compression], rest) = rest.split_first_chunk()?;
            let (_keyspace, rest) = rest.split_first_chunk::<8>()?;
            let (key, rest) = rest.split_first_chunk()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (value, rest) = rest.split_first_chunk()?;
            let octets = usize::from(u16::from_le_bytes(*key))
                .checked_add(usize::try_from(u32::from_le_bytes(*value)).ok()?)?;
            (KINDS.contains(kind) && *compression == 0 && length == value)
                .then(|| rest.get(octets..))
                .flatten()
        }
        CLEAR => rest.get(8..),
        _ => None,
    }
}

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// Of values: one, its removal, and the two that fjall keeps for itself.
const KINDS: [u8; 4] = [0, 1, 2, 4];
const MAGIC: &[u8] = b"FJL\x03";
/// Tag, checksum and magic.
const END_OCTETS: usize = 13;
const PAGE_OCTETS: usize = 4096;
const ZEROS: [u8; PAGE_OCTETS] = [0; PAGE_OCTETS];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_of_zeros_is_not_read_into_memory_and_a_hole_is() {
        let mut journal = vec![0; 40 * PAGE_OCTETS];
        journal[3] = 7;
        journal[20 * PAGE_OCTETS] = 7;
        let octets = read(journal.as_slice()).unwrap();
        assert!(octets.len() < 40 * PAGE_OCTETS);
        assert_eq!(octets, journal[..octets.len()]);
        assert_eq!(without_tail(&octets), without_tail(&journal));
    }

    fn batch(number: u8, octets: usize) -> Vec<u8> {
        let value = vec![number; octets];
        let length = u32::try_from(octets).unwrap().to_le_bytes();
        let item = [&[ITEM, 0, 0][..], &[1; 8], &[2, 0], &length, &length, b"ke", &value].concat();
        let clear = [&[CLEAR][..], &[1; 8]].concat();
        let start = [&[START, 2, 0, 0, 0][..], &[number; 8]].concat();
        [start, item, clear, vec![END], vec![9; 8], MAGIC.to_vec()].concat()
    }

    #[test]
    fn a_last_commit_that_was_cut_short_is_no_damage() {
        let whole = batch(7, 100);
        let last = batch(8, 20_000);
        for tail in [0, 1, PAGE_OCTETS * 3] {
            for cut in (0..=last.len()).step_by(97).chain([last.len()]) {
                let journal = [&whole[..], &last[..cut], &vec![0; tail]].concat();
                assert!(is_whole(&journal), "{cut} octets of the last, and {tail} zeros");
            }
            // Its pages come to the disk in any order.
            let journal = [&whole[..], &last[..], &vec![0; tail]].concat();
            for page in 1..4 {
                let mut torn = journal.clone();
                torn[page * PAGE_OCTETS..][..PAGE_OCTETS].fill(0);
                assert!(is_whole(&torn), "without page {page}");
            }
        }
        assert!(is_whole(&[]) && is_whole(&[0; 10_000]));
    }

    /// G1
    #[test]
    fn what_cannot_be_read_and_is_not_the_last_is_damage() {
        let journal = [batch(7, 5000), batch(8, 5000), batch(9, 5000)].concat();
        let middle = batch(7, 5000).len();
        // The heads of its three entries, but for what only checksums can tell.
        for at in [0, 1, 13, 15, 24, 26, 30, 5036, 5045, 5054] {
            for bit in 0..8 {
                let mut damaged = journal.clone();
                damaged[middle + at] ^= 1 << bit;
                assert!(!is_whole(&damaged), "bit {bit} of octet {at}");
            }
        }
        // The last one had been whole as well.
        let mut damaged = journal.clone();
        damaged[2 * middle] ^= 1;
        assert!(!is_whole(&damaged));
        assert!(!is_whole(&[damaged, vec![0; 10_000]].concat()));
        // What was written after it says that this one was durable.
        let mut torn = journal;
        torn[PAGE_OCTETS..][..PAGE_OCTETS].fill(0);
        torn[0] = 0;
        assert!(!is_whole(&torn));
    }
}
