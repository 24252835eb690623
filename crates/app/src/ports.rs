//! The outside world as the use cases see it. A trait stands here only where reality has two
//! implementations (the system's clock and a test's, files and object storage); storage is not one.
//!
//! No port may be used while a transaction is open: [`App`](crate::App) panics in debug builds.

use std::future::Future;
use std::pin::Pin;

use audio::text::Speakable;
use domain::{Destination, Rials, Timestamp};

use crate::Failure;
use crate::dialing::{NodeStamp, ReadyJob};

/// A future of unknown kind, so that ports can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks the time.
pub trait Clock: Send + Sync {
    /// This moment.
    fn now(&self) -> Timestamp;
}

/// Makes secrets.
pub trait Rng: Send + Sync {
    /// Fills `bytes` from a cryptographic source.
    fn fill(&self, bytes: &mut [u8]);
}

/// Whose voice speaks a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Speaker {
    /// The vendor's default.
    #[default]
    Male,
    /// The other voice.
    Female,
    /// The voice at this place of [`Tts::voices`].
    Listed(u16),
}

/// What makes two speeches of the same text the same: the parts of the cache's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// The engine and its version.
    pub engine: String,
    /// The engine's name of the voice.
    pub name: String,
    /// Speed, in words a minute.
    pub words_per_minute: u16,
}

/// Why a text was not spoken.
#[derive(Debug)]
pub enum NoSpeech {
    /// The engine works, and does not take this text: asked again, it will not either. In words
    /// that hold nothing of the text.
    Refused(String),
    /// The engine is missing, failed or took too long.
    Failed(Failure),
}

impl From<Failure> for NoSpeech {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Speaks text.
pub trait Tts: Send + Sync {
    /// The voice that stands for `speaker`.
    fn identity(&self, speaker: Speaker) -> Voice;

    /// The names of the voices that a message may ask for, as `ENGINE/VOICE`. They do not change
    /// while the program runs.
    fn voices(&self) -> Vec<String>;

    /// Speaks `text` into the bytes of a WAV file of any rate.
    ///
    /// # Errors
    /// As [`NoSpeech`] says.
    fn speak<'a>(
        &'a self,
        text: &'a Speakable,
        speaker: Speaker,
    ) -> BoxFuture<'a, Result<Vec<u8>, NoSpeech>>;
}

/// Keeps audio under names. A name is at most 100 characters of `[a-z0-9/.-]`, made by us.
pub trait Blobs: Send + Sync {
    /// Stores `bytes` durably; the same name again replaces them.
    ///
    /// # Errors
    /// The storage failed (a full disk, for one).
    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Failure>>;

    /// Reads what [`Self::put`] stored; `None` when there is none.
    ///
    /// # Errors
    /// The storage failed.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Failure>>;

    /// Removes it; removing what is not there is done already.
    ///
    /// # Errors
    /// The storage failed.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}

/// An SMS to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsOut<'a> {
    /// Our name for it, the same at each try ([`domain::sms::name`]).
    pub name: i64,
    /// Whether it was tried before, so that the service may have it: it is sent once all the same.
    pub again: bool,
    /// To whom, national form.
    pub number: &'a str,
    /// What is written.
    pub text: &'a str,
}

/// Why an SMS was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsFailure {
    /// In words for the customer, without secrets.
    pub why: String,
    /// Whether trying again cannot help.
    pub for_good: bool,
}

/// A service that sends SMS.
pub trait SmsGateway: Send + Sync {
    /// What it is called.
    fn name(&self) -> &str;

    /// Gives it an SMS. Its own name for what it has taken.
    ///
    /// # Errors
    /// It was not taken, as far as can be told, and whether trying again may help.
    fn send<'a>(&'a self, sms: SmsOut<'a>) -> BoxFuture<'a, Result<String, SmsFailure>>;
}

/// The dialer of this process, as the use cases see it. No method may block.
pub trait Dispatch: Send + Sync {
    /// Whether a trunk takes calls to this destination, and is one of the regional server that was
    /// asked for; for calls of a sandbox, whether the sandbox carrier does. Registered phones are
    /// not its affair.
    fn routes(&self, destination: &Destination, server: Option<u32>, sandbox: bool) -> bool;

    /// Whether calls to public numbers reach people: they do unless they all go to the sandbox
    /// carrier.
    fn reaches_people(&self) -> bool;

    /// Room to dial a job at once that is about to be accepted: this node leads, nobody of its
    /// class or a higher one waits ahead, the trunk has a free channel and its pace allows a start.
    /// The room is taken until the reservation is dropped or dialled.
    fn reserve(&self, job: &ReadyJob, now: Timestamp) -> Option<Reservation>;

    /// Tells the dialer, after the commit, that a job is accepted. With a reservation its lease is
    /// committed too and it is dialled now; without one the dialer is woken.
    fn accepted(&self, job: ReadyJob, reservation: Option<Reservation>);
}

/// Room for one call, taken before its lease is written.
pub struct Reservation {
    /// The trunk that will carry the call.
    pub trunk: String,
    /// The node that will place it, and its epoch.
    pub node: NodeStamp,
    guard: Box<dyn Send>,
}

impl Reservation {
    /// Room on `trunk`; dropping `guard` gives it back.
    pub fn new(trunk: String, node: NodeStamp, guard: Box<dyn Send>) -> Self {
        Self { trunk, node, guard }
    }

    /// Hands the guard to the dialer, which gives the room back when the call ends.
    pub fn into_guard(self) -> Box<dyn Send> {
        self.guard
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation")
            .field("trunk", &self.trunk)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// A payment to be opened at a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Which gateway.
    pub gateway: String,
    /// The number of the payment.
    pub number: i64,
    /// How much.
    pub amount: Rials,
    /// What is in the address to come back to.
    pub token: String,
}

/// What a gateway makes of a payment that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is open, under the gateway's name for it, and is paid at this address.
    At {
        /// The name.
        authority: String,
        /// The address.
        url: String,
    },
    /// It is not, and why.
    Refused(String),
}

/// What a gateway says of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The money is there, the whole of it, now or since it was asked before.
    Paid {
        /// What the bank calls it.
        reference: String,
        /// When it was paid, if that is said.
        paid_at: Option<Timestamp>,
    },
    /// It is not, or not yet, and why.
    NotPaid(String),
    /// It never will be as it was asked for, and why.
    Wrong(String),
    /// It was paid and settled, in another amount, and what the bank calls it.
    OtherAmount {
        /// How much was paid.
        paid: Rials,
        /// What the bank calls it.
        reference: String,
    },
}

/// The payment gateways.
pub trait Gateways: Send + Sync {
    /// Their names, and `receipt` where one of us looks at receipts of the bank.
    fn names(&self) -> Vec<String>;

    /// Opens a payment.
    ///
    /// # Errors
    /// The gateway does not answer, or not in a way that can be understood.
    fn open<'a>(&'a self, opening: &'a Opening) -> BoxFuture<'a, Result<Opened, Failure>>;

    /// Whether a payment was paid, in this amount; asking settles it at the gateway.
    ///
    /// # Errors
    /// The gateway does not answer, or not in a way that can be understood.
    fn verify<'a>(
        &'a self,
        gateway: &'a str,
        authority: &'a str,
        amount: Rials,
    ) -> BoxFuture<'a, Result<Verdict, Failure>>;
}

/// No gateways: whoever pays does so beside the platform.
pub struct NoGateways;

impl Gateways for NoGateways {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn open<'a>(&'a self, opening: &'a Opening) -> BoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async { Ok(Opened::Refused(format!("there is no {}", opening.gateway))) })
    }

    fn verify<'a>(
        &'a self,
        gateway: &'a str,
        _: &'a str,
        _: Rials,
    ) -> BoxFuture<'a, Result<Verdict, Failure>> {
        Box::pin(async move { Err(Failure::of(format!("there is no gateway {gateway}"))) })
    }
}
