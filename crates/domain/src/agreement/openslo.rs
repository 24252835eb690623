//! The agreement's objective in OpenSLO (v1), for tools that read it. Their windows are Gregorian
//! or rolling, so what they compute is near a month of the agreement and never decides anything.

use std::fmt::Write as _;

use super::alert::{BURN_RULES, BurnRule};
use super::parameter::Parameters;
use super::scope::CoveredPath;

const MINUTE_US: i64 = 60_000_000;

/// The objective as OpenSLO documents: a service, its objective, and the alerts on its budget. The
/// figures are those of `/metrics`.
pub fn document(version: u32, parameters: &Parameters) -> String {
    let ppm = parameters.terms().threshold_ppm;
    let target = format!("0.{ppm:06}");
    let paths: Vec<&str> = parameters.paths().iter().map(CoveredPath::word).collect();
    let paths = paths.join("|");
    let mut text = format!(
        "apiVersion: openslo/v1\n\
         kind: Service\n\
         metadata:\n  name: avanak\n  displayName: Avanak\n\
         spec:\n  description: Voice messages, as agreement version {version} promises them.\n\
         ---\n\
         apiVersion: openslo/v1\n\
         kind: SLO\n\
         metadata:\n  name: avanak-availability\n  displayName: Availability of every covered path\n\
         spec:\n  description: >-\n    A rolling month near the Persian one. The figure that counts is \
         told by 'avanak availability'.\n  service: avanak\n\
         \x20 indicator:\n    metadata:\n      name: avanak-paths-up\n    spec:\n      thresholdMetric:\n\
         \x20       metricSource:\n          type: Prometheus\n          spec:\n\
         \x20           query: min(avanak_path_up{{path=~\"{paths}\"}})\n\
         \x20 timeWindow:\n    - duration: 30d\n      isRolling: true\n\
         \x20 budgetingMethod: Timeslices\n\
         \x20 objectives:\n    - displayName: Up\n      op: gte\n      value: 1\n      target: {target}\n\
         \x20     timeSliceTarget: 1\n      timeSliceWindow: 1m\n\
         \x20 alertPolicies:\n"
    );
    for rule in BURN_RULES {
        writeln!(text, "    - alertPolicyRef: {}", policy(&rule)).expect("a String grows");
    }
    text.push_str(
        "---\napiVersion: openslo/v1\nkind: AlertNotificationTarget\nmetadata:\n  \
         name: avanak-operator\nspec:\n  description: Who operates the platform.\n  \
         target: operator\n",
    );
    for rule in BURN_RULES {
        alert(&mut text, &rule);
    }
    text
}

/// The name of an alert, of the letters that names may have (RFC 1123).
fn condition(rule: &BurnRule) -> String {
    rule.name.replace(':', "-")
}

/// The name of the policy of an alert: a policy has one condition.
fn policy(rule: &BurnRule) -> String {
    format!("avanak-{}", condition(rule))
}

/// An alert: its policy, and the condition that this names.
fn alert(text: &mut String, rule: &BurnRule) {
    let (policy, condition) = (policy(rule), condition(rule));
    let (long, short) = (rule.long_us / MINUTE_US, rule.short_us / MINUTE_US);
    let (whole, tenth) = (rule.rate_tenths / 10, rule.rate_tenths % 10);
    let severity = if whole > 1 { "page" } else { "ticket" };
    write!(
        text,
        "---\napiVersion: openslo/v1\nkind: AlertPolicy\nmetadata:\n  name: {policy}\nspec:\n\
         \x20 alertWhenNoData: true\n  alertWhenResolved: true\n  alertWhenBreaching: true\n\
         \x20 conditions:\n    - conditionRef: {condition}\n\
         \x20 notificationTargets:\n    - targetRef: avanak-operator\n\
         ---\napiVersion: openslo/v1\nkind: AlertCondition\nmetadata:\n  name: {condition}\n\
         spec:\n  severity: {severity}\n  condition:\n    kind: burnrate\n    op: gte\n\
         \x20   threshold: {whole}.{tenth}\n    lookbackWindow: {long}m\n    alertAfter: {short}m\n"
    )
    .expect("a String grows");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::version::Version;

    #[test]
    fn the_objective_is_that_of_the_agreement() {
        let text = document(1, &Version::first().draft.parameters);
        for line in [
            "      target: 0.995800",
            "            query: min(avanak_path_up{path=~\"panel|api|quick-send|campaign\"})",
            "    threshold: 14.4",
            "    lookbackWindow: 4320m",
            "    - conditionRef: burn-6h",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("\n---\n").count() + 1, 9);
        assert!(!text.contains('\t'));
    }
}
