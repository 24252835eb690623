//! Offer/answer for one audio line (RFC 3264): what both sides can do, or why nothing.

use std::net::{IpAddr, SocketAddr};

use super::print::print_refused;
use super::{Connection, Description, Direction, Local, Malformed, Media};
use crate::{Codec, SAMPLE_RATE_HZ};

/// What both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The codec in both directions.
    pub codec: Codec,
    /// The payload type under which the peer wants it.
    pub payload_type: u8,
    /// The payload type under which the peer wants key presses, if it wants any.
    pub telephone_event_pt: Option<u8>,
    /// Where the peer wants RTP. The address is unspecified (`0.0.0.0`, `::`) while the peer
    /// holds in the manner of RFC 2543; `direction` then forbids sending.
    pub remote: SocketAddr,
    /// What we may do: `sends()` and `receives()` are ours.
    pub direction: Direction,
}

/// Why there is nothing to agree on. The caller answers 488 to an offer, or ends the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The body cannot be read.
    Malformed(Malformed),
    /// No audio over plain RTP, or it was refused with port 0.
    NoAudio,
    /// Audio, but no codec that we have, or not one that we offered.
    NoCommonCodec,
    /// The audio has no literal address to send to.
    NoAddress,
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Reads the answer to an offer that `local.print_offer()` wrote.
pub fn read_answer(local: &Local, body: &[u8]) -> Result<Negotiated, Refusal> {
    let answer = Description::parse(body)?;
    // Ours is the only line that we offered, so the first is the one that answers it.
    let media = answer.media.first().filter(|media| is_audio(media)).ok_or(Refusal::NoAudio)?;
    agree(local, &answer, media)
}

/// Answers an offer: what was agreed on, and the body that says so. Lines other than the first
/// usable audio line are refused with port 0.
pub fn answer_offer(local: &Local, body: &[u8]) -> Result<(Negotiated, Vec<u8>), Refusal> {
    let offer = Description::parse(body)?;
    let mut refusal = Refusal::NoAudio;
    let mut accepted = None;
    for (index, media) in offer.media.iter().enumerate().filter(|(_, media)| is_audio(media)) {
        match agree(local, &offer, media) {
            Ok(negotiated) => {
                accepted = Some((index, negotiated));
                break;
            }
            Err(why) => refusal = why,
        }
    }
    let (chosen, negotiated) = accepted.ok_or(refusal)?;
    let mut text = String::with_capacity(320);
    local.print_session(&mut text);
    for (index, media) in offer.media.iter().enumerate() {
        if index == chosen {
            let formats = [(negotiated.payload_type, negotiated.codec)];
            let events = negotiated.telephone_event_pt;
            local.print_audio(&mut text, &formats, events, negotiated.direction);
        } else {
            print_refused(&mut text, media);
        }
    }
    Ok((negotiated, text.into_bytes()))
}

/// Plain RTP audio that is not refused. `RTP/SAVP` needs keys that we do not have.
fn is_audio(media: &Media) -> bool {
    let plain = ["RTP/AVP", "RTP/AVPF"];
    media.kind.eq_ignore_ascii_case("audio")
        && media.port != 0
        && plain.iter().any(|protocol| media.protocol.eq_ignore_ascii_case(protocol))
}

fn agree(local: &Local, description: &Description, media: &Media) -> Result<Negotiated, Refusal> {
    let (payload_type, codec) = media
        .formats
        .iter()
        .filter_map(|format| format.parse().ok())
        .find_map(|payload_type| {
            let codec = codec_of(media, payload_type)?;
            local.codecs.contains(&codec).then_some((payload_type, codec))
        })
        .ok_or(Refusal::NoCommonCodec)?;
    let connection = media.connection.as_ref().or(description.connection.as_ref());
    let Some(Connection::Address(address)) = connection else { return Err(Refusal::NoAddress) };
    let telephone_event_pt = local.telephone_event.and_then(|_| telephone_event_of(media));
    Ok(Negotiated {
        codec,
        payload_type,
        telephone_event_pt,
        remote: SocketAddr::new(*address, media.port),
        direction: theirs(description, media, *address).mirrored().and(local.direction),
    })
}

/// The direction that the peer says, seen from the peer.
fn theirs(description: &Description, media: &Media, address: IpAddr) -> Direction {
    let said = media.direction.or(description.direction).unwrap_or_default();
    if address.is_unspecified() {
        // Hold in the manner of RFC 2543 (RFC 3264 §8.4): nothing must be sent to it.
        said.and(Direction::SendOnly)
    } else {
        said
    }
}

/// The codec of a payload type: as mapped, or by its static number when nothing maps it.
fn codec_of(media: &Media, payload_type: u8) -> Option<Codec> {
    let Some(map) = media.maps.iter().find(|map| map.payload_type == payload_type) else {
        return Codec::of_payload_type(payload_type);
    };
    Codec::ALL.into_iter().find(|&codec| {
        // G.722 samples at 16 kHz, and some say so instead of what RFC 3551 §4.5.2 demands.
        let rate = map.clock_rate_hz == SAMPLE_RATE_HZ
            || (codec == Codec::G722 && map.clock_rate_hz == 2 * SAMPLE_RATE_HZ);
        rate && map.encoding.eq_ignore_ascii_case(codec.encoding_name())
    })
}

/// The payload type of telephone-event at our clock rate, if it is in the format list.
fn telephone_event_of(media: &Media) -> Option<u8> {
    media.maps.iter().find_map(|map| {
        let listed = || media.formats.iter().any(|format| format.parse() == Ok(map.payload_type));
        let known = map.clock_rate_hz == SAMPLE_RATE_HZ
            && map.encoding.eq_ignore_ascii_case("telephone-event");
        (known && listed()).then_some(map.payload_type)
    })
}
