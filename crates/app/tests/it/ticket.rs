//! Tickets: whose turn it is, what a miss becomes, and who sees what.

use app::quick_send::{self, NewSend};
use app::ticket::{self, Asked, NewFile, TicketRefusal, Who};
use app::violation::{self, MACHINE};
use app::{App, event};
use domain::agreement::attachment;
use domain::agreement::ticket::{About, Channel, OPEN_MAX, Refusal, State, Step};
use domain::agreement::violation::{Clause, Status};
use domain::{AccountId, CampaignId, EventKind, MessageClass, QuickSendId};

use crate::refusal;
use crate::violation::{at, go_to};
use crate::world::World;

const SARA: Who<'_> = Who::Staff("Sara");

fn asked(channel: Channel, subject: &str, text: &str) -> Asked {
    let (subject, text) = (subject.to_owned(), text.to_owned());
    Asked { channel, subject, text, about: None, context: Vec::new() }
}

async fn open(app: &App, account: AccountId, asked: &Asked) -> i64 {
    ticket::open(app, account, Who::Customer(account), asked).await.unwrap().0
}

async fn misses(app: &App, account: AccountId) -> Vec<violation::Kept> {
    let all = violation::list(app, Some(account), None, 100).await.unwrap();
    let of_tickets = |kept: &violation::Kept| kept.violation.clause() == Clause::Ticket;
    all.into_iter().filter(of_tickets).collect()
}

/// T090, T092: what is asked is taken at any hour, and the same click within a minute opens the
/// same ticket.
#[tokio::test]
async fn a_click_that_is_repeated_opens_one_ticket() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(1_000_000).await;
    let (stranger, _) = world.customer(0).await;
    let account = caller.account.id;
    let new = NewSend {
        message: world.message(&caller, 5_000).await.id,
        number: "09121234567".to_owned(),
        vote: false,
        record_ms: None,
        server: None,
        reference: None,
        class: MessageClass::Service,
        follow_up: None,
    };
    let sent = quick_send::submit(app, &caller, new).await.unwrap().id;
    go_to(&world, "1405/09/05 23:50");
    let context = vec![("page".to_owned(), "/campaigns".to_owned())];
    let click = Asked { context, ..asked(Channel::Click, "", "") };
    let tried =
        async |asked: &Asked| ticket::open(app, account, Who::Customer(account), asked).await;
    let (id, was_there) = tried(&click).await.unwrap();
    assert!(!was_there);
    world.clock.advance_ms(59_999);
    assert_eq!(tried(&click).await.unwrap(), (id, true));
    let elsewhere = vec![("page".to_owned(), "/reports".to_owned())];
    let other = Asked { context: elsewhere, ..click.clone() };
    assert!(!tried(&other).await.unwrap().1);
    world.clock.advance_ms(60_002);
    assert!(!tried(&click).await.unwrap().1);
    let found = ticket::find(app, Some(account), id).await.unwrap().unwrap();
    assert_eq!((found.due, found.overdue), (Some(at("1405/09/06 14:00")), false));
    assert_eq!(ticket::find(app, Some(stranger.account.id), id).await.unwrap(), None);

    let about = |about| Asked { about: Some(about), ..asked(Channel::Api, "s", "t") };
    let message = About::Message(sent);
    let (them, asked_about) = (stranger.account.id, about(message));
    let of_theirs = ticket::open(app, them, Who::Customer(them), &asked_about).await;
    assert_eq!(refusal(of_theirs), TicketRefusal::About);
    for nothing in [About::Message(QuickSendId(99)), About::Campaign(CampaignId(1))] {
        assert_eq!(refusal(tried(&about(nothing)).await), TicketRefusal::About);
    }
    assert!(!tried(&about(message)).await.unwrap().1);

    let long = "x".repeat(9_000);
    let mut twice = click.clone();
    twice.context.push(("page".to_owned(), "/x".to_owned()));
    let mut unknown = click.clone();
    unknown.context[0].0 = "password".to_owned();
    for (wrong, what) in [
        (asked(Channel::Api, "", "t"), "subject"),
        (asked(Channel::Api, "a\nb", "t"), "subject"),
        (asked(Channel::Api, "s", " "), "text"),
        (asked(Channel::Api, "s", &long), "text"),
        (twice, "context"),
        (unknown, "context"),
    ] {
        assert_eq!(refusal(tried(&wrong).await), TicketRefusal::Text(what));
    }
    for n in ticket::list(app, Some(account), None, 100).await.unwrap().len()..50 {
        assert!(n < usize::try_from(OPEN_MAX).unwrap());
        tried(&asked(Channel::Api, "s", "t")).await.unwrap();
    }
    assert_eq!(refusal(tried(&asked(Channel::Api, "s", "t")).await), TicketRefusal::TooMany);
    let by_us = ticket::open(app, account, SARA, &asked(Channel::Phone, "s", "t")).await;
    assert!(!by_us.unwrap().1, "what we open is not bounded");
}

/// A10, T129, T177: a turn that nobody ends is entered once; one that is ended late is entered with
/// what ends it; and one that is ended in time is not.
#[tokio::test]
async fn a_turn_that_is_missed_is_a_violation_once() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let question = asked(Channel::Form, "no reports", "The reports are empty.");
    let id = open(app, account, &question).await;
    ticket::assign(app, id, "Reza", "Sara").await.unwrap();
    ticket::note(app, id, "Sara", "looks like the cache").await.unwrap();
    go_to(&world, "1405/09/02 00:00:30");
    assert_eq!(ticket::look(app).await.unwrap(), 0, "what is being committed may be in time");
    go_to(&world, "1405/09/02 00:01:30");
    assert_eq!((ticket::look(app).await.unwrap(), ticket::look(app).await.unwrap()), (1, 0));
    ticket::answer(app, id, "Sara", "We look into it.").await.unwrap();
    let entered = misses(app, account).await;
    assert_eq!(entered.len(), 1, "it was entered before");
    let entry = &entered[0];
    assert_eq!(entry.violation.span().from, at("1405/09/02 00:00"));
    assert_eq!((entry.violation.status(), &*entry.steps[0].actor), (Status::Notified, MACHINE));
    assert_eq!(entry.reference, format!("ticket:{id}:1"));

    ticket::write(app, account, id, "Still empty.").await.unwrap();
    go_to(&world, "1405/09/02 14:00");
    ticket::ask(app, id, "Sara", "Which month?").await.unwrap();
    go_to(&world, "1405/09/10 12:00");
    assert_eq!(ticket::look(app).await.unwrap(), 0, "it waits for its customer");
    ticket::write(app, account, id, "Mehr.").await.unwrap();
    go_to(&world, "1405/09/11 00:00");
    world.clock.advance_ms(1);
    ticket::close(app, id, SARA, "It is mended.").await.unwrap();
    let entered = misses(app, account).await;
    let references: Vec<&str> = entered.iter().map(|kept| &*kept.reference).collect();
    assert_eq!(references, [format!("ticket:{id}:3"), format!("ticket:{id}:1")]);
    assert_eq!(violation::counts(app, crate::violation::month("1405-09")).await.unwrap().len(), 1);
}

/// What each side may do, and what the customer's programs are told.
#[tokio::test]
async fn a_ticket_goes_its_way() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (stranger, _) = world.customer(0).await;
    let account = caller.account.id;
    let them = stranger.account.id;
    event::page(app, account, 0, 10).await.unwrap();
    let id = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let state = async || ticket::find(app, None, id).await.unwrap().unwrap().kept.ticket.state();
    let wrong = TicketRefusal::Rule(Refusal::WrongState);
    for theirs in [
        ticket::write(app, them, id, "x").await,
        ticket::close(app, id, Who::Customer(them), "").await,
        ticket::reopen(app, id, Who::Customer(them), "x").await,
        ticket::answer(app, 99, "Sara", "x").await,
    ] {
        assert_eq!(refusal(theirs), TicketRefusal::NoSuchTicket);
    }
    let unnamed = ticket::answer(app, id, " ", "x").await;
    assert_eq!(refusal(unnamed), TicketRefusal::Text("name"));
    let silent = ticket::close(app, id, SARA, "").await;
    assert_eq!(refusal(silent), TicketRefusal::Text("reason"));
    ticket::assign(app, id, "Reza", "Sara").await.unwrap();
    assert_eq!(state().await, State::Open);
    ticket::ask(app, id, "Sara", "Which one?").await.unwrap();
    ticket::write(app, account, id, "The second.").await.unwrap();
    ticket::answer(app, id, "Sara", "Done.").await.unwrap();
    ticket::close(app, id, SARA, "It was answered.").await.unwrap();
    assert_eq!(refusal(ticket::write(app, account, id, "x").await), wrong);
    ticket::reopen(app, id, Who::Customer(account), "It is back.").await.unwrap();
    assert_eq!(state().await, State::Open);
    ticket::close(app, id, Who::Customer(account), "").await.unwrap();
    world.clock.advance_ms(30 * 24 * 3_600_000 + 1);
    let late = ticket::reopen(app, id, Who::Customer(account), "x").await;
    assert_eq!(refusal(late), TicketRefusal::Rule(Refusal::TooLate));
    let told: Vec<EventKind> =
        event::page(app, account, 0, 10).await.unwrap().iter().map(|event| event.kind).collect();
    let expected = [EventKind::TicketWaiting, EventKind::TicketAnswered, EventKind::TicketClosed];
    assert_eq!(told, expected);
    assert_eq!(event::page(app, them, 0, 10).await.unwrap().len(), 0);
}

/// The older one takes the clock along; what was missed in the other is not missed twice.
#[tokio::test]
async fn a_ticket_goes_on_in_another() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (stranger, _) = world.customer(0).await;
    let account = caller.account.id;
    let question = asked(Channel::Form, "s", "t");
    let older = open(app, account, &question).await;
    ticket::answer(app, older, "Sara", "Done.").await.unwrap();
    let younger = open(app, account, &question).await;
    let theirs = open(app, stranger.account.id, &question).await;
    let merge = async |id, into| ticket::merge(app, id, into, "Sara").await;
    assert_eq!(refusal(merge(theirs, older).await), TicketRefusal::NoSuchTicket);
    let itself = merge(older, older).await;
    assert_eq!(refusal(itself), TicketRefusal::Rule(Refusal::Itself));
    go_to(&world, "1405/09/02 09:00");
    let kept = merge(younger, older).await.unwrap();
    let turn = kept.ticket.turn().unwrap();
    assert_eq!((turn.n, turn.since), (2, at("1405/09/02 09:00")));
    assert_eq!(misses(app, account).await[0].reference, format!("ticket:{younger}:1"));
    let third = open(app, account, &question).await;
    go_to(&world, "1405/09/02 10:00");
    let kept = merge(third, older).await.unwrap();
    assert_eq!(kept.ticket.turn(), Some(turn), "it waits since it began to");
    let gone = ticket::find(app, None, third).await.unwrap().unwrap();
    assert_eq!((gone.kept.ticket.state(), gone.due), (State::Merged, None));
    assert_eq!(gone.kept.steps.last().unwrap().step, Some(Step::Merged(older)));
    let over = ticket::answer(app, third, "Sara", "x").await;
    assert_eq!(refusal(over), TicketRefusal::Rule(Refusal::WrongState));
    assert_eq!(misses(app, account).await.len(), 1);
}

/// A file is what its bytes say; it is the account's alone, and there are not many.
#[tokio::test]
async fn files_are_kept_with_a_ticket() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (stranger, _) = world.customer(0).await;
    let account = caller.account.id;
    let id = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let file = |name: &str, bytes: &[u8]| NewFile { name: name.to_owned(), bytes: bytes.to_vec() };
    let attach = async |who: Who<'_>, new: NewFile| ticket::attach(app, id, who, new).await;
    let me = Who::Customer(account);
    let first = attach(me, file("گزارش.txt", b"line")).await.unwrap();
    let (found, bytes) = ticket::attachment(app, Some(account), first.id).await.unwrap().unwrap();
    assert_eq!((&*found.name, &*found.media_type), ("گزارش.txt", "text/plain; charset=utf-8"));
    assert_eq!(bytes, b"line");
    let of = stranger.account.id;
    assert_eq!(ticket::attachment(app, Some(of), first.id).await.unwrap(), None);
    let theirs = attach(Who::Customer(of), file("a", b"x")).await;
    assert_eq!(refusal(theirs), TicketRefusal::NoSuchTicket);
    for (new, why) in [
        (file("../a", b"x"), attachment::Refusal::Name),
        (file("a.exe", b"MZ\0"), attachment::Refusal::Kind),
        (file("a", b""), attachment::Refusal::Empty),
        (file("a", &vec![b'a'; attachment::BYTES_MAX + 1]), attachment::Refusal::TooLarge),
    ] {
        assert_eq!(refusal(attach(me, new).await), TicketRefusal::File(why));
    }
    for n in 1..attachment::COUNT_MAX {
        let who = if n % 2 == 0 { me } else { SARA };
        attach(who, file("a", n.to_string().as_bytes())).await.unwrap();
    }
    let full = TicketRefusal::File(attachment::Refusal::TooMany);
    assert_eq!(refusal(attach(me, file("a", b"x")).await), full);
    let kept = ticket::find(app, None, id).await.unwrap().unwrap().kept;
    assert_eq!((kept.attachments.len(), kept.steps.len()), (20, 21));
}

/// Goal: a list tells where tickets stand without all that was said in them.
#[tokio::test]
async fn tickets_are_listed_without_their_history() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let id = open(app, account, &asked(Channel::Form, "s", "t")).await;
    ticket::answer(app, id, "Sara", "We look.").await.unwrap();
    let listed = ticket::list(app, Some(account), None, 9).await.unwrap();
    let listed = &listed[0].kept;
    assert_eq!((listed.ticket.state(), listed.steps.len()), (State::Answered, 0));
    let whole = ticket::find(app, Some(account), id).await.unwrap().unwrap();
    assert_eq!(whole.kept.steps[1].said, "We look.");
}

/// Goal: what is said after a merge to the ticket that was merged is said where it goes on, by its
/// customer and by whatever tells it something.
#[tokio::test]
async fn what_is_said_to_a_merged_ticket_is_said_where_it_goes_on() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let first = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let second = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let third = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let reported = app::error_report::Reported {
        ticket: Some(first),
        title: String::from("empty"),
        description: String::from("Nothing is shown."),
    };
    let report = app::error_report::report(app, account, &reported).await.unwrap();
    ticket::merge(app, first, second, "Sara").await.unwrap();
    ticket::merge(app, second, third, "Sara").await.unwrap();
    let question = domain::agreement::error_report::Finding::Question;
    app::error_report::found(app, report, "Sara", question, "It is by design.").await.unwrap();
    let written = ticket::write(app, account, first, "It is not!").await.unwrap();
    assert_eq!(written.id, third);
    let file = NewFile { name: String::from("a.txt"), bytes: b"seen".to_vec() };
    ticket::attach(app, second, Who::Customer(account), file).await.unwrap();
    let whole = ticket::find(app, Some(account), third).await.unwrap().unwrap().kept;
    let said: Vec<&str> = whole.steps.iter().map(|step| &*step.said).collect();
    assert_eq!(said, ["t", "", "It is by design.", "It is not!", "a.txt"]);
    assert_eq!((whole.attachments.len(), whole.ticket.state()), (1, State::Open));
    let also = app::error_report::report(app, account, &reported).await.unwrap();
    let also = app::error_report::find(app, None, also).await.unwrap().unwrap();
    assert_eq!(also.kept.new.ticket, Some(third));
    let (stranger, _) = world.customer(0).await;
    let theirs = ticket::write(app, stranger.account.id, first, "and mine").await;
    assert_eq!(refusal(theirs), TicketRefusal::NoSuchTicket);
}

/// Goal: a ticket holds a bounded length of text and an account bounded bytes of files, whatever
/// was closed meanwhile.
#[tokio::test]
async fn tickets_and_accounts_hold_so_much() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let id = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let long = "x".repeat(domain::agreement::ticket::TEXT_MAX);
    let most = domain::agreement::ticket::TEXTS_MAX / long.len();
    for _ in 0..most {
        ticket::write(app, account, id, &long).await.unwrap();
    }
    let more = ticket::write(app, account, id, &long).await;
    assert_eq!(refusal(more), TicketRefusal::Rule(Refusal::TooMany));
    ticket::write(app, account, id, &long[..4000]).await.unwrap();
    let reported = app::error_report::Reported {
        ticket: Some(id),
        title: String::from("empty"),
        description: String::from("Nothing is shown."),
    };
    let report = app::error_report::report(app, account, &reported).await.unwrap();
    let question = domain::agreement::error_report::Finding::Question;
    app::error_report::found(app, report, "Sara", question, &long[..4000]).await.unwrap();
    let found = app::error_report::find(app, None, report).await.unwrap().unwrap().kept;
    assert_eq!(found.steps[1].said, long[..4000], "what the ticket has no room for is there");
    let whole = ticket::find(app, None, id).await.unwrap().unwrap().kept;
    assert_eq!(whole.steps.len(), most + 2, "all that was said, and no more");
    let closed = ticket::close(app, id, SARA, "So much was said.").await.unwrap();
    assert_eq!(closed.ticket.state(), State::Closed);

    let mut tx = world.db.begin().await.unwrap();
    let kept = store::ticket::Attachment {
        id: 0,
        ticket: id,
        name: String::from("much.png"),
        media_type: String::from("image/png"),
        bytes: attachment::ACCOUNT_BYTES_MAX - 5,
        blob: String::from("ticket/1/much"),
    };
    store::ticket::insert_attachment(&mut tx, &kept).await.unwrap();
    tx.commit().await.unwrap();
    let other = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let attach = async |text: &str| {
        let file = NewFile { name: String::from("a.txt"), bytes: text.as_bytes().to_vec() };
        ticket::attach(app, other, Who::Customer(account), file).await
    };
    let much = refusal(attach("123456").await);
    assert_eq!(much, TicketRefusal::NoRoom);
    attach("12345").await.unwrap();
}

/// Goal: nobody works for sandboxes: what they ask is on no board, and never missed.
#[tokio::test]
async fn tickets_of_sandboxes_are_nobodys_work() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (played, _) = world.sandbox(&caller).await;
    let account = played.account.id;
    let id = open(app, account, &asked(Channel::Form, "s", "t")).await;
    let reported = app::error_report::Reported {
        ticket: None,
        title: String::from("empty"),
        description: String::from("Nothing is shown."),
    };
    let report = app::error_report::report(app, account, &reported).await.unwrap();
    assert_eq!(app::board::show(app).await.unwrap(), []);
    go_to(&world, "1405/09/09 12:00");
    assert_eq!(ticket::look(app).await.unwrap(), 0);
    assert_eq!(app::error_report::look(app).await.unwrap(), 0);
    ticket::close(app, id, Who::Customer(account), "").await.unwrap();
    let question = domain::agreement::error_report::Finding::Question;
    app::error_report::found(app, report, "Sara", question, "It is one.").await.unwrap();
    assert_eq!(violation::list(app, None, None, 9).await.unwrap(), [], "whoever ends them late");
}
