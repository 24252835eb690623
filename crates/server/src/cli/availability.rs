//! `avanak availability …`: what a month came to, for an account or the platform.

mod touched;

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use app::availability::{Month, MonthRefusal, MonthStatement};
use app::capacity_test::{CapacityTest, TestRefusal};
use app::promise::{PromiseRefusal, Promises};
use app::signature::{SignRefusal, Signature, Whose};
use clap::{Args, Subcommand};
use domain::AccountId;
use domain::agreement::availability::{Class, Figures, Totals, Verdict};
use domain::agreement::delivery::{ABNORMAL_MAX_US, AbnormalPeriod, Delivery, Promised};
use domain::agreement::statement::State;
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::chain::hex;
use serde_json::{Value, json};

use super::{moment, open, say};
use crate::config::Config;

/// Availability of a month: three figures and a verdict. All of it works while the server runs.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Availability {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    which: Which,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Whose month, and which.
#[derive(Debug, Args)]
pub struct Which {
    /// The account; without it, the platform itself.
    #[arg(long)]
    account: Option<i64>,
    /// The month, like `1405-08`; without it, this one.
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
}

/// What makes a month final.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Write a month down for everybody, from the third day after its end on. Doing it again
    /// changes nothing.
    Freeze {
        /// The month, like `1405-08`.
        #[arg(long, value_name = "MONTH")]
        month: String,
    },
    /// Show what a figure is made of in a time: the intervals of each path, what each vantage point
    /// and the customers saw, and the outages. `avanak vantage samples` shows look by look.
    Evidence {
        /// Since when, on Tehran's clock; a day alone is meant whole.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// Until when.
        #[arg(long, value_name = "MOMENT")]
        to: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Judge the two promises of speed by what was really sent in a month. With an account, the
    /// delivery of its own sends alone, which decides nothing.
    Promises {
        #[command(flatten)]
        which: Which,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Test the load now: a sandbox calls twice as many numbers as a minute has to start, and
    /// `promises` tells what it came to. The running server calls them at its sandbox carrier, as a
    /// campaign. It begins such a test by itself in the last nights of a month whose demand
    /// never was that high.
    Test,
    /// Declare a time not to have been normal, of a month at most. It is told with its reason, and
    /// the figures are told with and without it.
    Declare {
        /// When it began, on Tehran's clock.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// When it ended.
        #[arg(long, value_name = "MOMENT")]
        to: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// Take back that a time was not normal, by the number that `promises` tells. It stays to be
    /// seen, and its sends count again.
    Withdraw {
        /// Its number.
        id: i64,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Sign what was written down of a month and waits for that: each last revision once, with the
    /// checksum that it has. Only what still computes to what it says is signed.
    Sign {
        /// The month, like `1405-08`.
        #[arg(long, value_name = "MONTH")]
        month: String,
        /// The manager who signs, or his deputy within his time.
        #[arg(long)]
        by: String,
        /// Only this account's; 0 is the platform.
        #[arg(long)]
        account: Option<i64>,
    },
    /// Show what waits for the manager's signature: how much of each month, or which accounts of
    /// one.
    Unsigned {
        /// The month, like `1405-08`.
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// Accounts after this number; the platform is 0.
        #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
        after: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show which frozen months are due for review, as an outage of them was changed or evidence
    /// came late: how much of each month, or who of one and why.
    Touched {
        /// The month, like `1405-08`.
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// Accounts after this number; the platform is 0.
        #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
        after: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write a frozen month down anew for everybody who is due for review, one after the other.
    /// Broken off, it is asked for again and goes on.
    ReviseTouched {
        /// The month, like `1405-08`.
        #[arg(long, value_name = "MONTH")]
        month: String,
        /// Why; what touched it is added.
        #[arg(long)]
        reason: String,
        /// Who signs it.
        #[arg(long)]
        signer: String,
    },
    /// Write a frozen month down anew, beside what is there, as it is computed now.
    Revise {
        #[command(flatten)]
        which: Which,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who signs it.
        #[arg(long)]
        signer: String,
    },
}

impl Which {
    fn month(&self, app: &App) -> Result<PersianMonth> {
        self.month.as_deref().map_or(Ok(PersianMonth::of(app.now())), month)
    }
}

/// Runs the command.
pub async fn run(config: &Config, command: Availability) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command.action {
        None => {
            let month = command.which.month(&app)?;
            let account = command.which.account.map(AccountId);
            let shown = app::availability::month(&app, account, month).await.map_err(refused)?;
            show(&app, month, &shown, command.json).await?;
        }
        Some(Action::Freeze { month: text }) => {
            let frozen = app::availability::freeze(&app, month(&text)?).await.map_err(refused)?;
            let (written, already) = (frozen.written, frozen.already);
            say(&format!("{written} statements written, {already} were there"))?;
        }
        Some(Action::Evidence { from, to, json }) => {
            super::evidence::show(&app, &from, &to, json).await?;
        }
        Some(Action::Promises { which, json }) => {
            let month = which.month(&app)?;
            match which.account {
                None => promises(&app, month, json).await?,
                Some(account) => delivery(&app, AccountId(account), month, json).await?,
            }
        }
        Some(Action::Test) => test(&app, config).await?,
        Some(Action::Declare { from, to, reason, author }) => {
            let span =
                Span::new(moment(&from)?, moment(&to)?).context("it ends after it begins")?;
            let id = app::promise::declare(&app, span, &reason, &author).await;
            say(&format!("period {} is declared", id.map_err(not_declared)?))?;
        }
        Some(Action::Withdraw { id, reason, by }) => {
            app::promise::withdraw(&app, id, &reason, &by).await.map_err(not_declared)?;
            say(&format!("period {id} is withdrawn"))?;
        }
        Some(Action::Sign { month: text, by, account }) => {
            let whose = account.map_or(Whose::All, |id| {
                Whose::One(Some(AccountId(id)).filter(|account| account.0 != 0))
            });
            let month = month(&text)?;
            let signed = app::signature::sign(&app, month, whose, &by).await;
            let signed = signed.map_err(not_signed)?;
            say(&format!("{signed} statements of {month} are signed"))?;
        }
        Some(Action::Unsigned { month: text, after, json }) => {
            unsigned(&app, text.as_deref(), after, json).await?;
        }
        Some(Action::Touched { month: text, after, json }) => {
            touched::show(&app, text.as_deref(), after, json).await?;
        }
        Some(Action::ReviseTouched { month, reason, signer }) => {
            touched::revise(&app, &month, &reason, &signer).await?;
        }
        Some(Action::Revise { which, reason, signer }) => {
            let (month, account) = (which.month(&app)?, which.account.map(AccountId));
            let revised = app::availability::revise(&app, account, month, &reason, &signer).await;
            let revised = revised.map_err(refused)?;
            say(&format!("revision {}: {}", revised.revision, verdict(revised.verdict)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn test(app: &App, config: &Config) -> Result<()> {
    let trunks = app::trunk::list(app).await.map_err(open::failed)?;
    if !config.sandbox.beside_trunks && !trunks.is_empty() {
        bail!("there is no sandbox to call: sandbox.beside_trunks is off");
    }
    let begun = app::capacity_test::begin(app).await;
    let begun = begun.map_err(|error| {
        open::refused(error, |TestRefusal::UnderWay| anyhow!("one is under way"))
    })?;
    say(&format!("test {} of {} is begun", begun.n, begun.month))
}

async fn unsigned(app: &App, text: Option<&str>, after: i64, json: bool) -> Result<()> {
    let Some(text) = text else {
        let all = app::signature::waiting(app).await.map_err(open::failed)?;
        if json {
            let months = all
                .iter()
                .map(|(month, count)| json!({ "month": month.to_string(), "statements": count }));
            return say(&json!({ "months": months.collect::<Vec<_>>() }).to_string());
        }
        if all.is_empty() {
            return say("nothing waits for a signature");
        }
        return all.iter().try_for_each(|(month, count)| say(&format!("{month}  {count} wait")));
    };
    let limit = app::signature::PAGE_MAX;
    let waiting = app::signature::unsigned(app, month(text)?, AccountId(after), limit).await;
    let waiting = waiting.map_err(open::failed)?;
    let shown = waiting.iter().map(|one| {
        json!({
            "account": one.number().0, "revision": one.revision, "sha256": hex(&one.digest),
            "verdict": one.verdict.map(Verdict::word), "made_at": gregorian_date_time(one.made_at),
        })
    });
    if json {
        return say(&json!({ "statements": shown.collect::<Vec<_>>() }).to_string());
    }
    waiting.iter().try_for_each(|one| {
        let whose =
            one.account.map_or("the platform".to_owned(), |account| format!("account {account}"));
        let (revision, verdict) = (one.revision, verdict(one.verdict));
        say(&format!("{whose}  revision {revision}  {verdict}  {}", hex(&one.digest)))
    })
}

fn not_signed(error: app::Error<SignRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        SignRefusal::NotManager => anyhow!(
            "only the manager signs, or his deputy within his time; see `avanak staff list`"
        ),
        SignRefusal::Nothing => anyhow!(
            "nothing of that month waits for a signature: it is not frozen yet, or signed already"
        ),
        SignRefusal::Broken(account) => anyhow!(
            "the statement of account {account} does not compute to what it says: something was \
             tampered with, and it is not signed"
        ),
    })
}

async fn delivery(app: &App, account: AccountId, month: PersianMonth, json: bool) -> Result<()> {
    let judged = app::promise::of_account(app, account, month).await.map_err(not_declared)?;
    if json {
        let mut figures = delivery_json(&judged.delivery, judged.promised);
        figures["with_declared"] = delivery_json(&judged.with_declared, judged.promised);
        let object =
            json!({ "month": month.to_string(), "account": account.0, "delivery": figures });
        return say(&object.to_string());
    }
    say(&in_one_line(month, &judged.delivery, judged.promised))
}

/// What a delivery came to.
fn in_one_line(month: PersianMonth, delivery: &Delivery, promised: Promised) -> String {
    let excluded: usize = delivery.excluded.values().sum();
    let mean = delivery.attributable.map_or("none".to_owned(), |of| {
        format!("{} ms of {} sends", of.mean_us() / 1000, of.count)
    });
    format!(
        "{month}  delivery: {}, mean {mean}, limit {} ms{}; {excluded} are excluded",
        met(delivery.met(promised.mean_us)),
        promised.mean_us / 1000,
        if delivery.is_representative(promised.excluded_percent) {
            ""
        } else {
            ", NOT REPRESENTATIVE"
        },
    )
}

fn met(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "nothing to judge",
    }
}

async fn promises(app: &App, month: PersianMonth, json: bool) -> Result<()> {
    let judged = app::promise::month(app, month).await.map_err(not_declared)?;
    let capacity_met = judged.capacity_met();
    let tests: Vec<Value> = judged.tests.iter().map(test_json).collect();
    let Promises { delivery, with_declared, promised, declared, capacity, starts_min, .. } = judged;
    let declared: Vec<Value> = declared.iter().map(period_json).collect();
    let mut figures = delivery_json(&delivery, promised);
    figures["with_declared"] = delivery_json(&with_declared, promised);
    let object = json!({
        "month": month.to_string(),
        "delivery": figures,
        "declared": declared,
        "capacity": {
            "minutes": capacity.minutes,
            "qualifying": capacity.qualifying,
            "missed": capacity.missed,
            "starts_min": starts_min,
            "met": capacity_met,
            "met_by_demand": capacity.met(),
            "tests": tests,
        },
    });
    if json {
        return say(&object.to_string());
    }
    say(&in_one_line(month, &delivery, promised))?;
    say(&format!(
        "{month}  capacity: {}, {} of {} minutes could start {starts_min} calls, {} did not",
        met(capacity_met),
        capacity.qualifying,
        capacity.minutes,
        capacity.missed,
    ))?;
    tests.iter().try_for_each(|test| say(&format!("{month}  {}", test_in_words(test))))
}

/// A test of the load; its campaign opens to the calls that it counts.
fn test_json(test: &CapacityTest) -> Value {
    let end = test.end.as_ref();
    json!({
        "n": test.n,
        "account": test.account.0,
        "campaign": test.campaign.map(|campaign| campaign.0),
        "begun_at": gregorian_date_time(test.begun_at),
        "ended_at": end.map(|end| gregorian_date_time(end.at)),
        "minute_from": end.and_then(|end| end.minute_from).map(gregorian_date_time),
        "waiting": end.map(|end| end.minute.startable),
        "starts": end.map(|end| end.minute.starts),
    })
}

fn test_in_words(test: &Value) -> String {
    let end = match (&test["starts"], &test["waiting"]) {
        (Value::Null, _) => "under way".to_owned(),
        _ if test["minute_from"].is_null() => "called nobody, and tells nothing".to_owned(),
        (starts, waiting) => format!("{starts} of {waiting} calls started within a minute"),
    };
    format!("test {}: {end} (campaign {})", test["n"], test["campaign"])
}

fn delivery_json(delivery: &Delivery, promised: Promised) -> Value {
    let ms = |us: i64| us / 1000;
    let of = delivery.attributable;
    let excluded: serde_json::Map<String, Value> = delivery
        .excluded
        .iter()
        .map(|(reason, count)| (reason.word().to_owned(), Value::from(*count)))
        .collect();
    json!({
        "met": delivery.met(promised.mean_us),
        "representative": delivery.is_representative(promised.excluded_percent),
        "samples": of.map_or(0, |of| of.count),
        "mean_ms": of.map(|of| ms(of.mean_us())),
        "p50_ms": of.map(|of| ms(of.p50_us)),
        "p95_ms": of.map(|of| ms(of.p95_us)),
        "p99_ms": of.map(|of| ms(of.p99_us)),
        "raw_mean_ms": delivery.raw.map(|raw| ms(raw.mean_us())),
        "excluded": excluded,
    })
}

fn period_json(period: &AbnormalPeriod) -> Value {
    let withdrawn = period.withdrawn.as_ref().map(
        |one| json!({ "at": gregorian_date_time(one.at), "by": one.by, "reason": one.because }),
    );
    json!({
        "id": period.id,
        "from": gregorian_date_time(period.span.from),
        "to": gregorian_date_time(period.span.to),
        "reason": period.reason,
        "author": period.author,
        "declared_at": gregorian_date_time(period.declared_at),
        "withdrawn": withdrawn,
    })
}

fn not_declared(error: app::Error<PromiseRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        PromiseRefusal::NotBegun => anyhow!("that month has not begun"),
        PromiseRefusal::Future => anyhow!("that time is to come"),
        PromiseRefusal::Long => anyhow!(
            "at most {} days are declared at once; what lasts longer is declared again",
            ABNORMAL_MAX_US / 86_400_000_000
        ),
        PromiseRefusal::NoSuchPeriod => anyhow!("there is no such period that stands"),
        PromiseRefusal::Busy => anyhow!("another month is judged just now"),
        PromiseRefusal::LongAgo => anyhow!("that month is too long ago"),
        PromiseRefusal::Text => anyhow!("a reason and a name are needed, neither too long"),
    })
}

fn month(text: &str) -> Result<PersianMonth> {
    PersianMonth::parse(text).context("write a month like 1405-08")
}

async fn show(app: &App, month: PersianMonth, shown: &Month, json: bool) -> Result<()> {
    let mut written = Vec::new();
    for statement in &shown.written {
        let reproduced =
            app::availability::reproduce(app, statement).await.map_err(open::failed)?;
        let figures = reproduced.as_ref().and_then(|(_, judged)| judged.figures);
        let mut json = statement_json(statement, figures, reproduced.is_some());
        let signature = shown.signatures.iter().find(|one| one.revision == statement.revision);
        json["signature"] = signature.map(signature_json).into();
        written.push(json);
    }
    let stretches = shown.judged.timeline.stretches().iter();
    let stretches: Vec<Value> = stretches
        .filter(|(_, class)| *class != Class::Up)
        .map(|(span, class)| {
            let (from, to) = (gregorian_date_time(span.from), gregorian_date_time(span.to));
            json!({ "from": from, "to": to, "class": class.word() })
        })
        .collect();
    let mut current = figures_json(shown.judged.totals, shown.judged.figures);
    current["verdict"] = shown.judged.verdict.map(Verdict::word).into();
    if json {
        let object = json!({
            "month": month.to_string(),
            "state": state(shown.state),
            "agreement": shown.inputs.version,
            "verdict": shown.verdict.map(Verdict::word),
            "evidence_until": gregorian_date_time(shown.evidence_until),
            "computed_now": current,
            "stretches": stretches,
            "statements": written,
            "due_for_review": shown.touched.as_ref().map(touched::as_json),
        });
        return say(&object.to_string());
    }
    say(&format!(
        "{month}  {}  agreement {}  {}, evidence until {}",
        state(shown.state),
        shown.inputs.version,
        verdict(shown.verdict),
        gregorian_date_time(shown.evidence_until),
    ))?;
    say(&format!("computed now: {}", in_words(&current)))?;
    for stretch in &stretches {
        let of = |name: &str| stretch[name].as_str().unwrap_or_default().to_owned();
        say(&format!("  {} – {}  {}", of("from"), of("to"), of("class")))?;
    }
    written.iter().try_for_each(|one| {
        let intact = if one["intact"] == true { "" } else { "  DOES NOT REPRODUCE" };
        let signed = match &one["signature"] {
            Value::Null => String::new(),
            signed => format!("  signed by {}", signed["by"].as_str().unwrap_or_default()),
        };
        say(&format!("revision {}: {}{signed}{intact}", one["revision"], in_words(one)))
    })
}

fn state(state: State) -> String {
    match state {
        State::Open => "open".to_owned(),
        State::Provisional => "provisional".to_owned(),
        State::Frozen => "frozen".to_owned(),
        State::Revised(times) => format!("revised {times} times"),
    }
}

fn verdict(verdict: Option<Verdict>) -> &'static str {
    verdict.map_or("nothing was promised", Verdict::word)
}

fn figures_json(totals: Totals, figures: Option<Figures>) -> Value {
    let seconds = |us: i64| us / 1_000_000;
    json!({
        "covered_s": seconds(totals.covered_us()),
        "not_covered_s": seconds(totals.not_covered_us),
        "planned_s": seconds(totals.planned_us),
        "down_s": seconds(totals.down_us),
        "unknown_s": seconds(totals.unknown_us),
        "low_percent": figures.map(|figures| figures.low.to_string()),
        "measured_percent":
            figures.and_then(|figures| figures.measured).map(|measured| measured.to_string()),
        "high_percent": figures.map(|figures| figures.high.to_string()),
    })
}

fn statement_json(statement: &MonthStatement, figures: Option<Figures>, intact: bool) -> Value {
    let mut shown = figures_json(statement.totals, figures);
    shown["verdict"] = statement.verdict.map(Verdict::word).into();
    shown["revision"] = statement.revision.into();
    shown["made_at"] = gregorian_date_time(statement.made_at).into();
    shown["reason"] = statement.signed.as_ref().map(|(reason, _)| reason.as_str()).into();
    shown["signed_by"] = statement.signed.as_ref().map(|(_, signer)| signer.as_str()).into();
    shown["intact"] = intact.into();
    shown
}

fn signature_json(signature: &Signature) -> Value {
    json!({
        "by": signature.by.to_string(),
        "at": gregorian_date_time(signature.at),
        "sha256": hex(&signature.digest),
    })
}

fn in_words(shown: &Value) -> String {
    let text = |name: &str| shown[name].as_str().unwrap_or("none").to_owned();
    format!(
        "{} to {} %, measured {} %: {}  (down {} s, planned {} s, unknown {} s of {} s)",
        text("low_percent"),
        text("high_percent"),
        text("measured_percent"),
        shown["verdict"].as_str().unwrap_or("nothing was promised"),
        shown["down_s"],
        shown["planned_s"],
        shown["unknown_s"],
        shown["covered_s"],
    )
}

fn refused(error: app::Error<MonthRefusal>) -> anyhow::Error {
    use MonthRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::NotBegun => anyhow!("that month has not begun"),
        R::NotFinal(at) => anyhow!("that month can be frozen from {} on", gregorian_date_time(at)),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::NotFrozen => anyhow!("that month is not frozen"),
        R::Unchanged => anyhow!("computed anew it is what was written down last"),
        R::Unsigned => anyhow!("a revision needs a reason and a name"),
        R::Meanwhile => anyhow!("somebody else revised it at this moment"),
    })
}
