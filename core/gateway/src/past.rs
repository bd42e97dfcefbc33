//! The past of the rows of a file: what its history features are, and which rows repeat others.

use crate::config::Config;
use std::collections::HashMap;
use std::sync::Arc;
use synod_detection::Batch;
use synod_detection::history::{Histories, PastValues, Realm};

/// In which order the rows of a file happened, as far as their histories are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Order {
    /// By the time of the event; rows of one time in the order of the file.
    #[default]
    Time,
    /// As the rows stand in the file, as a server would have got them.
    Arrival,
}

/// What a row's id says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// It is the first with its id, or has none.
    No,
    /// An earlier row is the same.
    Same(usize),
    /// An earlier row has the same id, and is another.
    Other(usize),
}

/// The past of each row of a batch.
#[derive(Debug)]
pub struct FilePast {
    /// The values of the history features, in the order of the rows.
    pub values: PastValues,
    /// Which rows repeat an earlier one. They have its values, and are not remembered a second time.
    pub repeated: Vec<Repeated>,
}

impl FilePast {
    /// How many rows repeat another, and how many have the id of another.
    pub fn repeats(&self) -> (usize, usize) {
        let count = |wanted: fn(&Repeated) -> bool| self.repeated.iter().filter(|repeated| wanted(repeated)).count();
        (count(|repeated| matches!(repeated, Repeated::Same(_))), count(|repeated| matches!(repeated, Repeated::Other(_))))
    }

    /// How many rows came later than the lateness.
    pub fn late(&self) -> usize {
        (0..self.values.rows()).filter(|row| self.values.seen(*row).late).count()
    }
}

/// Goes through the rows as they happened.
pub fn of_rows(config: &Config, batch: &Batch, order: Order) -> FilePast {
    let order = sequence(config, batch, order);
    let repeated = repeated(config, batch, &order);
    // The secret keeps clients apart; a file has none.
    let mut histories = Histories::new(Arc::clone(&config.history), config.remembering.bounds, [0; 16]);
    let mut values = PastValues::new(config.history.width());
    let mut place = vec![0; batch.rows()];
    for (index, row) in order.iter().copied().enumerate() {
        histories.look(Realm::COMMON, batch, row, &mut values);
        place[row] = index;
        match repeated[row] {
            Repeated::No => {
                histories.remember(Realm::COMMON, batch, row);
            }
            Repeated::Same(first) => place[row] = place[first],
            Repeated::Other(_) => {}
        }
    }
    FilePast { values: values.select(&place), repeated }
}

/// The rows in the order in which they happened.
pub fn sequence(config: &Config, batch: &Batch, order: Order) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..batch.rows()).collect();
    if let (Order::Time, Some(time)) = (order, config.schema.time()) {
        rows.sort_by_key(|row| batch.moment(time, *row));
    }
    rows
}

fn repeated(config: &Config, batch: &Batch, order: &[usize]) -> Vec<Repeated> {
    let mut repeated = vec![Repeated::No; batch.rows()];
    let Some(id) = config.schema.id() else { return repeated };
    let mut first: HashMap<String, usize> = HashMap::with_capacity(batch.rows());
    for row in order {
        let Some(label) = batch.label(id, *row) else { continue };
        let known = *first.entry(label).or_insert(*row);
        if known != *row {
            repeated[*row] = if batch.same(known, *row) { Repeated::Same(known) } else { Repeated::Other(known) };
        }
    }
    repeated
}
