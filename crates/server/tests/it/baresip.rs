//! baresip as a customer's softphone: it registers with us, is called, hears the message, holds it,
//! presses keys, refuses, and calls us.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::platform::{
    Customer, Options, PATIENCE, Platform, config, correlation, eventually, free_udp_port, pause,
    rising_tone,
};
use crate::reach::ByHand;

/// A running baresip that writes down what it hears.
pub struct Baresip {
    child: Child,
    dir: TempDir,
    /// Where it takes commands.
    control: SocketAddr,
}

/// How a baresip is started.
struct Setup<'a> {
    transport: &'a str,
    registrar: SocketAddr,
    username: &'a str,
    password: &'a str,
    /// Whether it answers every call by itself.
    answers: bool,
    /// More lines of its configuration.
    more: &'a str,
}

/// How long it has something to say: longer than any call of a test, seconds.
const SAYS_S: usize = 180;

/// The short number of the phone under test.
pub const EXTENSION: &str = "100";

impl Baresip {
    /// Starts it at the registrar's own address, and lets it register.
    pub fn start(registrar: SocketAddr, username: &str, password: &str) -> Self {
        Self::over("udp", registrar, username, password, "")
    }

    /// As [`Self::start`], by another transport, with more lines in its configuration.
    pub fn over(
        transport: &str,
        registrar: SocketAddr,
        username: &str,
        password: &str,
        more: &str,
    ) -> Self {
        Self::with(&Setup { transport, registrar, username, password, answers: true, more })
    }

    fn with(setup: &Setup<'_>) -> Self {
        let Setup { transport, registrar, username, password, answers, more } = setup;
        let answering = if *answers { "auto" } else { "manual" };
        let account = format!(
            "<sip:{username}@{registrar};transport={transport}>;auth_user={username};\
             auth_pass={password};answermode={answering};regint=120\n"
        );
        let listen = SocketAddr::new(registrar.ip(), free_udp_port());
        Self::spawn(&account, listen, more, &[])
    }

    /// Starts it as the far end of a trunk: it answers calls to `number` that come to `listen`, and
    /// says this.
    pub fn as_trunk(
        number: &str,
        listen: SocketAddr,
        settings: &str,
        more: &str,
        says: &[i16],
    ) -> Self {
        let account = format!("<sip:{number}@{listen}>;answermode=auto;regint=0{settings}\n");
        Self::spawn(&account, listen, more, says)
    }

    fn spawn(account: &str, listen: SocketAddr, more: &str, says: &[i16]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        let mut says = says.to_vec();
        // It hangs up at the end of what it says.
        says.resize(8_000 * SAYS_S, 0);
        std::fs::write(dir.path().join("says.wav"), media::wav::write_pcm16(&says)).unwrap();
        std::fs::write(dir.path().join("contacts"), "").unwrap();
        std::fs::write(dir.path().join("accounts"), account).unwrap();
        let control = SocketAddr::from(([127, 0, 0, 1], free_udp_port()));
        let settings = format!(
            "ctrl_tcp_listen {control}\nsip_listen {listen}\nmodule_path {}\n\
             audio_player aubridge,out\naudio_alert aubridge,alert\n\
             audio_source aufile,{path}/says.wav\nmodule_app ctrl_tcp.so\n\
             module g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
             snd_path {path}\nmodule_app account.so\nmodule_app menu.so\n{more}",
            modules().display(),
        );
        std::fs::write(dir.path().join("config"), settings).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("baresip")
            .args(["-4", "-n", &listen.ip().to_string(), "-v", "-s", "-f"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("baresip is installed (cargo x test installs it)");
        Self { child, dir, control }
    }

    /// Has it do what a person at its keyboard would do.
    pub fn command(&self, command: &str, parameter: &str) {
        let text = serde_json::json!({ "command": command, "params": parameter }).to_string();
        let mut stream =
            eventually("baresip takes commands", || TcpStream::connect(self.control).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{}:{text},", text.len()).unwrap();
        let mut answer = String::new();
        let mut bytes = [0; 4_096];
        // It tells its events by the same way.
        while !answer.contains("\"response\":true") {
            let length = stream.read(&mut bytes).unwrap();
            assert!(length > 0, "baresip hung up on {command}: {answer}");
            answer.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        assert!(answer.contains("\"ok\":true"), "{command}: {answer}");
    }

    /// Waits until it has said this.
    pub fn says(&self, what: &str) {
        eventually(&format!("baresip says {what}"), || self.log().contains(what).then_some(()));
    }

    /// Whether it has said this.
    pub fn has_said(&self, what: &str) -> bool {
        self.log().contains(what)
    }

    fn log(&self) -> String {
        let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).replace('\0', "")
    }

    /// Ends it in good order, so that it unregisters and its recording is whole.
    pub fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        eventually("baresip ends", || self.child.try_wait().unwrap());
    }

    /// What it heard in its only call, until it held.
    pub fn heard(&self) -> Vec<i16> {
        let wav = eventually("baresip writes what it heard", || decoded_file(self.dir.path()));
        media::wav::read(&std::fs::read(wav).unwrap()).unwrap()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // It has been stopped when the test passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- baresip's log\n{}", self.log());
        }
    }
}

fn decoded_file(dir: &Path) -> Option<PathBuf> {
    let mut files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.to_string_lossy().ends_with("-dec.wav"))
}

/// Debian puts the modules in one place on all machines, others below a folder of the machine.
fn modules() -> PathBuf {
    let candidates = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
    candidates
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_dir())
        .expect("baresip's modules are installed")
}

/// A platform with a phone that may register, its customer, and the phone's credentials.
fn with_phone(digests: &str) -> (Platform, SocketAddr, Customer, String, String) {
    with_phone_and(&format!("phone_digests = '{digests}'\n"))
}

/// As [`with_phone`], with more lines in the section `sip`.
pub fn with_phone_and(sip: &str) -> (Platform, SocketAddr, Customer, String, String) {
    let text = config("").replace("[sip]\n", &format!("[sip]\n{sip}"));
    let platform = Platform::start(Options { config: text, ..Options::default() });
    let registrar = ([127, 0, 0, 1], platform.sip_port()).into();
    let customer = platform.customer(100_000);
    let account = customer.account.to_string();
    let phone =
        platform.cli(&["phone", "add", "--account", &account, "--extension", EXTENSION, "--json"]);
    let text = |name: &str| phone[name].as_str().unwrap().to_owned();
    let (username, password) = (text("username"), text("password"));
    eventually("the registrar knows the phone", || {
        let metrics = platform.get("/metrics");
        metrics.contains("avanak_phones_known 1").then_some(())
    });
    (platform, registrar, customer, username, password)
}

pub fn is_registered(platform: &Platform, customer: &Customer) -> bool {
    let account = customer.account.to_string();
    let shown = platform.cli(&["phone", "show", "--account", &account, EXTENSION, "--json"]);
    shown["registered"].as_bool().unwrap()
}

#[test]
fn a_registered_softphone_hears_the_message_as_it_was_uploaded() {
    let (platform, registrar, customer, username, password) = with_phone("md5");
    let mut phone = Baresip::start(registrar, &username, &password);
    eventually("baresip registers", || is_registered(&platform, &customer).then_some(()));

    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, EXTENSION);
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 10, "{story}");
    assert_eq!(story["charged_rials"], 225, "{story}");

    phone.stop();
    let clip = platform.clip(&customer, message);
    let (alike, offset) = correlation(&clip, &phone.heard());
    assert!(alike > 0.95, "baresip heard something else: {alike} at {offset}");
    eventually("baresip's goodbye is heard", || {
        (!is_registered(&platform, &customer)).then_some(())
    });
}

#[test]
fn a_wrong_password_does_not_register() {
    let (platform, registrar, customer, username, _) = with_phone("md5");
    let _phone = Baresip::start(registrar, &username, "wrong");
    eventually("the registrar refuses", || {
        let metrics = platform.get("/metrics");
        let refused = metrics.lines().find(|line| line.contains("registrations_denied"))?;
        (!refused.ends_with(" 0")).then_some(())
    });
    assert!(!is_registered(&platform, &customer));
}

#[test]
fn a_phone_that_is_not_registered_is_refused_before_anything_is_held() {
    let (platform, _, customer, _, _) = with_phone("both");
    let message = platform.upload(&customer, &rising_tone(4_000)).to_string();
    let parameters = [("MessageID", &*message), ("Number", EXTENSION)];
    let refused = platform.call(&customer, "QuickSend", &parameters);
    assert_eq!(refused["QuickSendID"], -2, "{refused}");
}

#[test]
fn a_phone_that_calls_the_echo_test_hears_its_beeps() {
    let (platform, registrar, _, username, password) = with_phone("md5");
    let number = server::echo_test::NUMBER;
    let mut phone = Baresip::start(registrar, &username, &password);
    phone.command("dial", &format!("sip:{number}@{registrar};transport=udp"));
    eventually("the beeps are over and we hang up", || {
        platform.get("/metrics").contains("avanak_line_tests_total 1").then_some(())
    });
    phone.stop();
    let (alike, offset) = correlation(&server::echo_test::beeps(), &phone.heard());
    assert!(alike > 0.9, "baresip heard something else: {alike} at {offset}");
}

/// A platform, its customer with a message, and a phone that is registered with it.
fn called_phone(answers: bool, more: &str) -> (Platform, Customer, i64, Baresip) {
    let (platform, registrar, customer, username, password) = with_phone("md5");
    let (username, password) = (username.as_str(), password.as_str());
    let setup = Setup { transport: "udp", registrar, username, password, answers, more };
    let phone = Baresip::with(&setup);
    eventually("baresip registers", || is_registered(&platform, &customer).then_some(()));
    let message = platform.upload(&customer, &rising_tone(4_000));
    (platform, customer, message, phone)
}

/// Goal: the message waits while the phone holds, and goes on where it was: nothing of it is lost,
/// and the price is that of the message.
#[test]
fn a_message_waits_while_the_phone_holds() {
    const HELD_MS: u64 = 1_500;
    let (platform, customer, message, mut phone) = called_phone(true, "");
    let send = platform.send(&customer, message, EXTENSION);
    platform.wait_for_answer(&customer, send);
    pause(std::time::Duration::from_secs(1));
    phone.command("hold", "");
    pause(std::time::Duration::from_millis(HELD_MS));
    phone.command("resume", "");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &225.into()), "{story}");
    assert_eq!(story["played_seconds"], story["clip_seconds"], "{story}");
    let up_ms = crate::sandbox::at_ms(&story, "end") - crate::sandbox::at_ms(&story, "answered");
    assert!(up_ms > 4_700.0, "it did not wait: {up_ms} ms");

    // baresip writes nothing down any more once it has held.
    phone.stop();
    let (alike, begins) = correlation(&platform.clip(&customer, message)[..4_000], &phone.heard());
    assert!(alike > 0.95, "baresip heard something else: {alike} at {begins}");
}

/// Goal: a key that a softphone sends by RFC 4733 is the customer's vote.
#[test]
fn a_key_of_a_softphone_is_a_vote() {
    let (platform, customer, message, phone) = called_phone(true, "");
    let message = message.to_string();
    let parameters = [("MessageID", &*message), ("Number", EXTENSION), ("Vote", "true")];
    let sent = platform.call(&customer, "QuickSend", &parameters);
    let send = sent["QuickSendID"].as_i64().unwrap();
    platform.wait_for_answer(&customer, send);
    phone.command("sndcode", "5");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 10, "{story}");
    assert_eq!(platform.state(&customer, send)["vote"], 5, "{story}");
    let by_rtp = platform.figure("avanak_engine_total{event=\"keys_pressed\"}");
    assert!(by_rtp > 0.5, "the key came by another way");
}

/// Goal: with the sound of callees left to the kernel, nothing of it is read, and a key that is
/// pressed is a vote all the same.
#[test]
fn a_key_is_heard_where_sound_is_ignored() {
    let listen = SocketAddr::from(([127, 0, 0, 1], free_udp_port()));
    let phone =
        Baresip::as_trunk("09121234567", listen, "", "", &crate::platform::rising_samples(10_000));
    let trunk = format!("[[trunk]]\nname = 'peer'\naddress = '{listen}'\n");
    let config = config(&trunk).replace("[sip]\n", "[sip]\nignore_sound = true\n");
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(6_000)).to_string();
    let parameters = [("MessageID", &*message), ("Number", "09121234567"), ("Vote", "true")];
    let sent = platform.call(&customer, "QuickSend", &parameters);
    let send = sent["QuickSendID"].as_i64().unwrap();
    platform.wait_for_answer(&customer, send);
    // A second later, so that there was sound to ignore.
    pause(std::time::Duration::from_secs(1));
    phone.command("sndcode", "5");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 10, "{story}");
    assert_eq!(platform.state(&customer, send)["vote"], 5, "{story}");
    // A key is some packets; two seconds of sound are a hundred, of which those that came before
    // the port had its first call may have been read.
    let read = story["sound"]["received"].as_u64().unwrap();
    assert!((1..60).contains(&read), "{story}");
    let unknown = [&story["sound"]["lost"], &story["sound"]["jitter_ms"]];
    assert!(unknown.into_iter().all(serde_json::Value::is_null), "nobody counted: {story}");
}

/// Goal: a phone whose owner refuses, and one that is in another call, are busy, and cost nothing.
#[test]
fn a_softphone_refuses_and_is_busy() {
    let (platform, customer, message, phone) = called_phone(false, "call_max_calls 1\n");
    let refused = platform.send(&customer, message, EXTENSION);
    phone.says("Incoming call");
    phone.command("hangup", "");
    let story = platform.story_of_ended(&customer, refused);
    assert_eq!((&story["reason"], &story["sip_code"]), (&21.into(), &486.into()), "{story}");

    let media = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = ByHand::start(media.local_addr().unwrap());
    phone.command("dial", &format!("sip:other@{};transport=udp", other.address));
    phone.says("Call established");
    let busy = platform.send(&customer, message, EXTENSION);
    let story = platform.story_of_ended(&customer, busy);
    assert_eq!((&story["reason"], &story["sip_code"]), (&21.into(), &486.into()), "{story}");
    assert_eq!(platform.settled_balance(&customer), 100_000);
}

/// A call over a trunk to baresip, with these settings on either side: its story, the baresip, and
/// the platform with what was uploaded.
fn over_trunk(srtp: &str, account: &str) -> (serde_json::Value, Baresip, Platform, Vec<i16>) {
    let listen = SocketAddr::from(([127, 0, 0, 1], free_udp_port()));
    let more = "module srtp.so\nmodule rtcpsummary.so\n";
    let phone = Baresip::as_trunk("09121234567", listen, account, more, &[]);
    let platform = Platform::with_trunk(listen, &format!("srtp = '{srtp}'\n"));
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(8_000));
    let send = platform.send(&customer, message, "09121234567");
    let story = platform.story_of_ended(&customer, send);
    let clip = platform.clip(&customer, message);
    (story, phone, platform, clip)
}

/// Goal: a peer with an encoder and a decoder of its own understands our G.722, and we are told of
/// its packets.
#[test]
fn baresip_hears_g722() {
    let listen = SocketAddr::from(([127, 0, 0, 1], free_udp_port()));
    let (account, more) = (";audio_codecs=G722/16000/1", "module g722.so\n");
    let mut phone = Baresip::as_trunk("09121234567", listen, account, more, &[]);
    // It says nothing to a codec whose rate its file has not: 16 000 samples a second, and bytes.
    let says = phone.dir.path().join("says.wav");
    let mut bytes = std::fs::read(&says).unwrap();
    bytes[24..28].copy_from_slice(&16_000_u32.to_le_bytes());
    bytes[28..32].copy_from_slice(&32_000_u32.to_le_bytes());
    std::fs::write(&says, bytes).unwrap();
    let platform = Platform::with_trunk(listen, "codecs = ['g722']\n");
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(8_000));
    let send = platform.send(&customer, message, "09121234567");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 10, "{story}");
    assert!(story["sound"]["received"].as_u64().unwrap() > 300, "{story}");
    phone.stop();
    assert!(phone.log().contains("G722"), "{}", phone.log());
    // It writes 16 000 samples a second, behind a header of 44 bytes; ours had half as many.
    let wav = eventually("baresip writes what it heard", || decoded_file(phone.dir.path()));
    let bytes = std::fs::read(wav).unwrap();
    let clip = platform.clip(&customer, message);
    // The filters of both sides take some samples' time.
    let alike = (0..8).map(|late| {
        let (samples, _) = bytes[44 + 2 * late..].as_chunks::<4>();
        let heard: Vec<i16> =
            samples.iter().map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        correlation(&clip, &heard).0
    });
    let alike = alike.fold(0.0, f64::max);
    assert!(alike > 0.95, "baresip heard something else: {alike}");
}

#[test]
fn an_encrypted_call_is_understood_by_baresip_and_one_without_keys_is_not_made() {
    let (story, mut phone, platform, clip) = over_trunk("forced", ";mediaenc=srtp-mand");
    assert_eq!(story["reason"], 10, "{story}");
    phone.stop();
    let (alike, offset) = correlation(&clip, &phone.heard());
    assert!(alike > 0.95, "baresip heard something else: {alike} at {offset}");
    let figure = |name: &str| platform.figure(&format!("avanak_engine_total{{event=\"{name}\"}}"));
    eventually("what it sent was opened", || (figure("rtp_received") > 100.0).then_some(()));
    // Before all else it sends an empty report in the clear, to open the way through a NAT.
    assert!(figure("srtp_rejected") <= 1.0);
    assert!(figure("rtcp_received") >= 1.0, "and its encrypted reports");
    // Eight seconds both ways, and what its last report said of ours.
    let sound = &story["sound"];
    let count = |name: &str| sound[name].as_u64().unwrap();
    assert!(count("sent") >= 400 && count("received") > 300, "{story}");
    assert_eq!((count("lost"), count("peer_lost")), (0, 0), "{story}");
    assert!(sound["peer_jitter_ms"].as_f64().unwrap() < 100.0, "{story}");

    let (story, _phone, _, _) = over_trunk("forced", "");
    assert_ne!(story["reason"], 10, "{story}");
    assert_eq!(story["played_seconds"], 0.0, "{story}");
}
