//! Carries between the engine and the switch of the support line: calls to its numbers come in,
//! orders go out. The switch decides ([`node::support_line`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use engine::{CallKey, Command, Event};
use node::support_line::{Settings, SupportLine};
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
        let task = tokio::spawn(async move {
            let lost = app::support_line::take_up_lost(&app, &settings.node, true).await;
            if let Err(failure) = lost {
                let error = failure.chain();
                tracing::warn!(error, "callers of a lost line could not be looked for");
            }
        });
        return (sorts, task);
    }
    let task = tokio::spawn(async move {
        let mut line = SupportLine::new(app, settings);
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
                    None => return,
                },
            };
            metrics::gauge!("avanak_support_callers_waiting").set(count(line.waiting()));
            for command in commands {
                // The loop has ended when nobody listens, and so will this task.
                let _ = orders.send(command).await;
            }
        }
    });
    (sorts, task)
}

/// A count as a gauge's value; gauges are floating point.
fn count(value: usize) -> f64 {
    u32::try_from(value).unwrap_or(u32::MAX).into()
}
