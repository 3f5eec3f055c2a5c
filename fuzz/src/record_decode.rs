use push_crypto::{
    Provider,
    record::{Decoder, Encoder, Header, Params, Part, RecordError, Records, decode, decode_in_place},
};

use crate::{
    fixture::{FAST, PORTABLE},
    script::{Script, pieces},
};

/// RFC 8188 content: any octets, and what an encoder wrote, damaged. Whole, in pieces or in parts, with either
/// provider, the same comes of it; damaged content is an error or what was written.
pub fn record_decode(octets: &[u8]) {
    let mut script = Script::new(octets);
    let (ikm, some, other): ([u8; 16], _, _) = (script.array(), script.string(), script.string());
    if script.flag() {
        let _ = agreed(&ikm, script.rest(), [some, other]);
        return;
    }
    let (mut content, data) = encoded(&mut script, &ikm);
    assert_eq!(agreed(&ikm, &content, [some, other]).as_ref(), Ok(&data));
    damage(&mut content, &mut script);
    if let Ok(decoded) = agreed(&ikm, &content, [some, other]) {
        assert_eq!(decoded, data, "8188-4.2-1: damaged and accepted");
    }
}

/// What all ways to decode agree on.
fn agreed(ikm: &[u8], content: &[u8], cuts: [&[u8]; 2]) -> Result<Vec<u8>, RecordError> {
    let whole = decode(&FAST, ikm, content);
    assert_eq!(decode(&PORTABLE, ikm, content), whole, "the providers differ");
    let Ok(header) = Header::parse(content) else { return whole };
    let records = &content[header.len()..];
    for (provider, cuts) in [(&*FAST, cuts[0]), (&PORTABLE, cuts[1]), (&FAST, &[0])] {
        assert_eq!(in_pieces(provider, &header, ikm, &pieces(records, cuts)), whole, "the cuts matter");
        assert_eq!(in_parts(provider, &header, ikm, (records, cuts.len())), whole, "the parts matter");
    }
    let mut moved = records.to_vec();
    let length = decode_in_place(&FAST, &header, ikm, &mut moved);
    assert_eq!(length.map(|length| moved[..length].to_vec()), whole, "moving matters");
    whole
}

fn in_parts(
    provider: &Provider,
    header: &Header,
    ikm: &[u8],
    (records, parts): (&[u8], usize),
) -> Result<Vec<u8>, RecordError> {
    let mut records = records.to_vec();
    let backwards = |parts: Vec<Part<'_>>| parts.into_iter().rev().for_each(Part::run);
    let data = Records::new(header, &mut records).decode_in_parts(provider, ikm, parts, backwards);
    data.map(|data| data.concat())
}

fn in_pieces(
    provider: &Provider,
    header: &Header,
    ikm: &[u8],
    pieces: &[&[u8]],
) -> Result<Vec<u8>, RecordError> {
    let mut decoder = Decoder::new(provider, header, ikm);
    let mut data = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut data) {
            assert_eq!(decoder.push(&[], &mut data), Err(error), "the same error again");
            return Err(error);
        }
    }
    decoder.finish(&mut data).map(|()| data)
}

/// Content with few or many records, padded here and there, and its data.
fn encoded(script: &mut Script<'_>, ikm: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let record_size = 18 + u32::from(script.octet());
    let params = Params::new(record_size, script.string()).unwrap();
    let room = params.data_len_of_a_record();
    let header = Header::with_salt(script.array(), params);
    let mut encoder = Encoder::with_header(&FAST, ikm, header);
    let (mut content, mut data) = (Vec::new(), Vec::new());
    for _ in 0..script.below(6) {
        if script.flag() {
            encoder.pad_record(&mut content).unwrap();
        }
        let piece = script.string();
        data.extend_from_slice(piece);
        encoder.write(piece, &mut content).unwrap();
    }
    let wanted = script.below(room + 1);
    let mut last = Vec::new();
    match encoder.finish(wanted, &mut last) {
        Ok(()) => content.extend(last),
        Err(error) => {
            // Without the last record it is no content: encode it anew, unpadded.
            assert_eq!(error, RecordError::PaddingTooLong);
            let header = Header::with_salt([1; 16], Params::new(record_size, b"k").unwrap());
            let mut encoder = Encoder::with_header(&PORTABLE, ikm, header);
            content.clear();
            encoder.write(&data, &mut content).unwrap();
            encoder.finish(0, &mut content).unwrap();
        }
    }
    (content, data)
}

trait Room {
    fn data_len_of_a_record(&self) -> usize;
}

impl Room for Params {
    /// Octets of data that fit into one record.
    fn data_len_of_a_record(&self) -> usize {
        usize::try_from(self.record_size()).unwrap() - push_crypto::record::RECORD_OVERHEAD
    }
}

/// Octets changed, cut off, put behind, or moved.
fn damage(content: &mut Vec<u8>, script: &mut Script<'_>) {
    let place = usize::from(script.u16()) % content.len();
    match script.octet() % 4 {
        0 => content[place] ^= script.octet(),
        1 => content.truncate(place),
        2 => content.extend_from_slice(script.string()),
        _ => content[place..].rotate_left(1),
    }
}
