//! What every use case shares: the database, the ports, the settings, the live calls. Holds the
//! rule that while a transaction is open only `store` is awaited.

use std::sync::Arc;

use domain::Timestamp;
use store::{Db, Reader, Tx};
use tokio::sync::Semaphore;

use crate::class::Classes;
use crate::interval::Requests;
use crate::limits::Limits;
use crate::password::Passwords;
use crate::ports::{Blobs, Clock, Dispatch, Gateways, Rng, SmsGateway, Tts};
use crate::prices::Prices;
use crate::promise::{Deliveries, Judged};
use crate::{Error, Failure, LiveCalls, Settings, staff};

tokio::task_local! {
    /// Set while this task has a transaction open.
    static IN_TRANSACTION: ();
}

/// How often a transaction is run that loses a race each time.
const TRIES_MAX: u32 = 5;

/// The outside world, as this process has it.
#[derive(Clone)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Secrets.
    pub rng: Arc<dyn Rng>,
    /// Speech.
    pub tts: Arc<dyn Tts>,
    /// Audio files.
    pub blobs: Arc<dyn Blobs>,
    /// The dialer.
    pub dispatch: Arc<dyn Dispatch>,
    /// SMS.
    pub sms: Arc<dyn SmsGateway>,
    /// Payment gateways.
    pub gateways: Arc<dyn Gateways>,
}

/// The platform's use cases stand on this.
pub struct App {
    db: Db,
    ports: Ports,
    live: Arc<LiveCalls>,
    settings: Settings,
    prices: Prices,
    classes: Classes,
    passwords: Passwords,
    limits: Limits,
    requests: Requests,
    judged: Judged,
    deliveries: Deliveries,
    audio_jobs: Arc<Semaphore>,
}

impl App {
    /// Puts the parts together.
    pub fn new(db: Db, ports: Ports, live: Arc<LiveCalls>, settings: Settings) -> Self {
        let audio_jobs = Arc::new(Semaphore::new(settings.audio_jobs_max.max(1)));
        let (prices, classes) = (Prices::default(), Classes::default());
        let requests = Requests::default();
        let (passwords, limits) = (Passwords::default(), Limits::new(&settings.requests));
        let (judged, deliveries) = (Judged::default(), Deliveries::default());
        Self {
            db,
            ports,
            live,
            settings,
            prices,
            classes,
            passwords,
            limits,
            requests,
            judged,
            deliveries,
            audio_jobs,
        }
    }

    /// This moment.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// What the operator has set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Calls in progress in this process.
    pub fn live(&self) -> &LiveCalls {
        &self.live
    }

    /// Whether the database answers at all, for the readiness probe.
    ///
    /// # Errors
    /// It does not, and why.
    pub async fn database_answers(&self) -> Result<(), Failure> {
        let mut reads = self.read().await?;
        store::tariff::current(&mut reads, self.now()).await?;
        Ok(())
    }

    /// Runs `body` in one transaction: committed if it succeeds, undone if it refuses or fails. One
    /// that lost a race to another transaction is run again, whatever it made of that, by a copy of
    /// `body`, which therefore changes nothing but what it is given.
    ///
    /// # Errors
    /// What `body` answers, and failures of beginning and committing.
    pub(crate) async fn write<T, R>(
        &self,
        body: impl AsyncFnOnce(&mut Tx) -> Result<T, Error<R>> + Clone,
    ) -> Result<T, Error<R>> {
        self.transact(body, false).await
    }

    /// As [`Self::write`], for what nobody waits for: one that another transaction kept waiting for
    /// too long is run again as well. Who asks for something is told at once instead that it cannot
    /// be written down (T091).
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) async fn write_patiently<T, R>(
        &self,
        body: impl AsyncFnOnce(&mut Tx) -> Result<T, Error<R>> + Clone,
    ) -> Result<T, Error<R>> {
        self.transact(body, true).await
    }

    async fn transact<T, R>(
        &self,
        body: impl AsyncFnOnce(&mut Tx) -> Result<T, Error<R>> + Clone,
        is_patient: bool,
    ) -> Result<T, Error<R>> {
        let mut tries = 1;
        loop {
            let may_again = tries < TRIES_MAX;
            let may_again_for = |error: &store::Error| {
                may_again && (error.is_race() || (is_patient && error.is_no_turn()))
            };
            let mut tx = match self.db.begin().await {
                Err(error) if may_again_for(&error) => {
                    tries += 1;
                    continue;
                }
                begun => begun?,
            };
            match IN_TRANSACTION.scope((), body.clone()(&mut tx)).await {
                // Also when the body made nothing of it: it cannot be committed.
                _ if may_again && (tx.lost_a_race() || (is_patient && tx.got_no_turn())) => {}
                Err(error) => return Err(error),
                Ok(value) => {
                    staff::sign(&mut tx);
                    match tx.commit_at(self.now()).await {
                        Err(error) if may_again_for(&error) => {}
                        committed => {
                            committed?;
                            staff::is_signed();
                            return Ok(value);
                        }
                    }
                }
            }
            tracing::debug!(tries, "a transaction that lost a race is run again");
            tries += 1;
        }
    }

    /// The read side.
    pub(crate) async fn read(&self) -> Result<Reader, Failure> {
        Ok(self.db.read().await?)
    }

    /// The batch verbs of the dialer, each its own transaction.
    pub(crate) fn hot(&self) -> &Db {
        &self.db
    }

    pub(crate) fn prices(&self) -> &Prices {
        &self.prices
    }

    pub(crate) fn classes(&self) -> &Classes {
        &self.classes
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    pub(crate) fn judged(&self) -> &Judged {
        &self.judged
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    pub(crate) fn audio_jobs(&self) -> &Arc<Semaphore> {
        &self.audio_jobs
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        outside_transaction(&self.ports.clock)
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        outside_transaction(&*self.ports.rng)
    }

    pub(crate) fn tts(&self) -> &dyn Tts {
        outside_transaction(&*self.ports.tts)
    }

    pub(crate) fn blobs(&self) -> &dyn Blobs {
        outside_transaction(&*self.ports.blobs)
    }

    pub(crate) fn sms(&self) -> &dyn SmsGateway {
        outside_transaction(&*self.ports.sms)
    }

    pub(crate) fn gateways(&self) -> &dyn Gateways {
        outside_transaction(&*self.ports.gateways)
    }

    /// Shared, since what is told to the dialer must be told even if the caller goes away.
    pub(crate) fn dispatch(&self) -> &Arc<dyn Dispatch> {
        outside_transaction(&self.ports.dispatch)
    }
}

/// Every way to a port leads through here: on SQLite, all writers would wait for the port.
fn outside_transaction<P: ?Sized>(port: &P) -> &P {
    debug_assert!(
        IN_TRANSACTION.try_with(|()| ()).is_err(),
        "a port was used while a transaction is open"
    );
    port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "a port was used while a transaction is open")]
    async fn a_port_in_a_transaction_is_a_bug() {
        IN_TRANSACTION.scope((), async { *outside_transaction(&()) }).await;
    }
}
