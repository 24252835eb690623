//! Staff gives back what a send was charged: once, no more than that, and written down.

use app::dialing;
use app::refund::{self, NewRefund, NotRefunded};
use domain::billing::refund::RefundRefusal;
use domain::{Disposition, QuickSendId, Rials};

use crate::calls::call_all;
use crate::quick_send::new_send;
use crate::refusal;
use crate::world::{NOON, World};

fn wanted(send: QuickSendId, rials: Option<i64>, reference: &str) -> NewRefund {
    NewRefund {
        quick_send: send,
        amount: rials.map(Rials),
        reference: reference.to_owned(),
        actor: String::from("Sara"),
        reason: String::from("صدا قطع شد"),
    }
}

/// Goal: a part and the rest are given back; asked for again, nothing moves; what is more than was
/// charged, or another's name, is refused; books and chain agree.
#[tokio::test]
async fn what_was_charged_is_given_back_once() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(10_000).await;
    let message = world.message(&caller, 4_000).await;
    let node = dialing::take_node(app, "a", NOON.plus_ms(9_000_000)).await.unwrap();
    let mut sends = Vec::new();
    for number in ["09121234567", "09121234568"] {
        let sent = app::quick_send::submit(app, &caller, new_send(message.id, number)).await;
        sends.push(sent.unwrap().id);
    }
    let ends = [Disposition::Delivered, Disposition::Busy];
    assert_eq!(call_all(&world, node, |place| ends[place]).await, 2);
    let balance = async || world.refreshed(&caller).await.account.balance.0;
    assert_eq!(balance().await, 10_000 - 225);
    let give = async |new: &NewRefund| refund::give(app, new).await;
    let first = give(&wanted(sends[0], Some(100), "r1")).await.unwrap();
    assert_eq!((first.amount, first.account), (Rials(100), caller.account.id));
    assert_eq!(give(&wanted(sends[0], Some(100), " r1 ")).await.unwrap(), first);
    assert_eq!(balance().await, 10_000 - 125);
    let more = |left| NotRefunded::Refused(RefundRefusal::MoreThanCharged { left: Rials(left) });
    for (new, why) in [
        (wanted(sends[0], Some(99), "r1"), NotRefunded::ReferenceTaken),
        (wanted(sends[1], None, "r1"), NotRefunded::ReferenceTaken),
        (wanted(sends[0], Some(126), "r2"), more(125)),
        (wanted(sends[0], Some(0), "r2"), NotRefunded::Refused(RefundRefusal::NotAnAmount)),
        (wanted(sends[1], None, "r2"), more(0)),
        (wanted(QuickSendId(99), None, "r2"), NotRefunded::NoSuchSend),
        (wanted(sends[0], None, " "), NotRefunded::WrongText),
        (
            NewRefund { reason: "x".repeat(201), ..wanted(sends[0], None, "r2") },
            NotRefunded::WrongText,
        ),
    ] {
        assert_eq!(refusal(give(&new).await), why, "{new:?}");
    }
    assert_eq!(give(&wanted(sends[0], None, "r2")).await.unwrap().amount, Rials(125));
    assert_eq!(refusal(give(&wanted(sends[0], None, "r3")).await), more(0));
    assert_eq!(balance().await, 10_000);
    let lines = app::billing::statement(app, caller.account.id, NOON, NOON.plus_ms(1), 10).await;
    let lines = lines.unwrap();
    let of = |kind: &str| lines.iter().filter(|one| one.kind == kind).map(|one| one.amount.0).sum();
    let sums: [i64; 2] = [of("refund"), of("call")];
    assert_eq!(sums, [225, -225]);
    let attested = app::chain::verify(app, &[]).await.unwrap();
    assert_eq!((attested.facts, attested.wrong.len()), (2, 0));
}
