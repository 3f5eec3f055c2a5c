//! RFC 8188 alone: 64 MiB in records, beside AES-128-GCM of the same library over the same records.

use std::thread;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use push_crypto::Provider;
use push_crypto::record::{
    self, Decoder, Encoder, Header, Params, Part, RECORD_OVERHEAD, Records, Spaced, encoded_len,
};

use crate::receiver::{Receiver, plaintext};
use crate::{Clock, Contest, Kind, Party};

/// Records of the usual size, and large ones; both directions.
pub const CONTESTS: &[fn() -> Contest] = &[
    || encode("records encode, 64 MiB, rs 4096", 4096),
    || encode("records encode, 64 MiB, rs 65536", 65536),
    || decode("records decode, 64 MiB, rs 4096", 4096),
    || decode("records decode, 64 MiB, rs 65536", 65536),
];

/// Octets of all records together.
const OCTETS: usize = 64 << 20;
/// What comes at once where data comes in pieces.
const PIECE: usize = 64 << 10;
const IKM: [u8; 16] = [7; 16];

fn encode(name: &'static str, rs: usize) -> Contest {
    let case = Case::new(rs);
    let mut parties = vec![
        case.spaced("push-crypto, data laid out", 1),
        case.spaced("push-crypto, data laid out, two threads", 2),
        case.moved(),
        case.pieces_in(),
        case.copied(),
    ];
    if rs == 4096 {
        let to = Receiver::new();
        let data = case.data.clone();
        parties.push(Party::plain(Kind::Peer, "ece 2.4, OpenSSL vendored", move || {
            ece::encrypt(&to.public, &to.auth, &data).expect("encrypts")
        }));
    }
    let (key, mut records) = (raw_key(), vec![b'x'; OCTETS]);
    parties.push(Party::plain(Kind::Limit, "aws-lc-rs, in place", move || raw_seal(&key, &mut records, rs)));
    Contest { name, clock: Clock::Cpu, messages: 1, parties }
}

fn decode(name: &'static str, rs: usize) -> Contest {
    let case = Case::new(rs);
    let mut parties = vec![
        case.opened("push-crypto, data stays", 1),
        case.opened("push-crypto, data stays, two threads", 2),
        case.together(),
        case.pieces_out(),
        case.copied_out(),
    ];
    if rs == 4096 {
        let to = Receiver::new();
        let body = ece::encrypt(&to.public, &to.auth, &case.data).expect("encrypts");
        let (keys, auth) = (to.ece(), to.auth);
        parties.push(Party::plain(Kind::Peer, "ece 2.4, OpenSSL vendored", move || {
            ece::decrypt(&keys, &auth, &body).expect("decrypts")
        }));
    }
    let (key, mut sealed) = (raw_key(), vec![b'x'; OCTETS]);
    raw_seal(&key, &mut sealed, rs);
    parties.push(Party::in_place(Kind::Limit, "aws-lc-rs, in place", sealed, move |records| {
        raw_open(&key, records, rs);
    }));
    Contest { name, clock: Clock::Cpu, messages: 1, parties }
}

impl Party {
    /// `step` works on a new copy of `octets` every time; the copying does not count.
    fn in_place(
        kind: Kind,
        name: &'static str,
        octets: Vec<u8>,
        mut step: impl FnMut(&mut [u8]) + 'static,
    ) -> Self {
        let mut copy = octets.clone();
        Self::new(kind, name, move |steps, meter| {
            for _ in 0..steps {
                copy.copy_from_slice(&octets);
                meter.time(|| step(&mut copy));
            }
        })
    }
}

struct Case {
    provider: Provider,
    params: Params,
    data: Vec<u8>,
    header: Header,
    /// Without its header.
    records: Vec<u8>,
}

impl Case {
    fn new(rs: usize) -> Self {
        let provider = push_crypto::aws_lc::provider();
        let params = Params::new(u32::try_from(rs).expect("a size"), b"").expect("parameters");
        let data = plaintext(OCTETS / rs * (rs - RECORD_OVERHEAD));
        let content = record::encode(&provider, &IKM, &params, &data).expect("encodes");
        let header = Header::parse(&content).expect("a header");
        let records = content[header.len()..].to_vec();
        assert_eq!(records.len(), OCTETS);
        Self { provider, params, data, header, records }
    }

    fn spaced(&self, name: &'static str, parts: usize) -> Party {
        let Self { provider, params, data, .. } = self;
        let (provider, params, data_len) = (*provider, params.clone(), data.len());
        let mut content = vec![b'x'; encoded_len(&params, data_len).expect("it fits")];
        Party::plain(Kind::Ours, name, move || {
            let spaced = Spaced::new(&params, &mut content, data_len).expect("it fits");
            spaced.encode_in_parts(&provider, &IKM, parts, on_threads).expect("encodes")
        })
    }

    fn moved(&self) -> Party {
        let Self { provider, params, data, .. } = self;
        let (provider, params, data_len) = (*provider, params.clone(), data.len());
        let mut content = vec![b'x'; encoded_len(&params, data_len).expect("it fits")];
        Party::plain(Kind::Ours, "push-crypto, data moved", move || {
            record::encode_in_place(&provider, &IKM, &params, &mut content, data_len).expect("encodes")
        })
    }

    fn copied(&self) -> Party {
        let Self { provider, params, data, .. } = self;
        let (provider, params, data) = (*provider, params.clone(), data.clone());
        Party::plain(Kind::Ours, "push-crypto, into a new buffer", move || {
            record::encode(&provider, &IKM, &params, &data).expect("encodes")
        })
    }

    /// What is ready is taken away after each piece.
    fn pieces_in(&self) -> Party {
        let Self { provider, params, data, .. } = self;
        let (provider, params, data) = (*provider, params.clone(), data.clone());
        let mut out = Vec::new();
        Party::plain(Kind::Ours, "push-crypto, in pieces of 64 KiB", move || {
            let mut encoder = Encoder::new(&provider, &IKM, params.clone()).expect("randomness");
            for piece in data.chunks(PIECE) {
                out.clear();
                encoder.write(piece, &mut out).expect("encodes");
            }
            encoder.finish(0, &mut out).expect("encodes");
        })
    }

    fn opened(&self, name: &'static str, parts: usize) -> Party {
        let (provider, header, data_len) = (self.provider, self.header.clone(), self.data.len());
        Party::in_place(Kind::Ours, name, self.records.clone(), move |records| {
            let records = Records::new(&header, records);
            let data = records.decode_in_parts(&provider, &IKM, parts, on_threads).expect("decodes");
            assert_eq!(data.map(<[u8]>::len).sum::<usize>(), data_len);
        })
    }

    fn together(&self) -> Party {
        let (provider, header) = (self.provider, self.header.clone());
        Party::in_place(Kind::Ours, "push-crypto, data moved", self.records.clone(), move |records| {
            record::decode_in_place(&provider, &header, &IKM, records).expect("decodes");
        })
    }

    fn pieces_out(&self) -> Party {
        let (provider, header, records) = (self.provider, self.header.clone(), self.records.clone());
        let mut out = Vec::new();
        Party::plain(Kind::Ours, "push-crypto, in pieces of 64 KiB", move || {
            let mut decoder = Decoder::new(&provider, &header, &IKM);
            for piece in records.chunks(PIECE) {
                out.clear();
                decoder.push(piece, &mut out).expect("decodes");
            }
            decoder.finish(&mut out).expect("decodes");
        })
    }

    fn copied_out(&self) -> Party {
        let mut content = vec![0; self.header.len()];
        self.header.write(&mut content).expect("it fits");
        content.extend_from_slice(&self.records);
        let provider = self.provider;
        Party::plain(Kind::Ours, "push-crypto, into a new buffer", move || {
            record::decode(&provider, &IKM, &content).expect("decodes")
        })
    }
}

/// The first part here, every other on a thread of its own.
fn on_threads(parts: Vec<Part<'_>>) {
    thread::scope(|scope| {
        let mut parts = parts.into_iter();
        let first = parts.next();
        for part in parts {
            scope.spawn(|| part.run());
        }
        first.into_iter().for_each(Part::run);
    });
}

fn raw_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &IKM).expect("a key"))
}

fn nonce(number: usize) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(number as u64).to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn raw_seal(key: &LessSafeKey, records: &mut [u8], rs: usize) {
    for (number, record) in records.chunks_mut(rs).enumerate() {
        let (data, tag) = record.split_last_chunk_mut::<16>().expect("a tag");
        let made = key.seal_in_place_separate_tag(nonce(number), Aad::empty(), data).expect("seals");
        tag.copy_from_slice(made.as_ref());
    }
}

fn raw_open(key: &LessSafeKey, records: &mut [u8], rs: usize) {
    for (number, record) in records.chunks_mut(rs).enumerate() {
        key.open_in_place(nonce(number), Aad::empty(), record).expect("opens");
    }
}
