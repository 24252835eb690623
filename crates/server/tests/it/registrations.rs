//! Our registration with a trunk, against a registrar that checks passwords: a second platform,
//! to which we are a phone.

use crate::baresip::{is_registered, with_phone_and};
use crate::name_server::NameServer;
use crate::platform::{Options, Platform, config, eventually, free_udp_port};

fn registering(address: std::net::SocketAddr, transport: &str, login: [&str; 2]) -> Platform {
    let [username, password] = login;
    let trunk = format!(
        "[[trunk]]\nname = 'main'\naddress = '{address}'\ntransport = '{transport}'\n\
         register = true\nusername = '{username}'\npassword = '{password}'\nexpires_s = 60\n"
    );
    Platform::start(Options { config: config(&trunk), ..Options::default() })
}

/// Goal: we register by either transport, say so in the metrics, and take it back when we stop.
#[test]
fn we_register_with_a_trunk_until_we_stop() {
    let (registrar, address, customer, username, password) = with_phone_and("");
    for transport in ["udp", "tcp"] {
        let mut platform = registering(address, transport, [&username, &password]);
        eventually("we are registered", || is_registered(&registrar, &customer).then_some(()));
        eventually("the metrics say so", || {
            let figure = platform.figure("avanak_trunk_registered{trunk=\"main\"}");
            (figure > 0.5).then_some(())
        });
        let checked = platform.run(&["trunk", "check"]);
        let told = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(told.contains("it answered OPTIONS with 200"), "{told}");
        assert!(told.contains(&format!("over {transport}")), "{told}");
        platform.terminate();
        assert!(platform.ended().success());
        assert!(!is_registered(&registrar, &customer), "by {transport}");
    }
}

/// Goal: a registrar that refuses us is told in the log with its code, and is no reason to end.
#[test]
fn a_refused_registration_is_told() {
    let (registrar, address, customer, username, _) = with_phone_and("");
    let platform = registering(address, "udp", [&username, "wrong"]);
    eventually("the refusal is told", || {
        let log = platform.log();
        let line = log.lines().find(|line| line.contains("the registrar does not take us"))?;
        line.contains("403").then_some(())
    });
    assert!(!is_registered(&registrar, &customer));
    let metrics = platform.get("/metrics");
    assert!(metrics.contains("avanak_trunk_registered{trunk=\"main\"} 0"), "{metrics}");
}

/// Goal: a trunk of the table registers like one of the file, and does what the operator says while
/// the server runs: enabling, changing, disabling and removing it.
#[test]
fn a_trunk_of_the_table_registers_while_it_is_wanted() {
    let (registrar, address, customer, username, password) = with_phone_and("");
    let platform = Platform::start(Options { config: config(""), ..Options::default() });
    let known = |wanted: bool, what: &str| {
        eventually(what, || (is_registered(&registrar, &customer) == wanted).then_some(()));
    };
    let trunk = |arguments: &[&str]| {
        let output = platform.run(&[&["trunk"], arguments].concat());
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let done = |arguments: &[&str]| {
        let (succeeded, text) = trunk(arguments);
        assert!(succeeded, "{arguments:?}: {text}");
    };
    let address = address.to_string();
    let login = ["--username", &username, "--password", &password];
    let add = ["add", "main", "--address", &address];
    done(&[&add[..], &login, &["--register", "true", "--register-expires-s", "60"]].concat());
    known(true, "an added trunk registers");
    let shown = platform.cli(&["trunk", "show", "main", "--json"]);
    assert_eq!((&shown["register"], &shown["register_expires_s"]), (&true.into(), &60.into()));
    done(&["disable", "main"]);
    known(false, "one that is switched off leaves");
    done(&["enable", "main"]);
    known(true, "one that is switched on registers again");
    done(&["set", "main", "--register", "false"]);
    known(false, "one that is to register no more leaves");
    done(&["set", "main", "--register", "true"]);
    known(true, "and comes back");
    done(&["remove", "main"]);
    known(false, "one that is removed leaves");
    let (succeeded, why) = trunk(&["add", "x", "--address", &address, "--register", "true"]);
    assert!(!succeeded && why.contains("username"), "{why}");
    let (succeeded, why) = trunk(&["add", "x", "--address", &address, "--registrar", "a.b"]);
    assert!(!succeeded && why.contains("--register true"), "{why}");
}

/// Goal: when the first registrar of a domain is dead, we register at the second.
#[test]
fn a_second_registrar_takes_us_when_the_first_is_dead() {
    let (registrar, address, customer, username, password) = with_phone_and("");
    let names = NameServer::start(&format!(
        "_sip._udp.carrier.example SRV 0 0 {} a.carrier.example
         _sip._udp.carrier.example SRV 1 0 {} a.carrier.example
         a.carrier.example A 127.0.0.1",
        free_udp_port(),
        address.port()
    ));
    let trunk = format!(
        "[[trunk]]\nname = 'main'\naddress = 'carrier.example'\nregister = true\n\
         registrar = '127.0.0.1'\nusername = '{username}'\npassword = '{password}'\n"
    );
    let config = config(&trunk).replace("[sip]\n", &format!("[sip]\n{}", names.setting()));
    let _platform = Platform::start(Options { config, ..Options::default() });
    eventually("we are registered", || is_registered(&registrar, &customer).then_some(()));
}
