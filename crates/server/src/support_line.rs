//! Carries between the engine and the switch of the support line: calls to its numbers come in,
//! orders go out. The switch decides ([`node::support_line`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use engine::{CallKey, Command, Event};
use node::support_line::{LinkSms, Settings, SupportLine};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often the line is looked at: an offer may begin two seconds late at the most.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Events that may wait. There are 64 calls at most, which press keys.
const EVENTS: usize = 1_024;

/// Sorts out the events of the line.
pub struct LineEvents {
    numbers: BTreeSet<String>,
    /// Calls to the line, and the legs of experts that they ring.
    calls: BTreeSet<CallKey>,
    to: mpsc::Sender<Event>,
}

impl LineEvents {
    /// Takes what concerns the line and passes every other event on.
    pub fn take(&mut self, event: Event) -> Option<Event> {
        let concerns = match &event {
            Event::Incoming { call, number, .. } => {
                self.numbers.contains(number) && self.calls.insert(*call)
            }
            Event::SecondLeg { call, leg } => self.calls.contains(call) && self.calls.insert(*leg),
            Event::Ended { call, .. } | Event::NotAnswered { call } => self.calls.remove(call),
            Event::Answered { call, .. }
            | Event::Key { call, .. }
            | Event::Ringing { call }
            | Event::EarlyMedia { call }
            | Event::FirstAudio { call }
            | Event::Progress { call, .. } => self.calls.contains(call),
            _ => false,
        };
        if !concerns {
            return Some(event);
        }
        let heeded = matches!(
            event,
            Event::Incoming { .. }
                | Event::SecondLeg { .. }
                | Event::Answered { .. }
                | Event::Key { .. }
                | Event::Ended { .. }
                | Event::NotAnswered { .. }
        );
        if heeded && self.to.try_send(event).is_err() {
            tracing::error!("the support line does not follow; what happens there is lost");
        }
        None
    }
}

/// Starts the task of the line, which ends with the node that has the [`LineEvents`].
pub fn start(
    app: Arc<App>,
    settings: Settings,
    orders: mpsc::Sender<Command>,
) -> (LineEvents, JoinHandle<()>) {
    let (to, mut events) = mpsc::channel(EVENTS);
    let numbers: BTreeSet<String> = settings.numbers.iter().cloned().collect();
    let sorts = LineEvents { numbers, calls: BTreeSet::new(), to };
    if settings.numbers.is_empty() {
        // Who waited here while there was a line is on none any more.
        let task = tokio::spawn(async move { give_up(&app, &settings.node).await });
        return (sorts, task);
    }
    let task = tokio::spawn(async move {
        let node = settings.node.clone();
        let mut line = SupportLine::new(Arc::clone(&app), settings);
        line.learn_its_words().await;
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // The first look comes before the first call: whoever waits then waited before us.
            let commands = tokio::select! {
                biased;
                _ = tick.tick() => line.step().await,
                heard = events.recv() => match heard {
                    Some(event) => line.take(event).await,
                    None => return give_up(&app, &node).await,
                },
            };
            for link in line.take_links() {
                write(Arc::clone(&app), link);
            }
            metrics::gauge!("avanak_support_callers_waiting").set(count(line.waiting()));
            for command in commands {
                // The loop has ended when nobody listens, and so will this task.
                let _ = orders.send(command).await;
            }
        }
    });
    (sorts, task)
}

/// Makes callbacks of whoever is on a line of this node, which has none any more: at a stop, for
/// another node to make them at once.
async fn give_up(app: &App, node: &str) {
    match app::support_line::take_up_lost(app, node, true).await {
        Ok(0) => {}
        Ok(lost) => tracing::warn!(lost, "callers of the line are called back"),
        Err(failure) => {
            let error = failure.chain();
            tracing::warn!(error, "callers of a lost line could not be looked for");
        }
    }
}

/// Writes an SMS beside the line, which does not wait for it.
fn write(app: Arc<App>, link: LinkSms) {
    tokio::spawn(async move {
        let LinkSms { number, text } = link;
        if let Err(failure) = app::support_line::write_link(&app, &number, &text).await {
            let error = failure.chain();
            tracing::warn!(error, to = number.masked(), "a caller of the closed line has no link");
        }
    });
}

/// A count as a gauge's value; gauges are floating point.
fn count(value: usize) -> f64 {
    u32::try_from(value).unwrap_or(u32::MAX).into()
}
