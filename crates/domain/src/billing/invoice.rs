//! What an invoice comes to: the price, less discounts, and the tax on what is left (T159).

use super::subscription::WHOLE_BP;
use crate::Rials;

/// The amounts of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    /// What the months cost.
    pub price: Rials,
    /// What is taken off before tax.
    pub discount: Rials,
    /// The tax, hundredths of a percent.
    pub tax_bp: u32,
    /// The tax on what is left, rounded down: a part of a rial is not asked for.
    pub tax: Rials,
    /// What is to be paid.
    pub total: Rials,
}

impl Amounts {
    /// What a price comes to with a discount, of which at most the price is taken.
    ///
    /// `None` when an amount is negative, the tax is more than all of it, or the total is past 64
    /// bits.
    pub fn of(price: Rials, discount: Rials, tax_bp: u32) -> Option<Self> {
        if price < Rials::ZERO || discount < Rials::ZERO || tax_bp > WHOLE_BP {
            return None;
        }
        let discount = discount.min(price);
        let left = i128::from(price.0 - discount.0);
        let tax = left * i128::from(tax_bp) / i128::from(WHOLE_BP);
        let total = i64::try_from(left + tax).ok()?;
        let tax = Rials(i64::try_from(tax).ok()?);
        Some(Self { price, discount, tax_bp, tax, total: Rials(total) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_discount_comes_before_the_tax() {
        let of = |price, discount, tax| Amounts::of(Rials(price), Rials(discount), tax);
        let amounts = of(1_000_000, 123_457, 1000).unwrap();
        assert_eq!((amounts.tax, amounts.total), (Rials(87_654), Rials(964_197)));
        let free = of(1_000, 5_000, 1000).unwrap();
        assert_eq!((free.discount, free.tax, free.total), (Rials(1_000), Rials(0), Rials(0)));
        for nonsense in [of(-1, 0, 0), of(1, -1, 0), of(1, 0, 10_001), of(i64::MAX, 0, 1)] {
            assert_eq!(nonsense, None);
        }
    }

    proptest! {
        #[test]
        fn amounts_add_up_and_a_discount_never_costs(
            price in 0..1_000_000_000_000_i64, discount in 0..2_000_000_000_000_i64,
            tax_bp in 0..=10_000_u32,
        ) {
            let of = |discount| Amounts::of(Rials(price), Rials(discount), tax_bp).unwrap();
            let amounts = of(discount);
            prop_assert_eq!(amounts.total.0, price - amounts.discount.0 + amounts.tax.0);
            prop_assert!(amounts.discount.0 <= price && amounts.tax >= Rials::ZERO);
            prop_assert!(amounts.total <= of(discount / 2).total);
        }
    }
}
