//! Files to mono samples, for every container and codec we take. Hostile files are the normal
//! case here: every loop is bounded, by the file's bytes, by seconds of audio or by packets.

use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::well_known::{FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_WAVE};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::{Refusal, resample::ToTelephone};

/// Packets allowed per second of audio allowed. Opus makes at most 400 a second and FLAC's usual
/// smallest block 250; more is a file made to keep us busy.
const PACKETS_PER_SECOND: u64 = 3_000;
/// Packets allowed beyond that, for headers and other tracks.
const SPARE_PACKETS: u64 = 10_000;
/// How much shorter than its own header says a file may be, in seconds, before it counts as cut.
const MISSING_SECONDS: f64 = 0.5;
/// Length from which a header's claim means "unknown", in seconds: programs that write to a pipe
/// cannot know it and put the largest number.
const UNKNOWN_SECONDS: f64 = 3.0 * 3_600.0;

/// Symphonia's decoders and Opus, which it lacks.
static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    registry
});

/// Decodes the default audio track of `bytes` into `out`.
///
/// A panic inside a third-party decoder is the file's fault too and becomes a refusal: mutated
/// fragmented MP4 files overflow arithmetic there when overflow checks are on.
pub(crate) fn decode(
    bytes: &[u8],
    max_seconds: u32,
    keep_going: &dyn Fn() -> bool,
    out: &mut ToTelephone,
) -> Result<(), Refusal> {
    if let Some(what) = known_but_unread(bytes) {
        return Err(Refusal::Unsupported { what: what.to_owned() });
    }
    let run = AssertUnwindSafe(|| {
        let mut file = File::open(bytes)?;
        let budget = Budget::new(max_seconds, keep_going);
        file.read(budget, out)
    });
    catch_unwind(run).unwrap_or_else(|_| Err(broken("the decoder gave up on it")))
}

/// What decoding may still cost.
struct Budget<'a> {
    max_seconds: u32,
    packets_left: u64,
    keep_going: &'a dyn Fn() -> bool,
}

impl<'a> Budget<'a> {
    fn new(max_seconds: u32, keep_going: &'a dyn Fn() -> bool) -> Self {
        let packets_left = u64::from(max_seconds) * PACKETS_PER_SECOND + SPARE_PACKETS;
        Self { max_seconds, packets_left, keep_going }
    }

    /// Pays for one packet.
    fn pay(&mut self, seconds_so_far: f64) -> Result<(), Refusal> {
        if seconds_so_far > f64::from(self.max_seconds) {
            return Err(Refusal::TooLong { limit_seconds: self.max_seconds });
        }
        self.packets_left = self
            .packets_left
            .checked_sub(1)
            .ok_or_else(|| broken("it has far more packets than audio"))?;
        if (self.keep_going)() { Ok(()) } else { Err(Refusal::OutOfTime) }
    }
}

/// An opened file and the decoder of its track.
struct File<'a> {
    reader: Box<dyn FormatReader + 'a>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    /// Length the header promises, in seconds, where such promises are exact.
    promised_seconds: Option<f64>,
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let source = MediaSourceStream::new(
            Box::new(Cursor::new(bytes)),
            MediaSourceStreamOptions::default(),
        );
        let reader = symphonia::default::get_probe()
            .probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| match error {
                _ if !has_known_start(bytes) => Refusal::UnknownFormat,
                // The probe's own word for "found nothing" would read as a missing feature.
                Error::Unsupported(what) if what.starts_with("core (probe)") => {
                    broken("it ends within its header")
                }
                error => refusal(error),
            })?;
        let track = reader
            .default_track(TrackType::Audio)
            .ok_or_else(|| broken("it has no audio track"))?;
        let params = track.codec_params.as_ref().and_then(|params| params.audio());
        let mut params = params.ok_or_else(|| broken("its audio track names no codec"))?.clone();
        if params.codec == CODEC_ID_OPUS {
            // Opus decodes at 48 kHz whatever rate the recorder noted (RFC 7845, 5.1).
            params.sample_rate = Some(48_000);
        }
        let decoder =
            CODECS.make_audio_decoder(&params, &AudioDecoderOptions::default()).map_err(refusal)?;
        let promised_seconds = promised_seconds(&*reader, track, params.sample_rate);
        Ok(Self { track_id: track.id, promised_seconds, decoder, reader })
    }

    /// Reads to the end of the file or of the budget.
    fn read(&mut self, mut budget: Budget<'_>, out: &mut ToTelephone) -> Result<(), Refusal> {
        let mut mono = Mono::default();
        let (mut good, mut bad) = (0_u64, 0_u64);
        loop {
            budget.pay(out.seconds_fed())?;
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // A browser's live WebM tells no length: it simply ends.
                Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(refusal(error)),
            };
            if packet.track_id != self.track_id {
                continue;
            }
            match self.decoder.decode(&packet) {
                Ok(audio) => {
                    good += 1;
                    let rate = audio.spec().rate();
                    out.push(rate, mono.mix(&audio))?;
                }
                // One damaged packet is a click; the count decides below.
                Err(Error::DecodeError(_) | Error::IoError(_)) => bad += 1,
                Err(error) => return Err(refusal(error)),
            }
        }
        self.judge(good, bad, out.seconds_fed())
    }

    /// Whether what came out is what the file promised.
    fn judge(&self, good: u64, bad: u64, seconds: f64) -> Result<(), Refusal> {
        let all = good + bad;
        if all == 0 {
            return Err(broken("it holds no audio"));
        }
        if bad > good / 4 {
            return Err(broken(format!("{bad} of {all} packets could not be decoded")));
        }
        match self.promised_seconds {
            Some(promised) if seconds + MISSING_SECONDS < promised => {
                Err(broken(format!("it ends after {seconds:.1} of {promised:.1} seconds")))
            }
            _ => Ok(()),
        }
    }
}

/// Folds channels into one by their mean.
#[derive(Default)]
struct Mono {
    interleaved: Vec<f32>,
    mixed: Vec<f32>,
}

impl Mono {
    fn mix(&mut self, audio: &symphonia::core::audio::GenericAudioBufferRef<'_>) -> &[f32] {
        let channels = audio.num_planes().max(1);
        audio.copy_to_vec_interleaved(&mut self.interleaved);
        #[expect(clippy::cast_precision_loss, reason = "a file has few channels")]
        let share = 1.0 / channels as f32;
        self.mixed.clear();
        self.mixed.extend(self.interleaved.chunks_exact(channels).map(|frame| {
            let sum: f32 = frame.iter().sum();
            // Float files may hold infinities and not-a-number; full scale is 1.
            if sum.is_finite() { (sum * share).clamp(-4.0, 4.0) } else { 0.0 }
        }));
        &self.mixed
    }
}

/// The length of the track as its header tells it, for containers where that is exact.
fn promised_seconds(reader: &dyn FormatReader, track: &Track, rate: Option<u32>) -> Option<f64> {
    let format = reader.format_info().format;
    if ![FORMAT_ID_WAVE, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4].contains(&format) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a coarse check")]
    let seconds = track.num_frames? as f64 / f64::from(rate?);
    (seconds < UNKNOWN_SECONDS).then_some(seconds)
}

/// Formats people upload that we name instead of calling them unknown.
fn known_but_unread(bytes: &[u8]) -> Option<&'static str> {
    let starts: [(&[u8], &str); 5] = [
        (b"#!AMR", "AMR"),
        (&[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11], "WMA"),
        (b"FORM", "AIFF"),
        (b"caff", "CAF"),
        (b"MThd", "MIDI"),
    ];
    starts.iter().find(|(start, _)| bytes.starts_with(start)).map(|&(_, name)| name)
}

/// Whether the file begins like one of the containers we read.
fn has_known_start(bytes: &[u8]) -> bool {
    let starts: [&[u8]; 6] = [b"RIFF", b"RF64", b"OggS", b"fLaC", b"ID3", b"\x1a\x45\xdf\xa3"];
    let mpeg_sync = matches!(bytes, [0xff, second, ..] if second & 0xe0 == 0xe0);
    mpeg_sync
        || starts.iter().any(|start| bytes.starts_with(start))
        || bytes.get(4..8) == Some(b"ftyp")
}

/// Symphonia's errors in our words.
fn refusal(error: Error) -> Refusal {
    match error {
        Error::Unsupported(what) => Refusal::Unsupported { what: what.to_owned() },
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            broken("it ends too early")
        }
        error => broken(error.to_string()),
    }
}

fn broken(detail: impl Into<String>) -> Refusal {
    Refusal::Broken { detail: detail.into() }
}
