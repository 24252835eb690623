//! The legal facts that the chain attests, and the rows in which each stands. Whoever writes a new
//! kind of fact gives it a name here and its rows below.

use domain::agreement::scope::{CoveredPath, Group};
use domain::calendar::month::PersianMonth;
use domain::calendar::opening_hours::CalendarKind;
use domain::{AccountId, Timestamp};

use crate::Value;
use crate::value::values;

/// A legal fact, as it stands in its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// A version of the agreement: published, withdrawn.
    Agreement(u32),
    /// That an account accepted a version of it.
    Acceptance(AccountId, u32),
    /// A saved version of a maintenance.
    Maintenance(i64, usize),
    /// That a maintenance was verified.
    MaintenanceEnd(i64),
    /// A notice of a maintenance: told, withdrawn.
    Notice(i64),
    /// An outage: opened, ended, corrected, reversed.
    Outage(i64),
    /// Where an outage came from, as it was said.
    OutageCause(i64, i64),
    /// The months of accounts that were frozen together.
    Months {
        /// Which month.
        month: PersianMonth,
        /// The first and the last account.
        accounts: (AccountId, AccountId),
        /// When.
        made_at: Timestamp,
    },
    /// What the manager signed of a month together.
    Signatures {
        /// Which month.
        month: PersianMonth,
        /// The first and the last account.
        accounts: (AccountId, AccountId),
        /// When.
        at: Timestamp,
    },
    /// What somebody is: begun, ended.
    Post(i64),
    /// A deputy: named, ended.
    Deputy(i64),
    /// A revision of a month.
    Month(AccountId, PersianMonth, u32),
    /// A step of an entry of the ledger of violations.
    Violation(i64, usize),
    /// A step of a claim.
    Claim(i64, usize),
    /// A decision of a claim, with its votes.
    ClaimDecision(i64, usize),
    /// What is owed for a month.
    Credit(i64),
    /// A move of that.
    CreditMove(i64, usize),
    /// A published schedule of compensation.
    Schedule(u32),
    /// An announcement: told, taken back.
    Announcement(i64),
    /// That an announcement was told in a place.
    Delivery(i64),
    /// A step of a case of identity; not who it is.
    Identity(i64, usize),
    /// A step of a ticket; 0 is that it was opened.
    Ticket(i64, usize),
    /// A step of a call to the support line.
    SupportCall(i64, usize),
    /// A step of a report of an error.
    ErrorReport(i64, usize),
    /// A try to reach a customer.
    Contact(i64),
    /// A step of remote help.
    RemoteSession(i64, usize),
    /// A move of a subscription.
    Subscription(i64, usize),
    /// Another plan of a subscription.
    PlanChange(i64, usize),
    /// An invoice: issued, paid, voided.
    Invoice(i64),
    /// A payment that was taken in, that one of us gave up or refused, or whose money could not be
    /// taken in.
    Payment(i64),
    /// When an invoice was paid, and when we learned of it.
    InvoicePaid(i64),
    /// When a payment that was taken in counts as paid.
    PaymentPaid(i64),
    /// What was given back of a charge.
    Refund(i64),
    /// A time that was declared not to have been normal: declared, taken back.
    AbnormalPeriod(i64),
    /// A holiday as it was entered, or withdrawn.
    Holiday(i64),
    /// A version of the hours of a calendar: written down, taken back.
    OpeningHours(CalendarKind, u32),
    /// That an account was put into a group, and taken out of it.
    Membership(Group, AccountId, Timestamp),
    /// Who was found to be in the groups of an outage, by their calls.
    FoundMembers(i64),
    /// That a source saw something work.
    Worked(i64),
    /// A test of the load: begun, called, ended.
    CapacityTest(Timestamp, u32),
    /// The samples of a path of a day that is over, which begins at this moment.
    Samples(CoveredPath, Timestamp),
    /// The intervals of a path within such a day.
    Intervals(CoveredPath, Timestamp),
}

/// The kind of the samples of a day.
pub const SAMPLES: &str = "samples";

impl Fact {
    /// What it is called in the chain.
    pub fn subject(&self) -> String {
        let (kind, keys) = self.key();
        keys.iter().fold(String::from(kind), |subject, key| {
            let key = super::text_of(key).unwrap_or_default();
            subject + " " + &key
        })
    }

    /// Its kind, and the keys of its rows.
    pub(super) fn key(&self) -> (&'static str, Vec<Value>) {
        let place = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        match *self {
            Self::Agreement(number) => ("agreement", values![number].to_vec()),
            Self::Acceptance(account, version) => {
                ("acceptance", values![account, version].to_vec())
            }
            Self::Maintenance(id, n) => ("maintenance", vec![id.into(), place(n)]),
            Self::MaintenanceEnd(id) => ("maintenance-end", values![id].to_vec()),
            Self::Notice(id) => ("notice", values![id].to_vec()),
            Self::Outage(id) => ("outage", values![id].to_vec()),
            Self::OutageCause(id, n) => ("outage-cause", values![id, n].to_vec()),
            Self::Months { month, accounts: (first, last), made_at } => {
                ("months", values![&month.to_string(), first, last, made_at].to_vec())
            }
            Self::Signatures { month, accounts: (first, last), at } => {
                ("signatures", values![&month.to_string(), first, last, at].to_vec())
            }
            Self::Post(id) => ("post", values![id].to_vec()),
            Self::Deputy(id) => ("deputy", values![id].to_vec()),
            Self::Month(account, month, revision) => {
                ("month", values![account, &month.to_string(), revision].to_vec())
            }
            Self::Violation(id, n) => ("violation", vec![id.into(), place(n)]),
            Self::Claim(id, n) => ("claim", vec![id.into(), place(n)]),
            Self::ClaimDecision(id, round) => ("claim-decision", vec![id.into(), place(round)]),
            Self::Credit(id) => ("credit", values![id].to_vec()),
            Self::CreditMove(id, n) => ("credit-move", vec![id.into(), place(n)]),
            Self::Schedule(number) => ("schedule", values![number].to_vec()),
            Self::Announcement(id) => ("announcement", values![id].to_vec()),
            Self::Delivery(id) => ("delivery", values![id].to_vec()),
            Self::Identity(id, n) => ("identity", vec![id.into(), place(n)]),
            Self::Ticket(id, n) => ("ticket", vec![id.into(), place(n)]),
            Self::SupportCall(id, n) => ("support-call", vec![id.into(), place(n)]),
            Self::ErrorReport(id, n) => ("error-report", vec![id.into(), place(n)]),
            Self::Contact(id) => ("contact", values![id].to_vec()),
            Self::RemoteSession(id, n) => ("remote-session", vec![id.into(), place(n)]),
            Self::Subscription(id, n) => ("subscription", vec![id.into(), place(n)]),
            Self::PlanChange(id, n) => ("plan-change", vec![id.into(), place(n)]),
            Self::Invoice(id) => ("invoice", values![id].to_vec()),
            Self::Payment(id) => ("payment", values![id].to_vec()),
            Self::InvoicePaid(id) => ("invoice-paid", values![id].to_vec()),
            Self::PaymentPaid(id) => ("payment-paid", values![id].to_vec()),
            Self::Refund(id) => ("refund", values![id].to_vec()),
            Self::AbnormalPeriod(id) => ("abnormal-period", values![id].to_vec()),
            Self::Holiday(id) => ("holiday", values![id].to_vec()),
            Self::OpeningHours(kind, number) => {
                ("opening-hours", values![kind.word(), number].to_vec())
            }
            Self::Membership(group, account, from) => {
                ("membership", values![&group.to_string(), account, from].to_vec())
            }
            Self::FoundMembers(outage) => ("found-members", values![outage].to_vec()),
            Self::Worked(id) => ("worked", values![id].to_vec()),
            Self::CapacityTest(month, n) => ("capacity-test", values![month, n].to_vec()),
            Self::Samples(path, day) => (SAMPLES, values![path.word(), day].to_vec()),
            Self::Intervals(path, day) => ("intervals", values![path.word(), day].to_vec()),
        }
    }
}

/// What is attested of each kind of fact: whatever its rows say. Other kinds stand in no rows.
const ROWS: &[(&str, &str)] = &[
    (
        "agreement",
        "SELECT number, body_fa, body_en, parameters, effective_from_us, published_at_us,
                checksum, withdrawn_at_us
         FROM agreement_version WHERE number = $1",
    ),
    (
        "acceptance",
        "SELECT account_id, version, at_us, address FROM agreement_acceptance
         WHERE account_id = $1 AND version = $2",
    ),
    (
        "maintenance",
        "SELECT v.maintenance_id AS id, v.version AS version, m.title AS title,
                m.essential_because AS essential_because, v.saved_at_us AS saved_at_us,
                v.author AS author, v.paths AS paths, v.scope AS scope, v.from_us AS from_us,
                v.to_us AS to_us
         FROM maintenance_version v JOIN maintenance m ON m.id = v.maintenance_id
         WHERE v.maintenance_id = $1 AND v.version = $2",
    ),
    ("maintenance-end", "SELECT id, verified_at_us FROM maintenance WHERE id = $1"),
    (
        "notice",
        "SELECT id, maintenance_id, version, channel, place, reference, content_hash, paths,
                published_at_us, withdrawn_at_us
         FROM maintenance_notice WHERE id = $1",
    ),
    // While it is measured to last, its end moves with each sample and is none yet.
    (
        "outage",
        "SELECT id, paths, scope, from_us, to_us, cause, evidence, recorded_at_us,
                reversed_at_us, reversed_because, measured_path
         FROM outage WHERE id = $1",
    ),
    (
        "outage-cause",
        "SELECT outage_id AS id, n, cause, because, author, at_us FROM outage_cause
         WHERE outage_id = $1 AND n = $2",
    ),
    (
        "months",
        "SELECT account_id, digest, agreement, not_covered_us, planned_us, down_us, unknown_us,
                up_us, verdict
         FROM month_statement
         WHERE month = $1 AND account_id >= $2 AND account_id <= $3 AND made_at_us = $4
               AND revision = 0
         ORDER BY account_id",
    ),
    (
        "signatures",
        "SELECT account_id, revision, digest, signed_by, deputy_of
         FROM statement_signature
         WHERE month = $1 AND account_id >= $2 AND account_id <= $3 AND signed_at_us = $4
         ORDER BY account_id, revision",
    ),
    (
        "post",
        "SELECT id, name, role, from_us, named_by, until_us, ended_by FROM staff_post
         WHERE id = $1",
    ),
    (
        "deputy",
        "SELECT id, manager, deputy, from_us, until_us, named_at_us, named_by, ended_at_us,
                ended_by
         FROM deputy WHERE id = $1",
    ),
    (
        "month",
        "SELECT account_id, month, revision, digest, agreement, not_covered_us, planned_us,
                down_us, unknown_us, up_us, verdict, made_at_us, reason, signed_by
         FROM month_statement WHERE account_id = $1 AND month = $2 AND revision = $3",
    ),
    (
        "violation",
        "SELECT s.violation_id AS id, s.n AS n, v.account_id AS account_id, v.clause AS clause,
                v.agreement AS agreement, v.from_us AS from_us, v.to_us AS to_us,
                v.evidence AS evidence, v.reference AS reference, s.status AS status,
                s.at_us AS at_us, s.actor AS actor, s.reason AS reason
         FROM violation_status s JOIN violation v ON v.id = s.violation_id
         WHERE s.violation_id = $1 AND s.n = $2",
    ),
    (
        "claim",
        "SELECT s.claim_id AS id, s.n AS n, c.account_id AS account_id, c.track AS track,
                c.event_at_us AS event_at_us, c.statement AS statement,
                c.late_reason AS late_reason, s.step AS step, s.at_us AS at_us,
                s.actor AS actor, s.note AS note
         FROM claim_step s JOIN claim c ON c.id = s.claim_id
         WHERE s.claim_id = $1 AND s.n = $2",
    ),
    (
        "claim-decision",
        "SELECT d.claim_id AS id, d.round AS round, d.outcome AS outcome,
                d.amount_rials AS amount_rials, d.method AS method, d.reasons AS reasons,
                m.name AS name, m.seat AS seat, m.vote AS vote
         FROM claim_decision d
         JOIN claim_member m ON m.claim_id = d.claim_id AND m.round = d.round
         WHERE d.claim_id = $1 AND d.round = $2 ORDER BY m.name",
    ),
    (
        "credit",
        "SELECT id, account_id, subscription_id, month, paths, track, revision, amount_rials,
                computed_rials, price_rials, schedule, digest, figure, proposed_at_us,
                owed_from_us
         FROM credit WHERE id = $1",
    ),
    (
        "credit-move",
        "SELECT credit_id, n, move, invoice_id, debit, credit, amount_rials, at_us, actor,
                reason
         FROM credit_move WHERE credit_id = $1 AND n = $2",
    ),
    (
        "schedule",
        "SELECT number, body, author, drafted_at_us, place, approver, effective_from,
                published_at_us
         FROM compensation_schedule WHERE number = $1",
    ),
    (
        "announcement",
        "SELECT id, title, body, author, maintenance_id, version, made_at_us, until_us,
                withdrawn_at_us, audience
         FROM announcement WHERE id = $1",
    ),
    (
        "delivery",
        "SELECT id, announcement_id, channel, proves, delivered_at_us, reference, content_hash,
                gone_at_us
         FROM announcement_delivery WHERE id = $1",
    ),
    (
        "identity",
        "SELECT s.case_id AS id, s.n AS n, c.account_id AS account_id, c.asked AS asked,
                s.step AS step, s.side AS side, s.at_us AS at_us, s.actor AS actor,
                s.said AS said, s.until_us AS until_us
         FROM identity_step s JOIN identity_case c ON c.id = s.case_id
         WHERE s.case_id = $1 AND s.n = $2",
    ),
    (
        "ticket",
        "SELECT s.ticket_id AS id, s.n AS n, t.account_id AS account_id, t.channel AS channel,
                t.subject AS title, t.about AS about, t.context AS context,
                t.opened_at_us AS opened_at_us, s.step AS step, s.side AS side,
                s.at_us AS at_us, s.actor AS actor, s.said AS said, s.subject AS subject,
                s.since_us AS since_us
         FROM ticket_step s JOIN ticket t ON t.id = s.ticket_id
         WHERE s.ticket_id = $1 AND s.n = $2",
    ),
    (
        "support-call",
        "SELECT s.support_call_id AS id, s.n AS n, c.account_id AS account_id,
                c.caller AS caller, c.joined_at_us AS joined_at_us, s.step AS step,
                s.at_us AS at_us, s.actor AS actor, s.note AS note, s.subject AS subject
         FROM support_call_step s JOIN support_call c ON c.id = s.support_call_id
         WHERE s.support_call_id = $1 AND s.n = $2",
    ),
    (
        "error-report",
        "SELECT s.error_report_id AS id, s.n AS n, r.account_id AS account_id,
                r.ticket_id AS ticket_id, r.source AS source, r.title AS title,
                r.description AS description, r.reported_at_us AS reported_at_us,
                s.step AS step, s.side AS side, s.at_us AS at_us, s.actor AS actor,
                s.said AS said, s.subject AS subject, s.whose AS whose, s.other AS other,
                s.due_us AS due_us
         FROM error_report_step s JOIN error_report r ON r.id = s.error_report_id
         WHERE s.error_report_id = $1 AND s.n = $2",
    ),
    (
        "contact",
        "SELECT id, error_report_id, at_us, actor, channel, address, result, note
         FROM contact_attempt WHERE id = $1",
    ),
    (
        "remote-session",
        "SELECT s.remote_session_id AS id, s.n AS n, r.ticket_id AS ticket_id,
                r.account_id AS account_id, r.expert AS expert, r.purpose AS purpose,
                s.step AS step, s.side AS side, s.at_us AS at_us, s.actor AS actor,
                s.said AS said, s.tool AS tool, s.agreed_us AS agreed_us
         FROM remote_session_step s JOIN remote_session r ON r.id = s.remote_session_id
         WHERE s.remote_session_id = $1 AND s.n = $2",
    ),
    (
        "subscription",
        "SELECT s.subscription_id AS id, s.n AS n, u.account_id AS account_id,
                u.plan_id AS plan_id, u.first_month AS first_month, s.state AS state,
                s.at_us AS at_us, s.actor AS actor, s.reason AS reason
         FROM subscription_state s JOIN subscription u ON u.id = s.subscription_id
         WHERE s.subscription_id = $1 AND s.n = $2",
    ),
    (
        "plan-change",
        "SELECT c.subscription_id AS id, c.n AS n, u.account_id AS account_id,
                c.plan_id AS plan_id, c.from_us AS from_us, c.first_month AS first_month,
                c.rest_rials AS rest_rials, c.decided_at_us AS decided_at_us, c.actor AS actor
         FROM plan_change c JOIN subscription u ON u.id = c.subscription_id
         WHERE c.subscription_id = $1 AND c.n = $2",
    ),
    (
        "invoice",
        "SELECT id, subscription_id, account_id, month, issue, months, price_rials,
                discount_rials, tax_bp, tax_rials, total_rials, issued_at_us, due_at_us,
                paid_at_us, paid_reference, voided_at_us, voided_by, voided_because
         FROM invoice WHERE id = $1",
    ),
    (
        "payment",
        "SELECT id, account_id, invoice_id, amount_rials, gateway, state, made_at_us, authority,
                receipt, reference, reason, decided_at_us, decided_by
         FROM payment WHERE id = $1",
    ),
    // Facts of their own: what was attested before these times were known still verifies.
    ("invoice-paid", "SELECT id, paid_at_us, noted_at_us FROM invoice WHERE id = $1"),
    ("payment-paid", "SELECT id, paid_at_us FROM payment WHERE id = $1"),
    (
        "refund",
        "SELECT id, account_id, quick_send_id, amount_rials, at_us, reference, actor, reason
         FROM refund WHERE id = $1",
    ),
    (
        "abnormal-period",
        "SELECT id, from_us, to_us, reason, author, declared_at_us, withdrawn_at_us,
                withdrawn_by, withdrawn_because
         FROM abnormal_period WHERE id = $1",
    ),
    (
        "holiday",
        "SELECT id, day_us, name, name_en, status, basis, entered_at_us FROM holiday
         WHERE id = $1",
    ),
    (
        "opening-hours",
        "SELECT kind, number, valid_from_us, rest_days, ordinary_hours, off_hours,
                entered_at_us, actor, withdrawn_at_us, withdrawn_by
         FROM opening_hours WHERE kind = $1 AND number = $2",
    ),
    (
        "membership",
        "SELECT group_name, account_id, from_us, to_us FROM group_member
         WHERE group_name = $1 AND account_id = $2 AND from_us = $3",
    ),
    (
        "found-members",
        "SELECT group_name, account_id, from_us, to_us FROM group_member
         WHERE outage_id = $1 ORDER BY group_name, account_id, from_us",
    ),
    ("worked", "SELECT id, source, paths, scope, from_us, to_us FROM watch WHERE id = $1"),
    (
        "capacity-test",
        "SELECT month_us, n, account_id, begun_at_us, campaign_id, ended_at_us, minute_from_us,
                waiting, starts
         FROM capacity_test WHERE month_us = $1 AND n = $2",
    ),
    // The first row is there whatever was seen; a day of Tehran has always had 24 hours since 1402.
    (
        SAMPLES,
        "SELECT CAST(0 AS BIGINT) AS vantage_id, CAST(0 AS BIGINT) AS run,
                CAST(0 AS BIGINT) AS number, CAST($2 AS BIGINT) AS at_us,
                CAST(0 AS BIGINT) AS clock_offset_us, CAST(0 AS BIGINT) AS worked,
                CAST(0 AS BIGINT) AS latency_us, CAST(NULL AS TEXT) AS error,
                CAST($2 AS BIGINT) AS received_at_us
         UNION ALL
         SELECT vantage_id, run, number, at_us, clock_offset_us, worked, latency_us, error,
                received_at_us
         FROM sample WHERE path = $1 AND at_us >= $2 AND at_us < $2 + 86400000000
         ORDER BY vantage_id, run, number",
    ),
    (
        "intervals",
        "SELECT CAST('day' AS TEXT) AS state, CAST($2 AS BIGINT) AS from_us,
                CAST($2 AS BIGINT) + 86400000000 AS to_us
         UNION ALL
         SELECT state, CASE WHEN from_us < $2 THEN $2 ELSE from_us END AS from_us,
                CASE WHEN to_us > $2 + 86400000000 THEN $2 + 86400000000 ELSE to_us END AS to_us
         FROM state_interval
         WHERE path = $1 AND from_us < $2 + 86400000000 AND to_us > $2
         ORDER BY from_us, to_us, state",
    ),
];

/// The statement that reads the rows of a kind of fact. `None`: it stands in none.
pub(super) fn rows_of(kind: &str) -> Option<&'static str> {
    ROWS.iter().find(|(known, _)| *known == kind).map(|(_, sql)| *sql)
}
