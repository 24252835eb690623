//! Tests of the load, which prove the capacity in a month whose demand never did (A17): a campaign
//! of a sandbox calls the sink through the same dialer, engine and sockets as everybody's, and the
//! minute from its first call on is judged like one of demand. It reaches nobody.

use audio::Clip;
use domain::agreement::capacity::{Minute, is_test_due};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use domain::message::LENGTH_MS_MIN;
use domain::{AccountId, CampaignId, MessageClass, MessageId, Rials, Timestamp};
use store::Tx;
pub use store::capacity_test::{CapacityTest, End};
use store::message::GalleryPage;

use crate::account::{PLAY_MONEY, never_refused};
use crate::agreement::at as agreement_at;
use crate::campaign::{self, NewCampaign, WrittenPlan};
use crate::message::{self, NewUpload};
use crate::request::RequestKey;
use crate::{App, Caller, Error, Failure, Result, promise};

/// Numbers for each start that is promised for a minute: enough wait, also when its minute ends.
const NUMBERS_PER_START: u64 = 2;
/// The most that one test calls.
const NUMBERS_MAX: u64 = 100_000;
const MINUTE_US: i64 = 60_000_000;
/// A test that called nobody for so long is given up and tells nothing, microseconds.
const PATIENCE_US: i64 = 30 * MINUTE_US;
/// How long its message plays, milliseconds.
const CLIP_MS: u32 = LENGTH_MS_MIN + 500;
/// The sandbox's numbers that ring, answer and listen (docs/SANDBOX.md), and their owner's.
const FIRST_NUMBER: u64 = 9_100_000_000;
const MOBILE: &str = "09100000000";
const NAME: &str = "آزمون ظرفیت";

/// Why no test was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestRefusal {
    /// One is under way.
    UnderWay,
}

/// The tests of a month in order.
///
/// # Errors
/// The database failed.
pub async fn of_month(
    app: &App,
    month: PersianMonth,
) -> std::result::Result<Vec<CapacityTest>, Failure> {
    Ok(store::capacity_test::of_month(&mut app.read().await?, month).await?)
}

/// Goes on with the test that is under way, if there is one. Tells what has ended.
///
/// # Errors
/// The database failed, or the campaign is refused; the next look tries again.
pub async fn look(app: &App) -> std::result::Result<Option<CapacityTest>, Failure> {
    let open = store::capacity_test::open(&mut app.read().await?).await?;
    match open {
        Some(test) => go_on(app, test).await,
        None => Ok(None),
    }
}

/// Begins a test if it is time, the month has none that tells anything, and its demand said nothing
/// so far, for which all its sends are read. Tells whether one was begun.
///
/// # Errors
/// The database failed.
pub async fn begin_if_due(app: &App) -> std::result::Result<bool, Failure> {
    let (now, month) = (app.now(), PersianMonth::of(app.now()));
    if !is_test_due(now) {
        return Ok(false);
    }
    let tells = |test: &CapacityTest| test.end.is_none_or(|end| end.minute_from.is_some());
    if of_month(app, month).await?.iter().any(tells) {
        return Ok(false);
    }
    let judged = match promise::month(app, month).await {
        Ok(judged) => judged,
        Err(Error::Failed(failure)) => return Err(failure),
        // The month begins at this very moment.
        Err(Error::Refused(_)) => return Ok(false),
    };
    if judged.capacity.qualifying > 0 {
        return Ok(false);
    }
    match begin(app).await {
        Ok(_) => Ok(true),
        Err(Error::Failed(failure)) => Err(failure),
        // Another process was faster.
        Err(Error::Refused(TestRefusal::UnderWay)) => Ok(false),
    }
}

/// Begins a test of the present month, whatever its demand was.
///
/// # Errors
/// Refused when one is under way; the database failed.
pub async fn begin(app: &App) -> Result<CapacityTest, TestRefusal> {
    let now = app.now();
    app.write(async |tx| {
        if store::capacity_test::open(tx).await?.is_some() {
            return Err(Error::Refused(TestRefusal::UnderWay));
        }
        let month = PersianMonth::of(now);
        let before = store::capacity_test::of_month(tx, month).await?;
        let n = before.last().map_or(1, |last| last.n + 1);
        let account = caller_of_tests(tx, now).await?;
        let test = CapacityTest { month, n, account, begun_at: now, campaign: None, end: None };
        let begun = store::capacity_test::begin(tx, &test).await?;
        if begun { Ok(test) } else { Err(Error::Refused(TestRefusal::UnderWay)) }
    })
    .await
}

/// The sandbox that calls in tests, made with the first.
async fn caller_of_tests(
    tx: &mut Tx,
    now: Timestamp,
) -> std::result::Result<AccountId, store::Error> {
    if let Some(account) = store::capacity_test::account(tx).await? {
        return Ok(account);
    }
    let new = store::account::NewAccount {
        name: NAME.to_owned(),
        mobile: MOBILE.to_owned(),
        opening_credit: Rials::ZERO,
        expires_at: None,
        approves_own_messages: true,
        records_callees: false,
        created_at: now,
        sandbox_of: None,
    };
    let owner = store::account::create(tx, &new).await?;
    let sandbox_of = Some(owner);
    let sandbox = store::account::NewAccount { opening_credit: PLAY_MONEY, sandbox_of, ..new };
    store::account::create(tx, &sandbox).await
}

async fn go_on(
    app: &App,
    test: CapacityTest,
) -> std::result::Result<Option<CapacityTest>, Failure> {
    let test = found_again(app, test).await?;
    let mut reads = app.read().await?;
    let agreement = agreement_at(&mut reads, test.month.start()).await?;
    let starts_min = agreement.draft.parameters.starts_per_minute();
    let numbers = starts_min.saturating_mul(NUMBERS_PER_START).min(NUMBERS_MAX);
    let starts = match test.campaign {
        Some(campaign) => store::capacity_test::starts(&mut reads, campaign).await?,
        None => Vec::new(),
    };
    drop(reads);
    if test.campaign.is_none() && !is_given_up(app, &test) {
        let campaign = made(app, &test, numbers).await?;
        keep_campaign(app, &test, campaign).await?;
        return Ok(None);
    }
    let Some(end) = ended(app, &test, &starts, (numbers, starts_min)) else { return Ok(None) };
    // Before its end is kept: who is killed in between comes back to it.
    if let Some(campaign) = test.campaign {
        campaign::cancel(app, test.account, campaign).await?;
    }
    let done = app.write(async |tx| Ok(store::capacity_test::end(tx, &test, &end).await?));
    done.await.map_err(never_refused)?;
    Ok(Some(CapacityTest { end: Some(end), ..test }))
}

async fn keep_campaign(
    app: &App,
    test: &CapacityTest,
    campaign: CampaignId,
) -> std::result::Result<(), Failure> {
    let kept = app.write(async |tx| Ok(store::capacity_test::call(tx, test, campaign).await?));
    kept.await.map_err(never_refused)
}

/// A test with its campaign, also when whoever made that was killed before it was kept, and so long
/// ago that the test is given up: what calls has to be known to be stopped.
async fn found_again(app: &App, test: CapacityTest) -> std::result::Result<CapacityTest, Failure> {
    if test.campaign.is_some() || !is_given_up(app, &test) {
        return Ok(test);
    }
    let key = request_of(&test).hash();
    let made = store::request::campaign(&mut app.read().await?, test.account, &key).await?;
    let Some(campaign) = made else { return Ok(test) };
    keep_campaign(app, &test, campaign).await?;
    Ok(CapacityTest { campaign: Some(campaign), ..test })
}

/// The name under which a test asks for its campaign.
fn request_of(test: &CapacityTest) -> RequestKey {
    let key = format!("capacity test {} {}", test.month, test.n);
    RequestKey { key, body: Vec::new() }
}

fn is_given_up(app: &App, test: &CapacityTest) -> bool {
    app.now().us_since(test.begun_at) > PATIENCE_US
}

/// What a test came to, once its minute is over or has started enough.
fn ended(
    app: &App,
    test: &CapacityTest,
    starts: &[Timestamp],
    (numbers, starts_min): (u64, u64),
) -> Option<End> {
    let now = app.now();
    let minute_from = starts.first().copied();
    let over = minute_from.map(|from| from.plus_us(MINUTE_US));
    let in_minute = starts.iter().filter(|start| over.is_some_and(|over| **start < over));
    let started = u64::try_from(in_minute.count()).expect("a test calls few");
    let is_over = over.map_or_else(|| is_given_up(app, test), |over| now >= over);
    let minute = Minute { startable: numbers, starts: started };
    (is_over || started >= starts_min).then_some(End { at: now, minute_from, minute })
}

/// The campaign of a test; whenever we are killed, the same one is completed.
async fn made(
    app: &App,
    test: &CapacityTest,
    numbers: u64,
) -> std::result::Result<CampaignId, Failure> {
    let account = store::account::find(&mut app.read().await?, test.account).await?;
    let account = account.ok_or_else(|| Failure::of("the account of tests is gone"))?;
    let caller = Caller { account, token: None };
    let message = sound(app, &caller).await?;
    let list = (0..numbers).map(|n| format!("0{}", FIRST_NUMBER + n)).collect::<Vec<_>>();
    let day = |at: Timestamp| gregorian_date_time(at).split(' ').next().unwrap_or("").to_owned();
    let tomorrow = app.now().plus_us(24 * 60 * MINUTE_US);
    let new = NewCampaign {
        message: message.into(),
        numbers: Some(list.join(",").into()),
        sms: None,
        plan: WrittenPlan {
            title: format!("{NAME} {} / {}", test.month, test.n),
            start: format!("{} 00:00:00", day(app.now())),
            end: format!("{} 23:59:00", day(tomorrow)),
            max_tries: 1,
            minutes_between_tries: 10,
            vote: false,
            record_ms: None,
            server: None,
            priority: 0,
            max_cost: None,
            class: MessageClass::Service,
            opt_out_key: None,
        },
        auto_start: true,
        request: Some(request_of(test)),
    };
    let made = campaign::create(app, &caller, new).await;
    made.map(|made| made.id).map_err(|error| failed("its campaign", error))
}

/// The message that is played, uploaded with the first test.
async fn sound(app: &App, caller: &Caller) -> std::result::Result<MessageId, Failure> {
    let page = GalleryPage { skip: 0, limit: 1, passing_only: false, oldest_first: true };
    let (kept, _) = message::gallery(app, caller, page).await?;
    if let Some(kept) = kept.first() {
        return Ok(kept.id);
    }
    let samples = (0..CLIP_MS * audio::SAMPLE_RATE / 1000)
        .map(|n| if n / 10 % 2 == 0 { 2_000 } else { -2_000 });
    let upload = NewUpload {
        title: NAME.to_owned(),
        bytes: Clip::from_samples(samples.collect()).to_wav(),
        persistent: true,
        call_from_mobile: None,
    };
    let kept = message::upload(app, caller, upload).await;
    kept.map(|kept| kept.id).map_err(|error| failed("its message", error))
}

/// A test is ours: whatever refuses it is a failure.
fn failed<R: std::fmt::Debug>(what: &str, error: Error<R>) -> Failure {
    match error {
        Error::Failed(failure) => failure,
        Error::Refused(why) => Failure::of(format!("a test of the load: {what}: {why:?}")),
    }
}
