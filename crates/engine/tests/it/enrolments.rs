//! Our registrations with trunks, against a registrar that takes them in earnest: that of a second
//! engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{
    Command, Credentials, Engine, EngineConfig, Event, Input, Limits, Outputs, Standing,
    TrunkRegistration,
};

use crate::phones::credential;
use crate::world::{ENGINE_SIP, address, engine_config, origin};

const REGISTRAR: &str = "192.0.2.9:5060";

/// Two engines and a network that takes no time.
struct Two {
    now: Instant,
    /// We, and the registrar.
    engines: [Engine; 2],
    events: [Vec<Event>; 2],
    registrar_is_up: bool,
    registers: usize,
}

impl Two {
    fn new() -> Self {
        let theirs = EngineConfig {
            sip_local: address(REGISTRAR),
            fresh_secret: [5; 32],
            ..engine_config(1, Limits::default())
        };
        let ours = engine_config(1, Limits::default());
        let mut two = Self {
            now: origin(),
            engines: [Engine::new(ours), Engine::new(theirs)],
            events: [Vec::new(), Vec::new()],
            registrar_is_up: true,
            registers: 0,
        };
        let phones = Arc::from([credential("avanak", "secret")]);
        two.input(1, Input::Command(Command::SetPhones(phones)));
        two
    }

    fn input(&mut self, end: usize, input: Input<'_>) {
        let mut out = Outputs::default();
        self.engines[end].handle(self.now, input, &mut out);
        self.events[end].append(&mut out.events);
        for transmit in out.sip {
            self.registers += usize::from(transmit.bytes.starts_with(b"REGISTER"));
            if self.registrar_is_up {
                let source = address([ENGINE_SIP, REGISTRAR][end]);
                self.input(1 - end, Input::Sip { source, bytes: &transmit.bytes });
            }
        }
    }

    fn set(&mut self, registrations: &[TrunkRegistration]) {
        self.input(0, Input::Command(Command::SetRegistrations(Arc::from(registrations))));
    }

    fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((at, end)) = (0..2)
            .filter_map(|end| Some((self.engines[end].next_timeout()?, end)))
            .min()
            .filter(|(at, _)| *at <= until)
        {
            self.now = self.now.max(at);
            self.input(end, Input::Timeout);
        }
        self.now = until;
    }

    fn is_registered(&self) -> bool {
        self.engines[1].registration("avanak").is_some()
    }

    fn standing(&self) -> Standing {
        let find = |event: &Event| match event {
            Event::TrunkRegistration { trunk, standing } if trunk == "main" => Some(*standing),
            _ => None,
        };
        self.events[0].iter().rev().find_map(find).expect("it was told")
    }
}

fn registration(password: &str, expires_s: u32) -> TrunkRegistration {
    TrunkRegistration {
        trunk: "main".to_owned(),
        address: address(REGISTRAR),
        registrar: format!("sip:{REGISTRAR}"),
        address_of_record: format!("sip:avanak@{REGISTRAR}"),
        username: "avanak".to_owned(),
        credentials: Some(Credentials {
            username: "avanak".to_owned(),
            password: password.to_owned(),
        }),
        expires_s,
    }
}

/// Goal: we register with a password, stay registered for a day, and are gone when we leave.
#[test]
fn a_day_with_a_registrar() {
    let mut two = Two::new();
    two.set(&[registration("secret", 600)]);
    assert_eq!(two.standing(), Standing::Registered { expires_s: 600 });
    let (contact, source) = two.engines[1].registration("avanak").unwrap();
    assert_eq!((contact, source), ("sip:avanak@192.0.2.1:5060", address(ENGINE_SIP)));
    for _ in 0..24 * 60 {
        two.run_for(Duration::from_mins(1));
        assert!(two.is_registered());
    }
    // 192 to 288 refreshes, each challenged once; one REGISTER more says that all is as it was.
    assert!((380..600).contains(&two.registers), "{}", two.registers);
    let told = two.events[0].len();
    two.set(&[registration("secret", 600)]);
    assert_eq!(two.events[0].len(), told);
    two.set(&[]);
    assert!(!two.is_registered());
    assert!(matches!(two.events[0].last(), Some(Event::TrunkLeft { trunk }) if trunk == "main"));
    two.run_for(Duration::from_mins(1));
    assert_eq!(two.engines[0].live(), engine::Live::default());
}

/// Goal: a registrar that wants longer registrations gets them.
#[test]
fn a_registrar_that_wants_longer() {
    let mut two = Two::new();
    two.set(&[registration("secret", 30)]);
    two.run_for(Duration::from_millis(1));
    assert_eq!(two.standing(), Standing::Registered { expires_s: 60 });
}

/// Goal: a wrong password is told with its code and not tried again and again; a right one is
/// taken at once.
#[test]
fn a_wrong_password() {
    let mut two = Two::new();
    two.set(&[registration("guess", 600)]);
    assert!(matches!(two.standing(), Standing::Refused { code: Some(403), retry_s: 15..=30 }));
    two.run_for(Duration::from_hours(2));
    assert!(two.registers < 2 * 20, "{}", two.registers);
    two.set(&[registration("secret", 600)]);
    assert!(two.is_registered());
}

/// Goal: a registrar that is away is asked again, and found when it is back.
#[test]
fn a_registrar_that_comes_back() {
    let mut two = Two::new();
    two.registrar_is_up = false;
    two.set(&[registration("secret", 600)]);
    two.run_for(Duration::from_mins(10));
    assert!(matches!(two.standing(), Standing::Refused { code: None, .. }));
    two.registrar_is_up = true;
    two.run_for(Duration::from_mins(20));
    assert_eq!(two.standing(), Standing::Registered { expires_s: 600 });
    // Away again when we leave: the end is told all the same.
    two.registrar_is_up = false;
    two.set(&[]);
    two.run_for(Duration::from_mins(1));
    assert!(matches!(two.events[0].last(), Some(Event::TrunkLeft { .. })));
    assert_eq!(two.engines[0].live(), engine::Live::default());
}
