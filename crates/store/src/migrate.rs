//! Migrations: forward only, one text for both engines, run by refinery, which also refuses a
//! database whose applied migrations are not the ones in this program.

use std::path::{Path, PathBuf};

use refinery::{Migration, Runner};
use rusqlite::Connection;

use crate::{Error, Result, Source, dialect};

/// Held while migrating, so that two nodes do not do it at once. Any number, the same for ever.
const LOCK: i64 = 0x6176_616e;

/// What migrating did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// How many migrations were run just now.
    pub count: usize,
    /// The version of the schema afterwards.
    pub version: u32,
}

/// A migration as it is shipped: name and text.
pub(crate) type File = (&'static str, &'static str);

/// Every migration, the oldest first. What was shipped is never changed: a test pins them.
const FILES: &[File] = &[
    ("V1__start", include_str!("../migrations/V1__start.sql")),
    ("V2__access", include_str!("../migrations/V2__access.sql")),
    ("V3__recording", include_str!("../migrations/V3__recording.sql")),
    ("V4__trunk", include_str!("../migrations/V4__trunk.sql")),
    ("V5__failover", include_str!("../migrations/V5__failover.sql")),
    ("V7__quality", include_str!("../migrations/V7__quality.sql")),
    ("V8__accept_from", include_str!("../migrations/V8__accept_from.sql")),
    ("V9__ladder", include_str!("../migrations/V9__ladder.sql")),
    ("V10__campaign", include_str!("../migrations/V10__campaign.sql")),
    ("V11__login", include_str!("../migrations/V11__login.sql")),
    ("V12__verification", include_str!("../migrations/V12__verification.sql")),
    ("V13__request", include_str!("../migrations/V13__request.sql")),
    ("V14__secure_call", include_str!("../migrations/V14__secure_call.sql")),
    ("V15__event", include_str!("../migrations/V15__event.sql")),
    ("V16__agreement", include_str!("../migrations/V16__agreement.sql")),
    ("V17__class", include_str!("../migrations/V17__class.sql")),
    ("V18__campaign_request", include_str!("../migrations/V18__campaign_request.sql")),
    ("V19__code", include_str!("../migrations/V19__code.sql")),
    ("V20__abnormal_period", include_str!("../migrations/V20__abnormal_period.sql")),
    ("V21__sandbox", include_str!("../migrations/V21__sandbox.sql")),
    ("V22__opt_out_list", include_str!("../migrations/V22__opt_out_list.sql")),
    ("V23__violation", include_str!("../migrations/V23__violation.sql")),
    ("V24__measurement", include_str!("../migrations/V24__measurement.sql")),
    ("V25__message_decision", include_str!("../migrations/V25__message_decision.sql")),
    ("V26__request_answer", include_str!("../migrations/V26__request_answer.sql")),
    ("V30__money", include_str!("../migrations/V30__money.sql")),
    ("V31__state_interval", include_str!("../migrations/V31__state_interval.sql")),
    ("V36__chain", include_str!("../migrations/V36__chain.sql")),
    ("V37__personal", include_str!("../migrations/V37__personal.sql")),
    ("V38__ticket", include_str!("../migrations/V38__ticket.sql")),
    ("V39__error_report", include_str!("../migrations/V39__error_report.sql")),
    ("V40__announcement", include_str!("../migrations/V40__announcement.sql")),
    ("V41__identity", include_str!("../migrations/V41__identity.sql")),
    ("V42__acceptance", include_str!("../migrations/V42__acceptance.sql")),
    ("V43__sms", include_str!("../migrations/V43__sms.sql")),
    ("V44__payment", include_str!("../migrations/V44__payment.sql")),
    ("V45__desk", include_str!("../migrations/V45__desk.sql")),
    ("V46__paid_and_said", include_str!("../migrations/V46__paid_and_said.sql")),
    ("V47__map", include_str!("../migrations/V47__map.sql")),
    ("V51__capacity_test", include_str!("../migrations/V51__capacity_test.sql")),
    ("V52__may_show", include_str!("../migrations/V52__may_show.sql")),
    ("V55__month_review", include_str!("../migrations/V55__month_review.sql")),
    ("V57__keys", include_str!("../migrations/V57__keys.sql")),
    ("V58__event_of_call", include_str!("../migrations/V58__event_of_call.sql")),
    ("V59__wanted_message", include_str!("../migrations/V59__wanted_message.sql")),
    ("V60__plan_change", include_str!("../migrations/V60__plan_change.sql")),
    ("V61__pace_and_money", include_str!("../migrations/V61__pace_and_money.sql")),
    ("V62__offered_plan", include_str!("../migrations/V62__offered_plan.sql")),
    ("V63__holiday", include_str!("../migrations/V63__holiday.sql")),
    ("V64__ceiling", include_str!("../migrations/V64__ceiling.sql")),
    ("V65__opening_hours", include_str!("../migrations/V65__opening_hours.sql")),
    ("V66__hours_and_causes", include_str!("../migrations/V66__hours_and_causes.sql")),
    ("V67__oversight", include_str!("../migrations/V67__oversight.sql")),
    ("V68__oversight_notice", include_str!("../migrations/V68__oversight_notice.sql")),
    ("V69__support_line", include_str!("../migrations/V69__support_line.sql")),
    ("V70__retry_pause", include_str!("../migrations/V70__retry_pause.sql")),
    ("V71__ledger_audit", include_str!("../migrations/V71__ledger_audit.sql")),
    ("V72__grounds", include_str!("../migrations/V72__grounds.sql")),
    ("V73__policies", include_str!("../migrations/V73__policies.sql")),
    ("V75__one_call_at_a_time", include_str!("../migrations/V75__one_call_at_a_time.sql")),
    ("V76__ledger_by_time", include_str!("../migrations/V76__ledger_by_time.sql")),
    ("V79__duties", include_str!("../migrations/V79__duties.sql")),
    ("V80__touched", include_str!("../migrations/V80__touched.sql")),
    ("V81__due_and_told", include_str!("../migrations/V81__due_and_told.sql")),
    ("V82__reckoned", include_str!("../migrations/V82__reckoned.sql")),
    ("V83__lost_at", include_str!("../migrations/V83__lost_at.sql")),
];

/// Every migration, the oldest first.
pub(crate) fn files() -> Vec<File> {
    FILES.to_vec()
}

/// The version of the newest migration in this program.
pub(crate) fn newest() -> u32 {
    version_of(&files())
}

/// Migrates a SQLite database, after copying its file if it holds data.
pub(crate) fn sqlite(
    connection: &mut Connection,
    path: Option<&Path>,
    files: &[File],
) -> Result<Applied> {
    let lowered: Vec<_> =
        files.iter().map(|(name, sql)| (*name, dialect::lower_migration(sql))).collect();
    let runner = runner(lowered.iter().map(|(name, sql)| (*name, sql.as_str())))?;
    let before = match runner.get_last_applied_migration(connection) {
        Ok(last) => last.map_or(0, |last| last.version()),
        // There is no history in a new database.
        Err(_) if is_new(connection)? => 0,
        Err(error) => return Err(unavailable(error)),
    };
    let newest = version_of(files);
    if let Some(path) = path
        && before > 0
        && i64::from(before) < i64::from(newest)
    {
        copy(connection, &copy_path(path, i64::from(before)))?;
    }
    let report = runner.run(connection).map_err(unavailable)?;
    Ok(Applied { count: report.applied_migrations().len(), version: newest })
}

/// Migrates a PostgreSQL database.
pub(crate) async fn postgres(
    client: &mut tokio_postgres::Client,
    files: &[File],
) -> Result<Applied> {
    let order: i64 = client.query_one(dialect::BYTEWISE_ORDER, &[]).await?.try_get(0)?;
    if order != 1 {
        let why = "the database does not compare text bytewise: create it with \
                   TEMPLATE template0 LOCALE 'C'";
        return Err(Error::unavailable(why));
    }
    let runner = runner(files.iter().copied())?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let report = runner.run_async(client).await.map_err(unavailable);
    // The lock ends with the connection, which the caller closes.
    Ok(Applied { count: report?.applied_migrations().len(), version: version_of(files) })
}

fn runner<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Runner> {
    let migrations: std::result::Result<Vec<Migration>, _> =
        files.map(|(name, sql)| Migration::unapplied(name, sql)).collect();
    Ok(Runner::new(&migrations.map_err(unavailable)?))
}

fn is_new(connection: &Connection) -> Result<bool> {
    let tables: i64 =
        connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(tables == 0)
}

/// Writes a consistent copy of the database, in place of one that an earlier try left.
fn copy(connection: &Connection, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_file(to).map_err(unavailable)?;
    }
    let name = to.to_str().ok_or_else(|| Error::unavailable("the path is not UTF-8"))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    tracing::info!(copy = name, "copied the database before migrating it");
    Ok(())
}

/// Where the copy of version `version` goes: beside the database.
fn copy_path(path: &Path, version: i64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-V{}", version + 1));
    PathBuf::from(name)
}

/// The number in the name of the last migration.
fn version_of(files: &[File]) -> u32 {
    let number = files.last().and_then(|(name, _)| {
        let (number, _) = name.strip_prefix('V')?.split_once("__")?;
        number.parse().ok()
    });
    number.expect("there are migrations, and their names begin with V and a number")
}

fn unavailable(error: impl Into<Source>) -> Error {
    Error::Unavailable(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The oldest migration alone, to which these tests add their own second one.
    fn first() -> Vec<File> {
        files().into_iter().take(1).collect()
    }

    const SECOND: File = ("V2__note", "ALTER TABLE node ADD COLUMN note TEXT;");

    fn opened(path: &Path, files: &[File]) -> Result<Applied> {
        sqlite(&mut Connection::open(path).unwrap(), Some(path), files)
    }

    #[test]
    fn a_file_with_data_is_copied_before_it_is_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let copy = folder.path().join("a.db.before-V2");
        let both = [first(), vec![SECOND]].concat();
        assert_eq!(opened(&path, &first()).unwrap(), Applied { count: 1, version: 1 });
        assert_eq!(opened(&path, &first()).unwrap(), Applied { count: 0, version: 1 });
        std::fs::write(&copy, "left by an earlier try").unwrap();
        assert_eq!(opened(&path, &both).unwrap(), Applied { count: 1, version: 2 });
        let columns = "SELECT COUNT(*) FROM pragma_table_info('node')";
        let count = |path: &Path| -> i64 {
            Connection::open(path).unwrap().query_row(columns, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count(&copy), count(&path)), (4, 5));
    }

    #[test]
    fn a_new_file_needs_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        opened(&path, &[first(), vec![SECOND]].concat()).unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap();
        assert!(names.into_iter().all(|name| name.unwrap().path() == path));
    }

    #[test]
    fn a_newer_or_another_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        opened(&path, &[first(), vec![SECOND]].concat()).unwrap();
        assert!(opened(&path, &first()).is_err());
        let other = [first(), vec![("V2__note", "ALTER TABLE node ADD COLUMN other TEXT;")]];
        assert!(opened(&path, &other.concat()).is_err());
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        opened(&path, &first()).unwrap();
        let broken = ("V2__broken", "CREATE TABLE x (id BIGINT NOT NULL\n);\nSELECT nonsense;");
        assert!(opened(&path, &[first(), vec![broken]].concat()).is_err());
        let tables = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'x'";
        let connection = Connection::open(&path).unwrap();
        let count: i64 = connection.query_row(tables, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
        assert_eq!(opened(&path, &first()).unwrap(), Applied { count: 0, version: 1 });
    }
}
