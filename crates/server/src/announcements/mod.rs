//! Announcements on their way to where they are told: the first page, which is looked at as
//! everybody sees it, and the channels of the configuration. What a place confirms is noted with
//! the name that it gave it; what fails is tried again as long as it is worth telling.

mod bot;
mod first_page;
mod hook;
mod mail;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use app::App;
use app::announcement::{Job, Place, Untold};
use domain::agreement::maintenance::Channel as Proves;
use domain::announcement::Audience;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Channel, ChannelAudience, ChannelKind, Config};
use crate::outbound::Outbound;

/// How often it is looked for what is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long telling something in one place may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a place is told something that it may show already, since its answers do not say.
const UNCLEAR_MAX: u32 = 5;
/// The largest answer of a network, bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Where this configuration tells announcements.
pub fn places(config: &Config) -> Vec<Place> {
    let first = config.announcements.first_page.then(Place::first_page);
    let channel = |channel: &Channel| {
        let (audience, is_public) = match channel.audience {
            ChannelAudience::Public => (Audience::Public, true),
            ChannelAudience::Manager => (Audience::Manager, false),
        };
        // What the manager alone reads is no notice (A19).
        let proves = (is_public && channel.kind.is_social()).then_some(Proves::Social);
        Place { name: channel.name.clone(), audience, proves }
    };
    first.into_iter().chain(config.channel.iter().map(channel)).collect()
}

/// Something failed before it could be told.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn untold(error: anyhow::Error) -> Untold {
    Untold::because(format!("{error:#}"))
}

/// Who tells announcements in one place.
enum Teller {
    FirstPage(first_page::FirstPage),
    Bot(bot::Bot),
    Hook(hook::Hook),
    Mail(Box<mail::Mail>),
}

impl Teller {
    fn new(channel: &Channel, config: &Config) -> Result<Self> {
        let outbound = Outbound::to_anywhere(config);
        Ok(match channel.kind {
            ChannelKind::Telegram | ChannelKind::Bale | ChannelKind::Eitaa => {
                Self::Bot(bot::Bot::new(channel, outbound)?)
            }
            ChannelKind::Webhook => Self::Hook(hook::Hook::new(channel, outbound)?),
            ChannelKind::Email => Self::Mail(Box::new(mail::Mail::new(channel, config)?)),
        })
    }

    /// Tells something; the answer is what the place calls it.
    async fn tell(
        &self,
        app: &App,
        job: &Job,
        stop: &watch::Receiver<bool>,
    ) -> Result<String, Untold> {
        match self {
            Self::FirstPage(page) => page.look(job).await,
            Self::Bot(bot) => bot.tell(job).await,
            Self::Hook(hook) => hook.tell(app, job).await,
            Self::Mail(mail) => mail.tell(app, job, stop).await,
        }
    }
}

/// Starts the task, which is `here` itself by this address. It ends when it is told to stop, after
/// what it has begun.
///
/// # Errors
/// A channel of the configuration cannot be used.
pub fn start(
    app: Arc<App>,
    config: &Config,
    here: &str,
    stop: watch::Receiver<bool>,
) -> Result<JoinHandle<()>> {
    let mut tellers = Vec::new();
    if config.announcements.first_page {
        let page = first_page::FirstPage::new(here, Outbound::to_anywhere(config))?;
        tellers.push((Place::first_page().name, Teller::FirstPage(page)));
    }
    for channel in &config.channel {
        tellers.push((channel.name.clone(), Teller::new(channel, config)?));
    }
    Ok(tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        for (place, teller) in tellers {
            tasks.spawn(run(Arc::clone(&app), place, teller, stop.clone()));
        }
        tasks.join_all().await;
    }))
}

/// One place after the other waits for nobody but itself.
async fn run(app: Arc<App>, place: String, teller: Teller, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match app::announcement::due(&app, &place).await {
            Ok(Some(job)) => {
                tell(&app, &place, &teller, &job, &stop).await;
                continue;
            }
            Ok(None) => {}
            Err(failure) => {
                let error = failure.chain();
                tracing::warn!(error, place, "announcements could not be looked for");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// Tells one thing in its place and writes down how it went.
async fn tell(app: &App, place: &str, teller: &Teller, job: &Job, stop: &watch::Receiver<bool>) {
    let told = teller.tell(app, job, stop).await;
    let outcome = if told.is_ok() { "told" } else { "failed" };
    metrics::counter!("avanak_announcements_total", "place" => place.to_owned(),
                      "outcome" => outcome)
    .increment(1);
    let noted = match told {
        Ok(reference) => {
            let announcement = job.announcement.id;
            tracing::info!(announcement, place, reference, "an announcement is told");
            app::announcement::delivered(app, job, &reference).await
        }
        Err(untold) => {
            let (announcement, why) = (job.announcement.id, &untold.why);
            if untold.is_final {
                tracing::error!(announcement, place, why, "an announcement is given up");
            } else {
                tracing::warn!(announcement, place, why, "an announcement could not be told");
            }
            app::announcement::failed(app, job, &untold).await
        }
    };
    if let Err(failure) = noted {
        let error = failure.chain();
        tracing::warn!(error, place, "an announcement is told again: it is not written down");
    }
}
