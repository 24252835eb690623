//! `avanak trunk check`: explains a trunk end to end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::Trunk;
use engine::{
    Codec, Command, Engine, EngineConfig, Event, Hop, Input, Limits, Outputs, Transmit, TrunkCheck,
};
use sip::framing::{Frame, Framing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use crate::config::Config;
use crate::resolver::Resolver;
use crate::streams::{self, Stream};
use crate::{address, clock, trunks, udp};

/// The longest a check may take: a SIP request is given up after 32 s (RFC 3261, timer F).
const GIVE_UP: Duration = Duration::from_secs(35);

/// Checks one trunk and tells each step that passed.
///
/// # Errors
/// The step that failed, and what to do about it.
pub async fn check(config: &Config, trunk: &Trunk) -> Result<Vec<String>> {
    let found = Resolver::new(&config.sip)?.locate(trunk).await?;
    let peer = trunks::first_of(&found.servers);
    let address = peer.address;
    let mut lines = vec![format!("ok   {} is {address}", trunk.address)];
    let advertised = address::advertised_to(&config.sip, &[(&trunk.name, address)])?;
    lines.push(format!("ok   it is told to reach us at {advertised}"));
    let (code, took_us) = ask(config, advertised, peer, trunk).await?;
    let took_ms = took_us / 1000;
    let Some(code) = code else {
        bail!(
            "no answer to OPTIONS from {address} in {took_ms} ms: is the address right, and does \
             the carrier's firewall let us in?"
        );
    };
    if code == 401 || code == 407 || code == 403 {
        bail!("{address} refused our credentials with {code}: check username and password");
    }
    let by = peer.transport.name().to_lowercase();
    lines.push(format!("ok   it answered OPTIONS with {code} in {took_ms} ms over {by}"));
    lines.push(format!(
        "ok   at most {} calls at once, {} started a second; codecs {}",
        trunk.max_channels,
        trunk.max_cps,
        offered(trunk)
    ));
    Ok(lines)
}

/// The names of the codecs that a trunk is offered.
fn offered(trunk: &Trunk) -> String {
    let described: Vec<Codec> =
        trunk.codecs.iter().filter_map(|name| trunks::codec(name)).collect();
    let codecs = if described.is_empty() { Codec::DEFAULT_ORDER } else { &described };
    codecs.iter().map(|codec| codec.encoding_name()).collect::<Vec<_>>().join(", ")
}

/// One OPTIONS by an engine of its own, so that a running server is not disturbed.
async fn ask(
    config: &Config,
    advertised: IpAddr,
    peer: Hop,
    trunk: &Trunk,
) -> Result<(Option<u16>, u64)> {
    let Hop { transport, address } = peer;
    let (mut wire, port) = Wire::open(config, peer, address::host_of(&trunk.address)).await?;
    let local = SocketAddr::new(advertised, port);
    let mut engine = Engine::new(EngineConfig {
        sip_local: local,
        media_address: local.ip(),
        rtp_ports: vec![9],
        secret: clock::random_secret(),
        fresh_secret: clock::random_secret(),
        realm: String::from(app::phone::REALM),
        phone_digests: vec![engine::Algorithm::Sha256, engine::Algorithm::Md5],
        user_agent: String::from(crate::USER_AGENT),
        limits: Limits::default(),
    });
    let mut out = Outputs::default();
    let check = TrunkCheck {
        check: 1,
        address,
        request_uri: sip::Uri::at("", peer).to_string(),
        from_uri: format!("sip:{}@{local}", trunk.caller_id),
        credentials: trunks::credentials(trunk),
    };
    let command = Command::CheckTrunk(Box::new(check));
    engine.handle(clock::instant(), Input::Command(command), &mut out);
    let give_up = clock::instant() + GIVE_UP;
    let mut buffer = vec![0; 65_535];
    while clock::instant() < give_up {
        if let Some(answer) = checked(&out.events) {
            return Ok(answer);
        }
        for transmit in out.sip.drain(..) {
            wire.send(&transmit).await.with_context(|| format!("sending to {address}"))?;
        }
        out.clear();
        let due = engine.next_timeout().unwrap_or(give_up).min(give_up);
        let wait = due.saturating_duration_since(clock::instant());
        match tokio::time::timeout(wait, wire.receive(&mut buffer)).await {
            Ok(Ok((length, source))) => {
                let peer = Hop { transport, address: source };
                let input = Input::SipOver { peer, bytes: &buffer[..length] };
                engine.handle(clock::instant(), input, &mut out);
            }
            Ok(Err(error)) => {
                return Err(error).with_context(|| {
                    format!("nobody listens at {address}: is the port of trunk.address right?")
                });
            }
            Err(_) => engine.handle(clock::instant(), Input::Timeout, &mut out),
        }
    }
    bail!("the check of {address} did not end")
}

/// How a check reaches its trunk.
enum Wire {
    Datagrams(UdpSocket),
    Connection { stream: Box<dyn Stream>, framing: Framing, peer: SocketAddr },
}

impl Wire {
    /// Gives the port of ours that answers come to, too.
    async fn open(config: &Config, peer: Hop, host: &str) -> Result<(Self, u16)> {
        if peer.transport.is_reliable() {
            let stream = streams::open(&config.sip, peer, host)
                .await
                .with_context(|| format!("there is no connection with {}", peer.address))?;
            let framing = Framing::new();
            let wire = Self::Connection { stream, framing, peer: peer.address };
            return Ok((wire, config.sip.listen.port()));
        }
        let local = SocketAddr::new(config.sip.listen.ip(), 0);
        let socket = udp::bind(local).with_context(|| format!("binding {local}"))?;
        // A closed port is then told at once.
        udp::watch_errors(&socket).context("asking for ICMP errors")?;
        let socket = UdpSocket::from_std(socket).context("watching the socket")?;
        let port = socket.local_addr().context("asking for our port")?.port();
        Ok((Self::Datagrams(socket), port))
    }

    async fn send(&mut self, message: &Transmit) -> io::Result<()> {
        match self {
            Self::Datagrams(socket) => {
                socket.send_to(&message.bytes, message.destination).await.map(drop)
            }
            Self::Connection { stream, .. } => {
                stream.write_all(&message.bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Fills `buffer` with the next message; gives its length and where it came from.
    async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (stream, framing, peer) = match self {
            Self::Datagrams(socket) => return socket.recv_from(buffer).await,
            Self::Connection { stream, framing, peer } => (stream, framing, peer),
        };
        loop {
            let next = framing.next(&sip::Limits::default()).map_err(io::Error::other)?;
            if let Some(Frame::Message(message)) = next {
                let length = message.len().min(buffer.len());
                buffer[..length].copy_from_slice(&message[..length]);
                return Ok((length, *peer));
            }
            if next.is_none() {
                match stream.read(buffer).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => framing.push(&buffer[..count]),
                }
            }
        }
    }
}

fn checked(events: &[Event]) -> Option<(Option<u16>, u64)> {
    events.iter().find_map(|event| match event {
        Event::TrunkChecked { sip_code, round_trip_us, .. } => Some((*sip_code, *round_trip_us)),
        _ => None,
    })
}
