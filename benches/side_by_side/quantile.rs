//! Quantiles of what was measured.

/// The value that a share `q` (0 to 1) of `values` does not exceed; NaN where there is none. Sorts
/// them.
pub fn quantile<T: Copy + PartialOrd + Into<f64>>(values: &mut [T], q: f64) -> f64 {
    values.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let rank = (values.len() as f64 * q).ceil() as usize;
    values.get(rank.max(1) - 1).or(values.last()).map_or(f64::NAN, |value| (*value).into())
}

/// The middle one; NaN where there is none.
pub fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 0.5)
}
