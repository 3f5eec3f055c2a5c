//! RFC 8188.

use push_crypto::Provider;
use push_crypto::record::{
    Decoder, Encoder, Header, Params, RecordError, decode, decode_in_place, encode, encode_in_place,
    encoded_len,
};
use serde_json::Value;

use crate::common::{array, encode as base64url, hmac, octets, providers, text, vectors};

const IKM: &[u8] = b"sixteen octets!!";

/// Both examples with every provider.
fn examples(check: impl Fn(&Provider, &Value)) {
    for provider in providers() {
        for example in vectors()["rfc8188"].as_array().unwrap() {
            check(&provider, example);
        }
    }
}

fn header_of(example: &Value) -> Header {
    let rs = u32::try_from(example["rs"].as_u64().unwrap()).unwrap();
    Header::with_salt(array(example, "salt"), Params::new(rs, text(example, "keyid").as_bytes()).unwrap())
}

/// RFC 8188 sections 3.1 and 3.2: `8188-2.1-1`, `8188-2.1-3`.
#[test]
fn rfc8188_3_headers_parse_and_print() {
    examples(|_, example| {
        let body = octets(example, "body");
        let header = Header::parse(&body).unwrap();
        assert_eq!(header, header_of(example));
        let mut printed = vec![0; header.len()];
        header.write(&mut printed).unwrap();
        assert_eq!(printed, body[..header.len()]);
        for length in 0..header.len() {
            assert_eq!(Header::parse(&body[..length]), Err(RecordError::Truncated), "{length}");
        }
        assert_eq!(header.write(&mut printed[1..]), Err(RecordError::BufferTooSmall));
    });
}

/// RFC 8188 sections 3.1 and 3.2: `8188-2.2-1`, `8188-2.2-2`, `8188-2.3-1`, `8188-2.3-2`, `8188-2-1`, `8188-2-9`.
#[test]
fn rfc8188_3_intermediate_values() {
    examples(|provider, example| {
        let prk = hmac(provider, &octets(example, "salt"), &[&octets(example, "ikm")]);
        assert_eq!(prk[..], octets(example, "prk"));
        let cek = hmac(provider, &prk, &[b"Content-Encoding: aes128gcm\0", &[1]]);
        assert_eq!(cek[..16], octets(example, "cek"));
        let nonce = hmac(provider, &prk, &[b"Content-Encoding: nonce\0", &[1]]);
        assert_eq!(nonce[..12], octets(example, "nonce"));

        let body = octets(example, "body");
        let header = Header::parse(&body).unwrap();
        let records = body[header.len()..].chunks(header.record_size() as usize);
        for (sequence, (record, padded)) in
            records.zip(example["padded_records"].as_array().unwrap()).enumerate()
        {
            let mut nonce: [u8; 12] = array(example, "nonce");
            nonce[11] ^= u8::try_from(sequence).unwrap();
            let mut record = record.to_vec();
            provider.aead.with_key(&array(example, "cek"), &mut |key| key.open(&nonce, &mut record).unwrap());
            record.truncate(record.len() - 16);
            assert_eq!(base64url(&record), padded.as_str().unwrap());
        }
    });
}

/// RFC 8188 section 3.1.
#[test]
fn rfc8188_3_1_encodes() {
    for provider in providers() {
        let example = &vectors()["rfc8188"][0];
        let mut content = Vec::new();
        let mut encoder = Encoder::with_header(&provider, &octets(example, "ikm"), header_of(example));
        encoder.write(text(example, "plaintext").as_bytes(), &mut content).unwrap();
        encoder.finish(0, &mut content).unwrap();
        assert_eq!(content, octets(example, "body"));
        assert_eq!(content.len() as u64, example["content_length"].as_u64().unwrap());
    }
}

/// RFC 8188 section 3.2: two records, the first with padding (`8188-2-4`, `8188-4.8-1`).
#[test]
fn rfc8188_3_2_encodes() {
    for provider in providers() {
        let example = &vectors()["rfc8188"][1];
        let mut content = Vec::new();
        let mut encoder = Encoder::with_header(&provider, &octets(example, "ikm"), header_of(example));
        encoder.write(b"I am th", &mut content).unwrap();
        encoder.pad_record(&mut content).unwrap();
        encoder.write(b"e walrus", &mut content).unwrap();
        encoder.finish(0, &mut content).unwrap();
        assert_eq!(content, octets(example, "body"));
    }
}

/// RFC 8188 sections 3.1 and 3.2, whole, in place and in pieces of every size.
#[test]
fn rfc8188_3_decodes() {
    examples(|provider, example| {
        let (ikm, body) = (octets(example, "ikm"), octets(example, "body"));
        let plaintext = text(example, "plaintext").as_bytes();
        assert_eq!(decode(provider, &ikm, &body).unwrap(), plaintext);

        let header = Header::parse(&body).unwrap();
        let mut records = body[header.len()..].to_vec();
        let length = decode_in_place(provider, &header, &ikm, &mut records).unwrap();
        assert_eq!(&records[..length], plaintext);

        for size in 1..=body.len() {
            assert_eq!(stream(provider, &ikm, &body, size).unwrap(), plaintext, "{size}");
        }
    });
}

/// RFC 8188 appendix A: a record is a JWE with the same key, nonce, ciphertext and tag (`8188-A-1`).
#[test]
fn rfc8188_a_jwe() {
    let vectors = vectors();
    let example = &vectors["rfc8188"][0];
    let parts: Vec<&str> = text(&vectors["rfc8188_jwe"], "compact").split('.').collect();
    assert_eq!(parts[2], text(example, "nonce"));
    let body = octets(example, "body");
    let (ciphertext, tag) = body[21..].split_at(16);
    assert_eq!((parts[3], parts[4]), (base64url(ciphertext).as_str(), base64url(tag).as_str()));
}

/// `8188-2.3-2`, `8188-4.2-1`: what is altered, cut, moved, repeated or added is refused, with no data left behind.
#[test]
fn rfc8188_4_2_altered_content_is_refused() {
    for provider in providers() {
        let params = Params::new(25, b"a1").unwrap();
        let good = encode(&provider, IKM, &params, b"three records of data").unwrap();
        let (header, records) = good.split_at(23);
        let records: Vec<&[u8]> = records.chunks(25).collect();
        assert_eq!(records.len(), 3);

        let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
        // The key id (21 and 22) only chooses the key; everything else is authenticated.
        for index in (0..good.len()).filter(|index| !(21..23).contains(index)) {
            let mut altered = good.clone();
            altered[index] ^= 0x10;
            bad.push(altered);
        }
        for order in
            [&[0, 1][..], &[0, 2], &[1, 2], &[2], &[1, 0, 2], &[0, 1, 1, 2], &[0, 1, 2, 2], &[0, 1, 2, 0]]
        {
            let moved = order.iter().flat_map(|&index: &usize| records[index]);
            bad.push(header.iter().chain(moved).copied().collect());
        }
        bad.push([&good[..], &[0]].concat());

        for content in bad {
            assert!(decode(&provider, IKM, &content).is_err());
            assert!(stream(&provider, IKM, &content, 7).is_err());
            if let Ok(header) = Header::parse(&content) {
                let mut records = content[header.len()..].to_vec();
                assert!(decode_in_place(&provider, &header, IKM, &mut records).is_err());
                assert!(records.iter().all(|&octet| octet == 0), "partial output");
            }
        }
        assert!(decode(&provider, b"another ikm", &good).is_err());
    }
}

/// A stream that was cut at a record boundary has released its data, but is not complete: `8188-4.2-1`.
#[test]
fn rfc8188_4_2_a_cut_stream_is_not_complete() {
    for provider in providers() {
        let content = encode(&provider, IKM, &Params::new(18, b"").unwrap(), b"abc").unwrap();
        let header = Header::parse(&content).unwrap();
        let records = &content[header.len()..];
        let mut data = Vec::new();
        let mut decoder = Decoder::new(&provider, &header, IKM);
        decoder.push(&records[..36], &mut data).unwrap();
        assert_eq!(data, b"a", "the second record might be the last");
        assert_eq!(decoder.finish(&mut data), Err(RecordError::Delimiter));
        assert_eq!(data, b"a");

        let decoder = Decoder::new(&provider, &header, IKM);
        assert_eq!(decoder.finish(&mut data), Err(RecordError::Truncated));
    }
}

/// After a failure a decoder never works again.
#[test]
fn a_failed_decoder_stays_failed() {
    for provider in providers() {
        let content = encode(&provider, IKM, &Params::new(18, b"").unwrap(), b"abc").unwrap();
        let header = Header::parse(&content).unwrap();
        let mut decoder = Decoder::new(&provider, &header, IKM);
        let mut data = Vec::new();
        assert_eq!(decoder.push(&[0; 19], &mut data), Err(RecordError::NotAuthentic));
        assert_eq!(decoder.push(&content[header.len()..], &mut data), Err(RecordError::NotAuthentic));
        assert_eq!(decoder.finish(&mut data), Err(RecordError::NotAuthentic));
        assert!(data.is_empty());
    }
}

/// `8188-2-2`, `8188-2-3`: at data = rs − 17 and rs − 16.
#[test]
fn rfc8188_2_record_boundaries() {
    for provider in providers() {
        for rs in [18, 19, 25, 4096] {
            let params = Params::new(rs, b"").unwrap();
            let full = rs as usize - 17;
            for (length, records) in [(0, 1), (full, 1), (full + 1, 2), (2 * full, 2), (2 * full + 1, 3)] {
                let data = vec![b'x'; length];
                let content = encode(&provider, IKM, &params, &data).unwrap();
                assert_eq!(content.len(), 21 + length + 17 * records);
                assert_eq!(Some(content.len()), encoded_len(&params, length));
                assert_eq!(decode(&provider, IKM, &content).unwrap(), data);
            }
        }
    }
}

/// `8188-2.1-4`, `8188-2.1-5`.
#[test]
fn rfc8188_2_1_params_are_checked() {
    assert_eq!(Params::new(17, b""), Err(RecordError::RecordSize(17)));
    assert!(Params::new(18, &[0; 255]).is_ok());
    assert_eq!(Params::new(18, &[0; 256]), Err(RecordError::KeyIdTooLong(256)));
    let mut header = [0; 21];
    header[19] = 17;
    assert_eq!(Header::parse(&header), Err(RecordError::RecordSize(17)));
    header[19] = 18;
    header[20] = 1;
    assert_eq!(Header::parse(&header), Err(RecordError::Truncated));
}

/// `8188-2-5`: shorter than 17 octets, at the end or alone.
#[test]
fn rfc8188_2_short_records_are_refused() {
    for provider in providers() {
        let header = Header::with_salt([1; 16], Params::new(18, b"").unwrap());
        for length in 1..17 {
            let mut records = vec![1; length];
            let decoded = decode_in_place(&provider, &header, IKM, &mut records);
            assert_eq!(decoded, Err(RecordError::ShortRecord), "{length}");
        }
        assert_eq!(decode_in_place(&provider, &header, IKM, &mut []), Err(RecordError::Truncated));
    }
}

/// The record size of a header costs nothing until so many octets have come.
#[test]
fn a_huge_record_size_is_harmless() {
    for provider in providers() {
        let params = Params::new(u32::MAX, b"").unwrap();
        let content = encode(&provider, IKM, &params, b"small").unwrap();
        assert_eq!(content.len(), 21 + 5 + 17);
        assert_eq!(stream(&provider, IKM, &content, 1).unwrap(), b"small");
        assert_eq!(decode(&provider, IKM, &content).unwrap(), b"small");
    }
}

/// `8188-2.1-2`, `8188-4.3-1`: the salt is drawn, and differs every time.
#[test]
fn salts_differ() {
    for provider in providers() {
        let params = Params::new(18, b"").unwrap();
        let mut salts = std::collections::BTreeSet::new();
        for _ in 0..2000 {
            let content = encode(&provider, IKM, &params, b"").unwrap();
            assert!(salts.insert(*Header::parse(&content).unwrap().salt()));
        }
    }
}

#[test]
fn buffers_and_padding_that_do_not_fit() {
    for provider in providers() {
        let params = Params::new(25, b"").unwrap();
        let mut small = [0; 21 + 3 + 16];
        assert_eq!(encode_in_place(&provider, IKM, &params, &mut small, 3), Err(RecordError::BufferTooSmall));
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&provider, IKM, params.clone()).unwrap();
        encoder.write(b"1234", &mut out).unwrap();
        assert_eq!(encoder.finish(5, &mut out), Err(RecordError::PaddingTooLong));
        let mut encoder = Encoder::new(&provider, IKM, params).unwrap();
        out.clear();
        encoder.write(b"1234", &mut out).unwrap();
        encoder.finish(4, &mut out).unwrap();
        assert_eq!(out.len(), 21 + 25);
        assert_eq!(decode(&provider, IKM, &out).unwrap(), b"1234");
    }
}

/// Decodes in pieces.
pub(crate) fn stream(
    provider: &Provider,
    ikm: &[u8],
    content: &[u8],
    size: usize,
) -> Result<Vec<u8>, RecordError> {
    let header = Header::parse(content)?;
    let mut decoder = Decoder::new(provider, &header, ikm);
    let mut data = Vec::new();
    for piece in content[header.len()..].chunks(size) {
        decoder.push(piece, &mut data)?;
    }
    decoder.finish(&mut data)?;
    Ok(data)
}
