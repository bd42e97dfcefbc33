//! What each feature contributed to a row's path length, along its path, for forests with hyperplanes: at every split the expected length
//! changes from that of all training rows in the node to that of those which go the row's way. The change counts for the features of the
//! split; those of a hyperplane share it as far as each moves the row along the plane from the mean of the node's training rows. (For single
//! features these are Saabas' attributions. They are no Shapley values, but they add up.)

use crate::forest::Forest;
use crate::tree::Test;

impl Forest {
    /// For each feature of a row (of groups in place of codes), by how much it lengthened the path, summed over the trees.
    pub(crate) fn attribution(&self, row: &[f64]) -> Vec<f64> {
        let mut values = vec![0.0; row.len()];
        for root in &self.roots {
            self.attribute(*root as usize, row, &mut values);
        }
        values
    }

    /// One tree. A row that lacks what a node compares goes both ways, which on average changes nothing at that node.
    fn attribute(&self, root: usize, row: &[f64], values: &mut [f64]) {
        let mut waiting = vec![(root, 1.0)];
        while let Some((position, weight)) = waiting.pop() {
            let node = &self.nodes[position];
            if node.is_leaf(position) {
                continue;
            }
            let left = node.left as usize;
            match self.goes_right(position, |feature| row[feature as usize]) {
                Some(right) => {
                    let child = left + usize::from(right);
                    self.distribute(node.test(), row, weight * (self.lengths[child] - self.lengths[position]), values);
                    waiting.push((child, weight));
                }
                None => waiting.extend([left + 1, left].map(|child| (child, weight * self.share(child, position)))),
            }
        }
    }

    fn distribute(&self, test: Test, row: &[f64], change: f64, values: &mut [f64]) {
        match test {
            Test::Number(feature) | Test::Subset(feature, _) => values[feature as usize] += change,
            Test::Plane(index) => {
                let moves = || self.planes.moves(index as usize, row).filter_map(|(feature, moved)| moved.map(|moved| (feature, moved)));
                let (whole, known) = moves().fold((0.0, 0.0), |(whole, known), (_, moved)| (whole + moved, known + 1.0));
                for (feature, moved) in moves() {
                    // A row at the centre itself has been moved by none.
                    values[feature as usize] += change * if whole > 0.0 { moved / whole } else { 1.0 / known };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::Shape;
    use crate::plane::{Planes, Term};
    use crate::tree::{Node, Tree};

    fn forest() -> Forest {
        let mut planes = Planes::new(2);
        planes.push(&[(Term { coefficient: 1.0, feature: 0 }, 1.0), (Term { coefficient: -2.0, feature: 1 }, 0.0)]);
        let nodes = vec![Node { left: 1, ..Node::plane(0, 0.0) }, Node::leaf(1), Node::leaf(2)];
        Forest::new(Shape { width: 2, sample: 4, categories: Vec::new() }, 2, [Tree { nodes, reached: vec![4, 1, 3], planes }])
    }

    #[test]
    fn a_change_is_shared_by_how_far_each_feature_moves_the_row() {
        let forest = forest();
        // From the centre (1, 0) the first feature moves the row by 3, the second by 1.
        let values = forest.attribution(&[4.0, 0.5]);
        let change = forest.lengths[2] - forest.lengths[0];
        assert!((values[0] - 0.75 * change).abs() < 1e-15 && (values[1] - 0.25 * change).abs() < 1e-15, "{values:?}");
    }

    #[test]
    fn what_is_missing_has_no_share() {
        let forest = forest();
        let values = forest.attribution(&[f64::NAN, -1.0]);
        assert_eq!(values[0], 0.0);
        assert!((values[1] - (forest.lengths[2] - forest.lengths[0])).abs() < 1e-15);
        assert_eq!(forest.attribution(&[f64::NAN, f64::NAN]), [0.0, 0.0]);
    }
}
