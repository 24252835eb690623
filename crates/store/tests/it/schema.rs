//! The two schemas and every statement against them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use store::Queries as _;
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;

use crate::world::World;

/// What was shipped is never changed: a new migration is a new file and a new line here.
#[test]
fn shipped_migrations_are_pinned() {
    let shipped = [
        ("V1__start.sql", 0x50eb_1d7c_0a1d_7d27),
        ("V2__access.sql", 0x1fe6_fb27_9bce_c34b),
        ("V3__recording.sql", 0x09ff_e12b_108b_61a4),
        ("V4__trunk.sql", 0x7bbb_3a78_c67b_a596),
        ("V5__failover.sql", 0x76ed_6038_3bec_b481),
        ("V7__quality.sql", 0x301e_5cc6_a79b_0143),
        ("V8__accept_from.sql", 0xa495_5161_4f4d_344a),
        ("V9__ladder.sql", 0x0814_f79d_a938_f30c),
        ("V10__campaign.sql", 0x52ae_ce3c_69ff_d830),
        ("V11__login.sql", 0xb2cc_0089_ade6_4eeb),
        ("V12__verification.sql", 0xa888_4225_fb80_de6e),
        ("V13__request.sql", 0x694e_2280_0961_3c16),
        ("V14__secure_call.sql", 0xb992_afc1_6749_3bd6),
        ("V15__event.sql", 0xf4d0_8f8f_eb19_8f0e),
        ("V16__agreement.sql", 0x2c0d_b087_f4f2_d670),
        ("V17__class.sql", 0x1166_6c5f_1342_f3a4),
        ("V18__campaign_request.sql", 0xb29c_08fd_a40c_292a),
        ("V19__code.sql", 0xc45c_8a62_ac53_5458),
        ("V20__abnormal_period.sql", 0xf55b_d604_fb25_f403),
        ("V21__sandbox.sql", 0x5df5_b720_9d51_6198),
        ("V22__opt_out_list.sql", 0x5571_6e98_d793_dc6e),
        ("V23__violation.sql", 0xe197_8672_9862_2191),
        ("V24__measurement.sql", 0x55c8_26fa_8720_3e87),
        ("V25__message_decision.sql", 0xda48_f221_8658_829b),
        ("V26__request_answer.sql", 0x3363_6e0e_db0d_f35d),
        ("V30__money.sql", 0xae46_d8f2_68f9_8b3a),
        ("V31__state_interval.sql", 0xfe39_d69c_115c_9f7a),
        ("V36__chain.sql", 0x5cd8_1c82_0278_20d1),
        ("V37__personal.sql", 0x9e2a_aa4c_ddf4_1c8b),
        ("V38__ticket.sql", 0xba52_428c_666a_d8b1),
        ("V39__error_report.sql", 0x4d19_090c_c0b9_49f6),
        ("V40__announcement.sql", 0xe62d_921f_b09e_4d4d),
        ("V41__identity.sql", 0xe7b8_70ed_996c_972f),
        ("V42__acceptance.sql", 0x60d9_39fa_9e96_3bd7),
        ("V43__sms.sql", 0xd240_7d30_ea05_35d5),
        ("V44__payment.sql", 0xa325_bc85_2796_f765),
        ("V45__desk.sql", 0xe5c1_25f4_2f69_490f),
        ("V46__paid_and_said.sql", 0xb339_bb3d_aa76_07c5),
        ("V47__map.sql", 0x56c3_fe2d_5f13_2ed1),
        ("V51__capacity_test.sql", 0x52d5_6a23_6b52_33a0),
        ("V52__may_show.sql", 0x8f52_4e80_4ad2_d7cc),
        ("V55__month_review.sql", 0x1b00_bd8c_f9f6_89c8),
        ("V57__keys.sql", 0x9b8c_ce77_2fbe_777e),
        ("V58__event_of_call.sql", 0xb9d7_c002_366d_58c1),
        ("V59__wanted_message.sql", 0x37d6_57ec_a995_bd6c),
        ("V60__plan_change.sql", 0x1d81_56c1_65dc_3d67),
        ("V61__pace_and_money.sql", 0x1ab4_24a4_0562_8d12),
        ("V62__offered_plan.sql", 0x9e39_e3b4_c389_421f),
        ("V63__holiday.sql", 0x0cb3_cf62_5d51_d086),
        ("V64__ceiling.sql", 0x8787_d85e_e3a9_ae7c),
        ("V65__opening_hours.sql", 0x231b_0361_21d0_7f46),
        ("V66__hours_and_causes.sql", 0xc650_12d4_9142_6a83),
        ("V67__oversight.sql", 0x24bf_e475_83b7_83cf),
        ("V68__oversight_notice.sql", 0x605a_5542_2d62_7068),
        ("V69__support_line.sql", 0xbdb8_1d25_5e1d_3403),
        ("V70__retry_pause.sql", 0x79c0_ed5f_d639_1f14),
        ("V71__ledger_audit.sql", 0x7ed6_b97a_5c36_1925),
        ("V72__grounds.sql", 0x7844_2246_bd9f_1c5a),
        ("V73__policies.sql", 0x883f_d818_34c5_2b68),
        ("V75__one_call_at_a_time.sql", 0xea60_b12c_148b_06a4),
        ("V76__ledger_by_time.sql", 0xa45a_a1c4_214d_4d0f),
        ("V79__duties.sql", 0xf886_aab2_e1a3_96b4),
        ("V80__touched.sql", 0xc2cd_4d53_499c_5a1a),
        ("V81__due_and_told.sql", 0x57c0_25b5_8644_097f),
        ("V82__reckoned.sql", 0x8e00_22cd_8473_0987),
        ("V83__lost_at.sql", 0x1417_1a27_45c4_cc7f),
    ];
    let folder = crate_folder().join("migrations");
    let files: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, shipped.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (name, sum) in shipped {
        let text = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(fnv(&text), sum, "{name} was changed: {:#x}", fnv(&text));
    }
}

/// FNV-1a: nobody attacks this sum, it only has to notice a change.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Each change of the SQLite schema shows in review.
#[tokio::test]
async fn the_sqlite_schema() {
    let world = World::sqlite().await;
    let connection = open(&world);
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")
        .unwrap();
    let parts = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let text: String = parts.fold(String::new(), |text, part| text + &part.unwrap() + ";\n\n");
    compare(&text, "schema.sqlite.snap");
    world.end().await;
}

/// Each change of the PostgreSQL schema shows in review.
#[tokio::test]
async fn the_postgres_schema() {
    let Some(world) = World::postgres().await else { return };
    compare(&postgres_shape(&world.url).await.join("\n"), "schema.postgres.snap");
    world.end().await;
}

/// Both engines have the same tables, columns, types, keys and indexes.
#[tokio::test]
async fn the_schemas_are_the_same() {
    let Some(postgres) = World::postgres().await else { return };
    let sqlite = World::sqlite().await;
    assert_eq!(sqlite_shape(&open(&sqlite)), postgres_shape(&postgres.url).await);
    sqlite.end().await;
    postgres.end().await;
}

/// Every statement of this crate can be prepared on every engine that it is for.
#[tokio::test]
async fn every_statement_is_prepared() {
    let statements = statements();
    let (for_sqlite, for_postgres): (Vec<&String>, Vec<&String>) = (
        statements.iter().filter(|sql| !is_postgres_only(sql)).collect(),
        statements.iter().filter(|sql| !sql.contains("sqlite_")).collect(),
    );
    assert!(for_sqlite.len() > 60 && for_postgres.len() > 70, "{statements:#?}");

    let world = World::sqlite().await;
    let connection = open(&world);
    for sql in for_sqlite {
        if let Err(error) = connection.prepare(&sql.replace('$', "?")) {
            panic!("{error}\n{sql}");
        }
    }
    world.end().await;

    let Some(world) = World::postgres().await else { return };
    let (client, driver) = tokio_postgres::connect(&world.url, NoTls).await.unwrap();
    let driver = tokio::spawn(driver);
    for sql in for_postgres {
        let statement = match client.prepare(sql).await {
            Ok(statement) => statement,
            Err(error) => panic!("{error:?}\n{sql}"),
        };
        let columns = statement.columns().iter().map(|column| column.type_().clone());
        for kind in columns.chain(statement.params().iter().cloned()) {
            assert!(is_of_the_subset(&kind), "{kind} in\n{sql}");
        }
    }
    drop(client);
    driver.await.unwrap().unwrap();
    world.end().await;
}

fn is_postgres_only(sql: &str) -> bool {
    let words = ["UNNEST(", "ANY($", "FOR NO KEY UPDATE", "FOR SHARE", "SET LOCAL", "pg_"];
    let functions = [" version()", "clock_timestamp()"];
    words.iter().chain(&functions).any(|word| sql.contains(word))
}

fn is_of_the_subset(kind: &Type) -> bool {
    let arrays = [Type::INT8_ARRAY, Type::TEXT_ARRAY, Type::BYTEA_ARRAY];
    [Type::INT8, Type::TEXT, Type::BYTEA, Type::VOID].contains(kind) || arrays.contains(kind)
}

/// Every literal of the sources that starts like a statement.
fn statements() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![crate_folder().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let source = std::fs::read_to_string(path).unwrap();
                let shipped = source.split("#[cfg(test)]").next().unwrap();
                found.extend(literals(shipped).into_iter().filter(|text| is_statement(text)));
            }
        }
    }
    found
}

fn is_statement(text: &str) -> bool {
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "SET "]
        .iter()
        .any(|word| text.trim_start().starts_with(word))
}

/// The string literals of a source file. Knows comments, escapes and character literals.
fn literals(source: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some(place) = rest.find(['"', '/', '\'']) {
        let tail = &rest[place..];
        rest = if tail.starts_with("//") {
            &tail[tail.find('\n').unwrap_or(tail.len())..]
        } else if let Some(text) = tail.strip_prefix('"') {
            let (literal, after) = literal(text);
            found.push(literal);
            after
        } else if let Some(after) = tail.strip_prefix("'\"'") {
            after
        } else {
            &tail[1..]
        };
    }
    found
}

fn literal(text: &str) -> (String, &str) {
    let (mut literal, mut letters) = (String::new(), text.char_indices());
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return (literal, &text[place + 1..]),
            '\\' => drop(letters.next()),
            letter => literal.push(letter),
        }
    }
    panic!("a literal without an end");
}

/// The schema in neutral words, from SQLite's catalogue.
fn sqlite_shape(connection: &Connection) -> Vec<String> {
    let sql = "SELECT m.name || '.' || c.name || ' '
                      || CASE c.type WHEN 'INTEGER' THEN 'BIGINT' WHEN 'BLOB' THEN 'BYTEA'
                         ELSE c.type END
                      || CASE WHEN c.[notnull] = 1 OR c.pk > 0 THEN ' NOT NULL' ELSE '' END
               FROM sqlite_master m JOIN pragma_table_info(m.name) c
               WHERE m.type IN ('table') AND m.name <> 'refinery_schema_history'
               UNION ALL
               SELECT m.name || ' KEY (' || (
                          SELECT group_concat(name, ', ')
                          FROM (SELECT name FROM pragma_table_info(m.name)
                                WHERE pk > 0 ORDER BY pk)) || ')'
               FROM sqlite_master m
               WHERE m.type = 'table' AND m.name <> 'refinery_schema_history'
               UNION ALL
               SELECT m.name || CASE i.[unique] WHEN 1 THEN ' UNIQUE (' ELSE ' INDEX (' END || (
                          SELECT group_concat(name, ', ')
                          FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
                      || ')' || CASE i.partial WHEN 1 THEN ' partial' ELSE '' END
               FROM sqlite_master m JOIN pragma_index_list(m.name) i
               WHERE i.origin <> 'pk' AND m.type = 'table'
               UNION ALL
               SELECT m.name || ' -> ' || f.[table] || ' (' || f.[from] || ')'
               FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
               WHERE m.type = 'table'";
    let mut statement = connection.prepare(sql).unwrap();
    let lines = statement.query_map([], |row| row.get(0)).unwrap();
    let mut lines: Vec<String> = lines.map(Result::unwrap).collect();
    lines.sort();
    lines
}

/// The schema in neutral words, from PostgreSQL's catalogue.
async fn postgres_shape(url: &str) -> Vec<String> {
    let sql = "SELECT c.table_name || '.' || c.column_name || ' ' || upper(c.data_type)
                      || CASE c.is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
               FROM information_schema.columns c
               JOIN information_schema.tables t
                 ON t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
               WHERE c.table_schema = 'public' AND c.table_name <> 'refinery_schema_history'
               UNION ALL
               SELECT t.relname
                      || CASE WHEN i.indisprimary THEN ' KEY (' WHEN i.indisunique
                         THEN ' UNIQUE (' ELSE ' INDEX (' END
                      || (SELECT string_agg(a.attname, ', ' ORDER BY k.place)
                          FROM unnest(i.indkey::int[]) WITH ORDINALITY AS k (column_place, place)
                          JOIN pg_attribute a
                            ON a.attrelid = t.oid AND a.attnum = k.column_place)
                      || ')' || CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END
               FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
               JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
               WHERE t.relname <> 'refinery_schema_history'
               UNION ALL
               SELECT t.relname || ' -> ' || r.relname || ' (' || a.attname || ')'
               FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
               JOIN pg_class r ON r.oid = c.confrelid
               JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
               WHERE c.contype = 'f'";
    let (client, driver) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(driver);
    let rows = client.query(sql, &[]).await.unwrap();
    let mut lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    drop(client);
    driver.await.unwrap().unwrap();
    lines.sort();
    lines
}

/// Compares with the kept text; `AVANAK_UPDATE_SNAPSHOTS=1` keeps this one instead.
#[expect(clippy::disallowed_methods, reason = "how a developer says that a change is meant")]
fn compare(text: &str, name: &str) {
    let path = crate_folder().join("tests/it").join(name);
    if std::env::var("AVANAK_UPDATE_SNAPSHOTS").is_ok() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let mut changes = String::new();
    for line in text.lines().filter(|line| !kept.lines().any(|other| other == *line)) {
        writeln!(changes, "+{line}").unwrap();
    }
    for line in kept.lines().filter(|line| !text.lines().any(|other| other == *line)) {
        writeln!(changes, "-{line}").unwrap();
    }
    assert!(text == kept, "{name} differs; AVANAK_UPDATE_SNAPSHOTS=1 keeps it:\n{changes}");
}

/// A second look at a world's file.
fn open(world: &World) -> Connection {
    Connection::open(world.url.strip_prefix("sqlite:").unwrap()).unwrap()
}

fn crate_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The posting view is readable as text and amounts.
#[tokio::test]
async fn the_ledger_is_a_view() {
    let world = World::sqlite().await;
    let account = world.account(10).await;
    let mut reader = world.db.read().await.unwrap();
    let sql = "SELECT transfer, ledger_account, amount FROM posting ORDER BY amount";
    let rows = reader.query(sql, &[]).await.unwrap();
    let line = |row: &store::Row| -> (String, i64) {
        (row.get("ledger_account").unwrap(), row.get("amount").unwrap())
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    assert_eq!(lines, [(String::from("cash"), -10), (format!("customer:{account}"), 10)]);
    world.end().await;
}
