//! Drift: how far the values of today are from those that a model was fitted on.
//!
//! A [`Reference`] keeps how the earlier values were distributed, as counts of bins; a [`Window`] counts the later ones by the same bins. From
//! the two follow
//!
//! - the population stability index, `PSI = Σ (a - e) ln(a / e)` over the bins, `a` being the share of the later and `e` of the earlier values
//!   (Siddiqi, Credit Risk Scorecards, 2006, chapter 8; it is the symmetrised Kullback-Leibler divergence, Jeffreys 1946). By custom up to .1
//!   is no change and above .25 a change that matters. Where nothing has changed it is not 0 but about `(bins - 1) (1/n + 1/m)`, of
//!   `n` and `m` values (Yurdakul, Statistical Properties of the Population Stability Index, 2018): .02 for 500 values against many.
//! - the Kolmogorov-Smirnov distance, the largest difference between the two shares of values up to any point.
//!
//! The bins are made of the quantiles of the earlier values: 40 for the distance, and of these, four by four, the ten for the index. A value
//! that takes up a bin alone, as the 0 of a feature that mostly is 0, has a bin of its own. What is missing is a bin of the index, and no part
//! of the distance.

mod reference;
mod window;

pub use reference::{Reference, ReferenceMistake};
pub use window::{ABSENT, Window};
