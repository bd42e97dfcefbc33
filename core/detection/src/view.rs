//! What a detector sees of a row: its features, in its order, on its scales. A [`View`] is kept with each model; a [`Plan`] computes the
//! views of several detectors at once, and what they share only once.

use crate::drift::Reference;
use crate::feature::Compiled;
use crate::history::{HistoryPlan, PastValues};
use crate::{Batch, Definition, Encoder, FeatureError, FittedFeature, Kind, Scaling, Schema, Source, TimeFormat};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows of numbers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Numbers in a row; at least 1.
    pub width: usize,
    /// Row `i` is `values[i * width .. (i + 1) * width]`.
    pub values: Vec<f64>,
}

impl Matrix {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// A row.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// The first column of a row that is missing.
    pub fn missing(&self, index: usize) -> Option<usize> {
        self.row(index).iter().position(|value| value.is_nan())
    }

    /// The rows of these indices, in their order.
    pub fn select(&self, rows: impl Iterator<Item = usize>) -> Self {
        Self { width: self.width, values: rows.flat_map(|row| self.row(row).iter().copied()).collect() }
    }
}

/// The fitted features of one detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    features: Vec<FittedFeature>,
    /// The fields that the features read, as the schema declared them when the model was fitted.
    fields: Vec<BoundField>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct BoundField {
    name: String,
    kind: Kind,
    format: TimeFormat,
}

impl View {
    /// Learns from the training rows; `past` has the values of `history` for each of them.
    ///
    /// # Errors
    /// When a definition does not fit the schema.
    pub fn fit(
        definitions: &[Definition],
        schema: &Schema,
        history: &HistoryPlan,
        training: &Batch,
        past: &PastValues,
    ) -> Result<Self, FeatureError> {
        let fit = |definition| FittedFeature::fit(definition, schema, history, training, past);
        let features = definitions.iter().map(fit).collect::<Result<Vec<_>, _>>()?;
        let bound = |field: &crate::Field| BoundField { name: field.name.clone(), kind: field.kind, format: field.format };
        Ok(Self { features, fields: schema.fields().iter().map(bound).collect() })
    }

    /// The names of the numbers that the detector sees, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.features.iter().flat_map(|feature| feature.columns.iter().map(|column| column.name.as_str()))
    }

    /// For each of these numbers how many categories it has, with one for all that are not known: 0 for an ordinary number. Then it is a
    /// category's code.
    pub fn categories(&self) -> impl Iterator<Item = u32> {
        self.features.iter().flat_map(|feature| feature.columns.iter().map(|column| feature.categories(column)))
    }

    /// Where these numbers come from, in their order.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.features.iter().flat_map(|feature| feature.columns.iter().map(|_| &feature.definition.source))
    }

    /// The first difference between what the model was fitted on and what the configuration declares now; none if they are the same.
    /// A model must not be served when there is one: it would see other numbers than it has learnt.
    pub fn difference(&self, definitions: &[Definition], schema: &Schema) -> Option<String> {
        for field in &self.fields {
            match schema.index(&field.name).map(|index| &schema.fields()[index]) {
                None => return Some(format!("it was fitted with the field `{}`, which the schema no longer has", field.name)),
                Some(now) if (now.kind, now.format) != (field.kind, field.format) => {
                    return Some(format!("it was fitted with the field `{}` as {:?}, which is {:?} now", field.name, field.kind, now.kind));
                }
                Some(_) => {}
            }
        }
        let names = |list: Vec<&str>| list.join(", ");
        let fitted: Vec<&str> = self.features.iter().map(|feature| feature.definition.name.as_str()).collect();
        let declared: Vec<&str> = definitions.iter().map(|definition| definition.name.as_str()).collect();
        if fitted != declared {
            return Some(format!("it was fitted with the features {}, the configuration says {}", names(fitted), names(declared)));
        }
        let changed = self.features.iter().zip(definitions).find(|(feature, definition)| feature.definition != **definition);
        changed.map(|(feature, _)| format!("the feature `{}` was declared otherwise when it was fitted", feature.definition.name))
    }
}

/// What is usual for a feature: quantiles of the training rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Typical {
    /// 5 % of the training rows have less.
    pub low: f64,
    /// Half of the training rows have less.
    pub median: f64,
    /// 5 % of the training rows have more.
    pub high: f64,
}

/// A feature that some view shows, among the values of a [`Plan`].
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its name, as it was declared; with `@` and a detector behind it if another one is called so, too.
    pub name: String,
    /// Where its values stand: one, or a column for each category.
    pub columns: Range<usize>,
    /// How its values were distributed in the training rows, if that was kept.
    pub reference: Option<Reference>,
}

/// A source that one or more views use.
#[derive(Debug, Clone)]
struct Slot {
    source: Compiled,
    encoder: Option<Encoder>,
    /// Where its numbers begin among those of all slots.
    start: usize,
}

#[derive(Debug, Clone, Copy)]
struct PlannedColumn {
    /// Which of the slots' numbers.
    from: usize,
    fill: Option<f64>,
    scaling: Scaling,
    typical: Option<[f64; 3]>,
}

/// Computes several views of the same rows, in two steps: the values of all features, as people know them; then what each detector sees
/// of them, on its own scales. The first step is what a decision records; the second can be done again from the record.
#[derive(Debug, Clone)]
pub struct Plan {
    slots: Vec<Slot>,
    names: Vec<String>,
    /// Of the slots that a view shows; they are the first ones.
    seen: Vec<Seen>,
    views: Vec<Vec<PlannedColumn>>,
}

impl Plan {
    /// Binds the views, with the names of their detectors, to the schema and to what is kept of the past.
    ///
    /// # Errors
    /// When a view names a field that the schema does not have, or asks for a past that is not kept.
    pub fn new(schema: &Schema, history: &HistoryPlan, views: &[(&str, &View)]) -> Result<Self, FeatureError> {
        let mut plan = Self { slots: Vec::new(), names: Vec::new(), seen: Vec::new(), views: Vec::with_capacity(views.len()) };
        let mut known: Vec<&FittedFeature> = Vec::new();
        for (detector, view) in views {
            let mut columns = Vec::new();
            for feature in &view.features {
                let slot = match known.iter().position(|known| same_source(known, feature)) {
                    Some(slot) => {
                        let seen = &mut plan.seen[slot].reference;
                        *seen = seen.take().or_else(|| feature.reference.clone());
                        slot
                    }
                    None => {
                        plan.add(schema, history, detector, feature)?;
                        known.push(feature);
                        known.len() - 1
                    }
                };
                let start = plan.slots[slot].start;
                let column = |(index, column): (usize, &crate::feature::FittedColumn)| PlannedColumn {
                    from: start + index,
                    fill: column.fill,
                    scaling: column.scaling,
                    typical: column.typical,
                };
                columns.extend(feature.columns.iter().enumerate().map(column));
            }
            plan.views.push(columns);
        }
        Ok(plan)
    }

    /// Computes these as well, though no detector sees them: for people who look at a decision. One that is computed already, or that
    /// would have to be learnt first, changes nothing.
    ///
    /// # Errors
    /// When one does not fit the schema.
    pub fn with_recorded(mut self, schema: &Schema, history: &HistoryPlan, recorded: &[Definition]) -> Result<Self, FeatureError> {
        for definition in recorded {
            if matches!(definition.source, Source::Encoding { .. }) || self.names.contains(&definition.name) {
                continue;
            }
            let source = Compiled::new(&definition.source, schema, history)?;
            self.slots.push(Slot { source, encoder: None, start: self.names.len() });
            self.names.push(definition.name.clone());
        }
        Ok(self)
    }

    fn add(&mut self, schema: &Schema, history: &HistoryPlan, detector: &str, feature: &FittedFeature) -> Result<(), FeatureError> {
        let source = Compiled::new(&feature.definition.source, schema, history)?;
        let start = self.names.len();
        self.slots.push(Slot { source, encoder: feature.encoder.clone(), start });
        // Detectors that were fitted at different times may have learnt different categories under one name.
        let own = |name: &str, is_taken: bool| if is_taken { format!("{name}@{detector}") } else { name.to_owned() };
        for column in &feature.columns {
            self.names.push(own(&column.name, self.names.contains(&column.name)));
        }
        let name = &feature.definition.name;
        let name = own(name, self.seen.iter().any(|seen| seen.name == *name));
        self.seen.push(Seen { name, columns: start..self.names.len(), reference: feature.reference.clone() });
        Ok(())
    }

    /// The names of the features' values, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The features that some view shows, in the order in which the views name them.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// How many columns each view has.
    pub fn widths(&self) -> impl Iterator<Item = usize> {
        self.views.iter().map(Vec::len)
    }

    /// The name of the value that a view's column is made of.
    pub fn value_of(&self, view: usize, column: usize) -> usize {
        self.views[view][column].from
    }

    /// What is usual for a view's column, before scaling.
    pub fn typical(&self, view: usize, column: usize) -> Option<Typical> {
        self.views[view][column].typical.map(|[low, median, high]| Typical { low, median, high })
    }

    /// The values of all features, before stand-ins and scaling; a row for each row of the batch. A row's values depend on that row and on
    /// its past alone.
    pub fn values(&self, batch: &Batch, past: &PastValues) -> Matrix {
        let mut values = Vec::with_capacity(batch.rows() * self.names.len());
        for row in 0..batch.rows() {
            for slot in &self.slots {
                slot.source.append(slot.encoder.as_ref(), batch, row, past.row(row), &mut values);
            }
        }
        Matrix { width: self.names.len().max(1), values }
    }

    /// What each view shows of these values: a matrix for each, with the same rows.
    pub fn inputs(&self, values: &Matrix) -> Vec<Matrix> {
        let input = |columns: &Vec<PlannedColumn>| {
            let mut input = Vec::with_capacity(values.rows() * columns.len());
            for row in values.values.chunks_exact(values.width) {
                input.extend(columns.iter().map(|column| column.value(row[column.from])));
            }
            Matrix { width: columns.len().max(1), values: input }
        };
        self.views.iter().map(input).collect()
    }

    /// Both steps.
    pub fn compute(&self, batch: &Batch, past: &PastValues) -> Vec<Matrix> {
        self.inputs(&self.values(batch, past))
    }
}

impl PlannedColumn {
    fn value(&self, value: f64) -> f64 {
        let value = if value.is_nan() { self.fill.unwrap_or(value) } else { value };
        let scaled = self.scaling.apply(value);
        if scaled.is_finite() { scaled } else { f64::NAN }
    }
}

fn same_source(one: &FittedFeature, other: &FittedFeature) -> bool {
    one.definition.source == other.definition.source && one.encoder == other.encoder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CalendarPart, Cyclic, Encoding, Field, Missing, Scale, Source, Value};
    use proptest::prelude::*;

    fn schema() -> Schema {
        let optional = Field { required: false, ..Field::new("amount", Kind::Number) };
        Schema::new(vec![optional, Field::new("channel", Kind::Text), Field::new("at", Kind::Time)]).unwrap()
    }

    fn definitions() -> Vec<Definition> {
        let make = |name: &str, source, scale, missing| Definition { name: name.into(), source, scale, missing };
        vec![
            make("amount", Source::Expression("amount".into()), Scale::Standard, Some(Missing::Median)),
            make("log", Source::Expression("log(amount)".into()), Scale::None, None),
            make("channel", Source::Encoding { of: "channel".into(), encoding: Encoding::OneHot }, Scale::None, None),
            make("hour", Source::Calendar { of: "at".into(), part: CalendarPart::Hour, cyclic: Some(Cyclic::Cosine) }, Scale::None, None),
        ]
    }

    fn batch(rows: &[(Option<f64>, u8, i64)]) -> Batch {
        let schema = schema();
        let mut batch = Batch::new(&schema);
        for (amount, channel, at) in rows {
            let mut row = batch.row(&schema);
            row.set(0, amount.map_or(Value::Missing, Value::Number));
            row.set(1, Value::Text(["ATM", "Online", "Branch"][usize::from(channel % 3)]));
            row.set(2, Value::Time(at % 4_000_000_000_000_000));
            row.finish().unwrap();
        }
        batch
    }

    fn fitted() -> View {
        let training = batch(&[(Some(1.0), 0, 0), (Some(3.0), 1, 0), (None, 0, 0)]);
        View::fit(&definitions(), &schema(), &HistoryPlan::default(), &training, &PastValues::none(3)).unwrap()
    }

    fn plan(views: &[&View]) -> Plan {
        let named: Vec<(&str, &View)> = views.iter().map(|view| ("a", *view)).collect();
        Plan::new(&schema(), &HistoryPlan::default(), &named).unwrap()
    }

    #[test]
    fn a_view_is_its_features_in_order() {
        let view = fitted();
        assert_eq!(view.columns().collect::<Vec<_>>(), ["amount", "log", "channel=ATM", "channel=Online", "hour"]);
        let plan = plan(&[&view]);
        let matrix = &plan.compute(&batch(&[(Some(3.0), 1, 0), (None, 2, 0)]), &PastValues::none(2))[0];
        assert_eq!(matrix.row(0), [1.0, 3.0_f64.ln(), 0.0, 1.0, 1.0]);
        assert_eq!(matrix.row(1)[0], 0.0, "a missing amount is the median");
        assert_eq!(matrix.missing(1), Some(1), "the logarithm has no stand-in");
    }

    #[test]
    fn another_declaration_is_a_difference() {
        let view = fitted();
        assert_eq!(view.difference(&definitions(), &schema()), None);
        let mut reversed = definitions();
        reversed.reverse();
        assert!(view.difference(&reversed, &schema()).unwrap().contains("fitted with the features amount, log"));
        let mut rescaled = definitions();
        rescaled[1].scale = Scale::Robust;
        assert!(view.difference(&rescaled, &schema()).unwrap().contains("`log`"));
        let other = Schema::new(vec![Field::new("amount", Kind::Text), Field::new("channel", Kind::Text), Field::new("at", Kind::Time)]);
        assert!(view.difference(&definitions(), &other.unwrap()).unwrap().contains("as Number"));
    }

    #[test]
    fn a_view_survives_being_stored() {
        let view = fitted();
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<View>(&text).unwrap(), view);
    }

    proptest! {
        #[test]
        fn a_row_is_the_same_alone_and_in_any_batch(rows in prop::collection::vec((prop::option::of(-1e6..1e6_f64), 0..9_u8, 0..i64::MAX), 1..20)) {
            let view = fitted();
            let plan = plan(&[&view, &view]);
            let together = plan.compute(&batch(&rows), &PastValues::none(rows.len()));
            for (index, row) in rows.iter().enumerate() {
                let alone = plan.compute(&batch(&[*row]), &PastValues::none(1));
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(alone[0].row(0)), bits(together[1].row(index)));
            }
        }
    }
}
