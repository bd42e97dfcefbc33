//! The section `drift`.

use super::Checker;
use crate::config::text;

/// How drift is measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drift {
    /// The latest so many decisions are compared with what the models were fitted on. With 0 none are.
    pub window: u32,
    /// Fewest values that a comparison says something of.
    pub minimum: u32,
}

pub(super) fn drift(at: &mut Checker<'_>, text: &text::Drift) -> Drift {
    let Drift { window, minimum } = Drift { window: text.window, minimum: text.minimum };
    if window != 0 {
        at.within("drift.window", window.into(), 100.0, 1e7, "a number of rows from 100 to 10000000, or 0 for none");
        // A window moves by tenths, so that it is never less full than this again.
        let most = f64::from(window / 2);
        at.within("drift.minimum", minimum.into(), 1.0, most, &format!("a number of rows from 1 to half of `drift.window`, {most}"));
    }
    Drift { window, minimum }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_window_is_within_its_bounds_and_the_minimum_is_half_of_it_at_most() {
        let documented = include_str!("../../../../../config/synod.yaml");
        let with = |window: u32, minimum: u32| {
            let source = documented
                .replace("  window: 10000 ", &format!("  window: {window} "))
                .replace("  minimum: 500 ", &format!("  minimum: {minimum} "));
            crate::config::read(&source, Path::new("."), Vec::new())
        };
        for (window, minimum) in [(100, 50), (100, 1), (10_000_000, 5_000_000), (0, 500), (0, 0)] {
            let drift = with(window, minimum).unwrap().drift;
            assert_eq!((drift.window, drift.minimum), (window, minimum));
        }
        for (window, minimum, key, message) in [
            (99, 10, "drift.window", "99 is not a number of rows from 100 to 10000000, or 0 for none"),
            (10_000_001, 10, "drift.window", "10000001 is not a number of rows"),
            (1000, 501, "drift.minimum", "501 is not a number of rows from 1 to half of `drift.window`, 500"),
            (1000, 0, "drift.minimum", "0 is not a number of rows"),
        ] {
            let mistakes = with(window, minimum).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].key == key && mistakes[0].message.starts_with(message), "{mistakes:?}");
        }
    }
}
