//! Grows a tree: a box of points is cut in a feature that is drawn in proportion to its side, anywhere along that side, and so on until all
//! points are apart (definition 1 of the paper).

use crate::points::Points;
use crate::random::Random;
use crate::tree::{Child, Inner, Leaf, Tree};

impl Tree {
    /// A tree of at least one different point, each with the number of rows that it counts as.
    pub(crate) fn grow(points: &Points, mut counted: Vec<Leaf>, random: &mut Random) -> Self {
        let mut tree = Self { root: Child::leaf(0), inner: Vec::new(), leaves: Vec::new(), boxes: Vec::new() };
        // Which part of the points is to be cut, and whose child it is, on which side.
        let mut waiting = vec![(0..counted.len(), None)];
        while let Some((range, parent)) = waiting.pop() {
            let part = &mut counted[range.clone()];
            let grown = if let [leaf] = part {
                tree.leaves.push(*leaf);
                Child::leaf(tree.leaves.len() - 1)
            } else {
                let (low, high) = around(points, part);
                let (feature, cut) = draw(&low, &high, random.share());
                let on_left = part_by(part, |leaf| points.get(leaf.point)[feature] <= cut);
                let index = tree.inner.len();
                let mass = part.iter().map(|leaf| leaf.mass).sum();
                tree.inner.push(Inner { cut, feature: feature as u32, children: [tree.root; 2], mass });
                tree.boxes.extend(low.into_iter().chain(high));
                let middle = range.start + on_left;
                waiting.extend([(middle..range.end, Some((index, 1))), (range.start..middle, Some((index, 0)))]);
                Child::inner(index)
            };
            match parent {
                None => tree.root = grown,
                Some((parent, side)) => {
                    let parent: &mut Inner = &mut tree.inner[parent];
                    parent.children[side] = grown;
                }
            }
        }
        tree
    }
}

/// The box of some points.
fn around(points: &Points, part: &[Leaf]) -> (Vec<f64>, Vec<f64>) {
    let mut low = points.get(part[0].point).to_vec();
    let mut high = low.clone();
    for leaf in &part[1..] {
        for ((low, high), value) in low.iter_mut().zip(&mut high).zip(points.get(leaf.point)) {
            *low = low.min(*value);
            *high = high.max(*value);
        }
    }
    (low, high)
}

/// The feature and the place of a cut through a box that has a side: `share` of the way along all sides. At least one end of the side is
/// to the left of the cut or on it, the other to the right.
pub(crate) fn draw(low: &[f64], high: &[f64], share: f64) -> (usize, f64) {
    let sides = || low.iter().zip(high).map(|(low, high)| high - low);
    let mut left = share * sides().sum::<f64>();
    let found = sides().position(|side| {
        let here = left < side;
        if !here {
            left -= side;
        }
        here
    });
    // Rounding may lead past the last side.
    let feature = found.or_else(|| sides().rposition(|side| side > 0.0)).unwrap_or(0);
    let cut = low[feature] + left;
    (feature, if cut < high[feature] { cut } else { low[feature] })
}

/// Puts those first of which it is true, in their order as all others in theirs, and says how many these are.
fn part_by(part: &mut [Leaf], is_first: impl Fn(&Leaf) -> bool) -> usize {
    let (first, second): (Vec<Leaf>, Vec<Leaf>) = part.iter().partition(|leaf| is_first(leaf));
    part[..first.len()].copy_from_slice(&first);
    part[first.len()..].copy_from_slice(&second);
    first.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn cuts_go_by_the_sides() {
        let (low, high) = ([0.0, 5.0, -1.0], [1.0, 5.0, 2.0]);
        assert_eq!(draw(&low, &high, 0.125), (0, 0.5));
        assert_eq!(draw(&low, &high, 0.25), (2, -1.0));
        assert_eq!(draw(&low, &high, 0.625), (2, 0.5));
        // Never on the upper end, where nothing would be on the right.
        for share in [1.0 - f64::EPSILON / 2.0, 1.0] {
            let (feature, cut) = draw(&low, &high, share);
            assert!(feature == 2 && cut < 2.0, "{cut}");
        }
    }

    #[test]
    fn grown_trees_are_whole_and_cut_by_the_sides() {
        let mut points = Points::new(2);
        for row in [[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [3.0, 1.0]] {
            points.push(&row);
        }
        let mut first = 0_u32;
        for tree in 0..4000 {
            let leaves = (0..4).map(|point| Leaf { point, mass: point + 1 }).collect();
            let tree = Tree::grow(&points, leaves, &mut Random::of_tree(1, tree, Purpose::Cuts));
            let mut settled = tree.clone();
            assert!(settled.settle(&points) && settled == tree);
            assert_eq!(tree.mass(tree.root), 10);
            first += u32::from(tree.inner[0].feature == 0);
        }
        // Three quarters of all cuts, within five standard deviations.
        assert!(first.abs_diff(3000) < 137, "{first}");
    }
}
