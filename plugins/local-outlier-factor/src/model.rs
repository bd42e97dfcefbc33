//! The fitted model: the training rows, how far each one's neighbours are, and how dense it lies.

use crate::metric::{Distance, Euclidean, Manhattan, Metric, Minkowski};
use crate::nearest::{Candidate, Nearest};
use crate::tree::Tree;
use ndarray::ArrayView2;
use synod_sdk::{Error, Reader, Writer};

/// The version of the model's bytes. Raise it whenever [`Model`]'s fields change.
const FORMAT: u32 = 1;

/// Most neighbours that a fit keeps in memory between its two passes, 16 bytes each. Where there are more it searches them twice.
const KEPT: usize = 8 << 20;

/// What is added to a mean reachability distance before it is inverted: the density among equal rows is 10^10 and not infinite. The same
/// value as in scikit-learn.
const LEAST_REACHABILITY: f64 = 1e-10;

/// Runs the expression with the distance that a metric stands for.
macro_rules! with_distance {
    ($model:expr, $distance:ident => $run:expr) => {
        match ($model.metric, $model.p) {
            (Metric::Euclidean, _) | (Metric::Minkowski, 2.0) => {
                let $distance = Euclidean;
                $run
            }
            (Metric::Manhattan, _) | (Metric::Minkowski, 1.0) => {
                let $distance = Manhattan;
                $run
            }
            (Metric::Minkowski, p) => {
                let $distance = Minkowski(p);
                $run
            }
        }
    };
}

/// Positions are those of the tree.
#[derive(Debug)]
pub(crate) struct Model {
    neighbours: usize,
    metric: Metric,
    /// The exponent of [`Metric::Minkowski`].
    p: f64,
    tree: Tree,
    /// For each position, the distance of its farthest neighbour: k-distance, definition 3 of the paper.
    reaches: Vec<f64>,
    /// For each position, the local reachability density, definition 6.
    densities: Vec<f64>,
}

impl Model {
    /// Learns from finite rows, of which there are more than `neighbours`.
    ///
    /// # Errors
    /// When rows are so far apart that their distance is no finite number.
    pub(crate) fn fit(rows: ArrayView2<'_, f64>, neighbours: usize, metric: Metric, p: f64) -> Result<Self, Error> {
        let tree = Tree::build(rows);
        let mut model = Self { neighbours, metric, p, tree, reaches: Vec::new(), densities: Vec::new() };
        let keeps = rows.nrows().saturating_mul(neighbours) <= KEPT;
        with_distance!(model, distance => model.measure(distance, keeps));
        if model.reaches.iter().chain(&model.densities).all(|value| value.is_finite()) {
            Ok(model)
        } else {
            Err(Error::Data("the rows are too far apart for their distances to be finite: scale the features".into()))
        }
    }

    /// Searches each row's neighbours, itself left out, for the k-distances; when those are known, for the densities. The neighbours are
    /// kept for that, or searched again.
    fn measure<D: Distance>(&mut self, distance: D, keeps: bool) {
        let rows = self.tree.order().len();
        let mut nearest = Nearest::new(self.neighbours);
        let mut kept = Vec::with_capacity(if keeps { rows * self.neighbours } else { 0 });
        for position in 0..rows {
            let found = self.neighbours_of_own(distance, position, &mut nearest);
            self.reaches.push(found.last().map_or(0.0, |farthest| distance.root(farthest.sum)));
            if keeps {
                kept.extend_from_slice(found);
            }
        }
        for position in 0..rows {
            let range = position * self.neighbours..(position + 1) * self.neighbours;
            let found = if keeps { &kept[range] } else { self.neighbours_of_own(distance, position, &mut nearest) };
            let density = self.density(distance, found);
            self.densities.push(density);
        }
    }

    fn neighbours_of_own<'a, D: Distance>(&self, distance: D, position: usize, nearest: &'a mut Nearest) -> &'a [Candidate] {
        let row: Vec<f64> = self.tree.row(position).collect();
        nearest.clear();
        self.tree.search(distance, &row, Some(position as u32), nearest);
        nearest.take()
    }

    /// The density of a row with these neighbours: the inverse of their mean reachability distance, definitions 5 and 6.
    fn density<D: Distance>(&self, distance: D, neighbours: &[Candidate]) -> f64 {
        let reachability = |near: &Candidate| self.reaches[near.position as usize].max(distance.root(near.sum));
        let sum: f64 = neighbours.iter().map(reachability).sum();
        1.0 / (sum / neighbours.len() as f64 + LEAST_REACHABILITY)
    }

    /// How many features a row has.
    pub(crate) fn width(&self) -> usize {
        self.tree.width()
    }

    /// Raw scores of whole rows that lie one behind the other.
    pub(crate) fn score(&self, rows: &[f64]) -> Vec<f64> {
        let mut nearest = Nearest::new(self.neighbours);
        with_distance!(self, distance => rows.chunks_exact(self.width()).map(|row| self.factor(distance, row, &mut nearest)).collect())
    }

    /// The local outlier factor of a new row: its neighbours' mean density over its own, definition 7.
    fn factor<D: Distance>(&self, distance: D, row: &[f64], nearest: &mut Nearest) -> f64 {
        let neighbours = self.neighbours_of(distance, row, nearest);
        let own = self.density(distance, neighbours);
        let ratios: f64 = neighbours.iter().map(|near| self.densities[near.position as usize] / own).sum();
        // A row whose distance is no finite number any more has no density; no row is more anomalous.
        (ratios / neighbours.len() as f64).min(f64::MAX)
    }

    fn neighbours_of<'a, D: Distance>(&self, distance: D, row: &[f64], nearest: &'a mut Nearest) -> &'a [Candidate] {
        nearest.clear();
        self.tree.search(distance, row, None, nearest);
        nearest.take()
    }

    /// Raw scores, split by how much of the distance to the neighbours lies in each feature.
    pub(crate) fn explain(&self, rows: &[f64]) -> Vec<f64> {
        let mut nearest = Nearest::new(self.neighbours);
        with_distance!(self, distance => {
            rows.chunks_exact(self.width()).flat_map(|row| {
                let score = self.factor(distance, row, &mut nearest);
                let shares = self.shares(distance, row, self.neighbours_of(distance, row, &mut nearest));
                shares.into_iter().map(move |share| share * score)
            }).collect()
        })
    }

    /// Each feature's share of the sums to all neighbours. Where a row equals all of them every feature has the same share.
    fn shares<D: Distance>(&self, distance: D, row: &[f64], neighbours: &[Candidate]) -> Vec<f64> {
        let difference =
            |near: &Candidate, feature: usize| (row[feature] - self.tree.value(near.position as usize, feature)).abs().min(f64::MAX);
        let features = || 0..row.len();
        // Differences in units of the greatest: their powers stay finite.
        let greatest = neighbours.iter().flat_map(|near| features().map(move |feature| difference(near, feature))).fold(0.0, f64::max);
        if greatest == 0.0 {
            return vec![1.0 / row.len() as f64; row.len()];
        }
        let part = |feature| neighbours.iter().map(|near| distance.part(difference(near, feature) / greatest)).sum();
        let parts: Vec<f64> = features().map(part).collect();
        let whole: f64 = parts.iter().sum();
        parts.into_iter().map(|part| part / whole).collect()
    }

    /// The model's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let rows: Vec<f64> = (0..self.tree.order().len()).flat_map(|position| self.tree.row(position)).collect();
        let mut writer = Writer::new(FORMAT);
        writer.number(self.width() as u64).number(self.neighbours as u64).number(self.metric as u64).real(self.p);
        writer.numbers(self.tree.order()).reals(&rows).reals(&self.reaches).reals(&self.densities);
        writer.finish()
    }

    /// The inverse of [`Model::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are not such a model.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let (width, neighbours, metric, p) = (reader.number()?, reader.number()?, reader.number()?, reader.real()?);
        let (order, rows, reaches, densities) = (reader.numbers()?, reader.reals()?, reader.reals()?, reader.reals()?);
        reader.finish()?;
        let (width, neighbours) = (usize::try_from(width).unwrap_or(0), usize::try_from(neighbours).unwrap_or(0));
        let metric = [Metric::Euclidean, Metric::Manhattan, Metric::Minkowski].into_iter().find(|known| *known as u64 == metric);
        let metric = metric.ok_or_else(|| damaged("metric"))?;

        check(width > 0 && order.len().checked_mul(width) == Some(rows.len()), "rows")?;
        check(reaches.len() == order.len() && densities.len() == order.len(), "densities")?;
        check((1..order.len()).contains(&neighbours), "number of neighbours")?;
        check(p.is_finite() && p >= 1.0, "p")?;
        check(is_permutation(&order), "order")?;
        check(rows.iter().all(|value| value.is_finite()), "rows")?;
        check(reaches.iter().all(|reach| reach.is_finite() && *reach >= 0.0), "reachability distances")?;
        check(densities.iter().all(|density| density.is_finite() && *density > 0.0), "densities")?;
        Ok(Self { neighbours, metric, p, tree: Tree::from_sorted(width, order, &rows), reaches, densities })
    }
}

fn is_permutation(order: &[u32]) -> bool {
    let mut seen = vec![false; order.len()];
    order.iter().all(|index| seen.get_mut(*index as usize).is_some_and(|seen| !std::mem::replace(seen, true)))
}

fn check(holds: bool, what: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(damaged(what)) }
}

fn damaged(what: &str) -> Error {
    Error::Model(format!("the model's {what} cannot be: fit it again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::rows;

    type Damage = fn(&mut Model);

    fn model() -> Model {
        Model::fit(rows(60, 3).view(), 4, Metric::Minkowski, 3.0).unwrap()
    }

    #[test]
    fn neighbours_searched_again_give_the_same_model() {
        let kept = model();
        let mut again = Model { reaches: Vec::new(), densities: Vec::new(), ..model() };
        again.measure(Minkowski(3.0), false);
        assert_eq!(again.to_bytes(), kept.to_bytes());
    }

    #[test]
    fn any_damage_is_found() {
        let damages: [(&str, Damage); 9] = [
            ("no neighbours", |model| model.neighbours = 0),
            ("as many neighbours as rows", |model| model.neighbours = 60),
            ("no exponent", |model| model.p = f64::NAN),
            ("an exponent below one", |model| model.p = 0.5),
            ("a distance that is no number", |model| model.reaches[3] = f64::NAN),
            ("a negative distance", |model| model.reaches[3] = -1.0),
            ("no density", |model| model.densities[59] = 0.0),
            ("too few densities", |model| model.densities.truncate(59)),
            ("a row twice", |model| {
                let mut order = model.tree.order().to_vec();
                order[1] = order[0];
                let rows: Vec<f64> = (0..60).flat_map(|position| model.tree.row(position)).collect();
                model.tree = Tree::from_sorted(3, order, &rows);
            }),
        ];
        assert!(Model::from_bytes(&model().to_bytes()).is_ok());
        for (what, damage) in damages {
            let mut damaged = model();
            damage(&mut damaged);
            assert!(matches!(Model::from_bytes(&damaged.to_bytes()), Err(Error::Model(_))), "{what}");
        }
    }
}
