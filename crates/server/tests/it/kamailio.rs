//! Kamailio as the carrier's registrar and proxy: we register with it and call through it, and it
//! stays on the way of every call.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::baresip::Baresip;
use crate::platform::{
    Options, Platform, config, correlation, eventually, free_udp_port, peer_file, rising_tone,
};
use crate::sipp::{Sipp, is_bound};

/// What every user of the proxy proves.
pub const PASSWORD: &str = "open-sesame";

/// A running Kamailio with a socket for each side.
pub struct Kamailio {
    child: Child,
    /// Where we speak to it.
    pub address: SocketAddr,
    dir: TempDir,
}

impl Kamailio {
    pub fn start() -> Self {
        // A port that was free may be taken by a test beside us; Kamailio then ends at once.
        eventually("Kamailio starts", || {
            let mut proxy = Self::spawn();
            let bound = eventually("Kamailio takes its port", || {
                let ended = proxy.child.try_wait().unwrap().is_some();
                (ended || is_bound("udp", proxy.address.port())).then_some(!ended)
            });
            bound.then_some(proxy)
        })
    }

    fn spawn() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [outer, inner] = [(); 2].map(|()| format!("127.0.0.1:{}", free_udp_port()));
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("kamailio")
            .arg("-f")
            .arg(peer_file("kamailio.cfg"))
            // In the foreground, small, and without anything of its own elsewhere.
            .args(["-DD", "-E", "-m", "16", "-M", "4", "-Y"])
            .arg(dir.path())
            .args(["-l", &format!("udp:{outer}"), "-l", &format!("udp:{inner}")])
            .arg(format!("--substdef=!INNER!{inner}!g"))
            .env("PATH", "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("Kamailio is installed (cargo x test installs it)");
        Self { child, address: outer.parse().unwrap(), dir }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// How many lines of its log hold this.
    pub fn count(&self, what: &str) -> usize {
        self.log().lines().filter(|line| line.contains(what)).count()
    }

    /// Registers `user`, whose calls a SIPp takes, by another SIPp.
    fn register(&self, user: &str, sipp: &Sipp) {
        let status = Command::new("sipp")
            .arg(self.address.to_string())
            .arg("-sf")
            .arg(peer_file("sipp").join("uac_register.xml"))
            .args(["-i", "127.0.0.1", "-p", &free_udp_port().to_string(), "-m", "1"])
            .args(["-s", user, "-au", user, "-ap", PASSWORD])
            .args(["-key", "contact", &sipp.port.to_string()])
            .args(["-nostdin", "-timeout", "30"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{user} could not register:\n{}", self.log());
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // It ends its own processes only when it is asked to end.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- Kamailio's log\n{}", self.log());
        }
    }
}

/// A platform whose only trunk is this proxy, where it registers.
fn platform(proxy: &Kamailio) -> Platform {
    let trunk = format!(
        "[calls]\nring_timeout_ms = 2500\n[[trunk]]\nname = 'proxy'\naddress = '{}'\n\
         register = true\nusername = 'avanak'\npassword = '{PASSWORD}'\n",
        proxy.address
    );
    let platform = Platform::start(Options { config: config(&trunk), ..Options::default() });
    eventually("we are registered", || {
        let figure = platform.figure("avanak_trunk_registered{trunk=\"proxy\"}");
        (figure > 0.5).then_some(())
    });
    platform
}

/// Goal: we register, answer its 407 for every call, and everything within a call goes along the
/// routes that it wrote: our ACK and BYE, our CANCEL, and the callee's own BYE.
#[test]
fn calls_go_along_the_routes_of_a_proxy_that_we_registered_with() {
    let proxy = Kamailio::start();
    let callees = [
        ("09121110001", "uas_behind_proxy.xml", 10, 225),
        ("09121110002", "uas_bye_from_callee.xml", 11, 225),
        ("09121110003", "uas_no_answer.xml", 20, 0),
        ("09121110004", "uas_busy.xml", 21, 0),
    ];
    let mut peers = callees.map(|(user, scenario, ..)| {
        let sipp = Sipp::start(scenario);
        proxy.register(user, &sipp);
        sipp
    });
    let platform = platform(&proxy);
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let sends = callees.map(|(number, ..)| platform.send(&customer, message, number));
    let mut charged = 0;
    for ((number, _, reason, rials), send) in callees.into_iter().zip(sends) {
        let story = platform.story_of_ended(&customer, send);
        assert_eq!(story["reason"], reason, "{number}: {story}");
        assert_eq!(story["charged_rials"], rials, "{number}: {story}");
        charged += rials;
    }
    for ((number, scenario, ..), peer) in callees.iter().zip(&mut peers) {
        assert!(peer.passed(), "{number}: {scenario} saw something else than it wants");
    }
    // Two answered calls, one BYE from either side; the busy and the cancelled call have none.
    assert_eq!(proxy.count("routed ACK"), 2);
    assert_eq!(proxy.count("routed BYE"), 2);
    assert_eq!(proxy.count("proxied CANCEL"), 1);
    assert_eq!(proxy.count("without a route"), 0);
    assert_eq!(platform.settled_balance(&customer), 100_000 - charged);
}

/// Goal: a softphone that is registered there hears the message as it was uploaded, and a number
/// that nobody has registered is refused with the proxy's own code.
#[test]
fn a_softphone_behind_the_proxy_hears_the_message() {
    const NUMBER: &str = "09121110009";
    let proxy = Kamailio::start();
    let mut phone = Baresip::start(proxy.address, NUMBER, PASSWORD);
    let platform = platform(&proxy);
    phone.says("200 OK");
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let [heard, nobody] =
        [NUMBER, "09121110008"].map(|number| platform.send(&customer, message, number));
    let story = platform.story_of_ended(&customer, heard);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &225.into()), "{story}");
    let story = platform.story_of_ended(&customer, nobody);
    assert_eq!(story["sip_code"], 404, "{story}");
    assert_eq!((proxy.count("routed ACK"), proxy.count("routed BYE")), (1, 1));
    phone.stop();
    let clip = platform.clip(&customer, message);
    let (alike, offset) = correlation(&clip, &phone.heard());
    assert!(alike > 0.95, "baresip heard something else: {alike} at {offset}");
}
