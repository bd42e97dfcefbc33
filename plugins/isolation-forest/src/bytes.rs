//! A forest as the bytes of a model, and back, with every check that a walk relies on.

use crate::forest::{Forest, Shape, WIDTH};
use crate::parameters::DEEPEST;
use crate::plane::{Planes, Term};
use crate::tree::{Node, Test, depths};
use synod_sdk::{Error, Reader, Writer};

/// The version of the model's bytes. Raise it whenever [`Forest`]'s fields change.
const FORMAT: u32 = 2;

/// The version of the bytes of a forest from elsewhere in which rows with missing values go one way.
const DIRECTED: u32 = 3;

impl Forest {
    /// The model's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Shape { width, sample, categories } = &self.shape;
        let mut writer = Writer::new(if self.missing_left.is_some() { DIRECTED } else { FORMAT });
        writer.number(*width as u64).number(u64::from(*sample)).numbers(categories).numbers(&self.roots);
        writer.numbers(&self.nodes.iter().map(|node| node.feature).collect::<Vec<_>>());
        writer.numbers(&self.nodes.iter().map(|node| node.left).collect::<Vec<_>>());
        writer.reals(&self.nodes.iter().map(|node| node.threshold).collect::<Vec<_>>()).numbers(&self.reached);
        writer.number(self.planes.dimensions() as u64);
        writer.numbers(&self.planes.terms().iter().map(|term| term.feature).collect::<Vec<_>>());
        writer.reals(&self.planes.terms().iter().map(|term| term.coefficient).collect::<Vec<_>>()).reals(self.planes.centres());
        if let Some(left) = &self.missing_left {
            writer.bytes(&left.iter().map(|left| u8::from(*left)).collect::<Vec<_>>());
        }
        writer.finish()
    }

    /// The inverse of [`Forest::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are no forest whose every walk ends at a leaf of its tree.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let directed = bytes.starts_with(&DIRECTED.to_le_bytes());
        let mut reader = Reader::new(if directed { DIRECTED } else { FORMAT }, bytes)?;
        let (width, sample) = (reader.number()?, reader.number()?);
        let (width, sample) = (usize::try_from(width).unwrap_or(0), u32::try_from(sample).unwrap_or(0));
        let shape = Shape { width, sample, categories: reader.numbers()? };
        let (roots, features, lefts) = (reader.numbers()?, reader.numbers()?, reader.numbers()?);
        let (thresholds, reached) = (reader.reals()?, reader.numbers()?);
        let planes = read_planes(&mut reader)?;
        let missing_left = if directed { Some(reader.bytes()?.iter().map(|left| *left == 1).collect()) } else { None };
        reader.finish()?;
        check(features.len() == lefts.len() && lefts.len() == thresholds.len() && thresholds.len() == reached.len(), "arrays of nodes")?;
        let parts = thresholds.into_iter().zip(features).zip(lefts);
        let nodes = parts.map(|((threshold, feature), left)| Node { threshold, feature, left }).collect();
        let mut forest = Self { roots, nodes, reached, planes, missing_left, ..Self::empty(shape, 0) };
        forest.check()?;
        forest.measure();
        forest.prepare();
        Ok(forest)
    }

    /// Whether everything holds that a walk relies on.
    fn check(&self) -> Result<(), Error> {
        let Shape { width, sample, categories } = &self.shape;
        check((1..=WIDTH).contains(width), "width")?;
        check(*sample >= 2, "sample size")?;
        check(categories.is_empty() || categories.len() == *width, "categories")?;
        check(self.planes.are_sound(*width), "hyperplanes")?;
        check(self.missing_left.as_ref().is_none_or(|left| left.len() == self.nodes.len()), "ways of missing values")?;
        check(self.roots.is_sorted_by(|one, next| one < next), "roots")?;
        check(self.roots.first().copied().unwrap_or(0) == 0 && self.roots.is_empty() == self.nodes.is_empty(), "roots")?;
        check(self.roots.last().is_none_or(|root| (*root as usize) < self.nodes.len()), "roots")?;
        for index in 0..self.roots.len() {
            let (first, nodes) = self.tree(index);
            let sound = nodes.iter().zip(first..).all(|(node, position)| self.is_sound(node, position, first + nodes.len()));
            check(sound, "nodes")?;
            check(depths(nodes, first).into_iter().all(|depth| depth <= DEEPEST), "depth of trees")?;
        }
        Ok(())
    }

    /// A leaf holds every row; both children of another node lie behind it and in its own tree, which ends at `end`, and share its rows.
    fn is_sound(&self, node: &Node, position: usize, end: usize) -> bool {
        let left = node.left as usize;
        let leaf = left == position && node.threshold == f64::INFINITY && node.feature == 0;
        let inner = left > position && left < end - 1 && node.threshold.is_finite() && self.can_test(node.test());
        let shared = || u64::from(self.reached[left]) + u64::from(self.reached[left + 1]) == u64::from(self.reached[position]);
        self.reached[position] > 0 && (leaf || inner && shared())
    }

    fn can_test(&self, test: Test) -> bool {
        match test {
            Test::Number(feature) => (feature as usize) < self.shape.width,
            Test::Subset(feature, _) => self.shape.categories.get(feature as usize).is_some_and(|count| *count > 0),
            Test::Plane(index) => (index as usize) < self.planes.len(),
        }
    }
}

fn read_planes(reader: &mut Reader<'_>) -> Result<Planes, Error> {
    let dimensions = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    let (features, coefficients, centres) = (reader.numbers()?, reader.reals()?, reader.reals()?);
    check(features.len() == coefficients.len(), "arrays of hyperplanes")?;
    let terms = features.into_iter().zip(coefficients).map(|(feature, coefficient)| Term { coefficient, feature });
    Ok(Planes::of(dimensions, terms.collect(), centres))
}

fn check(holds: bool, what: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Model(format!("the model's {what} are damaged: fit it again"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    type Damage = fn(&mut Forest);

    fn shape() -> Shape {
        Shape { width: 2, sample: 4, categories: vec![0, 5] }
    }

    /// Trees of one split each: by a number, by a set of groups, along a plane.
    fn forest() -> Forest {
        let mut planes = Planes::new(2);
        planes.push(&[(Term { coefficient: 1.0, feature: 0 }, 0.5)]);
        let splits =
            [Node { threshold: 1.0, feature: 0, left: 1 }, Node { left: 1, ..Node::subset(1, 5) }, Node { left: 1, ..Node::plane(0, 2.0) }];
        let tree = |node: Node| Tree {
            nodes: vec![node, Node::leaf(1), Node::leaf(2)],
            reached: vec![4, 1, 3],
            planes: if matches!(node.test(), Test::Plane(_)) { planes.clone() } else { Planes::new(2) },
        };
        Forest::new(shape(), 2, splits.map(tree))
    }

    /// A tree that is a chain of so many splits.
    fn chain(depth: u32) -> Forest {
        let mut nodes = Vec::new();
        for level in 0..depth {
            nodes.push(Node { threshold: 0.0, feature: 0, left: 2 * level + 1 });
            nodes.push(Node::leaf(nodes.len()));
        }
        // Every inner node but the root is its parent's right child; the leaf beside it is the left one.
        let mut ordered = vec![nodes[0]];
        for level in 1..=depth {
            ordered.push(Node::leaf(ordered.len()));
            ordered.push(if level == depth { Node::leaf(ordered.len()) } else { nodes[2 * level as usize] });
        }
        let mut reached = vec![depth + 1];
        (1..=depth).for_each(|level| reached.extend([1, depth + 1 - level]));
        Forest::new(shape(), 2, [Tree { nodes: ordered, reached, planes: Planes::new(2) }])
    }

    #[test]
    fn any_damage_to_the_nodes_is_found() {
        let damages: [(&str, Damage); 18] = [
            ("a child before its parent", |forest| forest.nodes[3].left = 1),
            ("a child in the next tree", |forest| forest.nodes[0].left = 2),
            ("a child behind the end", |forest| forest.nodes[6].left = 8),
            ("a feature that no row has", |forest| forest.nodes[0].feature = 2),
            ("a set for a number", |forest| forest.nodes[3].feature ^= 1),
            ("a set that is no number", |forest| forest.nodes[3].threshold = f64::NAN),
            ("a plane that is not there", |forest| forest.nodes[6].feature += 1),
            ("a plane of a feature that no row has", |forest| forest.planes = planes(2, 1.0)),
            ("a plane without direction", |forest| forest.planes = planes(0, f64::NAN)),
            ("no planes", |forest| forest.planes = Planes::new(2)),
            ("a threshold without order", |forest| forest.nodes[0].threshold = f64::NAN),
            ("a leaf that lets rows out", |forest| forest.nodes[8].threshold = 1.0),
            ("a leaf that compares", |forest| forest.nodes[8].feature = 1),
            ("a node without rows", |forest| forest.reached[1] = 0),
            ("rows from nowhere", |forest| forest.reached[2] = 4),
            ("roots out of order", |forest| forest.roots.swap(1, 2)),
            ("a sample without a path length", |forest| forest.shape.sample = 1),
            ("no features", |forest| forest.shape.width = 0),
        ];
        assert!(Forest::from_bytes(&forest().to_bytes()).is_ok());
        for (what, damage) in damages {
            let mut damaged = forest();
            damage(&mut damaged);
            assert!(matches!(Forest::from_bytes(&damaged.to_bytes()), Err(Error::Model(_))), "{what}");
        }
    }

    fn planes(feature: u32, coefficient: f64) -> Planes {
        Planes::of(1, vec![Term { coefficient, feature }], vec![0.0])
    }

    #[test]
    fn more_damage() {
        for damage in [
            (|forest: &mut Forest| forest.shape.categories.push(1)) as Damage,
            |forest| forest.roots[2] = 9,
            |forest| forest.roots.clear(),
            |forest| forest.nodes.clear(),
        ] {
            let mut damaged = forest();
            damage(&mut damaged);
            assert!(matches!(Forest::from_bytes(&damaged.to_bytes()), Err(Error::Model(_))));
        }
    }

    #[test]
    fn a_tree_that_is_too_deep_is_refused() {
        assert!(Forest::from_bytes(&chain(DEEPEST).to_bytes()).is_ok());
        assert!(Forest::from_bytes(&chain(DEEPEST + 1).to_bytes()).is_err());
    }

    #[test]
    fn parts_make_the_whole_again() {
        let (whole, empty) = (forest(), Forest::new(shape(), 2, []));
        let parts = [forest(), empty, chain(3)].map(|part| Forest::from_bytes(&part.to_bytes()).unwrap());
        let merged = Forest::merge(parts.into()).unwrap();
        assert_eq!(merged.roots, [0, 3, 6, 9]);
        assert!(Forest::from_bytes(&merged.to_bytes()).is_ok());
        assert_eq!(Forest::merge(vec![forest()]).unwrap().to_bytes(), whole.to_bytes());
        let other = Forest::new(Shape { sample: 5, ..shape() }, 2, []);
        assert!(Forest::merge(vec![whole, other]).is_err());
        assert!(Forest::merge(Vec::new()).is_err());
    }
}
