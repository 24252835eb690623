//! SendOCV through the whole program: the phone rings, a key is pressed, the customer's site is
//! told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use crate::platform::{Options, PATIENCE, Platform, config};

/// A number of the sandbox that presses 3 a second after it answers.
const PRESSES_THREE: &str = "09990000113";

/// A customer's site: it answers each request with the next of these codes, and tells what it got.
fn site(codes: &'static [u16]) -> (SocketAddr, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for code in codes {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            write!(stream, "HTTP/1.1 {code} x\r\nContent-Length: 0\r\n\r\n").unwrap();
            tell.send(head).unwrap();
        }
    });
    (address, told)
}

#[test]
fn a_customers_site_is_told_which_key_was_pressed() {
    let private = "[callbacks]\nprivate_addresses = true\n";
    let platform = Platform::start(Options { config: config(private), ..Options::default() });
    let customer = platform.customer(100_000);
    let account = customer.account.to_string();
    let made = platform.cli(&["account", "callback-secret", "--account", &account, "--json"]);
    assert_eq!(made["callback_secret"].as_str().unwrap().len(), 40);
    // It is down the first time.
    let (address, told) = site(&[500, 204]);
    let url = format!("http://{address}/ocv?user=7");
    let form = [("Number", PRESSES_THREE), ("CallbackURL", url.as_str())];
    let sent = platform.call(&customer, "SendOCV", &form);
    assert_eq!(sent["Result"], 0, "{sent}");
    let (code, send) = (sent["Code"].as_i64().unwrap(), sent["SendId"].as_i64().unwrap());
    let result = i64::from(code == 3);
    let line = format!(
        "GET /ocv?user=7&SendId={send}&Number={PRESSES_THREE}&Code={code}&Vote=3&Result={result} \
         HTTP/1.1"
    );
    for _ in 0..2 {
        let head = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(head[0], line);
        assert!(head.contains(&format!("Host: {address}")), "{head:?}");
        let signed = head.iter().find_map(|line| line.strip_prefix("X-Signature: "));
        assert_eq!(signed.unwrap().len(), 64);
    }
    assert_eq!(platform.state(&customer, send)["vote"], 3);
}

/// Nobody makes us call a machine of our own.
#[test]
fn an_address_that_is_not_public_is_not_called() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(100_000);
    let (address, told) = site(&[200]);
    let url = format!("http://{address}/");
    let form = [("Number", PRESSES_THREE), ("CallbackURL", url.as_str())];
    let sent = platform.call(&customer, "SendOCV", &form);
    platform.story_of_ended(&customer, sent["SendId"].as_i64().unwrap());
    crate::platform::eventually("it was refused to call it", || {
        (platform.figure("avanak_callbacks_total{outcome=\"failed\"}") > 0.0).then_some(())
    });
    assert!(told.try_recv().is_err());
}
