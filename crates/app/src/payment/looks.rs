//! Payments whose time it is, looked at beside each other.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::look_at;
use crate::account::never_refused;
use crate::ports::BoxFuture;
use crate::{App, Failure};

/// How long one question may take until another node asks, microseconds.
const ASK_US: i64 = 120_000_000;
/// Payments of one gateway that are looked at at the same time.
const AT_ONCE: u32 = 10;

/// Payments that are looked at: each by itself, so that one whose gateway is silent keeps nobody
/// waiting, and a bounded number of each gateway. Dropping it leaves them to be asked about again.
pub struct Looks<'a> {
    app: &'a App,
    under_way: Vec<(String, BoxFuture<'a, ()>)>,
}

impl<'a> Looks<'a> {
    /// None yet.
    pub fn new(app: &'a App) -> Self {
        Self { app, under_way: Vec::new() }
    }

    /// Begins to look at the payments whose time it is, as far as there is room. How many.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin(&mut self) -> std::result::Result<usize, Failure> {
        let (app, now) = (self.app, self.app.now());
        let mut busy: BTreeMap<String, u32> = BTreeMap::new();
        for (gateway, _) in &self.under_way {
            *busy.entry(gateway.clone()).or_default() += 1;
        }
        let taken = app.write(async |tx| {
            let (mut busy, mut taken) = (busy.clone(), Vec::new());
            for (id, gateway) in store::payment::due(tx, now, AT_ONCE).await? {
                let busy = busy.entry(gateway).or_default();
                if *busy < AT_ONCE
                    && let Some(payment) =
                        store::payment::take(tx, id, now, now.plus_us(ASK_US)).await?
                {
                    *busy += 1;
                    taken.push(payment);
                }
            }
            Ok(taken)
        });
        let taken = taken.await.map_err(never_refused)?;
        let count = taken.len();
        for payment in taken {
            let gateway = payment.gateway.clone();
            self.under_way.push((gateway, Box::pin(async move { look_at(app, &payment).await })));
        }
        Ok(count)
    }

    /// Goes on with all of them until some have ended; while there are none, it waits for ever.
    pub async fn ended(&mut self) {
        let poll = |context: &mut Context<'_>| {
            let before = self.under_way.len();
            self.under_way.retain_mut(|(_, look)| look.as_mut().poll(context).is_pending());
            if self.under_way.len() < before { Poll::Ready(()) } else { Poll::Pending }
        };
        poll_fn(poll).await;
    }

    /// Whether none is looked at.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}
