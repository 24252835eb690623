//! A platform for one test: the real store on SQLite in memory, ports that a test can steer, and
//! a check of the books when the test ends. The tests of `web` use this file too.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::account::NewAccount;
use app::dialing::{NodeStamp, ReadyJob};
use app::message::NewUpload;
use app::ports::{
    Blobs, BoxFuture, Clock, Dispatch, Gateways, NoSpeech, Opened, Opening, Reservation, Rng,
    SmsFailure, SmsGateway, SmsOut, Speaker, Tts, Verdict, Voice,
};
use app::{App, Caller, Failure, LiveCalls, Ports, Settings};
use audio::Clip;
use audio::text::Speakable;
use domain::access::{Allowed, Arrival};
use domain::{Destination, Message, Rials, Timestamp};
use store::{Db, Options};
use tokio::sync::Notify;

/// 2026-11-22 12:00 in Tehran.
pub const NOON: Timestamp = Timestamp(1_795_336_200_000_000);
/// A request from this machine, in the open.
pub const HERE: Arrival<'_> = Arrival {
    address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    https: false,
    method: "AccountStatus",
};
/// How long the test voice takes for one character.
pub const MS_PER_CHAR: usize = 150;
/// How long anything that a test waits for may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A platform.
pub struct World {
    pub app: Arc<App>,
    pub db: Db,
    pub clock: Arc<SteeredClock>,
    pub voice: Arc<ToneVoice>,
    pub blobs: Arc<MemoryBlobs>,
    pub dialer: Arc<TestDialer>,
    pub sms: Arc<Letterbox>,
    pub gateways: Arc<TestGateways>,
    closed: AtomicBool,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::at("sqlite::memory:", settings).await
    }

    /// On the database at `url`.
    pub async fn at(url: &str, settings: Settings) -> Self {
        Self::opened(url, settings, Options::default()).await
    }

    /// On the database at `url`, opened in another way.
    pub async fn opened(url: &str, settings: Settings, options: Options) -> Self {
        let db = Db::open(url, options).await.unwrap();
        let clock = Arc::new(SteeredClock(AtomicI64::new(NOON.0)));
        let voice = Arc::new(ToneVoice::default());
        let blobs = Arc::new(MemoryBlobs::default());
        let dialer = Arc::new(TestDialer::default());
        let sms = Arc::new(Letterbox::default());
        let gateways = Arc::new(TestGateways::default());
        let ports = Ports {
            clock: clock.clone(),
            rng: Arc::new(CountingRng::default()),
            tts: voice.clone(),
            blobs: blobs.clone(),
            dispatch: dialer.clone(),
            sms: sms.clone(),
            gateways: gateways.clone(),
        };
        let app = App::new(db.clone(), ports, Arc::new(LiveCalls::default()), settings);
        let closed = AtomicBool::new(false);
        Self { app: Arc::new(app), db, clock, voice, blobs, dialer, sms, gateways, closed }
    }

    /// A customer with this much credit, and a token.
    pub async fn customer(&self, rials: i64) -> (Caller, String) {
        self.customer_like(rials, |_| {}).await
    }

    /// A customer that differs from the usual one.
    pub async fn customer_like(
        &self,
        rials: i64,
        change: impl FnOnce(&mut NewAccount),
    ) -> (Caller, String) {
        let mut new = NewAccount {
            name: String::from("شرکت نمونه"),
            mobile: String::from("09120000001"),
            credit: Rials(rials),
            expires_at: None,
            approves_own_messages: true,
            records_callees: false,
        };
        change(&mut new);
        let id = app::account::create(&self.app, new).await.unwrap();
        let label = String::from("test");
        let allowed = Allowed::default();
        let token = app::account::create_token(&self.app, id, label, None, allowed).await.unwrap();
        let caller = app::caller::authenticate(&self.app, &token.secret, &HERE).await.unwrap();
        (caller, token.secret)
    }

    /// The caller's sandbox, and a token.
    pub async fn sandbox(&self, caller: &Caller) -> (Caller, String) {
        let (id, label) = (caller.account.id, String::from("play"));
        let (_, token) =
            app::account::create_sandbox_token(&self.app, id, label, None, Allowed::default())
                .await
                .unwrap();
        let played = app::caller::authenticate(&self.app, &token.secret, &HERE).await.unwrap();
        (played, token.secret)
    }

    /// The caller with the account as it is now.
    pub async fn refreshed(&self, caller: &Caller) -> Caller {
        let account = app::account::status(&self.app, caller.account.id).await.unwrap().unwrap();
        Caller { account, token: caller.token }
    }

    /// A message of the caller's that plays about this long.
    pub async fn message(&self, caller: &Caller, ms: usize) -> Message {
        let upload = NewUpload {
            title: String::from("پیام"),
            bytes: tone(ms),
            persistent: false,
            call_from_mobile: None,
        };
        app::message::upload(&self.app, caller, upload).await.unwrap()
    }
}

impl World {
    /// Takes the database away, once its books were found to add up.
    pub async fn close_database(&self) {
        let audit = self.db.audit().await.unwrap();
        let chain = app::chain::verify(&self.app, &[]).await.unwrap();
        assert!(audit.is_clean() && chain.wrong.is_empty(), "{audit:?} {:?}", chain.wrong);
        self.books_are_away();
        self.db.clone().close().await;
    }

    /// Says that the database was taken away, so that the books cannot be checked at the end.
    pub fn books_are_away(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whatever a test did, the books must add up, and evidence must say what it said.
    fn check_books(&self) {
        let (db, app) = (self.db.clone(), Arc::clone(&self.app));
        let audited = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                (db.audit().await.unwrap(), app::chain::verify(&app, &[]).await.unwrap())
            })
        });
        let (audit, chain) = audited.join().unwrap();
        assert!(audit.is_clean(), "{audit:?}");
        assert!(chain.wrong.is_empty(), "{:?}", chain.wrong);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.closed.load(Ordering::SeqCst) {
            self.check_books();
        }
    }
}

/// A clock that a test moves.
pub struct SteeredClock(AtomicI64);

impl SteeredClock {
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms * 1000, Ordering::SeqCst);
    }
}

impl Clock for SteeredClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The same secrets in every run, each another.
#[derive(Default)]
pub struct CountingRng(AtomicU64);

impl Rng for CountingRng {
    fn fill(&self, bytes: &mut [u8]) {
        let n = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        for (place, byte) in bytes.iter_mut().rev().zip(n.iter().rev().chain([0; 64].iter())) {
            *place = *byte;
        }
    }
}

/// Says a tone for every text, [`MS_PER_CHAR`] for each character.
#[derive(Default)]
pub struct ToneVoice {
    pub spoken: AtomicUsize,
    /// When set, the next text is spoken only after it was notified.
    pub pause: Mutex<Option<Arc<Notify>>>,
    /// Whether it speaks nothing at all, whatever it answers.
    pub broken: AtomicBool,
    /// Rung when a text begins to be spoken.
    pub bell: Notify,
}

impl Tts for ToneVoice {
    fn identity(&self, speaker: Speaker) -> Voice {
        let name = format!("{speaker:?}");
        Voice { engine: String::from("tone 1"), name, words_per_minute: 150 }
    }

    fn voices(&self) -> Vec<String> {
        Vec::new()
    }

    fn speak<'a>(
        &'a self,
        text: &'a Speakable,
        _: Speaker,
    ) -> BoxFuture<'a, Result<Vec<u8>, NoSpeech>> {
        Box::pin(async move {
            self.spoken.fetch_add(1, Ordering::SeqCst);
            self.bell.notify_one();
            let pause = self.pause.lock().unwrap().take();
            if let Some(pause) = pause {
                pause.notified().await;
            }
            if text.as_str().contains("خراب") {
                return Err(Failure::of("speaking: the engine is missing").into());
            }
            if self.broken.load(Ordering::SeqCst) || text.as_str().contains("نگو") {
                return Err(NoSpeech::Refused(String::from("the service answers 422")));
            }
            if text.as_str().contains("سکوت") {
                return Ok(Clip::from_samples(vec![0; 40_000]).to_wav());
            }
            Ok(tone(text.as_str().chars().count() * MS_PER_CHAR))
        })
    }
}

/// Files in memory.
#[derive(Default)]
pub struct MemoryBlobs {
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// A database that goes away as soon as a file was stored.
    pub after_put: Mutex<Option<Db>>,
}

impl Blobs for MemoryBlobs {
    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Failure>> {
        self.files.lock().unwrap().insert(name.to_owned(), bytes);
        let db = self.after_put.lock().unwrap().take();
        Box::pin(async {
            if let Some(db) = db {
                db.close().await;
            }
            Ok(())
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Failure>> {
        let found = self.files.lock().unwrap().get(name).cloned();
        Box::pin(async { Ok(found) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.files.lock().unwrap().remove(name);
        Box::pin(async { Ok(()) })
    }
}

/// Keeps SMS, or fails as it is told.
#[derive(Default)]
pub struct Letterbox {
    /// Our name for each, to whom and what.
    pub taken: Mutex<Vec<(i64, String, String)>>,
    /// How the next ones fail, the last first.
    pub failing: Mutex<Vec<SmsFailure>>,
    /// Whether each that was asked for was said to be a repetition.
    pub again: Mutex<Vec<bool>>,
    /// Whether it never answers.
    pub hangs: AtomicBool,
}

impl SmsGateway for Letterbox {
    fn name(&self) -> &'static str {
        "letterbox"
    }

    fn send<'a>(&'a self, sms: SmsOut<'a>) -> BoxFuture<'a, Result<String, SmsFailure>> {
        self.again.lock().unwrap().push(sms.again);
        if self.hangs.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        if let Some(failure) = self.failing.lock().unwrap().pop() {
            return Box::pin(async { Err(failure) });
        }
        let letter = (sms.name, sms.number.to_owned(), sms.text.to_owned());
        self.taken.lock().unwrap().push(letter);
        Box::pin(async move { Ok(format!("L{}", sms.name)) })
    }
}

/// Gateways that answer what a test wants.
#[derive(Default)]
pub struct TestGateways {
    /// How a payment is opened; `None`: at an address with its number.
    pub opens: Mutex<Option<Opened>>,
    /// What is said next; `None`: nothing is.
    pub verdicts: Mutex<Vec<Option<Verdict>>>,
    /// The payment about which it never answers.
    pub silent: Mutex<Option<String>>,
}

impl Gateways for TestGateways {
    fn names(&self) -> Vec<String> {
        vec!["zarinpal".to_owned(), "receipt".to_owned()]
    }

    fn open<'a>(&'a self, opening: &'a Opening) -> BoxFuture<'a, Result<Opened, Failure>> {
        let number = opening.number;
        let at =
            || Opened::At { authority: number.to_string(), url: format!("https://pay/{number}") };
        let opened = self.opens.lock().unwrap().clone().unwrap_or_else(at);
        Box::pin(async { Ok(opened) })
    }

    fn verify<'a>(
        &'a self,
        _: &'a str,
        authority: &'a str,
        _: Rials,
    ) -> BoxFuture<'a, Result<Verdict, Failure>> {
        if self.silent.lock().unwrap().as_deref() == Some(authority) {
            return Box::pin(std::future::pending());
        }
        let next = self.verdicts.lock().unwrap().remove(0);
        Box::pin(async move { next.ok_or_else(|| Failure::of("asking: it is silent")) })
    }
}

/// Routes every mobile and Tehran; notes what it is told.
#[derive(Default)]
pub struct TestDialer {
    /// When set, there is room to dial at once on behalf of this node.
    pub room: Mutex<Option<NodeStamp>>,
    /// A database that goes away when room is asked for, which is just before the accept.
    pub last_moment: Mutex<Option<Db>>,
    pub told: Mutex<Vec<(ReadyJob, bool)>>,
    pub bell: Notify,
}

impl TestDialer {
    /// Waits until something was accepted, and gives it away.
    pub async fn next(&self) -> (ReadyJob, bool) {
        let wait = async {
            loop {
                let rung = self.bell.notified();
                if let Some(first) = self.told.lock().unwrap().pop() {
                    return first;
                }
                rung.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("something is accepted")
    }
}

impl Dispatch for TestDialer {
    fn routes(&self, destination: &Destination, server: Option<u32>, _: bool) -> bool {
        let known = ["09", "021"].iter().any(|prefix| destination.as_str().starts_with(prefix));
        known && server.is_none_or(|server| server == 20)
    }

    fn reaches_people(&self) -> bool {
        true
    }

    fn reserve(&self, _: &ReadyJob, _: Timestamp) -> Option<Reservation> {
        if let Some(db) = self.last_moment.lock().unwrap().take() {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            std::thread::spawn(move || runtime.block_on(db.close())).join().unwrap();
        }
        let stamp = (*self.room.lock().unwrap())?;
        Some(Reservation::new(String::from("main"), stamp, Box::new(())))
    }

    fn accepted(&self, job: ReadyJob, reservation: Option<Reservation>) {
        self.told.lock().unwrap().push((job, reservation.is_some()));
        self.bell.notify_one();
    }
}

/// A WAV file with a tone.
pub fn tone(ms: usize) -> Vec<u8> {
    let samples = (0..ms * 8).map(|n| {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a tone")]
        let sample = ((n as f64 * 440.0 / 8000.0 * TAU).sin() * 8000.0) as i16;
        sample
    });
    Clip::from_samples(samples.collect()).to_wav()
}
