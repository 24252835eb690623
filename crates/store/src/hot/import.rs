//! Import: numbers become the recipients of a campaign, a bounded batch in each commit. Their
//! places follow each other, so the count of recipients is the proof that none was lost.

use domain::campaign::State;
use domain::campaign::admission::Zones;
use domain::campaign::numbers::CompactNumber;
use domain::{AccountId, CampaignId, RecipientId};

use deadpool_postgres::Transaction;

use super::{Answer, Lanes};
use crate::postgres::Lane;
use crate::recipient::zone_to_code;
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Db, Result, sqlite};

/// Numbers to be added to a campaign that has `before` recipients and takes more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Whose campaign it is.
    pub account: AccountId,
    /// Which campaign.
    pub campaign: CampaignId,
    /// How many recipients it has; the first of the new ones is the next.
    pub before: u32,
    /// The numbers, each once, none of them in the campaign already.
    pub numbers: Vec<CompactNumber>,
    /// What is said to each of them alone, in the same order; empty for a message that is the same
    /// for all.
    pub values: Vec<String>,
}

impl Db {
    /// Adds numbers. `false`: the campaign has other recipients by now or takes none any more, and
    /// nothing was changed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was added, unless the answer alone was lost.
    pub async fn import(&self, element: Import) -> Result<bool> {
        let answers = self.run::<Verb>(vec![element]).await?;
        Ok(answers.into_iter().next().expect("one answer for one element"))
    }
}

impl Import {
    fn zones(&self) -> Zones {
        self.numbers.iter().fold(Zones::default(), |zones, number| zones.and(number.zone()))
    }

    /// Each number with the identity of its recipient.
    fn rows(&self) -> impl Iterator<Item = (i64, CompactNumber)> + '_ {
        let first = RecipientId { campaign: self.campaign, n: self.before }.pack();
        (first + 1..).zip(self.numbers.iter().copied())
    }

    /// What is said to each recipient alone.
    fn said(&self) -> impl Iterator<Item = (i64, &str)> + '_ {
        let first = RecipientId { campaign: self.campaign, n: self.before }.pack();
        (first + 1..).zip(self.values.iter().map(String::as_str))
    }
}

/// Counts the new recipients, provided that the campaign has those before and takes more.
const COUNT: &str = "UPDATE campaign SET internal_total = internal_total + $4,
                                         external_total = external_total + $5
                     WHERE id = $1 AND account_id = $2
                       AND internal_total + external_total = $3 AND state NOT IN ($6, $7)";

/// The verb.
pub(crate) struct Verb;

impl super::Verb for Verb {
    type Element = Import;
    type Answer = bool;
    const NAME: &'static str = "import";

    fn sqlite(connection: &Connection<'_>, elements: &[Import]) -> Result<Vec<bool>> {
        elements.iter().map(|element| import_on_sqlite(connection, element)).collect()
    }

    async fn postgres(tx: &Transaction<'_>, elements: &[Import]) -> Answer<Vec<bool>> {
        let mut added = Vec::with_capacity(elements.len());
        // All accounts first, in the order that all verbs keep.
        let accounts: Vec<i64> = elements.iter().map(|element| element.account.0).collect();
        let sql = "SELECT id FROM account WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
        let statement = tx.prepare_cached(sql).await?;
        tx.query(&statement, &[&accounts]).await?;
        for element in elements {
            added.push(import_on_postgres(tx, element).await?);
        }
        Ok(added)
    }

    fn lane(lanes: &Lanes) -> &Lane<Self> {
        &lanes.import
    }
}

fn import_on_sqlite(connection: &Connection<'_>, element: &Import) -> Result<bool> {
    let zones = element.zones();
    let values = values![
        element.campaign,
        element.account,
        element.before,
        zones.internal,
        zones.external,
        State::Finished.word(),
        State::Cancelled.word(),
    ];
    if sqlite::execute(connection, COUNT, values)? == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO recipient (id, number, zone) VALUES ($1, $2, $3)";
    for (id, number) in element.rows() {
        let values = values![id, &number.national(), zone_to_code(number.zone())];
        sqlite::execute(connection, sql, values)?;
    }
    let sql = "INSERT INTO personal (recipient_id, given) VALUES ($1, $2)";
    for (id, given) in element.said() {
        sqlite::execute(connection, sql, values![id, given])?;
    }
    Ok(true)
}

async fn import_on_postgres(tx: &Transaction<'_>, element: &Import) -> Answer<bool> {
    let zones = element.zones();
    let statement = tx.prepare_cached(COUNT).await?;
    let changed = tx
        .execute(
            &statement,
            &[
                &element.campaign.0,
                &element.account.0,
                &i64::from(element.before),
                &i64::from(zones.internal),
                &i64::from(zones.external),
                &State::Finished.word(),
                &State::Cancelled.word(),
            ],
        )
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    let (mut ids, mut numbers, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for (id, number) in element.rows() {
        ids.push(id);
        numbers.push(number.national());
        codes.push(zone_to_code(number.zone()));
    }
    let sql = "INSERT INTO recipient (id, number, zone)
               SELECT * FROM UNNEST($1::BIGINT[], $2::TEXT[], $3::BIGINT[])";
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, &[&ids, &numbers, &codes]).await?;
    if element.values.is_empty() {
        return Ok(true);
    }
    let (ids, given): (Vec<i64>, Vec<&str>) = element.said().unzip();
    let sql = "INSERT INTO personal (recipient_id, given)
               SELECT * FROM UNNEST($1::BIGINT[], $2::TEXT[])";
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, &[&ids, &given]).await?;
    Ok(true)
}
