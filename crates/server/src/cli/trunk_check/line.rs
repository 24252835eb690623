//! A line of our own to one server of a trunk, so that a running server is not disturbed: sends and
//! receives SIP messages, and notes what was said when.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use engine::{Hop, Transmit};
use sip::framing::{Frame, Framing};
use sip::{Endpoint, Event, Failure, Message, Name, OutOfDialog, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use crate::config::Sip;
use crate::streams::{self, Certificate, Stream};
use crate::{clock, udp};

/// The longest a request may take: it is given up after 32 s (RFC 3261, timer F).
const GIVE_UP: Duration = Duration::from_secs(35);
/// Messages that are noted.
const NOTES_MAX: usize = 100;

/// A line to one server.
pub struct Line {
    wire: Wire,
    /// The server.
    pub peer: Hop,
    /// Where the server reaches us.
    pub local: SocketAddr,
    /// The server's certificate, over TLS.
    pub certificate: Option<Certificate>,
    began_at: Instant,
    /// What was said, with the milliseconds since the line was opened.
    pub notes: Vec<(u128, String)>,
}

enum Wire {
    Datagrams(UdpSocket),
    Connection { stream: Box<dyn Stream>, framing: Framing },
}

/// What came of a request.
pub struct Heard {
    /// The final response, or why there is none.
    pub result: std::result::Result<Response, Failure>,
    /// The first challenge, as its header field said it.
    pub challenge: Option<String>,
    /// From the first sending to the end, milliseconds.
    pub took_ms: u128,
}

impl Line {
    /// Opens a line; the certificate of a TLS server must have the name `host`.
    ///
    /// # Errors
    /// There is no connection, and why.
    pub async fn open(sip: &Sip, advertised: IpAddr, peer: Hop, host: &str) -> Result<Self> {
        let (wire, port, certificate) = if peer.transport.is_reliable() {
            let opened = streams::open(sip, peer, host).await?;
            let wire = Wire::Connection { stream: opened.stream, framing: Framing::new() };
            (wire, sip.side_for(peer.address).listen.port(), opened.certificate)
        } else {
            let local = SocketAddr::new(sip.side_for(peer.address).listen.ip(), 0);
            let socket = udp::bind(local).with_context(|| format!("binding {local}"))?;
            // A closed port is then told at once.
            udp::watch_errors(&socket).context("asking for ICMP errors")?;
            let socket = UdpSocket::from_std(socket).context("watching the socket")?;
            let port = socket.local_addr().context("asking for our port")?.port();
            (Wire::Datagrams(socket), port, None)
        };
        let local = SocketAddr::new(advertised, port);
        let (began_at, notes) = (clock::instant(), Vec::new());
        Ok(Self { wire, peer, local, certificate, began_at, notes })
    }

    /// Sends one request, with credentials if they are asked for, and waits for its end.
    ///
    /// # Errors
    /// Nothing can be sent there.
    pub async fn ask(&mut self, request: OutOfDialog) -> Result<Heard> {
        let mut endpoint = Endpoint::new(sip::Config {
            local: self.local,
            secret: clock::random_secret(),
            user_agent: String::from(crate::USER_AGENT),
            registrar: false,
            extensions: sip::Extensions::default(),
            limits: sip::Limits::default(),
        });
        let mut out = sip::Outputs::default();
        let began_at = clock::instant();
        let asked = endpoint.request(began_at, request, &mut out);
        asked.map_err(|full| anyhow!("the request cannot be sent: {full:?}"))?;
        let (mut challenge, give_up) = (None, began_at + GIVE_UP);
        let mut buffer = vec![0; 65_535];
        loop {
            let done = out.events.drain(..).find_map(|event| match event {
                Event::Response { result, .. } => Some(result),
                _ => None,
            });
            if let Some(result) = done {
                let took_ms = clock::instant().duration_since(began_at).as_millis();
                return Ok(Heard { result, challenge, took_ms });
            }
            for transmit in std::mem::take(&mut out.transmits) {
                self.send(&transmit).await?;
            }
            let now = clock::instant();
            if now >= give_up {
                bail!("the question to {} did not end", self.peer.address);
            }
            let wait = endpoint.next_timeout().unwrap_or(give_up).saturating_duration_since(now);
            match tokio::time::timeout(wait, self.receive(&mut buffer)).await {
                Ok(received) => {
                    let (length, source) = received?;
                    challenge = challenge.or_else(|| challenge_in(&buffer[..length]));
                    let source = Hop { transport: self.peer.transport, address: source };
                    let bytes = &buffer[..length];
                    endpoint.receive_over(clock::instant(), source, bytes, &mut out);
                }
                Err(_) => endpoint.expire(clock::instant(), &mut out),
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// It cannot be sent.
    pub async fn send(&mut self, message: &Transmit) -> Result<()> {
        self.note("→", &message.bytes);
        let sent = match &mut self.wire {
            Wire::Datagrams(socket) => {
                socket.send_to(&message.bytes, message.destination).await.map(drop)
            }
            Wire::Connection { stream, .. } => match stream.write_all(&message.bytes).await {
                Ok(()) => stream.flush().await,
                failed => failed,
            },
        };
        sent.with_context(|| format!("sending to {}", message.destination))
    }

    /// Fills `buffer` with the next message; gives its length and where it came from.
    ///
    /// # Errors
    /// Nobody listens there, or the connection is over.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        let address = self.peer.address;
        let received = self.next(buffer).await;
        let (length, source) = received.with_context(|| format!("nobody listens at {address}"))?;
        self.note("←", &buffer[..length]);
        Ok((length, source))
    }

    async fn next(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (stream, framing) = match &mut self.wire {
            Wire::Datagrams(socket) => return socket.recv_from(buffer).await,
            Wire::Connection { stream, framing } => (stream, framing),
        };
        loop {
            let next = framing.next(&sip::Limits::default()).map_err(io::Error::other)?;
            if let Some(Frame::Message(message)) = next {
                let length = message.len().min(buffer.len());
                buffer[..length].copy_from_slice(&message[..length]);
                return Ok((length, self.peer.address));
            }
            if next.is_none() {
                match stream.read(buffer).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => framing.push(&buffer[..count]),
                }
            }
        }
    }

    /// Notes who said what: the method of a request, the whole line of a status.
    fn note(&mut self, direction: &str, bytes: &[u8]) {
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let said = match line.strip_prefix("SIP/2.0 ") {
            Some(status) => status,
            None => line.split(' ').next().unwrap_or_default(),
        };
        self.say(format!("{direction} {said}"));
    }

    /// Notes something else that happened.
    pub fn say(&mut self, what: String) {
        if self.notes.len() < NOTES_MAX {
            let at_ms = clock::instant().duration_since(self.began_at).as_millis();
            self.notes.push((at_ms, what));
        }
    }
}

/// The challenge of a 401 or 407.
fn challenge_in(bytes: &[u8]) -> Option<String> {
    let Ok(Message::Response(response)) = sip::message::parse(bytes, &sip::Limits::default())
    else {
        return None;
    };
    let field = match response.code {
        401 => Name::WwwAuthenticate,
        407 => Name::ProxyAuthenticate,
        _ => return None,
    };
    let value = response.headers.get(field)?;
    Some(format!("{} {}", response.code, text(value)))
}

/// What a peer wrote, fit to be printed.
pub fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().filter(|letter| !letter.is_control()).take(200).collect()
}
