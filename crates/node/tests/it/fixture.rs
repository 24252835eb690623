//! A platform without engines: accounts, messages, a node, a flight recorder that survives kills.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use app::ports::{
    Blobs, BoxFuture, Clock, NoSpeech, Rng, SmsFailure, SmsGateway, SmsOut, Speaker, Tts, Voice,
};
use app::{App, Caller, Failure, LiveCalls, Ports, Settings};
use audio::text::Speakable;
use domain::access::Allowed;
use domain::{
    AccountId, Approval, MessageClass, MessageId, QuickSendId, Rials, Status, Timestamp, TokenId,
};
use engine::{
    CallKey, CallSpec, Cause, Command, DialogSnapshot, Event, Keys, Outcome, RtpSummary, Timeline,
};
use node::{
    Caps, Gate, Moment, Node, NodeConfig, Recorder, SLOT_BYTES, SlotError, SlotFile, SlotImage,
    Trunk,
};
use store::quick_send::{Ended, State};

/// 2026-11-22 06:30 UTC, ten in the morning in Tehran.
pub const START: Timestamp = Timestamp(1_795_329_000_000_000);
/// How long every message plays.
pub const CLIP_MS: u32 = 10_000;

/// Slots that outlive a kill, with a switch for a full disk.
#[derive(Clone, Default)]
pub struct MemoryFile {
    pub bytes: Arc<Mutex<Vec<u8>>>,
    pub full: Arc<AtomicBool>,
}

impl SlotFile for MemoryFile {
    fn write_at(&mut self, slot: u32, image: &SlotImage) -> Result<(), SlotError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(SlotError(String::from("no space left")));
        }
        let mut bytes = self.bytes.lock().unwrap();
        let start = slot as usize * SLOT_BYTES;
        if bytes.len() < start + SLOT_BYTES {
            bytes.resize(start + SLOT_BYTES, 0);
        }
        bytes[start..start + SLOT_BYTES].copy_from_slice(image);
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<u8>, SlotError> {
        Ok(self.bytes.lock().unwrap().clone())
    }
}

struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

struct NoSecrets;

impl Rng for NoSecrets {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Nobody writes.
struct NoSms;

impl SmsGateway for NoSms {
    fn name(&self) -> &'static str {
        "none"
    }

    fn send<'a>(&'a self, _: SmsOut<'a>) -> BoxFuture<'a, Result<String, SmsFailure>> {
        let failure = SmsFailure { why: String::from("nobody writes here"), for_good: true };
        Box::pin(async { Err(failure) })
    }
}

/// Says every text as a tone, the longer the text.
struct Hums;

impl Tts for Hums {
    fn identity(&self, _: Speaker) -> Voice {
        Voice { engine: String::new(), name: String::new(), words_per_minute: 150 }
    }

    fn voices(&self) -> Vec<String> {
        Vec::new()
    }

    fn speak<'a>(
        &'a self,
        text: &'a Speakable,
        _: Speaker,
    ) -> BoxFuture<'a, Result<Vec<u8>, NoSpeech>> {
        let samples = (text.as_str().chars().count() + 10) * 80;
        let hum = (0..samples).map(|n| if n % 16 < 8 { 8_000 } else { -8_000 });
        let wav = audio::Clip::from_samples(hum.collect()).to_wav();
        Box::pin(async { Ok(wav) })
    }
}

#[derive(Default)]
struct MemoryBlobs(Mutex<BTreeMap<String, Vec<u8>>>);

impl Blobs for MemoryBlobs {
    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Failure>> {
        self.0.lock().unwrap().insert(name.to_owned(), bytes);
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Failure>> {
        let found = self.0.lock().unwrap().get(name).cloned();
        Box::pin(async { Ok(found) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.0.lock().unwrap().remove(name);
        Box::pin(async { Ok(()) })
    }
}

/// A running platform.
pub struct World {
    pub db: store::Db,
    pub app: Arc<App>,
    pub gate: Gate,
    pub node: Option<Node>,
    pub config: NodeConfig,
    pub file: MemoryFile,
    pub recorder: Option<Recorder<MemoryFile>>,
    pub boot: &'static str,
    pub now: Moment,
    pub database_is_there: bool,
    /// Work of this name fails, though the database is there.
    pub failing: Option<&'static str>,
    /// Calls that the node has started, in order.
    pub started: Vec<CallSpec>,
    pub abandoned: Vec<CallKey>,
    /// Where the abandoned calls are ended.
    pub abandoned_at: Vec<engine::Target>,
    pub released: Vec<CallKey>,
    /// For how many calls the recorder has room.
    pub slots: u32,
    /// Pings that the node has sent: their numbers, and where to.
    pub pings: Vec<(u64, std::net::SocketAddr)>,
    /// Calls that were to be hung up.
    pub hung_up: Vec<CallKey>,
    clock: Arc<AtomicI64>,
    blobs: Arc<MemoryBlobs>,
}

pub fn config(max_channels: u32, max_cps: u32) -> NodeConfig {
    let caps = Caps { max_channels, max_cps };
    let trunk = Trunk::new("north", "192.0.2.1:5060".parse().unwrap(), "02100000000", caps);
    NodeConfig { trunks: vec![trunk], ..NodeConfig::default() }
}

impl World {
    /// A platform with an empty database and a node that has just started.
    pub async fn new(config: NodeConfig) -> Self {
        let db = store::Db::open("sqlite::memory:", store::Options::default()).await.unwrap();
        let clock = Arc::new(AtomicI64::new(START.0));
        let blobs = Arc::new(MemoryBlobs::default());
        let gate = Gate::new(&config, Box::new(|| {}));
        let now = Moment { wall: START, steady: Timestamp(0) };
        let mut world = Self {
            app: assemble(&db, &clock, &blobs, &gate),
            db,
            gate,
            node: None,
            config,
            file: MemoryFile::default(),
            recorder: None,
            boot: "boot-1",
            slots: 64,
            now,
            database_is_there: true,
            failing: None,
            started: Vec::new(),
            abandoned: Vec::new(),
            abandoned_at: Vec::new(),
            released: Vec::new(),
            pings: Vec::new(),
            hung_up: Vec::new(),
            clock,
            blobs,
        };
        world.start().await;
        world
    }

    /// Starts a process: everything in memory is new, the database and the slots are as they were.
    pub async fn start(&mut self) {
        self.gate = Gate::new(&self.config, Box::new(|| {}));
        self.app = assemble(&self.db, &self.clock, &self.blobs, &self.gate);
        let mut recorder = Recorder::open_file(self.file.clone(), self.boot, self.slots).unwrap();
        let (app, gate) = (self.app.clone(), self.gate.clone());
        let config = self.config.clone();
        let node = Node::start(self.now, app, gate, config, &mut recorder).await.unwrap();
        self.node = Some(node);
        self.recorder = Some(recorder);
        self.run().await;
    }

    /// Ends the process as kill -9 does.
    pub fn kill(&mut self) {
        self.node = None;
        self.recorder = None;
        self.started.clear();
        self.abandoned.clear();
        self.released.clear();
    }

    /// Steps until nothing is left to do at this moment.
    pub async fn run(&mut self) {
        loop {
            let node = self.node.as_mut().unwrap();
            let steps = node.step(self.now);
            for (_, command) in steps.commands {
                self.take_command(command);
            }
            for released in steps.released {
                self.recorder.as_mut().unwrap().release(released.call);
                self.released.push(released.call);
            }
            if steps.work.is_empty() {
                return;
            }
            for work in steps.work {
                let fails = !self.database_is_there || self.failing == Some(work.name());
                let done = if fails { work.failed() } else { work.run().await };
                self.node.as_mut().unwrap().on_done(self.now, done);
            }
        }
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Start(spec) => {
                let call = spec.call;
                let opened = self.recorder.as_mut().unwrap().open(call, spec.script.subject_ms());
                match opened {
                    Ok(()) => {
                        self.started.push(*spec);
                        self.tell(Event::Dialling { call });
                    }
                    Err(refused) => self.tell(refused),
                }
            }
            Command::Abandon(abandoned) => {
                self.abandoned.push(abandoned.call);
                self.abandoned_at.push(abandoned.target);
            }
            Command::CheckTrunk(check) => self.pings.push((check.check, check.address)),
            Command::HangUp { call } => self.hung_up.push(call),
            other => panic!("not expected: {other:?}"),
        }
    }

    /// Lets time pass, stepping every 10 ms.
    pub async fn pass_ms(&mut self, ms: i64) {
        for _ in 0..ms / 10 {
            self.now = self.now.plus_us(10_000);
            self.clock.store(self.now.wall.0, Ordering::SeqCst);
            self.run().await;
        }
    }

    /// Lets much time pass, stepping every second.
    pub async fn pass_s(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now = self.now.plus_us(1_000_000);
            self.clock.store(self.now.wall.0, Ordering::SeqCst);
            self.run().await;
        }
    }

    /// Sets the wall clock without moving the steady one.
    pub fn set_wall(&mut self, wall: Timestamp) {
        self.now.wall = wall;
        self.clock.store(wall.0, Ordering::SeqCst);
    }

    /// What a shard does with an event: notes it, then reports it.
    pub fn tell(&mut self, event: Event) {
        self.recorder.as_mut().unwrap().note([&event]);
        self.node.as_mut().unwrap().on_events(self.now, 0, vec![event]);
    }

    pub async fn account(&self, credit: i64) -> (Caller, MessageId) {
        let new = app::account::NewAccount {
            name: String::from("A"),
            mobile: String::from("09120000000"),
            credit: Rials(credit),
            expires_at: None,
            approves_own_messages: true,
            records_callees: false,
        };
        let id = app::account::create(&self.app, new).await.unwrap();
        self.with_message(id).await
    }

    /// The sandbox of a customer.
    pub async fn sandbox_of(&self, of: &(Caller, MessageId)) -> (Caller, MessageId) {
        let (label, allowed) = (String::from("t"), Allowed::default());
        let owner = of.0.account.id;
        let made = app::account::create_sandbox_token(&self.app, owner, label, None, allowed).await;
        self.with_message(made.unwrap().0).await
    }

    /// An account and an approved message of its own.
    async fn with_message(&self, id: AccountId) -> (Caller, MessageId) {
        let blob = format!("clip-{id}");
        let samples = vec![500; CLIP_MS as usize * 8];
        let wav = audio::Clip::from_samples(samples).to_wav();
        self.blobs.put(&blob, wav).await.unwrap();
        let mut tx = self.db.begin().await.unwrap();
        let message = store::message::NewMessage {
            account: id,
            title: String::new(),
            approval: Approval::Approved,
            length_ms: CLIP_MS,
            blob,
            persistent: true,
            created_at: START,
        };
        let message = store::message::insert(&mut tx, &message).await.unwrap();
        tx.commit().await.unwrap();
        (self.caller(id).await, message)
    }

    pub async fn caller(&self, id: AccountId) -> Caller {
        let mut reads = self.db.read().await.unwrap();
        let account = store::account::find(&mut reads, id).await.unwrap().unwrap();
        Caller { account, token: Some(TokenId(1)) }
    }

    /// A customer's quick send; the node has not stepped yet.
    pub async fn submit(&self, of: &(Caller, MessageId), number: &str) -> QuickSendId {
        self.submit_by(of, number, None).await.unwrap()
    }

    /// A customer's quick send of a one-time code.
    pub async fn submit_code(&self, of: &(Caller, MessageId), number: &str) -> QuickSendId {
        let class = MessageClass::OneTimeCode;
        self.submit_like(of, number, |new| new.class = class).await.unwrap()
    }

    /// A customer's quick send by a regional server; `None` when it is refused.
    pub async fn submit_by(
        &self,
        of: &(Caller, MessageId),
        number: &str,
        server: Option<u32>,
    ) -> Option<QuickSendId> {
        self.submit_like(of, number, |new| new.server = server).await
    }

    async fn submit_like(
        &self,
        of: &(Caller, MessageId),
        number: &str,
        change: impl FnOnce(&mut app::quick_send::NewSend),
    ) -> Option<QuickSendId> {
        let caller = self.caller(of.0.account.id).await;
        let mut new = app::quick_send::NewSend {
            message: of.1,
            number: number.to_owned(),
            vote: false,
            record_ms: None,
            server: None,
            reference: None,
            class: MessageClass::Service,
            follow_up: None,
        };
        change(&mut new);
        app::quick_send::submit(&self.app, &caller, new).await.ok().map(|accepted| accepted.id)
    }

    pub async fn state(&self, of: &(Caller, MessageId), send: QuickSendId) -> State {
        let mut reads = self.db.read().await.unwrap();
        let account = of.0.account.id;
        store::quick_send::find(&mut reads, account, send).await.unwrap().unwrap().state
    }

    /// What its customer is told.
    pub async fn status(&self, of: &(Caller, MessageId), send: QuickSendId) -> Status {
        app::quick_send::find(&self.app, &of.0, send).await.unwrap().unwrap().status
    }

    pub async fn ended(&self, of: &(Caller, MessageId), send: QuickSendId) -> Ended {
        match self.state(of, send).await {
            State::Ended(ended) => ended,
            other => panic!("not ended: {other:?}"),
        }
    }

    pub async fn balance(&self, of: &(Caller, MessageId)) -> (i64, i64) {
        let account = self.caller(of.0.account.id).await.account;
        (account.balance.0, account.reserved.0)
    }

    /// The ledger must add up, whatever happened.
    pub async fn audit(&self) {
        let audit = self.db.audit().await.unwrap();
        assert!(audit.is_clean(), "{:?}", audit.violations);
    }

    /// Where the calls went, in order.
    pub fn called_at(&self) -> Vec<String> {
        let address = |spec: &CallSpec| {
            let engine::Target::Address { address, .. } = &spec.target else {
                panic!("not an address: {:?}", spec.target)
            };
            address.ip().to_string()
        };
        self.started.iter().map(address).collect()
    }

    /// The operator replaces the trunks.
    pub async fn set_trunks(&mut self, trunks: Vec<Trunk>) {
        self.node.as_mut().unwrap().set_trunks(self.now, trunks.clone());
        self.config.trunks = trunks;
        self.run().await;
    }

    /// The numbers that were called, in order.
    pub fn called(&self) -> Vec<String> {
        self.started.iter().map(number_of).collect()
    }

    pub fn last_call(&self) -> CallKey {
        self.started.last().expect("a call was started").call
    }
}

fn assemble(
    db: &store::Db,
    clock: &Arc<AtomicI64>,
    blobs: &Arc<MemoryBlobs>,
    gate: &Gate,
) -> Arc<App> {
    let ports = Ports {
        clock: Arc::new(TestClock(clock.clone())),
        rng: Arc::new(NoSecrets),
        tts: Arc::new(Hums),
        blobs: blobs.clone(),
        dispatch: Arc::new(gate.clone()),
        sms: Arc::new(NoSms),
        gateways: Arc::new(app::ports::NoGateways),
    };
    Arc::new(App::new(db.clone(), ports, Arc::new(LiveCalls::default()), Settings::default()))
}

pub fn number_of(spec: &CallSpec) -> String {
    let engine::Target::Address { request_uri, .. } = &spec.target else {
        panic!("not an address: {:?}", spec.target)
    };
    let user = request_uri.strip_prefix("sip:").and_then(|rest| rest.split_once('@'));
    user.expect("a SIP URI with a user").0.to_owned()
}

/// An outcome in which the whole message was heard.
pub fn heard_out() -> Outcome {
    Outcome {
        cause: Cause::Played,
        sip_code: Some(200),
        sip_reason: Some(String::from("OK")),
        q850: None,
        retry_after_s: None,
        answered: true,
        heard_ms: CLIP_MS,
        clip_ms: CLIP_MS,
        heard_to_end: true,
        keys: Keys::default(),
        vote: None,
        answered_by: None,
        early_media: None,
        timeline: Timeline {
            invite_us: Some(10),
            ringing_us: Some(100_000),
            answered_us: Some(1_000_000),
            first_audio_us: Some(1_001_000),
            first_received_us: None,
            ended_us: Some(11_300_000),
        },
        rtp: RtpSummary::default(),
        codec: Some(engine::Codec::Pcma),
        ladder: engine::Ladder::default(),
    }
}

/// The outcome of a busy line.
pub fn busy() -> Outcome {
    Outcome {
        cause: Cause::Failed,
        sip_code: Some(486),
        answered: false,
        heard_ms: 0,
        heard_to_end: false,
        timeline: Timeline { invite_us: Some(10), ended_us: Some(90_000), ..Timeline::default() },
        codec: None,
        ..heard_out()
    }
}

/// The outcome of a call that its trunk refused with this code before anything rang.
pub fn refused(code: u16) -> Outcome {
    Outcome { sip_code: Some(code), ..busy() }
}

/// The outcome of a call that nobody responded to for 32 s.
pub fn silence() -> Outcome {
    Outcome {
        cause: Cause::NoResponse,
        sip_code: None,
        sip_reason: None,
        timeline: Timeline { ended_us: Some(32_000_000), ..busy().timeline },
        ..busy()
    }
}

pub fn ended(call: CallKey, outcome: Outcome) -> Event {
    Event::Ended { call, outcome: Box::new(outcome) }
}

pub fn dialog() -> Arc<DialogSnapshot> {
    Arc::new(DialogSnapshot {
        transport: engine::Transport::Udp,
        destination: "192.0.2.1:5060".parse().unwrap(),
        call_id: b"1-1@avanak.invalid".to_vec(),
        local: b"<sip:a@b>;tag=1".to_vec(),
        remote: b"<sip:c@d>;tag=2".to_vec(),
        remote_target: b"sip:c@192.0.2.1".to_vec(),
        route_set: vec![b"<sip:proxy;lr>".to_vec()],
        next_cseq: 2,
    })
}
