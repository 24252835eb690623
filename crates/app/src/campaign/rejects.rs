//! The rows of a list that are none, all of them, as a table to be mended. A list is gone through
//! twice, to know how long the table becomes before its first byte is told: none of it is kept.

use domain::campaign::numbers::{InvalidRow, NumberSet, Sifter};
use domain::export::Line;
use domain::template::Template;
use domain::{AccountId, CampaignId};

use super::create::ListRefusal;
use super::list::{List, Unreadable};
use crate::template::of_campaign;
use crate::{App, Error, Failure, Result};

/// What stands above its columns.
const HEADINGS: [&str; 4] = ["row", "text", "value", "why"];
/// What is said of a row without a number that can be called.
const NO_NUMBER: &str = "no_telephone_number";
/// Bytes of a part.
const PART: usize = 64 * 1024;

/// A table of rejected rows that can be written.
pub struct Rejects {
    list: List,
    template: Option<Template>,
    /// How many rows it has, beside that of its headings.
    pub rows: u64,
    /// How long it is.
    pub bytes: u64,
}

/// Goes through a list for a campaign of the account, and tells how many of its rows are none.
/// Whether numbers are in the campaign already does not matter.
///
/// # Errors
/// Refused with [`ListRefusal::NoCampaign`] or [`ListRefusal::Unreadable`].
pub async fn rejects(
    app: &App,
    account: AccountId,
    id: CampaignId,
    list: List,
) -> Result<Rejects, ListRefusal> {
    let mut reads = app.read().await?;
    let campaign = store::campaign::find(&mut reads, account, id).await?;
    let campaign = campaign.ok_or(Error::Refused(ListRefusal::NoCampaign))?;
    let template = of_campaign(&mut reads, &campaign).await?;
    drop(reads);
    let counting = move || -> Result<Rejects, ListRefusal> {
        let mut bytes = 0;
        let rows = each(&list, template.as_ref(), &mut |part| bytes += part.len() as u64)?;
        Ok(Rejects { list, template, rows, bytes })
    };
    tokio::task::spawn_blocking(counting).await.unwrap_or_else(|panic| {
        // As of every file of strangers: its reader may not have thought of everything.
        tracing::warn!(%panic, "a list of numbers could not be gone through");
        Err(Error::Refused(ListRefusal::Unreadable(Unreadable::Broken)))
    })
}

impl Rejects {
    /// Writes it, part by part. Blocks for as long as `write` does.
    ///
    /// # Errors
    /// What the list is read from fails.
    pub fn write(&self, mut write: impl FnMut(String)) -> std::result::Result<(), Failure> {
        let written = each(&self.list, self.template.as_ref(), &mut |part| {
            write(part.to_owned());
        });
        match written {
            Ok(_) => Ok(()),
            Err(Error::Failed(failure)) => Err(failure),
            Err(Error::Refused(_)) => Err(Failure::of("a list changed while it was read")),
        }
    }
}

/// Gives each part of the table to `write`; how many rows it has.
fn each(
    list: &List,
    template: Option<&Template>,
    write: &mut dyn FnMut(&str),
) -> Result<u64, ListRefusal> {
    let mut text = String::new();
    let mut line = Line::of(&mut text);
    for heading in HEADINGS {
        line.text(heading);
    }
    line.end();
    let mut tell = |row: &InvalidRow| {
        written(row, Line::of(&mut text));
        if text.len() >= PART {
            write(&text);
            text.clear();
        }
    };
    // Without room for numbers none is kept.
    let sifter = Sifter::new(NumberSet::default(), 0).filling(template).telling(&mut tell);
    let sifted = list.sifted(sifter, template)?;
    write(&text);
    Ok(sifted.invalid)
}

fn written(row: &InvalidRow, mut line: Line<'_>) {
    line.number(i64::try_from(row.row).ok());
    line.text(&row.excerpt);
    line.text(row.value.as_ref().map_or("", |bad| &bad.name));
    line.text(row.value.as_ref().map_or(NO_NUMBER, |bad| bad.why.word()));
    line.end();
}
