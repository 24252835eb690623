//! kill -9 at random instants while clients send, and while the next process starts and recovers:
//! nothing accepted is lost, nobody is called twice, only calls that were up are cut off, and the
//! books are exact.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::database::Database;
use crate::far_end::FarEnd;
use crate::platform::{
    Customer, Options, Platform, config, eventually, now, pause, random, request, rising_tone,
};

/// Kills on each engine while clients send; to every second one comes a kill of a start.
const KILLS: u32 = 50;
/// Clients that send side by side.
const CLIENTS: u32 = 4;
/// The price of the clip: one pulse of 5 s at 45 rials a second.
const PULSE: i64 = 225;
/// What the customer starts with.
const CREDIT: i64 = 100_000_000;

#[test]
fn fifty_kills_on_sqlite_lose_nothing_and_call_nobody_twice() {
    survive(String::new());
}

#[test]
fn fifty_kills_on_postgres_lose_nothing_and_call_nobody_twice() {
    if let Some(database) = Database::fresh("kill") {
        survive(database.url);
    }
}

/// A send that a client was told is accepted.
type Accepted = Arc<Mutex<BTreeMap<i64, String>>>;

fn survive(database: String) {
    let far_end = FarEnd::start(1_500);
    let pace = |shards: u32, max_cps: u32| {
        let trunk = format!(
            "[[trunk]]\nname = 'far'\naddress = '{}'\nmax_channels = 400\nmax_cps = {max_cps}\n",
            far_end.address
        );
        config(&trunk).replace("[sip]\n", &format!("[sip]\nshards = {shards}\n"))
    };
    // Every kill finds calls in every state, and most sends still waiting.
    let mut platform =
        Platform::start(Options { config: pace(2, 20), database, ..Options::default() });
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(3_200));
    let accepted = Accepted::default();
    let next_number = Arc::new(AtomicU32::new(0));
    let mut seed = 0x2026_1122_u32;
    let mut killed = Killed::default();
    let mut start_ms = 0;
    while killed.while_sending < KILLS {
        let clients = Clients::start(&platform, &customer, message, &accepted, &next_number);
        pause(Duration::from_millis(u64::from(random(&mut seed) % 2_400)));
        platform.kill();
        clients.join();
        killed.while_sending += 1;
        killed.count(&far_end);
        // Every third kill hits a start: any instant of it, recovery included.
        if killed.while_sending % 2 == 0 {
            let after_ms = random(&mut seed) % (start_ms + 1);
            platform.kill_while_starting(Duration::from_millis(after_ms.into()));
            killed.count(&far_end);
        }
        // Each process has another number of shards than the one before.
        let max_cps = if killed.while_sending < KILLS { 20 } else { 200 };
        platform.configure(pace(1 + killed.kills % 3, max_cps));
        let begun = now();
        platform.restart();
        start_ms = u32::try_from(begun.elapsed().as_millis()).unwrap();
    }
    // A last spell without a kill: these calls live to their end.
    let clients = Clients::start(&platform, &customer, message, &accepted, &next_number);
    pause(Duration::from_secs(1));
    clients.join();
    wait_for_all(&platform, &customer, &accepted);
    judge(&platform, &customer, &accepted, &far_end, killed);
}

/// What the kills can have cut off.
#[derive(Debug, Default, Clone, Copy)]
struct Killed {
    kills: u32,
    while_sending: u32,
    /// Numbers that were called before the last kill.
    calls: usize,
}

impl Killed {
    /// Counts a kill.
    fn count(&mut self, far_end: &FarEnd) {
        self.kills += 1;
        self.calls = far_end.seen().len();
    }
}

/// Threads that send to one fresh number after the other until the platform is gone.
struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Clients {
    fn start(
        platform: &Platform,
        customer: &Customer,
        message: i64,
        accepted: &Accepted,
        next_number: &Arc<AtomicU32>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CLIENTS)
            .map(|_| {
                let (http, token) = (platform.http(), customer.token.clone());
                let (stop, accepted) = (Arc::clone(&stop), Arc::clone(accepted));
                let next_number = Arc::clone(next_number);
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let n = next_number.fetch_add(1, Ordering::Relaxed);
                        let number = format!("0912{n:07}");
                        let message = message.to_string();
                        let parameters = [("MessageID", &*message), ("Number", &*number)];
                        // Without a whole answer the client knows nothing, and claims nothing.
                        let Ok(answer) = request(http, &token, "QuickSend", &parameters) else {
                            return;
                        };
                        let answer = answer.json();
                        let id = answer["QuickSendID"].as_i64().unwrap();
                        assert!(id > 0, "{answer}");
                        accepted.lock().unwrap().insert(id, number);
                        pause(Duration::from_millis(50));
                    }
                })
            })
            .collect();
        Self { stop, threads }
    }

    fn join(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn reason(platform: &Platform, customer: &Customer, id: i64) -> i64 {
    let state = platform.call(customer, "GetQuickSend", &[("QuickSendID", &id.to_string())]);
    state["reason"].as_i64().unwrap_or_else(|| panic!("quick send {id} is lost: {state}"))
}

fn wait_for_all(platform: &Platform, customer: &Customer, accepted: &Accepted) {
    let ids: Vec<i64> = accepted.lock().unwrap().keys().copied().collect();
    assert!(ids.len() > 100, "the clients were heard: {}", ids.len());
    for id in ids {
        eventually("every accepted send ends", || {
            (reason(platform, customer, id) >= 10).then_some(())
        });
    }
    // Sends whose answer the kill swallowed may still be under way.
    eventually("no hold is left", || {
        let id = customer.account.to_string();
        let account = platform.cli(&["account", "show", "--account", &id, "--json"]);
        (account["reserved_rials"] == 0).then_some(())
    });
}

fn judge(
    platform: &Platform,
    customer: &Customer,
    accepted: &Accepted,
    far_end: &FarEnd,
    killed: Killed,
) {
    eventually("the carrier has no call left", || {
        far_end.seen().values().all(|seen| seen.live == 0).then_some(())
    });
    let seen = far_end.seen();
    for (number, seen) in &seen {
        assert_eq!(seen.started, 1, "{number} was called {} times", seen.started);
    }
    let mut by_reason = BTreeMap::<i64, u32>::new();
    let mut never_called = 0;
    for (id, number) in accepted.lock().unwrap().iter() {
        let reason = reason(platform, customer, *id);
        *by_reason.entry(reason).or_default() += 1;
        assert!([10, 11, 30].contains(&reason), "{id} ended with {reason}");
        let reached = seen.contains_key(number);
        assert!(reached || reason == 30, "{number} ended with {reason} and was never called");
        never_called += u32::from(!reached);
    }
    let ends = |reason| by_reason.get(&reason).copied().unwrap_or(0);
    let whole = ends(10);
    // A kill costs calls that had begun, and rarely one whose INVITE was about to leave.
    assert!(never_called <= killed.kills, "{never_called} were never called after {killed:?}");
    let cut = killed.calls + killed.kills as usize;
    assert!((ends(30) + ends(11)) as usize <= cut, "{by_reason:?} after {killed:?}");
    assert!(whole > ends(11) + ends(30), "most arrive: {by_reason:?}");
    let answered = seen.values().map(|seen| seen.answered).sum();
    books_are_exact(platform, customer, whole, answered);
    let judged = platform.cli(&["judge", "--json"]);
    assert_eq!(judged["clean"], true, "{judged}");
    eprintln!("{killed:?}, {} numbers called, ends by reason: {by_reason:?}", seen.len());
}

/// The books add up by the program's own audit, and by what the carrier saw: no fewer charges than
/// messages heard to the end, no more than calls answered.
fn books_are_exact(platform: &Platform, customer: &Customer, whole: u32, answered: u32) {
    let id = customer.account.to_string();
    let account = platform.cli(&["account", "show", "--account", &id, "--json"]);
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"], serde_json::json!([]), "{audit}");
    let charged = CREDIT - account["balance_rials"].as_i64().unwrap();
    assert_eq!(charged % PULSE, 0, "every charge is one pulse");
    let charges = charged / PULSE;
    let possible = i64::from(whole)..=i64::from(answered);
    assert!(possible.contains(&charges), "{charges} charges, but {possible:?} are possible");
}
