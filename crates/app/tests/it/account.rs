//! Accounts, credit and tokens.

use app::account::{self, AccessChange, AccountRefusal, NewAccount};
use app::caller::{CallerRefusal, authenticate, authenticate_by_password};
use app::{Error, RequestLimits, Settings, billing};
use domain::access::{AccessRefusal, AccountAccess, Allowed, Arrival};
use domain::account::DEBT_LIMIT_MAX;
use domain::quick_send::Refusal;
use domain::{AccountId, Network, Rials, Timestamp, TokenId};

use crate::quick_send::new_send;
use crate::refusal;
use crate::world::{HERE, NOON, World};

/// What makes a good account a wrong one.
type Change = fn(&mut NewAccount);

fn new_account() -> NewAccount {
    NewAccount {
        name: String::from("نمونه"),
        mobile: String::from("+98 912 000 0001"),
        credit: Rials(1000),
        expires_at: None,
        approves_own_messages: true,
        records_callees: false,
    }
}

#[tokio::test]
async fn an_account_has_its_opening_credit_in_its_statement() {
    let world = World::new().await;
    let id = account::create(&world.app, new_account()).await.unwrap();
    let found = account::status(&world.app, id).await.unwrap().unwrap();
    assert_eq!((found.mobile.as_str(), found.available()), ("09120000001", Rials(1000)));
    let lines = billing::statement(&world.app, id, NOON, NOON.plus_ms(1), 10).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].kind.as_str(), lines[0].amount), ("credit", Rials(1000)));
    assert_eq!(account::list(&world.app, AccountId(0), 10).await.unwrap(), [found]);
}

#[tokio::test]
async fn nonsense_is_no_account() {
    let world = World::new().await;
    let cases: [(AccountRefusal, Change); 5] = [
        (AccountRefusal::WrongName, |new| new.name = String::from("  ")),
        (AccountRefusal::WrongName, |new| new.name = "ن".repeat(201)),
        (AccountRefusal::WrongMobile, |new| new.mobile = String::from("02112345678")),
        (AccountRefusal::WrongAmount, |new| new.credit = Rials(-1)),
        (AccountRefusal::WrongAmount, |new| new.credit = Rials(i64::MAX)),
    ];
    for (expected, change) in cases {
        let mut new = new_account();
        change(&mut new);
        assert_eq!(refusal(account::create(&world.app, new).await), expected);
    }
}

#[tokio::test]
async fn the_same_reference_never_credits_twice() {
    let world = World::new().await;
    let id = account::create(&world.app, new_account()).await.unwrap();
    let credit = |amount, reference: Option<&str>| {
        let reference = reference.map(str::to_owned);
        account::credit(&world.app, id, Rials(amount), reference, String::from("bank"))
    };
    credit(500, Some("bank-1")).await.unwrap();
    assert_eq!(refusal(credit(500, Some("bank-1")).await), AccountRefusal::CreditedBefore);
    credit(1, None).await.unwrap();
    credit(1, None).await.unwrap();
    assert_eq!(refusal(credit(0, None).await), AccountRefusal::WrongAmount);
    let found = account::status(&world.app, id).await.unwrap().unwrap();
    assert_eq!(found.balance, Rials(1502));
    let nobody = account::credit(&world.app, AccountId(99), Rials(1), None, String::new()).await;
    assert_eq!(refusal(nobody), AccountRefusal::NoSuchAccount);
}

/// Goal: who may owe sends beyond what is there, up to the limit; a lowered one refuses what comes
/// and leaves what is; nonsense is refused.
#[tokio::test]
async fn what_may_be_owed_is_lent_up_to_the_limit() {
    let world = World::new().await;
    let (caller, _) = world.customer(300).await;
    let message = world.message(&caller, 4_000).await;
    let lend = |rials| account::set_debt_limit(&world.app, caller.account.id, Rials(rials));
    let send = async || {
        let caller = world.refreshed(&caller).await;
        let new = new_send(message.id, "09121234567");
        app::quick_send::submit(&world.app, &caller, new).await.map(drop)
    };
    send().await.unwrap();
    assert_eq!(refusal(send().await), Refusal::InsufficientCredit);
    lend(200).await.unwrap();
    send().await.unwrap();
    assert_eq!(refusal(send().await), Refusal::InsufficientCredit);
    lend(0).await.unwrap();
    let caller = world.refreshed(&caller).await;
    assert_eq!((caller.account.available(), caller.account.reserved), (Rials(-150), Rials(450)));
    assert_eq!(refusal(send().await), Refusal::InsufficientCredit);
    for wrong in [-1, DEBT_LIMIT_MAX.0 + 1] {
        assert_eq!(refusal(lend(wrong).await), AccountRefusal::WrongAmount);
    }
    let nobody = account::set_debt_limit(&world.app, AccountId(99), Rials(1)).await;
    assert_eq!(refusal(nobody), AccountRefusal::NoSuchAccount);
}

#[tokio::test]
async fn a_token_opens_its_own_account_until_it_ends() {
    let world = World::new().await;
    let id = account::create(&world.app, new_account()).await.unwrap();
    let ends = Some(NOON.plus_ms(1000));
    let fresh = account::create_token(&world.app, id, String::from("a"), ends, Allowed::default())
        .await
        .unwrap();
    assert_eq!(fresh.secret.len(), 40);
    assert!(!format!("{fresh:?}").contains(&fresh.secret), "a secret is never printed");
    let caller = authenticate(&world.app, &fresh.secret, &HERE).await.unwrap();
    assert_eq!((caller.account.id, caller.token), (id, Some(fresh.id)));
    world.clock.advance_ms(1000);
    let late = authenticate(&world.app, &fresh.secret, &HERE).await;
    assert_eq!(refusal(late), CallerRefusal::Access(AccessRefusal::TokenExpired));
    for wrong in ["", "x", &fresh.secret[1..], &format!("{}0", fresh.secret)] {
        let opened = authenticate(&world.app, wrong, &HERE).await;
        assert_eq!(refusal(opened), CallerRefusal::Access(AccessRefusal::WrongToken), "{wrong}");
    }
    let nobody =
        account::create_token(&world.app, AccountId(99), String::new(), None, Allowed::default())
            .await;
    assert_eq!(refusal(nobody), AccountRefusal::NoSuchAccount);
}

#[tokio::test]
async fn what_is_switched_off_opens_nothing() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let id = caller.account.id;
    let app = &world.app;
    account::set_disabled(app, id, true).await.unwrap();
    assert_eq!(
        refusal(authenticate(app, &token, &HERE).await),
        CallerRefusal::Access(AccessRefusal::AccountDisabled)
    );
    account::set_disabled(app, id, false).await.unwrap();
    account::set_expiry(app, id, Some(Timestamp(1))).await.unwrap();
    assert_eq!(
        refusal(authenticate(app, &token, &HERE).await),
        CallerRefusal::Access(AccessRefusal::AccountExpired)
    );
    account::set_expiry(app, id, None).await.unwrap();
    assert!(authenticate(app, &token, &HERE).await.is_ok());
    assert!(account::disable_token(app, id, caller.token.unwrap()).await.unwrap());
    assert!(!account::disable_token(app, id, TokenId(99)).await.unwrap());
    assert_eq!(
        refusal(authenticate(app, &token, &HERE).await),
        CallerRefusal::Access(AccessRefusal::TokenDisabled)
    );
    assert!(account::enable_token(app, id, caller.token.unwrap()).await.unwrap());
    assert!(!account::enable_token(app, id, caller.token.unwrap()).await.unwrap(), "it is on");
    assert!(authenticate(app, &token, &HERE).await.is_ok());
}

fn limited(requests: RequestLimits) -> Settings {
    Settings { requests, ..Settings::default() }
}

const UNLIMITED: RequestLimits =
    RequestLimits { per_address: 0, per_caller: 0, wrong_per_minute: 0 };

/// Goal: a caller, and an address, who come too often are told for how long to stay away, and
/// nobody else is kept out for it.
#[tokio::test]
async fn who_comes_too_often_has_to_wait() {
    let world = World::with(limited(RequestLimits { per_caller: 3, ..UNLIMITED })).await;
    let app = &*world.app;
    let ((_, first), (_, second)) = (world.customer(0).await, world.customer(0).await);
    let come = async |token: &str| authenticate(app, token, &HERE).await.map(drop);
    // Making the customer was one of them.
    assert!(come(&first).await.is_ok() && come(&first).await.is_ok());
    assert_eq!(refusal(come(&first).await), CallerRefusal::TooOften { wait_s: 1 });
    assert!(come(&second).await.is_ok());
    world.clock.advance_ms(334);
    assert!(come(&first).await.is_ok());

    let world = World::with(limited(RequestLimits { per_address: 3, ..UNLIMITED })).await;
    let app = &*world.app;
    let (_, token) = world.customer(0).await;
    let from = async |address: &str| {
        let address = Some(address.parse().unwrap());
        authenticate(app, &token, &Arrival { address, ..HERE }).await.map(drop)
    };
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:3"] {
        assert!(from(address).await.is_ok(), "{address}");
    }
    let refused = from("2001:db8::4").await;
    assert_eq!(refusal(refused), CallerRefusal::TooOften { wait_s: 1 }, "one network of IPv6");
    assert!(from("2001:db8:0:1::1").await.is_ok() && from("192.0.2.1").await.is_ok());
}

/// Goal: guessing is slow, also where many share an address, and whoever is right is let in.
#[tokio::test]
async fn who_is_wrong_too_often_has_to_wait_and_the_others_do_not() {
    let world = World::with(limited(RequestLimits { wrong_per_minute: 3, ..UNLIMITED })).await;
    let app = &*world.app;
    let (caller, token) = world.customer(0).await;
    let id = caller.account.id;
    let proven = account::set_password(app, id, "proven", None).await.unwrap();
    assert!(authenticate_by_password(app, "proven", &proven, &HERE).await.is_ok());
    let wrong = CallerRefusal::Access(AccessRefusal::WrongToken);
    assert_eq!(refusal(authenticate(app, "x", &HERE).await), wrong);
    let unreadable = authenticate(app, "\u{1f600}", &HERE).await;
    assert_eq!(refusal(unreadable), CallerRefusal::Access(AccessRefusal::UnreadableToken));
    let wrong = CallerRefusal::Access(AccessRefusal::WrongPassword);
    let guess = authenticate_by_password(app, "proven", "guess", &HERE).await;
    assert_eq!(refusal(guess), wrong);
    let later = CallerRefusal::TooOften { wait_s: 20 };
    assert_eq!(refusal(authenticate(app, "x", &HERE).await), later);
    let (other, _) = world.customer(0).await;
    let fresh = account::set_password(app, other.account.id, "fresh", None).await.unwrap();
    let untried = authenticate_by_password(app, "fresh", &fresh, &HERE).await;
    assert_eq!(refusal(untried), later, "it is not proven for a guesser");
    assert!(authenticate(app, &token, &HERE).await.is_ok());
    assert!(authenticate_by_password(app, "proven", &proven, &HERE).await.is_ok());
    let elsewhere = Arrival { address: Some("192.0.2.1".parse().unwrap()), ..HERE };
    assert!(authenticate_by_password(app, "fresh", &fresh, &elsewhere).await.is_ok());
    world.clock.advance_ms(20_000);
    assert_eq!(refusal(authenticate_by_password(app, "fresh", "guess", &HERE).await), wrong);
}

/// Goal: an owner sees which of his tokens are in use.
#[tokio::test]
async fn when_a_token_was_last_used_is_kept_by_the_minute() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let used = async |expected: Timestamp| {
        for _ in 0..200 {
            let tokens = account::tokens(&world.app, caller.account.id).await.unwrap();
            if tokens[0].last_used_at == Some(expected) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("it was not noted that the token was used at {expected:?}");
    };
    used(NOON).await;
    world.clock.advance_ms(59_000);
    authenticate(&world.app, &token, &HERE).await.unwrap();
    world.clock.advance_ms(1_000);
    authenticate(&world.app, &token, &HERE).await.unwrap();
    used(NOON.plus_ms(60_000)).await;
}

#[tokio::test]
async fn the_services_can_be_switched_off_for_everyone() {
    let world = World::with(Settings { web_enabled: false, ..Settings::default() }).await;
    let opened = authenticate(&world.app, "anything", &HERE).await;
    assert_eq!(refusal(opened), CallerRefusal::Access(AccessRefusal::SystemDisabled));
}

#[tokio::test]
async fn without_the_database_it_is_our_failure() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    world.app.database_answers().await.unwrap();
    world.close_database().await;
    let failure = world.app.database_answers().await.unwrap_err();
    assert!(failure.chain().starts_with("using the database: "), "{}", failure.chain());
    assert!(matches!(authenticate(&world.app, &token, &HERE).await, Err(Error::Failed(_))));
}

#[tokio::test]
async fn an_account_comes_only_as_the_operator_allows() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let (app, id) = (&*world.app, caller.account.id);
    let judged = async |change| {
        account::change_access(app, id, change).await.unwrap();
        authenticate(app, &token, &HERE).await.map(|caller| caller.account.id)
    };
    let change = AccessChange::default;
    let elsewhere = vec![Network::parse("192.0.2.0/24").unwrap()];
    let steps = [
        (AccessChange { permitted: Some(false), ..change() }, AccessRefusal::ServiceNotPermitted),
        (
            AccessChange { permitted: Some(true), blocked: Some(true), ..change() },
            AccessRefusal::ServiceBlocked,
        ),
        (
            AccessChange { blocked: Some(false), mobile_verified: Some(false), ..change() },
            AccessRefusal::MobileNotVerified,
        ),
        (
            AccessChange { mobile_verified: Some(true), https_only: Some(true), ..change() },
            AccessRefusal::PlainHttpNotPermitted,
        ),
        (
            AccessChange { https_only: Some(false), networks: Some(elsewhere), ..change() },
            AccessRefusal::AddressNotAllowed,
        ),
        (
            AccessChange {
                networks: Some(Vec::new()),
                methods: Some(vec![String::from("QuickSend")]),
                ..change()
            },
            AccessRefusal::MethodNotAllowed,
        ),
    ];
    for (change, expected) in steps {
        assert_eq!(refusal(judged(change).await), CallerRefusal::Access(expected));
    }
    let send = Arrival { method: "QuickSend", ..HERE };
    assert!(authenticate(app, &token, &send).await.is_ok());
    assert_eq!(
        refusal(judged(change()).await),
        CallerRefusal::Access(AccessRefusal::MethodNotAllowed)
    );
    assert_eq!(judged(AccessChange { methods: Some(Vec::new()), ..change() }).await.unwrap(), id);

    let unfit = AccessChange { methods: Some(vec![String::from("a,b")]), ..change() };
    let refused = account::change_access(app, id, unfit).await;
    assert_eq!(refusal(refused), AccountRefusal::WrongAllowList);
    let nobody = account::change_access(app, AccountId(99), change()).await;
    assert_eq!(refusal(nobody), AccountRefusal::NoSuchAccount);
    assert_eq!(account::access(app, id).await.unwrap(), Some(AccountAccess::default()));
    assert_eq!(account::access(app, AccountId(99)).await.unwrap(), None);
}

#[tokio::test]
async fn a_token_works_only_where_and_for_what_it_was_made() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    let network = Network::parse("127.0.0.0/8").unwrap();
    let allowed = Allowed::new(vec![network], vec![String::from("AccountStatus")]).unwrap();
    let label = String::from("site");
    let token = account::create_token(&world.app, caller.account.id, label, None, allowed);
    let secret = token.await.unwrap().secret;
    assert!(authenticate(&world.app, &secret, &HERE).await.is_ok());
    let unknown = Arrival { address: None, ..HERE };
    let refused = authenticate(&world.app, &secret, &unknown).await;
    assert_eq!(refusal(refused), CallerRefusal::Access(AccessRefusal::TokenAddressNotAllowed));
    let other = Arrival { method: "QuickSend", ..HERE };
    let refused = authenticate(&world.app, &secret, &other).await;
    assert_eq!(refusal(refused), CallerRefusal::Access(AccessRefusal::TokenMethodNotAllowed));
}

#[tokio::test]
async fn a_password_opens_its_own_account_until_it_is_changed() {
    let world = World::new().await;
    let app = &*world.app;
    let id = account::create(app, new_account()).await.unwrap();
    let made = account::set_password(app, id, "Shop", None).await.unwrap();
    assert_eq!(made.len(), 20);
    let caller = authenticate_by_password(app, " SHOP", &made, &HERE).await.unwrap();
    assert_eq!((caller.account.id, caller.token), (id, None));
    assert_eq!(account::user_name(app, id).await.unwrap().unwrap().as_str(), "shop");
    let given = account::set_password(app, id, "shop", Some(String::from("رمز عبور من"))).await;
    assert_eq!(given.unwrap(), "رمز عبور من");
    assert!(authenticate_by_password(app, "shop", "رمز عبور من", &HERE).await.is_ok());
    for (name, password) in
        [("shop", made.as_str()), ("shop", ""), ("shop2", "رمز عبور من"), ("", ""), ("!", "x")]
    {
        let opened = authenticate_by_password(app, name, password, &HERE).await;
        let wrong = CallerRefusal::Access(AccessRefusal::WrongPassword);
        assert_eq!(refusal(opened), wrong, "{name} {password}");
    }
    assert!(account::remove_password(app, id).await.unwrap());
    assert!(!account::remove_password(app, AccountId(99)).await.unwrap());
    assert!(authenticate_by_password(app, "shop", "رمز عبور من", &HERE).await.is_err());
    assert_eq!(account::user_name(app, id).await.unwrap(), None);
}

#[tokio::test]
async fn an_unfit_user_name_or_password_is_not_taken() {
    let world = World::new().await;
    let app = &*world.app;
    let id = account::create(app, new_account()).await.unwrap();
    let other = account::create(app, new_account()).await.unwrap();
    account::set_password(app, other, "taken", None).await.unwrap();
    let cases = [
        (id, "فروشگاه", None, AccountRefusal::WrongUserName),
        (id, "TAKEN", None, AccountRefusal::UserNameTaken),
        (id, "shop", Some("1234567"), AccountRefusal::WrongPassword),
        (AccountId(99), "shop", None, AccountRefusal::NoSuchAccount),
    ];
    for (id, name, password, expected) in cases {
        let set = account::set_password(app, id, name, password.map(str::to_owned)).await;
        assert_eq!(refusal(set), expected, "{name}");
    }
}

#[tokio::test]
async fn who_comes_with_a_password_is_judged_like_anybody() {
    let world = World::new().await;
    let app = &*world.app;
    let id = account::create(app, new_account()).await.unwrap();
    let password = account::set_password(app, id, "shop", None).await.unwrap();
    let change = AccessChange { methods: Some(vec![String::from("Other")]), ..Default::default() };
    account::change_access(app, id, change).await.unwrap();
    let opened = authenticate_by_password(app, "shop", &password, &HERE).await;
    assert_eq!(refusal(opened), CallerRefusal::Access(AccessRefusal::MethodNotAllowed));
    let off = World::with(Settings { web_enabled: false, ..Settings::default() }).await;
    let opened = authenticate_by_password(&off.app, "shop", &password, &HERE).await;
    assert_eq!(refusal(opened), CallerRefusal::Access(AccessRefusal::SystemDisabled));
}

/// Goal: an account has one sandbox, with money of its own, and a sandbox has none.
#[tokio::test]
async fn an_account_has_one_sandbox() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000).await;
    let (one, two) = tokio::join!(world.sandbox(&caller), world.sandbox(&caller));
    let (one, two) = (one.0, two.0);
    assert_eq!(one.account.id, two.account.id);
    assert_ne!(one.account.id, caller.account.id);
    assert_eq!(one.account.sandbox_of, Some(caller.account.id));
    assert_eq!(one.account.balance, Rials(1_000_000_000));
    assert_eq!(world.sandbox(&one).await.0.account.id, one.account.id);
    assert_eq!(world.refreshed(&caller).await.account, caller.account);
    let (label, allowed) = (String::new(), Allowed::default());
    let nobody = AccountId(99);
    let made = account::create_sandbox_token(&world.app, nobody, label, None, allowed).await;
    assert_eq!(refusal(made), AccountRefusal::NoSuchAccount);
}
