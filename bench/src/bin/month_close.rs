//! A month of 100 000 subscribers with 300 outages and 40 groups, each subscriber in two of them:
//! how long it takes to say what each of them had, beside asking for each by itself, which must say
//! the same.

use anyhow::{Context as _, Result, ensure};
use bench::say::{say, verdict};
use domain::agreement::availability::{
    Evidence, Facts, Seen, Standing, Totals, sweep, totals_of_all,
};
use domain::agreement::scope::{Group, Paths, Scope};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};

const SUBSCRIBERS: i64 = 100_000;
const OUTAGES: i64 = 300;
const GROUPS: i64 = 40;
/// One in so many subscribers is asked for by itself.
const SAMPLED: usize = 50;
/// The longest that a close may take, seconds: "minutes on two cores".
const MOST_S: f64 = 120.0;
const MINUTE_US: i64 = 60_000_000;

fn main() -> Result<()> {
    let month = PersianMonth::parse("1405-08").context("a month of the calendar")?;
    let within = Span::new(month.start(), month.end()).context("a month has a length")?;
    let always = Span::new(Timestamp(0), Timestamp(i64::MAX)).context("time has a length")?;
    let facts = facts(month, always)?;
    let standings: Vec<Standing> = (1..=SUBSCRIBERS).map(|n| standing(n, always)).collect();

    let begun = server::clock::instant();
    let all = totals_of_all(within, &facts, standings.iter());
    let took_s = (server::clock::instant() - begun).as_secs_f64();

    let begun = server::clock::instant();
    let sample: Vec<&Standing> = standings.iter().step_by(SAMPLED).collect();
    let alone: Vec<Totals> = sample.iter().map(|one| sweep(within, one, &facts).totals()).collect();
    let sampled_s = (server::clock::instant() - begun).as_secs_f64();
    for (one, totals) in sample.iter().zip(alone) {
        ensure!(all[&one.account] == totals, "{:?} is told two things", one.account);
    }
    let each_s = sampled_s * f64::from(u32::try_from(SAMPLED)?);
    say(&format!(
        "{SUBSCRIBERS} subscribers, {OUTAGES} outages: {took_s:.2} s together; each by itself \
         {each_s:.1} s, of which one in {SAMPLED} was run, and all of these agree"
    ));
    verdict(
        &format!("{:.1} times", each_s / took_s),
        took_s <= each_s,
        "not slower than by itself",
    );
    verdict(&format!("{took_s:.2} s"), took_s <= MOST_S, "at most two minutes");
    Ok(())
}

/// Everything was seen to work, but for outages of some groups.
fn facts(month: PersianMonth, always: Span) -> Result<Facts> {
    let paths = |text| Paths::parse(text).context("paths");
    let works = Evidence {
        seen: Seen::Up,
        paths: paths("all")?,
        scope: Scope::parse("everyone").context("a scope")?,
        span: always,
    };
    let mut evidence = vec![works];
    for n in 0..OUTAGES {
        let from = month.start().plus_us(n * 7919 % 43_000 * MINUTE_US);
        let span = Span::new(from, from.plus_us((n % 50 + 1) * MINUTE_US)).context("a span")?;
        let scope = Scope::new(vec![Group::Cohort(n % GROUPS + 1)]).context("a scope")?;
        evidence.push(Evidence { seen: Seen::Down, paths: paths("api,panel")?, scope, span });
    }
    Ok(Facts { evidence, ..Facts::default() })
}

/// A subscriber with everything, in two groups.
fn standing(n: i64, always: Span) -> Standing {
    let mut standing = Standing::full(Some(AccountId(n)), always);
    let groups = [n % GROUPS + 1, n / GROUPS % GROUPS + 1];
    standing.memberships = groups.map(|group| (Group::Cohort(group), always)).into();
    standing
}
