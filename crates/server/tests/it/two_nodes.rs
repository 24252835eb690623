//! Two serving processes on one PostgreSQL database, behind one trunk; one of them is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::database::Database;
use crate::far_end::{FarEnd, Seen};
use crate::platform::{
    Customer, Options, Platform, config, eventually, eventually_within, free_udp_port, pause,
    rising_tone,
};

/// The price of the clip: one pulse of 5 s at 45 rials a second.
const PULSE: i64 = 225;
/// How many calls a node has on the trunk.
const IN_USE: &str = "avanak_trunk_channels_in_use{trunk=\"far\"}";
/// What each customer starts with.
const CREDIT: i64 = 100_000_000;
/// Channels of the trunk, of both nodes together.
const CHANNELS: u32 = 300;
/// Recipients of the first campaign. The second one calls every second of them, and its own.
const NUMBERS: u32 = 1_800;

/// What one node ends while the other is dead, so that the lease of that one is long over.
const MEANWHILE: f64 = 700.0;

/// Goal: a second node comes while a first one has all channels of their trunk in use, they share
/// the calls of two campaigns with the same people in them, and one of them is killed in the middle
/// and comes back after its lease: everybody is called by each campaign, nobody by two calls at
/// once, the trunk has never more calls than it may, nothing is charged twice, and the judge finds
/// all of it lawful.
#[test]
fn two_nodes_call_everybody_once_and_nobody_twice_at_once() {
    let Some(database) = Database::fresh("nodes") else { return };
    let far_end = FarEnd::start(CHANNELS as usize + 100);
    let audio = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let named = format!("[node]\nname = '{name}'\naudio_dir = '{}'\n", audio.path().display());
        // After its restart a node listens where it did: there its calls are answered.
        let sip = format!("listen = '127.0.0.1:{}'", free_udp_port());
        let config = config("").replace("[node]\n", &named);
        let config = config.replace("listen = '127.0.0.1:0'", &sip);
        Platform::start(Options { config, database: database.url.clone(), ..Options::default() })
    };
    let mut a = start("a");
    add_trunk(&a, &far_end);
    let campaigns = [0, 1].map(|which| Campaign::create(&a, which));
    eventually("the first one has the whole trunk", || {
        (a.figure(IN_USE) > f64::from(CHANNELS) * 0.8).then_some(())
    });
    let b = start("b");
    // Both call; in the middle of that, one of them dies with its calls up.
    eventually_within(Duration::from_mins(2), "both nodes have ended a part", || {
        let settled = [&a, &b].map(|node| node.figure("avanak_calls_settled_total"));
        settled.iter().all(|settled| *settled > 150.0).then_some(())
    });
    assert!(far_end.sources().len() >= 2, "calls come from both");
    let engaged_before = a.figure("avanak_sends_engaged_total");
    a.kill();
    let cut: usize = far_end.seen().values().filter(|seen| seen.live > 0).count();
    let before = b.figure("avanak_calls_settled_total");
    eventually_within(Duration::from_mins(2), "the other one goes on", || {
        (b.figure("avanak_calls_settled_total") > before + MEANWHILE).then_some(())
    });
    a.restart();
    let ends = campaigns.each_ref().map(|campaign| campaign.wait(&b));
    eventually("the carrier has no call left", || {
        far_end.seen().values().all(|seen| seen.live == 0).then_some(())
    });
    judge_calls(&campaigns, &ends, &far_end, cut);
    for (campaign, end) in campaigns.iter().zip(&ends) {
        let charged = end.iter().map(|one| one["Price"].as_i64().unwrap()).sum::<i64>();
        assert_eq!(b.settled_balance(&campaign.customer), CREDIT - charged);
    }
    let judged = b.cli(&["judge", "--json"]);
    assert_eq!(judged["clean"], true, "{judged}");
    let most = far_end.most_live();
    assert!(most <= CHANNELS, "{most} calls at once on {CHANNELS} channels");
    let engaged = engaged_before
        + [&a, &b].map(|node| node.figure("avanak_sends_engaged_total")).iter().sum::<f64>();
    assert!(engaged > 0.0, "nobody was wanted by both nodes at once");
    eprintln!("{cut} calls were cut, {most} at most at once, {engaged} were in another's call");
}

/// The trunk of both nodes, which is in no configuration.
fn add_trunk(node: &Platform, far_end: &FarEnd) {
    let (address, channels) = (far_end.address.to_string(), CHANNELS.to_string());
    let add = ["trunk", "add", "far", "--address", &address, "--ping-interval", "0"];
    let caps = ["--max-channels", &channels, "--max-cps", &channels];
    let added = node.run(&[&add[..], &caps].concat());
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

struct Campaign {
    customer: Customer,
    id: i64,
    numbers: Vec<String>,
}

impl Campaign {
    /// Begins the first or the second one, each of a customer of its own.
    fn create(node: &Platform, which: u32) -> Self {
        let customer = node.customer(CREDIT);
        let message = node.upload(&customer, &rising_tone(3_000)).to_string();
        let number = |n: u32| format!("0912{n:07}");
        let numbers: Vec<String> = match which {
            0 => (0..NUMBERS).map(number).collect(),
            _ => (0..NUMBERS).map(|n| number(if n % 2 == 0 { n } else { NUMBERS + n })).collect(),
        };
        let form = [
            ("Title", "c"),
            ("Numbers", &*numbers.join(",")),
            ("MessageID", &*message),
            ("StartDateTime", "2026-01-01"),
            ("EndDateTime", "2099-01-01"),
            ("MaxTryCount", "1"),
            ("MinuteBetweenTries", "0"),
        ];
        let id = node.call(&customer, "CreateCampaign", &form).as_i64().unwrap();
        assert!(id > 0, "{id}");
        Self { customer, id, numbers }
    }

    /// Waits for its end; what is told of its recipients then.
    fn wait(&self, node: &Platform) -> Vec<Value> {
        let form = [("CampaignID", &*self.id.to_string())];
        eventually_within(Duration::from_mins(5), "the campaign ends", || {
            let shown = node.call(&self.customer, "GetCampaign", &form);
            pause(Duration::from_millis(200));
            (shown["StatusId"] == 12).then_some(())
        });
        let told = node.call(&self.customer, "GetCampaignNumbersByCampaignID", &form);
        told["Numbers"].as_array().unwrap().clone()
    }
}

/// Compares what the customers are told with what the carrier saw. `cut`: how many were in a call
/// when the node died.
fn judge_calls(campaigns: &[Campaign; 2], ends: &[Vec<Value>; 2], far_end: &FarEnd, cut: usize) {
    let mut wanted: BTreeMap<&str, u32> = BTreeMap::new();
    for number in campaigns.iter().flat_map(|campaign| &campaign.numbers) {
        *wanted.entry(number).or_default() += 1;
    }
    let (mut failed, mut in_part) = (BTreeMap::<&str, u32>::new(), 0);
    for (campaign, end) in campaigns.iter().zip(ends) {
        assert_eq!(end.len(), campaign.numbers.len(), "each recipient is told of once");
        for one in end {
            let number = one["Number"].as_str().unwrap();
            assert_eq!(one["TryCount"], 1, "{one}");
            match one["Status"].as_i64() {
                Some(10) => assert_eq!(one["Price"], PULSE, "{one}"),
                Some(11) => in_part += 1,
                Some(30) => *failed.entry(number).or_default() += 1,
                _ => panic!("{one}"),
            }
        }
    }
    let seen = far_end.seen();
    let mut never_sent = 0;
    for (number, times) in &wanted {
        let Seen { started, most_at_once, answered, story, .. } =
            seen.get(*number).cloned().unwrap_or_default();
        assert!(most_at_once <= 1, "{number} was in {most_at_once} calls at once: {story:?}");
        let failed = failed.get(number).copied().unwrap_or(0);
        assert!(started <= *times, "{number} was called {started} times for {times}");
        assert!(started + failed >= *times, "{number} was called {started} times for {times}");
        assert!(answered + failed >= *times, "{number} was answered {answered} times of {times}");
        never_sent += times - started;
    }
    assert!(seen.keys().all(|number| wanted.contains_key(&**number)), "strangers were called");
    // The INVITE of a call was about to leave when its process died: it is told as failed.
    assert!(never_sent <= 5, "{never_sent} calls were never made");
    let failed: u32 = failed.values().sum();
    let lost = (failed + in_part) as usize;
    assert!(lost <= cut + 5, "{failed} failed and {in_part} were cut off, {cut} calls were up");
}
