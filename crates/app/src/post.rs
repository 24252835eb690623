//! Who carries the agreement out and who oversees it: posts, the deputies of managers, and that
//! somebody leaves, whose open work goes to another in the same commit.

use domain::Timestamp;
use domain::agreement::staff::{
    Capacity, Deputyship, NAME_MAX, Post, Refusal, Role, as_manager, may_stand_in,
};
use domain::calendar::span::Span;
pub use store::staff::{KeptDeputy, KeptPost};
use store::{Queries, Tx, chain};

use crate::{App, Error, Failure, Result, error_report, remote_session, support_call, ticket};

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostRefusal {
    /// The rules of posts and deputies speak against it.
    Rule(Refusal),
    /// Who is to have the work of somebody who leaves is no expert, or has left.
    Successor,
    /// This cannot be given to another.
    Stays(String),
    /// Somebody else changed it at this moment.
    Meanwhile,
}

/// What somebody had who left, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandedOver {
    /// Tickets.
    pub tickets: Vec<i64>,
    /// Error reports.
    pub reports: Vec<i64>,
    /// Callbacks that he had taken.
    pub callbacks: Vec<i64>,
    /// Remote sessions that are not over.
    pub sessions: Vec<i64>,
}

/// Everybody who is or was something, and all deputies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// What each is or was, in order.
    pub posts: Vec<KeptPost>,
    /// Who stood in for whom, in order.
    pub deputies: Vec<KeptDeputy>,
}

impl Staff {
    pub(crate) async fn read(reads: &mut impl Queries) -> store::Result<Self> {
        let posts = store::staff::posts(reads).await?;
        Ok(Self { posts, deputies: store::staff::deputies(reads).await? })
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.iter().map(|kept| kept.post.clone()).collect()
    }

    fn deputies(&self) -> Vec<Deputyship> {
        self.deputies.iter().map(|kept| kept.deputyship.clone()).collect()
    }

    /// In what capacity somebody does what needs a manager.
    pub fn as_manager(&self, name: &str, at: Timestamp) -> Option<Capacity> {
        as_manager(&self.posts(), &self.deputies(), name.trim(), at)
    }

    /// Whether somebody is something at a moment.
    pub fn is(&self, name: &str, role: Role, at: Timestamp) -> bool {
        let of = |kept: &&KeptPost| (kept.post.name.as_str(), kept.post.role) == (name, role);
        self.posts.iter().filter(of).any(|kept| kept.post.held(at))
    }

    /// Whether somebody was something and is nothing any more.
    pub fn has_left(&self, name: &str, at: Timestamp) -> bool {
        let was = self.posts.iter().any(|kept| kept.post.name == name && kept.post.from <= at);
        was && Role::ALL.into_iter().all(|role| !self.is(name, role, at))
    }

    /// Who is a manager at a moment, or stands in for one.
    pub fn overseers(&self, at: Timestamp) -> Vec<Capacity> {
        let managers = self.posts.iter().map(|kept| &kept.post);
        let managers = managers.filter(|post| post.role == Role::Manager && post.held(at));
        let names = managers.map(|post| post.name.as_str());
        let deputies = self.deputies.iter().map(|kept| &kept.deputyship);
        let standing_in = deputies.filter(|one| one.holds(at)).map(|one| one.deputy.as_str());
        let mut names: Vec<&str> = names.chain(standing_in).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| self.as_manager(name, at)).collect()
    }

    /// Each manager who has a deputy at a moment, and that one.
    pub(crate) fn pairs(&self, at: Timestamp) -> Vec<(String, String)> {
        let holding = self.deputies.iter().map(|kept| &kept.deputyship);
        let holding = holding.filter(|one| one.holds(at));
        holding.map(|one| (one.manager.clone(), one.deputy.clone())).collect()
    }
}

/// Who carries the agreement out, and did.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App) -> std::result::Result<Staff, Failure> {
    Ok(Staff::read(&mut app.read().await?).await?)
}

/// Gives somebody a post.
///
/// # Errors
/// Refused as [`PostRefusal`] says.
pub async fn appoint(app: &App, name: &str, role: Role, by: &str) -> Result<i64, PostRefusal> {
    let (name, by) = (named(name)?, named(by)?);
    let now = app.now();
    app.write(async |tx| {
        let at = chain::now(tx, now).await?;
        if Staff::read(tx).await?.is(name, role, at) {
            return Err(rule(Refusal::Has));
        }
        store::staff::begin(tx, name, role, (at, by)).await.map_err(meanwhile)
    })
    .await
}

/// Names a deputy of a manager for a time to come, as that manager says.
///
/// # Errors
/// Refused as [`PostRefusal`] says.
pub async fn name_deputy(
    app: &App,
    manager: &str,
    deputy: &str,
    span: Span,
) -> Result<i64, PostRefusal> {
    let (manager, deputy) = (named(manager)?.to_owned(), named(deputy)?.to_owned());
    let new = Deputyship { manager, deputy, span, ended_at: None };
    let now = app.now();
    app.write(async |tx| {
        store::staff::lock_manager(tx, &new.manager).await?;
        let (at, staff) = (chain::now(tx, now).await?, Staff::read(tx).await?);
        may_stand_in(&staff.posts(), &staff.deputies(), &new, at).map_err(rule)?;
        Ok(store::staff::name_deputy(tx, &new, (at, &new.manager)).await?)
    })
    .await
}

/// Ends the time of a deputy, as its manager says.
///
/// # Errors
/// Refused as [`PostRefusal`] says.
pub async fn end_deputy(app: &App, id: i64, by: &str) -> Result<(), PostRefusal> {
    let by = named(by)?;
    let now = app.now();
    app.write(async |tx| {
        let (at, staff) = (chain::now(tx, now).await?, Staff::read(tx).await?);
        let found = staff.deputies.iter().find(|kept| kept.id == id);
        let found = found.ok_or(rule(Refusal::Over))?;
        if found.deputyship.manager != by || !staff.is(by, Role::Manager, at) {
            return Err(rule(Refusal::NotManager));
        }
        let ended = store::staff::end_deputy(tx, id, (at, by)).await?;
        if ended { Ok(()) } else { Err(rule(Refusal::Over)) }
    })
    .await
}

/// Somebody leaves: all that he is ends, and whatever he has at the desk goes to a successor, in
/// one commit. A manager says so, or his deputy; while there is none, whoever does it.
///
/// # Errors
/// Refused as [`PostRefusal`] says; then nothing has changed.
pub async fn leave(
    app: &App,
    name: &str,
    successor: &str,
    by: &str,
) -> Result<HandedOver, PostRefusal> {
    let (name, successor, by) = (named(name)?, named(successor)?, named(by)?);
    let now = app.now();
    app.write(async |tx| {
        let (at, staff) = (chain::now(tx, now).await?, Staff::read(tx).await?);
        let by = by_manager(&staff, by, at)?.to_string();
        let has = |role: &Role| staff.is(name, *role, at);
        let roles: Vec<Role> = Role::ALL.into_iter().filter(has).collect();
        if roles.is_empty() {
            return Err(rule(Refusal::HasNot));
        }
        if name == successor || !staff.is(successor, Role::Expert, at) {
            return Err(Error::Refused(PostRefusal::Successor));
        }
        for role in roles {
            store::staff::end(tx, name, role, (at, &by)).await?;
        }
        // Whoever is on duty at the line is it no more; a conversation under way goes on.
        store::support_agent::end(tx, name, at).await?;
        hand_over(tx, name, successor, (&by, at)).await
    })
    .await
}

/// In what capacity somebody says what a manager has to; anybody may while there is no manager.
fn by_manager(staff: &Staff, by: &str, at: Timestamp) -> Result<Capacity, PostRefusal> {
    let nobody = staff.overseers(at).is_empty();
    let alone = nobody.then(|| Capacity { name: by.to_owned(), deputy_of: None });
    staff.as_manager(by, at).or(alone).ok_or(rule(Refusal::NotManager))
}

/// Gives everything of the desk that somebody has to another.
async fn hand_over(
    tx: &mut Tx,
    name: &str,
    successor: &str,
    (by, at): (&str, Timestamp),
) -> Result<HandedOver, PostRefusal> {
    let stays = |what: &str, id: i64| PostRefusal::Stays(format!("{what} {id}"));
    let mut handed = HandedOver::default();
    for id in store::staff::tickets_of(tx, name).await? {
        let given = ticket::give(tx, id, (by, successor), at).await;
        given.map_err(|error| error.map(|_| stays("ticket", id)))?;
        handed.tickets.push(id);
    }
    for id in store::staff::reports_of(tx, name).await? {
        let given = error_report::give(tx, id, (by, successor), at).await;
        given.map_err(|error| error.map(|_| stays("error report", id)))?;
        handed.reports.push(id);
    }
    for id in store::staff::callbacks(tx).await? {
        let given = support_call::give(tx, id, (name, successor), (by, at)).await;
        if given.map_err(|error| error.map(|_| stays("support call", id)))? {
            handed.callbacks.push(id);
        }
    }
    for id in store::remote_session::all_open(tx).await? {
        let given = remote_session::give(tx, id, (name, successor), (by, at)).await;
        if given.map_err(|error| error.map(|_| stays("remote session", id)))? {
            handed.sessions.push(id);
        }
    }
    Ok(handed)
}

fn named(name: &str) -> Result<&str, PostRefusal> {
    let is_name = crate::error::is_said(name, NAME_MAX) && !name.contains(char::is_control);
    if is_name { Ok(name.trim()) } else { Err(rule(Refusal::Name)) }
}

fn rule(refusal: Refusal) -> Error<PostRefusal> {
    Error::Refused(PostRefusal::Rule(refusal))
}

fn meanwhile(error: store::Error) -> Error<PostRefusal> {
    match error {
        store::Error::Conflict(_) => Error::Refused(PostRefusal::Meanwhile),
        error => error.into(),
    }
}
