//! Remote help: nothing runs without the customer's consent, and what is declined stays.

use app::event;
use app::remote_session::{self, RemoteSessionRefusal};
use app::ticket::{self, Asked, Who};
use domain::EventKind;
use domain::agreement::remote_session::{Refusal, State};
use domain::agreement::ticket::{Channel, State as Ticket};

use crate::refusal;
use crate::violation::{at, go_to};
use crate::world::World;

/// T102.
#[tokio::test]
async fn a_session_runs_only_with_consent_in_an_open_ticket() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (stranger, _) = world.customer(0).await;
    let (account, them) = (caller.account.id, stranger.account.id);
    event::page(app, account, 0, 10).await.unwrap();
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    let me = Who::Customer(account);
    let ticket = ticket::open(app, account, me, &asked).await.unwrap().0;
    let ask = async |ticket| remote_session::ask(app, ticket, "Sara", "to see it").await;
    assert_eq!(refusal(ask(99).await), RemoteSessionRefusal::Ticket);
    let id = ask(ticket).await.unwrap();
    let waits = ticket::find(app, None, ticket).await.unwrap().unwrap();
    assert_eq!(waits.kept.ticket.state(), Ticket::Waiting);
    let rule = RemoteSessionRefusal::Rule;
    let start = async || remote_session::start(app, id, "Sara").await;
    assert_eq!(refusal(start().await), rule(Refusal::WrongState));
    let agree =
        async |who, tool| remote_session::agree(app, id, who, at("1405/09/02 10:00"), tool).await;
    assert_eq!(refusal(agree(me, " ").await), rule(Refusal::Tool));
    let theirs = agree(Who::Customer(them), "AnyDesk").await;
    assert_eq!(refusal(theirs), RemoteSessionRefusal::NoSuchSession);
    let agreed = agree(me, "anydesk").await.unwrap();
    assert_eq!(agreed.session.agreed.unwrap().1, "AnyDesk");
    assert_eq!(refusal(start().await), rule(Refusal::WrongState));
    let theirs = remote_session::consent(app, them, id).await;
    assert_eq!(refusal(theirs), RemoteSessionRefusal::NoSuchSession);
    remote_session::consent(app, account, id).await.unwrap();
    assert_eq!(refusal(start().await), rule(Refusal::Time));
    go_to(&world, "1405/09/02 10:00");
    ticket::close(app, ticket, me, "").await.unwrap();
    assert_eq!(refusal(start().await), RemoteSessionRefusal::Ticket);
    ticket::reopen(app, ticket, me, "again").await.unwrap();
    start().await.unwrap();
    let stopped = remote_session::withdraw(app, account, id).await.unwrap();
    assert_eq!(stopped.session.state, State::Ended);
    remote_session::note(app, id, "Sara", "The cache was full.").await.unwrap();
    let kept = remote_session::find(app, Some(account), id).await.unwrap().unwrap();
    assert_eq!((kept.session.state, kept.steps.len()), (State::Noted, 6));
    assert_eq!(remote_session::find(app, Some(them), id).await.unwrap(), None);

    let declined = ask(ticket).await.unwrap();
    let why = "Our rules forbid it.";
    remote_session::decline(app, account, declined, why).await.unwrap();
    let all = remote_session::list(app, Some(account), None, 9).await.unwrap();
    assert_eq!((all[0].session.state, &*all[0].steps[1].said), (State::Declined, why));
    let missed = ask(ticket).await.unwrap();
    let time = at("1405/09/02 11:00");
    remote_session::agree(app, missed, Who::Staff("Sara"), time, "RustDesk").await.unwrap();
    go_to(&world, "1405/09/02 11:20");
    let unasked = remote_session::missed(app, missed, "Sara", "nobody came").await;
    assert_eq!(refusal(unasked), rule(Refusal::WrongState), "the time was ours alone");
    let time = at("1405/09/02 11:30");
    remote_session::agree(app, missed, Who::Staff("Sara"), time, "RustDesk").await.unwrap();
    remote_session::consent(app, account, missed).await.unwrap();
    go_to(&world, "1405/09/02 11:50");
    let kept = remote_session::missed(app, missed, "Sara", "nobody came").await.unwrap();
    assert_eq!(kept.session.state, State::Missed);
    let into = ticket::open(app, account, me, &asked).await.unwrap().0;
    let moved = ask(ticket).await.unwrap();
    remote_session::agree(app, moved, me, at("1405/09/02 12:00"), "AnyDesk").await.unwrap();
    remote_session::consent(app, account, moved).await.unwrap();
    ticket::merge(app, ticket, into, "Sara").await.unwrap();
    go_to(&world, "1405/09/02 12:00");
    remote_session::start(app, moved, "Sara").await.unwrap();
    for _ in 0..5 {
        let kept = ask(ticket).await.unwrap();
        let kept = remote_session::find(app, None, kept).await.unwrap().unwrap();
        assert_eq!(kept.new.ticket, into);
    }
    assert_eq!(refusal(ask(ticket).await), RemoteSessionRefusal::TooMany);
    let events = event::page(app, account, 0, 100).await.unwrap();
    let asked = events.iter().filter(|event| event.kind == EventKind::RemoteSessionRequested);
    assert_eq!(asked.count(), 9);
    let named = events.iter().filter(|event| event.kind == EventKind::RemoteSessionAgreed);
    assert_eq!(named.count(), 2, "of the times that we named");
}
