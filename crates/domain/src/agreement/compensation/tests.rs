//! The vectors of the agreement's checks for schedules and amounts, and I10.

use proptest::prelude::*;

use super::*;

fn month(text: &str) -> PersianMonth {
    PersianMonth::parse(text).unwrap()
}

fn row(from: u64, to: u64, rate: u64) -> Row {
    Row { from, to: Some(to), rate }
}

/// Below 95 %: a half; below 98: a quarter; below 99: a tenth; below 99.58: a twentieth.
fn rows() -> Vec<Row> {
    vec![
        row(0, 950_000, 5000),
        row(950_000, 980_000, 2500),
        row(980_000, 990_000, 1000),
        row(990_000, 995_800, 500),
        row(995_800, 1_000_000, 0),
    ]
}

fn draft(shape: Shape) -> Draft {
    let author = "Maryam".to_owned();
    Draft {
        shape,
        border: Border::Lower,
        cap_bp: 10_000,
        total_cap_bp: None,
        min: Rials::ZERO,
        review_hours: 0,
        author,
    }
}

fn approve(draft: Draft, from: &str, published: &[Schedule]) -> Result<Schedule, Refusal> {
    let at = month("1405-08").start().plus_us(1);
    draft.approve("Reza", month(from), at, published)
}

fn measured(ppm: i64) -> Measured {
    let availability = Fraction::new(ppm, 1_000_000).unwrap();
    Measured { availability, down_us: 0, excess_us: 0, month: month("1405-08") }
}

fn down(hours: i64) -> Measured {
    let down_us = hours * 3600 * SECOND_US;
    Measured { down_us, excess_us: down_us, ..measured(0) }
}

/// T140.
#[test]
fn without_a_schedule_there_is_no_number() {
    let schedule = approve(draft(Shape::PercentByAvailability(rows())), "1405-09", &[]).unwrap();
    let price = Rials(1_000_000);
    let told = |verdict, schedule| compensate(verdict, schedule, price, &measured(985_000));
    assert_eq!(told(Verdict::Breached, None), Compensation::AwaitingSchedule);
    let paid = Compensation::Amount(Rials(100_000));
    assert_eq!(told(Verdict::Breached, Some(&schedule)), paid);
    assert_eq!(told(Verdict::Met, Some(&schedule)), Compensation::Nothing);
    assert_eq!(told(Verdict::Undetermined, Some(&schedule)), Compensation::Held);
}

/// T141.
#[test]
fn a_schedule_that_is_not_whole_is_refused() {
    let percent = |rows| draft(Shape::PercentByDownTime(rows)).validate();
    let end = |from, rate| Row { from, to: None, rate };
    let hour = 3600;
    let holed = vec![row(0, hour, 0), row(hour, 8 * hour, 1000), end(24 * hour, 3000)];
    assert_eq!(percent(holed), Err(Refusal::Hole(8 * hour)));
    assert_eq!(percent(vec![row(0, hour, 0)]), Err(Refusal::Hole(hour)));
    assert_eq!(percent(vec![end(1, 0)]), Err(Refusal::Hole(0)));
    let double = vec![row(0, hour, 0), end(hour - 1, 100)];
    assert_eq!(percent(double), Err(Refusal::Overlap(hour - 1)));
    assert_eq!(percent(vec![end(0, 0), end(5, 1)]), Err(Refusal::Overlap(5)));
    let falling = vec![row(0, hour, 200), end(hour, 100)];
    assert_eq!(percent(falling), Err(Refusal::Decreasing(1)));
    assert_eq!(percent(vec![end(0, 10_001)]), Err(Refusal::TooMuch(0)));
    assert_eq!(percent(vec![row(0, 0, 0), end(0, 0)]), Err(Refusal::EmptyRow(0)));
    assert_eq!(percent(Vec::new()), Err(Refusal::Rows));
    assert_eq!(draft(Shape::MultipleOfExcess(10_001)).validate(), Err(Refusal::TooMuch(0)));
    let rising = vec![row(0, 500_000, 100), row(500_000, 1_000_000, 200)];
    let rising = draft(Shape::PercentByAvailability(rising)).validate();
    assert_eq!(rising, Err(Refusal::Decreasing(1)));
    let short = draft(Shape::PercentByAvailability(vec![row(0, 999_999, 1)])).validate();
    assert_eq!(short, Err(Refusal::Hole(999_999)));
    for cap_bp in [0, 10_001] {
        let capped = Draft { cap_bp, ..draft(Shape::MultipleOfExcess(300)) };
        assert_eq!(capped.validate(), Err(Refusal::Cap));
    }
    let long = Draft { review_hours: 721, ..draft(Shape::MultipleOfExcess(300)) };
    assert_eq!(long.validate(), Err(Refusal::Review));
    let own = draft(Shape::MultipleOfExcess(300));
    let at = month("1405-08").start();
    for approver in ["Maryam", " maryam ", ""] {
        let refused = own.clone().approve(approver, month("1405-09"), at, &[]);
        assert_eq!(refused, Err(Refusal::SamePerson), "{approver}");
    }
}

/// T142.
#[test]
fn a_month_is_judged_by_the_schedule_of_its_start_and_the_past_only_rises() {
    let old = approve(draft(Shape::PercentByAvailability(rows())), "1405-07", &[]).unwrap();
    let changed = |from: &str, rate| {
        let mut rows = rows();
        rows[3].rate = rate;
        approve(draft(Shape::PercentByAvailability(rows)), from, std::slice::from_ref(&old))
    };
    let next = changed("1405-09", 100).unwrap();
    let both = [old.clone(), next.clone()];
    assert_eq!(in_effect(&both, month("1405-08")), Some(&old));
    assert_eq!(in_effect(&both, month("1405-10")), Some(&next));
    assert_eq!(in_effect(&both, month("1405-06")), None);
    assert_eq!(changed("1405-08", 499), Err(Refusal::LowersThePast));
    assert_eq!(changed("1405-07", 499), Err(Refusal::LowersThePast));
    assert!(changed("1405-08", 501).is_ok());
    let kind = approve(draft(Shape::MultipleOfExcess(9000)), "1405-08", std::slice::from_ref(&old));
    assert_eq!(kind, Err(Refusal::LowersThePast));
    let upper = Draft { border: Border::Upper, ..old.draft().clone() };
    let upper = approve(upper, "1405-08", std::slice::from_ref(&old));
    assert_eq!(upper, Err(Refusal::LowersThePast), "a value on a border would pay less");
    let capped = Draft { cap_bp: 4000, ..old.draft().clone() };
    let capped = approve(capped, "1405-08", std::slice::from_ref(&old));
    assert_eq!(capped, Err(Refusal::LowersThePast));
}

/// T142: a line that is less steep pays less before the cap that both have.
#[test]
fn a_flatter_line_lowers_the_past() {
    let line = |multiple| Draft { cap_bp: 5_000, ..draft(Shape::MultipleOfExcess(multiple)) };
    let old = approve(line(1_000), "1405-07", &[]).unwrap();
    let changed = |multiple| approve(line(multiple), "1405-08", std::slice::from_ref(&old));
    assert_eq!(changed(999), Err(Refusal::LowersThePast));
    assert!(changed(1_001).is_ok());
}

/// A27: both tracks together pay back no more than the total, rounded down.
#[test]
fn a_total_bounds_both_tracks_together() {
    let open = draft(Shape::MultipleOfExcess(100));
    assert_eq!(open.left_of(Rials(1_000), Rials(5_000)), None, "the committee decides");
    let bound = Draft { cap_bp: 1500, total_cap_bp: Some(1500), ..open.clone() };
    assert_eq!(bound.validate(), Ok(()));
    assert_eq!(bound.left_of(Rials(1_234_567), Rials::ZERO), Some(Rials(185_185)));
    assert_eq!(bound.left_of(Rials(1_234_567), Rials(185_184)), Some(Rials(1)));
    assert_eq!(bound.left_of(Rials(1_234_567), Rials(200_000)), Some(Rials::ZERO));
    let validated = |total| Draft { total_cap_bp: Some(total), ..bound.clone() }.validate();
    assert_eq!(validated(1499), Err(Refusal::TotalCap));
    assert_eq!(validated(10_001), Err(Refusal::TotalCap));
    let before = approve(Draft { cap_bp: 1500, ..open }, "1405-07", &[]).unwrap();
    let lowered = approve(bound, "1405-08", std::slice::from_ref(&before));
    assert_eq!(lowered, Err(Refusal::LowersThePast));
}

/// T143: 99.58 % itself is a breach, and belongs to the row that pays.
#[test]
fn a_value_on_a_border_belongs_to_the_row_that_was_declared() {
    let lower = draft(Shape::PercentByAvailability(rows()));
    let upper = Draft { border: Border::Upper, ..lower.clone() };
    let price = Rials(10_000);
    for (ppm, below, above) in [
        (995_800, 500, 0),
        (990_000, 1000, 500),
        (950_000, 5000, 2500),
        (995_799, 500, 500),
        (0, 5000, 5000),
        (1_000_000, 0, 0),
    ] {
        assert_eq!(lower.amount(price, &measured(ppm)), Rials(below), "{ppm}");
        assert_eq!(upper.amount(price, &measured(ppm)), Rials(above), "{ppm}");
    }
}

/// T144, T145, T149.
#[test]
fn amounts_are_rounded_up_and_capped() {
    let tenth = draft(Shape::PercentByDownTime(vec![Row { from: 0, to: None, rate: 1000 }]));
    assert_eq!(tenth.amount(Rials(1_234_567), &down(5)), Rials(123_457));
    // 45 days of a month of 30 are 150 %.
    let days = draft(Shape::DaysByDownTime(vec![Row { from: 0, to: None, rate: 4500 }]));
    assert_eq!(days.amount(Rials(1_000), &down(5)), Rials(1_000));
    let half = Draft { cap_bp: 5000, ..days };
    assert_eq!(half.amount(Rials(1_000), &down(5)), Rials(500));
    let three_days = draft(Shape::DaysByDownTime(vec![Row { from: 0, to: None, rate: 300 }]));
    assert_eq!(three_days.amount(Rials(1_000), &down(5)), Rials(100));
    // Three times 24 of 720 hours.
    let multiple = draft(Shape::MultipleOfExcess(300));
    assert_eq!(multiple.amount(Rials(1_000), &down(24)), Rials(100));
    let least = Draft { min: Rials(101), ..multiple };
    assert_eq!(least.amount(Rials(1_000), &down(24)), Rials::ZERO);
    assert_eq!(monthly_price(Rials(1_000), 12), Some(Rials(84)));
    assert_eq!(monthly_price(Rials(1_000), 0), None);
    assert_eq!(tenth.amount(Rials(-5), &down(5)), Rials::ZERO);
    assert!(tenth.amount(Rials(i64::MAX), &down(5)) > Rials::ZERO);
}

fn any_rows(rising: bool) -> impl Strategy<Value = Vec<Row>> {
    let bounds = prop::collection::btree_set(1..999_999_u64, 0..6);
    (bounds, prop::collection::vec(0..=10_000_u64, 7)).prop_map(move |(bounds, mut rates)| {
        rates.sort_unstable();
        if !rising {
            rates.reverse();
        }
        let mut froms: Vec<u64> = vec![0];
        froms.extend(bounds);
        let mut tos: Vec<Option<u64>> = froms[1..].iter().copied().map(Some).collect();
        tos.push(None);
        let rows = froms.into_iter().zip(tos).zip(rates);
        rows.map(|((from, to), rate)| Row { from, to, rate }).collect()
    })
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let shape = prop_oneof![
        any_rows(false).prop_map(Shape::PercentByAvailability),
        any_rows(true).prop_map(Shape::PercentByDownTime),
        any_rows(true).prop_map(Shape::DaysByDownTime),
        (0..10_000_u64).prop_map(Shape::MultipleOfExcess),
    ];
    let border = prop_oneof![Just(Border::Lower), Just(Border::Upper)];
    (shape, border, 1..=10_000_u64).prop_map(|(shape, border, cap_bp)| Draft {
        border,
        cap_bp,
        ..draft(shape)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_written_is_read_again(draft in any_draft(), review_hours in 0..=720_u32) {
        let draft = Draft { review_hours, ..draft };
        prop_assert_eq!(Draft::parse(&draft.to_text(), &draft.author), Ok(draft));
    }

    /// Whatever is written, it is read or refused.
    #[test]
    fn no_text_is_too_strange(text in "([a-z_]{0,8} ?= ?[-0-9a-z ]{0,12}\\n?){0,9}") {
        if let Ok(draft) = Draft::parse(&text, "Maryam") {
            prop_assert_eq!(Draft::parse(&draft.to_text(), "Maryam"), Ok(draft));
        }
    }

    /// I10.
    #[test]
    fn more_downtime_never_pays_less_and_never_more_than_the_cap(
        draft in any_draft(), less in 0..2_592_000_000_000_i64, more in 0..2_592_000_000_000_i64,
        price in 0..100_000_000_000_i64,
    ) {
        prop_assert_eq!(draft.validate(), Ok(()));
        let (less, more) = (less.min(more), less.max(more));
        let paid = |down_us: i64| {
            let availability = Fraction::new(2_592_000_000_000 - down_us, 2_592_000_000_000);
            let month = month("1405-08");
            let availability = availability.unwrap();
            let measured = Measured { availability, down_us, excess_us: down_us, month };
            draft.amount(Rials(price), &measured)
        };
        prop_assert!(paid(less) <= paid(more));
        let cap = i128::from(price) * i128::from(draft.cap_bp) / 10_000;
        prop_assert!(i128::from(paid(more).0) <= cap);
        prop_assert!(paid(less) >= Rials::ZERO);
    }
}
