//! Accounts, tokens, messages, recordings, tariffs, phones, speech, entries.

use domain::access::{AccountAccess, Allowed};
use domain::dialer::health::Condition;
use domain::dialer::trunk::{NumberFormat, Password, Register, Srtp};
use domain::{
    Approval, AttemptId, Extension, Network, QuickSendId, Rials, Tariff, TariffId, Timestamp,
    Trunk, TrunkId, UserName,
};
use store::entry::{EntryKind, NewEntry, Posted};
use store::hot::Accept;
use store::phone::{Binding, NewPhone};
use store::recording::NewRecording;
use store::speech::Speech;
use store::token::NewToken;
use store::trunk::{CallerId, Kept, Source};
use store::trunk_health::TrunkHealth;
use store::{
    Error, Queries as _, account, entry, message, phone, recording, speech, tariff, token, trunk,
    trunk_health, verification,
};

use crate::engines::both_engines;
use crate::world::{NOW, delivered, new_account, new_message};

fn credit(account: domain::AccountId, amount: i64, reference: &str) -> NewEntry {
    NewEntry {
        account,
        kind: if amount < 0 { EntryKind::Speech } else { EntryKind::Credit },
        amount: Rials(amount),
        at: NOW.plus_ms(1),
        reference: Some(reference.to_owned()),
        note: String::from("note"),
    }
}

fn only(network: &str, method: &str) -> Allowed {
    let network = Network::parse(network).unwrap();
    Allowed::new(vec![network], vec![method.to_owned()]).unwrap()
}

both_engines! {
    /// What an account may do with the web services is read back, alone and by its token.
    async fn the_access_of_an_account(world) {
        let id = world.account(1).await;
        let (hash, label) = (vec![7; 32], String::from("site"));
        let allowed = Allowed::default();
        let new = NewToken { account: id, hash, label, created_at: NOW, expires_at: None, allowed };
        let access = AccountAccess {
            mobile_unverified_at: Some(NOW.plus_ms(1)),
            denied_at: Some(NOW.plus_ms(2)),
            blocked_at: Some(NOW.plus_ms(3)),
            https_only_at: Some(NOW.plus_ms(4)),
            allowed: only("2001:db8::/32", "Get"),
        };
        let mut tx = world.db.begin().await.unwrap();
        token::create(&mut tx, &new).await.unwrap();
        assert_eq!(account::access(&mut tx, id).await.unwrap(), Some(AccountAccess::default()));
        assert!(account::set_access(&mut tx, id, &access).await.unwrap());
        let nobody = domain::AccountId(999);
        assert!(!account::set_access(&mut tx, nobody, &access).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        assert_eq!(account::access(&mut reader, id).await.unwrap(), Some(access.clone()));
        assert_eq!(account::access(&mut reader, nobody).await.unwrap(), None);
        let holder = account::find_by_token(&mut reader, &new.hash).await.unwrap().unwrap();
        assert_eq!((holder.access, holder.state.allowed), (access, Allowed::default()));
    }

    /// A list that was spoilt by hand is told, and never read as one that allows everybody.
    async fn a_spoilt_list(world) {
        let id = world.account(1).await;
        let mut tx = world.db.begin().await.unwrap();
        tx.execute("UPDATE account SET allowed_networks = 'everybody'", &[]).await.unwrap();
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let read = account::access(&mut reader, id).await;
        assert!(matches!(read, Err(Error::Corrupt { column, .. }) if column == "allowed_networks"));
    }

    /// A user name finds its account, is nobody else's, and can be taken away.
    async fn an_account_and_its_login(world) {
        let (id, other) = (world.account(1).await, world.account(1).await);
        let name = UserName::parse("Shop").unwrap();
        let mut tx = world.db.begin().await.unwrap();
        assert!(account::set_login(&mut tx, id, Some((&name, "hash"))).await.unwrap());
        let nobody = account::set_login(&mut tx, domain::AccountId(999), None).await;
        assert!(!nobody.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let holder = account::find_by_user_name(&mut reader, &name).await.unwrap().unwrap();
        assert_eq!((holder.account.id, holder.password_hash.as_str()), (id, "hash"));
        assert_eq!(holder.access, AccountAccess::default());
        assert_eq!(account::user_name(&mut reader, id).await.unwrap(), Some(name.clone()));
        assert_eq!(account::user_name(&mut reader, other).await.unwrap(), None);
        let mut tx = world.db.begin().await.unwrap();
        let taken = account::set_login(&mut tx, other, Some((&name, "hash"))).await;
        assert!(matches!(taken, Err(Error::Conflict(_))));
        drop(tx);
        let mut tx = world.db.begin().await.unwrap();
        assert!(account::set_login(&mut tx, id, None).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        assert!(account::find_by_user_name(&mut reader, &name).await.unwrap().is_none());
    }

    /// What is created is read back, and found by its token.
    async fn an_account_and_its_token(world) {
        let mut tx = world.db.begin().await.unwrap();
        let id = account::create(&mut tx, &new_account(500)).await.unwrap();
        let new = NewToken {
            account: id,
            hash: vec![0, 159, 146, 150],
            label: String::from("site"),
            created_at: NOW,
            expires_at: Some(NOW.plus_ms(1)),
            allowed: only("192.0.2.0/24", "Send"),
        };
        let token = token::create(&mut tx, &new).await.unwrap();
        token::touch(&mut tx, token, NOW).await.unwrap();
        assert!(account::set_disabled(&mut tx, id, Some(NOW)).await.unwrap());
        assert!(account::set_expiry(&mut tx, id, Some(NOW)).await.unwrap());
        tx.commit().await.unwrap();

        let mut reader = world.db.read().await.unwrap();
        let found = account::find(&mut reader, id).await.unwrap().unwrap();
        assert_eq!(found.name, "شرکت نمونه");
        assert_eq!((found.balance, found.reserved), (Rials(500), Rials(0)));
        assert_eq!((found.disabled_at, found.expires_at), (Some(NOW), Some(NOW)));
        assert!(found.approves_own_messages);
        let holder =
            account::find_by_token(&mut reader, &[0, 159, 146, 150]).await.unwrap().unwrap();
        assert_eq!((holder.token, &holder.account), (token, &found));
        assert_eq!(holder.state.expires_at, Some(NOW.plus_ms(1)));
        assert_eq!(holder.state.allowed, new.allowed);
        assert_eq!(holder.access, AccountAccess::default());
        assert_eq!(account::find_by_token(&mut reader, b"else").await.unwrap(), None);
        assert_eq!(account::list(&mut reader, domain::AccountId(0), 9).await.unwrap(), [found]);
        assert_eq!(account::list(&mut reader, id, 9).await.unwrap(), []);
        let kept = token::list(&mut reader, id).await.unwrap();
        assert_eq!((kept.len(), kept[0].last_used_at), (1, Some(NOW)));

        let mut tx = world.db.begin().await.unwrap();
        assert!(token::disable(&mut tx, id, token, NOW).await.unwrap());
        assert!(!token::disable(&mut tx, id, token, NOW).await.unwrap());
        tx.commit().await.unwrap();
        let holder = account::find_by_token(&mut reader, &[0, 159, 146, 150]).await.unwrap();
        assert_eq!(holder.unwrap().state.disabled_at, Some(NOW));
    }

    /// A reference is posted once, and nobody spends what is not there.
    async fn entries(world) {
        let id = world.account(100).await;
        let mut tx = world.db.begin().await.unwrap();
        let post = async |tx: &mut store::Tx, amount, reference| {
            entry::post(tx, &credit(id, amount, reference)).await.unwrap()
        };
        assert_eq!(post(&mut tx, 50, "a").await, Posted::Done);
        assert_eq!(post(&mut tx, 50, "a").await, Posted::Repeated);
        assert_eq!(post(&mut tx, -151, "b").await, Posted::InsufficientCredit);
        assert_eq!(post(&mut tx, -150, "c").await, Posted::Done);
        assert_eq!(post(&mut tx, -150, "c").await, Posted::Repeated);
        let nobody = NewEntry { account: domain::AccountId(999), ..credit(id, 1, "d") };
        assert_eq!(entry::post(&mut tx, &nobody).await.unwrap(), Posted::AccountGone);
        tx.commit().await.unwrap();
        assert_eq!(world.funds(id).await, (0, 0));
        let mut reader = world.db.read().await.unwrap();
        let lines =
            entry::statement(&mut reader, id, NOW, NOW.plus_ms(2), 10).await.unwrap();
        let amounts: Vec<i64> = lines.iter().map(|line| line.amount.0).collect();
        assert_eq!(amounts.iter().sum::<i64>(), 0);
        assert_eq!(amounts.len(), 3);
        let none = entry::statement(&mut reader, id, NOW.plus_ms(2), NOW.plus_ms(3), 10).await;
        assert_eq!(none.unwrap(), []);
    }

    /// Calls stand in the statement beside entries, with what they cost.
    async fn a_call_in_the_statement(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let accepted = world.accept(&element).await;
        let attempt = world.lease(node, accepted.quick_send).await;
        world.db.settle(vec![delivered(attempt, 225)]).await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let lines =
            entry::statement(&mut reader, element.account, NOW, NOW.plus_ms(9), 10).await.unwrap();
        assert_eq!((lines[0].kind.as_str(), lines[0].amount), ("call", Rials(-225)));
        assert_eq!(lines[0].quick_send, Some(accepted.quick_send));
        assert_eq!((lines[1].kind.as_str(), lines[1].amount), ("credit", Rials(10_000)));
    }

    /// A deleted message is gone for its owner, and was never there for others.
    async fn messages(world) {
        let id = world.account(0).await;
        let other = world.account(0).await;
        let first = world.message(id).await;
        let second = world.message(id).await;
        let mut reader = world.db.read().await.unwrap();
        let found = message::find(&mut reader, id, first).await.unwrap().unwrap();
        assert_eq!((found.title.as_str(), found.length_ms), ("سلام", 10_000));
        assert_eq!((found.approval, found.persistent), (Approval::Approved, false));
        assert_eq!(message::find(&mut reader, other, first).await.unwrap(), None);
        let list = message::list(&mut reader, id, None, 10).await.unwrap();
        assert_eq!(list.iter().map(|m| m.id).collect::<Vec<_>>(), [second, first]);
        let older = message::list(&mut reader, id, Some(second), 10).await.unwrap();
        assert_eq!(older.len(), 1);

        let mut tx = world.db.begin().await.unwrap();
        assert!(!message::delete(&mut tx, other, first, NOW).await.unwrap());
        assert!(message::delete(&mut tx, id, first, NOW).await.unwrap());
        assert!(!message::delete(&mut tx, id, first, NOW).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(message::find(&mut reader, id, first).await.unwrap(), None);
        assert!(message::find(&mut reader, id, second).await.unwrap().is_some());
    }

    /// A recording begins once, ends once, and is its owner's alone.
    async fn recordings(world) {
        let element = Accept { record_ms: Some(30_000), server: Some(20), ..world.send().await };
        let (owner, stranger) = (element.account, world.account(0).await);
        let send = world.db.accept_one(element).await.unwrap().unwrap().quick_send;
        let ready = world.db.load_ready(Timestamp(0), QuickSendId(0), 10).await.unwrap();
        assert_eq!((ready[0].record_ms, ready[0].server), (Some(30_000), Some(20)));
        let attempt = AttemptId { quick_send: send, n: 1 };
        let new = NewRecording {
            attempt,
            node: String::from("a"),
            blob: String::from("recording/1.wav"),
            started_at: NOW,
        };
        let mut tx = world.db.begin().await.unwrap();
        assert!(recording::start(&mut tx, &new).await.unwrap());
        assert!(!recording::start(&mut tx, &new).await.unwrap(), "once");
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let found = recording::find(&mut reader, owner, send).await.unwrap().unwrap();
        assert_eq!((found.attempt, &found.state), (attempt, &recording::State::Started));
        assert_eq!(recording::find(&mut reader, stranger, send).await.unwrap(), None);
        assert_eq!(recording::started(&mut reader, "b", 10).await.unwrap(), []);
        assert_eq!(recording::started(&mut reader, "a", 10).await.unwrap(), [found]);
        let failed = recording::State::Failed { error: String::from("no room") };
        let ready = recording::State::Ready { length_ms: 1_500 };
        let mut tx = world.db.begin().await.unwrap();
        let begun = recording::State::Started;
        let unended = recording::end(&mut tx, send, &begun, NOW).await;
        assert!(matches!(unended, Err(Error::Conflict(_))));
        assert!(recording::end(&mut tx, send, &failed, NOW).await.unwrap());
        assert!(!recording::end(&mut tx, send, &ready, NOW).await.unwrap(), "it has ended");
        tx.commit().await.unwrap();
        assert_eq!(recording::started(&mut reader, "a", 10).await.unwrap(), []);
        let found = recording::find(&mut reader, owner, send).await.unwrap().unwrap();
        assert_eq!(found.state, failed);
    }

    /// The newest tariff that has started applies; a migrated database has one from the beginning.
    async fn tariffs(world) {
        let later = Tariff {
            sms_part: Some(Rials(900)),
            id: TariffId(0),
            effective_from: NOW,
            pulse_seconds: 60,
            internal_second: Rials(1),
            external_second: Rials(2),
            tts_second: Rials(3),
            secure_minimum: Rials(7),
        };
        let mut tx = world.db.begin().await.unwrap();
        let id = tariff::insert(&mut tx, &later).await.unwrap();
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let before = tariff::current(&mut reader, Timestamp(NOW.0 - 1)).await.unwrap().unwrap();
        assert_eq!((before.pulse_seconds, before.external_second), (5, Rials(45)));
        assert_eq!((before.internal_second, before.tts_second), (Rials(45), Rials(10)));
        let after = tariff::current(&mut reader, NOW).await.unwrap().unwrap();
        assert_eq!(after, Tariff { id, ..later });
        assert_eq!(tariff::find(&mut reader, id).await.unwrap(), Some(after));
        assert_eq!(tariff::current(&mut reader, Timestamp(-1)).await.unwrap(), None);
        let mut tx = world.db.begin().await.unwrap();
        assert!(matches!(tariff::insert(&mut tx, &later).await, Err(Error::Conflict(_))));
    }

    /// A phone is found by either of its names, and remembers where it registered.
    async fn phones(world) {
        let id = world.account(0).await;
        let extension = Extension::parse("101").unwrap();
        let new = NewPhone {
            account: id,
            extension: extension.clone(),
            username: String::from("u1"),
            ha1_md5: String::from("5"),
            ha1_sha256: String::from("256"),
            fixed_contact: None,
        };
        let mut tx = world.db.begin().await.unwrap();
        let phone_id = phone::insert(&mut tx, &new).await.unwrap();
        let binding = Binding {
            contact: String::from("sip:u1@127.0.0.1:5070"),
            address: String::from("127.0.0.1:5070"),
            until: NOW,
        };
        assert!(phone::bind(&mut tx, phone_id, &binding).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let found = phone::find_by_extension(&mut reader, id, &extension).await.unwrap().unwrap();
        assert_eq!(found.binding, Some(binding));
        let same = phone::find_by_username(&mut reader, "u1").await.unwrap();
        assert_eq!(same.as_ref(), Some(&found));
        let all = phone::all(&mut reader).await.unwrap();
        assert_eq!(all, std::slice::from_ref(&found));
        assert_eq!(phone::list(&mut reader, id).await.unwrap(), [found]);

        let mut tx = world.db.begin().await.unwrap();
        assert!(phone::unbind(&mut tx, phone_id).await.unwrap());
        assert!(!phone::unbind(&mut tx, phone_id).await.unwrap());
        tx.commit().await.unwrap();
        let found = phone::find_by_username(&mut reader, "u1").await.unwrap().unwrap();
        assert_eq!(found.binding, None);
        let mut tx = world.db.begin().await.unwrap();
        assert!(matches!(phone::insert(&mut tx, &new).await, Err(Error::Conflict(_))));
    }

    /// A node's view of its trunks replaces what it wrote before, and nobody else's.
    async fn the_health_of_trunks(world) {
        let seen = |trunk: &str, condition, until| TrunkHealth {
            trunk: trunk.to_owned(),
            condition,
            since: NOW,
            until,
        };
        let first = [
            seen("a", Condition::Good, None),
            seen("b", Condition::Quarantined, Some(NOW.plus_ms(5))),
        ];
        let second = [seen("b", Condition::Silent, None)];
        for (node, seen) in [("one", &first[..]), ("two", &first[..]), ("one", &second[..])] {
            let mut tx = world.db.begin().await.unwrap();
            trunk_health::replace(&mut tx, node, seen).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut reader = world.db.read().await.unwrap();
        let two = |one: &TrunkHealth| (String::from("two"), one.clone());
        let expected = [
            (String::from("one"), second[0].clone()), two(&first[0]), two(&first[1]),
        ];
        assert_eq!(trunk_health::list(&mut reader).await.unwrap(), expected);
    }

    /// A trunk is read back as it was described; every change of it is counted.
    async fn trunks(world) {
        let account = world.account(0).await;
        let described = Trunk {
            name: String::from("north"),
            address: String::from("sip.example:5070"),
            username: String::from("u"),
            password: Password(String::from("p,=' ")),
            number_format: NumberFormat::parse("77{national}").unwrap(),
            codecs: vec![String::from("g722"), String::from("pcma")],
            prefixes: vec![String::from("09"), String::from("021")],
            priority: 2,
            weight: 3,
            ping_interval_s: 0,
            server_ids: vec![1, 20],
            register: Some(Register { registrar: String::from("r.example"), expires_s: 600 }),
            accept_from: [Network::parse("10.0.0.0/8"), Network::parse("::1")]
                .into_iter()
                .flatten()
                .collect(),
            srtp: Srtp::Forced,
            symmetric_rtp: true,
            ..Trunk::default()
        };
        let file = Source::File(String::from("a:b"));
        let mut tx = world.db.begin().await.unwrap();
        let id = trunk::insert(&mut tx, &Source::Table, &described).await.unwrap();
        let of_file = trunk::insert(&mut tx, &file, &described).await.unwrap();
        let number = String::from("02188888888");
        let shown = CallerId { trunk: id, account, number };
        trunk::set_caller_id(&mut tx, &CallerId { number: String::from("1"), ..shown.clone() })
            .await
            .unwrap();
        trunk::set_caller_id(&mut tx, &shown).await.unwrap();
        assert!(trunk::set_disabled(&mut tx, id, Some(NOW)).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        assert_eq!(trunk::changes(&mut reader).await.unwrap(), 5);
        let kept = |id, source: &Source, disabled_at, trunk: &Trunk| Kept {
            id,
            source: source.clone(),
            disabled_at,
            trunk: trunk.clone(),
        };
        let first = kept(id, &Source::Table, Some(NOW), &described);
        let second = kept(of_file, &file, None, &described);
        assert_eq!(trunk::list(&mut reader).await.unwrap(), [first, second]);
        assert_eq!(trunk::caller_ids(&mut reader).await.unwrap(), [shown]);

        let changed = Trunk { name: String::from("north"), max_cps: 1, ..Trunk::default() };
        let mut tx = world.db.begin().await.unwrap();
        assert!(trunk::update(&mut tx, id, &changed).await.unwrap());
        assert!(!trunk::update(&mut tx, TrunkId(99), &changed).await.unwrap());
        assert!(trunk::set_disabled(&mut tx, id, None).await.unwrap());
        assert!(trunk::delete(&mut tx, of_file).await.unwrap());
        assert!(!trunk::delete(&mut tx, of_file).await.unwrap());
        tx.commit().await.unwrap();
        let only = kept(id, &Source::Table, None, &changed);
        assert_eq!(trunk::list(&mut reader).await.unwrap(), [only]);
        let mut tx = world.db.begin().await.unwrap();
        assert!(trunk::unset_caller_id(&mut tx, id, account).await.unwrap());
        assert!(!trunk::unset_caller_id(&mut tx, id, account).await.unwrap());
        assert!(trunk::delete(&mut tx, id).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(trunk::list(&mut reader).await.unwrap(), []);

        let mut tx = world.db.begin().await.unwrap();
        trunk::insert(&mut tx, &Source::Table, &changed).await.unwrap();
        let twice = trunk::insert(&mut tx, &Source::Table, &changed).await;
        assert!(matches!(twice, Err(Error::Conflict(_))));
    }

    /// The first speech under a key stays.
    async fn the_speech_cache(world) {
        let made = Speech { blob: String::from("x"), length_ms: 4_000 };
        let other = Speech { blob: String::from("y"), length_ms: 5_000 };
        let mut tx = world.db.begin().await.unwrap();
        assert!(speech::insert(&mut tx, b"key", &made, NOW).await.unwrap());
        assert!(!speech::insert(&mut tx, b"key", &other, NOW).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        assert_eq!(speech::find(&mut reader, b"key").await.unwrap(), Some(made));
        assert_eq!(speech::find(&mut reader, b"else").await.unwrap(), None);
    }

    /// What is not committed never happened, whether dropped or failed.
    async fn transactions(world) {
        let mut tx = world.db.begin().await.unwrap();
        account::create(&mut tx, &new_account(1)).await.unwrap();
        drop(tx);
        let mut tx = world.db.begin().await.unwrap();
        account::create(&mut tx, &new_account(1)).await.unwrap();
        let orphan = new_message(domain::AccountId(999));
        assert!(matches!(message::insert(&mut tx, &orphan).await, Err(Error::Conflict(_))));
        assert!(matches!(account::create(&mut tx, &new_account(1)).await, Err(Error::Conflict(_))));
        assert!(matches!(tx.commit().await, Err(Error::Conflict(_))));
        world.account(2).await;
        let mut reader = world.db.read().await.unwrap();
        let all = account::list(&mut reader, domain::AccountId(0), 9).await.unwrap();
        assert_eq!(all.iter().map(|a| a.balance.0).collect::<Vec<_>>(), [2]);
    }

    /// A value that this version does not know is named, not guessed.
    async fn corrupt_values_are_named(world) {
        let id = world.account(0).await;
        let message = world.message(id).await;
        let mut tx = world.db.begin().await.unwrap();
        tx.execute("UPDATE message SET approval = 77", &[]).await.unwrap();
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let error = message::find(&mut reader, id, message).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("message.approval of row {message} cannot be understood")
        );
        assert!(matches!(error, Error::Corrupt { id, .. } if id == message.0));
        let error = reader.query("SELECT nothing FROM message", &[]).await.unwrap_err();
        assert_eq!(error.to_string(), "the database is not available");
    }
}

both_engines! {
    /// A verification is told when its send has ended, by one at a time, until it was told.
    async fn a_verification_is_told_by_one_at_a_time(world) {
        let node = world.node("a").await;
        let reference = String::from("verification:1");
        let client_reference = Some(reference.clone());
        let element = Accept { vote: true, client_reference, ..world.send().await };
        let new = verification::NewVerification {
            reference,
            account: element.account,
            code: 3,
            callback_url: String::from("http://mysite.example/"),
            created_at: NOW,
        };
        let reference = String::from("verification:2");
        let orphan = verification::NewVerification { reference, ..new.clone() };
        let mut tx = world.db.begin().await.unwrap();
        verification::insert(&mut tx, &new).await.unwrap();
        verification::insert(&mut tx, &orphan).await.unwrap();
        verification::delete(&mut tx, &orphan.reference).await.unwrap();
        assert!(verification::set_secret(&mut tx, element.account, "s").await.unwrap());
        assert!(!verification::set_secret(&mut tx, domain::AccountId(999), "s").await.unwrap());
        tx.commit().await.unwrap();
        let send = world.accept(&element).await.quick_send;
        let attempt = world.lease(node, send).await;
        let mut reader = world.db.read().await.unwrap();
        assert_eq!(verification::due(&mut reader, NOW, 9).await.unwrap(), []);
        world.db.settle(vec![delivered(attempt, 225)]).await.unwrap();
        assert_eq!(verification::due(&mut reader, NOW.plus_ms(-1), 9).await.unwrap(), []);
        let due = verification::due(&mut reader, NOW, 9).await.unwrap();
        let [due] = &due[..] else { panic!("{due:?}") };
        assert_eq!((due.send, due.code, due.vote, due.tries), (send, 3, Some(3), 0));
        assert_eq!((due.number.as_str(), due.secret.as_deref()), ("09121234567", Some("s")));

        let later = NOW.plus_ms(60_000);
        let mut tx = world.db.begin().await.unwrap();
        assert!(verification::claim(&mut tx, due, later).await.unwrap());
        assert!(!verification::claim(&mut tx, due, later).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(verification::due(&mut reader, NOW, 9).await.unwrap(), []);
        assert_eq!(verification::due(&mut reader, later, 9).await.unwrap().len(), 1);
        let mut tx = world.db.begin().await.unwrap();
        verification::tried(&mut tx, &due.reference, "200", None).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(verification::due(&mut reader, later, 9).await.unwrap(), []);
    }
}
