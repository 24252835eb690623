//! Tariffs: dated prices. The first migration brings one that is in force from the beginning.

use domain::{Tariff, TariffId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// The tariff in force at `at`; `None` before the first one.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn current(reads: &mut impl Queries, at: Timestamp) -> Result<Option<Tariff>> {
    let sql = "SELECT id, effective_from_us, pulse_seconds, internal_second_rials,
                      external_second_rials, tts_second_rials, secure_minimum_rials,
                      sms_part_rials
               FROM tariff WHERE effective_from_us <= $1
               ORDER BY effective_from_us DESC LIMIT 1";
    reads.query_opt(sql, values![at]).await?.as_ref().map(tariff).transpose()
}

/// The tariff `id`, for charging by the prices a send was accepted with.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: TariffId) -> Result<Option<Tariff>> {
    let sql = "SELECT id, effective_from_us, pulse_seconds, internal_second_rials,
                      external_second_rials, tts_second_rials, secure_minimum_rials,
                      sms_part_rials
               FROM tariff WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.as_ref().map(tariff).transpose()
}

/// Every tariff, the one that starts last first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries, limit: u32) -> Result<Vec<Tariff>> {
    let sql = "SELECT id, effective_from_us, pulse_seconds, internal_second_rials,
                      external_second_rials, tts_second_rials, secure_minimum_rials,
                      sms_part_rials
               FROM tariff ORDER BY effective_from_us DESC LIMIT $1";
    reads.query(sql, values![limit]).await?.iter().map(tariff).collect()
}

/// Adds a tariff; the `id` of `new` is not looked at.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when one starts at the same moment
/// or a price makes no sense.
pub async fn insert(tx: &mut Tx, new: &Tariff) -> Result<TariffId> {
    let sql = "INSERT INTO tariff (effective_from_us, pulse_seconds, internal_second_rials,
                                   external_second_rials, tts_second_rials,
                                   secure_minimum_rials, sms_part_rials)
               VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let values = values![
        new.effective_from,
        new.pulse_seconds,
        new.internal_second,
        new.external_second,
        new.tts_second,
        new.secure_minimum,
        new.sms_part,
    ];
    tx.query_one(sql, values).await?.get("id")
}

fn tariff(row: &Row) -> Result<Tariff> {
    Ok(Tariff {
        id: row.get("id")?,
        effective_from: row.get("effective_from_us")?,
        pulse_seconds: row.get("pulse_seconds")?,
        internal_second: row.get("internal_second_rials")?,
        external_second: row.get("external_second_rials")?,
        tts_second: row.get("tts_second_rials")?,
        secure_minimum: row.get("secure_minimum_rials")?,
        sms_part: row.get("sms_part_rials")?,
    })
}
