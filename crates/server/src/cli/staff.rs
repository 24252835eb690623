//! `avanak staff …`: who carries the agreement out, who oversees it, and who stands in for whom.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::post::{HandedOver, KeptDeputy, KeptPost, PostRefusal};
use clap::Subcommand;
use domain::agreement::staff::{Refusal, Role};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::span::Span;
use serde_json::{Value, json};

use super::{moment, open, say};
use crate::config::Config;

/// What can be done with the staff of the agreement: experts, who are accountable for what they
/// have at the desk, and the manager, who oversees it and signs the months. All of it works while
/// the server runs.
#[derive(Debug, Subcommand)]
pub enum Staff {
    /// Give somebody a post.
    Appoint {
        /// Who.
        name: String,
        /// What: expert or manager.
        #[arg(long, value_parser = role)]
        role: Role,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Somebody leaves: all posts end, and every ticket, error report and callback that is open
    /// goes to another expert, in one step or not at all.
    Leave {
        /// Who.
        name: String,
        /// Which expert has his work from now on.
        #[arg(long)]
        to: String,
        /// The manager who says so, or his deputy.
        #[arg(long)]
        by: String,
    },
    /// Name a deputy, who may do what needs the manager within a time to come, and outside it not.
    Deputy {
        /// Who: somebody with a post.
        name: String,
        /// The manager who says so.
        #[arg(long)]
        of: String,
        /// From when on, on Tehran's clock, like `1405/10/01 08:00`.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// Until when.
        #[arg(long, value_name = "MOMENT")]
        to: String,
    },
    /// End the time of a deputy.
    EndDeputy {
        /// Its number, as listed.
        id: i64,
        /// The manager.
        #[arg(long)]
        by: String,
    },
    /// Show everybody who is or was something, and all deputies.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| String::from("it is expert or manager"))
}

/// Runs the command.
pub async fn run(config: &Config, command: Staff) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Staff::Appoint { name, role, by } => {
            app::post::appoint(&app, &name, role, &by).await.map_err(refused)?;
            say(&format!("{} is {} now", name.trim(), role.word()))?;
        }
        Staff::Leave { name, to, by } => {
            let handed = app::post::leave(&app, &name, &to, &by).await.map_err(refused)?;
            say(&handed_over(&name, &to, &handed))?;
        }
        Staff::Deputy { name, of, from, to } => {
            let span = Span::new(moment(&from)?, moment(&to)?);
            let span = span.context("it ends after it begins")?;
            let id = app::post::name_deputy(&app, &of, &name, span).await.map_err(refused)?;
            say(&format!("deputy {id}: {} stands in for {}", name.trim(), of.trim()))?;
        }
        Staff::EndDeputy { id, by } => {
            app::post::end_deputy(&app, id, &by).await.map_err(refused)?;
            say(&format!("deputy {id} is over"))?;
        }
        Staff::List { json } => {
            let staff = app::post::list(&app).await.map_err(open::failed)?;
            if json {
                let posts: Vec<Value> = staff.posts.iter().map(post_json).collect();
                let deputies: Vec<Value> = staff.deputies.iter().map(deputy_json).collect();
                say(&json!({ "posts": posts, "deputies": deputies }).to_string())?;
            } else {
                staff.posts.iter().try_for_each(|kept| say(&post_line(kept)))?;
                staff.deputies.iter().try_for_each(|kept| say(&deputy_line(kept)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn handed_over(name: &str, to: &str, handed: &HandedOver) -> String {
    let HandedOver { tickets, reports, callbacks, sessions } = handed;
    let (tickets, reports, callbacks) = (tickets.len(), reports.len(), callbacks.len());
    format!(
        "{name} has left; {to} has {tickets} tickets, {reports} error reports, {callbacks} \
         callbacks and {} remote sessions more",
        sessions.len()
    )
}

fn post_line(kept: &KeptPost) -> String {
    let KeptPost { post, named_by, ended_by, .. } = kept;
    let until = post.until.map_or(String::new(), |at| {
        let by = ended_by.as_deref().unwrap_or_default();
        format!("  until {} (by {by})", gregorian_date_time(at))
    });
    let (name, role, from) = (&post.name, post.role.word(), gregorian_date_time(post.from));
    format!("{name}  {role}  from {from} (by {named_by}){until}")
}

fn deputy_line(kept: &KeptDeputy) -> String {
    let KeptDeputy { id, deputyship, ended_by, .. } = kept;
    let span = deputyship.span;
    let (from, to) = (gregorian_date_time(span.from), gregorian_date_time(span.to));
    let ended = deputyship.ended_at.map_or(String::new(), |at| {
        let by = ended_by.as_deref().unwrap_or_default();
        format!("  ended {} (by {by})", gregorian_date_time(at))
    });
    format!(
        "{id}  {} stands in for {}  {from} – {to}{ended}",
        deputyship.deputy, deputyship.manager
    )
}

fn post_json(kept: &KeptPost) -> Value {
    json!({
        "name": kept.post.name,
        "role": kept.post.role.word(),
        "from": gregorian_date_time(kept.post.from),
        "named_by": kept.named_by,
        "until": kept.post.until.map(gregorian_date_time),
        "ended_by": kept.ended_by,
    })
}

fn deputy_json(kept: &KeptDeputy) -> Value {
    json!({
        "id": kept.id,
        "manager": kept.deputyship.manager,
        "deputy": kept.deputyship.deputy,
        "from": gregorian_date_time(kept.deputyship.span.from),
        "to": gregorian_date_time(kept.deputyship.span.to),
        "named_at": gregorian_date_time(kept.named_at),
        "named_by": kept.named_by,
        "ended_at": kept.deputyship.ended_at.map(gregorian_date_time),
        "ended_by": kept.ended_by,
    })
}

fn refused(error: app::Error<PostRefusal>) -> anyhow::Error {
    use PostRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Successor => anyhow!("who is to have the work is no expert, or has left"),
        R::Stays(what) => anyhow!("{what} cannot be given to another; nothing was changed"),
        R::Meanwhile => anyhow!("somebody else changed it at this moment"),
        R::Rule(Refusal::Name) => anyhow!("a name is missing or too long"),
        R::Rule(Refusal::Has) => anyhow!("that is what he is already"),
        R::Rule(Refusal::HasNot) => anyhow!("he has no post; `avanak staff appoint` gives one"),
        R::Rule(Refusal::NotManager) => {
            anyhow!("it needs the manager, or his deputy within his time; see `avanak staff list`")
        }
        R::Rule(Refusal::Himself) => anyhow!("nobody is his own deputy"),
        R::Rule(Refusal::Time) => {
            anyhow!("a deputy's time begins from now on, and is a year at the longest")
        }
        R::Rule(Refusal::Overlap) => anyhow!("the manager has a deputy in a part of that time"),
        R::Rule(Refusal::Over) => anyhow!("there is no deputy of that number whose time lasts"),
    })
}
