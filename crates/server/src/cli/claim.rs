//! `avanak claim …`: what customers ask of the committee, and what it decides.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use app::claim::{Asked, ClaimRefusal, DISCOUNT, Kept, Shown};
use app::statement::Told;
use clap::{Args, Subcommand};
use domain::agreement::claim::{Decision, Member, Outcome, Refusal, Seat, Track};
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials};
use serde_json::{Value, json};

use super::{moment, open, say};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 1000;

/// What can be done with claims. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Claim {
    /// File one that is late, with the committee's reason to take it all the same.
    FileLate {
        /// Whose.
        #[arg(long)]
        account: i64,
        /// What it is about: support, availability or other.
        #[arg(long, default_value = "support")]
        track: String,
        /// When that happened, on Tehran's clock.
        #[arg(long, value_name = "MOMENT")]
        at: String,
        /// What the customer says.
        #[arg(long)]
        statement: String,
        /// Why it is taken.
        #[arg(long)]
        because: String,
        /// Who takes it.
        #[arg(long)]
        by: String,
    },
    /// Note that one has all that is needed: the time for a decision runs.
    Complete {
        /// Who handled the case, and so does not decide it; may be given often.
        #[arg(long, value_name = "NAME")]
        handled_by: Vec<String>,
        #[command(flatten)]
        step: Step,
    },
    /// Give one to a committee: three or more, an odd number, of both sides.
    Assign {
        /// A member who knows the systems; may be given often.
        #[arg(long, value_name = "NAME")]
        technical: Vec<String>,
        /// A member who watches over the agreement; may be given often.
        #[arg(long, value_name = "NAME")]
        oversight: Vec<String>,
        #[command(flatten)]
        step: Step,
    },
    /// Ask the customer for evidence; the time for a decision stands meanwhile.
    Ask {
        /// What for.
        #[arg(long)]
        what: String,
        #[command(flatten)]
        step: Step,
    },
    /// Decide one: what is granted needs an amount and a method.
    Decide(Box<Decide>),
    /// Tell the customer of the decision.
    Announce {
        #[command(flatten)]
        step: Step,
    },
    /// Note how what was granted was paid. With the method `discount` it is owed at once.
    Settle {
        /// How.
        #[arg(long)]
        how: String,
        #[command(flatten)]
        step: Step,
    },
    /// Show one with everything it went through, and the credits of its month.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the newest, and which are overdue.
    List {
        /// Of this account; without it, all.
        #[arg(long)]
        account: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// A claim, and who does something with it.
#[derive(Debug, Args)]
pub struct Step {
    /// The number of the claim.
    id: i64,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// A decision.
#[derive(Debug, Args)]
pub struct Decide {
    /// accepted, partly or rejected.
    #[arg(long)]
    outcome: String,
    /// How much, rials.
    #[arg(long)]
    amount: Option<i64>,
    /// In what form; `discount` takes it off the next invoice.
    #[arg(long)]
    method: Option<String>,
    /// Why.
    #[arg(long)]
    reasons: String,
    /// A member who votes for it; may be given often.
    #[arg(long, value_name = "NAME")]
    agree: Vec<String>,
    /// A member who dissents; may be given often.
    #[arg(long, value_name = "NAME")]
    dissent: Vec<String>,
    #[command(flatten)]
    step: Step,
}

impl Decide {
    fn read(self, app: &App) -> Result<Decision> {
        let vote = |names: Vec<String>, agrees| names.into_iter().map(move |name| (name, agrees));
        let outcome =
            Outcome::parse(&self.outcome).context("write accepted, partly or rejected")?;
        Ok(Decision {
            outcome,
            amount: self.amount.map(Rials),
            method: self.method,
            reasons: self.reasons,
            votes: vote(self.agree, true).chain(vote(self.dissent, false)).collect(),
            at: app.now(),
        })
    }
}

/// Runs the command.
pub async fn run(config: &Config, command: Claim) -> Result<ExitCode> {
    use app::claim as claims;
    let app = open::app(config).await?;
    let changed = match command {
        Claim::FileLate { account, track, at, statement, because, by } => {
            let Some(track) = Track::parse(&track) else {
                bail!("write support, availability or other");
            };
            let asked = Asked { track, event_at: moment(&at)?, statement };
            let filed = claims::file_late(&app, AccountId(account), &asked, &because, &by).await;
            say(&format!("claim {}", filed.map_err(refused)?))?;
            return Ok(ExitCode::SUCCESS);
        }
        Claim::Complete { handled_by, step } => {
            claims::complete(&app, step.id, &handled_by, &step.by).await
        }
        Claim::Assign { technical, oversight, step } => {
            let of =
                |names: Vec<String>, seat| names.into_iter().map(move |name| Member { name, seat });
            let committee: Vec<Member> =
                of(technical, Seat::Technical).chain(of(oversight, Seat::Oversight)).collect();
            claims::assign(&app, step.id, &committee, &step.by).await
        }
        Claim::Ask { what, step } => claims::ask(&app, step.id, &what, &step.by).await,
        Claim::Decide(decide) => {
            let (id, by) = (decide.step.id, decide.step.by.clone());
            let decision = decide.read(&app)?;
            claims::decide(&app, id, decision, &by).await
        }
        Claim::Announce { step } => claims::announce(&app, step.id, &step.by).await,
        Claim::Settle { how, step } => claims::settle(&app, step.id, &how, &step.by).await,
        Claim::Show { id } => {
            let found = claims::find(&app, None, id).await.map_err(open::failed)?;
            show(&app, &found.context("there is no claim of that number")?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Claim::List { account, json } => {
            list(&app, account.map(AccountId), json).await?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let kept = changed.map_err(refused)?;
    say(&format!("claim {} is {}", kept.id, kept.claim.state().word()))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, account: Option<AccountId>, json: bool) -> Result<()> {
    let all = app::claim::list(app, account, None, LISTED).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = all.iter().map(as_json).collect();
        return say(&json!({ "claims": shown }).to_string());
    }
    all.iter().try_for_each(|shown| say(&line(shown)))
}

fn line(shown: &Shown) -> String {
    let Kept { id, account, track, event_at, claim, .. } = &shown.kept;
    let due = match shown.due {
        None => String::new(),
        Some(at) if shown.overdue => format!("  OVERDUE since {}", due_text(at)),
        Some(at) => format!("  due {}", due_text(at)),
    };
    let (at, state) = (gregorian_date_time(*event_at), claim.state().word());
    format!("{id}  {state}  account {account}  {} of {at}{due}", track.word())
}

/// A claim as one JSON object, with what its month pays back by itself (A27).
async fn show(app: &App, shown: &Shown) -> Result<()> {
    let mut told = as_json(shown);
    let (account, month) = (shown.kept.account, PersianMonth::of(shown.kept.event_at));
    let credits = app::credit::list(app, Some(account), None, LISTED).await;
    let credits = credits.map_err(open::failed)?;
    let of_month = credits.iter().filter(|kept| kept.new.key.month == month);
    told["credits_of_month"] = of_month
        .map(|kept| {
            json!({
                "credit": kept.id,
                "track": kept.new.key.track.word(),
                "state": kept.credit.state().word(),
                "amount_rials": kept.credit.amount().0,
            })
        })
        .collect();
    let maintenance = app::statement::all_maintenance(app, account, month).await;
    let maintenance = maintenance.map_err(open::failed)?;
    told["maintenance_of_month"] = maintenance.iter().map(maintained).collect();
    say(&told.to_string())
}

/// Maintenance as a committee has to see it: what of it was told in time, and when the account
/// could not read that in the panel.
fn maintained(told: &Told) -> Value {
    let span = |span: &Span| {
        let (from, to) = (gregorian_date_time(span.from), gregorian_date_time(span.to));
        json!({ "from": from, "to": to })
    };
    let planned = told.valid.iter().map(|window| span(&window.span));
    json!({
        "maintenance": told.kept.id,
        "title": told.kept.title,
        "planned": planned.collect::<Vec<_>>(),
        "panel_was_away": told.unreadable.iter().map(span).collect::<Vec<_>>(),
    })
}

fn as_json(shown: &Shown) -> Value {
    let kept = &shown.kept;
    let decisions: Vec<Value> = kept
        .claim
        .decisions()
        .iter()
        .map(|one| {
            json!({
                "outcome": one.outcome.word(),
                "amount_rials": one.amount.map(|amount| amount.0),
                "method": one.method,
                "reasons": one.reasons,
                "at": gregorian_date_time(one.at),
                "votes": one.votes.iter().map(|(name, agrees)| {
                    json!({ "name": name, "agrees": agrees })
                }).collect::<Vec<_>>(),
            })
        })
        .collect();
    let steps: Vec<Value> = kept
        .steps
        .iter()
        .map(|step| {
            json!({
                "state": step.state.word(),
                "at": gregorian_date_time(step.at),
                "by": step.actor,
                "note": step.note,
            })
        })
        .collect();
    json!({
        "claim": kept.id,
        "account": kept.account.0,
        "track": kept.track.word(),
        "event_at": gregorian_date_time(kept.event_at),
        "statement": kept.statement,
        "late_reason": kept.late_reason,
        "state": kept.claim.state().word(),
        "due_at": shown.due.map(gregorian_date_time),
        "overdue": shown.overdue,
        "handled_by": kept.claim.handled_by,
        "decisions": decisions,
        "history": steps,
    })
}

fn refused(error: app::Error<ClaimRefusal>) -> anyhow::Error {
    use ClaimRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(rule) => rule_refused(rule),
        R::NoSuchClaim => anyhow!("there is no claim of that number"),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::TooMany => anyhow!("the account has too many claims that are not settled"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::NoSubscription => {
            anyhow!("a {DISCOUNT} needs a subscription of the account that is in force")
        }
        R::MoreThanLeft(left) => anyhow!(
            "the month pays back no more than {} rials beside what it paid back already (A27)",
            left.0
        ),
        R::Meanwhile => anyhow!("something else happened to it at this moment; look at it again"),
    })
}

fn rule_refused(rule: Refusal) -> anyhow::Error {
    match rule {
        Refusal::Unverified => anyhow!("the identity was not proven when it happened (C18)"),
        Refusal::Unpaid => anyhow!("the subscription was not paid when it happened (C19)"),
        Refusal::Late => anyhow!("it is later than the second month after the event (A28)"),
        Refusal::NotYet => anyhow!("the event lies in the future"),
        Refusal::WrongState => anyhow!("that does not follow where the claim stands"),
        Refusal::Committee => anyhow!(
            "a committee has three members or more, an odd number, of both sides, each once (A29)"
        ),
        Refusal::SameVoice(name) => {
            anyhow!("{name} is the deputy of another member just now: they are one voice (C03)")
        }
        Refusal::Partial(name) => anyhow!("{name} handled the case, or decided it before (I16)"),
        Refusal::Votes => anyhow!("each member votes once, and nobody else"),
        Refusal::Majority => anyhow!("the majority does not agree"),
        Refusal::AmountAndMethod => anyhow!("what is granted needs an amount and a method (C17)"),
        Refusal::Reasons => anyhow!("the reasons are missing or too long"),
    }
}
