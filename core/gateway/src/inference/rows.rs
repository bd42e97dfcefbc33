//! From tensors to rows: one tensor for each field, or one matrix of all of them. Each row goes through the schema as any other row does.

use super::model::matrix;
use super::tensor::written;
use super::{Datatype, MOST_MISTAKES, Mistake, Tensor};
use synod_detection::{Batch, RowProblem, Schema, unknown_field};

/// Where a field's values stand in the tensors: each `stride` values after `first`.
struct Column {
    field: usize,
    tensor: usize,
    first: usize,
    stride: usize,
}

/// Most values that all tensors of a request can have together.
pub fn most_values(schema: &Schema, rows: usize) -> usize {
    rows.saturating_mul(schema.fields().len())
}

/// The rows that tensors are.
///
/// # Errors
/// What is wrong: with the tensors if there is anything, else with the rows, though not more of it than anybody reads.
pub fn rows(schema: &Schema, tensors: &[Tensor<'_>], most: usize) -> Result<Batch, Vec<Mistake>> {
    let (columns, rows) = match tensors {
        [one] if is_matrix(schema, one) => columns_of_matrix(schema, one).map_err(|mistake| vec![mistake])?,
        tensors => columns(schema, tensors)?,
    };
    if rows > most {
        let what = format!("has {rows} rows, and {most} are the most in one request");
        return Err(vec![Mistake::of_input(0, &tensors[0].head.name, &what)]);
    }
    filled(schema, tensors, &columns, rows)
}

fn filled(schema: &Schema, tensors: &[Tensor<'_>], columns: &[Column], rows: usize) -> Result<Batch, Vec<Mistake>> {
    let mut batch = Batch::new(schema);
    let mut mistakes = Vec::new();
    for row in 0..rows {
        let mut writer = batch.row(schema);
        for column in columns {
            let may_be_missing = !schema.fields()[column.field].required;
            writer.set(column.field, tensors[column.tensor].value(column.first + row * column.stride, may_be_missing));
        }
        let problems = writer.finish().err().unwrap_or_default();
        mistakes.extend(problems.iter().map(|problem| of_row(schema, columns, row, problem)));
        if mistakes.len() > MOST_MISTAKES {
            break;
        }
    }
    if mistakes.is_empty() { Ok(batch) } else { Err(mistakes) }
}

fn of_row(schema: &Schema, columns: &[Column], row: usize, problem: &RowProblem) -> Mistake {
    let column = columns.iter().find(|column| schema.fields()[column.field].name == problem.field);
    Mistake::of_row(column.map_or(0, |column| column.tensor), row, &problem.field, &problem.message)
}

/// Whether it can only be meant as a matrix: no field has its name, and it has two dimensions.
fn is_matrix(schema: &Schema, tensor: &Tensor<'_>) -> bool {
    schema.index(&tensor.head.name).is_none() && tensor.head.shape.len() == 2
}

fn columns_of_matrix(schema: &Schema, tensor: &Tensor<'_>) -> Result<(Vec<Column>, usize), Mistake> {
    let mistake = |what: &str| Err(Mistake::of_input(0, &tensor.head.name, what));
    let names = match matrix(schema) {
        Ok(names) => names,
        Err(other) => {
            let field = &schema.fields()[other].name;
            let unknown = unknown_field(schema, &super::shown(&tensor.head.name));
            return mistake(&format!("{unknown}; all fields in one tensor are taken only where all are numbers, and `{field}` is none"));
        }
    };
    let stride = names.len();
    if matches!(tensor.head.datatype, Datatype::Bytes | Datatype::Bool) {
        return mistake(&format!("has the datatype {}: a tensor of all fields holds numbers", tensor.head.datatype.name()));
    }
    if tensor.head.shape[1] != stride as i64 {
        let shape = written(&tensor.head.shape);
        return mistake(&format!("has the shape {shape}: a tensor of all fields has [rows, {stride}], for {}", names.join(", ")));
    }
    let columns = (0..stride).map(|field| Column { field, tensor: 0, first: field, stride }).collect();
    Ok((columns, tensor.head.count / stride.max(1)))
}

fn columns(schema: &Schema, tensors: &[Tensor<'_>]) -> Result<(Vec<Column>, usize), Vec<Mistake>> {
    let mut columns: Vec<Column> = Vec::with_capacity(tensors.len());
    let mut mistakes = Vec::new();
    let rows = tensors.first().map_or(0, |first| first.head.count);
    for (index, tensor) in tensors.iter().enumerate().take(schema.fields().len() + MOST_MISTAKES) {
        let mut mistake = |what: String| mistakes.push(Mistake::of_input(index, &tensor.head.name, &what));
        match schema.index(&tensor.head.name) {
            None => mistake(unknown_field(schema, &super::shown(&tensor.head.name))),
            Some(field) if columns.iter().any(|column| column.field == field) => mistake("is given twice".into()),
            Some(field) => columns.push(Column { field, tensor: index, first: 0, stride: 1 }),
        }
        match tensor.head.shape[..] {
            [count] | [count, 1] if count == rows as i64 => {}
            [count] | [count, 1] => mistake(format!("has {count} rows, and `{}` has {rows}", super::shown(&tensors[0].head.name))),
            _ => mistake(format!("has the shape {}: a field takes [rows] or [rows, 1]", written(&tensor.head.shape))),
        }
    }
    let given = |index: usize| columns.iter().any(|column| column.field == index);
    let absent = schema.fields().iter().enumerate().filter(|(index, field)| field.required && !given(*index));
    mistakes.extend(absent.map(|(_, field)| Mistake {
        pointer: "/inputs".into(),
        detail: format!("input `{}` is missing: every row must have {}", field.name, field.allowed()),
    }));
    if mistakes.is_empty() { Ok((columns, rows)) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::super::Room;
    use super::*;
    use synod_detection::{Field, Kind, TimeFormat, decode_rows};

    fn schema() -> Schema {
        let optional = |name, kind| Field { required: false, ..Field::new(name, kind) };
        Schema::new(vec![
            Field { minimum: Some(0.0), maximum: Some(1e6), ..Field::new("amount", Kind::Number) },
            Field::new("count", Kind::Integer),
            optional("risk", Kind::Number),
            Field { values: vec!["ATM".into(), "Online".into()], ..Field::new("channel", Kind::Text) },
            optional("note", Kind::Text),
            Field::new("at", Kind::Time),
            Field { format: TimeFormat::EpochSeconds, ..optional("seen", Kind::Time) },
            optional("home", Kind::Boolean),
        ])
        .unwrap()
    }

    fn json<'a>(name: &'a str, datatype: &str, shape: &[i64], data: &'a str) -> Tensor<'a> {
        Tensor::json(Room::new(1000).head(name.into(), datatype, shape.to_vec()).unwrap(), data).unwrap()
    }

    /// Two rows that the schema takes, all fields given.
    fn good<'a>() -> Vec<Tensor<'a>> {
        vec![
            json("at", "BYTES", &[2, 1], r#"["2026-01-31T12:00:00Z", "2026-01-31 12:00:01.5"]"#),
            json("amount", "FP64", &[2], "[0.1, 999999.9999999999]"),
            json("count", "INT32", &[2, 1], "[[3], [-7]]"),
            json("risk", "FP64", &[2], "[null, -0.0]"),
            json("channel", "BYTES", &[2], r#"["ATM", "Online"]"#),
            json("note", "BYTES", &[2], r#"["", "x"]"#),
            json("seen", "INT64", &[2], "[1681230554, null]"),
            json("home", "BOOL", &[2], "[true, null]"),
        ]
    }

    #[test]
    fn rows_of_tensors_are_the_rows_of_json() {
        let rows_of_json = r#"[
            {"amount": 0.1, "count": 3, "channel": "ATM", "at": "2026-01-31T12:00:00Z", "seen": 1681230554, "home": true},
            {"amount": 999999.9999999999, "count": -7, "risk": -0.0, "channel": "Online", "note": "x", "at": "2026-01-31T12:00:01.5"}
        ]"#;
        let decoded = decode_rows(&schema(), rows_of_json.as_bytes(), 10).unwrap();
        let batch = rows(&schema(), &good(), 10).unwrap();
        assert_eq!(batch.rows(), 2);
        for (field, row) in (0..schema().fields().len()).flat_map(|field| [(field, 0), (field, 1)]) {
            let [ours, theirs] = [&batch, &decoded.batch].map(|batch| {
                (batch.number(field, row).to_bits(), batch.moment(field, row), batch.text(field, row), batch.is_missing(field, row))
            });
            assert_eq!(ours, theirs, "field {field}, row {row}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_input_and_the_row() {
        for (instead, what) in [
            (json("amount", "FP64", &[2], "[1, -1]"), "input `amount`, row 1: must be a number from 0 to 1000000, not -1"),
            (json("amount", "FP64", &[2], "[1, null]"), "input `amount`, row 1: is missing: must be a number from 0"),
            (json("amount", "BYTES", &[2], r#"["1", "2"]"#), "input `amount`, row 0: must be a number from 0 to 1000000, not text"),
            (json("amount", "BOOL", &[2], "[true, true]"), "input `amount`, row 0: must be a number from 0 to 1000000, not a boolean"),
            (json("amount", "FP64", &[3], "[1, 2, 3]"), "input `amount` has 3 rows, and `at` has 2"),
            (json("amount", "FP64", &[1, 2], "[1, 2]"), "input `amount` has the shape [1, 2]: a field takes [rows] or [rows, 1]"),
            (json("Amount", "FP64", &[2], "[1, 2]"), "input `Amount` is no field of the schema (did you mean `amount`?)"),
            (json("count", "FP64", &[2], "[1, 2.5]"), "input `count`, row 1: must be an integer, not 2.5"),
            (json("count", "INT64", &[2], "[1, 9007199254740993]"), "input `count`, row 1: must be an integer, not an integer beyond 2^53"),
            (json("channel", "BYTES", &[2], r#"["ATM", "Fax"]"#), "input `channel`, row 1: must be one of ATM, Online, not \"Fax\""),
            (json("channel", "INT8", &[2], "[1, 2]"), "input `channel`, row 0: must be one of ATM, Online, not an integer"),
            (
                json("at", "BYTES", &[2], r#"["now", "2026-01-31"]"#),
                "input `at`, row 0: must be a time such as 2026-01-31T12:00:00Z, not \"now\"",
            ),
            (json("home", "INT32", &[2], "[0, 1]"), "input `home`, row 0: must be true or false, not an integer"),
        ] {
            let name = instead.head.name.to_lowercase();
            let tensors: Vec<_> =
                good().into_iter().map(|tensor| if tensor.head.name == name { instead.clone() } else { tensor }).collect();
            let mistakes = rows(&schema(), &tensors, 10).unwrap_err();
            assert!(mistakes.iter().any(|mistake| mistake.detail.starts_with(what)), "{what}: {mistakes:?}");
        }
    }

    #[test]
    fn inputs_that_lack_repeat_or_overflow_are_told() {
        let absent = rows(&schema(), &good()[1..], 10).unwrap_err();
        assert_eq!(absent[0].detail, "input `at` is missing: every row must have a time such as 2026-01-31T12:00:00Z");
        let twice: Vec<_> = good().into_iter().chain([good().remove(1)]).collect();
        assert_eq!(rows(&schema(), &twice, 10).unwrap_err()[0].detail, "input `amount` is given twice");
        assert_eq!(rows(&schema(), &good(), 1).unwrap_err()[0].detail, "input `at` has 2 rows, and 1 are the most in one request");
        assert!(rows(&schema(), &[], 10).unwrap_err().len() == 4, "the required fields are missing");
        let list = format!("[{}-1]", "-1, ".repeat(999));
        let many = json("amount", "FP64", &[1000], &list);
        let numbers = Schema::new(vec![Field { minimum: Some(0.0), ..Field::new("amount", Kind::Number) }]).unwrap();
        assert_eq!(rows(&numbers, &[many], 1000).unwrap_err().len(), MOST_MISTAKES + 1, "nobody reads a thousand mistakes");
    }

    #[test]
    fn a_matrix_is_taken_where_all_fields_are_numbers() {
        let numbers = Schema::new(["a", "b", "c"].map(|name| Field::new(name, Kind::Number)).to_vec()).unwrap();
        let batch = rows(&numbers, &[json("predict", "FP32", &[2, 3], "[[1, 2, 3], [4, 5, 6]]")], 10).unwrap();
        assert_eq!((batch.rows(), batch.number(0, 1), batch.number(2, 0)), (2, 4.0, 3.0));
        for (tensor, what) in [
            (
                json("x", "FP32", &[2, 2], "[1, 2, 3, 4]"),
                "input `x` has the shape [2, 2]: a tensor of all fields has [rows, 3], for a, b, c",
            ),
            (json("x", "BOOL", &[1, 3], "[1, 1, 1]"), "input `x` has the datatype BOOL"),
            (json("x", "FP32", &[3], "[1, 2, 3]"), "input `x` is no field of the schema, which has a, b, c"),
        ] {
            let mistakes = rows(&numbers, &[tensor], 10).unwrap_err();
            assert!(mistakes[0].detail.starts_with(what), "{mistakes:?}");
        }
        let mistakes = rows(&schema(), &[json("x", "FP64", &[1, 8], "[1, 2, 3, 4, 5, 6, 7, 8]")], 10).unwrap_err();
        assert!(mistakes[0].detail.ends_with("are taken only where all are numbers, and `channel` is none"), "{mistakes:?}");
    }
}
