//! A forest as the bytes of a model, and back, with every check that walks and changes rely on. Boxes and masses follow from the points.

use crate::forest::{Forest, Keeper, WIDTH, check_reach};
use crate::parameters::Parameters;
use crate::points::Points;
use crate::reservoir::{Kept, Reservoir};
use crate::tree::{Child, Inner, Leaf, Tree};
use crate::walk::Walk;
use std::collections::BTreeMap;
use synod_sdk::{Error, Reader, Writer};

/// The version of the model's bytes. Raise it whenever what is written changes.
const FORMAT: u32 = 1;

impl Forest {
    /// The model's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Parameters { trees, samples, time_decay } = self.parameters;
        let mut writer = Writer::new(FORMAT);
        writer.number(u64::from(trees)).number(u64::from(samples)).real(time_decay).number(self.width as u64);
        writer.number(self.seed).number(self.seen).numbers(&self.features).reals(&self.points.plain());
        self.keepers.iter().for_each(|keeper| write(keeper, &mut writer));
        writer.finish()
    }

    /// The inverse of [`Forest::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are not such a forest.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let [trees, samples] = [reader.number()?, reader.number()?].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let parameters = Parameters { trees, samples, time_decay: reader.real()? };
        let width = usize::try_from(reader.number()?).unwrap_or(0);
        let (seed, seen, features) = (reader.number()?, reader.number()?, reader.numbers()?);
        let named = features.is_sorted_by(|one, next| one < next) && features.iter().all(|feature| (*feature as usize) < width);
        check(parameters.mistakes().is_empty() && parameters.mistake_with(features.len()).is_none(), "numbers")?;
        check((1..=WIDTH).contains(&width) && !features.is_empty() && named, "features")?;
        let points = read_points(&reader.reals()?, features.len())?;
        // One by one: a number that was damaged ends with the bytes.
        let keepers = (0..trees).map(|_| read(&mut reader, &points, samples)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { parameters, width, features, seed, seen, points, keepers })
    }
}

fn read_points(values: &[f64], width: usize) -> Result<Points, Error> {
    let plain =
        values.len().is_multiple_of(width) && values.iter().all(|value| value.is_finite() && value.to_bits() != (-0.0_f64).to_bits());
    check(plain && values.len() / width < 1 << 31, "points")?;
    let mut points = Points::new(width);
    values.chunks_exact(width).for_each(|row| {
        points.push(row);
    });
    check_reach(&points, &Points::new(width)).map_err(|_| damaged("points"))?;
    Ok(points)
}

fn write(keeper: &Keeper, writer: &mut Writer) {
    let Tree { root, inner, leaves, .. } = &keeper.walk.tree;
    let side = |side: usize| inner.iter().map(|inner| inner.children[side].0).collect::<Vec<u32>>();
    writer.number(u64::from(root.0)).numbers(&inner.iter().map(|inner| inner.feature).collect::<Vec<_>>());
    writer.reals(&inner.iter().map(|inner| inner.cut).collect::<Vec<_>>()).numbers(&side(0)).numbers(&side(1));
    writer.numbers(&leaves.iter().map(|leaf| leaf.point).collect::<Vec<_>>());
    writer.numbers(&leaves.iter().map(|leaf| leaf.mass).collect::<Vec<_>>());
    writer.reals(&keeper.reservoir.0.iter().map(|kept| kept.key).collect::<Vec<_>>());
    writer.numbers(&keeper.reservoir.0.iter().map(|kept| kept.point).collect::<Vec<_>>());
}

fn read(reader: &mut Reader<'_>, points: &Points, samples: u32) -> Result<Keeper, Error> {
    let root = Child(u32::try_from(reader.number()?).unwrap_or(u32::MAX));
    let (features, cuts, lefts, rights) = (reader.numbers()?, reader.reals()?, reader.numbers()?, reader.numbers()?);
    let (leaf_points, masses, keys, kept_points) = (reader.numbers()?, reader.numbers()?, reader.reals()?, reader.numbers()?);
    let paired = cuts.len() == features.len() && lefts.len() == features.len() && rights.len() == features.len();
    check(paired && leaf_points.len() == masses.len() && keys.len() == kept_points.len(), "arrays of nodes")?;
    check(leaf_points.len() <= samples as usize && keys.len() <= samples as usize, "sizes")?;
    let children = lefts.into_iter().zip(rights).map(|(left, right)| [Child(left), Child(right)]);
    let inner = features.into_iter().zip(cuts).zip(children);
    let inner = inner.map(|((feature, cut), children)| Inner { cut, feature, children, mass: 0 }).collect();
    let leaves = leaf_points.into_iter().zip(masses).map(|(point, mass)| Leaf { point, mass }).collect();
    let mut tree = Tree { root, inner, leaves, boxes: Vec::new() };
    check(tree.settle(points), "trees")?;
    let kept = keys.into_iter().zip(kept_points).map(|(key, point)| Kept { key, point }).collect();
    let reservoir = Reservoir(kept);
    check(are_kept(&tree, &reservoir), "kept rows")?;
    Ok(Keeper { reservoir, walk: Walk::new(tree, points) })
}

/// Whether the leaves are what is kept.
fn are_kept(tree: &Tree, reservoir: &Reservoir) -> bool {
    let mut counts = BTreeMap::new();
    reservoir.0.iter().for_each(|kept| *counts.entry(kept.point).or_insert(0) += 1);
    let masses: BTreeMap<u32, u32> = tree.leaves.iter().map(|leaf| (leaf.point, leaf.mass)).collect();
    let ordered = reservoir.0.is_sorted_by(|one, next| one.key <= next.key) && reservoir.0.iter().all(|kept| kept.key.is_finite());
    ordered && masses.len() == tree.leaves.len() && counts == masses
}

fn check(holds: bool, what: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(damaged(what)) }
}

fn damaged(what: &str) -> Error {
    Error::Model(format!("the model's {what} are damaged: fit it again"))
}
