//! `avanak tariff …`: prices and when they start.

use std::process::ExitCode;

use anyhow::Result;
use app::App;
use app::tariff::TariffRefusal;
use clap::Subcommand;
use domain::billing::tariff::{MINIMUM_MAX, PULSE_SECONDS_MAX, SECOND_MAX};
use domain::calendar::jalali::gregorian_date_time;
use domain::{Rials, Tariff as Prices, TariffId, Timestamp};
use serde_json::json;

use super::{moment, open, say};
use crate::config::Config;

/// What can be done with tariffs. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Tariff {
    /// Add prices that start now or later. What was accepted before keeps its prices.
    Add {
        /// When they start, on Tehran's clock, like `2026-12-01 00:00` or `1405/09/10`; without
        /// it, now.
        #[arg(long, value_name = "MOMENT")]
        from: Option<String>,
        /// Seconds in a pulse; what was heard is charged by started pulses.
        #[arg(long)]
        pulse_seconds: u32,
        /// Price of a second to a landline or a phone of ours, in rials.
        #[arg(long)]
        internal: i64,
        /// Price of a second to a mobile, in rials.
        #[arg(long)]
        external: i64,
        /// Price of a second of speech that is made from text, in rials.
        #[arg(long)]
        tts: i64,
        /// What must be on an account for a secure call, in rials.
        #[arg(long, default_value_t = 10_000)]
        secure_minimum: i64,
        /// Price of a part of an SMS, in rials; without it, no follow-ups by SMS are taken.
        #[arg(long)]
        sms_part: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show the tariffs, the one that starts last first.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Tariffs that are shown.
const SHOWN_MAX: u32 = 1_000;

/// Runs the command.
pub async fn run(config: &Config, command: Tariff) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Tariff::Add {
            from,
            pulse_seconds,
            internal,
            external,
            tts,
            secure_minimum,
            sms_part,
            json,
        } => {
            let from = from.as_deref().map(moment).transpose()?;
            let prices = Prices {
                id: TariffId(0),
                effective_from: Timestamp(0),
                pulse_seconds,
                internal_second: Rials(internal),
                external_second: Rials(external),
                tts_second: Rials(tts),
                secure_minimum: Rials(secure_minimum),
                sms_part: sms_part.map(Rials),
            };
            let added = app::tariff::add(&app, prices, from).await.map_err(refused)?;
            show(&added, json)?;
        }
        Tariff::List { json } => list(&app, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, json: bool) -> Result<()> {
    let tariffs = app::tariff::list(app, SHOWN_MAX).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = tariffs.iter().map(as_json).collect();
        return say(&json!({ "tariffs": shown }).to_string());
    }
    tariffs.iter().try_for_each(|tariff| show(tariff, false))
}

fn show(tariff: &Prices, json: bool) -> Result<()> {
    if json {
        return say(&as_json(tariff).to_string());
    }
    let Prices { id, pulse_seconds, internal_second, external_second, tts_second, .. } = tariff;
    say(&format!(
        "tariff {id}  from {}  pulse {pulse_seconds} s  internal {internal_second}  external \
         {external_second}  speech {tts_second} rials a second  secure calls from {} rials  sms {}",
        gregorian_date_time(tariff.effective_from),
        tariff.secure_minimum,
        tariff.sms_part.map_or_else(|| "none".to_owned(), |part| format!("{part} rials a part")),
    ))
}

fn as_json(tariff: &Prices) -> serde_json::Value {
    json!({
        "tariff_id": tariff.id.0,
        "from": gregorian_date_time(tariff.effective_from),
        "pulse_seconds": tariff.pulse_seconds,
        "internal_second_rials": tariff.internal_second.0,
        "external_second_rials": tariff.external_second.0,
        "tts_second_rials": tariff.tts_second.0,
        "secure_minimum_rials": tariff.secure_minimum.0,
        "sms_part_rials": tariff.sms_part.map(|part| part.0),
    })
}

fn refused(error: app::Error<TariffRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        TariffRefusal::WrongPrice => anyhow::anyhow!(
            "a price is between 0 and {SECOND_MAX} rials a second, a part of an SMS above 0, a \
             pulse between 1 and {PULSE_SECONDS_MAX} seconds, the minimum for secure calls at most {MINIMUM_MAX} rials"
        ),
        TariffRefusal::InThePast => {
            anyhow::anyhow!("a tariff starts now or later: what was charged stays as it is")
        }
        TariffRefusal::Taken => {
            anyhow::anyhow!("another tariff starts at that moment")
        }
    })
}
