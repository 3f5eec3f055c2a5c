//! What passes over an HTTP/2 connection, seen from beside it.
//!
//! h2 does not tell what pushing depends on: whether the peer takes pushes at all (`ENABLE_PUSH`, before the first
//! failed attempt), when a promise or a pushed stream has really been *written* (rather than buffered), that the peer
//! refused a push whose last frame still waits for its flow control window, and that the peer goes away. All of it is
//! plain in the nine octets in front of each frame (RFC 9113 §4.1), so the transport reads along.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    task::{Context, Poll, Waker},
};

/// The last frame of a pushed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// END_STREAM
    Whole,
    /// RST_STREAM
    Reset,
}

/// The server's view of what has passed.
#[derive(Debug)]
pub(crate) struct Seen {
    incoming: Reader,
    outgoing: Reader,
    /// Even streams whose last frame was written to the transport, in order, and how they ended.
    pub(crate) written: VecDeque<(u32, Ending)>,
    /// Even streams that the peer reset, in order.
    pub(crate) reset: VecDeque<u32>,
    /// Awaited streams that have ended: their last frame was written, or the peer has reset them.
    pub(crate) ended: VecDeque<u32>,
    /// Streams whose end is awaited.
    awaited: BTreeSet<u32>,
    /// The peer's streams that it reset and nobody awaited then: h2 may not have looked at that yet.
    gone: BTreeSet<u32>,
    /// DATA octets written of the streams that are followed.
    followed: BTreeMap<u32, u64>,
    /// The peer's `ENABLE_PUSH`.
    pub(crate) push_enabled: bool,
    /// The peer has sent GOAWAY.
    pub(crate) goes_away: bool,
    /// The transport took nothing when it was last asked.
    pub(crate) blocked: bool,
    /// Promises handed to h2 that are not written yet.
    promises: usize,
    /// Who wants to read when they are.
    reader: Option<Waker>,
}

impl Seen {
    /// Nothing has passed; `preface` octets of the peer are not frames.
    pub(crate) const fn new(preface: usize) -> Self {
        Self {
            incoming: Reader::new(preface),
            outgoing: Reader::new(0),
            written: VecDeque::new(),
            reset: VecDeque::new(),
            ended: VecDeque::new(),
            awaited: BTreeSet::new(),
            gone: BTreeSet::new(),
            followed: BTreeMap::new(),
            push_enabled: true,
            goes_away: false,
            blocked: false,
            promises: 0,
            reader: None,
        }
    }

    /// A promise was handed to h2.
    pub(crate) const fn promised(&mut self) {
        self.promises += 1;
    }

    /// Tells the end of this stream of the peer, which was handed its last frame; not if the peer has reset it already.
    pub(crate) fn await_end(&mut self, stream: u32) -> bool {
        !self.gone.remove(&stream) && self.awaited.insert(stream)
    }

    /// Counts what is written of this stream from here on.
    pub(crate) fn follow(&mut self, stream: u32) {
        self.followed.insert(stream, 0);
    }

    /// Counts it no more.
    pub(crate) fn unfollow(&mut self, stream: u32) {
        self.followed.remove(&stream);
    }

    /// DATA octets written of a stream that is followed, frame by frame.
    pub(crate) fn written_of(&self, stream: u32) -> u64 {
        self.followed.get(&stream).copied().unwrap_or(0)
    }

    /// Whether every promise that h2 was handed is written.
    pub(crate) const fn all_promised(&self) -> bool {
        self.promises == 0
    }

    /// Whether the peer may be read: not while a promise is unwritten, since h2 does not survive what the peer may have
    /// to say to that.
    pub(crate) fn poll_readable(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.promises == 0 {
            return Poll::Ready(());
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// These octets came from the peer.
    pub(crate) fn read(&mut self, octets: &[u8]) {
        let Self { incoming, reset, push_enabled, goes_away, ended, awaited, gone, .. } = self;
        incoming.take(octets, |frame, setting| match frame.kind {
            RST_STREAM if frame.stream.is_multiple_of(2) => reset.push_back(frame.stream),
            RST_STREAM if awaited.remove(&frame.stream) => ended.push_back(frame.stream),
            RST_STREAM => {
                gone.insert(frame.stream);
            }
            GOAWAY => *goes_away = true,
            SETTINGS => {
                if let Some((ENABLE_PUSH, value)) = setting {
                    *push_enabled = value != 0;
                }
            }
            _other => {}
        });
        // A peer that resets streams without end is h2's to stop; this only has to stay bounded meanwhile.
        while self.reset.len() > RESETS_MAX {
            self.reset.pop_front();
        }
        while self.gone.len() > RESETS_MAX {
            self.gone.pop_first();
        }
    }

    /// These octets were written to the transport.
    pub(crate) fn wrote(&mut self, octets: &[u8]) {
        let Self { outgoing, written, promises, followed, ended, awaited, .. } = self;
        outgoing.take(octets, |frame, _setting| {
            if frame.kind == DATA
                && let Some(octets) = followed.get_mut(&frame.stream)
            {
                *octets = octets.saturating_add(u64::from(frame.length));
            }
            let ending = match frame.kind {
                DATA | HEADERS if frame.flags & END_STREAM != 0 => Ending::Whole,
                RST_STREAM => Ending::Reset,
                PUSH_PROMISE => {
                    *promises = promises.saturating_sub(1);
                    return;
                }
                _other => return,
            };
            if frame.stream.is_multiple_of(2) {
                written.push_back((frame.stream, ending));
            } else if awaited.remove(&frame.stream) {
                ended.push_back(frame.stream);
            }
        });
        if self.promises == 0
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

/// The head of one frame.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// Of the payload; what we write has no padding.
    length: u32,
}

/// Finds the frames in a stream of octets that comes in any pieces.
#[derive(Debug)]
struct Reader {
    /// Octets in front of the first frame.
    skip: usize,
    head: [u8; HEAD_OCTETS],
    /// How much of `head` there is.
    headed: usize,
    frame: Frame,
    /// Payload octets to come.
    payload: usize,
    setting: [u8; SETTING_OCTETS],
    settled: usize,
}

impl Reader {
    const fn new(skip: usize) -> Self {
        Self {
            skip,
            head: [0; HEAD_OCTETS],
            headed: 0,
            frame: Frame { kind: 0, flags: 0, stream: 0, length: 0 },
            payload: 0,
            setting: [0; SETTING_OCTETS],
            settled: 0,
        }
    }

    /// Calls `see` for each setting, and for each frame when its last octet has come.
    fn take(&mut self, mut octets: &[u8], mut see: impl FnMut(Frame, Option<(u16, u32)>)) {
        while !octets.is_empty() {
            let taken = if self.skip > 0 {
                let taken = self.skip.min(octets.len());
                self.skip -= taken;
                taken
            } else if self.headed < HEAD_OCTETS {
                self.take_head(octets, &mut see)
            } else {
                self.take_payload(octets, &mut see)
            };
            octets = octets.get(taken..).unwrap_or_default();
        }
    }

    fn take_head(&mut self, octets: &[u8], see: &mut impl FnMut(Frame, Option<(u16, u32)>)) -> usize {
        let taken = fill(&mut self.head, self.headed, octets);
        self.headed += taken;
        if self.headed == HEAD_OCTETS {
            let [high, middle, low, kind, flags, a, b, c, d] = self.head;
            let length = u32::from_be_bytes([0, high, middle, low]);
            self.payload = length as usize;
            self.frame = Frame { kind, flags, stream: u32::from_be_bytes([a, b, c, d]) & !RESERVED, length };
            self.settled = 0;
            self.end_if_whole(see);
        }
        taken
    }

    fn take_payload(&mut self, octets: &[u8], see: &mut impl FnMut(Frame, Option<(u16, u32)>)) -> usize {
        let octets = octets.get(..self.payload.min(octets.len())).unwrap_or_default();
        let mut taken = octets.len();
        if self.frame.kind == SETTINGS {
            taken = fill(&mut self.setting, self.settled, octets);
            self.settled += taken;
            if self.settled == SETTING_OCTETS {
                let [high, low, a, b, c, d] = self.setting;
                self.settled = 0;
                see(self.frame, Some((u16::from_be_bytes([high, low]), u32::from_be_bytes([a, b, c, d]))));
            }
        }
        self.payload -= taken;
        self.end_if_whole(see);
        taken
    }

    fn end_if_whole(&mut self, see: &mut impl FnMut(Frame, Option<(u16, u32)>)) {
        if self.payload == 0 {
            self.headed = 0;
            see(self.frame, None);
        }
    }
}

/// Copies what fits into `into` behind the octets that are there; says how many.
fn fill(into: &mut [u8], there: usize, octets: &[u8]) -> usize {
    let room = into.get_mut(there..).unwrap_or_default();
    let length = room.len().min(octets.len());
    for (into, octet) in room.iter_mut().zip(octets) {
        *into = *octet;
    }
    length
}

const HEAD_OCTETS: usize = 9;
const SETTING_OCTETS: usize = 6;
const RESERVED: u32 = 1 << 31;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ENABLE_PUSH: u16 = 2;
/// More than the streams that can be open at once.
const RESETS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    #[test]
    fn frames_are_seen_in_pieces_of_any_size() {
        let incoming = [
            vec![b'x'; 24],
            frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0]),
            frame(RST_STREAM, 0, 2, &[0, 0, 0, 8]),
            frame(DATA, END_STREAM, 1, b"body"),
            frame(RST_STREAM, 0, 7, &[0, 0, 0, 8]),
            frame(GOAWAY, 0, 0, &[0; 8]),
        ]
        .concat();
        let outgoing = [
            frame(SETTINGS, END_STREAM, 0, &[]),
            frame(HEADERS, END_STREAM, 1, b"of a request"),
            frame(HEADERS, END_STREAM, 2, b"of a push"),
            frame(DATA, 0, 4, b"more"),
            frame(DATA, END_STREAM, 4, b""),
            frame(RST_STREAM, 0, 6, &[0, 0, 0, 8]),
        ]
        .concat();
        for size in 1..=64 {
            let mut seen = Seen::new(24);
            incoming.chunks(size).for_each(|piece| seen.read(piece));
            outgoing.chunks(size).for_each(|piece| seen.wrote(piece));
            assert_eq!(seen.reset, [2], "{size}");
            assert!(seen.goes_away, "{size}");
            assert_eq!(seen.written, [(2, Ending::Whole), (4, Ending::Whole), (6, Ending::Reset)], "{size}");
            assert!(!seen.push_enabled, "{size}");
        }
    }

    #[test]
    fn a_stream_ends_with_the_last_octet_of_its_last_frame() {
        let mut seen = Seen::new(0);
        let data = frame(DATA, END_STREAM, 2, b"body");
        seen.wrote(&data[..data.len() - 1]);
        assert!(seen.written.is_empty());
        seen.wrote(&data[data.len() - 1..]);
        assert_eq!(seen.written, [(2, Ending::Whole)]);
    }

    #[test]
    fn what_is_written_of_a_stream_is_counted_frame_by_frame_while_it_is_followed() {
        let mut seen = Seen::new(0);
        let data = frame(DATA, 0, 1, b"body");
        seen.wrote(&data);
        seen.follow(1);
        seen.wrote(&[&data[..], &frame(HEADERS, 0, 1, b"head"), &frame(DATA, 0, 3, b"other")].concat());
        seen.wrote(&data[..data.len() - 1]);
        assert_eq!(seen.written_of(1), 4);
        seen.wrote(&data[data.len() - 1..]);
        assert_eq!((seen.written_of(1), seen.written_of(3)), (8, 0));
        seen.unfollow(1);
        assert_eq!(seen.written_of(1), 0);
    }

    #[test]
    fn an_awaited_stream_ends_once_whoever_ends_it() {
        let mut seen = Seen::new(0);
        let reset = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        seen.read(&reset(9));
        assert!([1, 3, 5, 7].into_iter().all(|stream| seen.await_end(stream)));
        assert!(!seen.await_end(9), "it has ended already");
        seen.wrote(&[frame(HEADERS, 0, 1, b"head"), frame(DATA, 0, 1, b"more"), reset(3)].concat());
        assert_eq!(seen.ended, [3]);
        seen.wrote(&frame(DATA, END_STREAM, 1, b"end"));
        seen.read(&[reset(5), reset(5), reset(1)].concat());
        assert_eq!(seen.ended, [3, 1, 5], "7 has not ended");
    }

    #[test]
    fn nothing_is_read_while_a_promise_is_unwritten() {
        let mut seen = Seen::new(0);
        let context = Context::from_waker(Waker::noop());
        assert!(seen.poll_readable(&context).is_ready());
        seen.promised();
        seen.promised();
        seen.wrote(&frame(HEADERS, 0, 1, b"of another"));
        let promise = frame(PUSH_PROMISE, 0, 1, &[0, 0, 0, 2]);
        seen.wrote(&promise);
        assert!(seen.poll_readable(&context).is_pending());
        seen.wrote(&promise[..promise.len() - 1]);
        assert!(seen.poll_readable(&context).is_pending());
        seen.wrote(&promise[promise.len() - 1..]);
        assert!(seen.poll_readable(&context).is_ready());
        assert!(seen.reader.is_none(), "it was woken");
    }

    #[test]
    fn push_can_be_enabled_again() {
        let mut seen = Seen::new(0);
        seen.read(&frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0]));
        assert!(!seen.push_enabled);
        seen.read(&frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 1]));
        assert!(seen.push_enabled);
    }

    #[test]
    fn resets_without_end_stay_bounded() {
        let mut seen = Seen::new(0);
        for stream in 0..2 * RESETS_MAX as u32 {
            seen.read(&frame(RST_STREAM, 0, 2 * stream, &[0; 4]));
            seen.read(&frame(RST_STREAM, 0, 2 * stream + 1, &[0; 4]));
        }
        assert_eq!((seen.reset.len(), seen.gone.len()), (RESETS_MAX, RESETS_MAX));
    }
}
