//! `avanak serve`: puts the parts together, runs them, and takes them apart again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use app::{App, LiveCalls, RepeatLimit, Settings};
use clap::Args;
use engine::{EngineConfig, Limits};
use metrics_exporter_prometheus::PrometheusHandle;
use node::{Caps, Gate, Node, NodeConfig, Trunk};
use store::Db;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::{open, say};
use crate::address::Told;
use crate::clock::{self, Clocks};
use crate::config::{Config, ListenV6};
use crate::node_loop::{NodeLoop, Parts};
use crate::open_files::Shares;
use crate::outbound::Outbound;
use crate::registrations::Registrations;
use crate::resolver::Resolver;
use crate::sandbox::{self, SandboxThread};
use crate::shard::{self, Bound, Shards, ShardsConfig};
use crate::trunks::{self, InUse, Places, Reach};
use crate::{
    address, announcements, callbacks, capacity_test, chain, desk, exports, flight_recorder,
    ledger_audit, lock, measuring, month_close, open_files, phones, probe, recordings, sms,
    speaking_ahead, streams, support_line, telemetry, tidying, webhooks,
};

/// Run the platform until it is told to stop (SIGTERM or Ctrl-C). It prints `listening http://…`
/// when it answers.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port of the web services; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
}

/// Commands for the engine that may wait.
const ORDERS: usize = 64;
/// Requests answered at the same time.
const REQUESTS_MAX: usize = 2_048;
/// How many of them may be in methods that speak or decode.
const HEAVY_REQUESTS_MAX: usize = 256;
/// Memory for the bodies of all requests under way.
const BODIES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

impl Serve {
    /// Lays the command line over the configuration.
    pub fn apply(&self, config: &mut Config) {
        if let Some(http) = self.http {
            config.http.listen = http;
        }
    }
}

/// Runs the platform.
///
/// # Errors
/// Whatever kept it from starting, or ended it before it was told to stop.
pub async fn run(mut config: Config) -> Result<ExitCode> {
    telemetry::start_logs(&config.log)?;
    // Before anything counts: what is counted earlier is counted for nobody.
    let metrics = telemetry::start_metrics()?;
    let files = open_files(&config)?;
    let db = open::database(&config).await?;
    check_schema(&db).await?;
    let _lock = lock::take(&config.node.data_dir)?;
    let used = trunks::take_over(&config, db.clone()).await?;
    let advertised = trunks::advertised(&config, &used).await?;
    if advertised.v6.is_none() {
        config.sip.listen_v6 = ListenV6::default();
    }
    let sandbox = start_sandbox(&config, used.is_empty())?;
    let sandbox_trunk =
        sandbox.as_ref().map(|sandbox| sandbox_trunk(&config, sandbox.address)).transpose()?;
    let resolver = Resolver::new(&config.sip)?;
    let sip = config.sip.clone();
    let reach = Reach {
        sip,
        advertised,
        sandbox: sandbox_trunk,
        sandbox_beside: config.sandbox.beside_trunks,
        resolver,
    };
    let mut places = Places::new(reach);
    let found = places.in_use(&used, trunks::START_PATIENCE).await;
    let platform = Platform::start(&config, advertised, (places, found), db.clone()).await?;
    let result = platform.run(&config, files, metrics).await;
    drop(sandbox);
    db.close().await;
    result?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The parts that run side by side.
struct Platform {
    app: Arc<App>,
    node: NodeLoop,
    leads: Arc<AtomicBool>,
    http: TcpListener,
    recordings: JoinHandle<()>,
    support_line: JoinHandle<()>,
}

impl Platform {
    async fn start(
        config: &Config,
        advertised: Told,
        (places, found): (Places, InUse),
        db: Db,
    ) -> Result<Self> {
        let node_config = node_config(config, advertised, found.trunks.clone())?;
        let shards = node_config.shards;
        let http = TcpListener::bind(config.http.listen)
            .await
            .with_context(|| format!("binding the web services at {}", config.http.listen))?;
        let wake = Arc::new(Notify::new());
        let bell = Arc::clone(&wake);
        let gate = Gate::new(&node_config, Box::new(move || bell.notify_one()));
        let ports = open::ports(config, Arc::new(gate.clone()))?;
        let app = Arc::new(App::new(db, ports, Arc::new(LiveCalls::default()), settings(config)));
        let clocks = Clocks::new();
        let recorder = config.node.data_dir.join("flight-recorder");
        let slots = config.sip.max_calls.div_ceil(shards) * shards;
        let slots = u32::try_from(slots).context("sip.max_calls is too large")?;
        let mut recorder = flight_recorder::open(&recorder, slots, &config.database_url())?;
        let node =
            Node::start(clocks.now(), Arc::clone(&app), gate.clone(), node_config, &mut recorder)
                .await
                .map_err(open::failed)
                .context("starting the node")?;
        let (report, events) = shard::event_channel();
        let (tell_names, names) = watch::channel(found.names.clone());
        let spool = config.node.data_dir.join("recordings");
        let (tape, recordings) =
            recordings::start(Arc::clone(&app), config.node.name.clone(), spool).await?;
        let (connections, orders) = streams::order_channel();
        let listening = streams::listen(&config.sip)?;
        let shards_config =
            shards_config(config, shards, (&listening.sip, advertised), connections)?;
        let shards = Shards::start(&shards_config, recorder, Some(&tape), &report)?;
        streams::start(streams::Parts {
            sip: config.sip.clone(),
            listening,
            orders,
            shards: shards.sorter(),
            names,
        })?;
        tell_where(&config.node.name, &shards);
        let (order, orders) = mpsc::channel(ORDERS);
        let (line, support_line) =
            support_line::start(Arc::clone(&app), line_settings(config, advertised), order.clone());
        let numbers = config.support.line.clone();
        let phones = phones::start(Arc::clone(&app), order, line, numbers);
        let trunks =
            trunks::watch(Arc::clone(&app), config.node.name.clone(), (places, found), tell_names);
        let leads = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&leads);
        let parts = Parts {
            node,
            gate,
            clocks,
            shards,
            events,
            phones,
            wake,
            leads: told,
            registrations: Registrations::default(),
            orders,
            trunks,
        };
        Ok(Self { app, node: NodeLoop::new(parts), leads, http, recordings, support_line })
    }

    async fn run(self, config: &Config, files: Shares, metrics: PrometheusHandle) -> Result<()> {
        let address =
            self.http.local_addr().context("asking for the address of the web services")?;
        let (stop_http, http_stop) = watch::channel(false);
        let (stop_node, node_stop) = watch::channel(false);
        let (stop_callbacks, callbacks_stop) = watch::channel(false);
        let sites = Outbound::to_customers(config);
        let events_stop = callbacks_stop.clone();
        let beside = beside(&self.app, config, &callbacks_stop);
        let desk = desk::start(Arc::clone(&self.app), config, callbacks_stop.clone())?;
        let node_name = config.node.name.clone();
        let (chained, broken) = chain::start(
            Arc::clone(&self.app),
            node_name.clone(),
            config.chain_head(),
            callbacks_stop.clone(),
        )
        .await;
        let measuring = measuring::start(Arc::clone(&self.app), node_name, callbacks_stop.clone());
        let told_stop = callbacks_stop.clone();
        let here = own_url(address);
        let announced = announcements::start(Arc::clone(&self.app), config, &here, told_stop)?;
        let webhooks = webhooks::start(Arc::clone(&self.app), sites.clone(), events_stop);
        let callbacks = callbacks::start(Arc::clone(&self.app), sites, callbacks_stop);
        let stopping = http_stop.clone();
        let stopping = Arc::new(move || *stopping.borrow());
        let settings = web_settings(config, self.leads, stopping, broken, metrics);
        let router = web::router(self.app, settings);
        let serving = web::serve(self.http, router, files.connections, stopped(http_stop));
        let mut http = tokio::spawn(serving);
        let drain = Duration::from_secs(config.node.drain_seconds);
        let mut node = tokio::spawn(self.node.run(node_stop, drain));
        let (stop_vantage, vantage_stop) = watch::channel(false);
        let vantage = own_vantage(config, address, vantage_stop).await?;
        say(&format!("listening http://{address}"))?;
        let ended = tokio::select! {
            signal = told_to_stop() => signal,
            ended = &mut node => return ended.context("the node's task")?,
            ended = &mut http => return ended.context("the task of the web services"),
        };
        tracing::info!("stopping: no new work is taken, live calls go on");
        // What it would see from now on proves nothing.
        stop_vantage.send_replace(true);
        if let Some(vantage) = vantage {
            vantage.await.context("the task of the vantage point")?;
        }
        // Nothing new first, then the calls that are there: nobody is left waiting for an answer.
        stop_http.send_replace(true);
        stop_node.send_replace(true);
        node.await.context("the node's task")??;
        // The shards' ends of it went with the node.
        self.recordings.await.context("the task of the recordings")?;
        self.support_line.await.context("the task of the support line")?;
        stop_callbacks.send_replace(true);
        callbacks.await.context("the task of the callbacks")?;
        webhooks.await.context("the task of the webhooks")?;
        announced.await.context("the task of the announcements")?;
        for (name, task) in beside {
            task.await.context(name)?;
        }
        measuring.await.context("the task that judges what was measured")?;
        desk.await.context("the task that looks at the desk's clocks")?;
        chained.await.context("the task that watches the chain of evidence")?;
        http.await.context("the task of the web services")?;
        ended
    }
}

/// The tasks that need little but the use cases and the word to stop, by their names.
fn beside(
    app: &Arc<App>,
    config: &Config,
    stop: &watch::Receiver<bool>,
) -> [(&'static str, JoinHandle<()>); 7] {
    let (app, stop) = (|| Arc::clone(app), || stop.clone());
    let sandbox_beside = config.sandbox.beside_trunks;
    [
        ("the task of the exports", exports::start(app(), stop())),
        ("the task that speaks ahead", speaking_ahead::start(app(), stop())),
        ("the task of SMS", sms::start(app(), stop())),
        ("the task that tidies up", tidying::start(app(), stop())),
        ("the task that closes months", month_close::start(app(), stop())),
        ("the task that audits the books", ledger_audit::start(app(), stop())),
        ("the task that tests the load", capacity_test::start(app(), sandbox_beside, stop())),
    ]
}

/// The web services of this server, as it reaches them itself.
fn own_url(address: SocketAddr) -> String {
    let here = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(here, address.port()))
}

/// The vantage point of this server, if it has a token for one.
async fn own_vantage(
    config: &Config,
    address: SocketAddr,
    stop: watch::Receiver<bool>,
) -> Result<Option<JoinHandle<()>>> {
    if config.measurement.token.0.is_empty() {
        return Ok(None);
    }
    let url = own_url(address);
    let site = probe::Site::new(&url, config.measurement.token.clone(), config)?;
    let directory = config.node.data_dir.join("vantage");
    let settings = super::probe::settings(config, site, directory);
    Ok(Some(probe::start(settings, stop).await.context("starting the vantage point")?))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the program; its end is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

pub async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// As many open files as are wanted and allowed.
fn open_files(config: &Config) -> Result<Shares> {
    let files = open_files::raise(config)?;
    if !files.suffices(config) {
        let (allowed, wanted) = (files.allowed, files.wanted);
        tracing::warn!(
            allowed,
            wanted,
            "too few open files are allowed: 'avanak doctor' says more"
        );
    }
    Ok(files)
}

async fn check_schema(db: &Db) -> Result<()> {
    let health = db.check().await.context("asking the database")?;
    if health.schema != Some(health.newest_schema) {
        bail!(
            "the database's schema is at {}, this program needs {}: run 'avanak migrate'",
            health.schema.unwrap_or(0),
            health.newest_schema
        );
    }
    Ok(())
}

/// Logs where peers reach us.
fn tell_where(node: &str, shards: &Shards) {
    for sip in shards.reached.iter().rev() {
        tracing::info!(%sip, node, shards = shards.count(), "the node is up");
    }
}

fn start_sandbox(config: &Config, alone: bool) -> Result<Option<SandboxThread>> {
    if !alone && !config.sandbox.beside_trunks {
        return Ok(None);
    }
    let heard = config.sandbox.record.then(|| config.heard_dir());
    let sandbox = SandboxThread::start(&config.sandbox, heard)?;
    let address = sandbox.address;
    if alone {
        tracing::info!(%address, "no trunk is configured: calls go to the sandbox");
    } else {
        tracing::info!(%address, "the sandbox takes the calls of sandbox accounts");
    }
    Ok(Some(sandbox))
}

/// How long stories of attempts are kept, milliseconds.
fn ladder_keep_ms(days: u32) -> Option<i64> {
    (days > 0).then(|| i64::from(days) * 24 * 60 * 60 * 1_000)
}

fn node_config(config: &Config, advertised: Told, trunks: Vec<Trunk>) -> Result<NodeConfig> {
    Ok(NodeConfig {
        name: config.node.name.clone(),
        shards: config.sip.shards(),
        trunks,
        host: address::host(advertised.first),
        sip_port: config.sip.listen.port(),
        v6: (config.sip.listen_v6.0.zip(advertised.v6))
            .map(|(listen, told)| (address::host(told), listen.port())),
        ring_timeout_ms: config.calls.ring_timeout_ms,
        machine_detection: config.detection.engine()?,
        ladder_keep_ms: ladder_keep_ms(config.calls.ladder_days),
        ..NodeConfig::default()
    })
}

fn line_settings(config: &Config, advertised: Told) -> node::support_line::Settings {
    node::support_line::Settings {
        node: config.node.name.clone(),
        numbers: config.support.line.clone(),
        greeting: config.support.greeting.clone(),
        host: address::host(advertised.first),
        host_v6: advertised.v6.map(address::host),
        ticket_link: config.support.ticket_link.clone(),
    }
}

/// The default trunk: as many calls as the sandbox takes, with the credentials it documents.
fn sandbox_trunk(config: &Config, address: SocketAddr) -> Result<Trunk> {
    let max_channels =
        u32::try_from(config.sandbox.max_calls).context("sandbox.max_calls is too large")?;
    let auth = carrier::Auth::default();
    let caps = Caps { max_channels, max_cps: config.sandbox.max_cps };
    let credentials = engine::Credentials { username: auth.user, password: auth.password };
    Ok(Trunk {
        credentials: Some(credentials),
        sandbox: !config.sandbox.keeps_hours,
        ..Trunk::new(sandbox::TRUNK, address, "02100000000", caps)
    })
}

fn shards_config(
    config: &Config,
    shards: usize,
    (listen, advertised): (&[SocketAddr], Told),
    connections: mpsc::Sender<engine::Transmit>,
) -> Result<ShardsConfig> {
    Ok(ShardsConfig {
        shards,
        sides: listen.iter().map(|at| bound(*at, advertised)).collect(),
        media_port_first: config.sip.media_port_first,
        media_ports: config.sip.media_ports,
        ignore_sound: config.sip.ignore_sound,
        realtime: config.sip.realtime,
        connections: Some(connections),
        tls_port: Some(config.sip.tls_port).filter(|port| *port != 0),
        engine: EngineConfig {
            sip_local: config.sip.listen,
            rtp: Vec::new(),
            secret: kept_secret(&config.node.data_dir.join("secret"))?,
            fresh_secret: clock::random_secret(),
            realm: String::from(app::phone::REALM),
            phone_digests: config.sip.phone_digests.algorithms(),
            user_agent: String::from(crate::USER_AGENT),
            call_id_prefix: String::new(),
            limits: Limits { calls: config.sip.max_calls, ..Limits::default() },
        },
    })
}

fn bound(listen: SocketAddr, advertised: Told) -> Bound {
    Bound { listen, advertised: advertised.to(listen) }
}

/// The secret that identifiers are derived from. It is kept, so that the next process can end the
/// calls of a killed one.
fn kept_secret(path: &Path) -> Result<[u8; 32]> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::read(path) {
        Ok(bytes) => bytes
            .try_into()
            .ok()
            .with_context(|| format!("{} is not 32 bytes: remove it", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = clock::random_secret();
            let beside = path.with_extension("part");
            std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)
                .and_then(|mut file| file.write_all(&secret).and_then(|()| file.sync_all()))
                .and_then(|()| std::fs::rename(&beside, path))
                .with_context(|| format!("writing {}", path.display()))?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn settings(config: &Config) -> Settings {
    let limit = config.calls.repeat_limit;
    Settings {
        web_enabled: config.http.enabled,
        quick_send_enabled: config.calls.quick_sends,
        secure_call_ms_max: config.secure_call_ms(),
        window: config.window().expect("the configuration was checked"),
        repeats: (limit > 0).then(|| RepeatLimit {
            count: limit,
            interval_ms: i64::from(config.calls.repeat_window_s) * 1000,
        }),
        requests: app::RequestLimits {
            per_address: config.http.requests_per_address,
            per_caller: config.http.requests_per_caller,
            wrong_per_minute: config.http.wrong_per_minute,
        },
        upload_bytes_max: config.audio.upload_limit_bytes,
        decode_ms_max: config.audio.decode_limit_ms.into(),
        private_hosts: config.callbacks.private_hosts.clone(),
        codes_per_number: config.codes.per_number(),
        codes_per_prefix: config.codes.per_prefix(),
        measurement: config.measurement.settings(),
        places: announcements::places(config),
        identity: config.identity.settings(),
        ..Settings::default()
    }
}

fn web_settings(
    config: &Config,
    leads: Arc<AtomicBool>,
    stopping: Arc<dyn Fn() -> bool + Send + Sync>,
    broken: watch::Receiver<Option<String>>,
    metrics: PrometheusHandle,
) -> web::Settings {
    let readiness = move || {
        let reason = "this node does not dial: it is starting or stopping, or has lost its lease";
        leads.load(Ordering::Relaxed).then_some(()).ok_or_else(|| String::from(reason))
    };
    web::Settings {
        body_bytes_max: config.http.body_limit_bytes,
        bodies_bytes_max: BODIES_BYTES_MAX.max(config.http.body_limit_bytes),
        requests_max: REQUESTS_MAX,
        heavy_requests_max: HEAVY_REQUESTS_MAX,
        support_phone: config.support.phone(),
        trusted_proxies: config.trusted_proxies().expect("the configuration was checked"),
        body_timeout: BODY_TIMEOUT,
        readiness: Arc::new(readiness),
        remark: Arc::new(move || broken.borrow().clone()),
        stopping,
        metrics: Arc::new(move || metrics.render()),
    }
}
