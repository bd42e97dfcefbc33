//! A feature: how it is declared, what it learns from the training rows, and how it is computed for a row.

use crate::drift::Reference;
use crate::encoding::MOST_COLUMNS;
use crate::history::{HistoryPlan, Past, PastValues};
use crate::{Batch, CalendarPart, Cyclic, Encoder, Encoding, Expression, ExpressionError, Kind, Scale, Scaling, Schema, scale};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most values of the past that one expression names.
const MOST_NAMED: usize = 16;

/// Where a feature's number comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Arithmetic over the row's fields; the text of an [`Expression`].
    Expression(String),
    /// Arithmetic over the row's fields and over what was asked of its past.
    Derived {
        /// The text of an [`Expression`].
        expression: String,
        /// What the names in it that are no fields stand for.
        from: Vec<(String, Past)>,
    },
    /// A value from the history of the row's entity.
    History(Past),
    /// A part of a moment, or its place on the circle.
    Calendar {
        /// The time field.
        of: String,
        /// Which part.
        part: CalendarPart,
        /// Which coordinate, if it is to be cyclic.
        cyclic: Option<Cyclic>,
    },
    /// A text field as numbers.
    Encoding {
        /// The text field.
        of: String,
        /// How.
        encoding: Encoding,
    },
}

/// What stands in for a missing value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// This number.
    Number(f64),
    /// The median of the training rows.
    Median,
}

/// A feature as declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Where the number comes from.
    pub source: Source,
    /// How it is scaled.
    pub scale: Scale,
    /// What stands in for a missing value; without it the value stays missing, and a detector that cannot take that abstains.
    pub missing: Option<Missing>,
}

/// Why a feature cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeatureError {
    /// The expression is wrong.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// The field is not there, or has another type.
    #[error("{0}")]
    Field(String),
    /// A part of the calendar that does not come round again was asked for as a circle.
    #[error("this part of the calendar has no cycle: leave `cyclic` out")]
    NoCycle,
    /// One-hot encoding would make too many columns.
    #[error(
        "field `{field}` has {found} values in the training rows, and one_hot makes at most {MOST_COLUMNS} columns: use frequency or ordinal"
    )]
    TooManyCategories {
        /// The field.
        field: String,
        /// How many were found.
        found: usize,
    },
}

impl Definition {
    /// Checks the definition against the schema.
    ///
    /// # Errors
    /// When it names a field that is not there or has the wrong type.
    pub fn check(&self, schema: &Schema) -> Result<(), FeatureError> {
        let history = HistoryPlan::new(schema, self.source.past())?;
        Compiled::new(&self.source, schema, &history).map(drop)
    }
}

impl Source {
    /// What it asks of the past.
    pub fn past(&self) -> impl Iterator<Item = &Past> {
        let (own, derived) = match self {
            Self::History(past) => (Some(past), None),
            Self::Derived { from, .. } => (None, Some(from.iter().map(|(_, past)| past))),
            _ => (None, None),
        };
        own.into_iter().chain(derived.into_iter().flatten())
    }

    /// An expression that may name values of the past: those among `known` that it does name become a part of it.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub fn expression(text: &str, schema: &Schema, known: &[(&str, &Past)]) -> Result<Self, FeatureError> {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let expression = Expression::compile_with(text, schema, &names)?;
        let mut places: Vec<usize> = expression.past().collect();
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            return Ok(Self::Expression(text.into()));
        }
        if places.len() > MOST_NAMED {
            return Err(FeatureError::Field(format!("an expression can name at most {MOST_NAMED} history features")));
        }
        let from = places.into_iter().map(|place| (known[place].0.to_owned(), known[place].1.clone())).collect();
        Ok(Self::Derived { expression: text.into(), from })
    }
}

/// A source bound to the places of the schema's fields.
#[derive(Debug, Clone)]
pub(crate) enum Compiled {
    Expression(Expression),
    /// With the places of the values that its names stand for.
    Derived(Expression, Vec<usize>),
    /// The place of a value.
    History(usize),
    Calendar {
        field: usize,
        part: CalendarPart,
        cyclic: Option<Cyclic>,
    },
    Encoding {
        field: usize,
    },
}

impl Compiled {
    pub(crate) fn new(source: &Source, schema: &Schema, history: &HistoryPlan) -> Result<Self, FeatureError> {
        let place =
            |past: &Past| history.place(past).ok_or_else(|| FeatureError::Field(format!("nothing is kept of the past for \"{past}\"")));
        Ok(match source {
            Source::Derived { expression, from } => {
                let names: Vec<&str> = from.iter().map(|(name, _)| name.as_str()).collect();
                let places = from.iter().map(|(_, past)| place(past)).collect::<Result<_, _>>()?;
                Self::Derived(Expression::compile_with(expression, schema, &names)?, places)
            }
            Source::History(past) => Self::History(place(past)?),
            Source::Expression(text) => Self::Expression(Expression::compile(text, schema)?),
            Source::Calendar { part, cyclic: Some(_), .. } if part.cycle().is_none() => return Err(FeatureError::NoCycle),
            Source::Calendar { of, part, cyclic } => Self::Calendar { field: field(schema, of, Kind::Time)?, part: *part, cyclic: *cyclic },
            Source::Encoding { of, .. } => Self::Encoding { field: field(schema, of, Kind::Text)? },
        })
    }

    /// Appends the source's numbers for a row: one, or as many as the encoder has columns.
    pub(crate) fn append(&self, encoder: Option<&Encoder>, batch: &Batch, row: usize, past: &[f64], values: &mut Vec<f64>) {
        match self {
            Self::History(place) => values.push(past[*place]),
            Self::Derived(expression, places) => {
                let mut named = [f64::NAN; MOST_NAMED];
                places.iter().zip(&mut named).for_each(|(place, value)| *value = past[*place]);
                values.push(expression.value_with(batch, row, &named[..places.len()]));
            }
            Self::Expression(expression) => values.push(expression.value(batch, row)),
            Self::Calendar { field, part, cyclic } => {
                let value = batch.moment(*field, row).map_or(f64::NAN, |moment| part.of(moment));
                values.push(cyclic.map_or(value, |coordinate| part.on_circle(value, coordinate)));
            }
            Self::Encoding { field } => {
                let encoder = encoder.expect("a fitted encoding has its encoder");
                encoder.encode(batch.text(*field, row), values);
            }
        }
    }
}

fn field(schema: &Schema, name: &str, kind: Kind) -> Result<usize, FeatureError> {
    let wrong = |why: &str| Err(FeatureError::Field(format!("field `{name}` {why}")));
    match schema.index(name) {
        None => wrong("is not in the schema"),
        Some(index) if schema.fields()[index].kind != kind && kind == Kind::Time => wrong("holds no time"),
        Some(index) if schema.fields()[index].kind != kind => wrong("holds no text: use it in an expression"),
        Some(index) => Ok(index),
    }
}

/// One number of a row, with what was learnt about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FittedColumn {
    pub(crate) name: String,
    pub(crate) scaling: Scaling,
    pub(crate) fill: Option<f64>,
    /// The 5 %, 50 % and 95 % quantiles of the training values, before scaling.
    #[serde(default)]
    pub(crate) typical: Option<[f64; 3]>,
}

/// A feature that has seen the training rows. It is kept with the model that was fitted on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedFeature {
    /// As declared.
    pub definition: Definition,
    pub(crate) encoder: Option<Encoder>,
    pub(crate) columns: Vec<FittedColumn>,
    /// How the training values were distributed, before scaling. Models that were fitted before this was kept have none.
    #[serde(default)]
    pub(crate) reference: Option<Reference>,
}

impl FittedFeature {
    /// Learns encoder, scaler, the stand-in for missing values and what drift is measured against from the training rows.
    ///
    /// # Errors
    /// When the definition does not fit the schema, or has too many categories.
    pub fn fit(
        definition: &Definition,
        schema: &Schema,
        history: &HistoryPlan,
        training: &Batch,
        past: &PastValues,
    ) -> Result<Self, FeatureError> {
        let compiled = Compiled::new(&definition.source, schema, history)?;
        let encoder = match (&definition.source, &compiled) {
            (Source::Encoding { encoding, .. }, Compiled::Encoding { field }) => Some(learn_encoder(*encoding, schema, *field, training)?),
            _ => None,
        };
        let suffixes = encoder.as_ref().map_or_else(|| vec![String::new()], Encoder::suffixes);
        let mut values = Vec::with_capacity(training.rows() * suffixes.len());
        for row in 0..training.rows() {
            compiled.append(encoder.as_ref(), training, row, past.row(row), &mut values);
        }
        let width = suffixes.len();
        let column = |(index, suffix)| {
            let own: Vec<f64> = values.iter().skip(index).step_by(width).copied().collect();
            learn_column(definition, format!("{}{suffix}", definition.name), &own)
        };
        let columns = suffixes.into_iter().enumerate().map(column).collect();
        let reference = match &definition.source {
            // The columns together say which category it was.
            Source::Encoding { encoding: Encoding::OneHot, .. } => Reference::of_categories(&values, width),
            _ => Reference::of_values(&values),
        };
        Ok(Self { definition: definition.clone(), encoder, columns, reference: Some(reference) })
    }
}

impl FittedFeature {
    /// How many categories a column's numbers are the codes of, with one for all that are not known; 0 if they are none.
    pub(crate) fn categories(&self, column: &FittedColumn) -> u32 {
        let ordinal = matches!(self.definition.source, Source::Encoding { encoding: Encoding::Ordinal, .. });
        let known = self.encoder.as_ref().map_or(0, Encoder::categories);
        if ordinal && self.definition.scale == Scale::None && column.fill.is_none_or(|fill| fill.fract() == 0.0) {
            known as u32 + 1
        } else {
            0
        }
    }
}

fn learn_encoder(encoding: Encoding, schema: &Schema, field: usize, training: &Batch) -> Result<Encoder, FeatureError> {
    let declared = &schema.fields()[field];
    let encoder = Encoder::learn(encoding, &declared.values, (0..training.rows()).map(|row| training.text(field, row)));
    let found = encoder.suffixes().len();
    if found > MOST_COLUMNS {
        return Err(FeatureError::TooManyCategories { field: declared.name.clone(), found });
    }
    Ok(encoder)
}

fn learn_column(definition: &Definition, name: String, values: &[f64]) -> FittedColumn {
    let fill = definition.missing.map(|missing| match missing {
        Missing::Number(number) => number,
        Missing::Median => median(values),
    });
    FittedColumn { name, scaling: Scaling::learn(definition.scale, values), fill, typical: typical(values) }
}

fn typical(values: &[f64]) -> Option<[f64; 3]> {
    let mut present: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    present.sort_by(f64::total_cmp);
    (!present.is_empty()).then(|| [0.05, 0.5, 0.95].map(|share| scale::quantile(&present, share)))
}

fn median(values: &[f64]) -> f64 {
    let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    present.sort_by(f64::total_cmp);
    if present.is_empty() { 0.0 } else { scale::quantile(&present, 0.5) }
}
