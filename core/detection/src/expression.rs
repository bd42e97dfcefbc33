//! Arithmetic over the fields of a row, as `log1p(amount) / (balance + 1)`.
//!
//! A name is a field (in backquotes if it has blanks: `` `IP Address` ``). Operators, weakest first: `or`, `and`, `not`, comparisons
//! (`== != < <= > >=`, answering 1 or 0), `+ -`, `* / %`, unary `-`, `^`. Text fields can be compared with text: `channel == "ATM"`.
//! A missing value makes every result missing, but for `missing(field)`. A result that is no finite number is missing as well.

mod parse;
mod program;

use crate::{Batch, Schema};
use program::Op;
use thiserror::Error;

/// Deepest nesting, and most values that wait at once.
const DEPTH: usize = 32;

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} (at column {column} of `{text}`)")]
pub struct ExpressionError {
    /// What is wrong and how to mend it.
    pub message: String,
    /// Where, counted in characters from 1.
    pub column: usize,
    /// The expression.
    pub text: String,
}

/// An expression that is ready to be computed.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    program: Vec<Op>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expression {
    /// Compiles the text for rows of this schema.
    ///
    /// # Errors
    /// When it cannot be read, names a field that is not there, or uses text or time as a number.
    pub fn compile(text: &str, schema: &Schema) -> Result<Self, ExpressionError> {
        Self::compile_with(text, schema, &[])
    }

    /// Compiles the text for rows of this schema and for values of the row's past, by these names.
    ///
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile_with(text: &str, schema: &Schema, past: &[&str]) -> Result<Self, ExpressionError> {
        let fail = |(offset, message): (usize, String)| {
            let column = text.get(..offset).unwrap_or(text).chars().count() + 1;
            ExpressionError { message, column, text: text.into() }
        };
        let tree = parse::parse(text).map_err(fail)?;
        let program = program::compile(&tree, schema, past).map_err(fail)?;
        Ok(Self { text: text.into(), program })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value for a row; NaN if it is missing.
    pub fn value(&self, batch: &Batch, row: usize) -> f64 {
        self.value_with(batch, row, &[])
    }

    /// As [`Expression::value`], with the values of the past in the order of their names.
    pub fn value_with(&self, batch: &Batch, row: usize, past: &[f64]) -> f64 {
        let value = program::run(&self.program, batch, row, past);
        // Dividing by zero gives an infinity, which no detector takes.
        if value.is_finite() { value } else { f64::NAN }
    }
}

impl Expression {
    /// The fields that it reads.
    pub(crate) fn fields(&self) -> Vec<usize> {
        let field = |op: &Op| match op {
            Op::Field(field) | Op::IsText(field, _) | Op::Missing(field) => Some(*field),
            _ => None,
        };
        self.program.iter().filter_map(field).collect()
    }

    /// The places of the values of the past that it reads.
    pub(crate) fn past(&self) -> impl Iterator<Item = usize> {
        self.program.iter().filter_map(|op| match op {
            Op::Past(place) | Op::PastMissing(place) => Some(*place),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Kind, Value};

    fn schema() -> Schema {
        let number = |name| Field { required: false, ..Field::new(name, Kind::Number) };
        Schema::new(vec![number("a"), number("b"), Field::new("IP Address", Kind::Text), Field::new("at", Kind::Time)]).unwrap()
    }

    fn value(text: &str) -> f64 {
        let schema = schema();
        let mut batch = Batch::new(&schema);
        let mut row = batch.row(&schema);
        row.set(0, Value::Number(3.0));
        row.set(2, Value::Text("x"));
        row.set(3, Value::Text("2026-01-01"));
        row.finish().unwrap();
        Expression::compile(text, &schema).unwrap_or_else(|error| panic!("{error}")).value(&batch, 0)
    }

    #[test]
    fn precedence_is_the_usual_one() {
        let table = [
            ("1 + 2 * a", 7.0),
            ("(1 + 2) * a", 9.0),
            ("2 ^ 3 ^ 2", 512.0),
            ("-a ^ 2", -9.0),
            ("10 - 4 - 3", 3.0),
            ("7 % 4", 3.0),
            ("a > 2 and not a > 5", 1.0),
            ("a == 3 or a == 4", 1.0),
            ("1e3 + .5", 1000.5),
            ("if(a > 2, 10, 20)", 10.0),
            ("min(a, 2) + max(a, 2) + abs(-1)", 6.0),
            ("log1p(0) + exp(0) + sqrt(4) + floor(1.5) + round(2.5)", 6.0),
            ("`IP Address` == \"x\"", 1.0),
            ("`IP Address` != \"x\"", 0.0),
            ("missing(b) - missing(a)", 1.0),
        ];
        for (text, expected) in table {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn missing_stays_missing_and_infinity_becomes_it() {
        for text in ["a + b", "b > 1", "1 / 0", "log(-1)", "if(b, 1, 2)", "min(a, b)", "not b", "b and 0"] {
            assert!(value(text).is_nan(), "{text}");
        }
    }

    #[test]
    fn a_mistake_names_its_place_and_the_mend() {
        let table = [
            ("a +", 4, "ends too early"),
            ("amount", 1, "there is no field `amount`"),
            ("at + 1", 1, "holds a time"),
            ("`IP Address` + 1", 1, "holds text"),
            ("`IP Address` == 1", 1, "compared with text"),
            ("a $ b", 3, "unexpected `$`"),
            ("(a", 3, "`)` is missing"),
            ("logg(a)", 1, "no function `logg`"),
            ("min(a)", 1, "takes 2"),
            ("a b", 3, "unexpected `b`"),
        ];
        for (text, column, message) in table {
            let error = Expression::compile(text, &schema()).unwrap_err();
            assert!(error.message.contains(message) && error.column == column, "{text}: {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(Expression::compile(&deep, &schema()).unwrap_err().message.contains("nested"));
        let long = format!("{}a", "-".repeat(10_000));
        assert!(Expression::compile(&long, &schema()).unwrap_err().message.contains("nested"));
        let wide = vec!["a"; 501].join(" + ");
        assert_eq!(value(&wide), 1_503.0);
        assert!(Expression::compile(&format!("{wide} + a"), &schema()).unwrap_err().message.contains("split it"));
    }
}
