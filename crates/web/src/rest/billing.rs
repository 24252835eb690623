//! The methods of money: GetPrices, GetTransactions, GetTotalCostByDate. The vendor counts in
//! seconds, we in rials: both are told.

use app::{App, Caller, Failure};
use domain::calendar::date_time::Period;
use domain::calendar::jalali;
use domain::{Account, Tariff, Timestamp};
use serde::Serialize;

use super::codes::WRONG_PERIOD;
use super::fa;
use super::message::text;
use super::method::Method;
use super::params::Params;
use super::reply::Reply;

/// Transactions that GetTransactions tells (avanak-api §3.2).
const TRANSACTIONS: u32 = 1_000;

/// GetPrices: the tariff in force, and how far the caller may owe.
pub(crate) async fn prices(app: &App, caller: &Caller) -> Result<Reply, Failure> {
    let tariff = app::tariff::in_force(app).await?;
    Ok(Reply::ok(&Prices::of(&tariff, &caller.account)))
}

/// GetTransactions: what changed the balance last, the newest first.
pub(crate) async fn transactions(app: &App, caller: &Caller) -> Result<Reply, Failure> {
    let tariff = app::tariff::in_force(app).await?;
    // What is posted while we read may have this moment's time.
    let (from, to) = (Timestamp(0), app.now().plus_us(1));
    let lines = app::billing::statement(app, caller.account.id, from, to, TRANSACTIONS).await?;
    let transactions = lines.iter().map(|line| Transaction {
        amount: seconds(line.amount.0, tariff.external_second.0),
        rials: line.amount.0,
        create_date: jalali::gregorian_date_time(line.at),
        description: fa::transaction(line),
    });
    let transactions = transactions.collect();
    Ok(Reply::ok(&Transactions { status: "Success", transactions }))
}

/// GetTotalCostByDate: what the calls of campaigns came to that stepped into the line in these
/// days.
pub(crate) async fn total_cost(
    app: &App,
    caller: &Caller,
    params: Params,
) -> Result<Reply, Failure> {
    let Some(period) = period(&params) else {
        return Ok(Reply::refused(Method::GetTotalCostByDate, WRONG_PERIOD));
    };
    let cost = app::billing::campaign_cost(app, caller.account.id, period).await?;
    Ok(Reply::ok(&cost.0))
}

/// The days from `FromDate` to `ToDate`, both of them whole unless an hour is written.
pub(crate) fn period(params: &Params) -> Option<Period> {
    Period::parse(&text(params, "fromdate"), &text(params, "todate"))
}

/// An amount in whole seconds at a price, away from zero; 0 where seconds cost nothing.
fn seconds(rials: i64, second: i64) -> i64 {
    if second <= 0 {
        return 0;
    }
    rials / second + (rials % second).signum()
}

/// The answer of GetPrices: prices that this platform does not have are 0.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Prices {
    status: &'static str,
    id: i64,
    internal_second_price: i64,
    external_second_price: i64,
    pulse_duration: u32,
    pulse_off_rate: i64,
    add_client_rate: i64,
    add_reseller_rate: i64,
    #[serde(rename = "LBSSecondRate")]
    lbs_second_rate: i64,
    #[serde(rename = "GPSSecondRate")]
    gps_second_rate: i64,
    pool_second_rate: i64,
    add_client_price: i64,
    add_reseller_price: i64,
    #[serde(rename = "LBSSecondPrice")]
    lbs_second_price: i64,
    #[serde(rename = "GPSSecondPrice")]
    gps_second_price: i64,
    pool_second_price: i64,
    #[serde(rename = "TTSSecondPrice")]
    tts_second_price: i64,
    maximum_debt: i64,
    reseller_id: i64,
    title: String,
}

impl Prices {
    fn of(tariff: &Tariff, account: &Account) -> Self {
        Self {
            status: "Success",
            id: tariff.id.0,
            internal_second_price: tariff.internal_second.0,
            external_second_price: tariff.external_second.0,
            pulse_duration: tariff.pulse_seconds,
            tts_second_price: tariff.tts_second.0,
            maximum_debt: account.debt_limit.0,
            title: fa::tariff_title(tariff),
            ..Self::default()
        }
    }
}

/// The answer of GetTransactions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Transactions {
    status: &'static str,
    transactions: Vec<Transaction>,
}

/// A line of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    /// Seconds outside the network, at the price of today.
    amount: i64,
    /// Ours: what really moved.
    rials: i64,
    create_date: String,
    description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_second_counts_whole_in_either_direction() {
        let told = [(225, 45), (226, 45), (-226, 45), (0, 45), (5, 0)];
        assert_eq!(told.map(|(rials, second)| seconds(rials, second)), [5, 6, -6, 0, 0]);
    }
}
