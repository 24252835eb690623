//! From a job to what the engine is told: where the call goes, who is calling, what is played.

use std::net::SocketAddr;
use std::sync::Arc;

use app::dialing::PhoneContact;
use domain::dialer::trunk::may_show;
use domain::{AttemptId, Destination, PhoneNumber};
use engine::limits::{DRAIN_MS, MAX_RECORDING_MS};
use engine::{
    AbandonedCall, Bridge, CallSpec, Clip, Codec, Credentials, DialogSnapshot, Gather, Hop, KeySet,
    Keys, Label, OnMachine, Play, Record, Script, SecondLeg, Srtp, Step, Target, Transport,
    TrunkCheck,
};

use crate::config::{NodeConfig, Trunk};
use crate::live::{Call, Second, Terms, key};
use crate::sounds;

/// How long a vote is waited for after the message, milliseconds.
const VOTE_WAIT_MS: u32 = 10_000;
/// How long a callee may opt out after the message when no vote is waited for, milliseconds.
const OPT_OUT_WAIT_MS: u32 = 5_000;
/// What somebody presses who is called back, to be joined with an expert (T121).
const JOIN_KEY: &str = "1";
/// How often they are asked, and how long they have after each time, milliseconds.
const QUESTIONS: u8 = 3;
const QUESTION_WAIT_MS: u32 = 6_000;
/// A silence that ends a recording, milliseconds.
const RECORD_SILENCE_MS: u32 = 3_000;
/// What a call may last beyond ringing, message and vote, milliseconds: for a slow answer, the
/// drain and the far end's clock.
const SLACK_MS: u32 = 5_000;
/// An INVITE that nobody responds to is repeated for 32 s (RFC 3261 §17.1.1.2, timer B), also after
/// the ring timeout, since only a response allows to cancel it; one that is cancelled at the ring
/// timeout and never ended is given up 32 s later (§9.1). Until then its number is not free.
const UNHEARD_MS: u32 = 33_000;
/// The user part of our URI when a registered phone is called.
const PHONE_CALLER: &str = "avanak";

/// The Call-ID of an attempt: the same after a restart, so that the carrier's records and an
/// abandoned call can be matched.
pub fn call_id(attempt: AttemptId, host: &str) -> String {
    format!("{}-{}@{host}", attempt.quick_send, attempt.n)
}

/// Everything the engine needs for a call.
pub(crate) fn call_spec(
    config: &NodeConfig,
    call: &Call,
    clip: Arc<Clip>,
    target: Target,
    second: Option<Target>,
) -> CallSpec {
    let trunk = trunk(config, &call.trunk);
    let from_uri = from_uri(config, trunk, call, &target);
    let second = call.second.as_ref().zip(second);
    let second = second.map(|(second, target)| second_leg(config, call, second, target));
    CallSpec {
        call: key(call.attempt),
        call_id: call_id(call.attempt, &config.host),
        target,
        from_uri,
        credentials: credentials(trunk),
        codecs: codecs(config, &call.trunk),
        srtp: trunk.map_or(Srtp::Off, |trunk| trunk.srtp),
        symmetric_rtp: trunk.is_some_and(|trunk| trunk.symmetric_rtp),
        max_duration_ms: longest_ms(config, &call.terms, &clip),
        script: Arc::new(match second {
            Some(second) => conversation(&call.terms, clip, second),
            None => script(config, &call.terms, clip),
        }),
        ring_timeout_ms: config.ring_timeout_ms,
    }
}

/// The one who is rung second, and is joined with the first one at once.
fn second_leg(config: &NodeConfig, call: &Call, second: &Second, target: Target) -> SecondLeg {
    let trunk = trunk(config, &second.trunk);
    let script = Script::new(vec![Step::Join]).expect("one step is a script");
    // An expert sees who is called back.
    let from_uri = match &call.destination {
        Destination::Number(number) if !second.is_number() => {
            format!("sip:{}@{}", number.national(), host_for(config, &target))
        }
        _ => from_uri(config, trunk, call, &target),
    };
    SecondLeg {
        target,
        from_uri,
        credentials: credentials(trunk),
        codecs: codecs(config, &second.trunk),
        srtp: trunk.map_or(Srtp::Off, |trunk| trunk.srtp),
        symmetric_rtp: trunk.is_some_and(|trunk| trunk.symmetric_rtp),
        script: Arc::new(script),
        ring_timeout_ms: config.ring_timeout_ms,
        max_duration_ms: conversation_ms(config, &call.terms),
    }
}

/// Waiting with music for the other one, and talking as long as it is paid for. Who is asked for a
/// key first hears the clip as the question, and the tone of a phone that rings as the music.
fn conversation(terms: &Terms, clip: Arc<Clip>, second: SecondLeg) -> Script {
    let bridge = |hold| Bridge {
        leg: Arc::new(second),
        hold,
        max_ms: terms.clip_ms,
        leave: KeySet::NONE,
        record: false,
        on_ended: None,
        on_failed: None,
    };
    let steps = if terms.vote {
        let question = Gather {
            prompt: Play { barge_in: KeySet::DIGITS, ..Play::whole(clip) },
            repeats: QUESTIONS - 1,
            branches: Keys::of(JOIN_KEY).map(|key| (key, Label(2))).into_iter().collect(),
            ..Gather::vote(QUESTION_WAIT_MS)
        };
        let ringing = Arc::new(Clip::from_samples(&sounds::ringback()));
        vec![Step::Gather(question), Step::HangUp, Step::Bridge(bridge(ringing))]
    } else {
        vec![Step::Bridge(bridge(clip))]
    };
    Script::new(steps).expect("three steps are a script")
}

/// What a leg of a secure call may last, milliseconds, from when it is rung.
fn conversation_ms(config: &NodeConfig, terms: &Terms) -> u32 {
    let (ring_ms, talk_ms) = (config.ring_timeout_ms, terms.clip_ms);
    [ring_ms, talk_ms, DRAIN_MS, SLACK_MS].into_iter().fold(UNHEARD_MS, u32::saturating_add)
}

/// What is done in the call once it is answered.
fn script(config: &NodeConfig, terms: &Terms, clip: Arc<Clip>) -> Script {
    let key = terms.opt_out_key.map(String::from);
    let out = key.as_deref().and_then(KeySet::of).unwrap_or(KeySet::NONE);
    let message = Step::Message(Play { barge_in: out, ..Play::whole(clip) });
    let vote = Gather::vote(VOTE_WAIT_MS);
    let record = terms.record_ms.map(|max_ms| {
        Step::Record(Record {
            beep: Play::whole(Arc::new(Clip::beep())),
            max_ms: max_ms.min(MAX_RECORDING_MS),
            silence_ms: RECORD_SILENCE_MS,
            terminators: KeySet::of("#").expect("it is a key"),
        })
    });
    let answer = match (terms.vote, &key) {
        (false, None) => None,
        (true, None) => Some(vote),
        // The key that opts out is no vote: the call stands still until it is hung up.
        (true, Some(key)) => Some(Gather { accept: without(key), ..vote }),
        (false, Some(key)) => {
            let wait_ms = OPT_OUT_WAIT_MS;
            let wait = Gather { accept: out, first_ms: wait_ms, between_ms: wait_ms, ..vote };
            // Who opts out is not recorded.
            let end = Label(2 + u8::from(record.is_some()));
            let branches = Keys::of(key).map(|key| (key, end)).into_iter().collect();
            Some(Gather { vote: false, branches, ..wait })
        }
    };
    let steps = std::iter::once(message).chain(answer.map(Step::Gather)).chain(record).collect();
    let script = Script::new(steps).expect("three steps that end are a script");
    match &config.machine_detection {
        Some(detection) => script.with_machine_detection(Arc::clone(detection)),
        None => script,
    }
}

/// The digits but for a key.
fn without(key: &str) -> KeySet {
    let digits: String = ('0'..='9').filter(|digit| !key.contains(*digit)).collect();
    KeySet::of(&digits).expect("digits are keys")
}

/// What the engine needs to end a call that a killed process left behind.
pub(crate) fn abandoned_call(
    config: &NodeConfig,
    call: &Call,
    target: Target,
    dialog: Option<Arc<DialogSnapshot>>,
) -> AbandonedCall {
    let trunk = trunk(config, &call.trunk);
    AbandonedCall {
        call: key(call.attempt),
        call_id: call_id(call.attempt, &config.host),
        from_uri: from_uri(config, trunk, call, &target),
        target,
        credentials: credentials(trunk),
        answered: dialog.map(Arc::unwrap_or_clone),
    }
}

/// Whether new calls may take a trunk.
pub(crate) fn may_take(config: &NodeConfig, name: &str) -> bool {
    trunk(config, name).is_some_and(|trunk| trunk.enabled)
}

/// Where calls to a public number go, at one of the trunk's servers.
pub(crate) fn trunk_target(trunk: &Trunk, server: Hop, number: &PhoneNumber) -> Target {
    let transport = transport_parameter(server);
    let uri = format!("sip:{}@{}{transport}", trunk.number_format.apply(number), trunk.host);
    Target::Address { address: server.address, request_uri: uri.clone(), to: uri }
}

/// The question whether a server of a trunk is there.
pub(crate) fn trunk_check(host: &str, trunk: &Trunk, server: Hop, check: u64) -> TrunkCheck {
    TrunkCheck {
        check,
        address: server.address,
        request_uri: format!("sip:{}{}", trunk.host, transport_parameter(server)),
        from_uri: format!("sip:{}@{host}", trunk.caller_id),
        credentials: trunk.credentials.clone(),
    }
}

fn transport_parameter(server: Hop) -> &'static str {
    match server.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    }
}

/// Where calls to a phone go; `None` when its address cannot be told from what is known. A fixed
/// contact must name an IP address: there is no resolver here.
pub(crate) fn phone_target(contact: &PhoneContact) -> Option<Target> {
    let uri = contact.uri.clone();
    if let Some(address) = &contact.address {
        return Some(Target::Phone { address: address.parse().ok()?, contact_uri: uri });
    }
    let address = address_in(&uri)?;
    Some(Target::Address { address, request_uri: uri.clone(), to: uri })
}

/// The address in `sip:user@IP:port;…`; the port defaults to 5060 (RFC 3261 §19.1.2).
fn address_in(uri: &str) -> Option<SocketAddr> {
    let rest = uri.strip_prefix("sip:")?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?', '>']).next()?;
    host.parse().ok().or_else(|| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        Some(SocketAddr::new(address, 5060))
    })
}

pub(crate) fn trunk<'a>(config: &'a NodeConfig, name: &str) -> Option<&'a Trunk> {
    config.trunks.iter().find(|trunk| trunk.name == name)
}

/// What a trunk is offered. Empty: the engine's own order.
pub(crate) fn codecs(config: &NodeConfig, name: &str) -> Vec<Codec> {
    trunk(config, name).map(|trunk| trunk.codecs.clone()).unwrap_or_default()
}

/// Who calls: the account's number on this trunk, that of its class, or the trunk's. What may not
/// be shown on this trunk is passed over, also when that was forbidden later.
fn from_uri(config: &NodeConfig, trunk: Option<&Trunk>, call: &Call, to: &Target) -> String {
    let shown = |trunk: &'_ Trunk| -> String {
        let given = [trunk.caller_ids.get(&call.account), call.caller_id.as_ref()];
        let mut shown = given.into_iter().flatten();
        let shown = shown.find(|number| may_show(&trunk.may_show, number));
        shown.unwrap_or(&trunk.caller_id).clone()
    };
    let user = trunk.map_or_else(|| PHONE_CALLER.to_owned(), shown);
    format!("sip:{user}@{}", host_for(config, to))
}

/// The host part of our URIs for whom is called.
fn host_for<'a>(config: &'a NodeConfig, called: &Target) -> &'a str {
    let (Target::Address { address, .. } | Target::Phone { address, .. }) = called;
    config.host_for(*address)
}

fn credentials(trunk: Option<&Trunk>) -> Option<Credentials> {
    trunk.and_then(|trunk| trunk.credentials.clone())
}

fn longest_ms(config: &NodeConfig, terms: &Terms, clip: &Clip) -> u32 {
    if terms.second.is_some() {
        // The second one is rung when the first has answered, and said so if that is asked.
        let asking_ms = clip.duration_ms().saturating_add(QUESTION_WAIT_MS);
        let asking_ms = if terms.vote { asking_ms.saturating_mul(QUESTIONS.into()) } else { 0 };
        let talking_ms = conversation_ms(config, terms);
        return talking_ms.saturating_add(config.ring_timeout_ms).saturating_add(asking_ms);
    }
    let vote_ms = match (terms.vote, terms.opt_out_key) {
        (true, _) => VOTE_WAIT_MS,
        (false, Some(_)) => OPT_OUT_WAIT_MS,
        (false, None) => 0,
    };
    // The message may be over when a machine begins to be waited for, and is played again then.
    let beep_ms = match config.machine_detection.as_deref() {
        Some(detection) if detection.on_machine == OnMachine::LeaveMessage => clip
            .duration_ms()
            .saturating_add(detection.timing.total_ms)
            .saturating_add(detection.beep_wait_ms),
        _ => 0,
    };
    let record_ms = terms.record_ms.map_or(0, |record_ms| record_ms.saturating_add(SLACK_MS));
    [clip.duration_ms(), vote_ms, record_ms, beep_ms, DRAIN_MS, SLACK_MS]
        .into_iter()
        .fold(config.ring_timeout_ms, u32::saturating_add)
        .max(config.ring_timeout_ms.saturating_add(UNHEARD_MS))
}

#[cfg(test)]
mod tests {
    use domain::{Rials, TariffId, Timestamp, Zone};

    use super::*;

    /// Goal: whoever opts out is not recorded, whenever the key was pressed; who waits in silence
    /// is.
    #[test]
    fn who_opts_out_is_not_recorded() {
        let terms = Terms {
            tariff: TariffId(1),
            zone: Zone::External,
            second: None,
            hold: Rials(0),
            vote: false,
            opt_out_key: Some('9'),
            record_ms: Some(10_000),
            clip_ms: 1_000,
            expires_at: Timestamp(0),
            server: None,
            sandbox: false,
            trunks_failed: 0,
            due_at: Timestamp(0),
            asker: None,
        };
        let clip = || Arc::new(Clip::from_samples(&[500; 8_000]));
        let out = KeySet::of("9").unwrap();
        let gather = Gather {
            accept: out,
            first_ms: OPT_OUT_WAIT_MS,
            between_ms: OPT_OUT_WAIT_MS,
            vote: false,
            ..Gather::vote(0)
        };
        let record = Record {
            beep: Play::whole(Arc::new(Clip::beep())),
            max_ms: 10_000,
            silence_ms: RECORD_SILENCE_MS,
            terminators: KeySet::of("#").unwrap(),
        };
        for recorded in [true, false] {
            // The end is past the last step.
            let end = Label(if recorded { 3 } else { 2 });
            let gather = Gather { branches: vec![(Keys::of("9").unwrap(), end)], ..gather.clone() };
            let message = Step::Message(Play { barge_in: out, ..Play::whole(clip()) });
            let mut steps = vec![message, Step::Gather(gather)];
            steps.extend(recorded.then(|| Step::Record(record.clone())));
            let terms = Terms { record_ms: terms.record_ms.filter(|_| recorded), ..terms };
            let told = script(&NodeConfig::default(), &terms, clip());
            assert_eq!(told, Script::new(steps).unwrap());
        }
    }

    #[test]
    fn a_fixed_contact_names_its_address() {
        let address = |uri| address_in(uri).map(|address| address.to_string());
        assert_eq!(address("sip:me@192.0.2.1").as_deref(), Some("192.0.2.1:5060"));
        assert_eq!(address("sip:me@192.0.2.1:5062;x=y").as_deref(), Some("192.0.2.1:5062"));
        assert_eq!(address("sip:192.0.2.1").as_deref(), Some("192.0.2.1:5060"));
        assert_eq!(address("sip:me@[2001:db8::1]:5070").as_deref(), Some("[2001:db8::1]:5070"));
        assert_eq!(address("sip:me@[2001:db8::1]").as_deref(), Some("[2001:db8::1]:5060"));
        assert_eq!(address("sip:me@phone.example"), None);
    }
}
