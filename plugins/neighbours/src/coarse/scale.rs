//! How values become steps.

use crate::shape::Shape;

/// The step, and what is number 0.
#[derive(Debug)]
pub(super) struct Scale {
    /// What is number 0 of a feature.
    pub(super) middles: Vec<f64>,
    /// One over the step.
    pub(super) per_step: f64,
    /// The greatest number: a whole one.
    pub(super) most: f64,
}

/// How many steps the usual leaf is long, for each feature: few enough that queries far out have a number as well.
const FINE: f64 = 512.0;

/// Rows that are looked at to see where most of them are.
const SAMPLE: usize = 4_096;

impl Scale {
    /// The steps are fine beside the usual leaf, but so long that most rows are in reach.
    pub(super) fn of(width: usize, rows: &[f64], shape: Shape) -> Self {
        // A sum of as many squares of differences stays below 2^31, and a difference below 2^15.
        let most = ((f64::from(i32::MAX) / width.max(2) as f64).sqrt() / 2.0).floor();
        let spans: Vec<Span> = (0..width).map(|feature| Span::of(width, rows, feature)).collect();
        let longest = |length: fn(&Span) -> f64| spans.iter().map(length).fold(0.0, f64::max);
        // Where most rows are equal, the others decide.
        let half = [longest(|span| span.half), longest(|span| span.whole)].into_iter().find(|half| *half > 0.0).unwrap_or(1.0);
        let root = (width as f64).sqrt();
        // Within bounds between which squares of a step are numbers: what rounding does to sums is far less than a step, and sums of rows in
        // reach are finite.
        let step = (2.0 * half / most).max(usual_leaf(width, rows, shape) / root / FINE).clamp(1e-150, 1e140);
        Self { middles: spans.iter().map(|span| span.middle).collect(), per_step: 1.0 / step, most }
    }

    /// How many steps a value is from the middle of its feature.
    #[inline(always)]
    pub(super) fn steps(&self, value: f64, middle: f64) -> f64 {
        (value - middle) * self.per_step
    }

    /// The whole number beside.
    #[inline(always)]
    pub(super) fn number(&self, steps: f64) -> i16 {
        // Positive before it is cut off, so that all are rounded in one direction.
        ((steps.clamp(-self.most, self.most) + self.most + 0.5) as i32 - self.most as i32) as i16
    }

    /// The numbers of a row, and whether all are in reach; those of no feature stay as they are.
    pub(super) fn numbers(&self, row: &[f64], into: &mut [i16]) -> bool {
        let mut near = true;
        for ((value, middle), number) in row.iter().zip(&self.middles).zip(into) {
            let steps = self.steps(*value, *middle);
            near &= steps.abs() <= self.most;
            *number = self.number(steps);
        }
        near
    }
}

/// Where the values of a feature are.
struct Span {
    /// Between the least and the greatest of most values.
    middle: f64,
    /// Half of the way between them.
    half: f64,
    /// Half of the way between the least and the greatest of all.
    whole: f64,
}

impl Span {
    fn of(width: usize, rows: &[f64], feature: usize) -> Self {
        let values = || rows.iter().skip(feature).step_by(width);
        let mut sample: Vec<f64> = values().step_by((rows.len() / width).div_ceil(SAMPLE).max(1)).copied().collect();
        sample.sort_unstable_by(f64::total_cmp);
        // Halved before they are subtracted, so that nothing overflows.
        let few = sample.len() / 200;
        let (least, greatest) = (sample[few] / 2.0, sample[sample.len() - 1 - few] / 2.0);
        let (first, last) =
            values().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(*value), greatest.max(*value)));
        Self { middle: least + greatest, half: greatest - least, whole: last / 2.0 - first / 2.0 }
    }
}

/// The median of the leaves' diagonals.
fn usual_leaf(width: usize, rows: &[f64], shape: Shape) -> f64 {
    let diagonal = |leaf: usize| {
        let (first, end) = shape.rows(shape.leaves() + leaf);
        let side = |feature: usize| {
            let values = rows[first * width..end * width].iter().skip(feature).step_by(width);
            let (least, greatest) =
                values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(*value), greatest.max(*value)));
            greatest - least
        };
        (0..width).map(|feature| side(feature) * side(feature)).sum::<f64>().sqrt()
    };
    let mut diagonals: Vec<f64> = (0..shape.leaves()).map(diagonal).collect();
    let middle = diagonals.len() / 2;
    *diagonals.select_nth_unstable_by(middle, f64::total_cmp).1
}
