//! Claims: who may make one, who decides it, and what it pays.

use app::claim::{self, Asked, ClaimRefusal, DISCOUNT};
use app::outage::{self, NewOutage};
use app::violation::NewViolation;
use app::{
    App, Caller, credit, error_report, invoice, subscription, support_call, support_line, ticket,
    violation,
};
use domain::agreement::cause::Cause;
use domain::agreement::claim::{Decision, Member, Outcome, Refusal, Seat, State, Track};
use domain::agreement::credit::State as Credit;
use domain::agreement::error_report::Finding;
use domain::agreement::scope::{Group, Paths, Scope};
use domain::agreement::ticket::Channel;
use domain::agreement::violation::Clause;
use domain::billing::subscription::Plan;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};

use crate::engines::on_both_engines;
use crate::refusal;
use crate::violation::{at, go_to, month};
use crate::world::World;

pub fn asked(event_at: &str) -> Asked {
    let statement = "Nobody answered the telephone.".to_owned();
    Asked { track: Track::Support, event_at: at(event_at), statement }
}

pub fn committee(names: &str) -> Vec<Member> {
    let seat = |name: &str| if name.starts_with('t') { Seat::Technical } else { Seat::Oversight };
    names.split(' ').map(|name| Member { name: name.to_owned(), seat: seat(name) }).collect()
}

pub fn decision(outcome: Outcome, votes: &[(&str, bool)]) -> Decision {
    Decision {
        outcome,
        amount: Some(Rials(300_000)),
        method: Some(DISCOUNT.to_owned()),
        reasons: "the line was not staffed".to_owned(),
        votes: votes.iter().map(|(name, agrees)| ((*name).to_owned(), *agrees)).collect(),
        at: Timestamp(0),
    }
}

async fn breach(app: &App, account: AccountId, clause: Clause, span: Span) -> i64 {
    let new = NewViolation {
        account: Some(account),
        clause,
        span,
        evidence: vec!["log 7".to_owned()],
        reference: format!("{clause:?}"),
        actor: "Reza".to_owned(),
    };
    violation::record(app, new).await.unwrap()
}

pub async fn file(app: &App, caller: &Caller, event_at: &str) -> i64 {
    claim::file(app, caller, &asked(event_at)).await.unwrap()
}

/// T152, A28: a claim is taken by what its claimant was when it happened.
async fn a_claim_is_taken_by_what_held_when_it_happened(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    go_to(world, "1405/09/20 12:00");
    let tried = async |event_at: &str| claim::file(app, &caller, &asked(event_at)).await;
    let rule = |refused| ClaimRefusal::Rule(refused);
    assert_eq!(refusal(tried("1405/09/20 12:01").await), rule(Refusal::NotYet));
    assert_eq!(refusal(tried("1405/06/31 12:00").await), rule(Refusal::Late(2)));
    let day = |from: &str, to: &str| Span { from: at(from), to: at(to) };
    let account = caller.account.id;
    let unproven = day("1405/09/05 00:00", "1405/09/06 00:00");
    let wrong = breach(app, account, Clause::Identity, unproven).await;
    let unpaid = day("1405/09/07 00:00", "1405/09/08 00:00");
    breach(app, account, Clause::Payment, unpaid).await;
    assert_eq!(refusal(tried("1405/09/05 12:00").await), rule(Refusal::Unverified));
    assert_eq!(refusal(tried("1405/09/07 12:00").await), rule(Refusal::Unpaid));
    violation::reverse(app, wrong, "Maryam", "it was proven").await.unwrap();
    tried("1405/09/05 12:00").await.unwrap();
    let silent = Asked { statement: " ".to_owned(), ..asked("1405/09/10 12:00") };
    let silent = claim::file(app, &caller, &silent).await;
    assert_eq!(refusal(silent), ClaimRefusal::Text("statement"));

    let late = asked("1405/06/31 12:00");
    let reasons = ["", "was in hospital"];
    let unsaid = claim::file_late(app, account, &late, reasons[0], "Reza").await;
    assert_eq!(refusal(unsaid), ClaimRefusal::Text("reason"));
    let taken = claim::file_late(app, account, &late, reasons[1], "Reza").await.unwrap();
    let found = claim::find(app, Some(account), taken).await.unwrap().unwrap();
    assert_eq!(found.kept.late_reason.as_deref(), Some("was in hospital"));
    for _ in 2..claim::OPEN_MAX {
        tried("1405/09/10 12:00").await.unwrap();
    }
    assert_eq!(refusal(tried("1405/09/10 12:00").await), ClaimRefusal::TooMany);
}

/// T153, T155, T156, T157, A29, I16: decided by who did not handle it, in amount and method, within
/// ten business days that stand while the customer is asked; appealed once; and what is granted as
/// a discount is on the next invoice.
async fn a_claim_is_decided_appealed_and_paid(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let id = file(app, &caller, "1405/09/01 10:00").await;
    let state = async || claim::find(app, None, id).await.unwrap().unwrap();
    assert_eq!((state().await.due, state().await.overdue), (Some(at("1405/09/11 21:00")), false));
    let early = claim::assign(app, id, &committee("t1 t2 o1"), "Sara").await;
    assert_eq!(refusal(early), ClaimRefusal::Rule(Refusal::WrongState));
    claim::complete(app, id, &["t9".to_owned()], "Sara").await.unwrap();
    assert_eq!(state().await.due, Some(at("1405/09/11 21:00")));
    let assign = async |names: &str| claim::assign(app, id, &committee(names), "Sara").await;
    let partial = ClaimRefusal::Rule(Refusal::Partial("t9".to_owned()));
    assert_eq!(refusal(assign("t1 t9 o1").await), partial);
    assert_eq!(refusal(assign("t1 o1").await), ClaimRefusal::Rule(Refusal::Committee(3)));
    assign("t1 t2 o1").await.unwrap();
    let answer = async |by| claim::answer(app, by, id, "the call's number").await;
    let unasked = refusal(answer(account).await);
    assert_eq!(unasked, ClaimRefusal::Rule(Refusal::WrongState));
    go_to(world, "1405/09/02 23:00");
    claim::ask(app, id, "Which number did you call from?", "t1").await.unwrap();
    go_to(world, "1405/09/05 00:00");
    assert_eq!(refusal(answer(AccountId(77)).await), ClaimRefusal::NoSuchClaim);
    answer(account).await.unwrap();
    assert_eq!(state().await.due, Some(at("1405/09/13 17:00")), "two days, and a Friday");
    go_to(world, "1405/09/14 00:00");
    assert!(state().await.overdue);

    let agreed = [("t1", true), ("t2", false), ("o1", true)];
    let decide = async |decision| claim::decide(app, id, decision, "Sara").await;
    let mut moneyless = decision(Outcome::Partly, &agreed);
    moneyless.amount = None;
    assert_eq!(refusal(decide(moneyless).await), ClaimRefusal::Rule(Refusal::AmountAndMethod));
    let against = decision(Outcome::Partly, &[("t1", true), ("t2", false), ("o1", false)]);
    assert_eq!(refusal(decide(against).await), ClaimRefusal::Rule(Refusal::Majority));
    let small = Decision { amount: Some(Rials(1)), ..decision(Outcome::Partly, &agreed) };
    decide(small).await.unwrap();
    claim::announce(app, id, "Sara").await.unwrap();
    claim::appeal(app, account, id, "It was an hour.").await.unwrap();
    let same = ClaimRefusal::Rule(Refusal::Partial("t1".to_owned()));
    assert_eq!(refusal(assign("t1 t3 o2").await), same);
    assign("t3 o2 o3").await.unwrap();
    let votes = [("t3", true), ("o2", true), ("o3", true)];
    decide(decision(Outcome::Accepted, &votes)).await.unwrap();
    claim::announce(app, id, "Sara").await.unwrap();
    let twice = claim::appeal(app, account, id, "More.").await;
    assert_eq!(refusal(twice), ClaimRefusal::Rule(Refusal::WrongState));
    let settle = async || claim::settle(app, id, "as a discount", "Sara").await;
    assert_eq!(refusal(settle().await), ClaimRefusal::NoSubscription);
    let plan = Plan {
        name: "basic".to_owned(),
        paths: Paths::ALL,
        months: 1,
        price: Rials(1_000_000),
        tax_bp: 1000,
        due_days: 7,
        grace_days: 7,
    };
    let plan = subscription::add_plan(app, &plan).await.unwrap();
    let paid = subscription::start(app, account, plan, month("1405-09"), "Sara").await.unwrap();
    settle().await.unwrap();
    assert_eq!(refusal(settle().await), ClaimRefusal::Rule(Refusal::WrongState));
    let end = state().await.kept;
    assert_eq!((end.claim.state(), end.claim.decisions().len()), (State::Settled, 2));
    assert_eq!(end.claim.decisions()[0].amount, Some(Rials(1)), "the first stays to be read");

    let owed = credit::list(app, Some(account), None, 9).await.unwrap().remove(0);
    assert_eq!((owed.credit.state(), owed.credit.left()), (Credit::Posted, Rials(300_000)));
    let made = invoice::issue(app, paid, month("1405-09")).await.unwrap();
    let (made, lines) = invoice::find(app, made).await.unwrap().unwrap();
    assert_eq!((made.amounts.discount, made.amounts.total), (Rials(300_000), Rials(770_000)));
    assert_eq!((lines[0].track, lines[0].schedule), (Track::Support, None));
}

/// What is taken back, or rejected, pays nothing.
async fn what_is_withdrawn_or_rejected_pays_nothing(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let (one, two) = (
        file(app, &caller, "1405/09/01 10:00").await,
        file(app, &caller, "1405/09/01 11:00").await,
    );
    let theirs = claim::withdraw(app, AccountId(77), one).await;
    assert_eq!(refusal(theirs), ClaimRefusal::NoSuchClaim);
    claim::withdraw(app, account, one).await.unwrap();
    let again = claim::withdraw(app, account, one).await;
    assert_eq!(refusal(again), ClaimRefusal::Rule(Refusal::WrongState));
    claim::complete(app, two, &[], "Sara").await.unwrap();
    claim::assign(app, two, &committee("t1 t2 o1"), "Sara").await.unwrap();
    let votes = [("t1", true), ("t2", true), ("o1", true)];
    let rejected = Decision { amount: None, method: None, ..decision(Outcome::Rejected, &votes) };
    claim::decide(app, two, rejected, "Sara").await.unwrap();
    claim::announce(app, two, "Sara").await.unwrap();
    claim::settle(app, two, "nothing was granted", "Sara").await.unwrap();
    assert_eq!(credit::list(app, None, None, 9).await.unwrap(), []);
    let listed = claim::list(app, Some(account), None, 9).await.unwrap();
    let states: Vec<State> = listed.iter().map(|shown| shown.kept.claim.state()).collect();
    assert_eq!(states, [State::Settled, State::Withdrawn]);
}

/// T153. Goal: a committee that decides about a call that nobody answered sees the queue of that
/// time with the caller's place in it, who was on duty until when, the hours and the agreement of
/// that day, what was not kept and what the month pays back by itself; and nothing of another's.
async fn a_committee_sees_how_the_line_went(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let account = caller.account.id;
    let phone = crate::phone::new_phone(other.account.id, "100");
    let phone = app::phone::add(app, phone).await.unwrap();
    support_line::on_duty(app, "Sara", &phone.username).await.unwrap();
    let joined = async |account, number| {
        support_call::joined(app, account, Some(number), "switch").await.unwrap()
    };
    // One is answered before the claimant comes, one is to be called back still.
    let answered = joined(None, "09121230001").await;
    world.clock.advance_ms(1_000);
    let virtual_one = joined(None, "09121230002").await;
    support_call::register(app, virtual_one, None, "switch").await.unwrap();
    world.clock.advance_ms(1_000);
    support_call::answered(app, answered, "Sara").await.unwrap();
    world.clock.advance_ms(1_000);
    let own = joined(Some(account), "09121230003").await;
    world.clock.advance_ms(200_000);
    support_call::left(app, own, "switch").await.unwrap();
    support_line::off_duty(app, "Sara").await.unwrap();
    let off_at = app.now();
    // Two days later others call; that is not looked at.
    go_to(world, "1405/09/04 12:00");
    joined(None, "09121230004").await;
    let id = file(app, &caller, "1405/09/01 12:00").await;
    let shown = claim::find(app, Some(account), id).await.unwrap().unwrap();
    let grounds = claim::grounds(app, &shown).await.unwrap();
    let line: Vec<_> = grounds.line.iter().map(|one| (one.call.id, one.ahead)).collect();
    assert_eq!(line, [(answered, 0), (virtual_one, 1), (own, 1)]);
    let steps = &grounds.line[2].call.steps;
    assert_eq!(steps.len(), 2, "came and left, and nothing was offered: {steps:?}");
    assert!(!grounds.is_cut);
    let duty: Vec<_> = grounds.duty.iter().map(|one| (one.name.as_str(), one.until)).collect();
    assert_eq!(duty, [("Sara", Some(off_at))]);
    let hours: Vec<_> =
        grounds.days.iter().map(|day| (day.day.to_string(), day.open.clone())).collect();
    let ordinary = |day: &str| {
        let span = |from: &str, to: &str| Span {
            from: at(&format!("{day} {from}")),
            to: at(&format!("{day} {to}")),
        };
        let night =
            Span { to: at(&format!("{day} 23:59")).plus_us(60_000_000), ..span("14:45", "23:59") };
        (day.to_owned(), vec![span("08:30", "14:00"), night])
    };
    assert_eq!(hours, [ordinary("1405/08/30"), ordinary("1405/09/01"), ordinary("1405/09/02")]);
    assert_eq!(grounds.agreement.version.number, 1);
    let clauses: Vec<Clause> = grounds.entries.iter().map(|kept| kept.violation.clause()).collect();
    assert_eq!(clauses, [Clause::CallbackOffer], "the offer never came");
    assert_eq!(grounds.credits, []);
}

/// A29, I16. Goal: whoever was given, answered or found something of the case does not decide it,
/// whatever staff type; who does so once the committee sits makes room for another; and who worked
/// for others, or on what was over before, may.
async fn who_handled_it_is_told_by_the_records(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let account = caller.account.id;
    let open = async |account| {
        let asked = ticket::Asked {
            channel: Channel::Form,
            subject: "no calls".to_owned(),
            text: "Nobody answers.".to_owned(),
            about: None,
            context: Vec::new(),
        };
        ticket::open(app, account, ticket::Who::Customer(account), &asked).await.unwrap().0
    };
    let over = open(account).await;
    ticket::answer(app, over, "t8", "It works.").await.unwrap();
    go_to(world, "1405/09/02 12:00");
    let (held, theirs) = (open(account).await, open(other.account.id).await);
    ticket::assign(app, held, "t1", "t2").await.unwrap();
    ticket::answer(app, theirs, "t5", "It works.").await.unwrap();
    let reported = error_report::Reported {
        ticket: Some(held),
        title: "no calls".to_owned(),
        description: "None.".to_owned(),
    };
    let report = error_report::report(app, account, &reported).await.unwrap();
    error_report::found(app, report, "o1", Finding::Question, "It rings.").await.unwrap();
    let call = support_call::joined(app, Some(account), Some("09121230003"), "switch").await;
    support_call::answered(app, call.unwrap(), "t4").await.unwrap();
    go_to(world, "1405/09/03 12:00");
    let id = file(app, &caller, "1405/09/02 10:00").await;
    claim::complete(app, id, &[], "Sara").await.unwrap();
    let assign = async |names: &str| claim::assign(app, id, &committee(names), "Sara").await;
    let partial = |name: &str| ClaimRefusal::Rule(Refusal::Partial(name.to_owned()));
    for (sits, who) in [("t2 t3 o2", "t2"), ("t3 o1 o2", "o1")] {
        assert_eq!(refusal(assign(sits).await), partial(who));
    }
    assert_eq!(refusal(assign("T4 t3 o2").await), partial("T4"), "however it is typed");
    assign("t3 t5 t8 o2 o3").await.unwrap();
    let shown = claim::find(app, None, id).await.unwrap().unwrap();
    let grounds = claim::grounds(app, &shown).await.unwrap();
    let handled: Vec<_> =
        grounds.handled.iter().map(|one| (&*one.name, &*one.kind, one.id)).collect();
    let call = grounds.line[0].call.id;
    let expected = [
        ("o1", "error report", report),
        ("o1", "ticket", held),
        ("t2", "ticket", held),
        ("t4", "support call", call),
    ];
    assert_eq!(handled, expected);
    // One of them answers the customer meanwhile.
    ticket::answer(app, held, "t5", "Is it better?").await.unwrap();
    let votes = [("t3", true), ("t5", true), ("t8", true), ("o2", true), ("o3", true)];
    let decide = async |votes: &[(&str, bool)]| {
        claim::decide(app, id, decision(Outcome::Partly, votes), "Sara").await
    };
    assert_eq!(refusal(decide(&votes).await), partial("t5"));
    let replace = async |gone, by| claim::replace(app, id, (gone, by), "Sara").await;
    let stays = ClaimRefusal::Rule(Refusal::Stays("t3".to_owned()));
    assert_eq!(refusal(replace("t3", "t7").await), stays);
    assert_eq!(refusal(replace("t5", "t2").await), partial("t2"));
    replace("t5", "t7").await.unwrap();
    decide(&votes.map(|(name, agrees)| (if name == "t5" { "t7" } else { name }, agrees)))
        .await
        .unwrap();
    let end = claim::find(app, None, id).await.unwrap().unwrap().kept;
    assert_eq!(end.claim.state(), State::Decided);
}

/// A29, I16. Goal: who said something of an outage, or revised the month, does not decide whether
/// the figure is right.
async fn who_made_a_figure_does_not_decide_it(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let from = at("1405/09/01 10:00");
    go_to(world, "1405/09/01 20:00");
    let new = NewOutage {
        paths: Paths::ALL,
        scope: Scope::everyone(),
        from,
        to: Some(from.plus_us(3_600_000_000)),
        cause: "power".to_owned(),
        evidence: "monitor 3".to_owned(),
        author: "Zahra".to_owned(),
    };
    let id = outage::record(app, new.clone()).await.unwrap();
    let shorter = Span { from, to: from.plus_us(1_800_000_000) };
    outage::correct(app, id, shorter, "the log of the switch", "t1").await.unwrap();
    outage::trace(app, id, Cause::Power, "the meter", "t2").await.unwrap();
    // One that was moved to another day, and one of a group that somebody put the account into.
    let other = NewOutage { author: "t5".to_owned(), ..new.clone() };
    let moved = outage::record(app, other).await.unwrap();
    let before = Span { from: at("1405/08/20 10:00"), to: at("1405/08/20 11:00") };
    outage::correct(app, moved, before, "the wrong day", "t6").await.unwrap();
    let (cohort, account) = (Group::Cohort(1), caller.account.id);
    outage::join(app, cohort, account, (at("1405/08/30 10:00"), "t7")).await.unwrap();
    let of_some = NewOutage {
        scope: Scope::new(vec![cohort]).unwrap(),
        to: None,
        author: "t8".to_owned(),
        ..new
    };
    let lasts = outage::record(app, of_some).await.unwrap();
    outage::close(app, lasts, None, "t9").await.unwrap();
    outage::reverse(app, lasts, "it was none", "t10").await.unwrap();
    let asked = Asked { track: Track::Availability, ..asked("1405/09/01 10:30") };
    let id = claim::file(app, &caller, &asked).await.unwrap();
    claim::complete(app, id, &[], "Sara").await.unwrap();
    for who in ["t1", "t2", "t5", "t6", "t7", "t8", "t9", "t10"] {
        let sits = committee(&format!("{who} t3 o1"));
        let tried = claim::assign(app, id, &sits, "Sara").await;
        assert_eq!(refusal(tried), ClaimRefusal::Rule(Refusal::Partial(who.to_owned())));
    }
    claim::assign(app, id, &committee("t3 t4 o1"), "Sara").await.unwrap();
}

on_both_engines!(
    who_handled_it_is_told_by_the_records,
    who_made_a_figure_does_not_decide_it,
    a_committee_sees_how_the_line_went,
    a_claim_is_taken_by_what_held_when_it_happened,
    a_claim_is_decided_appealed_and_paid,
    what_is_withdrawn_or_rejected_pays_nothing,
);
