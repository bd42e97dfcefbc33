//! A feature: how it is declared, what it learns from the training rows, and how it is computed for a row.

use crate::encoding::MOST_COLUMNS;
use crate::{Batch, CalendarPart, Cyclic, Encoder, Encoding, Expression, ExpressionError, Kind, Scale, Scaling, Schema, scale};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a feature's number comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Arithmetic over the row's fields; the text of an [`Expression`].
    Expression(String),
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
        Compiled::new(&self.source, schema).map(drop)
    }
}

/// A source bound to the places of the schema's fields.
#[derive(Debug, Clone)]
pub(crate) enum Compiled {
    Expression(Expression),
    Calendar { field: usize, part: CalendarPart, cyclic: Option<Cyclic> },
    Encoding { field: usize },
}

impl Compiled {
    pub(crate) fn new(source: &Source, schema: &Schema) -> Result<Self, FeatureError> {
        Ok(match source {
            Source::Expression(text) => Self::Expression(Expression::compile(text, schema)?),
            Source::Calendar { part, cyclic: Some(_), .. } if part.cycle().is_none() => return Err(FeatureError::NoCycle),
            Source::Calendar { of, part, cyclic } => Self::Calendar { field: field(schema, of, Kind::Time)?, part: *part, cyclic: *cyclic },
            Source::Encoding { of, .. } => Self::Encoding { field: field(schema, of, Kind::Text)? },
        })
    }

    /// Appends the source's numbers for a row: one, or as many as the encoder has columns.
    pub(crate) fn append(&self, encoder: Option<&Encoder>, batch: &Batch, row: usize, values: &mut Vec<f64>) {
        match self {
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
}

/// A feature that has seen the training rows. It is kept with the model that was fitted on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedFeature {
    /// As declared.
    pub definition: Definition,
    pub(crate) encoder: Option<Encoder>,
    pub(crate) columns: Vec<FittedColumn>,
}

impl FittedFeature {
    /// Learns encoder, scaler and the stand-in for missing values from the training rows.
    ///
    /// # Errors
    /// When the definition does not fit the schema, or has too many categories.
    pub fn fit(definition: &Definition, schema: &Schema, training: &Batch) -> Result<Self, FeatureError> {
        let compiled = Compiled::new(&definition.source, schema)?;
        let encoder = match (&definition.source, &compiled) {
            (Source::Encoding { encoding, .. }, Compiled::Encoding { field }) => Some(learn_encoder(*encoding, schema, *field, training)?),
            _ => None,
        };
        let suffixes = encoder.as_ref().map_or_else(|| vec![String::new()], Encoder::suffixes);
        let mut values = Vec::with_capacity(training.rows() * suffixes.len());
        for row in 0..training.rows() {
            compiled.append(encoder.as_ref(), training, row, &mut values);
        }
        let width = suffixes.len();
        let column = |(index, suffix)| {
            let own: Vec<f64> = values.iter().skip(index).step_by(width).copied().collect();
            learn_column(definition, format!("{}{suffix}", definition.name), &own)
        };
        let columns = suffixes.into_iter().enumerate().map(column).collect();
        Ok(Self { definition: definition.clone(), encoder, columns })
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
    FittedColumn { name, scaling: Scaling::learn(definition.scale, values), fill }
}

fn median(values: &[f64]) -> f64 {
    let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    present.sort_by(f64::total_cmp);
    if present.is_empty() { 0.0 } else { scale::quantile(&present, 0.5) }
}
