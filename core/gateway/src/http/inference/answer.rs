//! An answer's body: a JSON header, after which the outputs come that are asked for in binary form.

use super::super::Problem;
use super::compression::Encoding;
use super::request::{FOR_PANDAS, HEADER_LENGTH};
use crate::engine::Engine;
use crate::inference::{Datatype, Model, Output, Values};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What is answered.
pub(super) struct Answer<'a> {
    pub(super) model: Model,
    /// The request's own id.
    pub(super) id: Option<&'a str>,
    pub(super) outputs: &'a [Output],
    /// Of each output, whether it comes in binary form.
    pub(super) binary: &'a [bool],
    pub(super) for_pandas: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InferenceResponse)]
pub(in super::super) struct Header<'a> {
    model_name: &'a str,
    model_version: &'a str,
    /// The request's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Parameters::are_none")]
    #[schema(required = false)]
    parameters: Parameters,
    outputs: Vec<Told<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OutputTensor)]
struct Told<'a> {
    name: &'a str,
    #[schema(value_type = Datatype)]
    datatype: &'a str,
    /// How many rows there are.
    #[schema(value_type = Vec<usize>)]
    shape: [usize; 1],
    #[serde(skip_serializing_if = "Parameters::are_none")]
    #[schema(required = false)]
    parameters: Parameters,
    /// One value for each row; null is NaN. Without it they follow the JSON in binary form.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>, nullable = false)]
    data: Option<&'a Values>,
}

#[derive(Default, Serialize, ToSchema)]
#[schema(as = OutputParameters)]
struct Parameters {
    /// As what the values can be read, where the request came as a data frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    content_type: Option<&'static str>,
    /// How many bytes of what follows the JSON are this tensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    binary_data_size: Option<usize>,
}

impl Parameters {
    fn are_none(&self) -> bool {
        self.content_type.is_none() && self.binary_data_size.is_none()
    }
}

pub(super) fn response(engine: &Engine, answer: &Answer<'_>, encoding: Option<Encoding>) -> Result<Response, Problem> {
    let (name, version) = (answer.model.name(engine), answer.model.version(engine));
    let (body, header_length) = body(name, &version, answer)?;
    let content_type = if header_length.is_some() { "application/octet-stream" } else { "application/json" };
    let body = match encoding {
        Some(encoding) => encoding.compressed(&body).ok_or_else(Problem::internal)?,
        None => body,
    };
    let mut response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
    let headers = response.headers_mut();
    if let Some(length) = header_length {
        headers.insert(HEADER_LENGTH, HeaderValue::from(length));
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        headers.insert(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
    }
    Ok(response)
}

/// The bytes of an answer, and how many of them are its JSON header if more follow.
fn body(model_name: &str, model_version: &str, answer: &Answer<'_>) -> Result<(Vec<u8>, Option<usize>), Problem> {
    let packed: Vec<Option<Vec<u8>>> =
        answer.outputs.iter().zip(answer.binary).map(|(output, binary)| binary.then(|| output.values.packed())).collect();
    let told = |(output, packed): (_, &Option<Vec<u8>>)| told(output, packed.as_ref().map(Vec::len), answer.for_pandas);
    let outputs = answer.outputs.iter().zip(&packed).map(told).collect();
    let parameters = Parameters { content_type: answer.for_pandas.then_some(FOR_PANDAS), binary_data_size: None };
    let header = Header { model_name, model_version, id: answer.id, parameters, outputs };
    let mut bytes = serde_json::to_vec(&header).map_err(|_| Problem::internal())?;
    let header_length = packed.iter().any(Option::is_some).then_some(bytes.len());
    packed.iter().flatten().for_each(|values| bytes.extend_from_slice(values));
    Ok((bytes, header_length))
}

fn told(output: &Output, binary_data_size: Option<usize>, for_pandas: bool) -> Told<'_> {
    let content_type = for_pandas.then(|| content_type_of(&output.values));
    Told {
        name: output.given.name(),
        datatype: output.values.datatype().name(),
        shape: [output.values.rows()],
        parameters: Parameters { content_type, binary_data_size },
        data: binary_data_size.is_none().then_some(&output.values),
    }
}

/// What MLServer's client is told that values are.
pub(super) fn content_type_of(values: &Values) -> &'static str {
    if matches!(values, Values::Texts(_)) { "str" } else { "np" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::Given;

    #[test]
    fn binary_outputs_follow_the_header_in_their_order() {
        let outputs = [
            Output { given: Given::Score, values: Values::Numbers(vec![0.5]) },
            Output { given: Given::Anomalous, values: Values::Booleans(vec![true]) },
            Output { given: Given::Abstention, values: Values::Texts(vec!["x".into()]) },
        ];
        let answer = |binary| Answer { model: Model::Policy, id: Some("r"), outputs: &outputs, binary, for_pandas: false };
        let (bytes, length) = body("m", "3", &answer(&[false, true, true])).unwrap();
        let (header, rest) = bytes.split_at(length.unwrap());
        let header = std::str::from_utf8(header).unwrap();
        assert_eq!(
            header,
            concat!(
                r#"{"model_name":"m","model_version":"3","id":"r","outputs":[{"name":"score","datatype":"FP64","shape":[1],"data":[0.5]},"#,
                r#"{"name":"anomalous","datatype":"BOOL","shape":[1],"parameters":{"binary_data_size":1}},"#,
                r#"{"name":"abstention","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}"#
            )
        );
        assert_eq!(rest, [1, 1, 0, 0, 0, b'x']);
        assert_eq!(body("m", "3", &answer(&[false; 3])).unwrap().1, None);
    }
}
