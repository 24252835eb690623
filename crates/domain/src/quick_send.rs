//! A quick send: one message to one number, now. This file decides whether it is taken and what
//! it holds; it never looks anything up.

use crate::billing::rating::{Rate, rate_rounding_up};
use crate::billing::tariff::{Tariff, Zone};
use crate::calendar::calling_window::CallingWindow;
use crate::class::{Opening, Policy};
use crate::message::Message;
use crate::{Account, Destination, Timestamp};

/// What a customer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whom to call.
    pub destination: Destination,
    /// Whether the first key pressed is kept as a vote.
    pub vote: bool,
    /// How long the callee's voice is recorded after the message, milliseconds, if it is.
    pub record_ms: Option<u32>,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
}

/// Everything the decision needs, read beforehand.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The account that pays.
    pub account: &'a Account,
    /// The message, if the account has one with that id.
    pub message: Option<&'a Message>,
    /// The tariff in force.
    pub tariff: &'a Tariff,
    /// When calls may be placed at all.
    pub window: &'a CallingWindow,
    /// Whether messages of its class may be called now.
    pub opening: Opening,
    /// What its class may do.
    pub policy: &'a Policy,
    /// Whether the operator has switched quick sends on.
    pub enabled: bool,
    /// Whether the operator knows enough of who the account's owner is to call this destination.
    pub identified: bool,
    /// Whether a route (or a registered phone of the account) exists for the destination, of the
    /// regional server that is asked for.
    pub reachable: bool,
}

/// What was decided: the call to place and the money to hold for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The most the call can cost: the whole message, heard to its end.
    pub hold: Rate,
    /// The zone it is priced in.
    pub zone: Zone,
    /// Length of the clip that will be played.
    pub clip_ms: u32,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
}

/// Why a quick send was not taken. Each front end has a code for each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The operator switched quick sends off.
    Disabled,
    /// The operator asks who the account's owner is, and that is not proven.
    NotIdentified,
    /// Not a number that can be called.
    WrongNumber,
    /// Messages of this class are not taken, or not from this account.
    ClassNotAllowed,
    /// Outside the hours in which calls may be placed.
    TimeNotAllowed,
    /// The account has no such message, or it may not be sent.
    WrongMessage,
    /// The available balance does not cover the hold.
    InsufficientCredit,
    /// The account may not record callees.
    RecordingNotPermitted,
}

/// A quick send that could not be started within this time, in milliseconds, is given up, its hold
/// released: a one-time code or alarm that comes later than this is worse than none.
pub const START_WITHIN_MS: i64 = 10 * 60 * 1000;

/// Decides on a quick send. Pure: the same facts give the same answer.
///
/// # Errors
/// The first [`Refusal`] that applies, in the order in which a customer can mend them.
pub fn admit(facts: &Facts<'_>, request: &Request, now: Timestamp) -> Result<Admission, Refusal> {
    if !facts.enabled {
        return Err(Refusal::Disabled);
    }
    if !facts.identified {
        return Err(Refusal::NotIdentified);
    }
    if !facts.reachable {
        return Err(Refusal::WrongNumber);
    }
    if facts.opening == (Opening::Closed { opens_at: None }) {
        return Err(Refusal::ClassNotAllowed);
    }
    if request.record_ms.is_some() && !facts.account.records_callees {
        return Err(Refusal::RecordingNotPermitted);
    }
    if !facts.window.allows(now) || !facts.opening.is_open() {
        return Err(Refusal::TimeNotAllowed);
    }
    // Nobody of staff listens to what a sandbox sends: it reaches nobody.
    let by_staff = facts.policy.needs_approval && !facts.account.is_sandbox();
    let message = facts
        .message
        .filter(|message| message.may_be_sent(by_staff))
        .ok_or(Refusal::WrongMessage)?;
    let zone = zone_of(&request.destination);
    let hold = rate_rounding_up(facts.tariff, zone, message.length_ms)
        .ok_or(Refusal::InsufficientCredit)?;
    if hold.price > facts.account.spendable() {
        return Err(Refusal::InsufficientCredit);
    }
    let expires_at = now.plus_ms(START_WITHIN_MS);
    Ok(Admission { hold, zone, clip_ms: message.length_ms, expires_at })
}

/// The price zone of a destination: mobiles are outside the network, the rest inside
/// (avanak-api §3.3, `IsMobile`).
pub fn zone_of(destination: &Destination) -> Zone {
    match destination {
        Destination::Number(number) => zone_of_number(number.is_mobile()),
        Destination::Extension(_) => Zone::Internal,
    }
}

/// The price zone of a public number.
pub(crate) fn zone_of_number(is_mobile: bool) -> Zone {
    if is_mobile { Zone::External } else { Zone::Internal }
}
