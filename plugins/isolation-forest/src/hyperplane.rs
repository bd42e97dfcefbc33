//! Choosing a hyperplane for a node. Random ones: Hariri, Kind and Brunner, "Extended Isolation Forest", IEEE TKDE 33, 2021. With the best
//! cut along them: SCiForest and Fair-Cut Forest, see `criterion`.
//!
//! A feature's coefficient is a random number divided by the feature's deviation in the node (as in SCiForest), so that units do not matter.

use crate::criterion::{Criterion, Cut, best_cut};
use crate::growth::{Growth, Varying};
use crate::plane::Term;
use crate::tree::{Node, between};

impl Growth<'_, '_> {
    /// The best of as many hyperplanes as are to be tried; nothing if no cut parts the rows.
    pub(crate) fn hyperplane(&mut self, sample: &[u32]) -> Option<Node> {
        let first = self.planes.len();
        let mut best: Option<(Cut, Vec<(Term, f64)>)> = None;
        for _ in 0..self.plan.tries {
            let terms = self.terms(sample);
            self.planes.push(&terms);
            let cut = self.cut(first, sample);
            self.planes.truncate(first);
            if let Some(cut) = cut.filter(|cut| best.as_ref().is_none_or(|(best, _)| cut.gain > best.gain)) {
                best = Some((cut, terms));
            }
        }
        let (cut, terms) = best?;
        self.planes.push(&terms);
        Some(Node::plane(first as u32, cut.threshold))
    }

    /// Random terms of features that vary, with their centres.
    fn terms(&mut self, sample: &[u32]) -> Vec<(Term, f64)> {
        let features = self.varying_numbers(sample, self.plan.dimensions);
        let random = features.into_iter().filter_map(|varying| {
            let (mean, deviation) = self.spread(sample, varying)?;
            Some((Term { coefficient: self.random.normal() / deviation, feature: varying.feature }, mean))
        });
        random.filter(|(term, _)| term.coefficient.is_finite() && term.coefficient != 0.0).collect()
    }

    /// Mean and deviation of a feature's known values; nothing if they are too far apart to be measured.
    fn spread(&self, sample: &[u32], Varying { feature, least, greatest }: Varying) -> Option<(f64, f64)> {
        let range = greatest - least;
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for row in sample {
            // In units of the range, so that no square overflows.
            let scaled = (self.plan.value(*row, feature) - least) / range;
            if !scaled.is_nan() {
                (count, sum, squares) = (count + 1.0, sum + scaled, squares + scaled * scaled);
            }
        }
        let mean: f64 = sum / count;
        let deviation = (squares / count - mean * mean).max(0.0).sqrt() * range;
        let mean = least + mean * range;
        (range.is_finite() && deviation > 0.0 && mean.is_finite()).then_some((mean, deviation))
    }

    /// Where to cut along the plane at `index`: at a random point of the rows' range, or where the criterion says.
    fn cut(&mut self, index: usize, sample: &[u32]) -> Option<Cut> {
        let place = |row: &u32| self.planes.project(index, |feature| self.plan.value(*row, feature));
        let mut places: Vec<f64> = sample.iter().filter_map(place).collect();
        match self.plan.criterion {
            Some(criterion) => sorted_cut(&mut places, criterion),
            None => {
                let range =
                    places.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), place| (least.min(*place), most.max(*place)));
                let varies = range.0 < range.1 && range.0.is_finite() && range.1.is_finite();
                varies.then(|| Cut { threshold: between(range.0, range.1, self.random.share()), gain: 0.0 })
            }
        }
    }
}

fn sorted_cut(places: &mut [f64], criterion: Criterion) -> Option<Cut> {
    places.sort_unstable_by(f64::total_cmp);
    best_cut(places, criterion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::Plan;
    use crate::growth::tests::{grown, plan};
    use crate::random::Random;
    use crate::tree::{Test, Tree};
    use ndarray::Array2;

    fn rows() -> Array2<f64> {
        let mut random = Random::of_tree(1, 1);
        Array2::from_shape_simple_fn((200, 5), || random.normal())
    }

    fn all() -> [Option<Criterion>; 3] {
        [None, Some(Criterion::Averaged), Some(Criterion::Pooled)]
    }

    fn planes(tree: &Tree) -> impl Iterator<Item = &[Term]> {
        tree.nodes
            .iter()
            .filter_map(|node| if let Test::Plane(index) = node.test() { Some(tree.planes.plane(index as usize)) } else { None })
    }

    #[test]
    fn planes_have_as_many_different_features_as_asked() {
        for criterion in all() {
            let tree = grown(&Plan { dimensions: 3, tries: 2, criterion, ..plan(&rows(), 8) }, 0);
            assert!(tree.planes.len() > 6 && planes(&tree).count() == tree.planes.len());
            for plane in planes(&tree) {
                let mut features: Vec<u32> = plane.iter().map(|term| term.feature).collect();
                features.sort_unstable();
                features.dedup();
                assert_eq!(features.len(), 3);
            }
        }
    }

    #[test]
    fn both_sides_of_every_split_have_rows() {
        for criterion in all() {
            let tree = grown(&Plan { dimensions: 2, criterion, ..plan(&rows(), 20) }, 3);
            assert!(tree.reached.iter().all(|count| *count > 0));
            assert_eq!(
                tree.reached
                    .iter()
                    .zip(&tree.nodes)
                    .enumerate()
                    .filter(|(position, (_, node))| node.is_leaf(*position))
                    .map(|(_, (count, _))| count)
                    .sum::<u32>(),
                200
            );
        }
    }

    #[test]
    fn units_do_not_matter() {
        for criterion in all() {
            let other = rows() * &ndarray::array![1024.0, 1.0, 2.0_f64.powi(-40), 2.0_f64.powi(90), 0.5];
            let [one, other] = [rows(), other].map(|rows| grown(&Plan { dimensions: 2, criterion, ..plan(&rows, 8) }, 5));
            assert_eq!(one.reached, other.reached, "{criterion:?}");
        }
    }

    #[test]
    fn what_is_too_far_apart_to_be_measured_is_left_out() {
        let mut rows = rows();
        rows[[0, 0]] = f64::MAX;
        rows[[1, 0]] = -f64::MAX;
        let tree = grown(&Plan { dimensions: 5, ..plan(&rows, 1) }, 2);
        assert!(planes(&tree).all(|plane| plane.iter().all(|term| term.feature != 0 || term.coefficient == 0.0)));
    }
}
