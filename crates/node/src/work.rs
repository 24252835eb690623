//! What a node asks of the database and the blob store, as values: a step hands [`Work`] out, the
//! server or the simulator runs it anywhere, and brings the [`Done`] back. So a slow commit never
//! delays a call whose lease is already durable.

use std::sync::Arc;

use app::dialing::{
    self, Company, EndedCall, Leased, NodeStamp, OpenAttempt, Orphan, PhoneContact, PutBack,
    ReadyJob, Start, Untried,
};
use app::trunk::TrunkHealth;
use app::{App, Failure};
use domain::{AccountId, AttemptId, Extension, NodeId, QuickSendId, Timestamp};
use engine::{CallKey, Clip, Codec};

use crate::moment::Moment;
use crate::node::OptOut;

/// One request to the database or the blob store.
pub struct Work {
    pub(crate) app: Arc<App>,
    pub(crate) asked: Moment,
    pub(crate) task: Task,
}

/// What came of a [`Work`].
pub struct Done {
    pub(crate) asked: Moment,
    pub(crate) answer: Answer,
}

#[derive(Debug)]
pub(crate) enum Task {
    Renew {
        stamp: NodeStamp,
        until: Timestamp,
    },
    Read {
        after: (Timestamp, QuickSendId),
        limit: u32,
    },
    /// Recipients of campaigns step into the line.
    Feed,
    Lease {
        stamp: NodeStamp,
        starts: Vec<Start>,
    },
    Settle {
        calls: Vec<EndedCall>,
    },
    Expire {
        sends: Vec<Untried>,
    },
    /// Callees opted out.
    OptOut {
        pressed: Vec<OptOut>,
    },
    /// Which attempts are to be hung up.
    Cancelled {
        /// Whose calls.
        node: NodeId,
    },
    PutBack {
        attempts: Vec<PutBack>,
    },
    /// How the node sees its trunks.
    TrunkHealth {
        node: String,
        seen: Vec<TrunkHealth>,
    },
    /// What this epoch has open, to find what nobody here knows of, and what nodes left open whose
    /// lease ended by then.
    Reconcile {
        stamp: NodeStamp,
        ended_by: Timestamp,
    },
    /// The stories of attempts that began before then are forgotten, the oldest first, if any are;
    /// and how often numbers were called on days gone by.
    Forget {
        stories_before: Option<Timestamp>,
    },
    Prepare {
        call: CallKey,
        blob: Option<String>,
        /// What the trunk is offered; the clip is to be there in each.
        codecs: Vec<Codec>,
        phone: Option<(AccountId, Extension)>,
    },
}

/// Each answers the task of its name; a failure carries what is needed to try again.
pub(crate) enum Answer {
    Renewed(Result<Option<Company>, Failure>),
    Read(Result<Vec<ReadyJob>, Failure>),
    Fed(Result<Vec<ReadyJob>, Failure>),
    Leased(Result<Vec<Leased>, Failure>),
    Settled(Result<(), Failure>),
    Expired(Vec<Untried>, Result<(), Failure>),
    OptedOut(Vec<OptOut>, Result<(), Failure>),
    Cancelled(Result<Vec<AttemptId>, Failure>),
    PutBack(Result<(), Failure>),
    TrunkHealth(Result<(), Failure>),
    Reconciled(Result<Open, Failure>),
    /// Whether there may be more to forget.
    Forgotten(Result<bool, Failure>),
    Prepared(CallKey, Result<Prepared, Failure>),
}

/// What a call needs beside its job. Absent parts were not asked for.
pub(crate) struct Prepared {
    pub(crate) clip: Option<(String, Arc<Clip>)>,
    /// The phone's contact, or the news that it has none.
    #[expect(clippy::option_option, reason = "not asked for and not there are two things")]
    pub(crate) contact: Option<Option<PhoneContact>>,
}

/// The open attempts that this node has to look after.
pub(crate) struct Open {
    /// Of this very epoch, those of earlier ones included.
    pub(crate) own: Vec<OpenAttempt>,
    /// Of nodes that have been gone for long.
    pub(crate) orphans: Vec<Orphan>,
}

impl Work {
    /// Does it.
    pub async fn run(self) -> Done {
        let Self { app, asked, task } = self;
        let app = &*app;
        let answer = match task {
            Task::Renew { stamp, until } => {
                Answer::Renewed(dialing::renew(app, stamp, until).await)
            }
            Task::Read { after, limit } => {
                Answer::Read(dialing::load_ready(app, after, limit).await)
            }
            Task::Feed => Answer::Fed(app::campaign::feed(app, asked.wall).await),
            Task::Lease { stamp, starts } => {
                Answer::Leased(dialing::lease(app, stamp, starts).await)
            }
            Task::Settle { calls } => {
                Answer::Settled(dialing::settle(app, calls).await.map(|_| ()))
            }
            Task::Expire { sends } => {
                let result = dialing::expire(app, sends.clone(), asked.wall).await;
                Answer::Expired(sends, result.map(|_| ()))
            }
            Task::OptOut { pressed } => {
                let written = opt_out(app, &pressed).await;
                Answer::OptedOut(pressed, written)
            }
            Task::Cancelled { node } => {
                Answer::Cancelled(app::cancellation::marked(app, node).await)
            }
            Task::PutBack { attempts } => {
                Answer::PutBack(dialing::put_back(app, attempts).await.map(|_| ()))
            }
            Task::TrunkHealth { node, seen } => {
                Answer::TrunkHealth(app::trunk::tell_health(app, &node, &seen).await)
            }
            Task::Reconcile { stamp, ended_by } => {
                Answer::Reconciled(open_attempts(app, stamp, ended_by).await)
            }
            Task::Forget { stories_before } => {
                Answer::Forgotten(forget(app, stories_before, asked.wall).await)
            }
            Task::Prepare { call, blob, codecs, phone } => {
                Answer::Prepared(call, prepare(app, asked, blob, &codecs, phone).await)
            }
        };
        Done { asked, answer }
    }

    /// The answer as if the database had not been reached. A simulation gives it instead of
    /// running the work, or, with the work run all the same, when a commit's answer gets lost.
    pub fn failed(&self) -> Done {
        let failure = || Failure::of("using the database: it is not there");
        let answer = match &self.task {
            Task::Renew { .. } => Answer::Renewed(Err(failure())),
            Task::Read { .. } => Answer::Read(Err(failure())),
            Task::Feed => Answer::Fed(Err(failure())),
            Task::Lease { .. } => Answer::Leased(Err(failure())),
            Task::Settle { .. } => Answer::Settled(Err(failure())),
            Task::Expire { sends } => Answer::Expired(sends.clone(), Err(failure())),
            Task::OptOut { pressed } => Answer::OptedOut(pressed.clone(), Err(failure())),
            Task::Cancelled { .. } => Answer::Cancelled(Err(failure())),
            Task::PutBack { .. } => Answer::PutBack(Err(failure())),
            Task::TrunkHealth { .. } => Answer::TrunkHealth(Err(failure())),
            Task::Reconcile { .. } => Answer::Reconciled(Err(failure())),
            Task::Forget { .. } => Answer::Forgotten(Err(failure())),
            Task::Prepare { call, .. } => Answer::Prepared(*call, Err(failure())),
        };
        Done { asked: self.asked, answer }
    }

    /// What is asked, in a word, for logs and traces.
    pub fn name(&self) -> &'static str {
        match self.task {
            Task::Renew { .. } => "renew",
            Task::Read { .. } => "read",
            Task::Feed => "feed",
            Task::Lease { .. } => "lease",
            Task::Settle { .. } => "settle",
            Task::Expire { .. } => "expire",
            Task::OptOut { .. } => "opt_out",
            Task::Cancelled { .. } => "cancelled",
            Task::PutBack { .. } => "put_back",
            Task::TrunkHealth { .. } => "trunk_health",
            Task::Reconcile { .. } => "reconcile",
            Task::Forget { .. } => "forget",
            Task::Prepare { .. } => "prepare",
        }
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("task", &self.task).finish_non_exhaustive()
    }
}

async fn opt_out(app: &App, pressed: &[OptOut]) -> Result<(), Failure> {
    for one in pressed {
        app::opt_out::by_key(app, one.account, &one.number, one.attempt).await?;
    }
    Ok(())
}

async fn open_attempts(app: &App, stamp: NodeStamp, ended_by: Timestamp) -> Result<Open, Failure> {
    let next = NodeStamp { epoch: stamp.epoch.saturating_add(1), ..stamp };
    Ok(Open {
        own: dialing::open_attempts(app, next).await?,
        orphans: dialing::orphans(app, stamp.node, ended_by).await?,
    })
}

/// Tells whether there may be more to forget.
async fn forget(
    app: &App,
    stories_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let more_stories = match stories_before {
        Some(before) => dialing::forget_ladders(app, before).await?,
        None => false,
    };
    Ok(dialing::forget_daily_calls(app, now).await? || more_stories)
}

async fn prepare(
    app: &App,
    asked: Moment,
    blob: Option<String>,
    codecs: &[Codec],
    phone: Option<(AccountId, Extension)>,
) -> Result<Prepared, Failure> {
    let clip = match blob {
        Some(blob) => {
            let samples = dialing::clip(app, &blob).await?;
            let clip = Clip::from_samples(&samples);
            // Here, where it delays nobody's packets.
            clip.encode_for(codecs);
            Some((blob, Arc::new(clip)))
        }
        None => None,
    };
    let contact = match phone {
        Some((account, extension)) => {
            Some(dialing::phone_contact(app, account, &extension, asked.wall).await?)
        }
        None => None,
    };
    Ok(Prepared { clip, contact })
}
