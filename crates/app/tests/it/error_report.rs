//! Reported errors: their clocks, what a miss becomes, what pauses them, and who says what.

use app::error_report::{self, ErrorReportRefusal, Kept, Reported};
use app::outage::{self, NewOutage};
use app::ticket::{self, Who};
use app::violation;
use app::{App, event};
use domain::agreement::clock::State as Clock;
use domain::agreement::contact::{Channel, Outcome};
use domain::agreement::error_report::{Finding, Metric, Refusal, Source, State, Whose};
use domain::agreement::scope::{Paths, Scope};
use domain::agreement::ticket::State as Ticket;
use domain::agreement::violation::{Clause, Party};
use domain::{AccountId, EventKind, Timestamp};

use crate::refusal;
use crate::violation::{at, go_to};
use crate::world::World;

fn reported(ticket: Option<i64>) -> Reported {
    let (title, description) = ("empty reports".to_owned(), "Nothing is shown.".to_owned());
    Reported { ticket, title, description }
}

async fn report(app: &App, account: AccountId) -> i64 {
    error_report::report(app, account, &reported(None)).await.unwrap()
}

async fn found(app: &App, id: i64, finding: Finding) -> Kept {
    error_report::found(app, id, "Sara", finding, "It is seen.").await.unwrap()
}

/// What was entered, the oldest first.
async fn entered(app: &App) -> Vec<(Clause, String)> {
    let all = violation::list(app, None, None, 100).await.unwrap();
    let shown = |kept: violation::Kept| (kept.violation.clause(), kept.reference);
    all.into_iter().rev().map(shown).collect()
}

async fn clock(app: &App, id: i64, metric: Metric) -> Option<(Option<Timestamp>, Clock)> {
    let shown = error_report::find(app, None, id).await.unwrap().unwrap();
    let clock = shown.clocks.into_iter().find(|clock| clock.metric == metric)?;
    Some((clock.due, clock.state))
}

const SARA: Who<'_> = Who::Staff("Sara");

fn rule(refusal: Refusal) -> ErrorReportRefusal {
    ErrorReportRefusal::Rule(refusal)
}

/// T094, T096, T177: a report has a ticket and clocks of its own; what is told late is entered
/// once, and the fix is counted as if it had been told in time.
#[tokio::test]
async fn a_result_that_is_told_late_is_a_violation_once() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (stranger, _) = world.customer(0).await;
    let account = caller.account.id;
    let first = report(app, account).await;
    let shown = error_report::find(app, Some(account), first).await.unwrap().unwrap();
    let ticket = shown.kept.new.ticket.unwrap();
    let second = error_report::report(app, account, &reported(Some(ticket))).await.unwrap();
    let theirs = error_report::report(app, stranger.account.id, &reported(Some(ticket))).await;
    assert_eq!(refusal(theirs), ErrorReportRefusal::Ticket);
    let of = Some(stranger.account.id);
    assert_eq!(error_report::find(app, of, first).await.unwrap(), None);
    go_to(&world, "1405/09/02 12:00");
    assert_eq!(found(app, second, Finding::Question).await.report.state, State::Answered);
    world.clock.advance_ms(1);
    let late = found(app, first, Finding::Minor).await;
    assert_eq!(late.report.state, State::Fixing);
    let triage = (Clause::Triage, format!("report:{first}:1:triage"));
    let answered = (Clause::Ticket, format!("ticket:{ticket}:1"));
    assert_eq!(entered(app).await, [answered.clone(), triage.clone()]);
    let expected = Some((Some(at("1405/09/05 21:00")), Clock::Running));
    assert_eq!(clock(app, first, Metric::Fix).await, expected);
    go_to(&world, "1405/09/05 21:00:30");
    assert_eq!(error_report::look(app).await.unwrap(), 0);
    go_to(&world, "1405/09/05 21:01:01");
    let look = async || error_report::look(app).await.unwrap();
    assert_eq!((look().await, look().await), (1, 0));
    error_report::fixed(app, first, "Sara", "Mended.").await.unwrap();
    let fix = (Clause::Fix, format!("report:{first}:1:fix"));
    assert_eq!(entered(app).await, [answered, triage, fix]);
    let missed = (Some(at("1405/09/05 21:00")), Clock::Missed);
    assert_eq!(clock(app, first, Metric::Fix).await, Some(missed));
    let ticket = ticket::find(app, None, ticket).await.unwrap().unwrap().kept;
    assert_eq!((ticket.ticket.state(), &*ticket.steps[1].said), (Ticket::Answered, "It is seen."));
}

/// T095, T097: what is not ours has its reason; what is known is fixed with the other, and each is
/// told.
#[tokio::test]
async fn duplicates_are_fixed_together() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    event::page(app, other.account.id, 0, 10).await.unwrap();
    let (one, two) = (report(app, caller.account.id).await, report(app, other.account.id).await);
    let tell = async |id, finding, text| error_report::found(app, id, "Sara", finding, text).await;
    let theirs = Finding::NotOurs(Whose::Customer, String::new());
    let silent = tell(one, theirs.clone(), " ").await;
    assert_eq!(refusal(silent), ErrorReportRefusal::Text("text"));
    let early = tell(two, Finding::DuplicateOf(one), "It is known.").await;
    assert_eq!(refusal(early), ErrorReportRefusal::Original);
    let unknown = tell(two, Finding::DuplicateOf(99), "It is known.").await;
    assert_eq!(refusal(unknown), ErrorReportRefusal::Original);
    found(app, one, Finding::Minor).await;
    tell(two, Finding::DuplicateOf(one), "It is known.").await.unwrap();
    error_report::fixed(app, one, "Sara", "Mended.").await.unwrap();
    let state = async |id| error_report::find(app, None, id).await.unwrap().unwrap().kept.report;
    assert_eq!(state(two).await.state, State::Fixed);
    error_report::verified(app, one, "Sara", false, "It fails again.").await.unwrap();
    assert_eq!((state(one).await.state, state(two).await.state), (State::Fixing, State::Fixing));
    error_report::fixed(app, one, "Sara", "Mended.").await.unwrap();
    error_report::verified(app, one, "Sara", true, "Seen to work.").await.unwrap();
    assert_eq!(
        (state(one).await.state, state(two).await.state),
        (State::Verified, State::Verified)
    );
    let told: Vec<EventKind> = event::page(app, other.account.id, 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|event| event.kind)
        .filter(|kind| *kind != EventKind::TicketAnswered)
        .collect();
    let expected =
        [EventKind::ErrorReportFound, EventKind::ErrorReportFixed, EventKind::ErrorReportFixed];
    assert_eq!(told, expected);
    let theirs_alone = error_report::find(app, Some(other.account.id), two).await.unwrap().unwrap();
    let said = theirs_alone.kept.steps.iter().map(|step| &*step.said);
    let ours = ["Mended.", "It fails again.", "Seen to work."];
    assert_eq!(said.filter(|said| ours.contains(said)).count(), 0, "it was written to another");
    let three = report(app, caller.account.id).await;
    let kept = tell(three, theirs, "Your firewall drops it.").await.unwrap();
    let reason = "Your firewall drops it.".to_owned();
    assert_eq!(kept.report.finding, Some(Finding::NotOurs(Whose::Customer, reason)));
    let account = caller.account.id;
    let back = error_report::reopen(app, three, Who::Customer(account), "It does not.").await;
    assert_eq!((back.unwrap().report.cycle, state(three).await.state), (2, State::Triaging));
}

/// T031, T032, T103, T176: a pause needs tries that failed, and what the customer did not keep is
/// in the ledger of both sides.
#[tokio::test]
async fn pauses_are_proven_and_entered() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let id = report(app, account).await;
    let tried = async |outcome| {
        let to = (Channel::Phone, "09121234567");
        error_report::contacted(app, id, "Sara", to, (outcome, "")).await.unwrap()
    };
    let pause = async || error_report::pause(app, id, "Sara").await;
    assert_eq!(refusal(pause().await), ErrorReportRefusal::NoEvidence);
    tried(Outcome::NoAnswer).await;
    go_to(&world, "1405/09/01 14:20");
    tried(Outcome::Off).await;
    assert_eq!(refusal(pause().await), ErrorReportRefusal::NoEvidence, "the desk is closed");
    go_to(&world, "1405/09/01 15:00");
    tried(Outcome::Busy).await;
    pause().await.unwrap();
    assert_eq!(refusal(pause().await), rule(Refusal::WrongState));
    world.clock.advance_ms(1);
    let paused = (Some(at("1405/09/02 12:00")), Clock::Paused);
    assert_eq!(clock(app, id, Metric::Triage).await, Some(paused));
    go_to(&world, "1405/09/03 15:00");
    assert_eq!(error_report::look(app).await.unwrap(), 0, "it stands");
    assert_eq!(tried(Outcome::Reached).await.report.paused_since, None);
    let running = (Some(at("1405/09/04 12:00")), Clock::Running);
    assert_eq!(clock(app, id, Metric::Triage).await, Some(running));
    assert_eq!(refusal(pause().await), ErrorReportRefusal::NoEvidence, "it was reached");
    found(app, id, Finding::Minor).await;
    let ask = async |until| {
        error_report::ask(app, id, "Sara", at(until), "Please install AnyDesk.").await
    };
    assert_eq!(refusal(ask("1405/09/03 18:00").await), rule(Refusal::Date));
    ask("1405/09/04 08:00").await.unwrap();
    go_to(&world, "1405/09/05 22:00");
    let look = async || error_report::look(app).await.unwrap();
    assert_eq!((look().await, look().await), (1, 0));
    let given = error_report::provide(app, id, Who::Customer(account), "It is there.").await;
    assert_eq!(given.unwrap().report.asked_until, None);
    // Three days after the third, and two whole days in which it waited.
    let running = (Some(at("1405/09/08 21:00")), Clock::Running);
    assert_eq!(clock(app, id, Metric::Fix).await, Some(running));
    let until = at("1405/09/04 08:00").0;
    let expected = [
        (Clause::Reachable, format!("report:{id}:unreachable:1")),
        (Clause::Ticket, String::from("ticket:1:1")),
        (Clause::RemoteTool, format!("report:{id}:asked:{until}")),
    ];
    assert_eq!(entered(app).await, expected);
    let all = violation::list(app, Some(account), None, 9).await.unwrap();
    let theirs = all.iter().filter(|kept| kept.violation.party() == Party::Customer);
    assert_eq!(theirs.count(), 2, "the ticket was ours");
    let shown = error_report::find(app, Some(account), id).await.unwrap().unwrap();
    assert_eq!(shown.kept.contacts.len(), 4);
}

/// T099, T101, C27: a date is announced in time or missed, moved only with consent, and delivered
/// with evidence that the customer believes.
#[tokio::test]
async fn structural_work_is_announced_and_delivered() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let me = Who::Customer(account);
    let id = report(app, account).await;
    found(app, id, Finding::Structural).await;
    let commit = async |due| error_report::commit(app, id, "Sara", at(due), "By then.").await;
    assert_eq!(refusal(commit("1405/08/01 00:00").await), rule(Refusal::Date));
    go_to(&world, "1405/09/05 09:00");
    commit("1405/10/01 00:00").await.unwrap();
    let missed = (Clause::Fix, format!("report:{id}:1:fix"));
    assert_eq!(
        entered(app).await,
        std::slice::from_ref(&missed),
        "announced after 1405/09/04 21:00"
    );
    let proposed = error_report::propose(app, id, "Sara", at("1405/10/05 00:00"), "Later?").await;
    assert_eq!(proposed.unwrap().report.proposal, Some(at("1405/10/05 00:00")));
    error_report::agree(app, account, id).await.unwrap();
    commit("1405/10/10 00:00").await.unwrap();
    let moved = (Clause::Commitment, format!("report:{id}:1:moved:3"));
    assert_eq!(entered(app).await, [missed.clone(), moved.clone()]);
    let due = (Some(at("1405/10/05 00:00")), Clock::Running);
    assert_eq!(clock(app, id, Metric::Delivery).await, Some(due), "as the customer agreed");
    let deliver = async |evidence| error_report::deliver(app, id, "Sara", evidence).await;
    assert_eq!(refusal(deliver(" ").await), rule(Refusal::NoText));
    deliver("run 7: 12 tests pass").await.unwrap();
    let ours = error_report::accept(app, id, SARA).await;
    assert_eq!(refusal(ours), ErrorReportRefusal::Customers);
    error_report::reject(app, id, me, "It fails ours.").await.unwrap();
    go_to(&world, "1405/10/05 00:00");
    world.clock.advance_ms(1);
    deliver("run 8: 13 tests pass").await.unwrap();
    error_report::accept(app, id, me).await.unwrap();
    let late = (Clause::Commitment, format!("report:{id}:1:delivery"));
    assert_eq!(entered(app).await, [missed, moved, late]);
}

/// T097. Goal: what is the same as a known structural fault has its own time for triage, the dates
/// of the work and its delivery; each customer agrees and takes it for itself.
#[tokio::test]
async fn a_known_structural_fault_has_its_twins() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let them = Who::Customer(other.account.id);
    let one = report(app, caller.account.id).await;
    found(app, one, Finding::Structural).await;
    let two = report(app, other.account.id).await;
    let same = found(app, two, Finding::DuplicateOf(one)).await;
    assert_eq!(
        (&same.report.finding, same.report.state),
        (&Some(Finding::SameWorkAs(one)), State::Structural)
    );
    let commit = async |due| error_report::commit(app, one, "Sara", at(due), "By then.").await;
    commit("1405/10/01 00:00").await.unwrap();
    let shown = async |id| error_report::find(app, None, id).await.unwrap().unwrap().kept;
    let dates = async |id| {
        let dates = shown(id).await.report.commitments;
        dates.iter().map(|date| (date.due, date.agreed)).collect::<Vec<_>>()
    };
    let (first, second) = (at("1405/10/01 00:00"), at("1405/10/05 00:00"));
    assert_eq!((dates(one).await, dates(two).await), (vec![(first, false)], vec![(first, false)]));
    assert_eq!(clock(app, two, Metric::Fix).await.unwrap().1, Clock::Met);
    // Who comes once it is announced has that date at once.
    let three = report(app, other.account.id).await;
    let late = found(app, three, Finding::DuplicateOf(one)).await;
    assert_eq!((late.report.state, dates(three).await), (State::Committed, vec![(first, false)]));
    error_report::propose(app, one, "Sara", second, "Later?").await.unwrap();
    error_report::agree(app, caller.account.id, one).await.unwrap();
    let not_agreed = (Some(first), Clock::Running);
    assert_eq!(clock(app, two, Metric::Delivery).await, Some(not_agreed), "they did not agree");
    error_report::agree(app, other.account.id, two).await.unwrap();
    assert_eq!(dates(two).await, [(first, false), (second, true)]);
    error_report::deliver(app, one, "Sara", "run 7: 12 tests pass").await.unwrap();
    for id in [two, three] {
        assert_eq!(shown(id).await.report.state, State::Delivered);
    }
    error_report::accept(app, one, Who::Customer(caller.account.id)).await.unwrap();
    assert_eq!(shown(two).await.report.state, State::Delivered, "it is theirs to say");
    error_report::accept(app, two, them).await.unwrap();
    let said: Vec<String> = shown(two).await.steps.into_iter().map(|step| step.said).collect();
    let ours = ["By then.", "Later?", "run 7: 12 tests pass"];
    assert!(!said.iter().any(|said| ours.contains(&&**said)), "it was written to another");
    let over = report(app, other.account.id).await;
    let over = error_report::found(app, over, "Sara", Finding::DuplicateOf(one), "Known.").await;
    assert_eq!(refusal(over), ErrorReportRefusal::Original, "that work is done");
}

/// A32. Goal: lost access is found to be an outage that stands and that its customer felt, or is
/// not found so.
#[tokio::test]
async fn what_was_an_outage_names_it() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let mine = Scope::parse(&format!("account:{}", caller.account.id)).unwrap();
    let outage = async |scope| {
        let new = NewOutage {
            paths: Paths::ALL,
            scope,
            from: app.now().plus_us(-60_000_000),
            to: Some(app.now()),
            cause: "power".to_owned(),
            evidence: "monitor 3".to_owned(),
            author: "Zahra".to_owned(),
        };
        outage::record(app, new).await.unwrap()
    };
    let (own, wrong) = (outage(mine).await, outage(Scope::everyone()).await);
    outage::reverse(app, wrong, "it was none", "Zahra").await.unwrap();
    let theirs = report(app, other.account.id).await;
    let tell = async |id, outage| {
        error_report::found(app, id, "Sara", Finding::Outage(outage), "You were cut off.").await
    };
    for (id, why) in [(own, "another's"), (wrong, "reversed"), (0, "none"), (99, "none")] {
        assert_eq!(refusal(tell(theirs, id).await), ErrorReportRefusal::Outage, "{why}");
    }
    let my = report(app, caller.account.id).await;
    let kept = tell(my, own).await.unwrap();
    assert_eq!(kept.report.state, State::Answered);
    let shown = error_report::find(app, Some(caller.account.id), my).await.unwrap().unwrap();
    assert_eq!(shown.kept.report.finding.and_then(|finding| finding.outage()), Some(own));
}

/// What concerns the platform has no customer, and its entries say of none.
#[tokio::test]
async fn what_a_probe_reports_concerns_the_platform() {
    let world = World::new().await;
    let app = &world.app;
    let open = async |account, ticket| {
        error_report::open(app, account, Source::Probe, &reported(ticket), "vantage 1").await
    };
    let nobodys = open(Some(AccountId(77)), None).await;
    assert_eq!(refusal(nobodys), ErrorReportRefusal::NoSuchAccount);
    assert_eq!(refusal(open(None, Some(1)).await), ErrorReportRefusal::Ticket);
    let id = open(None, None).await.unwrap();
    let ask = error_report::ask(app, id, "Sara", at("1405/10/01 00:00"), "AnyDesk").await;
    assert_eq!(refusal(ask), ErrorReportRefusal::NoCustomer);
    let to = (Channel::Phone, "0912");
    let tried = error_report::contacted(app, id, "Sara", to, (Outcome::Busy, "")).await;
    assert_eq!(refusal(tried), ErrorReportRefusal::NoCustomer);
    go_to(&world, "1405/09/02 12:02");
    assert_eq!(error_report::look(app).await.unwrap(), 1);
    let all = violation::list(app, None, None, 9).await.unwrap();
    assert_eq!((all[0].account, all[0].violation.clause()), (None, Clause::Triage));
    found(app, id, Finding::Structural).await;
    error_report::commit(app, id, "Sara", at("1405/09/09 00:00"), "soon").await.unwrap();
    error_report::deliver(app, id, "Sara", "run 9").await.unwrap();
    let end = error_report::accept(app, id, SARA).await.unwrap();
    assert_eq!(end.report.state, State::Accepted);
}

/// Goal: what is said to be fixed runs on until somebody made sure of it, and staff cannot begin
/// its time anew.
#[tokio::test]
async fn nothing_but_a_verified_fix_ends_its_time() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let id = report(app, caller.account.id).await;
    found(app, id, Finding::Minor).await;
    error_report::fixed(app, id, "Sara", "Mended.").await.unwrap();
    let due = at("1405/09/04 21:00");
    assert_eq!(clock(app, id, Metric::Fix).await, Some((Some(due), Clock::Running)));
    let anew = error_report::reopen(app, id, SARA, "once more").await;
    assert_eq!(refusal(anew), rule(Refusal::WrongState), "it was not fixed, or it was");
    go_to(&world, "1405/09/04 21:02");
    assert_eq!(error_report::look(app).await.unwrap(), 1);
    error_report::verified(app, id, "Sara", true, "Seen to work.").await.unwrap();
    assert_eq!(clock(app, id, Metric::Fix).await, Some((Some(due), Clock::Missed)));
    let anew = error_report::reopen(app, id, SARA, "once more").await;
    assert_eq!(refusal(anew), ErrorReportRefusal::Customers);
    let back = error_report::reopen(app, id, Who::Customer(caller.account.id), "It is back.").await;
    assert_eq!(back.unwrap().report.cycle, 2);
}

/// Goal: what its customer sees to fail was not fixed, so that its time runs on; what others said
/// of the same stays.
#[tokio::test]
async fn what_a_customer_says_is_not_fixed_goes_on_in_its_time() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let (me, them) = (Who::Customer(caller.account.id), Who::Customer(other.account.id));
    let (one, two) = (report(app, caller.account.id).await, report(app, other.account.id).await);
    found(app, one, Finding::Minor).await;
    found(app, two, Finding::DuplicateOf(one)).await;
    error_report::fixed(app, one, "Sara", "Mended.").await.unwrap();
    go_to(&world, "1405/09/03 10:00");
    let stranger = error_report::reopen(app, one, them, "It fails.").await;
    assert_eq!(refusal(stranger), ErrorReportRefusal::NoSuchReport);
    let back = error_report::reopen(app, one, me, "It fails.").await.unwrap();
    assert_eq!((back.report.state, back.report.cycle), (State::Fixing, 1));
    let due = at("1405/09/04 21:00");
    assert_eq!(clock(app, one, Metric::Fix).await, Some((Some(due), Clock::Running)));
    let state = async |id| error_report::find(app, None, id).await.unwrap().unwrap().kept.report;
    assert_eq!(state(two).await.state, State::Fixed);
    let also = error_report::reopen(app, two, them, "Here, too.").await.unwrap();
    assert_eq!((also.report.state, also.report.cycle), (State::Fixing, 1));
    error_report::fixed(app, one, "Sara", "Mended now.").await.unwrap();
    error_report::verified(app, one, "Sara", true, "Seen to work.").await.unwrap();
    assert_eq!(
        (state(one).await.state, state(two).await.state),
        (State::Verified, State::Verified)
    );
    assert_eq!(clock(app, two, Metric::Fix).await, Some((Some(due), Clock::Met)));
}

/// Goal: a date that is moved late is entered with the time in which it was, however soon it is
/// looked at.
#[tokio::test]
async fn a_date_that_was_moved_late_has_its_time() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let id = report(app, caller.account.id).await;
    found(app, id, Finding::Structural).await;
    let commit = async |due| error_report::commit(app, id, "Sara", at(due), "By then.").await;
    commit("1405/10/01 00:00").await.unwrap();
    go_to(&world, "1405/09/04 21:00:01");
    commit("1405/10/02 00:00").await.unwrap();
    go_to(&world, "1405/09/04 21:00:30");
    error_report::look(app).await.unwrap();
    let all = violation::list(app, None, None, 9).await.unwrap();
    let moved = all.iter().find(|kept| kept.reference.contains(":moved:")).unwrap();
    let span = moved.violation.span();
    assert_eq!((span.from, span.to), (at("1405/09/04 21:00"), at("1405/09/04 21:00:01")));
}

/// Goal: a list tells where reports stand without all that was said in them.
#[tokio::test]
async fn reports_are_listed_without_their_history() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let id = report(app, account).await;
    let theirs = Finding::NotOurs(Whose::Customer, String::new());
    error_report::found(app, id, "Sara", theirs, "Your firewall.").await.unwrap();
    let listed = error_report::list(app, Some(account), None, 9).await.unwrap();
    let listed = &listed[0].kept;
    assert_eq!((listed.report.state, listed.steps.len()), (State::Answered, 0));
    assert_eq!(error_report::find(app, None, id).await.unwrap().unwrap().kept.steps.len(), 2);
}
