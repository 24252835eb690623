//! Who handled the case of a claim, as the records say: who was given, answered or found something
//! of the account's tickets, error reports, remote help and calls to the line, and who changed the
//! outages or the month that a figure was made of. They do not decide it (A29, I16).

use domain::Timestamp;
use domain::agreement::claim::Track;
use domain::calendar::day::Day;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
pub use store::claim::Handled;
use store::{Queries, chain};

use super::Kept;
use crate::outage::{Groups, SHOWN_MAX};
use crate::{Failure, support_line};

/// The most records that are looked at: more than an account ever has between an event and its
/// claim.
const RECORDS_MAX: u32 = 10_000;

/// What each handled of a case, by name: what there was between the day of the event and the
/// filing, whenever it was handled.
pub(crate) async fn by_records(
    reads: &mut impl Queries,
    kept: &Kept,
) -> std::result::Result<Vec<Handled>, Failure> {
    let day = Day::of(kept.event_at);
    let filed_at = kept.steps.first().map_or(Timestamp(i64::MAX), |step| step.at);
    let time = Span { from: day.start(), to: filed_at.max(day.end()) };
    let mut handled = store::claim::handled(reads, kept.account, time, RECORDS_MAX).await?;
    if handled.len() >= RECORDS_MAX as usize {
        return Err(Failure::of("finding who handled a case: there are too many records"));
    }
    if kept.track == Track::Availability {
        handled.extend(of_figure(reads, kept, Span { from: day.start(), to: day.end() }).await?);
    }
    let customer = format!("account {}", kept.account);
    let machines = [chain::MACHINE, chain::OPERATOR, support_line::SWITCH, &customer];
    handled.retain(|one| !machines.contains(&one.name.trim()));
    handled.sort_unstable();
    handled.dedup();
    Ok(handled)
}

/// Who said anything of the outages that the account felt on that day, by what they say or ever
/// said, put it into its groups, or revised its month.
async fn of_figure(
    reads: &mut impl Queries,
    kept: &Kept,
    day: Span,
) -> std::result::Result<Vec<Handled>, Failure> {
    let mut handled = Vec::new();
    let joined = store::outage::ever_in(reads, kept.account, day.to).await?;
    let groups = Groups::ever(kept.account, joined.iter().map(|(group, _)| *group));
    for name in joined.into_iter().flat_map(|(_, names)| names) {
        handled.push(Handled { name, kind: "group".to_owned(), id: kept.account.0 });
    }
    for (id, scope) in store::outage::ever_within(reads, day, SHOWN_MAX).await? {
        if groups.feel(&scope) {
            let of = |name| Handled { name, kind: "outage".to_owned(), id };
            handled.extend(store::outage::authors(reads, id).await?.into_iter().map(of));
        }
    }
    let month = PersianMonth::of(kept.event_at);
    for statement in store::month_statement::of_month(reads, Some(kept.account), month).await? {
        let id = i64::from(statement.revision);
        let signed = statement.signed.map(|(_, name)| name);
        handled.extend(signed.map(|name| Handled { name, kind: "revision".to_owned(), id }));
    }
    Ok(handled)
}
