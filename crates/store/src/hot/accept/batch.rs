//! A batch of accepts on PostgreSQL: decided one after the other, then written column by column.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use domain::{Destination, EventKind, MessageId, QuickSendId, Timestamp};
use tokio_postgres::types::ToSql;

use super::{Accept, AcceptRefusal, Accepted, Known, Verdict};
use crate::event;
use crate::hot::lease::holds;
use crate::hot::permit::{ALLOWED, PostgresGate};
use crate::hot::{Answer, spoken};
use crate::quick_send::zone_to_str;

/// What is decided for each element of a batch.
enum Decision {
    Refused(AcceptRefusal),
    Known(Known),
    /// The same reference as the element at this place of the batch.
    SameAs(usize),
    New {
        leased: Option<Passed>,
    },
}

/// What the log keeps of an attempt that may be made.
#[derive(Clone, Copy)]
struct Passed {
    day_sends: Option<i64>,
}

/// A batch on PostgreSQL.
pub(super) struct Batch<'a> {
    elements: &'a [Accept],
    decisions: Vec<Decision>,
    /// The sends of the new elements, in their order.
    ids: Vec<i64>,
    /// What they play.
    messages: Vec<i64>,
}

impl<'a> Batch<'a> {
    /// Decides one element after the other, as if each saw what the ones before it had reserved.
    pub(super) fn decide(
        elements: &'a [Accept],
        stamps: &BTreeMap<i64, (i64, i64)>,
        mut funds: BTreeMap<i64, i64>,
        known: &BTreeMap<(i64, &'a str), Known>,
        gate: &mut PostgresGate,
    ) -> Self {
        let mut named: BTreeMap<(i64, &str), usize> = BTreeMap::new();
        let mut decisions = Vec::with_capacity(elements.len());
        for (place, element) in elements.iter().enumerate() {
            let key = element.client_reference.as_deref().map(|name| (element.account.0, name));
            let decision = match key {
                Some(key) if known.contains_key(&key) => Decision::Known(known[&key]),
                Some(key) if named.contains_key(&key) => Decision::SameAs(named[&key]),
                _ => reserve(element, stamps, &mut funds, gate),
            };
            if let (Some(key), Decision::New { .. }) = (key, &decision) {
                named.insert(key, place);
            }
            decisions.push(decision);
        }
        Self { elements, decisions, ids: Vec::new(), messages: Vec::new() }
    }

    fn new_elements(&self) -> impl Iterator<Item = (&'a Accept, Option<Passed>)> {
        self.elements.iter().zip(&self.decisions).filter_map(|(element, decision)| match decision {
            Decision::New { leased } => Some((element, *leased)),
            _ => None,
        })
    }

    pub(super) async fn insert(
        &mut self,
        tx: &Transaction<'_>,
        gate: &mut PostgresGate,
    ) -> Answer<()> {
        if self.new_elements().next().is_none() {
            return Ok(());
        }
        self.reserve(tx).await?;
        let new: Vec<&Accept> = self.new_elements().map(|(element, _)| element).collect();
        self.messages = spoken::messages(tx, &new).await?;
        self.ids = self.insert_sends(tx).await?;
        let begun = self.insert_attempts(tx, gate.version).await?;
        self.withdraw_leases(&begun, gate);
        self.insert_ready(tx).await
    }

    /// What was to be leased and is not among what was `begun` waits: its callee is in a call.
    fn withdraw_leases(&mut self, begun: &BTreeSet<i64>, gate: &mut PostgresGate) {
        let mut ids = self.ids.iter();
        for (element, decision) in self.elements.iter().zip(&mut self.decisions) {
            let Decision::New { leased } = decision else { continue };
            let id = ids.next().expect("one identity for each new send");
            if let Some(passed) = leased.filter(|_| !begun.contains(id)) {
                if let Some(lease) = element.lease.as_ref().filter(|_| passed.day_sends.is_some()) {
                    gate.give_back(&lease.permit);
                }
                *leased = None;
            }
        }
    }

    /// Writes an event for each new send.
    pub(super) async fn tell(&self, tx: &Transaction<'_>) -> Answer<()> {
        let new = self.ids.iter().zip(self.new_elements());
        let accepted: Vec<(i64, Timestamp)> =
            new.map(|(id, (element, _))| (*id, element.at)).collect();
        event::on_postgres(tx, EventKind::MessageAccepted, &accepted).await
    }

    async fn reserve(&self, tx: &Transaction<'_>) -> Answer<()> {
        let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for (element, _) in self.new_elements() {
            let (hold, price) = sums.entry(element.account.0).or_default();
            *hold += element.hold.0;
            *price += element.played.price().0;
        }
        let (accounts, sums): (Vec<i64>, Vec<(i64, i64)>) = sums.into_iter().unzip();
        let (holds, prices): (Vec<i64>, Vec<i64>) = sums.into_iter().unzip();
        let sql = "UPDATE account SET reserved_rials = reserved_rials + m.hold_rials,
                                      balance_rials = balance_rials - m.price_rials
                   FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[])
                        AS m (account_id, hold_rials, price_rials)
                   WHERE id = m.account_id";
        let statement = tx.prepare_cached(sql).await?;
        tx.execute(&statement, &[&accounts, &holds, &prices]).await.map(drop)
    }

    async fn insert_sends(&self, tx: &Transaction<'_>) -> Answer<Vec<i64>> {
        let column = |of: fn(&Accept) -> i64| -> Vec<i64> {
            self.new_elements().map(|(element, _)| of(element)).collect()
        };
        let destinations: Vec<&str> =
            self.new_elements().map(|(element, _)| element.destination.as_str()).collect();
        let seconds: Vec<Option<&str>> = self
            .new_elements()
            .map(|(element, _)| element.second.as_ref().map(Destination::as_str))
            .collect();
        let zones: Vec<&str> =
            self.new_elements().map(|(element, _)| zone_to_str(element.zone)).collect();
        let references: Vec<Option<&str>> =
            self.new_elements().map(|(element, _)| element.client_reference.as_deref()).collect();
        let optional = |of: fn(&Accept) -> Option<i64>| -> Vec<Option<i64>> {
            self.new_elements().map(|(element, _)| of(element)).collect()
        };
        let keys: Vec<Option<String>> =
            self.new_elements().map(|(element, _)| element.opt_out_key.map(String::from)).collect();
        // The identities are assigned in the order of the elements.
        let sql = "INSERT INTO quick_send (account_id, message_id, tariff_id, class, clip_ms,
                                           destination, zone, vote_at_us, hold_rials,
                                           accepted_at_us, expires_at_us, client_reference,
                                           record_ms, server_id, second_destination,
                                           message_class, opt_out_key, follow_up_id)
                   SELECT account_id, message_id, tariff_id, class, clip_ms, destination, zone,
                          vote_at_us, hold_rials, accepted_at_us, expires_at_us,
                          client_reference, record_ms, server_id, second_destination,
                          message_class, opt_out_key, follow_up_id
                   FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[],
                               $5::BIGINT[], $6::TEXT[], $7::TEXT[], $8::BIGINT[], $9::BIGINT[],
                               $10::BIGINT[], $11::BIGINT[], $12::TEXT[], $13::BIGINT[],
                               $14::BIGINT[], $15::TEXT[], $16::BIGINT[], $17::TEXT[],
                               $18::BIGINT[])
                        WITH ORDINALITY
                        AS s (account_id, message_id, tariff_id, class, clip_ms, destination,
                              zone, vote_at_us, hold_rials, accepted_at_us, expires_at_us,
                              client_reference, record_ms, server_id, second_destination,
                              message_class, opt_out_key, follow_up_id, place)
                   ORDER BY place RETURNING id";
        let statement = tx.prepare_cached(sql).await?;
        let rows = tx
            .query(
                &statement,
                &[
                    &column(|element| element.account.0),
                    &self.messages,
                    &column(|element| element.tariff.0),
                    &column(|element| element.class.into()),
                    &column(|element| element.clip_ms.into()),
                    &destinations,
                    &zones,
                    &optional(|element| element.vote.then_some(element.at.0)),
                    &column(|element| element.hold.0),
                    &column(|element| element.at.0),
                    &column(|element| element.expires_at.0),
                    &references,
                    &optional(|element| element.record_ms.map(i64::from)),
                    &optional(|element| element.server.map(i64::from)),
                    &seconds,
                    &column(|element| element.message_class.code()),
                    &keys,
                    &optional(|element| element.follow_up),
                ],
            )
            .await?;
        let mut ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Answer<_>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    async fn insert_ready(&self, tx: &Transaction<'_>) -> Answer<()> {
        let (mut ids, mut classes, mut dues) = (Vec::new(), Vec::new(), Vec::new());
        for (id, (element, leased)) in self.ids.iter().zip(self.new_elements()) {
            if leased.is_none() {
                ids.push(*id);
                classes.push(i64::from(element.class));
                dues.push(element.at.0);
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO ready (quick_send_id, class, due_at_us)
                   SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[])";
        let statement = tx.prepare_cached(sql).await?;
        tx.execute(&statement, &[&ids, &classes, &dues]).await.map(drop)
    }

    /// The attempts, with the log of what allowed them, but for those whose callees are in a call.
    /// Whoever another transaction has just begun a call to is waited for, in the order of callees.
    async fn insert_attempts(&self, tx: &Transaction<'_>, version: i64) -> Answer<BTreeSet<i64>> {
        let (mut numbers, mut day_sends) = ([(); 5].map(|()| Vec::new()), Vec::new());
        let (mut trunks, mut bases, mut callees) = (Vec::new(), Vec::new(), Vec::new());
        for (id, (element, leased)) in self.ids.iter().zip(self.new_elements()) {
            if let (Some(passed), Some(lease)) = (leased, &element.lease) {
                let (stamp, permit) = (lease.node, &lease.permit);
                let row = [*id, stamp.node.0, stamp.epoch, lease.at.0, permit.policy.0];
                numbers.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
                trunks.push(lease.trunk.as_str());
                bases.push(permit.basis.word());
                callees.push(lease.callee.as_str());
                day_sends.push(passed.day_sends);
            }
        }
        if trunks.is_empty() {
            return Ok(BTreeSet::new());
        }
        let sql = "WITH a AS (
                       SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[],
                                            $4::BIGINT[], $5::BIGINT[], $6::TEXT[], $7::TEXT[],
                                            $8::BIGINT[], $11::TEXT[])
                           AS a (quick_send_id, node_id, epoch, started_at_us, policy_id, trunk,
                                 basis, day_sends, callee)
                   ), begun AS (
                       INSERT INTO attempt (quick_send_id, n, node_id, epoch, trunk,
                                            started_at_us, callee)
                       SELECT quick_send_id, 1, node_id, epoch, trunk, started_at_us, callee
                       FROM a
                       WHERE (SELECT COUNT(*) FROM attempt t
                              WHERE t.second_callee = a.callee) = 0
                       ORDER BY callee
                       ON CONFLICT DO NOTHING
                       RETURNING quick_send_id
                   ), logged AS (
                       INSERT INTO decision (quick_send_id, n, at_us, verdict, basis, policy_id,
                                             opt_out_version, day_sends)
                       SELECT a.quick_send_id, 1, a.started_at_us, $9, a.basis, a.policy_id,
                              $10, a.day_sends
                       FROM a JOIN begun b ON b.quick_send_id = a.quick_send_id
                   )
                   SELECT quick_send_id FROM begun";
        let statement = tx.prepare_cached(sql).await?;
        let [ids, nodes, epochs, starts, policies] = &numbers;
        let values: [&(dyn ToSql + Sync); 11] = [
            ids, nodes, epochs, starts, policies, &trunks, &bases, &day_sends, &ALLOWED, &version,
            &callees,
        ];
        let rows = tx.query(&statement, &values).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// The answers, once the new sends have their identities.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let mut new = self.ids.iter().zip(&self.messages);
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(self.decisions.len());
        for decision in &self.decisions {
            verdicts.push(match decision {
                Decision::Refused(refusal) => Err(*refusal),
                Decision::Known((id, message)) => Ok(Accepted {
                    quick_send: QuickSendId(*id),
                    message: MessageId(*message),
                    leased: false,
                    repeated: true,
                }),
                Decision::SameAs(place) => verdicts[*place].map(|first| Accepted {
                    leased: false,
                    repeated: true,
                    ..first
                }),
                Decision::New { leased } => {
                    let (id, message) = new.next().expect("one identity for each new send");
                    Ok(Accepted {
                        quick_send: QuickSendId(*id),
                        message: MessageId(*message),
                        leased: leased.is_some(),
                        repeated: false,
                    })
                }
            });
        }
        verdicts
    }
}

/// Takes the hold of `element`, and the price of its speech, from what its account may spend.
fn reserve(
    element: &Accept,
    stamps: &BTreeMap<i64, (i64, i64)>,
    funds: &mut BTreeMap<i64, i64>,
    gate: &mut PostgresGate,
) -> Decision {
    let Some(spendable) = funds.get_mut(&element.account.0) else {
        return Decision::Refused(AcceptRefusal::AccountGone);
    };
    // Neither is above what may be spent nor, with the constraint on holds, below zero.
    let left = spendable
        .checked_sub(element.played.price().0)
        .and_then(|left| left.checked_sub(element.hold.0));
    let Some(left) = left.filter(|left| *left >= 0) else {
        return Decision::Refused(AcceptRefusal::InsufficientCredit);
    };
    *spendable = left;
    let lease = element.lease.as_ref().filter(|lease| holds(stamps, lease));
    let leased = lease.and_then(|lease| gate.pass(&lease.permit, true).ok());
    Decision::New { leased: leased.map(|day_sends| Passed { day_sends }) }
}
