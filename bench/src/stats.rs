//! Quantiles of what was measured.

/// The value below which the share `q` (0 to 1) of `values` lies; 0 of nothing. Sorts them.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let last = u32::try_from(last).unwrap_or(u32::MAX);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of an index is a small number, not below zero"
    )]
    let place = (f64::from(last) * q.clamp(0.0, 1.0)).round() as usize;
    values[place]
}

/// The middle of `values`. Sorts them.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// A count as a number to divide by or to divide.
pub fn float(count: u64) -> f64 {
    // Counts of a benchmark are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
    let float = count as f64;
    float
}

/// A time span in microseconds.
pub fn micros(span: std::time::Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_hundred() {
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5).to_bits(), 50.0_f64.to_bits());
        assert_eq!(quantile(&mut values, 0.99).to_bits(), 99.0_f64.to_bits());
        assert_eq!(quantile(&mut values, 1.0).to_bits(), 100.0_f64.to_bits());
        assert_eq!(quantile(&mut [], 0.5).to_bits(), 0.0_f64.to_bits());
    }
}
