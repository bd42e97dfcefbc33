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
