//! What a seed stands for: the weather, the trunks, the customers, what they do, and what goes
//! wrong when. Everything is decided here before time begins; the world only carries it out.

use node::Caps;

use crate::dice::Dice;
use crate::far_ends::Trouble;
use crate::netem::Weather;

/// A second in the world's unit.
pub(crate) const SECOND: i64 = 1_000_000;

/// A bug planted on purpose, to prove that the invariants notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sabotage {
    /// No bug.
    #[default]
    None,
    /// The flight recorder forgets its calls at every kill, so that recovery dials them again.
    ForgetRecords,
    /// Datagrams, the INVITE's included, leave before the flight recorder is written.
    SendBeforeRecording,
    /// After each kill another host takes over, and its old flight recorder passes for the one
    /// that was written by the killed process.
    PassForOwn,
    /// A number is called by two calls at once.
    CallTwice,
    /// The gate allows one channel more on each trunk.
    MoreChannels,
    /// The gate allows twice the pace.
    FasterPace,
    /// The end of every tenth call never reaches the node.
    LoseEnds,
    /// Somebody changes a balance by hand.
    TouchMoney,
    /// Every call is told to have been heard for a pulse less.
    ShortenHearing,
    /// The node is told of each unanswered call that its trunk failed it before anything rang.
    ForgetRinging,
    /// Campaigns are kept with other hours than were asked for.
    CallAfterHours,
    /// Campaigns count a recipient too many.
    Miscount,
}

impl Sabotage {
    /// Every bug that can be planted.
    pub const ALL: [Self; 12] = [
        Self::ForgetRecords,
        Self::SendBeforeRecording,
        Self::PassForOwn,
        Self::CallTwice,
        Self::MoreChannels,
        Self::FasterPace,
        Self::LoseEnds,
        Self::TouchMoney,
        Self::ShortenHearing,
        Self::ForgetRinging,
        Self::CallAfterHours,
        Self::Miscount,
    ];
}

/// What a seed stands for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The planted bug.
    pub(crate) sabotage: Sabotage,
    pub(crate) weather: Weather,
    /// The trunk for numbers that begin with [`SOUTH_PREFIX`], the one for all others, and the one
    /// that stands in for that.
    pub(crate) south: Caps,
    pub(crate) north: Caps,
    pub(crate) reserve: Caps,
    pub(crate) ping_interval_s: u32,
    pub(crate) phones: Caps,
    pub(crate) ring_timeout_ms: u32,
    pub(crate) customers: Vec<Customer>,
    pub(crate) actions: Vec<(i64, Action)>,
    /// How many kills there may be, and how likely each occasion is to be taken, permille.
    pub(crate) kills: u32,
    pub(crate) kill_chance: u32,
    /// How likely a restart follows a loss of power, permille.
    pub(crate) power_loss: u32,
    /// How likely another host with a flight recorder of its own takes over after a kill, permille.
    pub(crate) failover: u32,
    /// How likely the answer of a commit gets lost, permille.
    pub(crate) lost_answers: u32,
    /// The slowest commit, microseconds.
    pub(crate) commit_us_max: i64,
}

/// How many calls of [`Plan::campaign`] start in a second.
const CAMPAIGN_CPS: u32 = 400;

/// The beginning of the numbers that the south trunk takes.
pub(crate) const SOUTH_PREFIX: &str = "0935";

/// A customer.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) credit: i64,
    /// The length of each message, milliseconds.
    pub(crate) clips_ms: Vec<u32>,
    /// The short numbers of its phones: some with a contact, some without, some whose
    /// registration ends soon.
    pub(crate) phones: Vec<Phone>,
}

/// A registered phone.
#[derive(Debug, Clone)]
pub(crate) struct Phone {
    pub(crate) extension: String,
    /// When its registration ends; `None` for a contact that the operator fixed.
    pub(crate) registered_for_us: Option<i64>,
}

/// A campaign that a customer makes.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    pub(crate) customer: usize,
    pub(crate) numbers: Vec<String>,
    /// When its hours begin, from the beginning of the world, and how long they last.
    pub(crate) opens_in_minutes: i64,
    pub(crate) minutes: i64,
    pub(crate) max_tries: u32,
    pub(crate) minutes_between_tries: u32,
}

/// What a customer does about a campaign.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Pause,
    Resume,
    Stop,
    Cancel,
}

/// Something that happens at a planned time.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Submit {
        customer: usize,
        clip: usize,
        number: String,
        vote: bool,
    },
    Campaign(Campaign),
    /// Of the campaign that was made last.
    Change(Change),
    StepClock {
        by_us: i64,
    },
    DatabaseAway {
        for_us: i64,
    },
    NetworkSilent {
        for_us: i64,
    },
    /// The first carrier is in trouble.
    TrunkTrouble {
        trouble: Trouble,
        for_us: i64,
    },
    Garbage {
        datagrams: u32,
    },
    Kill,
    Audit,
}

impl Plan {
    /// The plan of a seed. A quarter of all seeds is calm: nothing is lost and nobody is killed,
    /// so that what each call must come to is known exactly.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let calm = seed.is_multiple_of(4);
        let weather = if calm { Weather::CALM } else { weather(&mut dice) };
        let customers: Vec<Customer> =
            (0..dice.between(1, 4)).map(|n| customer(&mut dice, n)).collect();
        let mut plan = Self {
            seed,
            sabotage: Sabotage::None,
            weather,
            south: caps(&mut dice),
            north: caps(&mut dice),
            reserve: caps(&mut dice),
            ping_interval_s: *dice.pick(&[0, 5, 10, 30]),
            phones: Caps { max_channels: 2, max_cps: 5 },
            ring_timeout_ms: u32::try_from(dice.between(8, 30) * 1000).unwrap_or(30_000),
            actions: Vec::new(),
            kills: if calm { 0 } else { u32::try_from(dice.between(0, 5)).unwrap_or(0) },
            kill_chance: u32::try_from(dice.between(2, 40)).unwrap_or(10),
            power_loss: 200,
            failover: 250,
            lost_answers: if calm { 0 } else { 15 },
            commit_us_max: if calm { 2_000 } else { *dice.pick(&[1_000, 20_000, 300_000]) },
            customers,
        };
        plan.fill(&mut dice, calm);
        plan.add_campaigns(&mut Dice::new(seed, 4));
        plan
    }

    /// One campaign to so many numbers, at most ten million, over a network that loses and reorders
    /// a little. The process is killed every other minute.
    pub fn campaign(numbers: u32) -> Self {
        let trunk = Caps { max_channels: 900, max_cps: CAMPAIGN_CPS };
        let minutes = i64::from(numbers / CAMPAIGN_CPS / 60) + 1;
        let campaign = Campaign {
            customer: 0,
            numbers: (0..numbers).map(|n| format!("091{:08}", n + 20_000_000)).collect(),
            opens_in_minutes: -5,
            minutes: 2 * minutes + 15,
            max_tries: 2,
            minutes_between_tries: 1,
        };
        let mut actions = vec![(SECOND, Action::Campaign(campaign))];
        for minute in 1..=minutes {
            let what = if minute % 2 == 0 { Action::Kill } else { Action::Audit };
            actions.push((minute * 60 * SECOND + SECOND / 3, what));
        }
        Self {
            seed: u64::from(numbers),
            sabotage: Sabotage::None,
            weather: Weather {
                loss: 5,
                repeated: 2,
                damaged: 0,
                delay_us: 5_000,
                jitter_us: 8_000,
            },
            south: trunk,
            north: trunk,
            reserve: trunk,
            ping_interval_s: 30,
            phones: Caps { max_channels: 2, max_cps: 5 },
            ring_timeout_ms: 20_000,
            customers: vec![Customer {
                credit: i64::from(numbers) * 100_000,
                clips_ms: vec![200],
                phones: Vec::new(),
            }],
            actions,
            kills: u32::try_from(minutes / 2).unwrap_or(0),
            kill_chance: 0,
            power_loss: 0,
            failover: 0,
            lost_answers: 2,
            commit_us_max: 20_000,
        }
    }

    /// Calls that there may be at once.
    pub(crate) fn calls_max(&self) -> u32 {
        let trunks = [self.south, self.north, self.reserve, self.phones];
        trunks.iter().map(|caps| caps.max_channels).sum::<u32>().max(40)
    }

    /// The plan with a bug planted. What shows only after a kill gets enough kills to show soon.
    #[must_use]
    pub fn with(self, sabotage: Sabotage) -> Self {
        let planted = Self { sabotage, ..self };
        match sabotage {
            Sabotage::ForgetRecords | Sabotage::SendBeforeRecording | Sabotage::PassForOwn => {
                Self { kills: 20, kill_chance: 60, power_loss: 0, failover: 0, ..planted }
            }
            _ => planted,
        }
    }

    /// Whether every call must come to what its number says.
    pub(crate) fn is_calm(&self) -> bool {
        self.weather == Weather::CALM && self.kills == 0
    }

    fn fill(&mut self, dice: &mut Dice, calm: bool) {
        let length = dice.between(20, 120) * SECOND;
        for _ in 0..dice.between(5, 40) {
            let at = dice.between(0, length);
            let submit = self.submit(dice);
            for n in 0..dice.between(1, 3) {
                self.actions.push((at + n * 1_000, submit.clone()));
            }
        }
        for _ in 0..dice.between(0, 2) {
            self.rush(dice, length);
        }
        for _ in 0..4 {
            self.actions.push((dice.between(0, length), Action::Audit));
        }
        if !calm {
            self.trouble(dice, length);
        }
        self.actions.sort_by_key(|(at, _)| *at);
    }

    /// Campaigns, from dice of their own: so the rest of a seed is what it was without them.
    fn add_campaigns(&mut self, dice: &mut Dice) {
        let length = self.actions.last().map_or(SECOND, |(at, _)| *at);
        for _ in 0..dice.between(0, 2) {
            let campaign = Campaign {
                customer: dice.index(self.customers.len()),
                numbers: (0..dice.between(2, 14)).map(|_| number(dice)).collect(),
                opens_in_minutes: dice.between(-5, 3),
                minutes: dice.between(6, 12),
                max_tries: u32::try_from(dice.between(1, 3)).unwrap_or(1),
                minutes_between_tries: u32::try_from(dice.between(0, 2)).unwrap_or(0),
            };
            let at = dice.between(0, length);
            self.actions.push((at, Action::Campaign(campaign)));
            if dice.chance(300) {
                let paused = at + dice.between(1, 60) * SECOND;
                self.actions.push((paused, Action::Change(Change::Pause)));
                let resumed = paused + dice.between(1, 60) * SECOND;
                self.actions.push((resumed, Action::Change(Change::Resume)));
            }
            if dice.chance(150) {
                let change = *dice.pick(&[Change::Stop, Change::Cancel]);
                let ended = at + dice.between(1, 120) * SECOND;
                self.actions.push((ended, Action::Change(change)));
            }
        }
        self.actions.sort_by_key(|(at, _)| *at);
    }

    /// A customer sends to many numbers at once.
    fn rush(&mut self, dice: &mut Dice, length: i64) {
        let at = dice.between(0, length);
        let customer = dice.index(self.customers.len());
        for n in 0..dice.between(4, 16) {
            let number = format!("{SOUTH_PREFIX}00010{n:02}");
            let submit = Action::Submit { customer, clip: 0, number, vote: false };
            self.actions.push((at + n * 500, submit));
        }
    }

    fn trouble(&mut self, dice: &mut Dice, length: i64) {
        for _ in 0..dice.between(0, 6) {
            let action = match dice.between(0, 6) {
                0 => Action::StepClock { by_us: dice.between(-120, 120) * SECOND },
                1 => Action::DatabaseAway { for_us: dice.between(1, 40) * SECOND },
                2 => Action::NetworkSilent { for_us: dice.between(1, 40) * SECOND },
                3 => Action::Garbage { datagrams: 40 },
                4 | 5 => {
                    let asked = [None, Some(1), Some(20)].map(Trouble::Refuses);
                    let [one, other, third] = asked;
                    let troubles = [Trouble::Silent, Trouble::Gone, one, other, third];
                    let for_us = dice.between(1, 60) * SECOND;
                    Action::TrunkTrouble { trouble: *dice.pick(&troubles), for_us }
                }
                _ => Action::Kill,
            };
            self.actions.push((dice.between(0, length), action));
        }
    }

    fn submit(&self, dice: &mut Dice) -> Action {
        let customer = dice.index(self.customers.len());
        let of = &self.customers[customer];
        let clip = dice.index(of.clips_ms.len());
        let number =
            if dice.chance(100) { dice.pick(&of.phones).extension.clone() } else { number(dice) };
        Action::Submit { customer, clip, number, vote: dice.chance(100) }
    }
}

/// A number of the sandbox's table, or a usual one out of few, so that numbers repeat.
fn number(dice: &mut Dice) -> String {
    const SUFFIXES: [&str; 15] = [
        "002", "020", "114", "117", "180", "183", "200", "401", "404", "407", "408", "480", "486",
        "503", "603",
    ];
    match dice.between(0, 9) {
        0..=3 => format!("{}{}", carrier::numbers::PREFIX, dice.pick(&SUFFIXES)),
        4..=6 => format!("{SOUTH_PREFIX}000000{}", dice.between(1, 6)),
        _ => format!("0912000000{}", dice.between(1, 6)),
    }
}

fn weather(dice: &mut Dice) -> Weather {
    let permille = |dice: &mut Dice, most| u32::try_from(dice.between(0, most)).unwrap_or(0);
    Weather {
        loss: permille(dice, 120),
        repeated: permille(dice, 60),
        damaged: permille(dice, 8),
        delay_us: dice.between(200, 60_000),
        jitter_us: dice.between(0, 80_000),
    }
}

fn caps(dice: &mut Dice) -> Caps {
    Caps { max_channels: *dice.pick(&[1, 2, 3, 5, 8, 20]), max_cps: *dice.pick(&[1, 2, 3, 5, 12]) }
}

fn customer(dice: &mut Dice, n: i64) -> Customer {
    let clips = dice.between(1, 2);
    let phones = [None, Some(3_600 * SECOND), Some(dice.between(5, 60) * SECOND)];
    Customer {
        credit: if dice.chance(300) { dice.between(0, 3_000) } else { 100_000 },
        clips_ms: (0..clips)
            .map(|_| u32::try_from(dice.between(150, 400) * 20).unwrap_or(3_000))
            .collect(),
        phones: (0..)
            .zip(phones)
            .map(|(m, registered_for_us)| Phone {
                extension: format!("{}", 200 + n * 10 + m),
                registered_for_us,
            })
            .collect(),
    }
}
