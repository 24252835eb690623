//! Campaigns in the simulated world: customers make them, pause, resume, stop and cancel them, and
//! in the end everybody was called as often as was asked for, within the hours, and counted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use app::campaign::{NewCampaign, WrittenPlan};
use domain::calendar::calling_window::CallingWindow;
use domain::campaign::{Schedule, State};
use domain::{AccountId, CampaignId, MessageClass, QuickSendId, RecipientId};
use store::Queries as _;

use crate::customers::caller;
use crate::script::{Campaign, Change, SECOND, Sabotage};
use crate::world::World;

/// Minutes from midnight in Tehran when every world begins: 06:00 UTC.
const FIRST_MINUTE: i64 = 9 * 60 + 30;
/// How long the way of a call takes from its choice to the wire, microseconds.
const WAY_US: i64 = SECOND;
/// Calls of a recipient beyond its tries: those that trunks or we failed.
const MORE_CALLS: u32 = 3;

/// A campaign as its customer asked for it.
pub(crate) struct Asked {
    id: CampaignId,
    account: AccountId,
    schedule: Schedule,
    max_tries: u32,
    /// Whether its customer has asked for its end.
    cancelled: bool,
}

impl World {
    /// A customer makes a campaign, which starts at once.
    pub(crate) async fn make_campaign(&mut self, asked: &Campaign) -> Result<()> {
        let Some(process) = &self.process else { return Ok(()) };
        if self.now < self.database_back {
            return Ok(());
        }
        let customer = &self.customers.all[asked.customer];
        let caller = caller(&self.ground, customer.account).await?;
        let plan = WrittenPlan {
            title: String::from("campaign"),
            start: written(asked.opens_in_minutes),
            end: written(asked.opens_in_minutes + asked.minutes),
            max_tries: asked.max_tries,
            minutes_between_tries: asked.minutes_between_tries,
            vote: false,
            record_ms: None,
            server: None,
            priority: 0,
            max_cost: None,
            class: MessageClass::Service,
            opt_out_key: None,
            calls_per_minute: None,
        };
        let schedule = Schedule::between(&plan.start, &plan.end).ok().context("hours")?;
        let message = customer.messages[0].id;
        let (account, numbers) = (customer.account, asked.numbers.join(","));
        let new = NewCampaign {
            message: message.into(),
            numbers: Some(numbers.into()),
            sms: None,
            plan,
            auto_start: true,
            request: None,
        };
        let made = app::campaign::create(&process.app, &caller, new).await;
        let what = made.as_ref().map_or(String::from("refused"), |made| made.id.to_string());
        self.witness.tell(self.now, format_args!("{account} makes campaign {what}"));
        if let Ok(made) = made {
            let max_tries = asked.max_tries;
            self.campaigns.push(Asked {
                id: made.id,
                account,
                schedule,
                max_tries,
                cancelled: false,
            });
            self.sabotage_campaign(made.id).await?;
        }
        self.occasion("after making a campaign");
        Ok(())
    }

    async fn sabotage_campaign(&mut self, id: CampaignId) -> Result<()> {
        let sql = match self.plan.sabotage {
            Sabotage::CallAfterHours => {
                "UPDATE campaign SET to_minute = 1440, ends_at_us = ends_at_us + 900000000,
                                     from_minute = 0, starts_at_us = 0"
            }
            Sabotage::Miscount => "UPDATE campaign SET retrying = retrying + 1",
            _ => return Ok(()),
        };
        self.witness.tell(self.now, format_args!("campaign {id} is tampered with"));
        let mut tx = self.ground.db.begin().await?;
        tx.execute(sql, &[]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A customer changes the campaign that was made last.
    pub(crate) async fn change_campaign(&mut self, change: Change) {
        let (Some(process), Some(asked)) = (&self.process, self.campaigns.last_mut()) else {
            return;
        };
        if self.now < self.database_back {
            return;
        }
        asked.cancelled |= matches!(change, Change::Cancel);
        let (app, account, id) = (&process.app, asked.account, asked.id);
        let done = match change {
            Change::Pause => app::campaign::pause(app, account, id).await.ok(),
            Change::Resume => app::campaign::resume(app, account, id).await.ok(),
            Change::Stop => app::campaign::stop(app, account, id).await.ok(),
            Change::Cancel => app::campaign::cancel(app, account, id).await.ok(),
        };
        let done = done.unwrap_or(false);
        self.witness.tell(self.now, format_args!("{change:?} of campaign {id}: {done}"));
        self.occasion("after changing a campaign");
    }

    /// Whether calls of an account may have been hung up for its customer.
    pub(crate) fn hangs_up(&self, account: AccountId) -> bool {
        self.campaigns.iter().any(|asked| asked.account == account && asked.cancelled)
    }

    /// Whether nobody has to be looked after any more.
    pub(crate) async fn campaigns_rest(&self) -> Result<bool> {
        if self.campaigns.is_empty() {
            return Ok(true);
        }
        let mut reads = self.ground.db.read().await?;
        Ok(store::campaign::at_work(&mut reads, 1).await?.is_empty())
    }
}

/// A minute of the world's first day as a client writes it.
fn written(minutes: i64) -> String {
    let minute = FIRST_MINUTE + minutes;
    format!("2026-11-22 {:02}:{:02}:00", minute / 60, minute % 60)
}

/// When all is quiet: every campaign is over or stands still, everybody was counted, nobody was
/// called outside the hours or too often.
pub(crate) async fn check(world: &mut World) -> Result<()> {
    let of_send = recipients_of_sends(world).await?;
    let mut calls: BTreeMap<RecipientId, BTreeSet<QuickSendId>> = BTreeMap::new();
    let dialled = world.witness.dialled_at();
    for (send, wall, latest) in dialled {
        let Some(&(recipient, counts)) = of_send.get(&send) else { continue };
        let sends = calls.entry(recipient).or_default();
        if counts {
            sends.insert(send);
        }
        let count = sends.len();
        let asked = world.campaigns.iter().find(|asked| asked.id == recipient.campaign);
        let asked = asked.context("a campaign that was made")?;
        let open = |wall| asked.schedule.open_until(CallingWindow::ALWAYS, wall).is_some();
        // A clock that was set back has shown the hour already.
        if !open(wall) && !open(wall.plus_us(-WAY_US)) && !open(latest) {
            let detail = format!("send {send} at {wall:?}, {:?}", asked.schedule);
            world.witness.broken(world.now, "nobody is called outside the hours", detail);
        }
        let most = asked.max_tries + MORE_CALLS;
        if count > most as usize {
            let detail = format!("{recipient:?} more than {most} times");
            world.witness.broken(world.now, "nobody is called too often", detail);
        }
    }
    for place in 0..world.campaigns.len() {
        check_counts(world, place).await?;
    }
    Ok(())
}

async fn check_counts(world: &mut World, place: usize) -> Result<()> {
    let (id, account) = (world.campaigns[place].id, world.campaigns[place].account);
    let mut reads = world.ground.db.read().await?;
    let found = store::campaign::progress(&mut reads, account, id).await?;
    let (campaign, results, _) = found.context("a campaign")?;
    drop(reads);
    let ended: u32 = results.values().sum();
    let stands_still = campaign.open == 0 && campaign.held.0 == 0;
    let everybody = ended + campaign.uncalled() == campaign.recipients.total();
    let fits = match campaign.state {
        State::Finished | State::Cancelled => stands_still && everybody,
        State::Paused(_) | State::Stopped => stands_still,
        State::Draft | State::Running => false,
    };
    if !fits {
        let detail = format!("{campaign:?} {results:?}");
        world.witness.broken(world.now, "each recipient ends", detail);
    }
    world.totals.recipients += u64::from(ended);
    Ok(())
}

/// Whom each send of a campaign calls, and whether it ended by a call: one that went back into the
/// line when its trunk failed it, and was then withdrawn, is made again and counts for nothing.
async fn recipients_of_sends(world: &World) -> Result<BTreeMap<QuickSendId, (RecipientId, bool)>> {
    let mut reads = world.ground.db.read().await?;
    let sql = "SELECT q.id AS id, q.recipient_id AS recipient_id, o.n AS n
               FROM quick_send q
               LEFT JOIN outcome o ON o.quick_send_id = q.id AND o.disposition IS NOT NULL
               WHERE q.recipient_id IS NOT NULL";
    let rows = reads.query(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let ended_by: Option<u32> = row.get("n")?;
            let recipient = RecipientId::unpack(row.get("recipient_id")?);
            Ok((row.get("id")?, (recipient, ended_by != Some(0))))
        })
        .collect()
}
