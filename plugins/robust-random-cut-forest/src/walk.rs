//! What a row would displace if it came into a tree: the expected collusive displacement, without letting it in.
//!
//! Were the row let in, it would be parted from the box of a node on its way with a probability that is known: how far it lies outside the
//! box, of all sides of the box with the row in it. Then its collusive displacement would be known as well: the greatest ratio, over the row
//! and every set of rows that would lie below the same node as it, of the rows beside them to theirs. So the walk sums over all nodes at
//! which the row might be parted, and needs no random numbers.

use crate::points::{LANES, Points};
use crate::tree::{Child, Inner, Kind, Tree};

/// A node on the way, as the walk needs it.
#[derive(Debug, Clone, Copy)]
struct Step {
    cut: f64,
    /// The sum of the sides of the box.
    length: f64,
    mass: f64,
    /// For either side how many rows lie on the other, for each row on it with the new one.
    ratios: [f64; 2],
    children: [Child; 2],
    feature: u32,
}

/// A tree that rows are compared with.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) tree: Tree,
    steps: Vec<Step>,
}

/// Where a row might be parted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parting<'a> {
    /// How probable that is.
    pub(crate) probability: f64,
    /// What the row then displaces.
    pub(crate) displacement: f64,
    /// The box from which it is parted.
    pub(crate) low: &'a [f64],
    pub(crate) high: &'a [f64],
}

impl Walk {
    pub(crate) fn new(tree: Tree, points: &Points) -> Self {
        let step = |index: usize| {
            let Inner { cut, feature, children, mass } = tree.inner[index];
            let (low, high) = tree.limits(points, Child::inner(index));
            let masses = children.map(|child| f64::from(tree.mass(child)));
            let ratios = [masses[1] / (masses[0] + 1.0), masses[0] / (masses[1] + 1.0)];
            let length = low.iter().zip(high).map(|(low, high)| high - low).sum();
            Step { cut, length, mass: f64::from(mass), ratios, children, feature }
        };
        Self { steps: (0..tree.inner.len()).map(step).collect(), tree }
    }

    /// The expected collusive displacement of a row.
    pub(crate) fn displacement(&self, points: &Points, row: &[f64]) -> f64 {
        let mut sum = 0.0;
        self.partings(points, row, |parting| sum += parting.probability * parting.displacement);
        sum
    }

    /// Visits all nodes on the row's way. The probabilities add up to 1.
    #[inline(always)]
    pub(crate) fn partings<'a>(&'a self, points: &'a Points, row: &[f64], mut visit: impl FnMut(Parting<'a>)) {
        let (mut at, mut together, mut collusive) = (self.tree.root, 1.0, 0.0_f64);
        loop {
            let (low, high) = self.tree.limits(points, at);
            match at.kind() {
                Kind::Inner(index) => {
                    let step = &self.steps[index];
                    let outside = outside(low, high, row);
                    let whole = outside + step.length;
                    // So far away that no number holds it: certainly.
                    let parted = if whole.is_finite() { outside / whole } else { 1.0 };
                    visit(Parting { probability: together * parted, displacement: step.mass.max(collusive), low, high });
                    together *= 1.0 - parted;
                    let side = usize::from(row[step.feature as usize] > step.cut);
                    collusive = collusive.max(step.ratios[side]);
                    at = step.children[side];
                }
                Kind::Leaf(index) => {
                    // A row that is the point becomes one more of it, and displaces nothing by itself.
                    let alone = if low == row { 0.0 } else { f64::from(self.tree.leaves[index].mass) };
                    visit(Parting { probability: together, displacement: collusive.max(alone), low, high });
                    return;
                }
            }
        }
    }
}

/// How far a row lies outside a box, over all features. Two lanes' worth at a time: in the sandbox each turn of a loop costs.
#[inline(always)]
fn outside(low: &[f64], high: &[f64], row: &[f64]) -> f64 {
    const TWICE: usize = 2 * LANES;
    let mut sums = [0.0; LANES];
    let ((low, low_rest), (high, high_rest), (row, row_rest)) =
        (low.as_chunks::<TWICE>(), high.as_chunks::<TWICE>(), row.as_chunks::<TWICE>());
    for ((low, high), row) in low.iter().zip(high).zip(row) {
        for lane in 0..LANES {
            let second = lane + LANES;
            sums[lane] += apart(low[lane], high[lane], row[lane]) + apart(low[second], high[second], row[second]);
        }
    }
    if let ([low], [high], [row]) = (low_rest.as_chunks::<LANES>().0, high_rest.as_chunks::<LANES>().0, row_rest.as_chunks::<LANES>().0) {
        (0..LANES).for_each(|lane| sums[lane] += apart(low[lane], high[lane], row[lane]));
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// How far a value lies outside a range.
#[inline(always)]
fn apart(low: f64, high: f64, value: f64) -> f64 {
    beyond(low, value) + beyond(value, high)
}

/// How much greater the first number is.
#[inline(always)]
fn beyond(one: f64, other: f64) -> f64 {
    let difference = one - other;
    if difference > 0.0 { difference } else { 0.0 }
}

impl Parting<'_> {
    /// Adds to each feature its part of the expected displacement: as it parts the row from the box. Of a row that nothing parts from its
    /// point all features have the same part.
    pub(crate) fn attribute(&self, row: &[f64], parts: &mut [f64]) {
        let expected = self.probability * self.displacement;
        if expected == 0.0 {
            return;
        }
        let width = parts.len();
        // So many sums stay finite, of whatever is outside.
        let scale = if outside(self.low, self.high, row).is_finite() { 1.0 } else { 1e-100 };
        let beyond = |place: usize| {
            let (low, high, value) = (self.low[place] * scale, self.high[place] * scale, row[place] * scale);
            beyond(low, value) + beyond(value, high)
        };
        let all: f64 = (0..width).map(beyond).sum();
        if all > 0.0 {
            parts.iter_mut().enumerate().for_each(|(place, part)| *part += expected * (beyond(place) / all));
        } else {
            parts.iter_mut().for_each(|part| *part += expected / width as f64);
        }
    }
}
