//! What the operator has to be told of at once: that the budget of downtime burns too fast, that
//! the monitoring is silent, that a clock is wrong, and what of the desk is missed or due soon.
//!
//! A budget burns at 1 when it lasts exactly as long as the time it is for. Each rule looks at a
//! long time, which says that it matters, and at a short one, which says that it still goes on.

use std::collections::BTreeMap;

use super::scope::CoveredPath;
use crate::calendar::span::Span;
use crate::{Timestamp, VantageId};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;

/// The longest time that a rule looks at, microseconds.
pub const LOOK_BACK_US: i64 = 72 * HOUR_US;
/// After so much silence it is told, microseconds: 1 % of the budget of 30 days.
pub const SILENCE_US: i64 = 108 * SECOND_US;
/// A clock that is further off is told of, microseconds: samples of it prove nothing.
const CLOCK_OFF_US: i64 = 5 * SECOND_US;
const MILLION: i128 = 1_000_000;

/// How fast a budget may burn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurnRule {
    /// The name of its alert.
    pub name: &'static str,
    /// The short time, microseconds.
    pub short_us: i64,
    /// The long time, microseconds.
    pub long_us: i64,
    /// How fast it burns, tenths.
    pub rate_tenths: i64,
}

/// The rules, the most urgent first: 2 % of a 30-day budget in an hour, 5 % in six, 10 % in three
/// days.
pub const BURN_RULES: [BurnRule; 3] = [
    BurnRule { name: "burn:1h", short_us: 5 * MINUTE_US, long_us: HOUR_US, rate_tenths: 144 },
    BurnRule { name: "burn:6h", short_us: 30 * MINUTE_US, long_us: 6 * HOUR_US, rate_tenths: 60 },
    BurnRule { name: "burn:3d", short_us: 6 * HOUR_US, long_us: LOOK_BACK_US, rate_tenths: 10 },
];

/// What is known when it is decided what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// This moment.
    pub now: Timestamp,
    /// When the platform was down, as its figure counts it; spans in order that do not touch.
    pub down: Vec<Span>,
    /// How much of the time it may be down, parts per million.
    pub budget_ppm: u32,
    /// When each path was last looked at, and after how long nothing is known of it, microseconds.
    /// Empty when nobody looks: then nobody has fallen silent.
    pub looked: Vec<(CoveredPath, Option<Timestamp>, i64)>,
    /// How far the clock of each vantage point is ahead, microseconds.
    pub clocks: Vec<(VantageId, i64)>,
    /// What of the desk's clocks is missed or due soon: a name and what it is about.
    pub desk: Vec<(String, String)>,
    /// What each node says of the chain of evidence.
    pub nodes: Vec<NodeWatched>,
    /// What of the books did not add up when they were last audited.
    pub books: Option<String>,
}

/// The name of the alert that the books do not add up.
pub const LEDGER: &str = "ledger";

/// What a node found of the chain of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeWatched {
    /// Its name.
    pub name: String,
    /// How far its clock is ahead of the database's, microseconds.
    pub ahead_us: i64,
    /// What is wrong with the chain, as this node has seen it.
    pub broken: Option<String>,
}

impl Watched {
    /// How long it was down in the last so many microseconds.
    fn down_us(&self, last_us: i64) -> i64 {
        let window = Span { from: self.now.plus_us(-last_us), to: self.now };
        self.down.iter().filter_map(|span| span.within(window)).map(Span::length_us).sum()
    }

    /// Whether the budget burnt so fast in the last so many microseconds.
    fn burns(&self, last_us: i64, rate_tenths: i64) -> bool {
        let allowed = i128::from(self.budget_ppm) * i128::from(last_us) * i128::from(rate_tenths);
        i128::from(self.down_us(last_us)) * MILLION * 10 >= allowed && self.down_us(last_us) > 0
    }
}

/// The names of the alerts that hold, each with what it is about.
pub fn firing(watched: &Watched) -> BTreeMap<String, String> {
    let mut firing = BTreeMap::new();
    for rule in BURN_RULES {
        if watched.burns(rule.short_us, rule.rate_tenths)
            && watched.burns(rule.long_us, rule.rate_tenths)
        {
            let (down, hours) = (watched.down_us(rule.long_us), rule.long_us / HOUR_US);
            let (whole, tenth) = (rule.rate_tenths / 10, rule.rate_tenths % 10);
            let detail = format!(
                "{} s down in {hours} h: the budget burns {whole}.{tenth} times too fast or more",
                down / SECOND_US
            );
            firing.insert(rule.name.to_owned(), detail);
        }
    }
    for (path, last, fresh_us) in &watched.looked {
        let silent_us = last.map(|last| watched.now.us_since(last));
        if silent_us.is_none_or(|silent| silent > SILENCE_US.max(*fresh_us)) {
            let since = silent_us.map_or_else(
                || String::from("it was never looked at"),
                |us| format!("nobody has looked at it for {} s", us / SECOND_US),
            );
            firing.insert(format!("silent:{}", path.word()), since);
        }
    }
    for (vantage, offset_us) in &watched.clocks {
        if offset_us.abs() > CLOCK_OFF_US {
            let detail = format!("its clock is {} s ahead of ours", offset_us / SECOND_US);
            firing.insert(format!("clock:{vantage}"), detail);
        }
    }
    firing.extend(watched.desk.iter().cloned());
    firing.extend(watched.books.iter().map(|found| (LEDGER.to_owned(), found.clone())));
    for NodeWatched { name, ahead_us, broken } in &watched.nodes {
        if ahead_us.abs() > CLOCK_OFF_US {
            let detail = format!("its clock is {} s ahead of the database's", ahead_us / SECOND_US);
            firing.insert(format!("clock:node-{name}"), detail);
        }
        if let Some(broken) = broken {
            firing.insert(format!("chain:{name}"), broken.clone());
        }
    }
    firing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_000_000 * SECOND_US;

    fn watched(down: &[(i64, i64)]) -> Watched {
        let ago = |seconds: i64| Timestamp(NOW - seconds * SECOND_US);
        Watched {
            now: Timestamp(NOW),
            down: down.iter().map(|(from, to)| Span::new(ago(*from), ago(*to)).unwrap()).collect(),
            budget_ppm: 4_200,
            looked: Vec::new(),
            clocks: Vec::new(),
            desk: Vec::new(),
            books: None,
            nodes: Vec::new(),
        }
    }

    fn names(watched: &Watched) -> Vec<String> {
        firing(watched).into_keys().collect()
    }

    /// 14.4 times 0.42 % of an hour are 217.7 s, and of five minutes 18.1 s.
    #[test]
    fn a_budget_that_burns_is_told_while_it_burns() {
        assert_eq!(names(&watched(&[(218, 0)])), ["burn:1h"]);
        assert_eq!(names(&watched(&[(217, 0)])), Vec::<String>::new());
        assert_eq!(names(&watched(&[(600, 310)])), Vec::<String>::new(), "it is over");
        assert_eq!(names(&watched(&[(600, 281)])), ["burn:1h"]);
        // 6 times of six hours are 544.3 s; 45.4 s of half an hour.
        assert_eq!(names(&watched(&[(1_800, 1_254)])), ["burn:6h"]);
        // Once of three days are 1088.6 s; 90.7 s of six hours.
        assert_eq!(names(&watched(&[(200_000, 199_000), (20_000, 19_900)])), ["burn:3d"]);
        assert_eq!(names(&watched(&[(700, 0)])), ["burn:1h", "burn:6h"]);
    }

    #[test]
    fn silence_and_wrong_clocks_are_told() {
        let mut silent = watched(&[]);
        let ago = |seconds: i64| Some(Timestamp(NOW - seconds * SECOND_US));
        silent.looked = vec![
            (CoveredPath::Panel, ago(108), 90 * SECOND_US),
            (CoveredPath::Api, ago(109), 90 * SECOND_US),
            (CoveredPath::QuickSend, None, 90 * SECOND_US),
            (CoveredPath::Campaign, ago(109), 180 * SECOND_US),
        ];
        silent.clocks = vec![(VantageId(1), 5 * SECOND_US), (VantageId(2), -6 * SECOND_US)];
        silent.desk = vec![("desk:ticket".to_owned(), "1 missed".to_owned())];
        assert_eq!(names(&silent), ["clock:2", "desk:ticket", "silent:api", "silent:quick-send"]);
    }

    #[test]
    fn a_node_is_told_that_lost_the_chain_or_the_time() {
        let node = |name: &str, ahead_us, broken: Option<&str>| NodeWatched {
            name: name.to_owned(),
            ahead_us,
            broken: broken.map(str::to_owned),
        };
        let mut nodes = watched(&[]);
        nodes.nodes = vec![
            node("a", 5 * SECOND_US, None),
            node("b", -5 * SECOND_US - 1, None),
            node("c", 0, Some("entry 7 is another")),
        ];
        assert_eq!(names(&nodes), ["chain:c", "clock:node-b"]);
    }

    proptest! {
        /// More downtime never ends an alert.
        #[test]
        fn more_downtime_is_never_better(
            down in prop::collection::vec((0..300_000_i64, 1..2_000_i64), 0..6),
            more in (0..300_000_i64, 1..2_000_i64),
        ) {
            let of = |spans: &[(i64, i64)]| {
                let ago = |seconds: i64| Timestamp(NOW - seconds * SECOND_US);
                let span = |(from, length): &(i64, i64)| {
                    Span::new(ago(from + length), ago(*from)).unwrap()
                };
                let down = crate::calendar::span::union(spans.iter().map(span).collect());
                names(&Watched { down, ..watched(&[]) })
            };
            let mut worse = down.clone();
            worse.push(more);
            let told = of(&worse);
            prop_assert!(of(&down).iter().all(|name| told.contains(name)));
        }
    }
}
