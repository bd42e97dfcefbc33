//! What a detector sees of a row: its features, in its order, on its scales. A [`View`] is kept with each model; a [`Plan`] computes the
//! views of several detectors at once, and what they share only once.

use crate::feature::Compiled;
use crate::{Batch, Definition, Encoder, FeatureError, FittedFeature, Kind, Scaling, Schema, TimeFormat};
use serde::{Deserialize, Serialize};

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
    /// Learns from the training rows.
    ///
    /// # Errors
    /// When a definition does not fit the schema.
    pub fn fit(definitions: &[Definition], schema: &Schema, training: &Batch) -> Result<Self, FeatureError> {
        let features =
            definitions.iter().map(|definition| FittedFeature::fit(definition, schema, training)).collect::<Result<Vec<_>, _>>()?;
        let bound = |field: &crate::Field| BoundField { name: field.name.clone(), kind: field.kind, format: field.format };
        Ok(Self { features, fields: schema.fields().iter().map(bound).collect() })
    }

    /// The names of the numbers that the detector sees, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.features.iter().flat_map(|feature| feature.columns.iter().map(|column| column.name.as_str()))
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
}

/// Computes several views of the same rows.
#[derive(Debug, Clone)]
pub struct Plan {
    slots: Vec<Slot>,
    views: Vec<Vec<PlannedColumn>>,
}

impl Plan {
    /// Binds the views to the schema.
    ///
    /// # Errors
    /// When a view names a field that the schema does not have.
    pub fn new(schema: &Schema, views: &[&View]) -> Result<Self, FeatureError> {
        let mut slots: Vec<(&FittedFeature, Slot)> = Vec::new();
        let mut width = 0;
        let mut planned = Vec::with_capacity(views.len());
        for view in views {
            let mut columns = Vec::new();
            for feature in &view.features {
                let start = match slots.iter().find(|(known, _)| same_source(known, feature)) {
                    Some((_, slot)) => slot.start,
                    None => {
                        let source = Compiled::new(&feature.definition.source, schema)?;
                        slots.push((feature, Slot { source, encoder: feature.encoder.clone(), start: width }));
                        width += feature.columns.len();
                        width - feature.columns.len()
                    }
                };
                let column = |(index, column): (usize, &crate::feature::FittedColumn)| PlannedColumn {
                    from: start + index,
                    fill: column.fill,
                    scaling: column.scaling,
                };
                columns.extend(feature.columns.iter().enumerate().map(column));
            }
            planned.push(columns);
        }
        Ok(Self { slots: slots.into_iter().map(|(_, slot)| slot).collect(), views: planned })
    }

    /// A matrix for each view, with a row for each row of the batch. A row's numbers depend on that row alone.
    pub fn compute(&self, batch: &Batch) -> Vec<Matrix> {
        let matrix =
            |columns: &Vec<PlannedColumn>| Matrix { width: columns.len().max(1), values: Vec::with_capacity(batch.rows() * columns.len()) };
        let mut matrices: Vec<Matrix> = self.views.iter().map(matrix).collect();
        let mut values = Vec::new();
        for row in 0..batch.rows() {
            values.clear();
            for slot in &self.slots {
                slot.source.append(slot.encoder.as_ref(), batch, row, &mut values);
            }
            for (matrix, columns) in matrices.iter_mut().zip(&self.views) {
                matrix.values.extend(columns.iter().map(|column| column.value(values[column.from])));
            }
        }
        matrices
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
        View::fit(&definitions(), &schema(), &batch(&[(Some(1.0), 0, 0), (Some(3.0), 1, 0), (None, 0, 0)])).unwrap()
    }

    #[test]
    fn a_view_is_its_features_in_order() {
        let view = fitted();
        assert_eq!(view.columns().collect::<Vec<_>>(), ["amount", "log", "channel=ATM", "channel=Online", "hour"]);
        let plan = Plan::new(&schema(), &[&view]).unwrap();
        let matrix = &plan.compute(&batch(&[(Some(3.0), 1, 0), (None, 2, 0)]))[0];
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
            let plan = Plan::new(&schema(), &[&view, &view]).unwrap();
            let together = plan.compute(&batch(&rows));
            for (index, row) in rows.iter().enumerate() {
                let alone = plan.compute(&batch(&[*row]));
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(alone[0].row(0)), bits(together[1].row(index)));
            }
        }
    }
}
