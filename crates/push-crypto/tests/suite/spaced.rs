//! RFC 8188 contents whose data is never moved, whole and in parts.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use push_crypto::Provider;
use push_crypto::record::{
    Encoder, Header, Params, Part, RecordError, Records, Spaced, decode, decode_in_place, encode,
    encode_in_place, encoded_len,
};

use crate::common::{NoRandom, portable, providers};
use crate::record::stream;

const IKM: &[u8] = b"sixteen octets!!";

/// Each part on a thread of its own.
fn threads(parts: Vec<Part<'_>>) {
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(|| part.run());
        }
    });
}

/// Lays out `data` and encodes it; parts of 0 mean without parts.
fn encode_spaced(provider: &Provider, params: &Params, data: &[u8], parts: usize) -> Vec<u8> {
    let total = encoded_len(params, data.len()).unwrap();
    let mut content = vec![0xee; total + 3];
    let mut spaced = Spaced::new(params, &mut content, data.len()).unwrap();
    let mut rest = data;
    for space in spaced.spaces() {
        let (now, later) = rest.split_at(space.len());
        space.copy_from_slice(now);
        rest = later;
    }
    assert!(rest.is_empty(), "{} octets have no space", rest.len());
    let written = match parts {
        0 => spaced.encode(provider, IKM),
        _ => spaced.encode_in_parts(provider, IKM, parts, threads),
    };
    assert_eq!(written, Ok(total));
    assert_eq!(content.split_off(total), [0xee; 3]);
    content
}

/// The content of `data` under the salt of another content, in pieces.
fn encode_stream(provider: &Provider, like: &[u8], data: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::with_header(provider, IKM, Header::parse(like).unwrap());
    data.chunks(size).for_each(|piece| encoder.write(piece, &mut out).unwrap());
    encoder.finish(0, &mut out).unwrap();
    out
}

/// The data of `content`, in place with gaps; parts of 0 mean without parts.
fn decode_spaced(provider: &Provider, content: &[u8], parts: usize) -> Result<Vec<u8>, RecordError> {
    let header = Header::parse(content)?;
    let mut octets = content[header.len()..].to_vec();
    let records = Records::new(&header, &mut octets);
    let data = match parts {
        0 => records.decode(provider, IKM),
        _ => records.decode_in_parts(provider, IKM, parts, threads),
    };
    match data {
        Ok(data) => {
            assert_eq!(data.len(), content[header.len()..].chunks(header.record_size() as usize).len());
            assert_eq!(data.clone().flatten().copied().collect::<Vec<_>>(), data.concat());
            Ok(data.concat())
        }
        Err(error) => {
            assert!(octets.iter().all(|&octet| octet == 0), "partial output");
            Err(error)
        }
    }
}

/// Every way to decode says the same.
fn decode_all_ways(
    provider: &Provider,
    content: &[u8],
    (pieces, parts): (usize, usize),
) -> Result<Vec<u8>, RecordError> {
    let decoded = decode(provider, IKM, content);
    assert_eq!(decode_spaced(provider, content, 0), decoded);
    assert_eq!(decode_spaced(provider, content, parts), decoded);
    assert_eq!(stream(provider, IKM, content, pieces), decoded);
    if let Ok(header) = Header::parse(content) {
        let mut records = content[header.len()..].to_vec();
        let in_place = decode_in_place(provider, &header, IKM, &mut records);
        assert_eq!(in_place.map(|length| records[..length].to_vec()), decoded);
    }
    decoded
}

/// A record size, and what fills at most seven such records and begins an eighth.
fn contents_of_a_few_records(rs: usize) -> impl Strategy<Value = (u32, Vec<u8>)> {
    (Just(u32::try_from(rs).unwrap()), vec(any::<u8>(), 0..8 * (rs - 17)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Copied, moved, spaced, in parts and in pieces: one content and one data.
    #[test]
    fn all_ways_give_the_same_octets(
        (rs, data) in prop_oneof![18usize..40, 40usize..3000].prop_flat_map(contents_of_a_few_records),
        key_id in vec(any::<u8>(), 0..20), pieces in 1usize..3000, parts in 1usize..9,
    ) {
        let params = Params::new(rs, &key_id).unwrap();
        for provider in providers() {
            let mut moved = data.clone();
            moved.resize(encoded_len(&params, data.len()).unwrap(), 0);
            encode_in_place(&provider, IKM, &params, &mut moved, data.len()).unwrap();
            let contents = [
                moved,
                encode(&provider, IKM, &params, &data).unwrap(),
                encode_spaced(&provider, &params, &data, 0),
                encode_spaced(&provider, &params, &data, parts),
            ];
            for content in contents {
                prop_assert_eq!(&content, &encode_stream(&portable(), &content, &data, pieces));
                prop_assert_eq!(&decode_all_ways(&provider, &content, (pieces, parts)).unwrap(), &data);
            }
        }
    }

    /// Padding in any record is taken off, wherever the record is.
    #[test]
    fn padding_is_taken_off(
        rs in 18u32..300, runs in vec(vec(any::<u8>(), 0..400), 1..6), last in 0usize..300, parts in 1usize..6,
    ) {
        let params = Params::new(rs, b"").unwrap();
        for provider in providers() {
            let mut content = Vec::new();
            let mut encoder = Encoder::new(&provider, IKM, params.clone()).unwrap();
            for run in &runs {
                encoder.write(run, &mut content).unwrap();
                encoder.pad_record(&mut content).unwrap();
            }
            encoder.finish(last.min(rs as usize - 17), &mut content).unwrap();
            prop_assert_eq!(decode_all_ways(&provider, &content, (7, parts)).unwrap(), runs.concat());
        }
    }

    /// What is altered, cut or added is refused alike, for the same reason, with nothing left behind.
    #[test]
    fn bad_contents_are_refused_alike(
        rs in 18u32..100, data in vec(any::<u8>(), 0..500), at in any::<usize>(), bit in 0u32..8,
        cut in any::<usize>(), added in 0usize..40, parts in 1usize..6,
    ) {
        let provider = portable();
        let good = encode(&provider, IKM, &Params::new(rs, b"").unwrap(), &data).unwrap();
        let mut altered = good.clone();
        altered[21 + at % (good.len() - 21)] ^= 1u8 << bit;
        prop_assert!(decode_all_ways(&provider, &altered, (9, parts)).is_err());
        prop_assert!(decode_all_ways(&provider, &good[..cut % good.len()], (9, parts)).is_err());
        let longer = [&good[..], &vec![0; added + 1]].concat();
        prop_assert!(decode_all_ways(&provider, &longer, (9, parts)).is_err());
    }
}

/// `8188-2-2`, `8188-2-3`: the data lies where it will be encrypted, in records that are full but for the last.
#[test]
fn spaces_are_where_the_data_is() {
    let provider = portable();
    let params = Params::new(25, b"a1").unwrap();
    for (length, spaces) in
        [(0, &[0][..]), (1, &[1]), (8, &[8]), (9, &[8, 1]), (16, &[8, 8]), (17, &[8, 8, 1])]
    {
        let mut content = vec![0; encoded_len(&params, length).unwrap()];
        let mut spaced = Spaced::new(&params, &mut content, length).unwrap();
        assert_eq!(spaced.spaces().map(|space| space.len()).collect::<Vec<_>>(), spaces, "{length}");
        spaced.encode(&provider, IKM).unwrap();
        let header = Header::parse(&content).unwrap();
        let start = content[header.len()..].as_ptr();
        let data = Records::new(&header, &mut content[header.len()..]).decode(&provider, IKM).unwrap();
        for (index, piece) in data.enumerate() {
            assert_eq!((piece.as_ptr(), piece.len()), (start.wrapping_add(25 * index), spaces[index]));
        }
    }
}

/// A content is worked on in as many parts as the caller asks for, if it has so many records, and in one at least.
#[test]
fn there_are_never_more_parts_than_records() {
    let params = Params::new(18, b"").unwrap();
    for provider in providers() {
        for (length, asked, made) in
            [(0, 4, 1), (1, 0, 1), (3, 1, 1), (3, 2, 2), (3, 3, 3), (3, usize::MAX, 3), (8, 3, 3)]
        {
            let count = AtomicUsize::new(0);
            let counted = |parts: Vec<Part<'_>>| {
                count.store(parts.len(), Ordering::Relaxed);
                // In any order.
                parts.into_iter().rev().for_each(Part::run);
            };
            let mut content = vec![b'x'; encoded_len(&params, length).unwrap()];
            Spaced::new(&params, &mut content, length)
                .unwrap()
                .encode_in_parts(&provider, IKM, asked, counted)
                .unwrap();
            assert_eq!(count.load(Ordering::Relaxed), made, "{length} {asked}");
            assert_eq!(decode_all_ways(&provider, &content, (5, 3)).unwrap(), vec![b'x'; length]);

            let header = Header::parse(&content).unwrap();
            let records = Records::new(&header, &mut content[header.len()..]);
            records.decode_in_parts(&provider, IKM, asked, counted).unwrap();
            assert_eq!(count.load(Ordering::Relaxed), made, "{length} {asked}");
        }
    }
}

/// Whoever forgets a part gets neither content nor data.
#[test]
fn a_part_that_is_not_run_is_a_failure() {
    let params = Params::new(18, b"").unwrap();
    for provider in providers() {
        let forget_one = |parts: Vec<Part<'_>>| parts.into_iter().skip(1).for_each(Part::run);
        let mut content = vec![b'x'; encoded_len(&params, 4).unwrap()];
        let spaced = Spaced::new(&params, &mut content, 4).unwrap();
        assert_eq!(spaced.encode_in_parts(&provider, IKM, 2, forget_one), Err(RecordError::Library));
        assert!(content.iter().all(|&octet| octet == 0));

        let mut content = encode(&provider, IKM, &params, b"data").unwrap();
        let header = Header::parse(&content).unwrap();
        let records = Records::new(&header, &mut content[21..]);
        assert_eq!(records.decode_in_parts(&provider, IKM, 2, forget_one).err(), Some(RecordError::Library));
        assert!(content[21..].iter().all(|&octet| octet == 0));
    }
}

/// The first bad record is the one that is told of, whichever part is done first.
#[test]
fn the_first_failure_counts() {
    let params = Params::new(18, b"").unwrap();
    for provider in providers() {
        let good = encode(&provider, IKM, &params, b"data").unwrap();
        // The second record says that it is the last; the third is not authentic.
        let mut bad = Vec::new();
        let mut encoder = Encoder::with_header(&provider, IKM, Header::parse(&good).unwrap());
        encoder.write(b"da", &mut bad).unwrap();
        encoder.finish(0, &mut bad).unwrap();
        bad.extend_from_slice(&[7; 30]);
        let header = Header::parse(&bad).unwrap();
        for parts in 1..6 {
            let mut records = bad[21..].to_vec();
            let backwards = |parts: Vec<Part<'_>>| parts.into_iter().rev().for_each(Part::run);
            let decoded =
                Records::new(&header, &mut records).decode_in_parts(&provider, IKM, parts, backwards);
            assert_eq!(decoded.err(), Some(RecordError::Delimiter), "{parts}");
        }
        assert_eq!(decode_all_ways(&provider, &bad, (7, 4)), Err(RecordError::Delimiter));
    }
}

#[test]
fn what_does_not_fit_or_is_not_there() {
    let params = Params::new(25, b"").unwrap();
    let mut small = [7; 21 + 3 + 16];
    assert_eq!(Spaced::new(&params, &mut small, 3).err(), Some(RecordError::BufferTooSmall));
    assert_eq!(small, [7; 40]);
    assert_eq!(Spaced::new(&params, &mut small, usize::MAX).err(), Some(RecordError::BufferTooSmall));

    let header = Header::with_salt([1; 16], params.clone());
    assert_eq!(Records::new(&header, &mut []).decode(&portable(), IKM).err(), Some(RecordError::Truncated));
    for length in 1..17 {
        let mut records = vec![1; length];
        let decoded = Records::new(&header, &mut records).decode(&portable(), IKM);
        assert_eq!(decoded.err(), Some(RecordError::ShortRecord), "{length}");
    }

    let silent = Provider { random: &NoRandom, ..portable() };
    let mut content = [7; 40];
    let spaced = Spaced::new(&params, &mut content, 2).unwrap();
    assert_eq!(spaced.encode(&silent, IKM), Err(RecordError::Random));
    assert_eq!(encode(&silent, IKM, &params, b"data"), Err(RecordError::Random));
    let mut content = [7; 40];
    assert_eq!(encode_in_place(&silent, IKM, &params, &mut content, 2), Err(RecordError::Random));
    assert_eq!(content, [7; 40]);
}

/// The record size of a header costs nothing, and a part cannot be longer than the content.
#[test]
fn a_huge_record_size_is_harmless() {
    for provider in providers() {
        let params = Params::new(u32::MAX, b"").unwrap();
        let content = encode_spaced(&provider, &params, b"small", 4);
        assert_eq!(content.len(), 21 + 5 + 17);
        assert_eq!(decode_all_ways(&provider, &content, (1, 4)).unwrap(), b"small");
    }
}
