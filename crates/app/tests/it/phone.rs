//! Phones that register with us.

use app::dialing::phone_contact;
use app::phone::{self, Binding, NewPhone, PhoneRefusal};
use domain::{AccountId, Extension};

use crate::refusal;
use crate::world::{NOON, World};

pub fn new_phone(account: AccountId, extension: &str) -> NewPhone {
    NewPhone { account, extension: extension.to_owned(), fixed_contact: None }
}

#[tokio::test]
async fn a_phone_is_called_where_it_registered_last() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let fresh = phone::add(&world.app, new_phone(account, "۱۰۰")).await.unwrap();
    assert_eq!(fresh.username, format!("{account}-100"));
    assert!(!format!("{fresh:?}").contains(&fresh.password));
    let known = phone::credentials(&world.app, &fresh.username).await.unwrap().unwrap();
    assert_eq!((known.ha1_md5.len(), known.ha1_sha256.len()), (32, 64));

    let extension = Extension::parse("100").unwrap();
    let where_is = async |at| phone_contact(&world.app, account, &extension, at).await.unwrap();
    assert_eq!(where_is(NOON).await, None);
    let binding = Binding {
        contact: String::from("sip:1-100@127.0.0.1:5070"),
        address: String::from("127.0.0.1:5070"),
        until: NOON.plus_ms(1000),
    };
    assert!(phone::bind(&world.app, fresh.id, binding.clone()).await.unwrap());
    assert_eq!(where_is(NOON).await.unwrap().uri, binding.contact);
    assert_eq!(where_is(binding.until).await, None, "a registration ends");
    assert!(phone::unbind(&world.app, fresh.id).await.unwrap());
    assert!(!phone::unbind(&world.app, fresh.id).await.unwrap());
    assert_eq!(where_is(NOON).await, None);
}

#[tokio::test]
async fn a_fixed_contact_needs_no_registration() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let new = NewPhone {
        fixed_contact: Some(String::from("sip:me@192.0.2.1")),
        ..new_phone(account, "200")
    };
    phone::add(&world.app, new).await.unwrap();
    let extension = Extension::parse("200").unwrap();
    let contact = phone_contact(&world.app, account, &extension, NOON).await.unwrap().unwrap();
    assert_eq!((contact.uri.as_str(), contact.address), ("sip:me@192.0.2.1", None));
    assert_eq!(phone::list(&world.app, account).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nonsense_is_no_phone() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    for extension in ["", "12", "012", "1234567", "abc"] {
        let added = phone::add(&world.app, new_phone(account, extension)).await;
        assert_eq!(refusal(added), PhoneRefusal::WrongExtension, "{extension}");
    }
    for contact in
        ["", "sip:", "tel:100", "sip:a b", "sip:<x>", &format!("sip:{}", "x".repeat(300))]
    {
        let fixed_contact = Some(contact.to_owned());
        let new = NewPhone { fixed_contact, ..new_phone(account, "100") };
        assert_eq!(refusal(phone::add(&world.app, new).await), PhoneRefusal::WrongContact);
    }
    phone::add(&world.app, new_phone(account, "100")).await.unwrap();
    for (account, extension) in [(account, "100"), (AccountId(99), "100")] {
        let added = phone::add(&world.app, new_phone(account, extension)).await;
        assert_eq!(refusal(added), PhoneRefusal::NotPossible);
    }
}
