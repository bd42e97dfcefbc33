//! Columns of categories: their codes become groups that a node's bit set has room for.

use crate::random::mix;
use std::borrow::Cow;
use synod_sdk::Feature;

/// Most groups of a column: a node's bit set, stored as the bits of a number, keeps its number finite.
pub(crate) const GROUPS: u32 = 52;

/// The group of a code: the code itself where a column has at most [`GROUPS`] categories. Of more categories several share a group,
/// except for the last, which stands for all that were not known. What is no code counts as that one; a missing value stays missing.
fn group(code: f64, categories: u32) -> f64 {
    if code.is_nan() {
        return code;
    }
    let last = categories - 1;
    let code = if code >= 0.0 && code < f64::from(last) { code as u32 } else { last };
    match code {
        _ if categories <= GROUPS => f64::from(code),
        _ if code == last => f64::from(GROUPS - 1),
        _ => (mix(u64::from(code)) % u64::from(GROUPS - 1)) as f64,
    }
}

/// For each column, the number of its categories; empty if all columns are numbers.
pub(crate) fn categories(features: &[Feature]) -> Vec<u32> {
    let counts: Vec<u32> = features.iter().map(|feature| feature.categories).collect();
    if counts.iter().all(|count| *count == 0) { Vec::new() } else { counts }
}

/// Whole rows with groups in place of codes.
pub(crate) fn grouped<'a>(rows: &'a [f64], categories: &[u32]) -> Cow<'a, [f64]> {
    if categories.is_empty() {
        return Cow::Borrowed(rows);
    }
    let counts = categories.iter().cycle();
    Cow::Owned(rows.iter().zip(counts).map(|(value, count)| if *count == 0 { *value } else { group(*value, *count) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_categories_keep_their_codes_and_the_rest_is_unknown() {
        assert_eq!([0.0, 1.0, 2.0, 3.0, -1.0, 1e300].map(|code| group(code, 3)), [0.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
        assert!(group(f64::NAN, 3).is_nan());
    }

    #[test]
    fn many_categories_share_groups_but_the_unknown_one_is_alone() {
        let groups: Vec<f64> = (0..1_000).map(|code| group(f64::from(code), 1_001)).collect();
        assert!(groups.iter().all(|group| *group < f64::from(GROUPS - 1)));
        assert!((0..GROUPS - 1).all(|wanted| groups.contains(&f64::from(wanted))), "all groups are used");
        assert_eq!(group(1_000.0, 1_001), f64::from(GROUPS - 1));
    }

    #[test]
    fn numbers_stay_as_they_are() {
        let rows = [0.5, 7.0, -2.0, 1.0];
        assert_eq!(*grouped(&rows, &[]), rows);
        assert_eq!(*grouped(&rows, &[0, 4]), [0.5, 3.0, -2.0, 1.0]);
    }
}
