//! SRTP and SRTCP: what the peer sealed is opened once, and nothing else ever is.

use std::collections::BTreeSet;

use media::rtp::Header;
use media::srtp::{MASTER_BYTES, MasterKey, SrtpReceiver, SrtpSender, Suite};

use crate::tape::Tape;

const SSRC: u32 = 7;
/// Packets behind the newest that are surely taken.
const WINDOW: u64 = 32;
/// Packets on their way at once.
const MAX_HELD: usize = 64;

/// A packet on its way, with what it says and its number among all.
#[derive(Clone)]
struct Sealed {
    bytes: Vec<u8>,
    clear: Vec<u8>,
    number: u64,
}

struct World {
    sender: SrtpSender,
    receiver: SrtpReceiver,
    number: u64,
    sent: Vec<Sealed>,
    opened: BTreeSet<u64>,
}

/// A sender and a receiver with a network between them that delays, repeats and damages.
pub fn srtp(data: &[u8]) {
    let mut tape = Tape::new(data);
    let suite = tape.one_of(&Suite::ALL);
    let master = MasterKey::new([tape.byte(); MASTER_BYTES]);
    let mut world = World {
        sender: SrtpSender::new(suite, &master),
        receiver: SrtpReceiver::new(suite, &master),
        number: u64::from(tape.word()),
        sent: Vec::new(),
        opened: BTreeSet::new(),
    };
    while !tape.is_over() {
        match tape.byte() % 6 {
            0 | 1 => {
                let sealed = world.seal(&mut tape);
                world.deliver(&sealed);
            }
            2 => {
                let sealed = world.seal(&mut tape);
                if world.sent.len() < MAX_HELD {
                    world.sent.push(sealed);
                }
            }
            3 => world.deliver_late(&mut tape),
            4 => {
                let bytes = tape.bytes();
                if let Ok(opened) = world.receiver.open(bytes) {
                    assert!(opened.len() < bytes.len(), "a tag is taken off");
                }
                let _ = world.receiver.open_rtcp(bytes).is_ok();
            }
            _ => world.report(&mut tape),
        }
    }
}

impl World {
    fn seal(&mut self, tape: &mut Tape<'_>) -> Sealed {
        self.number += 1 + u64::from(tape.byte() % 4);
        let sequence = u16::try_from(self.number & 0xFFFF).expect("masked to 16 bits");
        let header =
            Header { marker: false, payload_type: 8, sequence, timestamp: 160, ssrc: SSRC };
        let (header, payload) = (header.write(), tape.bytes());
        let clear = [&header, payload].concat();
        let bytes = [&header as &[u8], &self.sender.protect(&header, payload)].concat();
        assert!(bytes.len() > clear.len(), "a tag is added");
        Sealed { bytes, clear, number: self.number }
    }

    /// It comes for the first time, unless it did before.
    fn deliver(&mut self, sealed: &Sealed) {
        // Who hears nothing before the sequence number wraps cannot know that it did.
        let unknown = self.opened.is_empty() && sealed.number >> 16 != 0;
        let newest = self.opened.last().copied().unwrap_or(sealed.number);
        let again = self.opened.contains(&sealed.number);
        match self.receiver.open(&sealed.bytes) {
            Ok(opened) => {
                assert!(!again, "a repeated packet was opened");
                assert_eq!(opened, sealed.clear, "what was sealed is what is opened");
                self.opened.insert(sealed.number);
            }
            Err(why) => {
                let far = newest.abs_diff(sealed.number) >= 0x8000;
                let old = sealed.number + WINDOW < newest;
                assert!(
                    again || old || far || unknown,
                    "the peer's own packet was refused: {why:?}"
                );
            }
        }
    }

    /// One of those on their way: late, or damaged.
    fn deliver_late(&mut self, tape: &mut Tape<'_>) {
        if self.sent.is_empty() {
            return;
        }
        let at = usize::from(tape.byte()) % self.sent.len();
        if tape.coin() {
            let sealed = if tape.coin() { self.sent.remove(at) } else { self.sent[at].clone() };
            self.deliver(&sealed);
            return;
        }
        let mut bytes = self.sent[at].bytes.clone();
        let place = usize::from(tape.word()) % bytes.len();
        bytes[place] ^= tape.byte().max(1);
        assert!(self.receiver.open(&bytes).is_err(), "a damaged packet was opened");
    }

    /// A report comes, once damaged, once whole, once again.
    fn report(&mut self, tape: &mut Tape<'_>) {
        let clear = tape.bytes();
        let Some(sealed) = self.sender.protect_rtcp(clear) else {
            assert!(clear.len() < 8, "what has a header can be sealed");
            return;
        };
        let mut damaged = sealed.clone();
        let place = usize::from(tape.word()) % damaged.len();
        damaged[place] ^= tape.byte().max(1);
        assert!(self.receiver.open_rtcp(&damaged).is_err(), "a damaged report was opened");
        assert_eq!(self.receiver.open_rtcp(&sealed).as_deref(), Ok(clear));
        assert!(self.receiver.open_rtcp(&sealed).is_err(), "a repeated report was opened");
    }
}
