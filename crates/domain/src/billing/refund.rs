//! Refunds: what a member of staff gives back of what a send was charged. Money moves once for each
//! name of a refund, and never more than was charged.

use crate::Rials;

/// Longest reason and name of a refund, characters.
pub const TEXT_CHARS_MAX: usize = 200;

/// Why nothing is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundRefusal {
    /// It is less than one rial.
    NotAnAmount,
    /// More than is left of what was charged.
    MoreThanCharged {
        /// What is left.
        left: Rials,
    },
}

/// What is given back of a charge of which some may have been given back already: so much, or all
/// that is left.
///
/// # Errors
/// The [`RefundRefusal`] that applies.
pub fn refund(
    charged: Rials,
    refunded: Rials,
    wanted: Option<Rials>,
) -> Result<Rials, RefundRefusal> {
    let left = Rials(charged.0.saturating_sub(refunded.0).max(0));
    let amount = wanted.unwrap_or(left);
    if wanted.is_some_and(|wanted| wanted <= Rials::ZERO) {
        return Err(RefundRefusal::NotAnAmount);
    }
    if amount > left || amount == Rials::ZERO {
        return Err(RefundRefusal::MoreThanCharged { left });
    }
    Ok(amount)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_more_is_given_back_than_is_left() {
        let of = |charged, refunded, wanted: Option<i64>| {
            refund(Rials(charged), Rials(refunded), wanted.map(Rials))
        };
        let more = |left| Err(RefundRefusal::MoreThanCharged { left: Rials(left) });
        assert_eq!(of(450, 0, None), Ok(Rials(450)));
        assert_eq!(of(450, 225, None), Ok(Rials(225)));
        assert_eq!(of(450, 225, Some(225)), Ok(Rials(225)));
        assert_eq!(of(450, 225, Some(226)), more(225));
        assert_eq!(of(450, 450, None), more(0));
        assert_eq!(of(0, 0, None), more(0), "a call that cost nothing");
        for wrong in [0, -1, i64::MIN] {
            assert_eq!(of(450, 0, Some(wrong)), Err(RefundRefusal::NotAnAmount));
        }
    }

    proptest! {
        /// Whatever is asked for in whatever order, the sum stays within the charge.
        #[test]
        fn the_sum_stays_within_the_charge(
            charged in 0_i64..10_000,
            wanted in prop::collection::vec(prop::option::of(-10_i64..5_000), 0..20),
        ) {
            let mut given = 0;
            for one in wanted {
                if let Ok(amount) = refund(Rials(charged), Rials(given), one.map(Rials)) {
                    prop_assert!(amount > Rials::ZERO);
                    given += amount.0;
                }
                prop_assert!(given <= charged);
            }
        }
    }
}
