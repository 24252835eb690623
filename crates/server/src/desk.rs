//! Looks at the clocks of the desk: what was missed and nobody has ended is entered. Beside it the
//! registry is asked who customers are, and gateways whether they have paid.

use std::sync::Arc;
use std::time::Duration;

use app::oversight::Notice;
use app::payment::Looks;
use app::{App, Failure};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::registry::{self, HttpRegistry};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(30);
/// How often it is looked for payments to ask about.
const PAYMENTS_EVERY: Duration = Duration::from_secs(5);

/// Starts the task. It ends when it is told to stop.
///
/// # Errors
/// The registry of the configuration cannot be used.
pub fn start(
    app: Arc<App>,
    config: &Config,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
    let registry = HttpRegistry::new(config)?;
    let clocks = look(Arc::clone(&app), stop.clone());
    let payments = payments(Arc::clone(&app), stop.clone());
    Ok(tokio::spawn(async move {
        match registry {
            None => {
                let ((), ()) = tokio::join!(clocks, payments);
            }
            Some(registry) => {
                let registry = registry::run(app, registry, stop);
                let ((), (), ()) = tokio::join!(clocks, payments, registry);
            }
        }
    }))
}

/// Asks gateways of payments whose customers do not come back.
async fn payments(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut looks = Looks::new(&app);
    while !*stop.borrow() {
        if let Err(failure) = looks.begin().await {
            let error = failure.chain();
            tracing::warn!(error, "payments could not be looked at");
        }
        // A silent gateway keeps us from nothing, nor from stopping: who is asked about is asked
        // again.
        tokio::select! {
            () = looks_for(&mut looks, PAYMENTS_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Goes on with what is looked at for a while.
async fn looks_for(looks: &mut Looks<'_>, time: Duration) {
    let looking = async {
        loop {
            looks.ended().await;
        }
    };
    // It ends with the time.
    drop(tokio::time::timeout(time, looking).await);
}

async fn look(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        tell("tickets", app::ticket::look(&app).await);
        tell("error reports", app::error_report::look(&app).await);
        tell("support calls", app::support_call::look(&app).await);
        oversee(app::oversight::look(&app).await);
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// Logs what the manager is told of.
fn oversee(noted: Result<Vec<Notice>, Failure>) {
    match noted {
        Ok(noted) => {
            for Notice { kind, subject, item, told, .. } in noted {
                tracing::warn!(kind, subject, item, told, "the manager is told of something");
            }
        }
        Err(failure) => {
            let error = failure.chain();
            tracing::warn!(error, "what the manager is told of could not be looked for");
        }
    }
}

/// Logs what was missed; what could not be looked at is looked at again.
fn tell(what: &'static str, entered: Result<u64, Failure>) {
    match entered {
        Ok(0) => {}
        Ok(missed) => tracing::warn!(missed, what, "clocks of the desk were missed"),
        Err(failure) => {
            let error = failure.chain();
            tracing::warn!(error, what, "the desk's clocks could not be looked at");
        }
    }
}
