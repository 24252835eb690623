//! One-time codes that the platform keeps, from the first call to the last try.

use std::sync::atomic::Ordering;

use app::kept_code::{
    CheckRefusal, Code, NewCode, SendRefusal, check, find, look_after, resend, start,
};
use app::ports::Speaker;
use app::quick_send::TextRefusal;
use app::request::RequestKey;
use app::{Caller, Error, Settings};
use domain::Rials;
use domain::kept_code::{State, Velocity};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::world::World;

const NUMBER: &str = "09121234567";

fn new() -> NewCode {
    NewCode {
        number: String::from(NUMBER),
        length: Some(4),
        own: None,
        life_seconds: None,
        template: None,
        speaker: Speaker::default(),
        server: None,
        max_cost: None,
        request: None,
    }
}

async fn started(world: &World, caller: &Caller, new: NewCode) -> Code {
    start(&world.app, caller, new).await.unwrap().0
}

/// Goal: a customer brings its own digits, which are spoken, kept and checked as ours are, but are
/// no proof of anything to us.
#[tokio::test]
async fn a_customer_brings_its_own_digits() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    let own = |digits: &str| NewCode { length: None, own: Some(digits.to_owned()), ..new() };
    let code = started(&world, &caller, own("۴۸۱۵")).await;
    assert_eq!(digits(&world, &caller, &code).await, "4815");
    let mut reads = world.db.read().await.unwrap();
    let kept = store::kept_code::find(&mut reads, caller.account.id, code.id).await.unwrap();
    assert!(kept.unwrap().own_words, "who brought the digits knew them without a call");
    drop(reads);
    let checked = check(&world.app, &caller, code.id, "4815").await.unwrap();
    assert_eq!(checked.state, State::Approved);
    for wrong in ["123", "123456789", "12a4", ""] {
        let refusal = refused(&world, &caller, own(wrong)).await;
        assert_eq!(refusal, SendRefusal::LengthNotAllowed, "{wrong}");
    }
    let both = NewCode { length: Some(4), ..own("4815") };
    assert_eq!(refused(&world, &caller, both).await, SendRefusal::LengthNotAllowed);
}

/// What a start is refused for.
async fn refused(world: &World, caller: &Caller, new: NewCode) -> SendRefusal {
    match start(&world.app, caller, new).await {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// The digits, found as whoever has the whole database and patience would.
async fn digits(world: &World, caller: &Caller, code: &Code) -> String {
    let mut reads = world.db.read().await.unwrap();
    let kept = store::kept_code::find(&mut reads, caller.account.id, code.id).await.unwrap();
    let kept = kept.unwrap();
    let is_it = |digits: &String| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&kept.salt).unwrap();
        mac.update(digits.as_bytes());
        mac.verify_slice(&kept.hash).is_ok()
    };
    (0..10_000).map(|n| format!("{n:04}")).find(is_it).unwrap()
}

/// Four other digits.
fn another(digits: &str) -> String {
    format!("{:04}", (digits.parse::<u32>().unwrap() + 1) % 10_000)
}

async fn answer(
    world: &World,
    caller: &Caller,
    code: &Code,
    typed: &str,
) -> Result<Code, CheckRefusal> {
    match check(&world.app, caller, code.id, typed).await {
        Ok(code) => Ok(code),
        Err(Error::Refused(refusal)) => Err(refusal),
        Err(Error::Failed(failure)) => panic!("{}", failure.chain()),
    }
}

/// Goal: a code is spoken first of all, is right once, and is seen by nobody.
#[tokio::test]
async fn the_right_digits_are_taken_once() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    let code = started(&world, &caller, new()).await;
    assert_eq!((code.state, code.checks_left, code.sends_left), (State::Pending, 5, 4));
    let (job, _) = world.dialer.next().await;
    assert_eq!((job.class, job.destination.as_str(), Some(job.quick_send)), (0, NUMBER, code.send));
    let mut reads = world.db.read().await.unwrap();
    let message = store::message::find(&mut reads, caller.account.id, job.message).await.unwrap();
    assert_eq!(message, None, "the customer cannot listen to it");
    let right = digits(&world, &caller, &code).await;
    let wrong = another(&right);
    assert_eq!(answer(&world, &caller, &code, &wrong).await, Err(CheckRefusal::Wrong(4)));
    assert_eq!(answer(&world, &caller, &code, "12").await, Err(CheckRefusal::NoCode));
    let (stranger, _) = world.customer(0).await;
    let theirs = answer(&world, &stranger, &code, &right).await;
    assert_eq!(theirs, Err(CheckRefusal::NoSuchCode));
    let persian: String = right
        .chars()
        .map(|digit| char::from_u32(u32::from(digit) - 0x30 + 0x6f0).unwrap())
        .collect();
    let approved = answer(&world, &caller, &code, &persian).await.unwrap();
    assert_eq!((approved.state, approved.checks_left), (State::Approved, 3));
    let again = answer(&world, &caller, &code, &right).await;
    assert_eq!(again, Err(CheckRefusal::Over(State::Approved)));
}

/// Goal: five tries, not one more, also when they come at once.
#[tokio::test]
async fn tries_run_out() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    let code = started(&world, &caller, new()).await;
    let right = digits(&world, &caller, &code).await;
    let wrong = another(&right);
    let try_it = || answer(&world, &caller, &code, &wrong);
    let (a, b, c, d) = tokio::join!(try_it(), try_it(), try_it(), try_it());
    let mut left: Vec<u32> = [a, b, c, d]
        .into_iter()
        .map(|refused| match refused {
            Err(CheckRefusal::Wrong(left)) => left,
            other => panic!("{other:?}"),
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [1, 2, 3, 4]);
    assert_eq!(try_it().await, Err(CheckRefusal::Over(State::Exhausted)));
    let late = answer(&world, &caller, &code, &right).await;
    assert_eq!(late, Err(CheckRefusal::Over(State::Exhausted)));
    assert_eq!(find(&world.app, &caller, code.id).await.unwrap().unwrap().checks_left, 0);
}

/// Goal: the same code is said again after a pause, a few times, and its life is not longer for it.
#[tokio::test]
async fn a_code_is_said_again() {
    let generous = Velocity { count: 100, within_ms: 1_000 };
    let world = World::with(Settings { codes_per_number: generous, ..Settings::default() }).await;
    let (caller, _) = world.customer(1_000_000).await;
    let code = started(&world, &caller, new()).await;
    let (first, _) = world.dialer.next().await;
    let soon = resend(&world.app, &caller, code.id).await;
    let at = code.created_at.plus_ms(30_000);
    assert!(matches!(soon, Err(Error::Refused(SendRefusal::TooSoon(told))) if told == at));
    let spoken = world.voice.spoken.load(Ordering::SeqCst);
    for n in 2..=5 {
        world.clock.advance_ms(30_000);
        let again = resend(&world.app, &caller, code.id).await.unwrap();
        assert_eq!((again.sends_left, again.expires_at), (5 - n, code.expires_at));
        let (job, _) = world.dialer.next().await;
        assert_eq!((job.message, job.blob, job.class), (first.message, first.blob.clone(), 0));
        assert_eq!(again.send, Some(job.quick_send));
    }
    assert_eq!(world.voice.spoken.load(Ordering::SeqCst), spoken, "nothing is spoken anew");
    world.clock.advance_ms(30_000);
    let often = resend(&world.app, &caller, code.id).await;
    assert!(matches!(often, Err(Error::Refused(SendRefusal::SaidTooOften))));
    let (stranger, _) = world.customer(0).await;
    let theirs = resend(&world.app, &stranger, code.id).await;
    assert!(matches!(theirs, Err(Error::Refused(SendRefusal::NoSuchCode))));
}

/// Goal: a code ends when its time is over or a newer one is made, and its sound goes with it.
#[tokio::test]
async fn codes_end() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    let old = started(&world, &caller, new()).await;
    let right = digits(&world, &caller, &old).await;
    let newer = started(&world, &caller, NewCode { life_seconds: Some(60), ..new() }).await;
    let replaced = answer(&world, &caller, &old, &right).await;
    assert_eq!(replaced, Err(CheckRefusal::Over(State::Replaced)));
    let right = digits(&world, &caller, &newer).await;
    let blobs = || {
        world.blobs.files.lock().unwrap().keys().filter(|name| name.starts_with("message/")).count()
    };
    world.clock.advance_ms(60_000);
    let late = answer(&world, &caller, &newer, &right).await;
    assert_eq!(late, Err(CheckRefusal::Over(State::Expired)));
    let again = resend(&world.app, &caller, newer.id).await;
    assert!(matches!(again, Err(Error::Refused(SendRefusal::Over(State::Expired)))));
    look_after(&world.app).await.unwrap();
    assert_eq!(blobs(), 2, "its last call may still begin");
    world.clock.advance_ms(30 * 60_000);
    look_after(&world.app).await.unwrap();
    assert_eq!(blobs(), 0);
    assert!(find(&world.app, &caller, newer.id).await.unwrap().is_some());
    world.clock.advance_ms(31 * 86_400_000);
    look_after(&world.app).await.unwrap();
    assert_eq!(find(&world.app, &caller, newer.id).await.unwrap(), None);
}

/// Goal: a number is not called for codes without end, whoever asks, nor the numbers beside it.
#[tokio::test]
async fn velocity_is_bounded() {
    let settings = Settings {
        codes_per_number: Velocity { count: 2, within_ms: 60_000 },
        codes_per_prefix: Velocity { count: 3, within_ms: 60_000 },
        ..Settings::default()
    };
    let world = World::with(settings).await;
    let (caller, _) = world.customer(1_000_000).await;
    let (other, _) = world.customer(1_000_000).await;
    let to = |number: &str| NewCode { number: number.to_owned(), ..new() };
    started(&world, &caller, to(NUMBER)).await;
    started(&world, &other, to("+98 912 123 4567")).await;
    let at = world.app.now().plus_ms(30_000);
    assert_eq!(refused(&world, &caller, to(NUMBER)).await, SendRefusal::TooSoon(at));
    started(&world, &caller, to("09121234568")).await;
    started(&world, &caller, to("09121234569")).await;
    let at = world.app.now().plus_ms(20_000);
    let beside = refused(&world, &caller, to("09121230000")).await;
    assert_eq!(beside, SendRefusal::NeighboursTooSoon(at));
    started(&world, &other, to("09121230000")).await;
    started(&world, &caller, to("09351230000")).await;
    world.clock.advance_ms(30_000);
    started(&world, &caller, to(NUMBER)).await;
}

/// Goal: a request is done once, also when it comes twice at the same moment, and its key is for
/// one request.
#[tokio::test]
async fn a_key_starts_one_code() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    let keyed = |body: &str| {
        let request = RequestKey { key: String::from("k"), body: body.as_bytes().to_vec() };
        NewCode { request: Some(request), ..new() }
    };
    let (one, two) = tokio::join!(
        start(&world.app, &caller, keyed("a")),
        start(&world.app, &caller, keyed("a")),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.0.id, one.1 || two.1), (two.0.id, true));
    world.clock.advance_ms(25 * 3_600_000);
    let (later, replayed) = start(&world.app, &caller, keyed("a")).await.unwrap();
    assert_eq!((later.id, later.state, replayed), (one.0.id, State::Expired, true));
    assert_eq!(refused(&world, &caller, keyed("b")).await, SendRefusal::KeyReused);
    assert_eq!(world.dialer.told.lock().unwrap().len(), 1);
}

/// Goal: what cannot be done is refused, and leaves nothing behind.
#[tokio::test]
async fn refusals() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    let (poor, _) = world.customer(1).await;
    let (unapproved, _) =
        world.customer_like(1_000_000, |new| new.approves_own_messages = false).await;
    let template = |text: &str| NewCode { template: Some(text.to_owned()), ..new() };
    let cases = [
        (&caller, NewCode { length: Some(3), ..new() }, SendRefusal::LengthNotAllowed),
        (&caller, NewCode { length: Some(u32::MAX), ..new() }, SendRefusal::LengthNotAllowed),
        (&caller, NewCode { life_seconds: Some(59), ..new() }, SendRefusal::LifeNotAllowed),
        (&caller, template("کد شما"), SendRefusal::WrongTemplate),
        (
            &caller,
            NewCode { number: String::from("12"), ..new() },
            SendRefusal::Text(TextRefusal::WrongNumber),
        ),
        (&poor, new(), SendRefusal::Text(TextRefusal::InsufficientCredit)),
        (
            &unapproved,
            template("کد ورود {code} است"),
            SendRefusal::Text(TextRefusal::MustBeApproved),
        ),
    ];
    for (caller, new, expected) in cases {
        assert_eq!(refused(&world, caller, new.clone()).await, expected, "{new:?}");
    }
    let made = world.blobs.files.lock().unwrap().keys().any(|name| name.starts_with("message/"));
    assert!(!made, "no sound is left behind");
    started(&world, &unapproved, new()).await;
    started(&world, &caller, template("کد ورود {code} است")).await;
    assert_eq!(find(&world.app, &caller, domain::CodeId(99)).await.unwrap(), None);
}

/// Goal: who cannot pay for a code's real length keeps nobody else's number busy, and an honest
/// refusal leaves the code before it as it was.
#[tokio::test]
async fn a_refused_code_costs_nothing() {
    let once = Velocity { count: 1, within_ms: 60_000 };
    let settings =
        Settings { codes_per_number: once, codes_per_prefix: once, ..Settings::default() };
    let world = World::with(settings).await;
    let (payer, _) = world.customer(1_000_000).await;
    let before = started(&world, &payer, new()).await;
    world.clock.advance_ms(60_000);
    let taken = 1_000_000 - world.refreshed(&payer).await.account.balance.0;
    let no_money = SendRefusal::Text(TextRefusal::InsufficientCredit);
    // Enough for the shortest speech, not for this one.
    let long = NewCode { template: Some("کد شما ".repeat(20) + "{code}"), ..new() };
    let (poor, _) = world.customer(taken).await;
    assert_eq!(refused(&world, &poor, long).await, no_money);
    // The books changed after the caller was known: the order looks good until it is accepted.
    let (mut spent, _) = world.customer(0).await;
    spent.account.balance = Rials(1_000_000);
    assert_eq!(refused(&world, &spent, new()).await, no_money);
    let mut broke = world.refreshed(&payer).await;
    broke.account.balance = Rials::ZERO;
    let again = resend(&world.app, &broke, before.id).await;
    assert!(matches!(again, Err(Error::Refused(refusal)) if refusal == no_money));
    let kept = find(&world.app, &payer, before.id).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.sends_left), (State::Pending, 4));
    let newer = started(&world, &payer, new()).await;
    let kept = find(&world.app, &payer, before.id).await.unwrap().unwrap();
    assert_eq!((kept.state, newer.state), (State::Replaced, State::Pending));
}

/// Goal: when other digits were spoken under the same key, they are not taken for these.
#[tokio::test]
async fn digits_that_were_not_spoken_are_not_kept() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    let request = RequestKey { key: String::from("k"), body: b"a".to_vec() };
    let keyed = NewCode { request: Some(request), ..new() };
    let first = started(&world, &caller, keyed.clone()).await;
    // As a process does that takes the first one for dead.
    let mut tx = world.db.begin().await.unwrap();
    store::kept_code::delete(&mut tx, caller.account.id, first.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(refused(&world, &caller, keyed).await, SendRefusal::KeyReused);
    assert_eq!(world.dialer.told.lock().unwrap().len(), 1);
    for id in 1..=first.id.0 + 1 {
        assert_eq!(find(&world.app, &caller, domain::CodeId(id)).await.unwrap(), None);
    }
    started(&world, &caller, new()).await;
}

/// Goal: in a sandbox every code is known, and calls to a number count for that sandbox alone.
#[tokio::test]
async fn codes_of_a_sandbox() {
    let one = Velocity { count: 1, within_ms: 60_000 };
    let world = World::with(Settings { codes_per_number: one, ..Settings::default() }).await;
    let (caller, _) = world.customer(1_000_000).await;
    let (sandbox, _) = world.sandbox(&caller).await;
    let played = started(&world, &sandbox, NewCode { length: Some(8), ..new() }).await;
    let again = refused(&world, &sandbox, new()).await;
    assert!(matches!(again, SendRefusal::TooSoon(_)));
    let real = started(&world, &caller, new()).await;
    assert_eq!((played.sandbox, real.sandbox), (true, false));
    assert_eq!(
        answer(&world, &caller, &real, "87654321").await,
        Err(CheckRefusal::Wrong(4)),
        "a code of a real account is not the sandbox's"
    );
    let approved = answer(&world, &sandbox, &played, "12345678").await.unwrap();
    assert_eq!(approved.state, State::Approved);
}

/// Goal: what a code would come to is told, and nothing is counted, kept or spoken for it; a code
/// that could cost more than is allowed is refused and costs nothing.
#[tokio::test]
async fn a_code_is_foretold_and_bounded() {
    let once = Velocity { count: 1, within_ms: 60_000 };
    let settings =
        Settings { codes_per_number: once, codes_per_prefix: once, ..Settings::default() };
    let world = World::with(settings).await;
    let (caller, _) = world.customer(1_000_000).await;
    let foretell = |new: NewCode| {
        let (app, caller) = (&world.app, &caller);
        async move { app::kept_code::estimate(app, caller, &new).await }
    };
    let mut costs = Rials::ZERO;
    for _ in 0..3 {
        let told = foretell(new()).await.unwrap();
        assert!(told.speech > Rials::ZERO && told.cost_max() > told.speech);
        costs = told.cost_max();
    }
    assert_eq!(world.refreshed(&caller).await.account, caller.account);
    assert!(world.dialer.told.lock().unwrap().is_empty(), "nobody is called");
    let bounded = |max: i64| NewCode { max_cost: Some(Rials(max)), ..new() };
    let dear = refused(&world, &caller, bounded(100)).await;
    assert!(matches!(dear, SendRefusal::TooExpensive(cost) if cost <= costs), "{dear:?}");
    assert_eq!(world.refreshed(&caller).await.account, caller.account);
    let own = NewCode { length: None, own: Some(String::from("4815")), ..bounded(costs.0) };
    let exact = foretell(own.clone()).await.unwrap().cost_max();
    assert!(exact <= costs, "digits of ours are foretold as those that take longest");
    started(&world, &caller, own).await;
    let account = world.refreshed(&caller).await.account;
    let taken = caller.account.available().0 - account.available().0;
    assert_eq!(Rials(taken), exact, "as it was foretold");
    let too_soon = foretell(new()).await;
    assert!(matches!(too_soon, Err(Error::Refused(SendRefusal::TooSoon(_)))), "as a code would be");
    let wrong = foretell(NewCode { length: Some(9), ..new() }).await;
    assert!(matches!(wrong, Err(Error::Refused(SendRefusal::LengthNotAllowed))));
}
