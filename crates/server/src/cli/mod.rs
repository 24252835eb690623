//! The command line: one file per command. Parses, calls a use case, prints.

mod access;
mod account;
mod agreement;
mod alerts;
mod announcement;
mod attempts;
mod availability;
mod board;
mod campaign;
mod chain;
mod claim;
mod class;
mod compensation;
mod deed;
mod doctor;
mod error_report;
mod evidence;
mod export;
mod holiday;
mod identity;
mod invoice;
mod judge;
mod maintenance;
mod map;
mod message;
mod migrate;
pub(crate) mod open;
mod opening_hours;
mod opt_out;
mod outage;
mod oversight;
mod payment;
mod phone;
mod probe;
mod quick_send;
mod refund;
mod remote_session;
mod serve;
mod staff;
mod statement;
mod subscription;
mod support_call;
mod support_line;
mod tariff;
mod ticket;
mod token;
mod trunk;
mod trunk_check;
mod vantage;
mod violation;

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::staff::{Deed, does};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use domain::Timestamp;
use domain::agreement::scope::{Paths, Scope};
use domain::calendar::date_time::Written;

use crate::config::{Config, Overrides};

/// Avanak: a voice-message platform in one program.
///
/// It takes voice messages over HTTP, calls the number by SIP, plays the message and accounts for
/// it. Without any configuration it keeps its state in ./var and calls the sandbox carrier.
#[derive(Debug, Parser)]
#[command(name = "avanak", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Command,
}

/// What a variant here does not say, the command's own struct says.
#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    /// Customers' accounts: create, set, list, show, credit, token, password, disable, enable,
    /// expire, hours, statement, audit.
    #[command(subcommand)]
    Account(account::Account),
    /// Customers' messages: list, waiting, listen, approve, refuse.
    #[command(subcommand)]
    Message(message::Message),
    /// Campaigns: list, show, test, pause, resume, stop, cancel, add-numbers, redial.
    #[command(subcommand)]
    Campaign(campaign::Campaign),
    /// What customers could export, into a file: campaign, messages, statement.
    #[command(subcommand)]
    Export(export::Export),
    /// Message classes (one_time_code, service, advertising, emergency): list, show, set.
    #[command(subcommand)]
    Class(class::Class),
    /// Public holidays, over those of the program: add, withdraw, import, list.
    #[command(subcommand)]
    Holiday(holiday::Holidays),
    /// When the desk is open, and how business days are counted: set, withdraw, list.
    #[command(subcommand)]
    Hours(opening_hours::Hours),
    /// Who is not to be called, by three kinds of lists: add, remove, import, list, show.
    #[command(subcommand)]
    OptOut(opt_out::OptOuts),
    /// Where numbers are, for campaigns of a region: import, show.
    #[command(subcommand)]
    Map(map::Map),
    /// Phones that can be called by a short number: add, show.
    #[command(subcommand)]
    Phone(phone::Phone),
    /// One quick send: its state, its money and its story.
    #[command(subcommand)]
    QuickSend(quick_send::QuickSend),
    /// Routes to the telephone network: add, set, list, show, enable, disable, remove, caller-id,
    /// check.
    #[command(subcommand)]
    Trunk(Box<trunk::Trunk>),
    /// Prices and when they start: add, list.
    #[command(subcommand)]
    Tariff(tariff::Tariff),
    /// The service agreement in its versions: show, list, publish, withdraw, diff,
    /// openslo.
    #[command(subcommand)]
    Agreement(agreement::Agreement),
    /// What everybody is told, on the first page and in channels: tell, withdraw, list.
    #[command(subcommand)]
    Announcement(announcement::Announcements),
    /// Planned maintenance and its notices: announce, change, cancel, told, untold, verified,
    /// add-network, list.
    #[command(subcommand)]
    Maintenance(maintenance::Maintenance),
    /// What was seen of the service: record, close, correct, trace, reverse, worked,
    /// join, leave, list.
    #[command(subcommand)]
    Outage(outage::Outage),
    Availability(Box<availability::Availability>),
    /// What breached months pay back: draft, publish, list, show, try.
    #[command(subcommand)]
    Compensation(compensation::Compensation),
    /// What either side did not keep: record, told, accept, dispute, uphold, reverse, done, look,
    /// list, show, clauses.
    #[command(subcommand)]
    Violation(Box<violation::Violation>),
    /// Places from which the service is looked at: add, remove, list, samples.
    #[command(subcommand)]
    Vantage(vantage::Vantage),
    Probe(probe::Probe),
    /// What customers ask of the desk: open, answer, ask, note, assign, close, reopen, merge,
    /// attach, file, show, list.
    #[command(subcommand)]
    Ticket(ticket::Ticket),
    /// What does not work: open, assign, found, fixed, verified, not-fixed, commit, propose,
    /// deliver, accept, reject, reopen, ask, provided, contact, pause, resume, show, list.
    #[command(subcommand)]
    ErrorReport(Box<error_report::ErrorReport>),
    /// Remote help: ask, agree, start, end, note, missed, cancel, show, list.
    #[command(subcommand)]
    RemoteSession(remote_session::RemoteSession),
    /// Who customers are: list, show, document, verify, reject, return, revoke, forget.
    #[command(subcommand)]
    Identity(identity::Identity),
    /// What customers pay: list, receipt, accept, refuse, check.
    #[command(subcommand)]
    Payment(payment::Payment),
    /// Calls to the support line, and who is to be called back: joined, offered, answered, left,
    /// register, next, talking, attempted, returned, withdrawn, show, list.
    #[command(subcommand)]
    SupportCall(support_call::SupportCall),
    /// Who is on duty on the support line: on, off, show.
    #[command(subcommand)]
    SupportLine(support_line::SupportLine),
    /// What customers ask of the committee: file-late, complete, assign, ask, decide, announce,
    /// settle, show, list.
    #[command(subcommand)]
    Claim(claim::Claim),
    /// What can be subscribed to: add, retire, list.
    #[command(subcommand)]
    Plan(subscription::Plan),
    /// What customers are subscribed to: start, end, list.
    #[command(subcommand)]
    Subscription(subscription::Subscription),
    /// What is to be paid by the month: issue, run, pay, void, show, list.
    #[command(subcommand)]
    Invoice(invoice::Invoice),
    /// What is owed for breached months: hold, post, waive, reverse, pay-out, show, list.
    #[command(subcommand)]
    Credit(invoice::Credit),
    Board(board::Board),
    /// Experts, managers and deputies: appoint, leave, deputy, end-deputy, list.
    #[command(subcommand)]
    Staff(staff::Staff),
    /// What the manager is told of: list, seen.
    #[command(subcommand)]
    Oversight(oversight::Oversight),
    /// The chain of evidence, and what staff did: head, verify, list, resume.
    #[command(subcommand)]
    Chain(chain::Chain),
    Alerts(alerts::Alerts),
    Judge(judge::Judge),
    Doctor(doctor::Doctor),
    Migrate(migrate::Migrate),
}

/// Parses the command line and runs it. Errors go to standard error with their whole chain.
pub fn run() -> ExitCode {
    let matches = Cli::command().get_matches();
    let deed = deed::deed(&matches, std::env::args_os().skip(1));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match dispatch(cli, deed) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "avanak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli, deed: Deed) -> Result<ExitCode> {
    let mut config = Config::load(&cli.overrides)?;
    if let Command::Serve(serve) = &cli.command {
        serve.apply(&mut config);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        if let Command::Serve(_) = cli.command {
            return serve::run(config).await;
        }
        let (done, changed) = does(deed, Box::pin(of_staff(&config, cli.command))).await;
        if changed {
            // What was done is done, whatever becomes of this.
            chain::look(&config).await;
        }
        done
    })
}

/// Runs a command of which whatever it changes is noted.
async fn of_staff(config: &Config, command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(serve) => bail!("{serve:?} is no deed of staff"),
        Command::Account(command) => account::run(config, command).await,
        Command::Message(command) => message::run(config, command).await,
        Command::Campaign(command) => campaign::run(config, command).await,
        Command::Class(command) => class::run(config, command).await,
        Command::Oversight(command) => oversight::run(config, command).await,
        Command::Staff(command) => staff::run(config, command).await,
        Command::Holiday(command) => holiday::run(config, command).await,
        Command::Hours(command) => opening_hours::run(config, command).await,
        Command::OptOut(command) => opt_out::run(config, command).await,
        Command::Map(command) => map::run(config, command).await,
        Command::Export(command) => export::run(config, command).await,
        Command::Phone(command) => phone::run(config, command).await,
        Command::QuickSend(command) => quick_send::run(config, command).await,
        Command::Trunk(command) => trunk::run(config, *command).await,
        Command::Tariff(command) => tariff::run(config, command).await,
        Command::Agreement(command) => agreement::run(config, command).await,
        Command::Announcement(command) => announcement::run(config, command).await,
        Command::Maintenance(command) => maintenance::run(config, command).await,
        Command::Outage(command) => outage::run(config, command).await,
        Command::Availability(command) => availability::run(config, *command).await,
        Command::Compensation(command) => compensation::run(config, command).await,
        Command::Violation(command) => violation::run(config, *command).await,
        Command::Vantage(command) => vantage::run(config, command).await,
        Command::Probe(command) => probe::run(config, command).await,
        Command::Ticket(command) => ticket::run(config, command).await,
        Command::ErrorReport(command) => error_report::run(config, *command).await,
        Command::RemoteSession(command) => remote_session::run(config, command).await,
        Command::Identity(command) => identity::run(config, command).await,
        Command::Payment(command) => payment::run(config, command).await,
        Command::SupportCall(command) => support_call::run(config, command).await,
        Command::SupportLine(command) => support_line::run(config, command).await,
        Command::Board(command) => board::run(config, command).await,
        Command::Claim(command) => claim::run(config, command).await,
        Command::Plan(command) => subscription::run_plan(config, command).await,
        Command::Subscription(command) => subscription::run(config, command).await,
        Command::Invoice(command) => invoice::run(config, command).await,
        Command::Credit(command) => invoice::run_credit(config, command).await,
        Command::Chain(command) => chain::run(config, command).await,
        Command::Alerts(command) => alerts::run(config, command).await,
        Command::Judge(command) => judge::run(config, &command).await,
        Command::Doctor(command) => doctor::run(config, &command).await,
        Command::Migrate(command) => migrate::run(config, &command).await,
    }
}

/// Prints a line of output, flushed, so that a program reading us sees it at once.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("writing the output")
}

/// Makes a file for what is a customer's own: a new one, that nobody but its owner reads.
fn private_file(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).with_context(|| format!("making {}", path.display()))
}

/// Writes what is a customer's own into such a file.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = private_file(path)?;
    file.write_all(bytes).with_context(|| format!("writing {}", path.display()))
}

/// What is said after a deadline that a holiday may still move, of which the moon decides (T011).
fn may_move(may_move: bool) -> &'static str {
    if may_move { " (may move)" } else { "" }
}

/// A moment as it is written on the command line.
fn moment(text: &str) -> Result<Timestamp> {
    let written = Written::parse(text);
    let at = written.and_then(|written| written.at_second(written.second().unwrap_or(0)));
    at.with_context(|| format!("{text} is no moment; write it like 2026-12-01 00:00"))
}

/// Covered paths as they are written on the command line.
fn paths(text: &str) -> Result<Paths> {
    let read = Paths::parse(text).filter(|paths| !paths.is_empty());
    read.with_context(|| {
        format!("{text} is none of all, panel, api, quick-send, campaign, with commas between")
    })
}

/// A scope as it is written on the command line.
fn scope(text: &str) -> Result<Scope> {
    Scope::parse(text).with_context(|| {
        format!("{text} is neither everyone nor groups like trunk:1,cohort:2,account:7")
    })
}

/// What of the service is meant, and for whom.
#[derive(Debug, Args)]
struct Reach {
    /// Which paths: all, or panel, api, quick-send, campaign with commas between.
    #[arg(long, default_value = "all")]
    paths: String,
    /// For whom: everyone, or groups like `trunk:1,account:7`.
    #[arg(long, default_value = "everyone")]
    scope: String,
}

impl Reach {
    fn read(&self) -> Result<(Paths, Scope)> {
        Ok((paths(&self.paths)?, scope(&self.scope)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
