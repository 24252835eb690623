//! Accounts, credit and tokens.

use app::account::{self, AccountRefusal, NewAccount};
use app::caller::authenticate;
use app::{Error, Settings, billing};
use domain::account::AccessRefusal;
use domain::{AccountId, Rials, Timestamp, TokenId};

use crate::refusal;
use crate::world::{NOON, World};

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

#[tokio::test]
async fn a_token_opens_its_own_account_until_it_ends() {
    let world = World::new().await;
    let id = account::create(&world.app, new_account()).await.unwrap();
    let ends = Some(NOON.plus_ms(1000));
    let fresh = account::create_token(&world.app, id, String::from("a"), ends).await.unwrap();
    assert_eq!(fresh.secret.len(), 40);
    assert!(!format!("{fresh:?}").contains(&fresh.secret), "a secret is never printed");
    let caller = authenticate(&world.app, &fresh.secret).await.unwrap();
    assert_eq!((caller.account.id, caller.token), (id, fresh.id));
    world.clock.advance_ms(1000);
    let late = authenticate(&world.app, &fresh.secret).await;
    assert_eq!(refusal(late), AccessRefusal::TokenExpired);
    for wrong in ["", "x", &fresh.secret[1..], &format!("{}0", fresh.secret)] {
        let opened = authenticate(&world.app, wrong).await;
        assert_eq!(refusal(opened), AccessRefusal::WrongToken, "{wrong}");
    }
    let nobody = account::create_token(&world.app, AccountId(99), String::new(), None).await;
    assert_eq!(refusal(nobody), AccountRefusal::NoSuchAccount);
}

#[tokio::test]
async fn what_is_switched_off_opens_nothing() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let id = caller.account.id;
    let app = &world.app;
    account::set_disabled(app, id, true).await.unwrap();
    assert_eq!(refusal(authenticate(app, &token).await), AccessRefusal::AccountDisabled);
    account::set_disabled(app, id, false).await.unwrap();
    account::set_expiry(app, id, Some(Timestamp(1))).await.unwrap();
    assert_eq!(refusal(authenticate(app, &token).await), AccessRefusal::AccountExpired);
    account::set_expiry(app, id, None).await.unwrap();
    assert!(authenticate(app, &token).await.is_ok());
    assert!(account::disable_token(app, id, caller.token).await.unwrap());
    assert!(!account::disable_token(app, id, TokenId(99)).await.unwrap());
    assert_eq!(refusal(authenticate(app, &token).await), AccessRefusal::TokenDisabled);
}

#[tokio::test]
async fn the_services_can_be_switched_off_for_everyone() {
    let world = World::with(Settings { web_enabled: false, ..Settings::default() }).await;
    let opened = authenticate(&world.app, "anything").await;
    assert_eq!(refusal(opened), AccessRefusal::SystemDisabled);
}

#[tokio::test]
async fn without_the_database_it_is_our_failure() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    world.app.database_answers().await.unwrap();
    world.close_database().await;
    let failure = world.app.database_answers().await.unwrap_err();
    assert!(failure.chain().starts_with("using the database: "), "{}", failure.chain());
    assert!(matches!(authenticate(&world.app, &token).await, Err(Error::Failed(_))));
}
