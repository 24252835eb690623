//! rsipstack, a SIP stack by other people, as a trunk that we call and as a phone that calls us.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use media::codec::Codec;
use media::rtp::{Header as RtpHeader, Packet};
use rsipstack::EndpointBuilder;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::dialog::{
    Dialog, DialogState, DialogStateReceiver, DialogStateSender, TerminatedReason,
};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::dialog::registration::Registration;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{Header, Request, StatusCode, Uri};
use rsipstack::transaction::endpoint::Endpoint;
use rsipstack::transaction::{Transaction, TransactionReceiver};
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::baresip::{EXTENSION, is_registered, with_phone_and};
use crate::platform::{Options, Platform, config, correlation, eventually, rising_tone};

/// What the last two digits of a called number make the peer do after it has rung.
const ANSWER: &str = "01";
const REFUSE: &str = "02";
const RING_ON: &str = "03";

/// What became of the peer's calls.
#[derive(Default)]
struct Seen {
    /// Calls that are up, by what was called.
    up: BTreeMap<String, InviteDialog>,
    /// How calls ended, by what was called.
    ended: BTreeMap<String, TerminatedReason>,
}

/// The peer: rsipstack with one UDP socket for signalling and one for sound.
struct Peer {
    runtime: Runtime,
    endpoint: Endpoint,
    layer: Arc<DialogLayer>,
    states: DialogStateSender,
    address: SocketAddr,
    media: UdpSocket,
    seen: Arc<Mutex<Seen>>,
}

impl Peer {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        media.set_nonblocking(true).unwrap();
        let stop = CancellationToken::new();
        let transports = TransportLayer::new(stop.clone());
        let any = "127.0.0.1:0".parse().unwrap();
        let socket = UdpConnection::create_connection(any, None, Some(stop.child_token()));
        let socket = runtime.block_on(socket).unwrap();
        transports.add_transport(socket.into());
        let endpoint =
            EndpointBuilder::new().with_cancel_token(stop).with_transport_layer(transports).build();
        let address: SocketAddr =
            endpoint.get_addrs().first().unwrap().addr.to_string().parse().unwrap();
        let layer = Arc::new(DialogLayer::new(endpoint.inner.clone()));
        let (states, told) = layer.new_dialog_state_channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let requests = endpoint.incoming_transactions().unwrap();
        let contact = uri(&format!("sip:peer@{address}"));
        runtime.spawn(take_requests(Arc::clone(&layer), requests, states.clone(), contact));
        let sound = media.local_addr().unwrap();
        runtime.spawn(follow_calls(Arc::clone(&layer), told, sound, Arc::clone(&seen)));
        let serving = Arc::clone(&endpoint.inner);
        runtime.spawn(async move { serving.serve().await });
        Self { runtime, endpoint, layer, states, address, media, seen }
    }

    /// How the call to this number ended for the peer.
    fn end_of(&self, called: &str) -> TerminatedReason {
        eventually("the peer's call ends", || self.seen.lock().unwrap().ended.get(called).cloned())
    }

    /// The call to this number, once it is up.
    fn call_to(&self, called: &str) -> InviteDialog {
        eventually("the peer's call is up", || self.seen.lock().unwrap().up.get(called).cloned())
    }

    /// What was heard since the last question, in the order in which it came.
    fn heard(&self) -> Vec<i16> {
        let mut samples = Vec::new();
        let mut bytes = [0; 2_048];
        while let Ok(length) = self.media.recv(&mut bytes) {
            let packet = Packet::parse(&bytes[..length]).unwrap();
            assert_eq!(packet.header.payload_type, Codec::Pcma.payload_type());
            samples.extend(Codec::Pcma.decode_all(packet.payload));
        }
        samples
    }

    fn register(&self, registrar: SocketAddr, login: &Credential) {
        let mut registration = Registration::new(self.endpoint.inner.clone(), Some(login.clone()));
        let server = uri(&format!("sip:{registrar}"));
        let answer = self.runtime.block_on(registration.register(server, Some(120))).unwrap();
        assert_eq!(answer.status_code, StatusCode::OK);
    }

    /// Calls a number of the registrar's as the phone with this login: the call, and where it wants
    /// its sound.
    fn dial(
        &self,
        number: &str,
        registrar: SocketAddr,
        login: &Credential,
    ) -> (InviteDialog, SocketAddr) {
        let user = &login.username;
        let invite = InviteOption {
            caller: uri(&format!("sip:{user}@{registrar}")),
            callee: uri(&format!("sip:{number}@{registrar}")),
            contact: uri(&format!("sip:{user}@{}", self.address)),
            content_type: Some("application/sdp".to_owned()),
            offer: Some(description(self.media.local_addr().unwrap())),
            credential: Some(login.clone()),
            ..Default::default()
        };
        let call = self.layer.do_invite(invite, self.states.clone());
        let (dialog, answer) = self.runtime.block_on(call).unwrap();
        let answer = answer.unwrap();
        assert_eq!(answer.status_code, StatusCode::OK);
        let described = String::from_utf8(answer.body).unwrap();
        let audio = described.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
        let port = audio.split(' ').next().unwrap().parse().unwrap();
        (dialog, (registrar.ip(), port).into())
    }

    /// Talks for as many packets.
    fn talk(&self, packets: u16, to: SocketAddr) {
        for sequence in 0..packets {
            let header = RtpHeader {
                marker: sequence == 0,
                payload_type: Codec::Pcma.payload_type(),
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: 7,
            };
            let packet = [&header.write()[..], &[0x55; 160]].concat();
            self.media.send_to(&packet, to).unwrap();
        }
    }
}

fn uri(text: &str) -> Uri {
    text.try_into().unwrap()
}

/// A-law and telephone events at this address.
fn description(at: SocketAddr) -> Vec<u8> {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "v=0\r\no=peer 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    )
    .into_bytes()
}

/// Gives every request to its dialog, and makes dialogs of calls.
async fn take_requests(
    layer: Arc<DialogLayer>,
    mut requests: TransactionReceiver,
    states: DialogStateSender,
    contact: Uri,
) {
    while let Some(mut transaction) = requests.recv().await {
        let dialog = match layer.match_dialog(&transaction) {
            Some(Dialog::Invite(dialog)) => dialog,
            _ => new_call(&layer, &transaction, &states, &contact),
        };
        tokio::spawn(async move {
            let mut dialog = dialog;
            dialog.handle(&mut transaction).await.unwrap();
        });
    }
}

fn new_call(
    layer: &DialogLayer,
    invite: &Transaction,
    states: &DialogStateSender,
    contact: &Uri,
) -> InviteDialog {
    layer.get_or_create_server_invite(invite, states.clone(), None, Some(contact.clone())).unwrap()
}

/// Rings, then does what the called number asks for, and notes what becomes of every call.
async fn follow_calls(
    layer: Arc<DialogLayer>,
    mut told: DialogStateReceiver,
    sound: SocketAddr,
    seen: Arc<Mutex<Seen>>,
) {
    while let Some(state) = told.recv().await {
        match state {
            DialogState::Calling(id) => {
                // Of our own calls there is nothing to be decided.
                if let Some(dialog) = incoming(&layer, &id) {
                    take_call(&dialog, sound);
                }
            }
            DialogState::Confirmed(id, _) => {
                if let Some(dialog) = incoming(&layer, &id) {
                    let called = called(&dialog.initial_request());
                    seen.lock().unwrap().up.insert(called, dialog);
                }
            }
            DialogState::Terminated(id, reason) => {
                if let Some(Dialog::Invite(dialog)) = layer.get_dialog(&id) {
                    let called = called(&dialog.initial_request());
                    seen.lock().unwrap().ended.insert(called, reason);
                    layer.remove_dialog(&id);
                }
            }
            _ => {}
        }
    }
}

/// The dialog of a call that we were asked to take.
fn incoming(layer: &DialogLayer, id: &DialogId) -> Option<InviteDialog> {
    match layer.get_dialog(id)? {
        Dialog::Invite(dialog)
            if dialog.role() == rsipstack::transaction::key::TransactionRole::Server =>
        {
            Some(dialog)
        }
        _ => None,
    }
}

fn take_call(dialog: &InviteDialog, sound: SocketAddr) {
    dialog.ringing(None, None).unwrap();
    let called = called(&dialog.initial_request());
    if called.ends_with(REFUSE) {
        dialog.reject(Some(StatusCode::BusyHere), None).unwrap();
    } else if !called.ends_with(RING_ON) {
        let kind = vec![Header::ContentType("application/sdp".into())];
        dialog.accept(Some(kind), Some(description(sound))).unwrap();
    }
}

/// The user part of the Request-URI.
fn called(invite: &Request) -> String {
    invite.uri.auth.as_ref().map(|auth| auth.user.clone()).unwrap_or_default()
}

/// Asserts that the whole clip was heard, in order and as it was uploaded.
fn assert_heard(clip: &[i16], heard: &[i16]) {
    let (alike, offset) = correlation(clip, heard);
    assert!(alike > 0.98, "something else was heard: {alike} at {offset} of {}", heard.len());
}

/// Goal: as a trunk it hears the message and our goodbye, says goodbye itself, refuses, and is
/// cancelled when it rings too long; each side tells the same story.
#[test]
fn rsipstack_as_a_trunk_takes_calls_and_ends_them_in_every_way() {
    let peer = Peer::start();
    let trunk = format!("[[trunk]]\nname = 'peer'\naddress = '{}'\n", peer.address);
    let config = config(&format!("[calls]\nring_timeout_ms = 2500\n{trunk}"));
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let number = |suffix: &str| format!("091212345{suffix}");
    let send = |suffix: &str| platform.send(&customer, message, &number(suffix));
    let story = |send: i64| -> (i64, Option<i64>, Value) {
        let story = platform.story_of_ended(&customer, send);
        (story["reason"].as_i64().unwrap(), story["sip_code"].as_i64(), story)
    };

    let heard_out = send(ANSWER);
    let (reason, _, told) = story(heard_out);
    assert_eq!(reason, 10, "{told}");
    assert!(matches!(peer.end_of(&number(ANSWER)), TerminatedReason::UacBye));
    assert_heard(&platform.clip(&customer, message), &peer.heard());

    let (cut, busy, rings) = (send("11"), send(REFUSE), send(RING_ON));
    platform.wait_for_answer(&customer, cut);
    // Who hangs up before the first packet has heard nothing, and nothing is charged.
    eventually("it hears the message", || peer.media.recv(&mut [0; 2_048]).ok());
    let call = peer.call_to(&number("11"));
    peer.runtime.block_on(call.bye()).unwrap();
    let (reason, _, told) = story(cut);
    assert_eq!(reason, 11, "{told}");
    let (reason, code, told) = story(busy);
    assert_eq!((reason, code), (21, Some(486)), "{told}");
    let (reason, _, told) = story(rings);
    assert_eq!(reason, 20, "{told}");
    assert!(matches!(peer.end_of(&number(RING_ON)), TerminatedReason::UacCancel));
    assert_eq!(platform.settled_balance(&customer), 100_000 - 2 * 225);
}

/// Goal: as a phone it registers by digest, calls the test of the line, hears the beeps and us
/// hanging up, hangs up itself the next time, and is called with a message.
#[test]
fn rsipstack_as_a_phone_registers_calls_and_is_called() {
    let (platform, registrar, customer, username, password) = with_phone_and("");
    let peer = Peer::start();
    let login = Credential { username, password, realm: None, auth_username: None };
    peer.register(registrar, &login);
    eventually("the phone is registered", || is_registered(&platform, &customer).then_some(()));

    let number = server::echo_test::NUMBER;
    let (first, sound) = peer.dial(number, registrar, &login);
    peer.talk(10, sound);
    eventually("we hear the phone", || {
        let name = "avanak_engine_total{event=\"rtp_received\"}";
        (platform.figure(name) >= 10.0).then_some(())
    });
    eventually("the beeps are over and we hang up", || first.state().is_terminated().then_some(()));
    let (alike, _) = correlation(&server::echo_test::beeps(), &peer.heard());
    assert!(alike > 0.98, "something else was heard: {alike}");

    let (second, _) = peer.dial(number, registrar, &login);
    peer.runtime.block_on(second.bye()).unwrap();
    eventually("both tests of the line are over", || {
        platform.get("/metrics").contains("avanak_line_tests_total 2").then_some(())
    });
    peer.heard();

    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, EXTENSION);
    let story = platform.story_of_ended(&customer, send);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &225.into()), "{story}");
    assert_heard(&platform.clip(&customer, message), &peer.heard());
}
