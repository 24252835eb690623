//! baresip as a customer's softphone: it registers with us, is called, and hears the message.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::platform::{
    Customer, Options, Platform, config, correlation, eventually, free_udp_port, rising_tone,
};

/// A running baresip that answers every call and writes down what it hears.
pub struct Baresip {
    child: Child,
    dir: TempDir,
}

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
        Self::with(transport, registrar, (username, password), more, &[])
    }

    /// As [`Self::over`], with more arguments.
    fn with(
        transport: &str,
        registrar: SocketAddr,
        (username, password): (&str, &str),
        more: &str,
        arguments: &[&str],
    ) -> Self {
        let account = format!(
            "<sip:{username}@{registrar};transport={transport}>;auth_user={username};\
             auth_pass={password};answermode=auto;regint=120\n"
        );
        let listen = SocketAddr::new(registrar.ip(), free_udp_port());
        Self::spawn(&account, listen, more, arguments, &[])
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
        Self::spawn(&account, listen, more, &[], says)
    }

    fn spawn(
        account: &str,
        listen: SocketAddr,
        more: &str,
        arguments: &[&str],
        says: &[i16],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        let mut says = says.to_vec();
        says.resize(8_000 * 60, 0);
        std::fs::write(dir.path().join("says.wav"), media::wav::write_pcm16(&says)).unwrap();
        std::fs::write(dir.path().join("contacts"), "").unwrap();
        std::fs::write(dir.path().join("accounts"), account).unwrap();
        let settings = format!(
            "sip_listen {listen}\nmodule_path {}\naudio_player aubridge,out\n\
             audio_alert aubridge,alert\naudio_source aufile,{path}/says.wav\n\
             module g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
             snd_path {path}\nmodule_app account.so\nmodule_app menu.so\n{more}",
            modules().display(),
        );
        std::fs::write(dir.path().join("config"), settings).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("baresip")
            .args(["-4", "-n", &listen.ip().to_string(), "-v", "-s", "-f"])
            .arg(dir.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("baresip is installed (cargo x test installs it)");
        Self { child, dir }
    }

    /// Ends it in good order, so that it unregisters and its recording is whole.
    pub fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        eventually("baresip ends", || self.child.try_wait().unwrap());
    }

    /// What it heard in its only call.
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
            let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
            eprintln!("--- baresip's log\n{}", String::from_utf8_lossy(&log).replace('\0', ""));
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
    let dial = format!("/dial sip:{number}@{registrar};transport=udp");
    let mut phone = Baresip::with("udp", registrar, (&username, &password), "", &["-e", &dial]);
    eventually("the beeps are over and we hang up", || {
        platform.get("/metrics").contains("avanak_line_tests_total 1").then_some(())
    });
    phone.stop();
    let (alike, offset) = correlation(&server::echo_test::beeps(), &phone.heard());
    assert!(alike > 0.9, "baresip heard something else: {alike} at {offset}");
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
