//! Who executes the agreement and who oversees it (C03): signed months, deputies, and experts who
//! leave.

use app::Settings;
use app::announcement::{self, Place};
use app::availability;
use app::error_report::{self, ErrorReportRefusal, Reported};
use app::post::{self, PostRefusal};
use app::remote_session;
use app::signature::{self, SignRefusal, Whose};
use app::statement;
use app::support_call;
use app::support_line::{self, DutyRefusal};
use app::ticket::{self, Asked, TicketRefusal, Who};
use app::{claim, outage, oversight};
use domain::AccountId;
use domain::agreement::claim as rules;
use domain::agreement::error_report::Finding;
use domain::agreement::remote_session::State as Session;
use domain::agreement::scope::{Paths, Scope};
use domain::agreement::staff::{Refusal, Role};
use domain::agreement::support_call::Step;
use domain::agreement::ticket::{Channel, Step as Said};
use domain::announcement::Audience;

use crate::chain::bend;
use crate::claim::{committee, file};
use crate::engines::{on_both_engines, postgres, remove};
use crate::refusal;
use crate::violation::{at, go_to, month, span};
use crate::world::World;

async fn appoint(world: &World, name: &str, role: Role) {
    post::appoint(&world.app, name, role, "the operator").await.unwrap();
}

/// Writes Azar down for everybody, with an outage that is reversed later.
async fn freeze_azar(world: &World) -> i64 {
    let app = &world.app;
    go_to(world, "1405/10/01 01:00");
    let (paths, scope) = (Paths::ALL, Scope::everyone());
    let time = span("1405/09/01 12:00", "1405/10/01 00:00");
    outage::saw_working(app, "monitor", paths, &scope, time).await.unwrap();
    let new = outage::NewOutage {
        paths,
        scope,
        from: at("1405/09/10 10:00"),
        to: Some(at("1405/09/10 11:00")),
        cause: "power".to_owned(),
        evidence: "log 7".to_owned(),
        author: "Zahra".to_owned(),
    };
    let id = outage::record(app, new).await.unwrap();
    go_to(world, "1405/10/04 09:00");
    availability::freeze(app, month("1405-09")).await.unwrap();
    id
}

/// C03. Goal: the manager signs what was written down of a month, each revision once and by its
/// checksum; a new revision is unsigned again; nobody else signs, and nothing that was bent.
async fn a_month_is_signed_by_its_manager(world: &World) {
    let (app, azar) = (&world.app, month("1405-09"));
    let account = world.customer(0).await.0.account.id;
    let other = world.customer(0).await.0.account.id;
    let sign = async |whose, by: &str| signature::sign(app, azar, whose, by).await;
    assert_eq!(refusal(sign(Whose::All, "Reza").await), SignRefusal::Nothing);
    let drill = freeze_azar(world).await;
    assert_eq!(signature::waiting(app).await.unwrap(), [(azar, 3)]);
    assert_eq!(refusal(sign(Whose::All, "Reza").await), SignRefusal::NotManager);
    appoint(world, "Reza", Role::Manager).await;
    appoint(world, "Sara", Role::Expert).await;
    assert_eq!(refusal(sign(Whose::All, "Sara").await), SignRefusal::NotManager);

    assert_eq!(sign(Whose::One(Some(account)), "Reza").await.unwrap(), 1);
    let signed = async |account| statement::open(app, account, azar, None).await.unwrap();
    let shown = signed(Some(account)).await;
    let signature = shown.signature.unwrap();
    assert_eq!((signature.revision, &signature.digest), (0, &shown.statement.digest));
    assert_eq!((signature.by.to_string(), signature.at), ("Reza".to_owned(), app.now()));
    assert_eq!(signed(None).await.signature, None);
    let again = sign(Whose::One(Some(account)), "Reza").await;
    assert_eq!(refusal(again), SignRefusal::Nothing, "once for each revision");
    let waits = signature::unsigned(app, azar, AccountId(-1), 9).await.unwrap();
    let whose: Vec<AccountId> = waits.iter().map(availability::MonthStatement::number).collect();
    assert_eq!(whose, [AccountId(0), other]);
    assert_eq!(sign(Whose::All, "Reza").await.unwrap(), 2);
    assert_eq!(signature::waiting(app).await.unwrap(), []);

    outage::reverse(app, drill, "a drill", "Zahra").await.unwrap();
    availability::revise(app, Some(account), azar, "a drill", "Maryam").await.unwrap();
    assert_eq!(signature::waiting(app).await.unwrap(), [(azar, 1)]);
    assert_eq!(signed(Some(account)).await.signature, None, "a new revision is unsigned");
    let first = statement::open(app, Some(account), azar, Some(0)).await.unwrap();
    assert!(first.signature.is_some(), "what was signed stays so");
    let time = span("1405/10/05 00:00", "1405/10/10 00:00");
    post::name_deputy(app, "Reza", "Sara", time).await.unwrap();
    assert_eq!(refusal(sign(Whose::All, "Sara").await), SignRefusal::NotManager, "not yet");
    go_to(world, "1405/10/05 00:00");
    assert_eq!(sign(Whose::All, "Sara").await.unwrap(), 1);
    let by = signed(Some(account)).await.signature.unwrap().by;
    assert_eq!(by.to_string(), "Sara (as deputy of Reza)");
    let last = app::chain::list(app, Some("signatures"), None, 1).await.unwrap();
    assert_eq!(last[0].entry.actor, "Sara (as deputy of Reza)");
    let verified = app::chain::verify(app, &[]).await.unwrap();
    assert!(verified.wrong.is_empty(), "{:?}", verified.wrong);

    availability::revise(app, Some(other), azar, "a drill", "Maryam").await.unwrap();
    bend(world, "UPDATE month_statement SET up_us = up_us + 1 WHERE revision = 1").await;
    let broken = sign(Whose::One(Some(other)), "Reza").await;
    assert_eq!(refusal(broken), SignRefusal::Broken(other));
    bend(world, "UPDATE statement_signature SET signed_by = 'Nobody' WHERE revision = 0").await;
    let verified = app::chain::verify(app, &[]).await.unwrap();
    let bent = verified.wrong.values().filter(|(_, said)| said.starts_with("signatures "));
    assert_eq!(bent.count(), 2, "{:?}", verified.wrong);
    bend(world, "UPDATE statement_signature SET signed_by = 'Reza' WHERE revision = 0").await;
    go_to(world, "1405/10/10 00:00");
    bend(world, "UPDATE month_statement SET up_us = up_us - 1 WHERE revision = 1").await;
    assert_eq!(refusal(sign(Whose::All, "Sara").await), SignRefusal::NotManager, "no more");
}

/// C03. Goal: a manager has one deputy at a time, named by himself, and can take that back; what
/// was named stays to be seen.
async fn a_manager_names_his_deputies(world: &World) {
    let app = &world.app;
    let name = async |of: &str, deputy: &str, from: &str, to: &str| {
        post::name_deputy(app, of, deputy, span(from, to)).await
    };
    let rule = |rule| PostRefusal::Rule(rule);
    let nobody = name("Reza", "Sara", "1405/09/05 00:00", "1405/09/09 00:00").await;
    assert_eq!(refusal(nobody), rule(Refusal::NotManager));
    appoint(world, "Reza", Role::Manager).await;
    let again = post::appoint(app, "Reza", Role::Manager, "x").await;
    assert_eq!(refusal(again), rule(Refusal::Has));
    assert_eq!(refusal(post::appoint(app, " ", Role::Expert, "x").await), rule(Refusal::Name));
    let stranger = name("Reza", "Sara", "1405/09/05 00:00", "1405/09/09 00:00").await;
    assert_eq!(refusal(stranger), rule(Refusal::HasNot));
    appoint(world, "Sara", Role::Expert).await;
    let first = name("Reza", "Sara", "1405/09/05 00:00", "1405/09/09 00:00").await.unwrap();
    let second = name("Reza", "Sara", "1405/09/08 00:00", "1405/09/12 00:00").await;
    assert_eq!(refusal(second), rule(Refusal::Overlap));
    go_to(world, "1405/09/06 12:00");
    assert_eq!(refusal(post::end_deputy(app, first, "Sara").await), rule(Refusal::NotManager));
    let as_manager = async |name: &str| {
        post::list(app).await.unwrap().as_manager(name, app.now()).map(|one| one.to_string())
    };
    assert_eq!(as_manager("Sara").await, Some("Sara (as deputy of Reza)".to_owned()));
    post::end_deputy(app, first, "Reza").await.unwrap();
    assert_eq!(as_manager("Sara").await, None);
    assert_eq!(refusal(post::end_deputy(app, first, "Reza").await), rule(Refusal::Over));
    name("Reza", "Sara", "1405/09/08 00:00", "1405/09/12 00:00").await.unwrap();
    let kept = post::list(app).await.unwrap().deputies;
    let ended: Vec<_> = kept.iter().map(|one| one.ended_by.as_deref()).collect();
    assert_eq!(ended, [Some("Reza"), None]);

    // Who stands in for a manager decides nothing with him, nor for him what he handled himself.
    let (caller, _) = world.customer(0).await;
    go_to(world, "1405/09/08 10:00");
    let id = file(app, &caller, "1405/09/01 11:00").await;
    claim::complete(app, id, &[], "Ali").await.unwrap();
    let assign = async |names: &str| {
        let mut members = committee(names);
        for member in &mut members {
            match member.name.as_str() {
                "o1" => "Reza".clone_into(&mut member.name),
                "t1" => "Sara".clone_into(&mut member.name),
                _ => {}
            }
        }
        claim::assign(app, id, &members, "Ali").await
    };
    let both = claim::ClaimRefusal::Rule(rules::Refusal::SameVoice("Sara".to_owned()));
    assert_eq!(refusal(assign("t1 t2 o1").await), both);
    assign("t1 t2 o2").await.unwrap();
}

/// C03. Goal: what an expert has who leaves goes to another in one step, or nothing of it; what was
/// done before stays to be read, and nothing is given to who is gone.
async fn what_an_expert_has_goes_to_another(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    for name in ["Sara", "Ali", "Nima"] {
        appoint(world, name, Role::Expert).await;
    }
    appoint(world, "Reza", Role::Manager).await;
    let asked = || {
        let (subject, text) = ("s".to_owned(), "t".to_owned());
        Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() }
    };
    let open =
        async || ticket::open(app, account, Who::Customer(account), &asked()).await.unwrap().0;
    let (open_one, closed, others) = (open().await, open().await, open().await);
    for (id, expert) in [(open_one, "Sara"), (closed, "Sara"), (others, "Nima")] {
        ticket::assign(app, id, "Reza", expert).await.unwrap();
    }
    ticket::close(app, closed, Who::Staff("Sara"), "done").await.unwrap();
    let reported = Reported { ticket: None, title: "t".to_owned(), description: "d".to_owned() };
    let report = error_report::report(app, account, &reported).await.unwrap();
    error_report::assign(app, report, "Reza", "Sara").await.unwrap();
    go_to(world, "1405/09/02 10:00");
    let call = support_call::joined(app, None, Some("09121234567"), "switch").await.unwrap();
    support_call::register(app, call, None, "switch").await.unwrap();
    assert_eq!(support_call::next(app, "Sara").await.unwrap().unwrap().id, call);

    let session = remote_session::ask(app, open_one, "Sara", "to look").await.unwrap();
    let tomorrow = at("1405/09/03 10:00");
    remote_session::agree(app, session, Who::Staff("Sara"), tomorrow, "AnyDesk").await.unwrap();
    remote_session::consent(app, account, session).await.unwrap();

    let leave = async |name: &str, to: &str, by: &str| post::leave(app, name, to, by).await;
    let rule = |rule| PostRefusal::Rule(rule);
    assert_eq!(refusal(leave("Sara", "Ali", "Nima").await), rule(Refusal::NotManager));
    assert_eq!(refusal(leave("Sara", "Sara", "Reza").await), PostRefusal::Successor);
    assert_eq!(refusal(leave("Sara", "Hamed", "Reza").await), PostRefusal::Successor);
    let none = leave("Ali", "Nima", "Reza").await.unwrap();
    assert_eq!(none, post::HandedOver::default());
    let gone = leave("Sara", "Ali", "Reza").await;
    assert_eq!(refusal(gone), PostRefusal::Successor, "Ali is gone");
    let holder = async |id| {
        let found = ticket::find(app, None, id).await.unwrap().unwrap().kept.ticket;
        found.holder().map(str::to_owned)
    };
    assert_eq!(holder(open_one).await.as_deref(), Some("Sara"), "nothing of it was done");

    let handed = leave("Sara", "Nima", "Reza").await.unwrap();
    let (tickets, reports, callbacks) = (vec![open_one], vec![report], vec![call]);
    let sessions = vec![session];
    assert_eq!(handed, post::HandedOver { tickets, reports, callbacks, sessions });
    let helped = remote_session::find(app, None, session).await.unwrap().unwrap();
    assert_eq!((helped.expert(), helped.session.state), ("Nima", Session::Agreed));
    assert_eq!(helped.session.consented_at, None, "the customer let Sara in, not Nima");
    assert_eq!(holder(open_one).await.as_deref(), Some("Nima"));
    assert_eq!(holder(closed).await.as_deref(), Some("Sara"), "what is over stays who did it");
    let kept = ticket::find(app, None, open_one).await.unwrap().unwrap().kept;
    let given: Vec<(&str, String)> = kept
        .steps
        .iter()
        .filter_map(|taken| match &taken.step {
            Some(Said::Assigned(to)) => Some((&*taken.actor, to.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(given, [("Reza", "Sara".to_owned()), ("Reza", "Nima".to_owned())]);
    let report = error_report::find(app, None, report).await.unwrap().unwrap().kept.report;
    assert_eq!(report.holder.as_deref(), Some("Nima"));
    let called = support_call::find(app, call).await.unwrap().unwrap();
    assert_eq!(called.holder(), Some("Nima"));
    assert_eq!(called.steps.last().unwrap().step, Some(Step::HandedTo("Nima".to_owned())));
    let phone = app::phone::add(app, crate::phone::new_phone(account, "100")).await.unwrap();
    let duty = support_line::on_duty(app, "Sara", &phone.username).await;
    assert_eq!(refusal(duty), DutyRefusal::Gone);
    support_line::on_duty(app, "Nima", &phone.username).await.unwrap();
    let back = ticket::assign(app, others, "Reza", "Sara").await;
    assert_eq!(refusal(back), TicketRefusal::Gone);
    let back = error_report::assign(app, handed.reports[0], "Reza", "Sara").await;
    assert_eq!(refusal(back), ErrorReportRefusal::Gone);
    assert_eq!(refusal(leave("Sara", "Nima", "Reza").await), rule(Refusal::HasNot));
    let verified = app::chain::verify(app, &[]).await.unwrap();
    assert!(verified.wrong.is_empty(), "{:?}", verified.wrong);
}

/// A29, C03. Goal: a member of a committee who leaves decides nothing any more: the decision waits
/// until another one sits on his side, who is no more involved than he was.
async fn who_has_left_decides_nothing(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    for name in ["t1", "t3"] {
        appoint(world, name, Role::Expert).await;
    }
    appoint(world, "o9", Role::Manager).await;
    let id = file(app, &caller, "1405/09/01 10:00").await;
    claim::complete(app, id, &["t9".to_owned()], "Sara").await.unwrap();
    claim::assign(app, id, &committee("t1 t2 o1"), "Sara").await.unwrap();
    let replace = async |gone: &str, by: &str| claim::replace(app, id, (gone, by), "Sara").await;
    let rule = |refused| claim::ClaimRefusal::Rule(refused);
    let stays = |name: &str| rule(rules::Refusal::Stays(name.to_owned()));
    assert_eq!(refusal(replace("t1", "t3").await), stays("t1"), "t1 is there");
    post::leave(app, "t1", "t3", "o9").await.unwrap();
    let agreed = [("t1", true), ("t2", true), ("o1", true)];
    let decide = async |votes: &[(&str, bool)]| {
        let decision = crate::claim::decision(rules::Outcome::Partly, votes);
        claim::decide(app, id, decision, "Sara").await
    };
    let gone = rule(rules::Refusal::Gone("t1".to_owned()));
    assert_eq!(refusal(decide(&agreed).await), gone);
    let partial = rule(rules::Refusal::Partial("t9".to_owned()));
    assert_eq!(refusal(replace("t1", "t9").await), partial);
    replace("t1", "t3").await.unwrap();
    decide(&[("t3", true), ("t2", true), ("o1", true)]).await.unwrap();
    let kept = claim::find(app, None, id).await.unwrap().unwrap().kept;
    let notes: Vec<&str> = kept.steps.iter().map(|step| step.note.as_str()).collect();
    assert!(notes.contains(&"t1 has left; t3 sits instead"), "{notes:?}");
}

/// C03. Goal: the manager receives every clock that comes near its end or misses it, and every
/// entry of the ledger, each once, and it is kept who oversaw then and who has seen it.
async fn a_manager_receives_what_is_near_and_what_is_missed(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    appoint(world, "Sara", Role::Expert).await;
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    let id = ticket::open(app, account, Who::Customer(account), &asked).await.unwrap().0;
    ticket::assign(app, id, "x", "Sara").await.unwrap();
    let look = async || {
        let new = oversight::look(app).await.unwrap();
        new.iter().map(|one| (one.kind.clone(), one.item, one.told.clone())).collect::<Vec<_>>()
    };
    let told = |kind: &str, item, told: &str| (kind.to_owned(), item, told.to_owned());
    assert_eq!(look().await, []);
    // It is due at midnight, at the end of the next hours.
    go_to(world, "1405/09/01 23:30");
    assert_eq!(look().await, [told("near", id, "")], "nobody oversees");
    assert_eq!(look().await, []);
    appoint(world, "Reza", Role::Manager).await;
    let time = span("1405/09/02 00:00", "1405/09/03 00:00");
    post::name_deputy(app, "Reza", "Sara", time).await.unwrap();
    go_to(world, "1405/09/02 00:02");
    assert_eq!(ticket::look(app).await.unwrap(), 1);
    let both = "Reza; Sara (as deputy of Reza)";
    assert_eq!(look().await, [told("missed", id, both), told("entered", 1, both)]);
    assert_eq!(look().await, []);
    let kept = oversight::after(app, 0, 9).await.unwrap();
    let shown: Vec<_> = kept.iter().map(|one| (&*one.kind, &*one.subject)).collect();
    assert_eq!(shown[..2], [("near", "ticket"), ("missed", "ticket")]);
    assert_eq!((kept[1].holder.as_deref(), kept[1].account), (Some("Sara"), Some(account)));
    assert_eq!(refusal(oversight::see(app, kept[1].id, "Ali").await), oversight::NotManager);
    assert_eq!(oversight::see(app, kept[1].id, "Sara").await.unwrap(), 2);
    assert_eq!(oversight::see(app, kept[2].id, "Reza").await.unwrap(), 1);
    let kept = oversight::after(app, kept[0].id, 9).await.unwrap();
    let seen: Vec<_> = kept.iter().map(|one| one.seen.clone().unwrap().1).collect();
    assert_eq!(seen, ["Sara (as deputy of Reza)", "Reza"]);
}

/// T183. Goal: somebody of ours who is a customer, too, has as a customer what customers have and
/// as one of us what we have, and never both at once.
async fn who_is_of_staff_and_a_customer_never_has_both_rights(world: &World) {
    let app = &world.app;
    // Sara is an expert and a manager, and has an account of her own beside that of another.
    let (hers, other) = (world.customer(0).await.0, world.customer(0).await.0);
    let (account, others) = (hers.account.id, other.account.id);
    appoint(world, "Sara", Role::Expert).await;
    appoint(world, "Sara", Role::Manager).await;
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    let theirs = ticket::open(app, others, Who::Customer(others), &asked).await.unwrap().0;
    ticket::assign(app, theirs, "Sara", "Sara").await.unwrap();
    // With her account she reads and does nothing of another's, whom she helps as an expert.
    assert!(ticket::find(app, Some(account), theirs).await.unwrap().is_none());
    let strange = TicketRefusal::NoSuchTicket;
    assert_eq!(refusal(ticket::write(app, account, theirs, "me").await), strange);
    let close = ticket::close(app, theirs, Who::Customer(account), "me").await;
    assert_eq!(refusal(close), strange);
    // Her account is no manager, whatever it is called.
    let azar = month("1405-09");
    freeze_azar(world).await;
    for name in [format!("account {account}"), account.to_string()] {
        let signed = signature::sign(app, azar, Whose::All, &name).await;
        assert_eq!(refusal(signed), SignRefusal::NotManager);
    }
    // As one of us she takes nothing that is the customer's to take, be it herself.
    let reported = Reported { ticket: None, title: "t".to_owned(), description: "d".to_owned() };
    let report = error_report::report(app, account, &reported).await.unwrap();
    let finding = Finding::Structural;
    error_report::found(app, report, "Sara", finding, "new disks").await.unwrap();
    let due = app.now().plus_us(86_400_000_000);
    error_report::commit(app, report, "Sara", due, "tomorrow").await.unwrap();
    error_report::deliver(app, report, "Sara", "run 7").await.unwrap();
    let taken = error_report::accept(app, report, Who::Staff("Sara")).await;
    assert_eq!(refusal(taken), ErrorReportRefusal::Customers);
    error_report::accept(app, report, Who::Customer(account)).await.unwrap();
    // And what she asks for as a customer she does not decide: who handled it is partial.
    let id = file(app, &hers, "1405/09/01 12:30").await;
    claim::complete(app, id, &["Sara".to_owned()], "Ali").await.unwrap();
    let mut members = committee("t1 t2 o1");
    "Sara".clone_into(&mut members[2].name);
    let partial = claim::ClaimRefusal::Rule(rules::Refusal::Partial("Sara".to_owned()));
    assert_eq!(refusal(claim::assign(app, id, &members, "Ali").await), partial);
}

/// The channels of a node, of which this one is the manager's.
fn with_channels(managers: &str) -> Settings {
    let place = |name: &str| {
        let audience = if name == managers { Audience::Manager } else { Audience::Public };
        Place { name: name.to_owned(), audience, proves: None }
    };
    let places = vec![Place::first_page(), place("bale"), place("boss")];
    Settings { places, ..Settings::default() }
}

/// C03. Goal: what comes near its end and what is missed is told in the manager's channel, once and
/// in one message, whichever of two nodes looks, and again until it is confirmed; what is for
/// everybody is never told there, nor is what is for him told anywhere else.
async fn the_manager_is_told_in_a_channel_of_his(url: &str) {
    let world = World::at(url, with_channels("boss")).await;
    let other = World::at(url, with_channels("boss")).await;
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    for _ in 0..2 {
        ticket::open(app, account, Who::Customer(account), &asked).await.unwrap();
    }
    ticket::assign(app, 1, "x", "Sara").await.unwrap();
    for world in [&world, &other] {
        go_to(world, "1405/09/01 23:30");
    }
    let (one, two) = tokio::join!(oversight::look(app), oversight::look(&other.app));
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 2);
    oversight::look(&other.app).await.unwrap();
    let told = announcement::list(app, None, 9).await.unwrap();
    let lines = told.iter().flat_map(|(one, _)| one.new.text.body.lines()).collect::<Vec<_>>();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("تیکت ۱") && line.ends_with("نزد Sara")));
    for (one, ways) in &told {
        let ways: Vec<&str> = ways.iter().map(|way| way.channel.as_str()).collect();
        assert_eq!((one.new.audience, &ways[..]), (Audience::Manager, &["boss"][..]));
        assert!(announcement::find_for(app, account, one.id).await.unwrap().is_none());
        let seen = announcement::view(app, account, one.id).await;
        assert_eq!(refusal(seen), announcement::AnnouncementRefusal::NoSuchAnnouncement);
    }
    assert_eq!(announcement::standing(app).await.unwrap(), []);
    assert_eq!(announcement::newest(app, 9).await.unwrap(), []);
    assert_eq!(announcement::list_for(app, account, None, 9).await.unwrap(), []);

    let until = app.now().plus_ms(3_600_000);
    announcement::announce(app, ("news", "text"), until, "Reza").await.unwrap();
    assert_eq!(announcement::newest(app, 9).await.unwrap().len(), 1);
    // As nodes are whose channels were given to others meanwhile: nothing is told to those.
    let swapped = World::at(url, with_channels("bale")).await;
    go_to(&swapped, "1405/09/01 23:30");
    let due = async |world: &World, place| announcement::due(&world.app, place).await.unwrap();
    let news = due(&world, "bale").await.unwrap();
    assert_eq!(news.announcement.new.text.title, "news");
    announcement::failed(app, &news, &announcement::Untold::because("away")).await.unwrap();
    let job = due(&other, "boss").await.unwrap();
    assert_eq!(due(&world, "boss").await, None, "one node tells it");
    announcement::failed(app, &job, &announcement::Untold::because("away")).await.unwrap();
    for world in [&world, &other, &swapped] {
        world.clock.advance_ms(60_000);
    }
    let again = due(&world, "boss").await.unwrap();
    assert_eq!((again.announcement.id, again.delivery.tries), (job.announcement.id, 2));
    announcement::delivered(app, &again, "boss/7").await.unwrap();
    assert_eq!(due(&swapped, "bale").await, None);
    world.clock.advance_ms(600_000);
    assert_eq!(due(&world, "bale").await, None, "it is the manager's by now, and stays untold");
    let ways = announcement::list(app, None, 9).await.unwrap().into_iter().flat_map(|one| one.1);
    let proofs: Vec<_> = ways.filter(|way| way.delivered_at.is_some()).collect();
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].reference.as_deref(), Some("boss/7"));
    assert!(proofs[0].content_hash.is_some());
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
    for world in [swapped, other, world] {
        world.books_are_away();
        world.db.clone().close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manager_is_told_in_a_channel_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    the_manager_is_told_in_a_channel_of_his(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manager_is_told_in_a_channel_on_postgres() {
    let Some((server, url)) = postgres().await else { return };
    the_manager_is_told_in_a_channel_of_his(&url).await;
    remove(&server, &url).await;
}

on_both_engines!(
    who_has_left_decides_nothing,
    a_manager_receives_what_is_near_and_what_is_missed,
    who_is_of_staff_and_a_customer_never_has_both_rights,
    a_month_is_signed_by_its_manager,
    a_manager_names_his_deputies,
    what_an_expert_has_goes_to_another,
);
