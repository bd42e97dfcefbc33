//! A request's body: a JSON header, after which the tensors come that are sent in binary form.

use super::super::{Problem, Service};
use super::{selected, wrong};
use crate::access::Caller;
use crate::inference::{Datatype, Given, Mistake, Model, Room, Tensor, most_values, rows, shown};
use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use synod_detection::{Batch, Schema};
use utoipa::ToSchema;

/// How long the JSON header is, if more follows.
pub(super) const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// What the values of a tensor can be said to be, beside their datatype. All say what the schema says as well.
const CONTENT_TYPES: [&str; 4] = ["np", FOR_PANDAS, "str", "datetime"];
/// What a request is said to hold whose rows are a data frame.
pub(super) const FOR_PANDAS: &str = "pd";

/// What a request asks.
pub(super) struct Read {
    pub(super) id: Option<String>,
    pub(super) batch: Batch,
    pub(super) selected: Vec<Given>,
    /// Of each output that is selected, whether it is to come in binary form.
    pub(super) binary: Vec<bool>,
    /// Whether the rows came as a data frame, as which the answer can be read, too.
    pub(super) for_pandas: bool,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = InferenceRequest)]
pub(in super::super) struct Header<'a> {
    /// Comes back with the answer.
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Option<Parameters>,
    /// One for each field, or one that holds them all.
    #[serde(borrow)]
    #[schema(min_items = 1)]
    inputs: Vec<Input<'a>>,
    /// Which outputs are wanted; all, if nothing is said.
    #[serde(default)]
    outputs: Option<Vec<Wanted>>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = InputTensor)]
struct Input<'a> {
    /// The field's.
    #[serde(borrow)]
    #[schema(value_type = String)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    #[schema(value_type = Datatype)]
    datatype: Cow<'a, str>,
    /// Rows, or rows and 1; of a tensor that holds all fields, rows and fields.
    #[schema(min_items = 1)]
    shape: Vec<i64>,
    #[serde(default)]
    parameters: Option<Parameters>,
    /// The values, as a list or as lists of lists. Without it they follow the JSON in binary form.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RequestedOutput)]
struct Wanted {
    name: String,
    #[serde(default)]
    parameters: Option<Parameters>,
}

/// The parameters that change what is asked; others are left alone.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = InferenceParameters)]
struct Parameters {
    /// Of a request: whether outputs come in binary form, of which nothing else is said.
    binary_data_output: Option<bool>,
    /// Of an output: whether it comes in binary form.
    binary_data: Option<bool>,
    /// Of an input: how many bytes of what follows the JSON are this tensor.
    binary_data_size: Option<usize>,
    /// Is refused.
    shared_memory_region: Option<String>,
    /// Of an output: is refused unless it is 0.
    classification: Option<u64>,
    /// Of a request, `pd` has the answer be readable as a data frame; of an input, what its values are: `np`, `pd`, `str` or `datetime`.
    content_type: Option<String>,
}

/// Reads a request. Mistakes are told with what they are about.
pub(super) fn read(service: &Service, model: Model, caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Result<Read, Problem> {
    let (json, binary) = split(headers, body)?;
    let header = header(json)?;
    let wanted = header.outputs.unwrap_or_default();
    let selected = selected(model, caller, wanted.iter().map(|wanted| wanted.name.as_str()))?;
    let parameters = header.parameters.unwrap_or_default();
    let by_default = parameters.binary_data_output.unwrap_or_default();
    let binary_of = |wanted: &Wanted| match &wanted.parameters {
        Some(Parameters { shared_memory_region: Some(_), .. }) => Err(Problem::no_shared_memory()),
        Some(Parameters { classification: Some(1..), .. }) => {
            Err(Problem::invalid_request(format!("output `{}` is no classification: leave `classification` out", wanted.name)))
        }
        Some(parameters) => Ok(parameters.binary_data.unwrap_or(by_default)),
        None => Ok(by_default),
    };
    let mut binary_outputs = wanted.iter().map(binary_of).collect::<Result<Vec<bool>, _>>()?;
    binary_outputs.resize(selected.len(), by_default);
    let batch = batch(service.engine.schema(), service.config.limits.rows, &header.inputs, binary)?;
    let for_pandas = parameters.content_type.as_deref() == Some(FOR_PANDAS);
    Ok(Read { id: header.id, batch, selected, binary: binary_outputs, for_pandas })
}

/// The JSON header, and what follows it.
fn split<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Problem> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok((body, &[])) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse::<usize>().ok());
    let Some(length) = length else {
        return Err(Problem::invalid_request("Inference-Header-Content-Length is no number of bytes"));
    };
    body.split_at_checked(length).ok_or_else(|| {
        let detail = format!("Inference-Header-Content-Length is {length}, and the body has {} bytes", body.len());
        Problem::invalid_request(detail)
    })
}

fn header(json: &[u8]) -> Result<Header<'_>, Problem> {
    // A list of the values without their names would be read as well.
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::invalid_request("the request is no JSON object but a list"));
    }
    serde_json::from_slice(json).map_err(|error| {
        if !error.is_data() {
            let has = |word: &[u8]| json.windows(word.len()).any(|bytes| bytes == word);
            let hint = if has(b"NaN") || has(b"Infinity") { "; JSON has no NaN: write null for a missing value" } else { "" };
            return Problem::invalid_request(format!("the request is no JSON: {error}{hint}"));
        }
        // Read again, for the place only.
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let place = serde_path_to_error::deserialize::<_, Header<'_>>(&mut deserializer).err();
        let place = place.map(|error| error.path().to_string()).filter(|path| path != ".");
        let place = place.map_or_else(String::new, |path| format!("`{path}`: "));
        Problem::invalid_request(format!("{place}{error}"))
    })
}

fn batch(schema: &Schema, most_rows: usize, inputs: &[Input<'_>], binary: &[u8]) -> Result<Batch, Problem> {
    let mut room = Room::new(most_values(schema, most_rows));
    let mut rest = binary;
    let mut tensors = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let tensor = tensor(input, &mut room, &mut rest);
        tensors.push(tensor.map_err(|what| wrong(vec![Mistake::of_input(index, &input.name, &what)]))?);
    }
    if !rest.is_empty() {
        let detail = format!("{} bytes follow that are of no input: see `binary_data_size` of the inputs", rest.len());
        return Err(Problem::invalid_request(detail));
    }
    rows(schema, &tensors, most_rows).map_err(wrong)
}

fn tensor<'a>(input: &'a Input<'_>, room: &mut Room, rest: &mut &'a [u8]) -> Result<Tensor<'a>, String> {
    let head = room.head(Cow::Borrowed(&*input.name), &input.datatype, input.shape.clone())?;
    let parameters = input.parameters.as_ref();
    if parameters.is_some_and(|parameters| parameters.shared_memory_region.is_some()) {
        return Err("is in shared memory, which is not served: send its values with the request".into());
    }
    if let Some(content_type) = parameters.and_then(|parameters| parameters.content_type.as_deref()) {
        check_content_type(content_type)?;
    }
    match (parameters.and_then(|parameters| parameters.binary_data_size), input.data) {
        (Some(_), Some(_)) => Err("has both `data` and `binary_data_size`".into()),
        (None, None) => Err("has neither `data` nor `binary_data_size`".into()),
        (None, Some(data)) => Tensor::json(head, data.get()),
        (Some(size), None) => {
            let Some((bytes, after)) = rest.split_at_checked(size) else {
                return Err(format!("has a binary_data_size of {size} bytes, and {} are left after the JSON header", rest.len()));
            };
            *rest = after;
            Tensor::packed(head, bytes)
        }
    }
}

/// Whether the values of a tensor that is said to hold this are those of its datatype.
pub(super) fn check_content_type(text: &str) -> Result<(), String> {
    match CONTENT_TYPES.contains(&text) {
        true => Ok(()),
        false => Err(format!("has the content_type `{}`, which is not read; {} are", shown(text), CONTENT_TYPES.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use synod_detection::{Field, Kind};

    fn schema() -> Schema {
        let note = Field { required: false, ..Field::new("note", Kind::Text) };
        Schema::new(vec![Field::new("amount", Kind::Number), Field::new("count", Kind::Integer), note]).unwrap()
    }

    fn read(json: &str, binary: &[u8]) -> Result<Batch, Problem> {
        let header = header(json.as_bytes())?;
        batch(&schema(), 100, &header.inputs, binary)
    }

    const AMOUNT: &str = r#"{"name": "amount", "datatype": "FP64", "shape": [2, 1], "data": [[0.1], [2]]}"#;
    const COUNT: &str = r#"{"name": "count", "datatype": "INT64", "shape": [2], "data": [1, 2]}"#;

    #[test]
    fn json_and_binary_tensors_are_the_same_rows() {
        let by_json = read(&format!(r#"{{"inputs": [{AMOUNT}, {COUNT}]}}"#), &[]).unwrap();
        let header = r#"{"inputs": [
            {"name": "amount", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}},
            {"name": "count", "datatype": "INT16", "shape": [2], "parameters": {"binary_data_size": 4}}]}"#;
        let bytes = [&0.1_f64.to_le_bytes()[..], &2_f64.to_le_bytes(), &1_i16.to_le_bytes(), &2_i16.to_le_bytes()].concat();
        let by_bytes = read(header, &bytes).unwrap();
        for (field, row) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert_eq!(by_json.number(field, row).to_bits(), by_bytes.number(field, row).to_bits());
        }
        assert!(by_json.is_missing(2, 0) && by_bytes.is_missing(2, 1));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let of = |amount: &str| format!(r#"{{"inputs": [{amount}, {COUNT}]}}"#);
        let amount = |rest: &str| of(&format!(r#"{{"name": "amount", {rest}}}"#));
        for (json, what) in [
            ("{".into(), "the request is no JSON: EOF while parsing"),
            ("[]".into(), "the request is no JSON object"),
            ("{}".into(), "missing field `inputs`"),
            (r#"{"inputs": []}"#.into(), "input `amount` is missing"),
            (r#"{"inputs": {}}"#.into(), "`inputs`: invalid type: map, expected a sequence"),
            (of(r#"{"datatype": "FP64"}"#), "missing field `name`"),
            (amount(r#""datatype": "FP64", "shape": [2], "data": [NaN, 1]"#), "JSON has no NaN: write null for a missing value"),
            (amount(r#""datatype": "FP64", "shape": [9223372036854775808], "data": [1]"#), "`inputs[0].shape[0]`: invalid value"),
            (amount(r#""datatype": "FP64", "shape": [9223372036854775807, 2], "data": [1]"#), "input `amount` has the shape"),
            (amount(r#""datatype": "FP64", "shape": [-2], "data": [1, 2]"#), "input `amount` has a dimension of -2"),
            (amount(r#""datatype": "FP64", "shape": [0], "data": []"#), "input `amount` has no values"),
            (amount(r#""datatype": "FP64", "shape": [2], "data": [1]"#), "input `amount` has 1 values, and a shape of 2"),
            (amount(r#""datatype": "FP65", "shape": [2], "data": [1, 2]"#), "input `amount` has the datatype `FP65`, which is none"),
            (amount(r#""datatype": "FP64", "shape": [2]"#), "input `amount` has neither `data` nor `binary_data_size`"),
            (
                amount(r#""datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}"#),
                "input `amount` has a binary_data_size",
            ),
            (
                amount(r#""datatype": "FP64", "shape": [2], "data": [1, 2], "parameters": {"binary_data_size": 0}"#),
                "input `amount` has both",
            ),
            (
                amount(r#""datatype": "FP64", "shape": [2], "data": [1, 2], "parameters": {"content_type": "base64"}"#),
                "input `amount` has the content_type",
            ),
            (
                amount(r#""datatype": "FP64", "shape": [2], "parameters": {"shared_memory_region": "r"}"#),
                "input `amount` is in shared memory",
            ),
            (amount(r#""datatype": "FP64", "shape": [2], "data": [1, null]"#), "input `amount`, row 1: is missing"),
        ] {
            let problem = read(&json, &[]).unwrap_err();
            assert!(problem.detail().contains(what), "{json}: {}", problem.detail());
            assert_eq!(problem.status(), 400, "{json}");
        }
        let trailing = read(&format!(r#"{{"inputs": [{AMOUNT}, {COUNT}]}}"#), &[1, 2]).unwrap_err();
        assert!(trailing.detail().starts_with("2 bytes follow"), "{}", trailing.detail());
    }

    #[test]
    fn the_header_is_as_long_as_it_says() {
        let headers = |length: &str| [(HEADER_LENGTH, length.parse().unwrap())].into_iter().collect::<HeaderMap>();
        assert_eq!(split(&headers("2"), b"{}abc").unwrap(), (&b"{}"[..], &b"abc"[..]));
        for length in ["6", "-1", "x", "", "18446744073709551616", "1.0"] {
            assert_eq!(split(&headers(length), b"{}abc").unwrap_err().status(), 400, "{length}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_and_never_more(body in proptest::collection::vec(any::<u8>(), 0..200), length in 0_usize..250) {
            let headers = [(HEADER_LENGTH, length.to_string().parse().unwrap())].into_iter().collect::<HeaderMap>();
            if let Ok((json, binary)) = split(&headers, &body)
                && let Ok(header) = header(json)
            {
                let _ = batch(&schema(), 100, &header.inputs, binary);
            }
        }

        #[test]
        fn arbitrary_tensors_are_rows_or_refused(
            datatype in prop::sample::select(vec!["BOOL", "INT8", "UINT64", "INT64", "FP16", "BF16", "FP32", "FP64", "BYTES", "FP1"]),
            shape in proptest::collection::vec(prop_oneof![-2_i64..5, any::<i64>()], 0..4),
            binary in proptest::collection::vec(any::<u8>(), 0..64),
            name in prop::sample::select(vec!["amount", "count", "note", "other"]),
        ) {
            let size = binary.len();
            let input = serde_json::json!({"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}});
            let json = serde_json::json!({"inputs": [input]}).to_string();
            if let Err(problem) = read(&json, &binary) {
                prop_assert_eq!(problem.status(), 400);
            }
        }
    }
}
