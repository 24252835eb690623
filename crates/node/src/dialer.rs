//! The waiting line: which of the waiting jobs is dialled next. Memory only: the table of ready
//! sends is the truth, and a job that is forgotten here is found there again.
//!
//! For each route (the trunks that take a number): lanes in strict order, but for one start in
//! twenty that a campaign has beside quick sends; within a lane stride scheduling over customers,
//! so that a thousand sends of one do not stand before one of another; within a customer by due
//! time. A job whose number is in a call steps aside until the number is free.

use std::collections::{BTreeMap, BTreeSet};

use app::dialing::ReadyJob;
use domain::dialer::pacing::{CAMPAIGN_CLASS, Lane};
use domain::{AccountId, Callee, QuickSendId, Timestamp};

/// What one start costs a customer. All customers weigh the same today.
const STRIDE: u64 = 1;
/// The class as which a campaign goes in place of a quick send.
const QUICK_SENDS: u8 = CAMPAIGN_CLASS - 1;
/// One start in so many is a campaign's, if one waits, however many quick sends there are.
const CAMPAIGNS_ONE_IN: u32 = 20;

/// A job with what the line needs to know of it.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) job: ReadyJob,
    pub(crate) callee: Callee,
    /// The trunks that may carry it, as the gate knows them.
    pub(crate) route: usize,
    /// The second leg of a secure call: whom it calls, and its route.
    pub(crate) second: Option<(Callee, usize)>,
}

impl Waiting {
    /// In which lane it goes.
    pub(crate) fn lane(&self) -> Lane {
        lane(&self.job)
    }
}

/// The lane of a job.
pub(crate) fn lane(job: &ReadyJob) -> Lane {
    Lane::of(job.class, job.message_class)
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its time has not come.
    Later,
    /// In its customer's queue.
    Queued,
    /// Its number is in a call.
    Aside,
}

#[derive(Debug)]
struct Entry {
    waiting: Waiting,
    place: Place,
    /// When it steps forward, if that is still to come.
    due_at: Timestamp,
}

/// The waiting line of one node.
#[derive(Debug, Default)]
pub(crate) struct WaitingLine {
    jobs: BTreeMap<QuickSendId, Entry>,
    later: BTreeSet<(Timestamp, QuickSendId)>,
    expiring: BTreeSet<(Timestamp, QuickSendId)>,
    queues: BTreeMap<(usize, Lane), Fair>,
    /// How many quick sends of a route started while a campaign waited there, since one was let.
    passed_by: BTreeMap<usize, u32>,
    aside: BTreeMap<Callee, BTreeSet<QuickSendId>>,
}

/// The customers of one route and lane, in the order in which they may start a call.
#[derive(Debug, Default)]
struct Fair {
    order: BTreeSet<(u64, AccountId)>,
    customers: BTreeMap<AccountId, Customer>,
    /// The pass of the last pick: whoever joins starts here, without a claim on the past.
    pass: u64,
}

#[derive(Debug, Default)]
struct Customer {
    pass: u64,
    jobs: BTreeSet<(Timestamp, QuickSendId)>,
}

impl Fair {
    fn push(&mut self, account: AccountId, due: Timestamp, send: QuickSendId) {
        let pass = self.pass;
        let customer = self.customers.entry(account).or_insert_with(|| {
            self.order.insert((pass, account));
            Customer { pass, jobs: BTreeSet::new() }
        });
        customer.jobs.insert((due, send));
    }

    fn first(&self) -> Option<QuickSendId> {
        let (_, account) = self.order.first()?;
        self.customers.get(account)?.jobs.first().map(|&(_, send)| send)
    }

    /// Takes a job out; its customer pays for it if it is started.
    fn remove(&mut self, account: AccountId, due: Timestamp, send: QuickSendId, started: bool) {
        let Some(customer) = self.customers.get_mut(&account) else { return };
        customer.jobs.remove(&(due, send));
        self.order.remove(&(customer.pass, account));
        if started {
            self.pass = customer.pass;
            customer.pass += STRIDE;
        }
        if customer.jobs.is_empty() {
            self.customers.remove(&account);
        } else {
            self.order.insert((customer.pass, account));
        }
    }
}

impl WaitingLine {
    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether a job is known here.
    pub(crate) fn contains(&self, send: QuickSendId) -> bool {
        self.jobs.contains_key(&send)
    }

    /// Adds a job that is not known yet.
    pub(crate) fn push(&mut self, waiting: Waiting) {
        let send = waiting.job.quick_send;
        if self.contains(send) {
            return;
        }
        let due_at = waiting.job.due_at;
        self.later.insert((due_at, send));
        self.expiring.insert((waiting.job.expires_at, send));
        self.jobs.insert(send, Entry { waiting, place: Place::Later, due_at });
    }

    /// Lets the jobs whose time has come step forward.
    pub(crate) fn tick(&mut self, wall: Timestamp) {
        while let Some(&(due, send)) = self.later.first().filter(|(due, _)| *due <= wall) {
            self.later.remove(&(due, send));
            self.enqueue(send);
        }
    }

    /// When the next job steps forward or expires, by the wall clock.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        let due = self.later.first().map(|(due, _)| *due);
        let expiry = self.expiring.first().map(|(expiry, _)| *expiry);
        due.into_iter().chain(expiry).min()
    }

    /// Takes out the jobs whose time is over, and tells of each whether nothing but other calls and
    /// trunks kept it.
    pub(crate) fn take_expired(&mut self, wall: Timestamp) -> Vec<(Waiting, bool)> {
        let mut expired = Vec::new();
        while let Some(&(_, send)) = self.expiring.first().filter(|(expiry, _)| *expiry <= wall) {
            let queued = self.jobs.get(&send).is_some_and(|one| one.place == Place::Queued);
            expired.extend(self.remove(send).map(|waiting| (waiting, queued)));
        }
        expired
    }

    /// The routes that have jobs which could be started but for capacity, and the first lane of
    /// these.
    pub(crate) fn routes_waited_for(&self) -> BTreeMap<usize, Lane> {
        let busy = self.queues.iter().filter(|(_, fair)| !fair.order.is_empty());
        // From the last lane to the first, so that the first one stays.
        let mut first: BTreeMap<usize, Lane> =
            busy.rev().map(|((route, lane), _)| (*route, *lane)).collect();
        for (route, lane) in &mut first {
            if self.is_owed(*route) {
                *lane = Lane::QuickSend.min(*lane);
            }
        }
        first
    }

    /// Whether a campaign waits on a route and has been passed by so often that it is its turn.
    fn is_owed(&self, route: usize) -> bool {
        let passed_by = self.passed_by.get(&route).copied().unwrap_or(0);
        passed_by + 1 >= CAMPAIGNS_ONE_IN && self.has_campaign(route)
    }

    fn has_campaign(&self, route: usize) -> bool {
        self.queues.get(&(route, Lane::Campaign)).is_some_and(|fair| !fair.order.is_empty())
    }

    /// Whether campaigns wait on any route, so that starts have to be counted.
    pub(crate) fn has_campaigns(&self) -> bool {
        let campaigns = self.queues.iter().filter(|((_, lane), _)| *lane == Lane::Campaign);
        campaigns.into_iter().any(|(_, fair)| !fair.order.is_empty())
    }

    /// A call of a lane has started on a route, from this line or past it.
    pub(crate) fn count_start(&mut self, route: usize, lane: Lane) {
        if lane == Lane::Campaign || !self.has_campaign(route) {
            self.passed_by.remove(&route);
        } else if lane == Lane::QuickSend {
            let passed_by = self.passed_by.entry(route).or_default();
            *passed_by = passed_by.saturating_add(1);
        }
    }

    /// Finds the routes anew, after the trunks were replaced. Who stood aside or was not due yet
    /// stays so; the others line up again.
    pub(crate) fn reroute(
        &mut self,
        route_of: impl Fn(&ReadyJob) -> usize,
        second_of: impl Fn(&ReadyJob) -> Option<(Callee, usize)>,
    ) {
        self.queues.clear();
        self.passed_by.clear();
        let mut queued = Vec::new();
        for (send, entry) in &mut self.jobs {
            entry.waiting.route = route_of(&entry.waiting.job);
            entry.waiting.second = second_of(&entry.waiting.job);
            if entry.place == Place::Queued {
                queued.push(*send);
            }
        }
        for send in queued {
            self.enqueue(send);
        }
    }

    /// The next job of a route, and as which class it goes: a campaign whose turn it is goes in
    /// place of a quick send, and never before a code.
    pub(crate) fn first(&self, route: usize) -> Option<(&Waiting, u8)> {
        let queues = self.queues.range((route, Lane::Code)..=(route, Lane::Campaign));
        let mut firsts = queues.filter_map(|((_, lane), fair)| Some((*lane, fair.first()?)));
        let (lane, mut send) = firsts.next()?;
        let is_owed = lane >= Lane::QuickSend && self.is_owed(route);
        if is_owed {
            send = self.queues.get(&(route, Lane::Campaign))?.first()?;
        }
        let waiting = &self.jobs.get(&send)?.waiting;
        Some((waiting, if is_owed { QUICK_SENDS } else { waiting.job.class }))
    }

    /// Takes a job out because it is started: its customer has had a turn.
    pub(crate) fn start(&mut self, send: QuickSendId) -> Option<Waiting> {
        let started = self.take_out(send, true)?;
        self.count_start(started.route, started.lane());
        Some(started)
    }

    /// Takes a job out because somebody else has it, or it is over.
    pub(crate) fn remove(&mut self, send: QuickSendId) -> Option<Waiting> {
        self.take_out(send, false)
    }

    /// Puts a job aside because its number is in a call.
    pub(crate) fn step_aside(&mut self, send: QuickSendId) {
        self.dequeue(send, false);
        let Some(entry) = self.jobs.get_mut(&send) else { return };
        entry.place = Place::Aside;
        self.aside.entry(entry.waiting.callee.clone()).or_default().insert(send);
    }

    /// Lets a job step back until its class may call, without losing its place.
    pub(crate) fn step_back_until(&mut self, send: QuickSendId, until: Timestamp) {
        let later = self.jobs.get(&send).filter(|entry| entry.place == Place::Later);
        match later.map(|entry| (entry.due_at, send)) {
            Some(place) => drop(self.later.remove(&place)),
            None => self.dequeue(send, false),
        }
        let Some(entry) = self.jobs.get_mut(&send) else { return };
        (entry.place, entry.due_at) = (Place::Later, until);
        self.later.insert((until, send));
    }

    /// The numbers for which jobs stand aside.
    pub(crate) fn numbers_aside(&self) -> Vec<Callee> {
        self.aside.keys().cloned().collect()
    }

    /// Whether jobs stand aside.
    pub(crate) fn has_aside(&self) -> bool {
        !self.aside.is_empty()
    }

    /// Lets the jobs for a number step back into the line.
    pub(crate) fn step_back(&mut self, callee: &Callee) {
        for send in self.aside.remove(callee).unwrap_or_default() {
            self.enqueue(send);
        }
    }

    fn take_out(&mut self, send: QuickSendId, started: bool) -> Option<Waiting> {
        let entry = self.jobs.get(&send)?;
        let job = &entry.waiting.job;
        let expiry = job.expires_at;
        match entry.place {
            Place::Later => {
                self.later.remove(&(entry.due_at, send));
            }
            Place::Queued => self.dequeue(send, started),
            Place::Aside => {
                let callee = entry.waiting.callee.clone();
                if let Some(sends) = self.aside.get_mut(&callee) {
                    sends.remove(&send);
                    if sends.is_empty() {
                        self.aside.remove(&callee);
                    }
                }
            }
        }
        self.expiring.remove(&(expiry, send));
        self.jobs.remove(&send).map(|entry| entry.waiting)
    }

    fn enqueue(&mut self, send: QuickSendId) {
        let Some(entry) = self.jobs.get_mut(&send) else { return };
        entry.place = Place::Queued;
        let (job, lane) = (&entry.waiting.job, entry.waiting.lane());
        let fair = self.queues.entry((entry.waiting.route, lane)).or_default();
        fair.push(job.account, job.due_at, send);
    }

    fn dequeue(&mut self, send: QuickSendId, started: bool) {
        let Some(entry) = self.jobs.get(&send) else { return };
        let (job, lane) = (&entry.waiting.job, entry.waiting.lane());
        if let Some(fair) = self.queues.get_mut(&(entry.waiting.route, lane)) {
            fair.remove(job.account, job.due_at, send, started);
        }
    }
}
