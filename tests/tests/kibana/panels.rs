//! What Kibana asks Elasticsearch for a visualisation: the columns of each layer as aggregations, those that divide the documents within each
//! other in the order of the columns, and those that count within them all.

use super::Translated;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A layer's request.
pub(crate) struct Layer {
    /// The name of the reference to its data view.
    pub(crate) reference: String,
    pub(crate) body: Value,
    /// The ids of the columns that divide, from the outermost on, and of those that count.
    dividing: Vec<String>,
    counting: Vec<String>,
}

/// The requests of a visualisation.
pub(crate) fn asked(object: &Value, queries: &Translated) -> Vec<Layer> {
    let state = &object["attributes"]["state"];
    let layers = state["datasourceStates"]["formBased"]["layers"].as_object().unwrap();
    let query = text_of(&state["query"]);
    layers.iter().map(|(name, layer)| request(name, layer, queries, &queries[query])).collect()
}

fn request(name: &str, layer: &Value, queries: &Translated, query: &Value) -> Layer {
    let columns = &layer["columns"];
    let order: Vec<&str> = layer["columnOrder"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let made = |id: &&str| matches!(columns[*id]["operationType"].as_str(), Some("formula" | "math"));
    let (dividing, counting): (Vec<&str>, Vec<&str>) =
        order.into_iter().filter(|id| !made(id)).partition(|id| columns[*id]["isBucketed"] == true);
    let counts: Map<String, Value> = counting.iter().map(|id| ((*id).to_owned(), count(&columns[*id], queries))).collect();
    let within = |inner: Map<String, Value>, id: &&str| {
        let mut divided = division(&columns[*id], columns, queries);
        // What values are put into an order by is asked for beside them, however deep the counts of the panel are.
        let order = columns[*id]["params"]["orderBy"]["columnId"].as_str().map(|by| ("order".to_owned(), count(&columns[by], queries)));
        divided["aggs"] = inner.into_iter().chain(order).collect();
        Map::from_iter([((*id).to_owned(), divided)])
    };
    let aggregations = dividing.iter().rev().fold(counts, within);
    Layer {
        reference: format!("indexpattern-datasource-layer-{name}"),
        body: json!({"size": 0, "track_total_hits": true, "query": query, "aggs": aggregations}),
        dividing: dividing.into_iter().map(str::to_owned).collect(),
        counting: counting.into_iter().map(str::to_owned).collect(),
    }
}

fn text_of(query: &Value) -> &str {
    query["query"].as_str().unwrap()
}

/// What divides the documents.
fn division(column: &Value, columns: &Value, queries: &Translated) -> Value {
    let (field, params) = (&column["sourceField"], &column["params"]);
    match column["operationType"].as_str().unwrap() {
        "terms" => json!({"terms": {"field": field, "size": params["size"], "order": order(params, columns)}}),
        // `auto` is some interval of these; which one, depends on what is shown.
        "date_histogram" => json!({"date_histogram": {"field": field, "fixed_interval": "1h", "min_doc_count": 1}}),
        "filters" => {
            let filter = |filter: &Value| (filter["label"].as_str().unwrap().to_owned(), queries[text_of(&filter["input"])].clone());
            let filters: Map<String, Value> = params["filters"].as_array().unwrap().iter().map(filter).collect();
            json!({"filters": {"filters": filters}})
        }
        other => panic!("nothing is divided by {other}"),
    }
}

fn order(params: &Value, columns: &Value) -> Value {
    let Some(id) = params["orderBy"]["columnId"].as_str() else { return json!({"_key": "asc"}) };
    let inner = if columns[id]["operationType"] == "count" || columns[id]["filter"].is_null() { "order" } else { "order>inner" };
    json!({inner: params["orderDirection"]})
}

/// What counts, or measures, the documents of a division.
fn count(column: &Value, queries: &Translated) -> Value {
    let field = &column["sourceField"];
    let filter = (!column["filter"].is_null()).then(|| &queries[text_of(&column["filter"])]);
    let measured = match column["operationType"].as_str().unwrap() {
        "count" => return json!({"filter": filter.cloned().unwrap_or_else(|| json!({"match_all": {}}))}),
        "percentile" => json!({"percentiles": {"field": field, "percents": [column["params"]["percentile"]], "keyed": false}}),
        "unique_count" => json!({"cardinality": {"field": field}}),
        other => json!({other: {"field": field}}),
    };
    match filter {
        Some(filter) => json!({"filter": filter, "aggs": {"inner": measured}}),
        None => measured,
    }
}

/// What an answer has for a panel.
#[derive(Default)]
struct Seen {
    /// By the column that divides, its values that have documents, and those that have none.
    values: BTreeMap<String, BTreeSet<String>>,
    empty: BTreeMap<String, BTreeSet<String>>,
    /// The columns that count something.
    counted: BTreeSet<String>,
}

/// Insists that a panel shows something: each column that divides has more than one value, each query of such a column finds something, and each
/// column that counts is not empty everywhere.
pub(crate) fn answered(layer: &Layer, answer: &Value) -> Result<(), String> {
    if answer["hits"]["total"]["value"].as_u64().unwrap_or_default() == 0 {
        return Err("its query finds nothing".into());
    }
    let mut seen = Seen::default();
    walk(layer, &layer.dividing, &answer["aggregations"], &mut seen);
    for id in &layer.dividing {
        let values = seen.values.get(id).cloned().unwrap_or_default();
        if values.len() < 2 {
            return Err(format!("{id} has the values {values:?}"));
        }
        if let Some(empty) = seen.empty.get(id).and_then(|empty| empty.difference(&values).next()) {
            return Err(format!("{id}: {empty} is never there"));
        }
    }
    match layer.counting.iter().find(|id| !seen.counted.contains(*id)) {
        Some(id) => Err(format!("{id} is nothing everywhere")),
        None => Ok(()),
    }
}

fn walk(layer: &Layer, dividing: &[String], found: &Value, seen: &mut Seen) {
    let Some((id, inner)) = dividing.split_first() else {
        let counts = |id: &&String| value(&found[id.as_str()]).is_some_and(|value| value > 0.0);
        return seen.counted.extend(layer.counting.iter().filter(counts).cloned());
    };
    for (key, bucket) in buckets(&found[id]["buckets"]) {
        let kept = if bucket["doc_count"] == 0 { &mut seen.empty } else { &mut seen.values };
        kept.entry(id.clone()).or_default().insert(key);
        walk(layer, inner, bucket, seen);
    }
}

/// Buckets with their keys, whether they come as a list or by name.
fn buckets(found: &Value) -> Vec<(String, &Value)> {
    let listed = found.as_array().into_iter().flatten().map(|bucket| (bucket["key"].to_string(), bucket));
    listed.chain(found.as_object().into_iter().flatten().map(|(key, bucket)| (key.clone(), bucket))).collect()
}

/// The number that a column has come to.
fn value(found: &Value) -> Option<f64> {
    let inner = if found["inner"].is_object() { &found["inner"] } else { found };
    let numbers = [&inner["value"], &inner["values"][0]["value"], &inner["doc_count"]];
    numbers.into_iter().find_map(Value::as_f64)
}
