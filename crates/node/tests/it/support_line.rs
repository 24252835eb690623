//! Goal: whoever calls the support line waits in the order of coming, is offered to be called back
//! when the agreement says, keeps the place at home as on the line, and is joined with an expert;
//! a restart loses nobody.

use app::phone::NewPhone;
use app::support_call::{self, Kept};
use app::support_line as duty;
use domain::AccountId;
use domain::agreement::support_call::{Attempt, State, Step};
use domain::agreement::violation::Clause;
use engine::{CallKey, Caller, Cause, Command, Event, Outcome};
use node::support_line::{Settings, SupportLine, words};

use crate::fixture::{World, busy, config, dialog, ended, heard_out, number_of};

const NUMBER: &str = "02191000000";
const LINK: &str = "https://avanak.invalid/t";
/// The first call that came in.
const FIRST: u64 = 1 << 63;
/// The first second leg.
const LEG: u64 = 3 << 62;

struct Desk {
    world: World,
    line: SupportLine,
    account: AccountId,
}

fn switch(world: &World) -> SupportLine {
    let settings = Settings {
        node: world.config.name.clone(),
        numbers: vec![NUMBER.to_owned()],
        greeting: words::GREETING.to_owned(),
        host: "avanak.invalid".to_owned(),
        host_v6: None,
        ticket_link: LINK.to_owned(),
    };
    SupportLine::new(world.app.clone(), settings)
}

/// What a command has a call do, in a word.
fn deed(command: &Command) -> &'static str {
    let (Command::Answer { script, .. } | Command::Follow { script, .. }) = command else {
        return "refused";
    };
    let script = format!("{script:?}");
    match (script.contains("Bridge("), script.contains("Gather("), script.contains("Loop {")) {
        (true, ..) => "rings",
        (_, true, _) => "offers",
        (.., true) => "waits",
        _ => "says",
    }
}

impl Desk {
    async fn new() -> Self {
        let world = World::new(config(10, 100)).await;
        let (owner, _) = world.account(10_000_000).await;
        Self { line: switch(&world), account: owner.account.id, world }
    }

    /// An expert on duty at a phone that can be reached.
    async fn expert(&self, name: &str, extension: &str) {
        let new = NewPhone {
            account: self.account,
            extension: extension.to_owned(),
            fixed_contact: Some(format!("sip:{extension}@192.0.2.9:5070")),
        };
        let phone = app::phone::add(&self.world.app, new).await.unwrap();
        duty::on_duty(&self.world.app, name, &phone.username).await.unwrap();
    }

    async fn calls(&mut self, n: u64, from: Option<&str>) -> Vec<&'static str> {
        let event = Event::Incoming {
            call: CallKey(FIRST + n),
            caller: Caller::Trunk("north".to_owned()),
            number: NUMBER.to_owned(),
            from: from.map(str::to_owned),
        };
        self.take(event).await
    }

    async fn take(&mut self, event: Event) -> Vec<&'static str> {
        self.line.take(event).await.iter().map(deed).collect()
    }

    async fn types(&mut self, n: u64, keys: &str) -> Vec<&'static str> {
        let mut deeds = Vec::new();
        for digit in keys.chars() {
            deeds.extend(self.take(Event::Key { call: CallKey(FIRST + n), digit }).await);
        }
        deeds
    }

    async fn hangs_up(&mut self, n: u64) {
        self.take(ended(CallKey(FIRST + n), heard_out())).await;
    }

    /// Lets time pass, a look each second; what was done, with the call.
    async fn pass_s(&mut self, seconds: i64) -> Vec<(u64, &'static str)> {
        let mut deeds = Vec::new();
        for _ in 0..seconds {
            self.world.pass_s(1).await;
            for command in self.line.step().await {
                let (Command::Follow { call, .. } | Command::Answer { call, .. }) = &command else {
                    panic!("{command:?}")
                };
                deeds.push((call.0 - FIRST, deed(&command)));
            }
        }
        deeds
    }

    /// The line in the order of coming.
    async fn all(&self) -> Vec<Kept> {
        let mut all = support_call::list(&self.world.app, None, 100).await.unwrap();
        all.reverse();
        all
    }

    async fn states(&self) -> Vec<State> {
        self.all().await.iter().map(|kept| kept.call.state).collect()
    }

    async fn missed(&self) -> Vec<Clause> {
        let all = app::violation::list(&self.world.app, None, None, 100).await.unwrap();
        all.into_iter().map(|kept| kept.violation.clause()).collect()
    }
}

/// T110, T112: after 80 seconds, and then every minute, an offer is made; keys count from then on;
/// the star registers the number that was sent.
#[tokio::test]
async fn an_offer_is_made_after_80_seconds_and_the_star_takes_it() {
    let mut desk = Desk::new().await;
    assert_eq!(desk.calls(0, Some("+989121234567")).await, ["waits"]);
    assert_eq!(desk.pass_s(79).await, []);
    assert_eq!(desk.types(0, "*").await, [""; 0], "nothing was offered yet");
    assert_eq!(desk.pass_s(2).await, [(0, "offers")]);
    assert_eq!(desk.pass_s(57).await, []);
    assert_eq!(desk.pass_s(3).await, [(0, "offers")]);
    assert_eq!(desk.types(0, "*").await, ["says"]);
    desk.hangs_up(0).await;
    let all = desk.all().await;
    assert_eq!(
        (all[0].call.state, all[0].number.as_deref()),
        (State::Registered, Some("09121234567"))
    );
    assert!(all[0].call.offered_at.is_some());
    // The account has that mobile no more than any other, but a customer with it gets a ticket.
    assert_eq!(desk.missed().await, []);
    assert_eq!(desk.pass_s(70).await, [], "it is over");
}

/// T113, T115, T116: a number is typed and ended by the square; what is none is asked for again,
/// and a hidden caller's star asks for one. Nobody is disturbed while typing.
#[tokio::test]
async fn a_number_is_typed() {
    let mut desk = Desk::new().await;
    desk.calls(0, None).await;
    assert_eq!(desk.pass_s(81).await, [(0, "offers")]);
    assert_eq!(desk.types(0, "*").await, ["offers"], "it is asked for a number");
    assert_eq!(desk.types(0, "110#").await, ["offers"]);
    assert_eq!(desk.types(0, &format!("{NUMBER}#")).await, ["offers"], "our own");
    desk.pass_s(55).await;
    assert_eq!(desk.types(0, "0912").await, [""; 0]);
    assert_eq!(desk.pass_s(8).await, [], "the next offer waits for who types");
    // Who mistypes begins anew.
    assert_eq!(desk.types(0, "99*09151234567#").await, ["offers"], "it is said back");
    assert_eq!(desk.types(0, "#").await, ["says"]);
    let all = desk.all().await;
    assert_eq!(
        (all[0].call.state, all[0].number.as_deref()),
        (State::Registered, Some("09151234567"))
    );
}

/// T113: a number that is said back is right when the square says so, when nothing is said against
/// it, and when the caller hangs up; another number takes its place. Nobody is rung meanwhile.
#[tokio::test]
async fn a_typed_number_is_said_back() {
    for (then, number) in [
        ("#", "09151234567"),
        ("09151234568##", "09151234568"),
        ("wait", "09151234567"),
        ("hang up", "09151234567"),
    ] {
        let mut desk = Desk::new().await;
        desk.calls(0, Some("09121234567")).await;
        desk.pass_s(81).await;
        assert_eq!(desk.types(0, "09151234567#").await, ["offers"]);
        assert_eq!(desk.states().await, [State::Waiting], "{then}");
        desk.expert("Sara", "100").await;
        assert_eq!(desk.pass_s(20).await, [], "{then}");
        match then {
            "hang up" => desk.hangs_up(0).await,
            "wait" => assert_eq!(desk.pass_s(6).await, [(0, "says")]),
            keys => assert_eq!(desk.types(0, keys).await.last(), Some(&"says")),
        }
        let kept = desk.all().await.remove(0);
        let registered = kept.steps.iter().any(|taken| taken.step == Some(Step::Registered));
        assert_eq!((registered, kept.number.as_deref()), (true, Some(number)), "{then}");
    }
}

/// A star takes back what was said back, and the next one is for the number that was sent.
#[tokio::test]
async fn a_number_that_was_said_back_can_be_taken_back() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(81).await;
    assert_eq!(desk.types(0, "09151234567#*").await, ["offers"]);
    assert_eq!(desk.types(0, "#").await, [""; 0]);
    assert_eq!(desk.types(0, "*").await, ["says"]);
    assert_eq!(desk.all().await[0].number.as_deref(), Some("09121234567"));
}

/// T110: an offer that is due while an expert is rung begins where the music would be, and its star
/// ends the ringing; the expert is free for the next one.
#[tokio::test]
async fn an_offer_is_made_while_an_expert_is_rung() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(69).await;
    desk.expert("Sara", "100").await;
    desk.world.pass_s(1).await;
    let [Command::Follow { script, .. }] = &desk.line.step().await[..] else { panic!() };
    let bridge = script.conversation().unwrap();
    let (hold, ring_ms) = (bridge.hold.duration_ms(), bridge.leg.ring_timeout_ms);
    assert!(hold > 10_000 + ring_ms, "10 s of music, the offer, and music: {hold} ms");
    desk.take(Event::SecondLeg { call: CallKey(FIRST), leg: CallKey(LEG) }).await;
    assert_eq!(desk.types(0, "*").await, [""; 0], "nothing was offered yet");
    assert_eq!(desk.pass_s(11).await, []);
    let offered = desk.all().await.remove(0).call;
    let after_us = offered.offered_at.unwrap().us_since(offered.joined_at);
    assert!((80_000_000..82_000_000).contains(&after_us), "{after_us}");
    assert_eq!(desk.types(0, "*").await, ["says"]);
    desk.take(ended(CallKey(LEG), busy())).await;
    desk.hangs_up(0).await;
    let sara = duty::agents(&desk.world.app).await.unwrap().remove(0);
    assert_eq!((sara.name.as_str(), sara.busy_with), ("Sara", None), "she is on duty");
    assert_eq!(desk.states().await, [State::Registered]);
}

/// An offer that the end of the ringing cuts off is made anew.
#[tokio::test]
async fn an_offer_that_was_cut_off_is_made_anew() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(69).await;
    desk.expert("Sara", "100").await;
    assert_eq!(desk.pass_s(1).await, [(0, "rings")]);
    desk.take(Event::SecondLeg { call: CallKey(FIRST), leg: CallKey(LEG) }).await;
    assert_eq!(desk.pass_s(15).await, []);
    desk.take(ended(CallKey(LEG), busy())).await;
    assert_eq!(desk.pass_s(1).await, [(0, "offers")]);
    assert_eq!(desk.pass_s(59).await, []);
    assert_eq!(desk.pass_s(2).await, [(0, "offers")]);
}

/// Goal: who gives up before the line has answered waits no more, and no expert is rung for nobody.
#[tokio::test]
async fn who_gives_up_before_the_answer_is_gone() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.take(Event::NotAnswered { call: CallKey(FIRST) }).await;
    desk.expert("Sara", "100").await;
    assert_eq!(desk.pass_s(2).await, []);
    assert_eq!(desk.states().await, [State::Left]);
}

/// Goal: what a failed database kept from being noted is made good: a row of somebody who is gone
/// blocks nobody, and an expert without a call is free.
#[tokio::test]
async fn what_was_not_noted_is_made_good() {
    let mut desk = Desk::new().await;
    desk.pass_s(1).await;
    let app = desk.world.app.clone();
    let node = desk.world.config.name.clone();
    // As if nobody had been told that the first caller hung up while an expert was rung.
    let ghost = duty::joined(&app, &node, &duty::Identity::default()).await.unwrap();
    desk.expert("Sara", "100").await;
    let (sara, kept) = (duty::agents(&app).await.unwrap().remove(0), desk.all().await.remove(0));
    assert!(duty::claim(&app, &sara, &kept, &node).await.unwrap());
    desk.calls(0, Some("09121234567")).await;
    assert_eq!(desk.pass_s(2).await, [(0, "rings")]);
    let all = desk.all().await;
    assert_eq!((all[0].id, all[0].call.state), (ghost, State::Left));
    let agents = duty::agents(&app).await.unwrap();
    assert_eq!(agents[0].busy_with, Some(all[1].id));
}

/// What was typed and not ended counts for nothing.
#[tokio::test]
async fn digits_without_an_end_are_forgotten() {
    let mut desk = Desk::new().await;
    desk.calls(0, None).await;
    desk.pass_s(81).await;
    desk.types(0, "0912").await;
    desk.pass_s(20).await;
    assert_eq!(desk.types(0, "#").await, [""; 0]);
    desk.types(0, "0915").await;
    desk.hangs_up(0).await;
    assert_eq!(desk.states().await, [State::Left]);
}

/// T111, T120: who waits the longest is joined with the expert; who does not answer is off duty
/// and the next one is rung; the caller's end frees the expert.
#[tokio::test]
async fn experts_answer_in_the_order_of_coming() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(1).await;
    desk.calls(1, Some("09121234568")).await;
    desk.pass_s(70).await;
    desk.expert("Sara", "100").await;
    desk.expert("Reza", "101").await;
    assert_eq!(desk.pass_s(1).await, [(0, "rings"), (1, "rings")]);
    desk.take(Event::SecondLeg { call: CallKey(FIRST), leg: CallKey(LEG) }).await;
    desk.take(Event::SecondLeg { call: CallKey(FIRST + 1), leg: CallKey(LEG + 1) }).await;
    // Sara does not answer; Reza does.
    desk.take(ended(CallKey(LEG), busy())).await;
    desk.take(Event::Answered { call: CallKey(LEG + 1), dialog: dialog() }).await;
    let names = async |desk: &Desk| -> Vec<String> {
        let on_duty = duty::agents(&desk.world.app).await.unwrap();
        on_duty.into_iter().map(|agent| agent.name).collect()
    };
    assert_eq!(names(&desk).await, ["Reza"]);
    assert_eq!(desk.states().await, [State::Waiting, State::Answered]);
    // The first one is offered a callback as anybody, and waits on.
    assert_eq!(desk.pass_s(10).await, [(0, "offers")]);
    desk.take(ended(CallKey(LEG + 1), heard_out())).await;
    desk.hangs_up(1).await;
    // Reza rests for a moment, then is rung for the first one.
    assert_eq!(desk.pass_s(9).await, []);
    assert_eq!(desk.pass_s(2).await, [(0, "rings")]);
    desk.take(Event::SecondLeg { call: CallKey(FIRST), leg: CallKey(LEG + 2) }).await;
    desk.take(Event::Answered { call: CallKey(LEG + 2), dialog: dialog() }).await;
    // Duty ends, and the conversation goes on.
    duty::off_duty(&desk.world.app, "Reza").await.unwrap();
    desk.hangs_up(0).await;
    assert_eq!(names(&desk).await, [""; 0]);
    assert_eq!(desk.states().await, [State::Answered, State::Answered]);
    assert_eq!(desk.missed().await, []);
}

/// The outcome of a call to a customer who pressed the key and talked for so long.
fn talked(heard_ms: u32) -> Outcome {
    Outcome { cause: Cause::CalleeHungUp, heard_ms, vote: Some(1), ..heard_out() }
}

/// T120, T121: A came first and is at home, B waits on the line: A is called, then B is served.
/// Who does not press the key is tried again, three times in all.
#[tokio::test]
async fn who_registered_is_called_when_the_turn_comes() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(1).await;
    desk.calls(1, Some("09121234568")).await;
    desk.pass_s(81).await;
    assert_eq!(desk.types(0, "*").await, ["says"]);
    desk.hangs_up(0).await;
    desk.expert("Sara", "100").await;
    assert_eq!(desk.pass_s(3).await, [], "nobody passes A by");
    let call = desk.world.started.pop().unwrap();
    assert_eq!(number_of(&call), "09121234567");
    let script = format!("{:?}", call.script);
    assert!(script.contains("sip:100@192.0.2.9:5070") && script.contains("Gather("), "{script}");
    assert!(script.contains("sip:09121234567@"), "the expert sees who is called: {script}");
    // A machine answers: nobody presses a key.
    desk.world.tell(ended(call.call, Outcome { heard_ms: 0, vote: None, ..heard_out() }));
    assert_eq!(desk.pass_s(2).await, []);
    let kept = desk.all().await.remove(0);
    let tried =
        kept.steps.iter().filter(|taken| taken.step == Some(Step::Attempted(Attempt::Voicemail)));
    assert_eq!((kept.call.state, tried.count()), (State::Registered, 1));
    // It is too soon to call A again: B is served meanwhile.
    assert_eq!(desk.pass_s(10).await, [(1, "rings")]);
    desk.take(Event::SecondLeg { call: CallKey(FIRST + 1), leg: CallKey(LEG) }).await;
    desk.take(Event::Answered { call: CallKey(LEG), dialog: dialog() }).await;
    desk.hangs_up(1).await;
    desk.pass_s(600).await;
    let again = desk.world.started.pop().unwrap();
    assert_eq!(number_of(&again), "09121234567");
    desk.world.tell(Event::Answered { call: again.call, dialog: dialog() });
    desk.pass_s(700).await;
    assert_eq!(desk.world.started.len(), 0, "whoever talks is not called once more");
    desk.world.tell(ended(again.call, talked(60_000)));
    desk.pass_s(2).await;
    assert_eq!(desk.states().await, [State::Connected, State::Answered]);
    desk.world.audit().await;
}

/// A callback whose expert does not answer is no failure of the customer: another expert has it.
#[tokio::test]
async fn a_callback_without_an_expert_is_given_back() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(81).await;
    desk.types(0, "*").await;
    desk.hangs_up(0).await;
    desk.expert("Sara", "100").await;
    desk.pass_s(3).await;
    let call = desk.world.started.pop().unwrap();
    desk.world.tell(ended(call.call, Outcome { cause: Cause::Played, ..talked(0) }));
    desk.pass_s(2).await;
    let on_duty = duty::agents(&desk.world.app).await.unwrap();
    assert_eq!((desk.states().await, on_duty.len()), (vec![State::Registered], 0));
    desk.expert("Reza", "101").await;
    desk.pass_s(63).await;
    let call = desk.world.started.pop().unwrap();
    assert!(format!("{:?}", call.script).contains("sip:101@"));
    desk.world.tell(ended(call.call, talked(5_000)));
    desk.pass_s(2).await;
    assert_eq!(desk.states().await, [State::Connected]);
    assert!(desk.all().await[0].call.failed_at.is_empty());
}

/// T121. Goal: what is the customer's counts as a try, and what is ours does not: who is not there,
/// or presses the key and does not wait, is tried again in ten minutes and takes no expert off
/// duty; a trunk that fails is tried again in a minute, and who stands behind is served meanwhile.
#[tokio::test]
async fn only_what_is_the_customers_counts_against_the_customer() {
    let rang_out = Outcome { cause: Cause::NoAnswer, sip_code: None, ..busy() };
    let did_not_wait = talked(0);
    let trunk_failed = Outcome { sip_code: Some(403), ..busy() };
    for (outcome, tries) in [(rang_out, 1), (did_not_wait, 1), (busy(), 1), (trunk_failed, 0)] {
        let mut desk = Desk::new().await;
        desk.calls(0, Some("09121234567")).await;
        desk.pass_s(1).await;
        desk.calls(1, Some("09121234568")).await;
        desk.pass_s(81).await;
        desk.types(0, "*").await;
        desk.hangs_up(0).await;
        desk.expert("Sara", "100").await;
        assert_eq!(desk.pass_s(3).await, []);
        let call = desk.world.started.pop().unwrap();
        desk.world.tell(ended(call.call, outcome));
        // A trunk's failure lets the send try once more by itself; then it is over.
        for _ in 0..3 {
            desk.pass_s(1).await;
            while let Some(again) = desk.world.started.pop() {
                desk.world.tell(ended(again.call, Outcome { sip_code: Some(403), ..busy() }));
            }
        }
        let kept = desk.all().await.remove(0);
        assert_eq!((kept.call.state, kept.call.failed_at.len()), (State::Registered, tries));
        assert_eq!(duty::agents(&desk.world.app).await.unwrap().len(), 1, "Sara stays");
        assert_eq!(desk.pass_s(12).await, [(1, "rings")], "B is served meanwhile");
    }
}

/// Goal: an engine without room for an expert's leg takes nobody off duty.
#[tokio::test]
async fn a_full_engine_is_not_the_experts_doing() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.expert("Sara", "100").await;
    assert_eq!(desk.pass_s(1).await, [(0, "rings")]);
    desk.take(Event::SecondLeg { call: CallKey(FIRST), leg: CallKey(LEG) }).await;
    let full = Outcome { cause: Cause::Refused(engine::Refusal::Full), ..busy() };
    desk.take(ended(CallKey(LEG), full)).await;
    assert_eq!(duty::agents(&desk.world.app).await.unwrap().len(), 1);
    assert_eq!(desk.pass_s(12).await, [(0, "rings")], "again after a moment");
}

/// Goal: nobody keeps the line to themselves: not by typing on and on, not by calling again and
/// again from one number, and not by claiming to be the line itself.
#[tokio::test]
async fn the_line_is_kept_by_nobody() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(81).await;
    for _ in 0..7 {
        desk.types(0, "1").await;
        desk.pass_s(9).await;
    }
    desk.types(0, "1").await;
    desk.expert("Sara", "100").await;
    assert_eq!(desk.pass_s(1).await, [(0, "rings")], "it is their turn, typing or not");
    assert_eq!(desk.calls(1, Some("09121234567")).await, ["waits"]);
    assert_eq!(desk.calls(2, Some("+98 912 123 4567")).await, ["refused"]);
    assert_eq!(desk.calls(3, Some("+982191000000")).await, ["waits"]);
    let ours = desk.all().await.pop().unwrap();
    assert_eq!(ours.caller, None, "nobody calls the line back from itself");
}

/// Goal: an expert whose phone is registered nowhere is not counted on for long.
#[tokio::test]
async fn a_phone_that_is_gone_is_off_duty() {
    let mut desk = Desk::new().await;
    let new = NewPhone { account: desk.account, extension: "100".to_owned(), fixed_contact: None };
    let phone = app::phone::add(&desk.world.app, new).await.unwrap();
    duty::on_duty(&desk.world.app, "Sara", &phone.username).await.unwrap();
    let on_duty = async |desk: &Desk| duty::agents(&desk.world.app).await.unwrap().len();
    desk.pass_s(55).await;
    assert_eq!(on_duty(&desk).await, 1);
    desk.pass_s(10).await;
    assert_eq!(on_duty(&desk).await, 0);
}

/// T127: three wait on the line and one at home when the process is killed: whoever sent a number
/// is called back in the old order, marked; the others are gone; experts are free again.
#[tokio::test]
async fn a_restart_makes_callbacks_of_who_was_on_the_line() {
    let mut desk = Desk::new().await;
    for (n, from) in [(0, Some("09121234567")), (1, Some("09121234568")), (2, None)] {
        desk.calls(n, from).await;
        desk.pass_s(1).await;
    }
    desk.pass_s(80).await;
    desk.types(1, "*").await;
    desk.hangs_up(1).await;
    desk.expert("Sara", "100").await;
    assert_eq!(desk.pass_s(1).await, [(0, "rings")]);
    let before: Vec<_> = desk.all().await.iter().map(|kept| kept.call.joined_at).collect();
    desk.world.kill();
    desk.world.start().await;
    desk.line = switch(&desk.world);
    desk.line.step().await;
    let all = desk.all().await;
    let states: Vec<_> = all.iter().map(|kept| kept.call.state).collect();
    assert_eq!(states, [State::Dialing, State::Registered, State::Left]);
    let joined: Vec<_> = all.iter().map(|kept| kept.call.joined_at).collect();
    assert_eq!(joined, before, "the place is kept");
    let flags =
        |kept: &Kept| kept.steps.iter().filter(|taken| taken.note == duty::LINE_LOST).count();
    assert_eq!(all.iter().map(flags).collect::<Vec<_>>(), [1, 0, 1]);
    desk.pass_s(2).await;
    assert_eq!(desk.world.called(), ["09121234567"], "who came first is called first");
}

/// A kill while a customer is called back: the call is found again and nobody is called twice.
#[tokio::test]
async fn a_callback_outlives_its_process() {
    let mut desk = Desk::new().await;
    desk.calls(0, Some("09121234567")).await;
    desk.pass_s(81).await;
    desk.types(0, "*").await;
    desk.hangs_up(0).await;
    desk.expert("Sara", "100").await;
    // Given to Sara, and not placed yet.
    desk.line.step().await;
    assert_eq!(desk.states().await, [State::Dialing]);
    assert!(desk.world.called().is_empty());
    desk.world.kill();
    desk.world.start().await;
    desk.line = switch(&desk.world);
    desk.pass_s(3).await;
    assert_eq!(desk.world.called(), ["09121234567"]);
    let call = desk.world.last_call();
    desk.world.tell(ended(call, talked(9_000)));
    desk.pass_s(3).await;
    assert_eq!(desk.states().await, [State::Connected]);
    assert!(duty::agents(&desk.world.app).await.unwrap()[0].busy_with.is_none());
}

/// T126: who calls a closed line hears when it opens, and nothing is owed.
#[tokio::test]
async fn a_closed_line_says_when_it_opens() {
    let mut desk = Desk::new().await;
    // Ten in the morning; the break begins at two.
    desk.world.set_wall(domain::Timestamp(crate::fixture::START.0 + 4 * 3_600_000_000 + 1));
    assert_eq!(desk.calls(0, Some("09121234567")).await, ["says"]);
    assert!(desk.all().await.is_empty());
    let links = desk.line.take_links();
    assert_eq!(links.len(), 1);
    assert!(links[0].text.ends_with(LINK) && links[0].text.contains("14:45"), "{links:?}");
    assert_eq!(links[0].number.national(), "09121234567");
    // Once until it opens, and to mobiles.
    for from in [Some("+989121234567"), Some("02188001122"), None] {
        desk.calls(1, from).await;
    }
    assert_eq!(desk.line.take_links(), []);
    assert_eq!(desk.missed().await, []);
}

/// T125: hours in which nobody is on duty are entered once they are over, once.
#[tokio::test]
async fn hours_without_an_expert_are_entered() {
    let mut desk = Desk::new().await;
    desk.pass_s(120).await;
    assert_eq!(desk.missed().await, [], "before anybody ever was on duty it is no line of ours");
    desk.expert("Sara", "100").await;
    desk.pass_s(120).await;
    duty::off_duty(&desk.world.app, "Sara").await.unwrap();
    desk.pass_s(420).await;
    assert_eq!(desk.missed().await, [], "it goes on");
    let phone = format!("{}-100", desk.account);
    duty::on_duty(&desk.world.app, "Sara", &phone).await.unwrap();
    desk.pass_s(120).await;
    let all = app::violation::list(&desk.world.app, None, None, 100).await.unwrap();
    assert_eq!(all.len(), 1);
    let span = all[0].violation.span();
    assert_eq!(all[0].violation.clause(), Clause::Staffing);
    assert_eq!(span.to.us_since(span.from) / 1_000_000, 420);
}

/// Goal: only who is meant is on duty, and only once.
#[tokio::test]
async fn duty_is_refused_with_a_reason() {
    let desk = Desk::new().await;
    desk.expert("Sara", "100").await;
    let phone = format!("{}-100", desk.account);
    let app = &desk.world.app;
    for (name, at, why) in [
        ("Sara", &*phone, duty::DutyRefusal::OnDuty),
        ("Reza", &*phone, duty::DutyRefusal::OnDuty),
        ("Reza", "7-999", duty::DutyRefusal::NoSuchPhone),
        (" ", &*phone, duty::DutyRefusal::Name),
    ] {
        let refused = duty::on_duty(app, name, at).await;
        assert!(matches!(refused, Err(app::Error::Refused(r)) if r == why), "{name} {refused:?}");
    }
    let refused = duty::off_duty(app, "Reza").await;
    assert!(matches!(refused, Err(app::Error::Refused(duty::DutyRefusal::NotOnDuty))));
}

/// Goal: who goes off and on duty in a conversation is at the phone once, and is not rung in it.
#[tokio::test]
async fn duty_that_begins_again_in_a_conversation_goes_on() {
    let mut desk = Desk::new().await;
    desk.expert("Sara", "100").await;
    desk.calls(0, Some("09121234567")).await;
    assert_eq!(desk.pass_s(1).await, [(0, "rings")]);
    desk.take(Event::SecondLeg { call: CallKey(FIRST), leg: CallKey(LEG) }).await;
    desk.take(Event::Answered { call: CallKey(LEG), dialog: dialog() }).await;
    let (app, phone) = (desk.world.app.clone(), format!("{}-100", desk.account));
    duty::off_duty(&app, "Sara").await.unwrap();
    let refused = duty::on_duty(&app, "Reza", &phone).await;
    assert!(matches!(refused, Err(app::Error::Refused(duty::DutyRefusal::OnDuty))), "{refused:?}");
    duty::on_duty(&app, "Sara", &phone).await.unwrap();
    assert_eq!(duty::agents(&app).await.unwrap().len(), 1);
    desk.calls(1, Some("09121234568")).await;
    assert_eq!(desk.pass_s(20).await, [], "she talks");
    desk.hangs_up(0).await;
    assert_eq!(desk.pass_s(12).await, [(1, "rings")]);
}
