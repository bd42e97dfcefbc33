//! Columns of a visualisation: what Kibana asks Elasticsearch for. Each becomes a column of the datasource `formBased`; a share becomes four,
//! for Kibana keeps a formula with its parts.

use super::data_view::TIME;
use super::object::kql;
use crate::fields::{Fields, Kind};
use serde_json::{Value, json};

/// What counts documents counts this instead of a field.
pub(super) const RECORDS: &str = "___records___";

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// As the data view says of the field.
    OfField,
    /// Whole.
    Whole,
    /// As a percentage.
    Percent,
}

/// What is asked for.
#[derive(Debug, Clone)]
enum Operation {
    Count,
    Sum(&'static str),
    Maximum(&'static str),
    Distinct(&'static str),
    Percentile(&'static str, u8),
    /// The values of a field, those with the most documents first.
    Values {
        field: &'static str,
        most: usize,
        others: bool,
    },
    /// The time, in steps that fit what is shown.
    Times,
    /// By queries, each with a name.
    Queries(&'static [(&'static str, &'static str)]),
    /// Documents that one query finds, of those that another finds.
    Share {
        of: &'static str,
        among: &'static str,
    },
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    label: &'static str,
    operation: Operation,
    query: &'static str,
    every_second: bool,
    format: Format,
}

impl Column {
    fn new(label: &'static str, operation: Operation, format: Format) -> Self {
        Self { label, operation, query: "", every_second: false, format }
    }

    /// How many documents.
    pub(super) fn count(label: &'static str) -> Self {
        Self::new(label, Operation::Count, Format::Whole)
    }

    /// The sum of a field.
    pub(super) fn sum(label: &'static str, field: &'static str) -> Self {
        Self::new(label, Operation::Sum(field), Format::Whole)
    }

    /// The largest value of a field.
    pub(super) fn maximum(label: &'static str, field: &'static str) -> Self {
        Self::new(label, Operation::Maximum(field), Format::OfField)
    }

    /// How many different values a field has, as nearly as Elasticsearch counts them.
    pub(super) fn distinct(label: &'static str, field: &'static str) -> Self {
        Self::new(label, Operation::Distinct(field), Format::Whole)
    }

    /// A percentile of a field.
    pub(super) fn percentile(label: &'static str, field: &'static str, percentile: u8) -> Self {
        Self::new(label, Operation::Percentile(field, percentile), Format::OfField)
    }

    /// The values of a field with the most documents, and whether all others are shown as one.
    pub(super) fn values(label: &'static str, field: &'static str, most: usize) -> Self {
        Self::new(label, Operation::Values { field, most, others: false }, Format::OfField)
    }

    /// The time.
    pub(super) fn times() -> Self {
        Self::new("Time", Operation::Times, Format::OfField)
    }

    /// By queries, each with a name.
    pub(super) fn queries(label: &'static str, queries: &'static [(&'static str, &'static str)]) -> Self {
        Self::new(label, Operation::Queries(queries), Format::OfField)
    }

    /// How many of the documents that `among` finds are those that `of` finds; without `among`, of all.
    pub(super) fn share(label: &'static str, of: &'static str, among: &'static str) -> Self {
        Self::new(label, Operation::Share { of, among }, Format::Percent)
    }

    /// All values that are not among the most are shown as one.
    pub(super) fn and_others(mut self) -> Self {
        if let Operation::Values { others, .. } = &mut self.operation {
            *others = true;
        }
        self
    }

    /// Only of documents that a query finds.
    pub(super) fn of(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    /// By the second, whatever the steps of time are.
    pub(super) fn every_second(mut self) -> Self {
        (self.every_second, self.format) = (true, Format::OfField);
        self
    }

    /// Whether it divides the documents, rather than saying something about a part of them.
    pub(super) fn divides(&self) -> bool {
        matches!(self.operation, Operation::Values { .. } | Operation::Times | Operation::Queries(_))
    }

    /// Whether it is the time.
    pub(super) fn is_time(&self) -> bool {
        matches!(self.operation, Operation::Times)
    }

    /// Whether values can be put into an order by it. By a formula they cannot.
    pub(super) fn orders(&self) -> bool {
        matches!(self.operation, Operation::Count | Operation::Sum(_) | Operation::Distinct(_))
    }

    /// The columns that it becomes, with their ids; the last one is that which is shown. `order` is the id of what values are put into an
    /// order by.
    pub(super) fn json(&self, id: &str, order: Option<&str>, fields: &Fields) -> Vec<(String, Value)> {
        if let Operation::Share { of, among } = &self.operation {
            return self.share_json(id, of, among);
        }
        let (operation, field, data, scale, params) = self.parts(order, fields);
        let mut column = json!({
            "customLabel": true,
            "dataType": data,
            "isBucketed": self.divides(),
            "label": self.label,
            "operationType": operation,
            "params": params,
            "scale": scale,
        });
        if let Some(field) = field {
            column["sourceField"] = field.into();
        }
        if !self.query.is_empty() {
            column["filter"] = kql(self.query);
        }
        if self.every_second {
            column["timeScale"] = "s".into();
        }
        vec![(id.to_owned(), column)]
    }

    /// Its operation, its field, the type of what comes out, how that is measured, and its parameters.
    fn parts(&self, order: Option<&str>, fields: &Fields) -> (&'static str, Option<&'static str>, &'static str, &'static str, Value) {
        let number = |operation, field, params| (operation, Some(field), "number", "ratio", params);
        match &self.operation {
            Operation::Count => number("count", RECORDS, self.formatted(json!({"emptyAsNull": false}))),
            Operation::Sum(field) => number("sum", *field, self.formatted(json!({"emptyAsNull": false}))),
            Operation::Maximum(field) => number("max", *field, self.formatted(json!({"emptyAsNull": true}))),
            Operation::Distinct(field) => number("unique_count", *field, self.formatted(json!({"emptyAsNull": false}))),
            Operation::Percentile(field, percentile) => number("percentile", *field, self.formatted(json!({"percentile": percentile}))),
            Operation::Values { field, most, others } => {
                ("terms", Some(*field), data_type(field, fields), "ordinal", values(*most, *others, order))
            }
            Operation::Times => {
                let params = json!({"interval": "auto", "includeEmptyRows": true, "dropPartials": false});
                ("date_histogram", Some(TIME), "date", "interval", params)
            }
            Operation::Queries(queries) => {
                let filters: Vec<Value> = queries.iter().map(|(label, query)| json!({"input": kql(query), "label": label})).collect();
                ("filters", None, "string", "ordinal", json!({"filters": filters}))
            }
            // It has no parts of its own: it is made of others.
            Operation::Share { .. } => ("formula", None, "number", "ratio", json!({})),
        }
    }

    fn formatted(&self, mut params: Value) -> Value {
        match self.format {
            Format::OfField => {}
            Format::Whole => params["format"] = json!({"id": "number", "params": {"decimals": 0}}),
            Format::Percent => params["format"] = json!({"id": "percent", "params": {"decimals": 2}}),
        }
        params
    }

    fn share_json(&self, id: &str, of: &str, among: &str) -> Vec<(String, Value)> {
        let counted = |query: &str| if query.is_empty() { "count()".to_owned() } else { format!("count(kql='{query}')") };
        let formula = format!("{} / {}", counted(of), counted(among));
        let [part, whole, math] = ["X0", "X1", "X2"].map(|end| format!("{id}{end}"));
        let label = format!("Part of {}", self.label);
        let column = |operation: &str, label: &str, params: Value| {
            json!({"customLabel": true, "dataType": "number", "isBucketed": false, "label": label, "operationType": operation,
                "params": params, "scale": "ratio"})
        };
        let count = |query: &str| {
            let mut count = column("count", &label, json!({"emptyAsNull": false}));
            count["sourceField"] = RECORDS.into();
            if !query.is_empty() {
                count["filter"] = kql(query);
            }
            count
        };
        let tree = json!({"type": "function", "name": "divide", "args": [part, whole], "text": formula,
            "location": {"min": 0, "max": formula.chars().count()}});
        let mut divided = column("math", &label, json!({"tinymathAst": tree}));
        divided["references"] = json!([part, whole]);
        let mut shown = column("formula", self.label, self.formatted(json!({"formula": formula, "isFormulaBroken": false})));
        shown["references"] = json!([math]);
        vec![(part, count(of)), (whole, count(among)), (math, divided), (id.to_owned(), shown)]
    }
}

fn values(most: usize, others: bool, order: Option<&str>) -> Value {
    let by =
        order.map_or_else(|| json!({"type": "alphabetical", "fallback": true}), |column| json!({"type": "column", "columnId": column}));
    json!({
        "size": most,
        "orderBy": by,
        "orderDirection": if order.is_some() { "desc" } else { "asc" },
        "otherBucket": others,
        "missingBucket": false,
        "parentFormat": {"id": "terms"},
        "include": [],
        "exclude": [],
        "includeIsRegex": false,
        "excludeIsRegex": false,
    })
}

/// What Kibana calls the values of a field.
fn data_type(name: &str, fields: &Fields) -> &'static str {
    match fields.fields.iter().find(|field| field.name == name).map(|field| field.kind) {
        Some(Kind::Boolean) => "boolean",
        Some(Kind::Long | Kind::Double) => "number",
        Some(Kind::Date) => "date",
        _ => "string",
    }
}
