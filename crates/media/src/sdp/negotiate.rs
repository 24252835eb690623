//! Offer/answer for one audio line (RFC 3264): what both sides can do, or why nothing.

use std::net::{IpAddr, SocketAddr};

use super::print::{Audio, Rtcp, print_refused};
use super::{Connection, CryptoLine, Description, Direction, Local, LocalSrtp, Malformed, Media};
use crate::srtp::{MasterKey, Suite};
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
    /// Where the peer wants RTCP, and sends its own from: the address of its RTP when it agreed
    /// to have both on one port (RFC 5761), the one that it named (RFC 3605), or the port above
    /// that of its RTP (RFC 3550 §11).
    pub rtcp: Option<SocketAddr>,
    /// The keys, when the audio is encrypted.
    pub srtp: Option<Protection>,
}

/// The keys of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// What they are for.
    pub suite: Suite,
    /// With what we encrypt.
    pub ours: MasterKey,
    /// With what the peer does.
    pub theirs: MasterKey,
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
    /// The audio is to be encrypted, and there is no key that we can use.
    NoKeys,
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
    let media =
        answer.media.first().filter(|media| is_audio(local, media)).ok_or(Refusal::NoAudio)?;
    agree(local, &answer, media)
}

/// Answers an offer: what was agreed on, and the body that says so. Lines other than the first
/// usable audio line are refused with port 0.
pub fn answer_offer(local: &Local, body: &[u8]) -> Result<(Negotiated, Vec<u8>), Refusal> {
    let offer = Description::parse(body)?;
    let mut refusal = Refusal::NoAudio;
    let mut accepted = None;
    for (index, media) in offer.media.iter().enumerate().filter(|(_, media)| is_audio(local, media))
    {
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
            let crypto: Vec<CryptoLine> = negotiated
                .srtp
                .zip(local.srtp.as_deref())
                .and_then(|(keys, srtp)| {
                    Some(CryptoLine { key: keys.ours, ..*usable_line(srtp, media)? })
                })
                .into_iter()
                .collect();
            let audio = Audio {
                protocol: &media.protocol,
                formats: &[(negotiated.payload_type, negotiated.codec)],
                telephone_event: negotiated.telephone_event_pt,
                direction: negotiated.direction,
                rtcp: match (local.rtcp_mux, media.rtcp_mux) {
                    (false, _) => Rtcp::Unsaid,
                    (true, true) => Rtcp::Mux,
                    (true, false) => Rtcp::Named,
                },
                crypto: &crypto,
            };
            local.print_audio(&mut text, &audio);
        } else {
            print_refused(&mut text, media);
        }
    }
    Ok((negotiated, text.into_bytes()))
}

/// RTP audio that is not refused; encrypted audio only where we have keys.
fn is_audio(local: &Local, media: &Media) -> bool {
    let plain = ["RTP/AVP", "RTP/AVPF"];
    media.kind.eq_ignore_ascii_case("audio")
        && media.port != 0
        && (plain.iter().any(|protocol| media.protocol.eq_ignore_ascii_case(protocol))
            || (local.srtp.is_some() && is_secure(media)))
}

fn is_secure(media: &Media) -> bool {
    let secure = ["RTP/SAVP", "RTP/SAVPF"];
    secure.iter().any(|protocol| media.protocol.eq_ignore_ascii_case(protocol))
}

/// The line whose key is used: the first in the peer's order that we understood and may take.
fn usable_line<'a>(srtp: &LocalSrtp, media: &'a Media) -> Option<&'a CryptoLine> {
    let may_be = |line: &&CryptoLine| srtp.agreed.is_none_or(|suite| suite == line.suite);
    media.crypto.iter().find(may_be)
}

/// The keys of both sides, or none where plain RTP will do.
fn protection(local: &Local, media: &Media) -> Result<Option<Protection>, Refusal> {
    let Some(srtp) = local.srtp.as_deref() else { return Ok(None) };
    match usable_line(srtp, media) {
        Some(line) => {
            Ok(Some(Protection { suite: line.suite, ours: srtp.key(line.suite), theirs: line.key }))
        }
        None if srtp.required || srtp.agreed.is_some() || is_secure(media) => Err(Refusal::NoKeys),
        None => Ok(None),
    }
}

fn agree(local: &Local, description: &Description, media: &Media) -> Result<Negotiated, Refusal> {
    let (payload_type, codec) = media
        .formats
        .split(' ')
        .filter_map(|format| format.parse().ok())
        .find_map(|payload_type| {
            let codec = codec_of(media, payload_type)?;
            local.codecs.contains(&codec).then_some((payload_type, codec))
        })
        .ok_or(Refusal::NoCommonCodec)?;
    let connection = media.connection.as_ref().or(description.connection.as_ref());
    let Some(Connection::Address(address)) = connection else { return Err(Refusal::NoAddress) };
    let telephone_event_pt = local.telephone_event.and_then(|_| telephone_event_of(media));
    let remote = SocketAddr::new(*address, media.port);
    let named = media.rtcp.map(|(port, at)| SocketAddr::new(at.unwrap_or(*address), port));
    let above = || Some(SocketAddr::new(*address, media.port.checked_add(1)?));
    Ok(Negotiated {
        codec,
        payload_type,
        telephone_event_pt,
        remote,
        rtcp: if local.rtcp_mux && media.rtcp_mux { Some(remote) } else { named.or_else(above) },
        srtp: protection(local, media)?,
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
        let listed =
            || media.formats.split(' ').any(|format| format.parse() == Ok(map.payload_type));
        let known = map.clock_rate_hz == SAMPLE_RATE_HZ
            && map.encoding.eq_ignore_ascii_case("telephone-event");
        (known && listed()).then_some(map.payload_type)
    })
}
