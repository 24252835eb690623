//! What must hold at every moment, watched on the wire between our node and the world. The watcher
//! believes only datagrams: not the node's counters, not the engine's events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::net::SocketAddr;

use domain::{QuickSendId, Timestamp};
use node::Caps;

use crate::far_ends::RESERVE_SIP;
use crate::netem::Datagram;
use crate::script::{Plan, SECOND, SOUTH_PREFIX};
use crate::wire::{Glance, Start, glance};

/// Lines of the story that are kept for a failure.
const STORY_LINES: usize = 60;
/// How long an INVITE without any response may be repeated (RFC 3261 timer B), microseconds.
const TIMER_B_US: i64 = 32 * SECOND;

/// The most trunks that try one send.
const TRIES_MAX: usize = 3;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which one.
    pub rule: &'static str,
    /// What broke it.
    pub detail: String,
}

/// A call as the wire shows it.
#[derive(Debug, Clone)]
pub(crate) struct WireCall {
    pub(crate) number: String,
    pub(crate) started: i64,
    /// What the wall clock showed then, and the latest that it had shown until then.
    wall: Timestamp,
    latest: Timestamp,
    route: Route,
    /// Where its INVITE was sent.
    to: SocketAddr,
    /// Anything came back for the INVITE.
    responded: bool,
    said: Said,
    state: State,
}

/// What the trunk said to the INVITE while it was waited for; what counts more comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// Nothing at all.
    Nothing,
    /// That it has the INVITE, or who refuses it.
    Something,
    /// That it fails.
    Failed,
    /// Anything from 101 to 299: it may have rung.
    Rang,
}

impl WireCall {
    /// Whether another trunk may try the same send: this one failed it before anything rang, or
    /// nothing at all was heard of it (docs/decisions/0033).
    fn lets_another_try(&self) -> bool {
        matches!(self.said, Said::Nothing | Said::Failed)
    }
}

/// Where a call stands, as far as our side can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It rings or is answered.
    Up,
    /// Over, unless the INVITE is sent again with credentials.
    Challenged,
    /// Our process died while it was up, and it is a phone's: what cannot be reached any more
    /// cannot be hung up.
    Orphan,
    /// It was given up, hung up or refused.
    Over,
}

impl State {
    /// Whether it may still be hung up or refused.
    fn is_open(self) -> bool {
        matches!(self, Self::Up | Self::Orphan)
    }
}

/// The routes that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Route {
    South,
    North,
    Reserve,
    Phones,
}

/// The watcher.
pub(crate) struct Witness {
    calls: BTreeMap<String, WireCall>,
    /// Those of them that are up.
    up: BTreeSet<String>,
    /// The Call-IDs of what we sent, by branch.
    branches: BTreeMap<String, String>,
    /// The Call-IDs with which each send was dialled, and those of them that rang at a carrier.
    dialled: BTreeMap<String, BTreeSet<String>>,
    rung: BTreeMap<String, BTreeSet<String>>,
    caps: BTreeMap<Route, Caps>,
    starts: BTreeMap<Route, VecDeque<i64>>,
    ring_timeout_us: i64,
    /// What the wall clock shows, and the latest that it has shown.
    wall: Timestamp,
    latest: Timestamp,
    breach: Option<Breach>,
    story: VecDeque<String>,
    verbose: bool,
}

impl Witness {
    pub(crate) fn new(plan: &Plan, verbose: bool) -> Self {
        let caps = [
            (Route::South, plan.south),
            (Route::North, plan.north),
            (Route::Reserve, plan.reserve),
            (Route::Phones, plan.phones),
        ];
        Self {
            calls: BTreeMap::new(),
            up: BTreeSet::new(),
            branches: BTreeMap::new(),
            dialled: BTreeMap::new(),
            rung: BTreeMap::new(),
            caps: caps.into(),
            starts: BTreeMap::new(),
            ring_timeout_us: i64::from(plan.ring_timeout_ms) * 1000,
            wall: Timestamp(0),
            latest: Timestamp(0),
            breach: None,
            story: VecDeque::new(),
            verbose,
        }
    }

    /// The first invariant that did not hold.
    pub(crate) fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    /// Notes that an invariant does not hold. Only the first one counts.
    pub(crate) fn broken(&mut self, now: i64, rule: &'static str, detail: String) {
        self.tell(now, format_args!("BROKEN {rule}: {detail}"));
        self.breach.get_or_insert(Breach { rule, detail });
    }

    /// Adds a line to the story.
    pub(crate) fn tell(&mut self, now: i64, line: std::fmt::Arguments<'_>) {
        if self.story.len() >= STORY_LINES && !self.verbose {
            self.story.pop_front();
        }
        let mut text = String::new();
        write!(text, "{:>11.6} {line}", precise_seconds(now)).expect("writing to a string");
        self.story.push_back(text);
    }

    /// The story so far, oldest line first.
    pub(crate) fn story(&self) -> Vec<String> {
        self.story.iter().cloned().collect()
    }

    /// Is told the wall clock.
    pub(crate) fn tell_wall(&mut self, wall: Timestamp) {
        self.wall = wall;
        self.latest = self.latest.max(wall);
    }

    /// The send of each call that left our node, the wall clock then, and the latest that it had
    /// shown.
    pub(crate) fn dialled_at(&self) -> Vec<(QuickSendId, Timestamp, Timestamp)> {
        let calls = self.calls.iter().filter_map(|(call_id, call)| {
            Some((QuickSendId(send_of(call_id).parse().ok()?), call.wall, call.latest))
        });
        calls.collect()
    }

    /// How many calls left our node.
    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Our process died.
    pub(crate) fn killed(&mut self) {
        let calls = &mut self.calls;
        self.up.retain(|call_id| {
            let call = calls.get_mut(call_id).expect("what is up was called");
            if call.route == Route::Phones {
                call.state = State::Orphan;
            }
            call.state == State::Up
        });
    }

    /// A datagram leaves our SIP socket.
    pub(crate) fn sent(&mut self, now: i64, to: SocketAddr, bytes: &[u8]) {
        let Some(glance) = glance(bytes) else { return };
        let Glance { start: Start::Request { user }, call_id, method, branch } = glance else {
            return;
        };
        self.branches.extend(branch.map(|branch| (branch, call_id.clone())));
        match method.as_str() {
            "INVITE" => match self.calls.get_mut(&call_id) {
                None => self.invited(now, call_id, to, user),
                Some(call) if call.state == State::Challenged => {
                    call.state = State::Up;
                    self.up.insert(call_id);
                }
                Some(_) => {}
            },
            "CANCEL" | "BYE" => {
                if let Some(call) = self.calls.get_mut(&call_id)
                    && call.state.is_open()
                {
                    call.state = State::Over;
                    self.up.remove(&call_id);
                    self.tell(now, format_args!("-> {method} {call_id}"));
                }
            }
            _ => {}
        }
    }

    /// A datagram reaches our SIP socket while a process listens. What was damaged on its way may
    /// have to be dropped, so that it tells us nothing of a call that is up.
    pub(crate) fn received(&mut self, now: i64, datagram: &Datagram) {
        let Datagram { bytes, damaged, .. } = datagram;
        let Some(Glance { start, call_id, method, branch }) = glance(bytes) else { return };
        let call_id = match start {
            Start::Request { .. } => call_id,
            Start::Response(_) => match branch.and_then(|branch| self.branches.get(&branch)) {
                Some(ours) => ours.clone(),
                None => return,
            },
        };
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        let (state, what) = match start {
            Start::Response(code) if method == "INVITE" => {
                // What comes after that finds no transaction (RFC 3261 §17.1.1.2): the call was
                // given up, and is ended when it is heard of after all.
                call.responded |= !damaged;
                call.said = call.said.max(match code {
                    _ if is_trunks_failure(code) => Said::Failed,
                    _ if *damaged || now - call.started >= TIMER_B_US => Said::Nothing,
                    101..300 => Said::Rang,
                    _ => Said::Something,
                });
                let state = match code {
                    ..300 => return,
                    401 | 407 => State::Challenged,
                    _ => State::Over,
                };
                (state, code.to_string())
            }
            Start::Request { .. } if method == "BYE" => (State::Over, method),
            Start::Request { .. } | Start::Response(_) => return,
        };
        if call.state.is_open() {
            call.state = state;
            self.up.remove(&call_id);
            self.tell(now, format_args!("<- {what} {call_id}"));
        }
    }

    /// Our socket was told that nothing reaches this address: calls there that nothing was heard of
    /// are given up.
    pub(crate) fn unreachable(&mut self, now: i64, destination: SocketAddr) {
        let (mut given_up, calls) = (Vec::new(), &mut self.calls);
        self.up.retain(|call_id| {
            let call = calls.get_mut(call_id).expect("what is up was called");
            let over = call.to == destination && call.said == Said::Nothing;
            if over {
                call.state = State::Over;
                given_up.push(call_id.clone());
            }
            !over
        });
        if !given_up.is_empty() {
            self.tell(now, format_args!("{destination} is unreachable: {given_up:?}"));
        }
    }

    /// A datagram leaves a carrier. A phone that rings for one send by two calls was called twice,
    /// unless nothing at all came back of the first.
    pub(crate) fn rung(&mut self, now: i64, bytes: &[u8]) {
        let Some(Glance { start: Start::Response(101..300), call_id, method, .. }) = glance(bytes)
        else {
            return;
        };
        if method != "INVITE" || !self.calls.contains_key(&call_id) {
            return;
        }
        let send = send_of(&call_id);
        let rung = self.rung.entry(send.clone()).or_default();
        if !rung.insert(call_id) || rung.len() < 2 {
            return;
        }
        let known = rung.iter().filter_map(|one| self.calls.get(one));
        if known.filter(|call| call.said != Said::Nothing).count() > 1 {
            let detail = format!("send {send}: {rung:?}");
            self.broken(now, "nobody is rung twice", detail);
        }
    }

    fn invited(&mut self, now: i64, call_id: String, to: SocketAddr, number: String) {
        let route = route(&number, to);
        self.tell(now, format_args!("-> INVITE {number} {call_id}"));
        let send = send_of(&call_id);
        let ids = self.dialled.entry(send.clone()).or_default();
        let before = ids.iter().filter_map(|one| self.calls.get(one));
        let again = before.filter(|call| !call.lets_another_try()).count() > 0;
        ids.insert(call_id.clone());
        if again || ids.len() > TRIES_MAX {
            let detail = format!("send {send}: {ids:?}");
            self.broken(now, "what was dialled is never dialled again", detail);
        }
        let mut up = self.up.iter().map(|call_id| (call_id, &self.calls[call_id]));
        let twin = up.find(|(_, call)| call.number == number && self.is_up(call, now));
        if let Some((twin, _)) = twin {
            let detail = format!("{number} by {call_id} during {twin}");
            self.broken(now, "a number is never in two calls at once", detail);
        }
        self.check_caps(now, route);
        let call = WireCall {
            number,
            route,
            to,
            started: now,
            wall: self.wall,
            latest: self.latest,
            responded: false,
            said: Said::Nothing,
            state: State::Up,
        };
        self.up.insert(call_id.clone());
        self.calls.insert(call_id, call);
    }

    fn check_caps(&mut self, now: i64, route: Route) {
        let caps = self.caps[&route];
        let up = self.up.iter().map(|call_id| &self.calls[call_id]);
        let here = up.filter(|call| call.route == route);
        let others = here.filter(|call| self.is_up(call, now)).count();
        if others >= caps.max_channels as usize {
            let detail = format!("{route:?}: {} of {}", others + 1, caps.max_channels);
            self.broken(now, "never more calls than channels", detail);
        }
        let starts = self.starts.entry(route).or_default();
        starts.push_back(now);
        while starts.front().is_some_and(|start| now - start >= SECOND) {
            starts.pop_front();
        }
        let most = caps.max_cps + caps.max_cps / 10 + 1;
        if starts.len() > most as usize {
            let detail = format!("{route:?}: {} in a second of {}", starts.len(), caps.max_cps);
            self.broken(now, "never faster than the trunk's pace", detail);
        }
    }

    /// Whether a call is up as far as our side can know. One that nobody ever responded to is
    /// over when the INVITE is not repeated any more.
    fn is_up(&self, call: &WireCall, now: i64) -> bool {
        let unheard_us = TIMER_B_US.min(self.ring_timeout_us);
        call.state == State::Up && (call.responded || now - call.started < unheard_us)
    }
}

/// The send that a Call-ID of ours belongs to.
fn send_of(call_id: &str) -> String {
    call_id.split('-').next().unwrap_or_default().to_owned()
}

/// Whether a final code is the trunk's own failure, of those that carriers send here.
fn is_trunks_failure(code: u16) -> bool {
    matches!(code, 401 | 403 | 407 | 415 | 488 | 500..=599)
}

fn route(number: &str, to: SocketAddr) -> Route {
    if to.to_string() == RESERVE_SIP {
        Route::Reserve
    } else if number.starts_with(SOUTH_PREFIX) {
        Route::South
    } else if number.len() <= 6 {
        Route::Phones
    } else {
        Route::North
    }
}

/// Microseconds as seconds, for people.
#[expect(clippy::cast_precision_loss, reason = "hours of microseconds fit in 52 bits")]
fn precise_seconds(us: i64) -> f64 {
    us as f64 / 1e6
}
