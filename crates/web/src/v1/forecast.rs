//! What calls will probably cost, as clients read it.

use app::forecast::Expected;
use serde_json::{Value, json};

/// What it will probably cost, and what that was told from.
pub(super) fn expected(expected: &Expected) -> Value {
    let Expected { forecast, history, is_own } = expected;
    let percent = |share: f64| (share * 1_000.0).round() / 10.0;
    json!({
        "cost_low": forecast.low.0,
        "cost_high": forecast.high.0,
        "calls_of": if *is_own { "account" } else { "everybody" },
        "calls": history.calls,
        "charged_calls": history.charged,
        "charged_percent_low": percent(forecast.charged_low),
        "charged_percent_high": percent(forecast.charged_high),
        "heard_percent": percent(forecast.heard),
    })
}
