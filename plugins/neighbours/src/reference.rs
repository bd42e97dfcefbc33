//! The training rows that a model keeps, and the search among them.

use crate::coarse::Shortlist;
use crate::frame::check_values;
use crate::metric::{Distance, Metric, with_distance};
use crate::nearest::{Candidate, Nearest};
use crate::prepare::{Kept, direct, directions};
use crate::settings::{Duplicates, MOST_ROWS, Settings};
use crate::tree::Tree;
use ndarray::{ArrayView1, ArrayView2, CowArray};
use synod_sdk::{Error, Reader, Writer};

/// The kept rows. Each has a position, from 0, which is not its number in the training rows.
#[derive(Debug)]
pub struct Reference {
    /// How many features a row has.
    width: usize,
    neighbours: usize,
    metric: Metric,
    /// The exponent of [`Metric::Minkowski`].
    p: f64,
    novelty: bool,
    tree: Tree,
    /// For each position, how often the row occurs in the training rows; at least 1.
    counts: Vec<u32>,
}

/// A kept row that is near another row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// How far it is. Infinite where the features' differences are too great to be added up.
    pub distance: f64,
    /// Its position.
    pub position: u32,
}

/// What a search finds.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// As many neighbours as [`Reference::neighbours`] says, nearest first; of equally near rows the first in the training rows.
    pub neighbours: &'a [Neighbour],
    /// The position of the row itself, if it is one of the kept rows: where [`Settings::novelty`] is off, and it equals one. It is not
    /// among its neighbours then.
    pub own: Option<u32>,
}

/// The memory of a search, to be used again for the next one.
#[derive(Debug)]
pub struct Search {
    nearest: Nearest,
    row: Vec<f64>,
    list: Shortlist,
    found: Vec<Neighbour>,
}

impl Reference {
    /// Keeps the training rows that the settings ask for, which [`Settings::check`] has found to be right. `seed` decides which rows
    /// are kept where they are too many.
    ///
    /// # Errors
    /// When there are fewer than two different rows, or a value is no finite number.
    pub fn build(rows: ArrayView2<'_, f64>, settings: &Settings, seed: u64) -> Result<Self, Error> {
        if rows.nrows() < 2 || rows.ncols() == 0 || rows.nrows() > u32::MAX as usize {
            let text = format!("{} rows of {} features have no neighbours, give at least 2 rows", rows.nrows(), rows.ncols());
            return Err(Error::Data(text));
        }
        check_values(rows)?;
        let Settings { metric, p, novelty, .. } = *settings;
        let prepared = if metric == Metric::Cosine { CowArray::from(directions(rows)) } else { CowArray::from(rows) };
        let kept = keep(prepared.view(), settings, seed)?;
        let tree = Tree::build(prepared.view(), &kept.numbers, has_coarse(metric, p));
        let counts = tree.order().iter().map(|rank| kept.counts[*rank as usize]).collect();
        let neighbours = settings.neighbours_among(kept.numbers.len());
        Ok(Self { width: rows.ncols(), neighbours, metric, p, novelty, tree, counts })
    }

    /// How many features a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows are kept, at least 2.
    pub fn rows(&self) -> usize {
        self.counts.len()
    }

    /// How many neighbours a row has: at least 1, at most all rows but one.
    pub fn neighbours(&self) -> usize {
        self.neighbours
    }

    /// How often the row at a position occurs in the training rows; 1 if duplicates are kept.
    pub fn count(&self, position: u32) -> u32 {
        self.counts[position as usize]
    }

    /// The place among the kept rows, in the order of the training rows, of the row at a position.
    pub fn rank(&self, position: u32) -> u32 {
        self.tree.order()[position as usize]
    }

    /// Memory for searches.
    pub fn search(&self) -> Search {
        // One more: the row itself may be found, and left out then.
        let most = self.neighbours + 1;
        Search { nearest: Nearest::new(most), row: Vec::new(), list: Shortlist::new(most), found: Vec::with_capacity(most) }
    }

    /// The neighbours of a row of finite values.
    pub fn neighbours_of<'a>(&self, row: &[f64], search: &'a mut Search) -> Found<'a> {
        self.prepare(row, &mut search.row);
        search.nearest.clear(self.neighbours + usize::from(!self.novelty));
        with_distance!(self.metric, self.p, distance => {
            self.tree.search(distance, &search.row, &mut search.list, None, &mut search.nearest);
            let mut found = search.nearest.take();
            let own = if self.novelty { None } else { self.own(found, &search.row) };
            if let Some(place) = own {
                // What lies before it is equally near, at distance 0.
                found[..=place].rotate_right(1);
                let own = found[0].position;
                found = &mut found[1..];
                Found { neighbours: rooted(distance, found, &mut search.found), own: Some(own) }
            } else {
                found = &mut found[..self.neighbours];
                Found { neighbours: rooted(distance, found, &mut search.found), own: None }
            }
        })
    }

    /// The neighbours of the row at a position, itself left out.
    pub fn neighbours_at<'a>(&self, position: u32, search: &'a mut Search) -> &'a [Neighbour] {
        search.row.clear();
        search.row.extend_from_slice(self.tree.row(position as usize));
        search.nearest.clear(self.neighbours);
        with_distance!(self.metric, self.p, distance => {
            self.tree.search(distance, &search.row, &mut search.list, Some(position), &mut search.nearest);
            rooted(distance, search.nearest.take(), &mut search.found)
        })
    }

    /// How far the rows at two positions are from each other: what a search says, bit for bit.
    pub fn distance(&self, one: u32, other: u32) -> f64 {
        let pairs = self.tree.row(other as usize).iter().zip(self.tree.row(one as usize));
        with_distance!(self.metric, self.p, distance => {
            distance.root(pairs.fold(0.0, |sum, (one, other)| sum + distance.part(one - other)))
        })
    }

    /// The place of the first candidate that equals the row.
    fn own(&self, found: &[Candidate], row: &[f64]) -> Option<usize> {
        let equal = |near: &&Candidate| self.tree.row(near.position as usize) == row;
        found.iter().take_while(|near| near.sum == 0.0).find(equal).and_then(|own| found.iter().position(|near| near == own))
    }

    fn prepare(&self, row: &[f64], into: &mut Vec<f64>) {
        into.clear();
        if self.metric == Metric::Cosine { direct(ArrayView1::from(row), into) } else { into.extend_from_slice(row) }
    }

    /// Each feature's share of the distances to some of a row's neighbours, together 1: as the features' squared differences, summed over
    /// the neighbours, relate to each other (differences for `manhattan`, their powers for `minkowski`, squared differences of the
    /// directions for `cosine`). Where the row equals all of these neighbours every feature has the same share.
    pub fn shares(&self, row: &[f64], neighbours: &[Neighbour]) -> Vec<f64> {
        let mut prepared = Vec::with_capacity(self.width + 1);
        self.prepare(row, &mut prepared);
        let difference =
            |near: &Neighbour, feature: usize| (prepared[feature] - self.tree.row(near.position as usize)[feature]).abs().min(f64::MAX);
        let features = || 0..self.width;
        // Differences in units of the greatest: their powers stay finite.
        let greatest = neighbours.iter().flat_map(|near| features().map(move |feature| difference(near, feature))).fold(0.0, f64::max);
        if greatest == 0.0 {
            return vec![1.0 / self.width as f64; self.width];
        }
        let parts: Vec<f64> = with_distance!(self.metric, self.p, distance => {
            let part = |feature| neighbours.iter().map(|near| distance.part(difference(near, feature) / greatest)).sum();
            features().map(part).collect()
        });
        let whole: f64 = parts.iter().sum();
        parts.into_iter().map(|part| part / whole).collect()
    }

    /// Writes what [`Reference::read`] reads.
    pub fn write(&self, writer: &mut Writer) {
        writer.number(self.width as u64).number(self.neighbours as u64).number(self.metric as u64).real(self.p);
        writer.number(u64::from(self.novelty)).numbers(self.tree.order()).numbers(&self.counts).reals(self.tree.rows());
    }

    /// Reads what [`Reference::write`] wrote.
    ///
    /// # Errors
    /// When the bytes are no such rows.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (width, neighbours, metric, p) = (reader.number()?, reader.number()?, reader.number()?, reader.real()?);
        let (novelty, order, counts, rows) = (reader.number()?, reader.numbers()?, reader.numbers()?, reader.reals()?);
        let (width, neighbours) = (usize::try_from(width).unwrap_or(0), usize::try_from(neighbours).unwrap_or(0));
        let metric = Metric::ALL.into_iter().find(|known| *known as u64 == metric).ok_or_else(|| damaged("metric"))?;
        let stored = width.saturating_add(usize::from(metric == Metric::Cosine));

        check(width > 0 && order.len().checked_mul(stored) == Some(rows.len()), "rows")?;
        check(order.len() <= MOST_ROWS && (1..order.len()).contains(&neighbours), "number of neighbours")?;
        check(p.is_finite() && p >= 1.0, "p")?;
        check(novelty <= 1, "novelty")?;
        check(is_permutation(&order), "order")?;
        check(counts.len() == order.len() && counts.iter().all(|count| *count > 0), "counts")?;
        check(rows.iter().all(|value| value.is_finite()), "rows")?;
        let tree = Tree::from_sorted(stored, order, rows, has_coarse(metric, p));
        Ok(Self { width, neighbours, metric, p, novelty: novelty == 1, tree, counts })
    }
}

/// Whether rows are searched by a coarse copy with this metric.
fn has_coarse(metric: Metric, p: f64) -> bool {
    fn of<D: Distance>(_: D) -> bool {
        D::COARSE
    }
    with_distance!(metric, p, distance => of(distance))
}

/// Merges and thins.
fn keep(rows: ArrayView2<'_, f64>, settings: &Settings, seed: u64) -> Result<Kept, Error> {
    let different = match settings.duplicates {
        Duplicates::Merge => Kept::different(rows),
        Duplicates::Keep => Kept::all(rows.nrows()),
    };
    let found = different.numbers.len();
    if found < 2 {
        let mend = "leave the detector out, or set `duplicates: keep`";
        return Err(Error::Data(format!("all {} rows are equal, and none has another as neighbour: {mend}", rows.nrows())));
    }
    let kept = different.thin(settings.max_rows, seed);
    if kept.numbers.len() < found {
        synod_sdk::log::info(&format!("max_rows: {} of {found} different rows are kept", kept.numbers.len()));
    }
    Ok(kept)
}

fn rooted<'a, D: Distance>(distance: D, found: &[Candidate], into: &'a mut Vec<Neighbour>) -> &'a [Neighbour] {
    into.clear();
    into.extend(found.iter().map(|near| Neighbour { distance: distance.root(near.sum), position: near.position }));
    into
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
mod tests;
