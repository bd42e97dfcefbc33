//! The fitted model: the training rows, how far each one's neighbours are, and how dense it lies.

use ndarray::ArrayView2;
use std::borrow::Cow;
use synod_foreign::Scaling;
use synod_neighbours::{Neighbour, Reference, Search, Settings};
use synod_sdk::{Error, Reader, Writer};

/// The version of the model's bytes. Raise it whenever [`Model`]'s fields change.
const FORMAT: u32 = 2;

/// The version of the bytes of a model from elsewhere that scales its rows.
const SCALED: u32 = 3;

/// Most neighbours that a fit keeps in memory between its two passes, 4 bytes each. Where there are more it searches them twice.
const KEPT: usize = 32 << 20;

/// From how many rows on a fit says how far it is, ten times in each pass.
const LONG: usize = 20_000;

/// What is added to a mean reachability distance before it is inverted: the density among equal rows is 10^10 and not infinite. The same
/// value as in scikit-learn.
const LEAST_REACHABILITY: f64 = 1e-10;

/// Positions are those of the reference.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) reference: Reference,
    /// For each position, the distance of its farthest neighbour: k-distance, definition 3 of the paper.
    pub(crate) reaches: Vec<f64>,
    /// For each position, the local reachability density, definition 6.
    pub(crate) densities: Vec<f64>,
    /// What a row to be scored goes through first. Only models from elsewhere have it.
    pub(crate) scaling: Scaling,
}

impl Model {
    /// Learns from the rows.
    ///
    /// # Errors
    /// When they cannot be a reference, or are so far apart that their distance is no finite number.
    pub(crate) fn fit(rows: ArrayView2<'_, f64>, settings: &Settings, seed: u64) -> Result<Self, Error> {
        let reference = Reference::build(rows, settings, seed)?;
        let keeps = reference.rows().saturating_mul(reference.neighbours()) <= KEPT;
        let mut model = Self { reference, reaches: Vec::new(), densities: Vec::new(), scaling: Scaling::default() };
        model.measure(keeps);
        if model.reaches.iter().chain(&model.densities).all(|value| value.is_finite()) {
            Ok(model)
        } else {
            Err(Error::Data("the rows are too far apart for their distances to be finite: scale the features".into()))
        }
    }

    /// Searches each row's neighbours, itself left out, for the k-distances; when those are known, for the densities. The neighbours are
    /// kept for that, or searched again.
    fn measure(&mut self, keeps: bool) {
        let (rows, neighbours) = (self.reference.rows(), self.reference.neighbours());
        let mut search = self.reference.search();
        let mut kept = Vec::with_capacity(if keeps { rows * neighbours } else { 0 });
        for position in 0..rows {
            let found = self.reference.neighbours_at(position as u32, &mut search);
            self.reaches.push(found.last().map_or(0.0, |farthest| farthest.distance));
            if keeps {
                kept.extend(found.iter().map(|near| near.position));
            }
            tell("distances to neighbours", position, rows);
        }
        for position in 0..rows {
            let density = if keeps {
                let own = position as u32;
                let near = |other: &u32| Neighbour { distance: self.reference.distance(own, *other), position: *other };
                let found: Vec<Neighbour> = kept[position * neighbours..][..neighbours].iter().map(near).collect();
                self.density(&found, Some(own))
            } else {
                self.density(self.reference.neighbours_at(position as u32, &mut search), Some(position as u32))
            };
            self.densities.push(density);
            tell("densities", position, rows);
        }
    }

    /// The density of a row with these neighbours: the inverse of their mean reachability distance, definitions 5 and 6. The other copies
    /// of a row of the reference are neighbours too, at distance 0.
    fn density(&self, neighbours: &[Neighbour], own: Option<u32>) -> f64 {
        let mut mean = Mean::default();
        for near in neighbours {
            mean.add(self.reaches[near.position as usize].max(near.distance), self.reference.count(near.position));
        }
        if let Some(own) = own {
            mean.add(self.reaches[own as usize], self.reference.count(own) - 1);
        }
        1.0 / (mean.value() + LEAST_REACHABILITY)
    }

    /// How many features a row has.
    pub(crate) fn width(&self) -> usize {
        self.reference.width()
    }

    /// Memory for searches.
    pub(crate) fn search(&self) -> Search {
        self.reference.search()
    }

    /// The raw score of a row.
    pub(crate) fn score(&self, row: &[f64], search: &mut Search) -> f64 {
        self.factor(&self.scaled(row), search).0
    }

    /// A row as the reference has its own. What overflows by it is as far away as a number can be.
    fn scaled<'a>(&self, row: &'a [f64]) -> Cow<'a, [f64]> {
        if self.scaling.is_empty() {
            return Cow::Borrowed(row);
        }
        let scaled = |(feature, value): (usize, &f64)| self.scaling.of(feature, *value).clamp(-f64::MAX, f64::MAX);
        Cow::Owned(row.iter().enumerate().map(scaled).collect())
    }

    /// The local outlier factor of a row, its neighbours' mean density over its own, definition 7; and the neighbours.
    fn factor<'a>(&self, row: &[f64], search: &'a mut Search) -> (f64, &'a [Neighbour]) {
        let found = self.reference.neighbours_of(row, search);
        let density = match found.own {
            Some(own) => self.densities[own as usize],
            None => self.density(found.neighbours, None),
        };
        let mut mean = Mean::default();
        for near in found.neighbours {
            mean.add(self.densities[near.position as usize] / density, self.reference.count(near.position));
        }
        if let Some(own) = found.own {
            mean.add(1.0, self.reference.count(own) - 1);
        }
        // A row whose distance is no finite number any more has no density; no row is more anomalous.
        (mean.value().min(f64::MAX), found.neighbours)
    }

    /// The raw score, split by how much of the distance to the neighbours lies in each feature.
    pub(crate) fn explain(&self, row: &[f64], search: &mut Search) -> Vec<f64> {
        let row = self.scaled(row);
        let (score, neighbours) = self.factor(&row, search);
        self.reference.shares(&row, neighbours).into_iter().map(|share| share * score).collect()
    }

    /// The model's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(if self.scaling.is_empty() { FORMAT } else { SCALED });
        self.reference.write(&mut writer);
        writer.reals(&self.reaches).reals(&self.densities);
        if !self.scaling.is_empty() {
            let (kinds, numbers) = self.scaling.numbers();
            writer.numbers(&kinds).reals(&numbers);
        }
        writer.finish()
    }

    /// The inverse of [`Model::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are not such a model.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let scaled = bytes.starts_with(&SCALED.to_le_bytes());
        let mut reader = Reader::new(if scaled { SCALED } else { FORMAT }, bytes)?;
        let reference = Reference::read(&mut reader)?;
        let (reaches, densities) = (reader.reals()?, reader.reals()?);
        let scaling = if scaled { read_scaling(&mut reader, reference.width())? } else { Scaling::default() };
        reader.finish()?;
        let rows = reference.rows();
        check(reaches.len() == rows && reaches.iter().all(|reach| reach.is_finite() && *reach >= 0.0), "reachability distances")?;
        check(densities.len() == rows && densities.iter().all(|density| density.is_finite() && *density > 0.0), "densities")?;
        Ok(Self { reference, reaches, densities, scaling })
    }
}

fn read_scaling(reader: &mut Reader<'_>, width: usize) -> Result<Scaling, Error> {
    let (kinds, numbers) = (reader.numbers()?, reader.reals()?);
    let scaling = Scaling::from_numbers(width, &kinds, &numbers).filter(|scaling| !scaling.is_empty());
    scaling.ok_or_else(|| Error::Model("the model's scaling cannot be: import it again".into()))
}

/// A mean of values that count more than once.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64, count: u32) {
        // Not as a product with 0, which would make no number of an infinity.
        if count > 0 {
            self.sum += f64::from(count) * value;
            self.count += f64::from(count);
        }
    }

    fn value(&self) -> f64 {
        self.sum / self.count
    }
}

fn tell(pass: &str, position: usize, rows: usize) {
    let tenth = |position: usize| position * 10 / rows;
    if rows >= LONG && tenth(position + 1) > tenth(position) {
        synod_sdk::log::info(&format!("{pass}: {} % of {rows} rows", 10 * tenth(position + 1)));
    }
}

fn check(holds: bool, what: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Model(format!("the model's {what} cannot be: fit it again"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::tests::neighbours;
    use synod_neighbours::{Metric, testing::rows};

    type Damage = fn(&mut Model);

    fn model() -> Model {
        let parameters = Parameters { metric: Metric::Minkowski, p: 3.0, ..neighbours(4.0) };
        Model::fit(rows(60, 3).view(), &parameters.settings(), 0).unwrap()
    }

    #[test]
    fn neighbours_searched_again_give_the_same_model() {
        let kept = model();
        let mut again = Model { reaches: Vec::new(), densities: Vec::new(), ..model() };
        again.measure(false);
        assert_eq!(again.to_bytes(), kept.to_bytes());
    }

    #[test]
    fn any_damage_is_found() {
        let damages: [(&str, Damage); 5] = [
            ("a distance that is no number", |model| model.reaches[3] = f64::NAN),
            ("a negative distance", |model| model.reaches[3] = -1.0),
            ("no density", |model| model.densities[59] = 0.0),
            ("too few densities", |model| model.densities.truncate(59)),
            ("too many distances", |model| model.reaches.push(1.0)),
        ];
        assert!(Model::from_bytes(&model().to_bytes()).is_ok());
        for (what, damage) in damages {
            let mut damaged = model();
            damage(&mut damaged);
            assert!(matches!(Model::from_bytes(&damaged.to_bytes()), Err(Error::Model(_))), "{what}");
        }
    }
}
