//! Descriptions written: an offer, and the lines that an answer shares with it.

use std::fmt::Write as _;

use super::{CryptoLine, Direction, Local, Media};
use crate::srtp::Suite;
use crate::{Codec, FRAME_MS};

/// An audio line that is meant.
pub(super) struct Audio<'a> {
    pub(super) protocol: &'a str,
    pub(super) formats: &'a [(u8, Codec)],
    pub(super) telephone_event: Option<u8>,
    pub(super) direction: Direction,
    pub(super) rtcp: Rtcp,
    pub(super) crypto: &'a [CryptoLine],
}

/// What is said of RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rtcp {
    /// Nothing.
    Unsaid,
    /// It comes to the port of RTP (RFC 5761).
    Mux,
    /// It comes to the port of RTP, told to a peer that sends it from another (RFC 3605).
    Named,
    /// An offer of both.
    Either,
}

impl Local {
    /// The body of an offer with one `m=audio` line (RFC 3264 §5).
    pub fn print_offer(&self) -> Vec<u8> {
        let formats: Vec<(u8, Codec)> =
            self.codecs.iter().map(|&codec| (codec.payload_type(), codec)).collect();
        let mut text = String::with_capacity(512);
        self.print_session(&mut text);
        let srtp = self.srtp.as_deref();
        let required = srtp.is_some_and(|srtp| srtp.required);
        let crypto: Vec<CryptoLine> = srtp.map_or_else(Vec::new, |srtp| {
            let line = |(tag, suite)| CryptoLine { tag, suite, key: srtp.key(suite) };
            let offered =
                Suite::ALL.into_iter().filter(|suite| srtp.agreed.is_none_or(|one| one == *suite));
            (1..).zip(offered).map(line).collect()
        });
        let audio = Audio {
            protocol: if required { "RTP/SAVP" } else { "RTP/AVP" },
            formats: &formats,
            telephone_event: self.telephone_event,
            direction: self.direction,
            rtcp: if self.rtcp_mux { Rtcp::Either } else { Rtcp::Unsaid },
            crypto: &crypto,
        };
        self.print_audio(&mut text, &audio);
        text.into_bytes()
    }

    /// The lines before the first `m=` line.
    pub(super) fn print_session(&self, out: &mut String) {
        let mut address = String::with_capacity(48);
        append(&mut address, format_args!("{}", self.address.ip()));
        let family = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        let (id, version) = (self.session_id, self.session_version);
        append(out, format_args!("v=0\r\no=- {id} {version}"));
        for part in [" IN ", family, " ", &address, "\r\ns=-\r\nc=IN ", family, " ", &address] {
            out.push_str(part);
        }
        out.push_str("\r\nt=0 0\r\n");
    }

    /// An accepted audio line.
    pub(super) fn print_audio(&self, out: &mut String, audio: &Audio<'_>) {
        let Audio { protocol, formats, telephone_event, direction, .. } = *audio;
        let mut list = String::new();
        for (payload_type, _) in formats {
            append(&mut list, format_args!(" {payload_type}"));
        }
        if let Some(payload_type) = telephone_event {
            append(&mut list, format_args!(" {payload_type}"));
        }
        line(out, format_args!("m=audio {} {protocol}{list}", self.address.port()));
        for (payload_type, codec) in formats {
            let name = codec.encoding_name();
            line(out, format_args!("a=rtpmap:{payload_type} {name}/8000"));
        }
        if let Some(payload_type) = telephone_event {
            line(out, format_args!("a=rtpmap:{payload_type} telephone-event/8000"));
            line(out, format_args!("a=fmtp:{payload_type} 0-15"));
        }
        line(out, format_args!("a=ptime:{FRAME_MS}"));
        if matches!(audio.rtcp, Rtcp::Named | Rtcp::Either) {
            line(out, format_args!("a=rtcp:{}", self.address.port()));
        }
        if matches!(audio.rtcp, Rtcp::Mux | Rtcp::Either) {
            line(out, format_args!("a=rtcp-mux"));
        }
        for crypto in audio.crypto {
            line(out, format_args!("{crypto}"));
        }
        line(out, format_args!("a={}", direction.name()));
    }
}

/// A refused line of an answer: the offered one with port 0 (RFC 3264 §6).
pub(super) fn print_refused(out: &mut String, media: &Media) {
    line(out, format_args!("m={} 0 {} {}", media.kind, media.protocol, media.formats));
}

fn line(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    append(out, arguments);
    out.push_str("\r\n");
}

fn append(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing into a String never fails");
}
