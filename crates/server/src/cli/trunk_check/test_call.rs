//! The test call of a trunk check: an engine of its own places one call, plays three beeps, and
//! tells what happened.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::{PhoneNumber, Trunk};
use engine::{
    CallKey, CallSpec, Clip, Command, Engine, EngineConfig, Event, Hop, Input, Limits, Outcome,
    Outputs, Script, Target, Transport,
};
use tokio::net::UdpSocket;

use super::line::Line;
use crate::config::Config;
use crate::{address, clock, echo_test, trunks, udp};

/// The only call of its engine.
const CALL: CallKey = CallKey(1);
/// How long the phone may ring, milliseconds.
const RING_MS: u32 = 30_000;
/// How long the call may last, milliseconds.
const CALL_MS: u32 = 60_000;
/// How long all of it may take: the call, and what is said after its end.
const GIVE_UP: Duration = Duration::from_secs(65);
/// How long the far end may take to confirm the end of the call.
const FAREWELL: Duration = Duration::from_millis(500);

/// Places the call over a line; its steps are noted there.
///
/// # Errors
/// Nothing could be sent or received.
pub async fn place(
    config: &Config,
    line: &mut Line,
    trunk: &Trunk,
    number: &PhoneNumber,
) -> Result<Outcome> {
    let (media, port) = media_socket(config, line.peer.address)?;
    let mut engine = Engine::new(EngineConfig {
        sip_local: line.local,
        rtp: vec![SocketAddr::new(line.local.ip(), port)],
        secret: clock::random_secret(),
        fresh_secret: clock::random_secret(),
        realm: String::from(app::phone::REALM),
        phone_digests: vec![engine::Algorithm::Md5],
        user_agent: String::from(crate::USER_AGENT),
        call_id_prefix: String::new(),
        limits: Limits::default(),
    });
    let mut out = Outputs::default();
    let start = Command::Start(Box::new(spec(line, trunk, number)));
    engine.handle(clock::instant(), Input::Command(start), &mut out);
    let (mut buffer, mut sound) = (vec![0; 65_535], vec![0; 2_048]);
    let mut give_up = clock::instant() + GIVE_UP;
    let mut outcome = None;
    loop {
        for event in out.events.drain(..) {
            note(line, &event);
            if let Event::Ended { outcome: ended, .. } = event {
                outcome = Some(*ended);
                give_up = clock::instant() + FAREWELL;
            }
        }
        for transmit in out.sip.drain(..) {
            line.send(&transmit).await?;
        }
        for packet in out.rtp.drain(..) {
            let bytes = [&packet.header[..], packet.payload()].concat();
            // A packet that does not leave is one that is lost.
            let _ = media.send_to(&bytes, packet.destination).await;
        }
        out.clear();
        let now = clock::instant();
        let over = now >= give_up || engine.next_timeout().is_none();
        if let (Some(outcome), true) = (&outcome, over) {
            return Ok(outcome.clone());
        }
        if now >= give_up {
            bail!("the test call did not end");
        }
        let due = engine.next_timeout().unwrap_or(give_up).min(give_up);
        tokio::select! {
            received = line.receive(&mut buffer) => {
                let (length, address) = received?;
                let peer = Hop { transport: line.peer.transport, address };
                let input = Input::SipOver { peer, bytes: &buffer[..length] };
                engine.handle(clock::instant(), input, &mut out);
            }
            heard = media.recv_from(&mut sound) => {
                // What was refused on its way to the far end is no sound.
                let Ok((length, source)) = heard else { continue };
                let input = Input::Rtp { slot: 0, source, bytes: &sound[..length] };
                engine.handle(clock::instant(), input, &mut out);
            }
            () = tokio::time::sleep(due.saturating_duration_since(now)) => {
                engine.handle(clock::instant(), Input::Timeout, &mut out);
            }
        }
    }
}

fn media_socket(config: &Config, peer: SocketAddr) -> Result<(UdpSocket, u16)> {
    let media = SocketAddr::new(config.sip.side_for(peer).listen.ip(), 0);
    let media = udp::bind(media).with_context(|| format!("binding {media}"))?;
    let media = UdpSocket::from_std(media).context("watching the media socket")?;
    let port = media.local_addr().context("asking for our media port")?.port();
    Ok((media, port))
}

fn spec(line: &Line, trunk: &Trunk, number: &PhoneNumber) -> CallSpec {
    let transport = match line.peer.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    let number = trunk.number_format.apply(number);
    let uri = format!("sip:{number}@{}{transport}", trunk.address);
    let clip = Arc::new(Clip::from_samples(&echo_test::beeps()));
    CallSpec {
        call: CALL,
        call_id: call_id(line),
        target: Target::Address { address: line.peer.address, request_uri: uri.clone(), to: uri },
        from_uri: format!("sip:{}@{}", trunk.caller_id, line.local),
        credentials: trunks::credentials(trunk),
        codecs: trunk.codecs.iter().filter_map(|name| trunks::codec(name)).collect(),
        srtp: trunks::srtp(trunk),
        symmetric_rtp: trunk.symmetric_rtp,
        script: Arc::new(Script::message(clip, None)),
        ring_timeout_ms: RING_MS,
        max_duration_ms: CALL_MS,
    }
}

/// A Call-ID that no other call has.
fn call_id(line: &Line) -> String {
    let drawn = clock::random_secret();
    let number = drawn.iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    format!("check-{number:016x}@{}", address::host(line.local.ip()))
}

fn note(line: &mut Line, event: &Event) {
    let what = match event {
        Event::EarlyMedia { .. } => "sound before the answer is offered",
        Event::FirstAudio { .. } => "→ the first sound",
        Event::Key { .. } => "← a key",
        Event::Ended { .. } => "the call is over",
        _ => return,
    };
    line.say(what.to_owned());
}
