//! The timers of RFC 3261 §17 and RFC 6026, by letter.

use std::time::{Duration, Instant};

use sip::Transport;
use sip::transaction::{Client, ClientInvite, Expired, Heard, Server, ServerInvite, Timers};

use crate::pair::epoch;

/// Runs a machine through its timers and notes what happened when, in milliseconds.
fn run(
    start: Instant,
    mut next: impl FnMut() -> Option<Instant>,
    mut expire: impl FnMut(Instant) -> Expired,
) -> Vec<(u128, Expired)> {
    let mut log = Vec::new();
    while let Some(at) = next() {
        let expired = expire(at);
        log.push(((at - start).as_millis(), expired));
        if !matches!(expired, Expired::Resend | Expired::Nothing) {
            break;
        }
    }
    log
}

macro_rules! run {
    ($start:expr, $machine:expr) => {{
        let machine = std::cell::RefCell::new($machine);
        run($start, || machine.borrow().next_timeout(), |at| machine.borrow_mut().expire(at))
    }};
}

fn resends(at: &[u128], end: (u128, Expired)) -> Vec<(u128, Expired)> {
    at.iter().map(|ms| (*ms, Expired::Resend)).chain([end]).collect()
}

/// A doubles from T1 without bound; B ends after 64·T1.
#[test]
fn a_and_b() {
    let t0 = epoch();
    let at = [500, 1500, 3500, 7500, 15_500, 31_500];
    assert_eq!(
        run!(t0, ClientInvite::new(t0, Transport::Udp)),
        resends(&at, (32_000, Expired::TimedOut))
    );
}

/// A 1xx stops A and B; a CANCEL sets 64·T1.
#[test]
fn proceeding_has_no_timer() {
    let t0 = epoch();
    let mut machine = ClientInvite::new(t0, Transport::Udp);
    assert_eq!(machine.heard(t0, 180), Heard::Provisional);
    assert_eq!(machine.next_timeout(), None);
    machine.limited(t0);
    assert_eq!(run!(t0, machine), [(32_000, Expired::TimedOut)]);
}

/// What B or a CANCEL's 64·T1 ended is kept for 64·T1 more; a 1xx in that time begins one last such
/// wait, and nothing keeps it longer.
#[test]
fn given_up_and_heard_late() {
    let t0 = epoch();
    let at = |seconds| t0 + Duration::from_secs(seconds);
    let mut silent = ClientInvite::new(t0, Transport::Tcp);
    let mut cancelled = ClientInvite::resumed(t0, Transport::Udp);
    for machine in [&mut silent, &mut cancelled] {
        assert_eq!(machine.expire(at(32)), Expired::TimedOut);
        let mut heard = machine.clone();
        assert_eq!(run!(t0, machine.clone()), [(64_000, Expired::Over)]);
        for late in [at(40), at(63)] {
            assert_eq!(heard.heard(late, 180), Heard::Provisional);
            assert_eq!(heard.next_timeout(), Some(at(72)));
        }
        assert_eq!(run!(t0, heard), [(72_000, Expired::Over)]);
    }
    for code in [200, 486] {
        let mut heard = ClientInvite::resumed(t0, Transport::Udp);
        assert_eq!(heard.expire(at(32)), Expired::TimedOut);
        assert_eq!(heard.heard(at(58), code), Heard::Final);
        assert_eq!(run!(t0, heard), [(90_000, Expired::Over)]);
    }
}

/// D absorbs repeats of a refusal for 32 s.
#[test]
fn d() {
    let t0 = epoch();
    let mut machine = ClientInvite::new(t0, Transport::Udp);
    assert_eq!(machine.heard(t0, 486), Heard::Final);
    assert_eq!(machine.heard(t0, 486), Heard::FinalAgain);
    assert_eq!(machine.heard(t0, 200), Heard::Absorbed);
    assert_eq!(machine.heard(t0, 180), Heard::Absorbed);
    assert_eq!(run!(t0, machine), [(32_000, Expired::Over)]);
}

/// M lets further successes through for 64·T1.
#[test]
fn m() {
    let t0 = epoch();
    let mut machine = ClientInvite::new(t0, Transport::Udp);
    assert_eq!(machine.heard(t0, 200), Heard::Final);
    assert_eq!(machine.heard(t0, 200), Heard::MoreSuccess);
    assert_eq!(machine.heard(t0, 487), Heard::Absorbed);
    assert_eq!(run!(t0, machine), [(32_000, Expired::Over)]);
}

/// E doubles from T1 to T2; F ends after 64·T1.
#[test]
fn e_and_f() {
    let t0 = epoch();
    let at = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(
        run!(t0, Client::new(t0, Transport::Udp)),
        resends(&at, (32_000, Expired::TimedOut))
    );
}

/// After a 1xx E is T2 from its next firing on.
#[test]
fn e_after_provisional() {
    let t0 = epoch();
    let mut machine = Client::new(t0, Transport::Udp);
    assert_eq!(machine.heard(t0, 100), Heard::Provisional);
    let at = [500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500];
    assert_eq!(run!(t0, machine), resends(&at, (32_000, Expired::TimedOut)));
}

/// K absorbs repeats for T4.
#[test]
fn k() {
    let t0 = epoch();
    let mut machine = Client::new(t0, Transport::Udp);
    assert_eq!(machine.heard(t0, 200), Heard::Final);
    assert_eq!(machine.heard(t0, 200), Heard::Absorbed);
    assert_eq!(run!(t0, machine), [(5_000, Expired::Over)]);
}

/// G doubles from T1 to T2; H ends after 64·T1.
#[test]
fn g_and_h() {
    let t0 = epoch();
    let mut machine = ServerInvite::new(t0, Transport::Udp);
    machine.responded(t0, 486);
    let at = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(run!(t0, machine), resends(&at, (32_000, Expired::Over)));
}

/// 100 is sent after 200 ms, unless the owner rings first.
#[test]
fn trying() {
    let t0 = epoch();
    let mut machine = ServerInvite::new(t0, Transport::Udp);
    let quick = machine.clone();
    assert_eq!(run!(t0, machine), [(200, Expired::Trying)]);
    machine = quick;
    machine.responded(t0, 180);
    assert_eq!(machine.next_timeout(), None);
}

/// I absorbs repeats of the ACK for T4.
#[test]
fn i() {
    let t0 = epoch();
    let mut machine = ServerInvite::new(t0, Transport::Udp);
    machine.responded(t0, 486);
    machine.acknowledged_refusal(t0);
    assert!(!machine.repeats_to_invite());
    assert_eq!(run!(t0, machine), [(5_000, Expired::Over)]);
}

/// L absorbs INVITEs for 64·T1; the 200 is repeated until acknowledged.
#[test]
fn l() {
    let t0 = epoch();
    let mut machine = ServerInvite::new(t0, Transport::Udp);
    machine.responded(t0, 200);
    let unheard = machine.clone();
    machine.acknowledged();
    assert_eq!(run!(t0, machine), [(32_000, Expired::Over)]);
    let at = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(run!(t0, unheard), resends(&at, (32_000, Expired::Unacknowledged)));
}

/// J keeps the response for 64·T1.
#[test]
fn j() {
    let t0 = epoch();
    let mut machine = Server::new(t0, Transport::Udp);
    let answered = t0 + Duration::from_secs(1);
    machine.responded(answered);
    assert_eq!(run!(answered, machine), [(32_000, Expired::Over)]);
}

/// Timers fire in order of time, equals in order of setting, cancelled ones never.
#[test]
fn queue() {
    let t0 = epoch();
    let mut timers = Timers::default();
    let late = timers.set(t0 + Duration::from_secs(2), 'z');
    timers.set(t0 + Duration::from_secs(1), 'a');
    timers.set(t0 + Duration::from_secs(1), 'b');
    timers.cancel(late);
    assert_eq!(timers.pop(t0), None);
    assert_eq!(timers.next(), Some(t0 + Duration::from_secs(1)));
    let end = t0 + Duration::from_secs(9);
    assert_eq!((timers.pop(end), timers.pop(end), timers.pop(end)), (Some('a'), Some('b'), None));
    assert!(timers.is_empty());
}

/// A timer that may be late fires once, neither early nor later than it may, and never when it was
/// cancelled, in whatever order timers are set and cancelled.
#[test]
fn queue_of_late_ones() {
    let ms = Duration::from_millis;
    for seed in 1..200_u64 {
        let mut dice = seed;
        let mut roll = |bound: u64| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % bound
        };
        let mut now = epoch();
        let mut timers: Timers<usize> = Timers::default();
        let mut set: Vec<Option<(sip::transaction::Handle, std::time::Instant, Duration)>> =
            Vec::new();
        let mut fired = 0;
        for _ in 0..400 {
            now += ms(roll(40));
            while let Some(id) = timers.pop(now) {
                let (handle, at, slack) =
                    std::mem::take::<Option<_>>(&mut set[id]).expect("set, and not cancelled");
                assert!(at <= handle.at() && handle.at() <= at + slack, "{at:?} {handle:?}");
                assert!(handle.at() <= now && now <= handle.at() + ms(40));
                fired += 1;
            }
            let slack = ms([0, 500][usize::try_from(roll(2)).unwrap()]);
            let at = now + ms([100, 500, 3_200][usize::try_from(roll(3)).unwrap()]);
            set.push(Some((timers.set_about(at, slack, set.len()), at, slack)));
            if roll(3) == 0 {
                let which = usize::try_from(roll(set.len() as u64)).unwrap();
                if let Some((handle, ..)) = set[which].take() {
                    timers.cancel(handle);
                }
            }
            assert_eq!(timers.len(), set.iter().flatten().count());
            let first = set.iter().flatten().map(|(handle, ..)| handle.at()).min();
            assert_eq!(timers.next(), first);
        }
        assert!(fired > 50, "{fired}");
    }
}
