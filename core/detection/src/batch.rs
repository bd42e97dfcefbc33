//! Rows that the schema has accepted, stored by column.

use crate::{Field, Kind, Schema, Value};

/// What is wrong with one field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// The field's name; empty if it is about the row as a whole.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

#[derive(Debug, Clone)]
enum Column {
    /// Numbers, integers and booleans; NaN is missing.
    Numbers(Vec<f64>),
    Moments(Vec<Option<i64>>),
    Texts(Texts),
}

/// Texts end to end, so that a cell costs no allocation.
#[derive(Debug, Clone, Default)]
struct Texts {
    bytes: String,
    /// Where each text ends, and whether it is there at all.
    cells: Vec<(usize, bool)>,
}

impl Texts {
    fn push(&mut self, text: Option<&str>) {
        self.bytes.push_str(text.unwrap_or_default());
        self.cells.push((self.bytes.len(), text.is_some()));
    }

    fn get(&self, row: usize) -> Option<&str> {
        let start = if row == 0 { 0 } else { self.cells[row - 1].0 };
        let (end, present) = self.cells[row];
        present.then(|| &self.bytes[start..end])
    }

    fn truncate(&mut self, rows: usize) {
        self.cells.truncate(rows);
        self.bytes.truncate(self.cells.last().map_or(0, |cell| cell.0));
    }
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Number | Kind::Integer | Kind::Boolean => Self::Numbers(Vec::new()),
            Kind::Time => Self::Moments(Vec::new()),
            Kind::Text => Self::Texts(Texts::default()),
        }
    }

    fn push(&mut self, field: &Field, value: Value<'_>) -> Result<(), String> {
        match self {
            Self::Numbers(numbers) => numbers.push(field.number(value)?),
            Self::Moments(moments) => moments.push(field.moment(value)?),
            Self::Texts(texts) => texts.push(field.text(value)?),
        }
        Ok(())
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Numbers(numbers) => Self::Numbers(rows.iter().map(|row| numbers[*row]).collect()),
            Self::Moments(moments) => Self::Moments(rows.iter().map(|row| moments[*row]).collect()),
            Self::Texts(texts) => {
                let mut selected = Texts::default();
                rows.iter().for_each(|row| selected.push(texts.get(*row)));
                Self::Texts(selected)
            }
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Self::Numbers(numbers) => numbers.truncate(rows),
            Self::Moments(moments) => moments.truncate(rows),
            Self::Texts(texts) => texts.truncate(rows),
        }
    }
}

/// Rows, each of them whole and allowed by the schema.
#[derive(Debug, Clone)]
pub struct Batch {
    columns: Vec<Column>,
    rows: usize,
}

impl Batch {
    /// An empty batch for rows of this schema.
    pub fn new(schema: &Schema) -> Self {
        Self { columns: schema.fields().iter().map(|field| Column::new(field.kind)).collect(), rows: 0 }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Starts a row. It becomes part of the batch when [`RowWriter::finish`] finds nothing wrong.
    pub fn row<'a>(&'a mut self, schema: &'a Schema) -> RowWriter<'a> {
        let seen = vec![false; schema.fields().len()];
        RowWriter { batch: self, schema, seen, problems: Vec::new() }
    }

    /// The rows of these indices, in their order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { columns: self.columns.iter().map(|column| column.select(rows)).collect(), rows: rows.len() }
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.cut(0);
    }

    fn cut(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.rows = rows;
    }

    /// The number in a field that holds numbers, integers or booleans; NaN if missing.
    pub fn number(&self, field: usize, row: usize) -> f64 {
        match &self.columns[field] {
            Column::Numbers(numbers) => numbers[row],
            Column::Moments(_) | Column::Texts(_) => f64::NAN,
        }
    }

    /// The moment in a time field, in microseconds since 1970.
    pub fn moment(&self, field: usize, row: usize) -> Option<i64> {
        match &self.columns[field] {
            Column::Moments(moments) => moments[row],
            Column::Numbers(_) | Column::Texts(_) => None,
        }
    }

    /// The text in a text field.
    pub fn text(&self, field: usize, row: usize) -> Option<&str> {
        match &self.columns[field] {
            Column::Texts(texts) => texts.get(row),
            Column::Numbers(_) | Column::Moments(_) => None,
        }
    }

    /// Whether a cell is missing.
    pub fn is_missing(&self, field: usize, row: usize) -> bool {
        match &self.columns[field] {
            Column::Numbers(numbers) => numbers[row].is_nan(),
            Column::Moments(moments) => moments[row].is_none(),
            Column::Texts(texts) => texts.get(row).is_none(),
        }
    }

    /// A cell as the schema's type has it, for writing it down.
    pub fn value(&self, schema: &Schema, field: usize, row: usize) -> Value<'_> {
        match (&self.columns[field], schema.fields()[field].kind) {
            (Column::Numbers(numbers), _) if numbers[row].is_nan() => Value::Missing,
            (Column::Numbers(numbers), Kind::Boolean) => Value::Boolean(numbers[row] != 0.0),
            (Column::Numbers(numbers), Kind::Integer) => Value::Integer(numbers[row] as i64),
            (Column::Numbers(numbers), _) => Value::Number(numbers[row]),
            (Column::Moments(moments), _) => moments[row].map_or(Value::Missing, Value::Time),
            (Column::Texts(texts), _) => texts.get(row).map_or(Value::Missing, Value::Text),
        }
    }

    /// Replaces every text of a field, or leaves it out.
    pub fn replace_texts(&mut self, field: usize, with: impl Fn(&str) -> Option<String>) {
        if let Column::Texts(texts) = &mut self.columns[field] {
            let mut replaced = Texts::default();
            (0..texts.cells.len()).for_each(|row| replaced.push(texts.get(row).and_then(&with).as_deref()));
            *texts = replaced;
        }
    }

    /// Makes a field missing in every row.
    pub fn leave_out(&mut self, field: usize) {
        match &mut self.columns[field] {
            Column::Numbers(numbers) => numbers.fill(f64::NAN),
            Column::Moments(moments) => moments.fill(None),
            Column::Texts(texts) => {
                texts.bytes.clear();
                texts.cells.fill((0, false));
            }
        }
    }

    /// Whether two rows have the same values in all fields.
    pub fn same(&self, one: usize, other: usize) -> bool {
        self.columns.iter().all(|column| match column {
            Column::Numbers(numbers) => numbers[one].to_bits() == numbers[other].to_bits(),
            Column::Moments(moments) => moments[one] == moments[other],
            Column::Texts(texts) => texts.get(one) == texts.get(other),
        })
    }

    /// A cell as text, to identify a row or an entity: numbers without needless digits.
    pub fn label(&self, field: usize, row: usize) -> Option<String> {
        match &self.columns[field] {
            Column::Texts(texts) => texts.get(row).map(str::to_owned),
            Column::Numbers(numbers) => Some(numbers[row]).filter(|number| !number.is_nan()).map(|number| number.to_string()),
            Column::Moments(moments) => moments[row].map(|moment| moment.to_string()),
        }
    }
}

/// Takes a row's fields in any order.
#[derive(Debug)]
pub struct RowWriter<'a> {
    batch: &'a mut Batch,
    schema: &'a Schema,
    seen: Vec<bool>,
    problems: Vec<RowProblem>,
}

impl RowWriter<'_> {
    /// Sets a field by its place in the schema. Mistakes are kept for [`RowWriter::finish`].
    pub fn set(&mut self, index: usize, value: Value<'_>) {
        let field = &self.schema.fields()[index];
        if std::mem::replace(&mut self.seen[index], true) {
            return self.problem(&field.name, "is given twice");
        }
        if let Err(message) = self.batch.columns[index].push(field, value) {
            self.problem(&field.name, &message);
        }
    }

    /// Notes a mistake that the reader of the row found.
    pub fn problem(&mut self, field: &str, message: &str) {
        self.problems.push(RowProblem { field: field.into(), message: message.into() });
    }

    /// Ends the row and answers its place in the batch.
    ///
    /// # Errors
    /// All that is wrong with the row; the batch is then as it was before.
    pub fn finish(mut self) -> Result<usize, Vec<RowProblem>> {
        for index in 0..self.seen.len() {
            if !self.seen[index] {
                self.set(index, Value::Missing);
            }
        }
        let row = self.batch.rows;
        if self.problems.is_empty() {
            self.batch.rows += 1;
            return Ok(row);
        }
        self.batch.cut(row);
        Err(self.problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let note = Field { required: false, ..Field::new("note", Kind::Text) };
        Schema::new(vec![Field::new("amount", Kind::Number), note, Field::new("at", Kind::Time)]).unwrap()
    }

    #[test]
    fn a_bad_row_leaves_no_trace() {
        let schema = schema();
        let mut batch = Batch::new(&schema);
        let mut row = batch.row(&schema);
        row.set(2, Value::Text("2026-01-01T00:00:00Z"));
        row.set(0, Value::Number(1.0));
        assert_eq!(row.finish(), Ok(0));

        let mut row = batch.row(&schema);
        row.set(1, Value::Text("left over"));
        row.set(0, Value::Text("x"));
        let problems = row.finish().unwrap_err();
        assert_eq!(problems.len(), 2, "the wrong amount and the missing time: {problems:?}");

        let mut row = batch.row(&schema);
        row.set(0, Value::Integer(2));
        row.set(1, Value::Text("kept"));
        row.set(2, Value::Text("2026-01-01T00:00:01Z"));
        assert_eq!(row.finish(), Ok(1));
        assert_eq!((batch.rows(), batch.text(1, 0), batch.text(1, 1), batch.number(0, 1)), (2, None, Some("kept"), 2.0));
    }

    #[test]
    fn a_field_twice_is_a_mistake() {
        let schema = schema();
        let mut batch = Batch::new(&schema);
        let mut row = batch.row(&schema);
        row.set(0, Value::Number(1.0));
        row.set(0, Value::Number(2.0));
        row.set(2, Value::Text("2026-01-01T00:00:00Z"));
        assert_eq!(row.finish().unwrap_err(), [RowProblem { field: "amount".into(), message: "is given twice".into() }]);
    }
}
