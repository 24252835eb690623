//! `avanak maintenance …`: planned maintenance and what proves that it was told.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::maintenance::{Kept, MaintenanceRefusal, NewPlan, Saved};
use clap::{Args, Subcommand};
use domain::agreement::availability::Window;
use domain::agreement::maintenance::{Judgement, Refusal, State};
use domain::calendar::day::Day;
use domain::calendar::span::Span;
use domain::calendar::{jalali::gregorian_date_time, month::PersianMonth};
use serde_json::json;

use super::{Reach, moment, open, paths, say, scope};
use crate::config::Config;

/// What can be done with maintenance. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Maintenance {
    /// Announce a maintenance. What would count as downtime is said before anything is saved.
    Announce {
        /// What is done.
        #[arg(long)]
        title: String,
        /// Why it is essential.
        #[arg(long, value_name = "REASON")]
        essential_because: Option<String>,
        #[command(flatten)]
        plan: Plan,
        #[command(flatten)]
        editor: Editor,
    },
    /// Change one that is not over: what is given here, and nothing else. What is new in it needs
    /// notice of its own.
    Change {
        /// Its number.
        id: i64,
        #[command(flatten)]
        plan: Changes,
        #[command(flatten)]
        editor: Editor,
    },
    /// Cancel one that has not begun.
    Cancel {
        /// Its number.
        id: i64,
        #[command(flatten)]
        editor: Editor,
    },
    /// Note that it is told as of now, on the first page or in a social network.
    Told {
        /// Its number.
        id: i64,
        /// The social network; without it, the panel's first page.
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
        /// What the place calls the notice: its address or number.
        #[arg(long)]
        reference: String,
        /// Its text; its checksum is kept.
        #[arg(long)]
        text: String,
    },
    /// Note that a notice can no longer be read as of now.
    Untold {
        /// The number of the notice.
        notice: i64,
    },
    /// Note that somebody made sure of the service after it.
    Verified {
        /// Its number.
        id: i64,
    },
    /// Add a social network in which notices can be told.
    AddNetwork {
        /// Its name.
        name: String,
    },
    /// Show the maintenance of a month.
    List {
        /// The month, like `1405-09`; without it, this one and the next.
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// What is away, for whom, and when.
#[derive(Debug, Args)]
pub struct Plan {
    /// When it begins, on Tehran's clock, like `1405/09/07 02:00`.
    #[arg(long, value_name = "MOMENT")]
    from: String,
    /// When it ends.
    #[arg(long, value_name = "MOMENT")]
    to: String,
    #[command(flatten)]
    reach: Reach,
}

/// What is different in a maintenance.
#[derive(Debug, Args)]
pub struct Changes {
    /// When it begins.
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// When it ends.
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// What is away.
    #[arg(long)]
    paths: Option<String>,
    /// For whom.
    #[arg(long)]
    scope: Option<String>,
}

/// Who does it.
#[derive(Debug, Args)]
pub struct Editor {
    /// Who saves it.
    #[arg(long)]
    author: String,
    /// Save it though a part of it counts as downtime.
    #[arg(long)]
    confirm: bool,
}

impl Plan {
    fn read(&self) -> Result<Window> {
        let (from, to) = (moment(&self.from)?, moment(&self.to)?);
        let span = Span::new(from, to).context("a maintenance ends after it begins")?;
        let (paths, scope) = self.reach.read()?;
        Ok(Window { paths, scope, span })
    }
}

impl Changes {
    fn read(&self, before: Window) -> Result<Window> {
        let or = |text: &Option<String>, before| text.as_deref().map_or(Ok(before), moment);
        let span = Span::new(or(&self.from, before.span.from)?, or(&self.to, before.span.to)?);
        Ok(Window {
            paths: self.paths.as_deref().map_or(Ok(before.paths), paths)?,
            scope: self.scope.as_deref().map_or(Ok(before.scope), scope)?,
            span: span.context("a maintenance ends after it begins")?,
        })
    }
}

impl Editor {
    fn with(self, plan: Option<Window>) -> NewPlan {
        NewPlan { plan, author: self.author, confirmed: self.confirm }
    }
}

/// Runs the command.
pub async fn run(config: &Config, command: Maintenance) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Maintenance::Announce { title, essential_because, plan, editor } => {
            let plan = editor.with(Some(plan.read()?));
            let because = essential_because.as_deref();
            let saved = app::maintenance::announce(&app, &title, because, plan).await;
            show_saved(saved.map_err(refused)?)?;
        }
        Maintenance::Change { id, plan, editor } => {
            let before = app::maintenance::plan(&app, id).await.map_err(refused)?;
            let plan = editor.with(Some(plan.read(before.context("it was cancelled")?)?));
            show_saved(app::maintenance::change(&app, id, plan).await.map_err(refused)?)?;
        }
        Maintenance::Cancel { id, editor } => {
            let cancelled = app::maintenance::change(&app, id, editor.with(None)).await;
            cancelled.map_err(refused)?;
            say(&format!("maintenance {id} is cancelled"))?;
        }
        Maintenance::Told { id, network, reference, text } => {
            let network = network.as_deref();
            let told = app::maintenance::tell(&app, id, network, &reference, &text).await;
            say(&format!("notice {}", told.map_err(refused)?))?;
        }
        Maintenance::Untold { notice } => {
            app::maintenance::withdraw_notice(&app, notice).await.map_err(refused)?;
            say(&format!("notice {notice} is withdrawn"))?;
        }
        Maintenance::Verified { id } => {
            app::maintenance::verify(&app, id).await.map_err(refused)?;
            say(&format!("maintenance {id} is completed"))?;
        }
        Maintenance::AddNetwork { name } => {
            let added = app::maintenance::add_channel(&app, &name).await.map_err(refused)?;
            say(if added { "added" } else { "it is there already" })?;
        }
        Maintenance::List { month, json } => list(&app, month.as_deref(), json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show_saved(saved: Saved) -> Result<()> {
    let Saved { id, judgement } = saved;
    say(&format!("maintenance {id}: {}", judged(judgement)))
}

fn judged(judgement: Judgement) -> String {
    let Judgement { lead_us, counted_us } = judgement;
    let lead_hours = lead_us / 3_600_000_000;
    if counted_us == 0 {
        return format!("{lead_hours} h before its start; planned, if it is told at once");
    }
    format!("{lead_hours} h before its start; {} s of it count as downtime", counted_us / 1_000_000)
}

async fn list(app: &App, month: Option<&str>, json: bool) -> Result<()> {
    let time = if let Some(text) = month {
        let month = PersianMonth::parse(text).context("write a month like 1405-09")?;
        Span { from: month.start(), to: month.end() }
    } else {
        let month = PersianMonth::of(app.now());
        Span { from: month.start(), to: month.next().end() }
    };
    let listed = app::maintenance::list(app, time).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = listed.iter().map(|(kept, state)| as_json(kept, *state)).collect();
        return say(&json!({ "maintenance": shown }).to_string());
    }
    for (kept, state) in &listed {
        let plan = match kept.maintenance.plan() {
            None => String::new(),
            Some(Window { paths, scope, span }) => format!(
                "  {} – {}  {} ({paths}; {scope})",
                gregorian_date_time(span.from),
                gregorian_date_time(span.to),
                Day::of(span.from),
            ),
        };
        let notices = kept.maintenance.proofs.len();
        let (id, title) = (kept.id, &kept.title);
        say(&format!("{id}  {}{plan}  {notices} notices  {title}", state.word()))?;
    }
    Ok(())
}

fn as_json(kept: &Kept, state: State) -> serde_json::Value {
    let proofs = kept.maintenance.proofs.iter().zip(&kept.notices);
    let notices: Vec<_> = proofs
        .map(|(proof, notice)| {
            json!({
                "notice": notice.id,
                "version": proof.version,
                "channel": proof.channel.word(),
                "place": notice.place,
                "reference": notice.reference,
                "published_at": gregorian_date_time(proof.published_at),
                "withdrawn_at": proof.withdrawn_at.map(gregorian_date_time),
            })
        })
        .collect();
    let plan = kept.maintenance.plan();
    json!({
        "maintenance": kept.id,
        "title": kept.title,
        "essential_because": kept.essential_because,
        "state": state.word(),
        "author": kept.author,
        "versions": kept.maintenance.versions.len(),
        "from": plan.map(|plan| gregorian_date_time(plan.span.from)),
        "to": plan.map(|plan| gregorian_date_time(plan.span.to)),
        "paths": plan.map(|plan| plan.paths.to_string()),
        "scope": plan.map(|plan| plan.scope.to_string()),
        "notices": notices,
    })
}

fn refused(error: app::Error<MaintenanceRefusal>) -> anyhow::Error {
    use MaintenanceRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(rule) => rule_refused(rule),
        R::NoSuchMaintenance => anyhow!("there is no maintenance of that number"),
        R::NoSuchNotice => anyhow!("there is no such notice, or it was withdrawn before"),
        R::NoSuchChannel => {
            anyhow!("no network of that name: see `avanak maintenance add-network`")
        }
        R::TooManyNotices => anyhow!("it has too many notices"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::NotOver => anyhow!("its time is not over, or it was verified before"),
        R::Meanwhile => anyhow!("somebody else changed it at this moment; look at it again"),
    })
}

fn rule_refused(rule: Refusal) -> anyhow::Error {
    match rule {
        Refusal::NoSocialChannel => anyhow!(
            "no social network is set up, so no notice could be complete: see `avanak maintenance \
             add-network`"
        ),
        Refusal::NoPath => anyhow!("it names no part of the service"),
        Refusal::Past => anyhow!("it begins in the past; what is down already is an outage"),
        Refusal::TooLong => anyhow!("a maintenance is at most seven days long"),
        Refusal::Closed => anyhow!("it was cancelled, or its time is over"),
        Refusal::Begun => anyhow!("it has begun, and can no longer be cancelled"),
        Refusal::Unknown => anyhow!("there is nothing to cancel"),
        Refusal::TooManyVersions => anyhow!("it was changed too often; announce another one"),
        Refusal::Unconfirmed(judgement) => anyhow!(
            "nothing is saved: {}; with --confirm it is saved all the same",
            judged(judgement)
        ),
    }
}
