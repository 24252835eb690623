//! What is traced of a call is what was on the wire, message by message, and nothing unless it was
//! asked for.

use std::time::Duration;

use sip::{Headers, Party, Sign, Signal, Timer, Trace};

use crate::pair::{Pair, Policy, Side, invite, ms};
use crate::scenarios::is_end;

/// A message as both the wire and a trace tell it.
fn line(signal: Signal) -> String {
    format!("{} {} {}", signal.code, signal.cseq, signal.method.name())
}

/// The same of the first line and the CSeq field of a datagram.
fn line_on_the_wire(datagram: &str) -> String {
    let (first, cseq) = datagram.split_once(" | CSeq: ").unwrap();
    let code = first.strip_prefix("SIP/2.0 ").map_or("0", |rest| &rest[..3]);
    format!("{code} {cseq}")
}

fn signals(pair: &Pair, from: Party) -> Vec<String> {
    let signal = |trace: &Trace| match trace.sign {
        Sign::Message(signal) if signal.from == from => Some(line(signal)),
        _ => None,
    };
    pair.traces.iter().filter_map(signal).collect()
}

fn timers(pair: &Pair) -> Vec<Timer> {
    let timer = |trace: &Trace| match trace.sign {
        Sign::Timer(timer) => Some(timer),
        Sign::Message(_) => None,
    };
    pair.traces.iter().filter_map(timer).collect()
}

fn sent(pair: &Pair, side: Side) -> Vec<String> {
    let of_side = pair.ladder.iter().filter(|(from, _)| *from == side);
    of_side.map(|(_, datagram)| line_on_the_wire(datagram)).collect()
}

/// Goal: every datagram of the caller's call is traced in its order, the repeated ones too, and
/// without loss also every one that comes.
#[test]
fn the_traces_of_a_call_are_its_datagrams() {
    let busy = Policy { reject: Some((486, Headers::new())), ..Policy::default() };
    let hung_up = Policy { hang_up_after: Some(ms(2_000)), ..Policy::default() };
    let slow = Policy { answer_after: Some(ms(20_000)), ..Policy::default() };
    for (loss, seed) in [(0, 1), (20, 2), (20, 3), (20, 4), (40, 5)] {
        for policy in [&busy, &hung_up, &slow] {
            let mut pair = Pair::new(seed, loss);
            pair.caller.trace_calls();
            pair.policy = policy.clone();
            let leg = pair.call(invite());
            pair.hang_up_at(Side::Caller, leg, ms(5_000));
            pair.until(Duration::from_secs(140), is_end);
            assert_eq!(signals(&pair, Party::Us), sent(&pair, Side::Caller), "{loss} % {seed}");
            if loss == 0 {
                assert_eq!(signals(&pair, Party::Peer), sent(&pair, Side::Callee));
                assert_eq!(timers(&pair), []);
            }
        }
    }
}

/// Goal: the timers that end a call are traced; without asking for it, nothing is.
#[test]
fn timers_are_traced_and_only_when_asked_for() {
    let silent = |asked: bool, ring_timeout: Duration| {
        let mut pair = Pair::new(1, 0);
        if asked {
            pair.caller.trace_calls();
        }
        pair.dropper = Box::new(|side, _| side == Side::Callee);
        pair.call(sip::Invite { ring_timeout, ..invite() });
        pair.until(Duration::from_secs(140), is_end);
        (timers(&pair), pair.traces.len())
    };
    assert_eq!(silent(true, Duration::from_mins(1)).0, [Timer::B]);
    assert_eq!(silent(true, Duration::from_secs(10)).0, [Timer::Ring, Timer::B]);
    assert_eq!(silent(false, Duration::from_mins(1)), (Vec::new(), 0));
}
