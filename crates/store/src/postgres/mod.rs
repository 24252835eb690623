//! PostgreSQL: a pool for everything cold, with timeouts, and a connection of its own for each hot
//! verb, without them.

mod lane;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls};

use crate::hot::Lanes;
use crate::value::Shape;
use crate::{Applied, Error, Options, Result, Row, Value, migrate};
pub(crate) use lane::Lane;

/// How long to try to connect, and to wait for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a dead network may swallow what we send before the connection counts as lost.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// For every connection: queries here are short, compiling them costs more than it gains.
const SETTINGS: &str = "-c jit=off -c default_transaction_isolation=read\\ committed";
/// For hot connections: verbs find rows by key. Without statistics yet (a queue that grew to a
/// million in a minute) the planner would rather read the whole table.
const HOT_SETTINGS: &str = "-c enable_seqscan=off";
/// For cold connections: one that hangs must not hold locks for ever.
const COLD_SETTINGS: &str = "-c statement_timeout=10s -c lock_timeout=5s \
                             -c idle_in_transaction_session_timeout=10s";
/// As many hot connections as lanes.
const HOT_CONNECTIONS: usize = 6;

/// An open PostgreSQL database.
pub(crate) struct Postgres {
    config: Config,
    pool: Pool,
    lanes: Lanes,
}

/// An open transaction; dropping it undoes it.
pub(crate) struct Transaction {
    /// `None` only after the end.
    connection: Option<Object>,
}

impl Postgres {
    /// Connects to `url`.
    pub(crate) async fn open(url: &str, options: Options) -> Result<Self> {
        let config = Config::from_str(url)?;
        if config.get_ssl_mode() == SslMode::Require {
            let why = "sslmode=require: connections to PostgreSQL are not encrypted here; use a \
                       private network or a tunnel, and leave sslmode out";
            return Err(Error::unavailable(why));
        }
        let cold = with_settings(config.clone(), COLD_SETTINGS);
        let pool = new_pool(&cold, options.connections)?;
        let hot = with_settings(config.clone(), HOT_SETTINGS);
        let lanes = Lanes::start(&new_pool(&hot, HOT_CONNECTIONS)?, options.queue);
        // A wrong address shows now and not at the first request.
        drop(pool.get().await?);
        Ok(Self { config: with_settings(config, ""), pool, lanes })
    }

    /// The queues of the hot verbs.
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Brings the schema up to date.
    pub(crate) async fn migrate(&self) -> Result<Applied> {
        let (mut client, connection) = self.config.connect(NoTls).await?;
        let driver = tokio::spawn(connection);
        let applied = migrate::postgres(&mut client, &migrate::files()).await;
        drop(client);
        if let Ok(Err(error)) = driver.await {
            tracing::warn!(%error, "the connection of the migration did not end well");
        }
        applied
    }

    /// Opens a transaction.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        let connection = self.pool.get().await?;
        connection.batch_execute("BEGIN").await?;
        Ok(Transaction { connection: Some(connection) })
    }

    /// The read side: a connection from the pool.
    pub(crate) async fn read(&self) -> Result<Object> {
        Ok(self.pool.get().await?)
    }

    /// Ends the lanes and closes the connections.
    pub(crate) async fn close(&self) {
        self.lanes.close().await;
        self.pool.close();
    }
}

impl Transaction {
    /// How many rows `sql` changed.
    pub(crate) async fn execute(&self, sql: &'static str, values: &[Value]) -> Result<u64> {
        let connection = self.connection();
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.execute(&statement, &parameters(values)).await?)
    }

    /// The rows that `sql` answers with.
    pub(crate) async fn query(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        query(self.connection(), sql, values).await
    }

    /// Ends the transaction.
    pub(crate) async fn commit(mut self) -> Result<()> {
        // Dropping this future in the middle would put a connection back that is still busy with
        // the end of the transaction; so the end is run by a task of its own.
        let connection = self.connection.take().expect("taken only at the end");
        let ended = tokio::spawn(async move {
            let ended = connection.batch_execute("COMMIT").await;
            if ended.is_err() {
                drop(Object::take(connection));
            }
            ended
        });
        Ok(ended.await.map_err(|error| Error::Unavailable(error.into()))??)
    }

    fn connection(&self) -> &Object {
        self.connection.as_ref().expect("taken only at the end")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                if connection.batch_execute("ROLLBACK").await.is_err() {
                    // Closing it undoes the transaction as well.
                    drop(Object::take(connection));
                }
            })),
            Err(_) => drop(Object::take(connection)),
        }
    }
}

/// The rows that `sql` answers with.
pub(crate) async fn query(
    connection: &Object,
    sql: &'static str,
    values: &[Value],
) -> Result<Vec<Row>> {
    let statement = connection.prepare_cached(sql).await?;
    let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let shape = Arc::new(Shape { sql, columns });
    let found = connection.query(&statement, &parameters(values)).await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let values: std::result::Result<Vec<Value>, _> =
            (0..row.len()).map(|column| row.try_get(column)).collect();
        rows.push(Row { shape: Arc::clone(&shape), values: values? });
    }
    Ok(rows)
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// `config` with our settings after those that the operator gave.
fn with_settings(mut config: Config, settings: &str) -> Config {
    let given = config.get_options().unwrap_or_default();
    let options = format!("{given} {SETTINGS} {settings}");
    config.options(options).application_name("avanak");
    config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_TIMEOUT);
    config
}

fn new_pool(config: &Config, size: usize) -> Result<Pool> {
    let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(config.clone(), NoTls, fast))
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .build()
        .map_err(|error| Error::Unavailable(error.into()))
}
