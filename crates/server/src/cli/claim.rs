//! `avanak claim …`: what customers ask of the committee, and what it decides.

mod grounds;

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use app::claim::{Asked, ClaimRefusal, DISCOUNT, Kept, Shown};
use clap::{Args, Subcommand};
use domain::agreement::claim::{Decision, Member, Outcome, Refusal, Seat, Track};
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, Rials};
use serde_json::{Value, json};

use super::{may_move, moment, open, say};
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
        /// Who handled the case beside those whom the records of the desk name, and so does not
        /// decide it; may be given often.
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
    /// Let another one sit in a committee, on the same side, instead of a member who has left.
    Replace {
        /// Who has left (`avanak staff leave`).
        #[arg(long, value_name = "NAME")]
        gone: String,
        /// Who sits instead.
        #[arg(long, value_name = "NAME")]
        with: String,
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
    /// Show one with everything it went through and all that its committee has before it: the
    /// queue, who was on duty, the hours and the agreement of that time, the month's credits.
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
        Claim::Replace { gone, with, step } => {
            claims::replace(&app, step.id, (&gone, &with), &step.by).await
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
        Some(at) => format!("  due {}{}", due_text(at), may_move(shown.may_move)),
    };
    let (at, state) = (gregorian_date_time(*event_at), claim.state().word());
    format!("{id}  {state}  account {account}  {} of {at}{due}", track.word())
}

/// A claim as one JSON object, with all that its committee has before it (T153).
async fn show(app: &App, shown: &Shown) -> Result<()> {
    let mut told = as_json(shown);
    let to_pay = app::claim::to_pay(app, &shown.kept).await.map_err(open::failed)?;
    told["to_pay_rials"] = json!(to_pay.map(|amount| amount.0));
    grounds::add(&mut told, &app::claim::grounds(app, shown).await.map_err(open::failed)?);
    say(&told.to_string())
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
        "may_move": shown.may_move,
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
            anyhow!("a {DISCOUNT} needs a subscription, and the account never had one")
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
        Refusal::Late(months) => {
            anyhow!("it is later than {months} Persian months after that of the event (A28)")
        }
        Refusal::NotYet => anyhow!("the event lies in the future"),
        Refusal::WrongState => anyhow!("that does not follow where the claim stands"),
        Refusal::Committee(least) => anyhow!(
            "a committee has {least} members or more, an odd number, of both sides, each once (A29)"
        ),
        Refusal::Gone(name) => anyhow!(
            "{name} has left and decides nothing; let another one sit instead (claim replace)"
        ),
        Refusal::Stays(name) => anyhow!(
            "{name} has not left and handled nothing of the case, or does not sit in the committee"
        ),
        Refusal::SameVoice(name) => {
            anyhow!("{name} is the deputy of another member just now: they are one voice (C03)")
        }
        Refusal::Partial(name) => anyhow!(
            "{name} handled the case, as was noted or as the records of the desk say, or decided \
             it before (I16); let another one sit instead (claim replace)"
        ),
        Refusal::Votes => anyhow!("each member votes once, and nobody else"),
        Refusal::Majority => anyhow!("the majority does not agree"),
        Refusal::AmountAndMethod => anyhow!("what is granted needs an amount and a method (C17)"),
        Refusal::Reasons => anyhow!("the reasons are missing or too long"),
    }
}
