//! Session descriptions: what we agree to is what we offered, and our answers can be read.

use std::net::{Ipv4Addr, SocketAddr};

use media::Codec;
use media::sdp::{Description, Local, answer_offer, read_answer};

/// A body as an offer and as an answer.
pub fn sdp(data: &[u8]) {
    let ours = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 30_000));
    let local = Local::new(7, ours, &[Codec::Pcma, Codec::Pcmu]);
    let read = Description::parse(data);
    if let Ok(agreed) = read_answer(&local, data) {
        assert!(read.is_ok(), "what cannot be read is no answer");
        assert!(local.codecs.contains(&agreed.codec), "only what we offered can be agreed on");
    }
    if let Ok((agreed, answer)) = answer_offer(&local, data) {
        assert!(local.codecs.contains(&agreed.codec));
        let answer = Description::parse(&answer).expect("our answers can be read");
        let offer = read.expect("what cannot be read is no offer");
        assert_eq!(answer.media.len(), offer.media.len(), "an m= line for each (RFC 3264 §6)");
        let taken = answer.media.iter().filter(|media| media.port != 0).count();
        assert_eq!(taken, 1, "one stream is taken, the others are refused with port 0");
    }
}
