//! Who customers are: what has to be proven, who decides, and what is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use app::account::Permission;
use app::campaign::{self, CreateRefusal, List, ListRefusal, NewCampaign, StartRefusal};
use app::claim;
use app::identity::{self, IdentityRefusal, Kept, Person, Registry, Stated};
use app::kept_code::{NewCode, SendRefusal as KeptRefusal};
use app::one_time_code::{self, CodeRefusal, NewCode as OneTime};
use app::ports::{Blobs as _, BoxFuture, Speaker};
use app::quick_send::{self, NewPersonalSend, PersonalRefusal, TextRefusal};
use app::secure_call::{self, NewSecureCall};
use app::template::NewTemplate;
use app::verification::{self, NewCall, VerifyRefusal};
use app::{Caller, Failure, Identity, Settings};
use domain::agreement::attachment;
use domain::agreement::claim::Track;
use domain::agreement::identity::{By, DOCUMENTS_MAX, Proof, Refusal, State, Step};
use domain::agreement::violation::Clause;
use domain::quick_send::Refusal as SendRefusal;
use domain::secure_call::Refusal as SecureRefusal;
use domain::{AccountId, CodeId, MessageClass};
use store::identity::Taken;

use crate::campaign::new_campaign;
use crate::quick_send::{new_send, new_text};
use crate::refusal;
use crate::world::World;

const DAY_MS: i64 = 86_400_000;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a card";

async fn world(asked: &[Proof], valid_days: u32) -> World {
    let identity = Identity { asked: asked.to_vec(), valid_days, ..Identity::default() };
    World::with(Settings { identity, ..Settings::default() }).await
}

fn stated() -> Stated {
    Stated {
        national_code: "۰۴۹۹۳۷۰۸۹۹".to_owned(),
        first_name: "علي".to_owned(),
        last_name: "کریمی".to_owned(),
        birth_day: "1370/02/31".to_owned(),
        mobile: "+989121234567".to_owned(),
        company: None,
    }
}

async fn begin(world: &World, account: AccountId) -> Kept {
    identity::begin(&world.app, account, &stated()).await.unwrap()
}

async fn state(world: &World, id: i64) -> State {
    let kept = identity::find(&world.app, None, id).await.unwrap().unwrap();
    kept.identity.state(world.app.now())
}

/// A code that is spoken to a number; in a sandbox it is known.
async fn code(world: &World, caller: &Caller, number: &str) -> CodeId {
    app::kept_code::start(&world.app, caller, new_code(number)).await.unwrap().0.id
}

fn new_code(number: &str) -> NewCode {
    NewCode {
        number: number.to_owned(),
        length: None,
        own: None,
        life_seconds: None,
        template: None,
        speaker: Speaker::default(),
        server: None,
        max_cost: None,
        request: None,
    }
}

/// A registry that answers what a test wants.
struct Answers(Mutex<Vec<Option<bool>>>);

impl Registry for Answers {
    fn knows<'a>(&'a self, _: &'a Person) -> BoxFuture<'a, Result<bool, Failure>> {
        let next = self.0.lock().unwrap().remove(0);
        Box::pin(async move { next.ok_or_else(|| Failure::of("asking: it is down")) })
    }
}

/// C18: a mobile number is proven by a code that our engine spoke there since the case was begun,
/// documents are pictures or PDF, a person decides, and after its time it is to be proven anew.
#[tokio::test]
async fn a_person_proves_who_they_are() {
    let world = world(&[Proof::Mobile, Proof::Document], 30).await;
    let app = &world.app;
    let (live, _) = world.customer(1_000_000).await;
    let (caller, _) = world.sandbox(&live).await;
    let account = caller.account.id;
    let early = code(&world, &caller, "09121234567").await;
    app::kept_code::check(app, &caller, early, "123456").await.unwrap();
    world.clock.advance_ms(700_000);
    let id = begin(&world, account).await.id;
    let prove = async |code| identity::prove_mobile(app, account, id, code).await;
    assert_eq!(refusal(prove(early).await), IdentityRefusal::Code, "it was before the case");
    let elsewhere = code(&world, &caller, "09121234568").await;
    app::kept_code::check(app, &caller, elsewhere, "123456").await.unwrap();
    assert_eq!(refusal(prove(elsewhere).await), IdentityRefusal::Code, "another number");
    let right = code(&world, &caller, "09121234567").await;
    assert_eq!(refusal(prove(right).await), IdentityRefusal::Code, "nobody has typed it");
    app::kept_code::check(app, &caller, right, "123456").await.unwrap();
    let missing = identity::submit(app, account, id).await;
    let missing = refusal(missing);
    assert_eq!(missing, IdentityRefusal::Rule(Refusal::Missing(Proof::Mobile)));
    prove(right).await.unwrap();
    let add = async |name: &str, bytes: &[u8]| {
        identity::add_document(app, account, id, name, bytes.to_vec()).await
    };
    for (name, bytes, why) in [
        ("a.txt", &b"I am Ali"[..], attachment::Refusal::Kind),
        ("a.png", b"", attachment::Refusal::Empty),
        ("../a.png", PNG, attachment::Refusal::Name),
    ] {
        assert_eq!(refusal(add(name, bytes).await), IdentityRefusal::Document(why), "{name}");
    }
    for n in 0..DOCUMENTS_MAX {
        add(&format!("{n}.png"), PNG).await.unwrap();
    }
    let full = refusal(add("7.png", PNG).await);
    assert_eq!(full, IdentityRefusal::Rule(Refusal::TooManyDocuments));
    identity::submit(app, account, id).await.unwrap();
    let waiting = identity::list(app, None, true, None, 9).await.unwrap();
    assert_eq!(waiting.len(), 1);
    let card = waiting[0].documents[0].id;
    let (_, bytes) = identity::document(app, id, card).await.unwrap().unwrap();
    assert_eq!(bytes, PNG);
    assert_eq!(identity::document(app, id, 99).await.unwrap(), None);
    identity::verify(app, id, "Maryam").await.unwrap();
    assert_eq!(state(&world, id).await, State::Verified);
    let person = waiting[0].person.clone().unwrap();
    assert_eq!((&*person.first_name, person.mobile.national()), ("علی", "09121234567"));
    world.clock.advance_ms(30 * 86_400_000);
    assert_eq!(state(&world, id).await, State::Expired);
}

/// What is no person is not taken; an account has one case at a time and few in a month, and nobody
/// sees another's.
#[tokio::test]
async fn nobody_tries_for_ever_or_for_another() {
    let world = world(&[Proof::Document], 0).await;
    let app = &world.app;
    let (one, other) = (world.customer(0).await.0.account.id, world.customer(0).await.0.account.id);
    let begin_like = async |change: fn(&mut Stated)| {
        let mut new = stated();
        change(&mut new);
        refusal(identity::begin(app, one, &new).await)
    };
    for (change, what) in [
        ((|new| new.national_code.replace_range(18.., "۸")) as fn(&mut Stated), "national_code"),
        (|new| new.first_name.clear(), "first_name"),
        (|new| new.last_name.push('7'), "last_name"),
        (|new| new.birth_day = "1405/12/01".to_owned(), "birth_day"),
        (|new| new.mobile = "02112345678".to_owned(), "mobile"),
        (|new| new.company = Some(("1".into(), "ab".into(), "ab".into())), "company.id"),
    ] {
        assert_eq!(begin_like(change).await, IdentityRefusal::Stated(what));
    }
    for n in 1..=5 {
        let id = begin(&world, one).await.id;
        let why = if n < 5 { IdentityRefusal::Pending } else { IdentityRefusal::TooMany };
        assert_eq!(begin_like(|_| {}).await, why);
        let theirs = refusal(identity::withdraw(app, other, id).await);
        assert_eq!(theirs, IdentityRefusal::NoSuchCase);
        assert_eq!(identity::find(app, Some(other), id).await.unwrap(), None);
        let document = identity::add_document(app, other, id, "a.png", PNG.to_vec()).await;
        assert_eq!(refusal(document), IdentityRefusal::NoSuchCase);
        identity::withdraw(app, one, id).await.unwrap();
    }
    assert_eq!(begin_like(|_| {}).await, IdentityRefusal::TooMany);
    begin(&world, other).await;
    world.clock.advance_ms(30 * 86_400_000 + 1);
    begin(&world, one).await;
}

/// T180: a registry that is down is asked again, then a person looks; the customer is blamed for
/// nothing. One that knows somebody verifies by itself; one that does not leaves it to a person.
#[tokio::test]
async fn a_registry_that_is_down_blames_nobody() {
    let world = world(&[Proof::Registry], 0).await;
    let app = &world.app;
    let registry = Answers(Mutex::new(vec![None, None, None, None, Some(true), None, Some(false)]));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let account = world.customer(0).await.0.account.id;
        let id = begin(&world, account).await.id;
        identity::submit(app, account, id).await.unwrap();
        ids.push(id);
        if ids.len() > 1 {
            continue;
        }
        for pause_ms in [5_000, 60_000, 600_000, 0] {
            assert_eq!(state(&world, id).await, State::Submitted);
            assert_eq!(identity::look(app, &registry).await.unwrap(), 1);
            assert_eq!(identity::look(app, &registry).await.unwrap(), 0);
            world.clock.advance_ms(pause_ms);
        }
    }
    assert_eq!(state(&world, ids[0]).await, State::NeedsManual);
    assert_eq!(app::violation::list(app, None, None, 9).await.unwrap(), []);
    assert_eq!(identity::look(app, &registry).await.unwrap(), 2);
    assert_eq!(state(&world, ids[1]).await, State::Verified);
    assert_eq!(state(&world, ids[2]).await, State::Submitted);
    world.clock.advance_ms(5_000);
    assert_eq!(identity::look(app, &registry).await.unwrap(), 1);
    assert_eq!(state(&world, ids[2]).await, State::NeedsManual);
    let kept = identity::find(app, None, ids[1]).await.unwrap().unwrap();
    let steps: Vec<_> = kept.steps.iter().filter_map(|taken| taken.step).collect();
    assert_eq!(steps, [Step::Submitted, Step::Matched, Step::Verified(None)]);
    assert_eq!(kept.steps[3].actor, "avanak");
}

/// T176, T180. Goal: who has to prove who they are and does not in their time is entered by itself,
/// with what follows from it, and may dispute that; while it is our turn nobody is blamed, and what
/// the operator does not require is no duty.
#[tokio::test]
async fn whoever_proves_nothing_is_entered_by_the_machine() {
    let identity = Identity { required: true, valid_days: 30, ..Identity::default() };
    let identity = Identity { asked: vec![Proof::Document], grace_days: 7, ..identity };
    let required = World::with(Settings { identity, ..Settings::default() }).await;
    let free = world(&[Proof::Document], 30).await;
    free.customer(0).await;
    for _ in 0..2 {
        assert_eq!(identity::look_missing(&free.app).await.unwrap(), 0);
        free.clock.advance_ms(8 * DAY_MS);
    }
    let (world, app) = (&required, &required.app);
    let (late, soon) = (world.customer(0).await.0, world.customer(0).await.0);
    let (sandbox, _) = world.sandbox(&late).await;
    let look = async || identity::look_missing(app).await.unwrap();
    assert_eq!(look().await, 0);
    // The first does nothing; the second hands it in, and we take our time.
    let id = begin(world, soon.account.id).await.id;
    identity::add_document(app, soon.account.id, id, "a.png", PNG.to_vec()).await.unwrap();
    identity::submit(app, soon.account.id, id).await.unwrap();
    world.clock.advance_ms(7 * DAY_MS - 1);
    assert_eq!(look().await, 0, "it is their time");
    world.clock.advance_ms(1);
    assert_eq!((look().await, look().await), (1, 0), "once");
    let entries = async |account| app::violation::list(app, Some(account), None, 9).await.unwrap();
    let of_late = entries(late.account.id).await;
    let entry = &of_late[0];
    let clause = (entry.account, entry.violation.clause());
    assert_eq!(clause, (Some(late.account.id), Clause::Identity));
    assert!(entry.violation.evidence().iter().any(|line| line.contains("nobody is called")));
    let dispute = app::violation::Answer::Dispute("My card was with you.");
    app::violation::answer(app, late.account.id, entry.id, dispute).await.unwrap();
    assert_eq!(entries(soon.account.id).await, []);
    assert_eq!(entries(sandbox.account.id).await, []);
    // What was proven runs out: that is a time of its own.
    identity::verify(app, id, "Maryam").await.unwrap();
    assert_eq!(look().await, 0);
    world.clock.advance_ms(30 * DAY_MS);
    assert_eq!(look().await, 0, "it is noted that it ran out");
    world.clock.advance_ms(7 * DAY_MS);
    assert_eq!(look().await, 1);
    assert_eq!(entries(soon.account.id).await.len(), 1);
    assert_eq!(entries(late.account.id).await.len(), 1, "it is the same time that goes on");
}

/// C18, T176. Goal: whoever gets no day for it is entered once, under the moment that is noted: by
/// no look that has not noted one, since another node would enter it under its own.
#[tokio::test]
async fn without_a_day_of_grace_it_is_entered_once() {
    let identity = Identity { required: true, grace_days: 0, ..Identity::default() };
    let identity = Identity { asked: vec![Proof::Document], ..identity };
    let world = World::with(Settings { identity, ..Settings::default() }).await;
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let noted = app.now();
    for entered in [0, 1, 0, 0] {
        assert_eq!(identity::look_missing(app).await.unwrap(), entered);
        world.clock.advance_ms(3_600_000);
    }
    let entries = app::violation::list(app, Some(account), None, 9).await.unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry.violation.span().from, noted);
}

/// One of us sends a case back, rejects it or takes it back with a reason; I19: what is over can be
/// forgotten, with its documents, and the chain of evidence stays whole.
#[tokio::test]
async fn what_is_over_is_forgotten_and_what_was_done_is_not() {
    let world = world(&[Proof::Document], 0).await;
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let id = begin(&world, account).await.id;
    let kept = identity::add_document(app, account, id, "a.png", PNG.to_vec()).await.unwrap();
    let blob = kept.documents[0].blob.clone();
    identity::submit(app, account, id).await.unwrap();
    let decide = async |what, why: &str| identity::decide(app, id, what, "Maryam", why).await;
    assert_eq!(refusal(decide(Step::Rejected, " ").await), IdentityRefusal::Text("reason"));
    decide(Step::Returned, "blurred").await.unwrap();
    assert_eq!(state(&world, id).await, State::Open);
    identity::submit(app, account, id).await.unwrap();
    identity::verify(app, id, "Maryam").await.unwrap();
    let wrong = IdentityRefusal::Rule(Refusal::WrongState);
    assert_eq!(refusal(identity::forget(app, id, "Maryam", "asked").await), wrong);
    decide(Step::Revoked, "the card is another's").await.unwrap();
    assert!(world.blobs.get(&blob).await.unwrap().is_some());
    identity::forget(app, id, "Maryam", "asked").await.unwrap();
    assert_eq!(world.blobs.get(&blob).await.unwrap(), None);
    let kept = identity::find(app, None, id).await.unwrap().unwrap();
    assert_eq!((kept.person, kept.documents.len(), kept.steps.len()), (None, 0, 8));
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
    assert_eq!(refusal(identity::forget(app, id, "Maryam", "asked").await), wrong);
}

/// I19: whatever is done to whichever case, and in which order: of one that is forgotten nobody is
/// left, neither a name nor a document; what was done to it stays, as does all money; and nothing
/// of any other case goes with it.
#[tokio::test]
async fn whoever_is_forgotten_is_removed_alone_and_what_was_done_stays() {
    let world = world(&[Proof::Document], 30).await;
    let app = &world.app;
    let mut dice = 19_u64;
    let mut roll = move |bound: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % bound
    };
    let mut accounts = Vec::new();
    for n in 1..5_i64 {
        accounts.push(world.customer(n * 1_000_000).await.0.account.id);
    }
    let mut cases: BTreeMap<i64, (AccountId, Vec<String>)> = BTreeMap::new();
    let mut forgotten = BTreeSet::new();
    for _ in 0..600 {
        let account = accounts[usize::try_from(roll(4)).unwrap()];
        let known: Vec<i64> = cases.keys().copied().collect();
        let id = known.get(usize::try_from(roll(known.len().max(1) as u64)).unwrap()).copied();
        let id = id.unwrap_or(1);
        let whose = cases.get(&id).map_or(account, |(account, _)| *account);
        match roll(9) {
            0 => {
                if let Ok(kept) = identity::begin(app, account, &stated()).await {
                    cases.insert(kept.id, (account, Vec::new()));
                }
                // Five cases in thirty days are the most.
                world.clock.advance_ms(7 * 86_400_000);
            }
            1 | 2 => {
                let bytes = [PNG, &roll(1_000_000).to_be_bytes()].concat();
                let added = identity::add_document(app, whose, id, "a.png", bytes).await;
                if let Ok(kept) = added {
                    let blobs = kept.documents.iter().map(|one| one.blob.clone());
                    cases.get_mut(&id).unwrap().1.extend(blobs);
                }
            }
            3 => drop(identity::submit(app, whose, id).await),
            4 => drop(identity::verify(app, id, "Maryam").await),
            5 => drop(identity::decide(app, id, Step::Rejected, "Maryam", "blurred").await),
            6 => drop(identity::decide(app, id, Step::Revoked, "Maryam", "another's").await),
            7 => drop(identity::withdraw(app, whose, id).await),
            _ => {
                let before = identity::find(app, None, id).await.unwrap();
                if identity::forget(app, id, "Maryam", "asked").await.is_ok() {
                    let after = identity::find(app, None, id).await.unwrap().unwrap();
                    let done = before.unwrap().steps;
                    assert_eq!(after.steps[..done.len()], done);
                    forgotten.insert(id);
                }
            }
        }
        for (id, (_, blobs)) in &cases {
            let kept = identity::find(app, None, *id).await.unwrap().unwrap();
            let is_gone = forgotten.contains(id);
            assert_eq!(kept.person.is_none(), is_gone, "case {id}");
            assert!(!is_gone || kept.documents.is_empty());
            for blob in blobs.iter().filter(|_| is_gone) {
                let other = cases.iter().any(|(other, (_, theirs))| {
                    !forgotten.contains(other) && theirs.contains(blob)
                });
                assert!(other || world.blobs.get(blob).await.unwrap().is_none(), "{blob} is left");
            }
        }
    }
    assert!(forgotten.len() > 5 && forgotten.len() < cases.len(), "{forgotten:?}");
    for (n, account) in (1..).zip(&accounts) {
        let money = app::account::status(app, *account).await.unwrap().unwrap().balance;
        assert_eq!(money.0, n * 1_000_000);
    }
}

/// A sandbox proves nothing of a person: its registry says yes and is none, and who is proven there
/// is not proven outside.
#[tokio::test]
async fn a_sandbox_asks_no_registry() {
    let world = world(&[Proof::Registry], 0).await;
    let app = &world.app;
    let (live, _) = world.customer(0).await;
    let (sandbox, _) = world.sandbox(&live).await;
    let id = begin(&world, sandbox.account.id).await.id;
    identity::submit(app, sandbox.account.id, id).await.unwrap();
    // Asked, it would have no answer to give.
    let nobody = Answers(Mutex::new(Vec::new()));
    assert_eq!(identity::look(app, &nobody).await.unwrap(), 1);
    assert_eq!(state(&world, id).await, State::Verified);
    let kept = identity::find(app, None, id).await.unwrap().unwrap();
    assert!(kept.sandbox && kept.account != live.account.id);
    let mut reads = world.db.read().await.unwrap();
    let at = app.now();
    let proven = store::identity::was_proven(&mut reads, sandbox.account.id, at).await.unwrap();
    let outside = store::identity::was_proven(&mut reads, live.account.id, at).await.unwrap();
    assert_eq!((proven, outside), (true, false));
}

/// C18: where the operator wants to know first who somebody is, nobody is called for an account
/// before that is proven or after it is not any more; its sandbox calls, and the number that is to
/// be proven is called for its code.
#[tokio::test]
async fn nobody_is_called_before_it_is_proven_who_calls() {
    let asked = vec![Proof::Mobile];
    let identity = Identity { asked, valid_days: 30, required: true, grace_days: 7 };
    let world = World::with(Settings { identity, ..Settings::default() }).await;
    let app = &world.app;
    let (caller, _) = world.customer(10_000_000).await;
    let (sandbox, _) = world.sandbox(&caller).await;
    let message = world.message(&caller, 4_000).await.id;
    let plays = world.message(&sandbox, 4_000).await.id;
    let send = async |caller: &Caller, message| {
        let caller = world.refreshed(caller).await;
        quick_send::submit(app, &caller, new_send(message, "09121234568")).await
    };
    assert_eq!(refusal(send(&caller, message).await), SendRefusal::NotIdentified);
    send(&sandbox, plays).await.unwrap();
    let text = new_text("09121234568");
    let text = quick_send::submit_text(app, &caller, text).await;
    assert_eq!(refusal(text), TextRefusal::NotIdentified);
    let code = OneTime { length: Some(6), own: None, number: "0912 123 4568".into(), server: None };
    let code = one_time_code::submit(app, &caller, code).await;
    assert_eq!(refusal(code), CodeRefusal::NotIdentified);
    let call = NewCall {
        number: "09121234568".to_owned(),
        callback_url: "https://example.com/".to_owned(),
        server: None,
    };
    let call = verification::submit(app, &caller, call).await;
    assert_eq!(refusal(call), VerifyRefusal::NotIdentified);
    let mut new = new_campaign(message);
    let made = campaign::create(app, &caller, new.clone()).await;
    assert_eq!(refusal(made), CreateRefusal::NotIdentified);
    new.auto_start = false;
    let campaign = campaign::create(app, &caller, new).await.unwrap().id;
    let account = caller.account.id;
    let start = async || campaign::start_as_planned(app, account, campaign).await;
    assert_eq!(refusal(start().await), StartRefusal::NotIdentified);

    let kept = async |number: &str| {
        let caller = world.refreshed(&caller).await;
        app::kept_code::start(app, &caller, new_code(number)).await.map(|(code, _)| code.id)
    };
    let barred = KeptRefusal::Text(TextRefusal::NotIdentified);
    assert_eq!(refusal(kept("09121234567").await), barred);
    let id = begin(&world, account).await.id;
    assert_eq!(refusal(kept("09121234568").await), barred, "another number");
    kept("09121234567").await.unwrap();
    // As whoever was called types it, without the digits being known here.
    prove_by_hand(&world, id).await;
    let before = app.now();
    world.clock.advance_ms(1_000);
    identity::verify(app, id, "Maryam").await.unwrap();
    let proven = app.now();
    send(&caller, message).await.unwrap();
    start().await.unwrap();
    world.clock.advance_ms(30 * 86_400_000);
    assert_eq!(refusal(send(&caller, message).await), SendRefusal::NotIdentified);

    // T152: a claim is about a time in which it was proven.
    let claims = async |event_at| {
        let statement = "nobody was called".to_owned();
        let asked = claim::Asked { track: Track::Support, event_at, statement };
        claim::file(app, &world.refreshed(&caller).await, &asked).await
    };
    let unverified = claim::ClaimRefusal::Rule(domain::agreement::claim::Refusal::Unverified);
    for unproven in [before, app.now()] {
        assert_eq!(refusal(claims(unproven).await), unverified);
    }
    claims(proven).await.unwrap();
}

/// As above: personal messages, secure calls, and a campaign that is there already, which neither
/// goes on nor gets numbers when it is not proven any more. A draft, which calls nobody, gets some.
#[tokio::test]
async fn no_way_leads_around_the_proof() {
    let identity = Identity { asked: vec![], valid_days: 30, required: true, grace_days: 7 };
    let settings = Settings { identity, secure_call_ms_max: 60_000, ..Settings::default() };
    let world = World::with(settings).await;
    let app = &world.app;
    let (caller, _) = world.customer(10_000_000).await;
    let account = caller.account.id;
    let message = world.message(&caller, 4_000).await.id;
    app::account::set_permission(app, account, Permission::SecureCalls, true).await.unwrap();
    let title = "بدهی".to_owned();
    let template = NewTemplate {
        title,
        written: "{clip 1} {amount:rial debt}".to_owned(),
        voice: None,
        longest_ms: None,
    };
    let template = app::template::create(app, &caller, template).await.unwrap().id;
    let personal = async || {
        let new = NewPersonalSend {
            template,
            values: vec![("debt".to_owned(), "1000".to_owned())],
            number: "09121234568".to_owned(),
            vote: false,
            record_ms: None,
            server: None,
            reference: None,
            class: MessageClass::Service,
            follow_up: None,
        };
        quick_send::submit_personal(app, &world.refreshed(&caller).await, new).await
    };
    let secure = async || {
        let new = NewSecureCall {
            first: "09121234568".to_owned(),
            second: "09121234569".to_owned(),
            hold_message: message,
            server: None,
            reference: None,
        };
        secure_call::submit(app, &world.refreshed(&caller).await, new).await
    };
    let not_said = PersonalRefusal::Send(TextRefusal::NotIdentified);
    assert_eq!(refusal(personal().await), not_said);
    assert_eq!(refusal(secure().await), SecureRefusal::NotIdentified);
    let new = NewCampaign { auto_start: false, ..new_campaign(message) };
    let campaign = campaign::create(app, &caller, new).await.unwrap().id;
    let add = async |number: &str| {
        campaign::add_numbers(app, account, campaign, List::Written(number.to_owned())).await
    };
    add("09121234568").await.unwrap();

    prove(&world, account).await;
    personal().await.unwrap();
    secure().await.unwrap();
    campaign::start_as_planned(app, account, campaign).await.unwrap();
    add("09121234569").await.unwrap();
    assert!(campaign::pause(app, account, campaign).await.unwrap());
    assert!(campaign::resume(app, account, campaign).await.unwrap());
    assert!(campaign::pause(app, account, campaign).await.unwrap());
    world.clock.advance_ms(30 * 86_400_000);
    let resumed = campaign::resume(app, account, campaign).await;
    assert_eq!(refusal(resumed), StartRefusal::NotIdentified);
    assert_eq!(refusal(add("09121234570").await), ListRefusal::NotIdentified);
    prove(&world, account).await;
    assert!(campaign::resume(app, account, campaign).await.unwrap());
}

/// One of us verifies an account's owner, where nothing is asked for.
async fn prove(world: &World, account: AccountId) {
    let id = begin(world, account).await.id;
    identity::submit(&world.app, account, id).await.unwrap();
    identity::verify(&world.app, id, "Maryam").await.unwrap();
}

/// What comes before the proof is the proof: our own words, where it is asked for, and no more once
/// it is given.
#[tokio::test]
async fn only_the_proof_comes_before_the_proof() {
    let kept = async |world: &World, caller: &Caller, new: NewCode| {
        let caller = world.refreshed(caller).await;
        app::kept_code::start(&world.app, &caller, new).await
    };
    let barred = KeptRefusal::Text(TextRefusal::NotIdentified);
    for proof in [Proof::Mobile, Proof::Document] {
        let identity =
            Identity { asked: vec![proof], valid_days: 30, required: true, grace_days: 7 };
        let world = World::with(Settings { identity, ..Settings::default() }).await;
        let (caller, _) = world.customer(10_000_000).await;
        let id = begin(&world, caller.account.id).await.id;
        let ours = new_code("09121234567");
        if proof == Proof::Document {
            assert_eq!(refusal(kept(&world, &caller, ours).await), barred, "it proves nothing");
            continue;
        }
        let theirs = NewCode {
            template: Some("بخرید {code} بخرید".to_owned()),
            ..new_code("09121234567")
        };
        assert_eq!(refusal(kept(&world, &caller, theirs).await), barred, "their words");
        let brought = NewCode { own: Some("4815".to_owned()), ..new_code("09121234567") };
        assert_eq!(refusal(kept(&world, &caller, brought).await), barred, "their digits");
        kept(&world, &caller, ours.clone()).await.unwrap();
        take_steps(&world, id, &[Step::MobileProven]).await;
        world.clock.advance_ms(3_600_000);
        assert_eq!(refusal(kept(&world, &caller, ours).await), barred, "it is proven");
    }
}

/// C18: what a customer had spoken while it was known who it is, is not said again once that has
/// ended, though the same number is to be proven anew; our own words are, for they are the proof.
#[tokio::test]
async fn their_words_are_not_said_again_once_the_proof_has_ended() {
    let barred = KeptRefusal::Text(TextRefusal::NotIdentified);
    for theirs in [true, false] {
        let identity =
            Identity { asked: vec![Proof::Mobile], valid_days: 30, required: true, grace_days: 7 };
        let world = World::with(Settings { identity, ..Settings::default() }).await;
        let app = &world.app;
        let (caller, _) = world.customer(10_000_000).await;
        let id = begin(&world, caller.account.id).await.id;
        prove_by_hand(&world, id).await;
        identity::verify(app, id, "Maryam").await.unwrap();
        let template = theirs.then(|| "بخرید {code} بخرید".to_owned());
        let new = NewCode { template, ..new_code("09121234567") };
        let caller = world.refreshed(&caller).await;
        let code = app::kept_code::start(app, &caller, new).await.unwrap().0.id;
        let again = async || {
            world.clock.advance_ms(60_000);
            app::kept_code::resend(app, &caller, code).await
        };
        again().await.unwrap();
        identity::decide(app, id, Step::Revoked, "a forgery", "Maryam").await.unwrap();
        assert_eq!(refusal(again().await), barred, "no case is open");
        begin(&world, caller.account.id).await;
        match again().await {
            Ok(_) => assert!(!theirs),
            refused => assert_eq!((theirs, refusal(refused)), (true, barred)),
        }
    }
}

/// Hands a case in whose mobile number was proven.
async fn prove_by_hand(world: &World, id: i64) {
    take_steps(world, id, &[Step::MobileProven, Step::Submitted]).await;
}

async fn take_steps(world: &World, id: i64, steps: &[Step]) {
    let mut tx = world.db.begin().await.unwrap();
    let mut kept = store::identity::take(&mut tx, id).await.unwrap().unwrap();
    for step in steps.iter().copied() {
        let at = world.app.now();
        kept.identity.take(step, By::Customer, at).unwrap();
        let (actor, said) = (format!("account {}", kept.account), String::new());
        let taken = Taken { step: Some(step), by: By::Customer, at, actor, said };
        store::identity::keep(&mut tx, &mut kept, taken, None).await.unwrap();
    }
    tx.commit().await.unwrap();
}
