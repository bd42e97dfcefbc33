//! Hyperplanes: a row lies on one side or the other by a weighted sum of a few of its features.

/// One feature's part of a hyperplane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Term {
    pub(crate) coefficient: f64,
    pub(crate) feature: u32,
}

/// Hyperplanes of equally many terms, one behind the other. A plane of fewer features is filled up with terms of coefficient 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Planes {
    dimensions: usize,
    terms: Vec<Term>,
    /// For each term, the mean of its feature over the training rows of the node: what a missing value counts as.
    centres: Vec<f64>,
}

impl Planes {
    /// No planes yet, each of which will have `dimensions` terms.
    pub(crate) fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    /// Planes of terms that were written to a model. Damage is found by [`Planes::are_sound`].
    pub(crate) fn of(dimensions: usize, terms: Vec<Term>, centres: Vec<f64>) -> Self {
        Self { dimensions, terms, centres }
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many planes there are.
    pub(crate) fn len(&self) -> usize {
        self.terms.len().checked_div(self.dimensions).unwrap_or(0)
    }

    /// All terms.
    pub(crate) fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The centres of all terms.
    pub(crate) fn centres(&self) -> &[f64] {
        &self.centres
    }

    /// Adds a plane of terms and their centres, at most as many as there are dimensions.
    pub(crate) fn push(&mut self, plane: &[(Term, f64)]) {
        let filling = Term { coefficient: 0.0, feature: plane.first().map_or(0, |(term, _)| term.feature) };
        for position in 0..self.dimensions {
            let (term, centre) = plane.get(position).copied().unwrap_or((filling, 0.0));
            self.terms.push(term);
            self.centres.push(centre);
        }
    }

    /// Removes all planes behind the first `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.terms.truncate(count * self.dimensions);
        self.centres.truncate(count * self.dimensions);
    }

    /// Adds all planes of others of the same dimensions.
    pub(crate) fn extend(&mut self, others: &Self) {
        self.terms.extend_from_slice(&others.terms);
        self.centres.extend_from_slice(&others.centres);
    }

    /// The terms of the plane at `index`.
    pub(crate) fn plane(&self, index: usize) -> &[Term] {
        &self.terms[index * self.dimensions..(index + 1) * self.dimensions]
    }

    /// Where a row lies along a plane, a missing value counting as the centre; nothing if the row lacks all of its features.
    pub(crate) fn project(&self, index: usize, value: impl Fn(u32) -> f64) -> Option<f64> {
        let centres = &self.centres[index * self.dimensions..];
        let mut known = false;
        let sum = self.plane(index).iter().zip(centres).fold(0.0, |sum, (term, centre)| {
            let value = value(term.feature);
            known |= !value.is_nan() && term.coefficient != 0.0;
            sum + term.coefficient * if value.is_nan() { *centre } else { value }
        });
        known.then_some(sum)
    }

    /// For each term of a plane, its feature and how far the row's value moves it from where the node's training rows lie on average; nothing
    /// if the value is missing, or the term only fills up.
    pub(crate) fn moves(&self, index: usize, row: &[f64]) -> impl Iterator<Item = (u32, Option<f64>)> {
        let centres = &self.centres[index * self.dimensions..];
        let moved = move |(term, centre): (&Term, &f64)| {
            let moved = (term.coefficient * (row[term.feature as usize] - centre)).abs();
            // So that the sum of moves does not overflow.
            (term.feature, (!moved.is_nan() && term.coefficient != 0.0).then(|| moved.min(f64::MAX / 1e6)))
        };
        self.plane(index).iter().zip(centres).map(moved)
    }

    /// Whether these are whole planes of features below `width`, with finite numbers.
    pub(crate) fn are_sound(&self, width: usize) -> bool {
        let whole = if self.dimensions == 0 { self.terms.is_empty() } else { self.terms.len().is_multiple_of(self.dimensions) };
        let terms = self.terms.iter().all(|term| (term.feature as usize) < width && term.coefficient.is_finite());
        whole && terms && self.centres.len() == self.terms.len() && self.centres.iter().all(|centre| centre.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes() -> Planes {
        let mut planes = Planes::new(3);
        planes.push(&[(Term { coefficient: 2.0, feature: 1 }, 5.0), (Term { coefficient: -1.0, feature: 0 }, 1.0)]);
        planes
    }

    #[test]
    fn a_missing_value_counts_as_the_centre_and_nothing_known_is_nowhere() {
        let project = |row: [f64; 3]| planes().project(0, |feature| row[feature as usize]);
        assert_eq!(project([3.0, 4.0, 9.0]), Some(5.0));
        assert_eq!(project([f64::NAN, 4.0, 9.0]), Some(7.0));
        assert_eq!(project([f64::NAN, f64::NAN, 9.0]), None);
    }

    #[test]
    fn a_row_moves_from_the_centre() {
        let moves: Vec<(u32, Option<f64>)> = planes().moves(0, &[4.0, f64::NAN]).collect();
        assert_eq!(moves, [(1, None), (0, Some(3.0)), (1, None)]);
    }

    #[test]
    fn damaged_planes_are_found() {
        assert!(planes().are_sound(2) && Planes::new(0).are_sound(1));
        assert!(!planes().are_sound(1), "a feature that no row has");
        assert!(!Planes::of(2, planes().terms, planes().centres).are_sound(2), "one and a half planes");
        assert!(!Planes::of(0, planes().terms, planes().centres).are_sound(2), "planes without dimensions");
        assert!(!Planes::of(3, planes().terms, vec![0.0]).are_sound(2), "too few centres");
    }
}
