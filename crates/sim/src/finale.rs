//! When all is quiet: did everything end, once, with the right money, and was it heard?

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use carrier::Heard;
use domain::billing::rating::rate_rounding_up;
use domain::dialer::disposition::{CANCELLED, WITHDRAWN};
use domain::judge::Violation;
use domain::{AccountId, Disposition, QuickSendId, Tariff, Timestamp};
use media::EncodedClip;
use store::quick_send::{Ended, QuickSend, State};

use crate::script::Action;
use crate::world::World;

/// Checks the whole world.
pub(crate) async fn check(world: &mut World) -> Result<()> {
    world.audit().await?;
    check_sends(world).await?;
    crate::campaigns::check(world).await?;
    check_accounts(world).await?;
    check_lawful(world).await?;
    check_nothing_is_left(world);
    Ok(())
}

/// The judge, who shares nothing with the dialer, finds nothing either. He has the times of the
/// wall clock only: where it is set back, two calls one after the other look like two at once.
async fn check_lawful(world: &mut World) -> Result<()> {
    let process = world.process.as_ref().context("the process was started again")?;
    let set_back = |action: &Action| matches!(action, Action::StepClock { by_us } if *by_us < 0);
    let set_back = world.plan.actions.iter().any(|(_, action)| set_back(action));
    let reports = app::judge::judge(&process.app, Timestamp(0)).await?;
    for (campaign, mut report) in reports {
        if set_back {
            report.violations.remove(&Violation::TwiceAtOnce);
        }
        if !report.is_clean() {
            let detail = format!("{campaign:?}: {report:?}");
            world.witness.broken(world.now, "the judge finds nothing", detail);
        }
    }
    Ok(())
}

/// What has not ended although there was time enough, in words.
pub(crate) async fn what_is_left(world: &World) -> Result<String> {
    let mut left = Vec::new();
    for send in sends(world).await? {
        if !matches!(send.state, State::Ended(_)) {
            left.push(format!(
                "send {} to {}: {:?}",
                send.id,
                send.destination.as_str(),
                send.state
            ));
        }
    }
    let process = world.process.as_ref().map(|process| {
        let idle = process.node.is_idle();
        (process.node.stats(), idle, process.engine.live(), process.recorder.len())
    });
    Ok(format!("{left:?} {process:?}"))
}

/// Every send there is, those included whose acceptance nobody was told of.
async fn sends(world: &World) -> Result<Vec<QuickSend>> {
    let mut reads = world.ground.db.read().await?;
    let mut sends = Vec::new();
    for id in 1.. {
        let id = QuickSendId(id);
        let Some(owner) = store::quick_send::owner(&mut reads, id).await? else { break };
        let send = store::quick_send::find(&mut reads, owner, id).await?;
        sends.push(send.context("a send with an owner")?);
    }
    Ok(sends)
}

async fn check_sends(world: &mut World) -> Result<()> {
    let mut reads = world.ground.db.read().await?;
    let sends = sends(world).await?;
    world.totals.sends = sends.len() as u64;
    for (accepted, number) in &world.customers.accepted {
        if !sends.iter().any(|send| send.id == *accepted) {
            let detail = format!("send {accepted} to {number}");
            world.witness.broken(world.now, "what was accepted is never lost", detail);
        }
    }
    let heard: BTreeMap<String, Heard> =
        world.heard.drain(..).map(|heard| (heard.sip_call_id.clone(), heard)).collect();
    for send in &sends {
        let State::Ended(ended) = &send.state else {
            let detail = format!("send {}: {:?}", send.id, send.state);
            world.witness.broken(world.now, "each accepted send ends", detail);
            continue;
        };
        let tariff = store::tariff::find(&mut reads, send.tariff).await?.context("a tariff")?;
        check_money(world, send, ended, &tariff);
        if world.plan.is_calm() {
            let call_id = format!("{}-{}@avanak.invalid", send.id, ended.attempt.n);
            check_calm(world, send, ended, heard.get(&call_id));
        }
        world.totals.delivered += u64::from(ended.disposition == Disposition::Delivered);
    }
    Ok(())
}

/// The charge is what the tariff says of what was heard, never more than was held.
fn check_money(world: &mut World, send: &QuickSend, ended: &Ended, tariff: &Tariff) {
    let price = |ms| rate_rounding_up(tariff, send.zone, ms).map(|rate| rate.price);
    let due = match ended.disposition {
        Disposition::Delivered => price(send.clip_ms),
        Disposition::HeardInPart => price(ended.facts.heard_ms),
        _ => price(0),
    };
    if due != Some(ended.charge) || ended.charge > send.hold {
        let detail = format!("send {}: {ended:?}, due {due:?}", send.id);
        world.witness.broken(world.now, "the charge is what the tariff says", detail);
    }
}

/// In calm weather each number does what its row says, and what is delivered was heard.
fn check_calm(world: &mut World, send: &QuickSend, ended: &Ended, heard: Option<&Heard>) {
    let number = send.destination.as_str();
    let expected = expected(world, number, send.clip_ms);
    if ended.attempt.n == 0 {
        // Nobody called it: it stood in line when its time or its campaign was over.
        return;
    }
    let excused = [Disposition::Expired, Disposition::Unreachable];
    let phone = number.len() <= 6 && excused.contains(&ended.disposition);
    let withdrawn = [CANCELLED, WITHDRAWN].contains(&&*ended.facts.cause);
    let withdrawn = withdrawn && world.hangs_up(send.account);
    let otherwise = phone || withdrawn || ended.disposition == Disposition::Expired;
    if ended.disposition != expected && !otherwise {
        let detail = format!("send {} to {number}: {ended:?}, not {expected:?}", send.id);
        world.witness.broken(world.now, "a call comes to what its number does", detail);
    }
    if ended.disposition != Disposition::Delivered {
        return;
    }
    let message = world
        .customers
        .all
        .iter()
        .filter(|customer| customer.account == send.account)
        .flat_map(|customer| &customer.messages)
        .find(|message| message.id == send.message);
    let whole = message.zip(heard).is_some_and(|(message, heard)| {
        let clip = EncodedClip::from_samples(heard.codec, &message.samples);
        heard.audio.starts_with(clip.encoded())
    });
    if !whole {
        let heard = heard.map(|heard| (heard.duration_ms(), heard.report));
        let detail = format!("send {} to {number}: heard {heard:?}", send.id);
        world.witness.broken(world.now, "what is delivered was heard to its end", detail);
    }
}

/// What a number of the sandbox comes to when nothing goes wrong.
fn expected(world: &World, number: &str, clip_ms: u32) -> Disposition {
    let suffix = number.strip_prefix(carrier::numbers::PREFIX).unwrap_or_default();
    match suffix {
        "002" if clip_ms >= 1_980 => Disposition::HeardInPart,
        "020" if world.plan.ring_timeout_ms <= 20_000 => Disposition::NoAnswer,
        "180" => Disposition::NoAnswer,
        "404" => Disposition::InvalidNumber,
        "408" | "503" => Disposition::NetworkFailure,
        "480" => Disposition::Unreachable,
        "486" => Disposition::Busy,
        "603" => Disposition::Rejected,
        _ => Disposition::Delivered,
    }
}

/// Each hold ended, and the balance is the credit less the charges.
async fn check_accounts(world: &mut World) -> Result<()> {
    let mut charges: BTreeMap<AccountId, i64> = BTreeMap::new();
    for send in sends(world).await? {
        if let State::Ended(ended) = &send.state {
            *charges.entry(send.account).or_default() += ended.charge.0;
        }
    }
    let mut reads = world.ground.db.read().await?;
    for customer in &world.customers.all {
        let account = store::account::find(&mut reads, customer.account).await?;
        let account = account.context("an account that was created")?;
        let spent = charges.get(&customer.account).copied().unwrap_or(0);
        if account.reserved.0 != 0 || account.balance.0 != customer.credit - spent {
            let detail = format!("{account:?}, credit {}, charges {spent}", customer.credit);
            world.witness.broken(world.now, "the money is the credit less the charges", detail);
        }
    }
    Ok(())
}

/// No capacity, record, call or timer is left behind.
fn check_nothing_is_left(world: &mut World) {
    let Some(process) = &world.process else { return };
    world.totals.recovered += process.node.stats().recovered;
    world.totals.failed_over += process.node.stats().failed_over;
    let mut left = Vec::new();
    left.extend(
        process
            .gate
            .channels_in_use()
            .into_iter()
            .filter(|(_, used)| *used > 0)
            .map(|(name, used)| format!("{used} channels of {name}")),
    );
    if !process.recorder.is_empty() {
        left.push(format!("{} flight records", process.recorder.len()));
    }
    if !process.app.live().is_empty() {
        left.push(format!("{} live statuses", process.app.live().len()));
    }
    let engine = process.engine.live();
    if engine.calls + engine.abandoned + engine.playing + engine.sip_legs > 0 {
        left.push(format!("{engine:?}"));
    }
    if world.far_ends.live_calls() > 0 {
        left.push(format!("{} calls at the carriers", world.far_ends.live_calls()));
    }
    if !left.is_empty() {
        world.witness.broken(world.now, "nothing is left behind", left.join(", "));
    }
}
