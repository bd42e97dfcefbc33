//! A request's message to rows, and outputs to an answer's message.

use super::super::super::Problem;
use super::super::answer::content_type_of;
use super::super::request::{FOR_PANDAS, check_content_type};
use super::super::wrong;
use super::generated::infer_parameter::ParameterChoice;
use super::generated::model_infer_request::InferInputTensor;
use super::generated::model_infer_response::InferOutputTensor;
use super::generated::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse};
use crate::inference::{Datatype, Head, Mistake, Output, Room, Tensor, Values, most_values, rows};
use prost::bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashMap;
use synod_detection::{Batch, Schema};

type Parameters = HashMap<String, InferParameter>;

pub(super) fn batch(schema: &Schema, most_rows: usize, request: &ModelInferRequest) -> Result<Batch, Problem> {
    let (inputs, raw) = (&request.inputs, &request.raw_input_contents);
    if !raw.is_empty() && raw.len() != inputs.len() {
        let detail = format!("raw_input_contents has {} entries, and there are {} inputs", raw.len(), inputs.len());
        return Err(Problem::invalid_request(detail));
    }
    if request.outputs.iter().any(|output| output.parameters.contains_key("shared_memory_region")) {
        return Err(Problem::no_shared_memory());
    }
    let mut room = Room::new(most_values(schema, most_rows));
    let mut tensors = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let tensor = tensor(input, raw.get(index), &mut room);
        tensors.push(tensor.map_err(|what| wrong(vec![Mistake::of_input(index, &input.name, &what)]))?);
    }
    rows(schema, &tensors, most_rows).map_err(wrong)
}

fn tensor<'a>(input: &'a InferInputTensor, raw: Option<&'a Bytes>, room: &mut Room) -> Result<Tensor<'a>, String> {
    if input.parameters.contains_key("shared_memory_region") {
        return Err("is in shared memory, which is not served: send its values with the request".into());
    }
    if let Some(text) = content_type(&input.parameters) {
        check_content_type(text)?;
    }
    let head = room.head(Cow::Borrowed(&*input.name), &input.datatype, input.shape.clone())?;
    // MLServer's client sends a message without contents beside raw ones.
    match (raw, input.contents.as_ref().filter(|contents| **contents != InferTensorContents::default())) {
        (Some(bytes), None) => Tensor::packed(head, bytes),
        (None, Some(contents)) => listed(head, contents),
        (Some(_), Some(_)) => Err("has both `contents` and an entry of `raw_input_contents`".into()),
        (None, None) => Err("has neither `contents` nor an entry of `raw_input_contents`".into()),
    }
}

fn listed<'a>(head: Head<'a>, contents: &'a InferTensorContents) -> Result<Tensor<'a>, String> {
    match head.datatype() {
        Datatype::Bool => Tensor::listed(head, &contents.bool_contents, |of, truth| of.truth(*truth)),
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => {
            Tensor::listed(head, &contents.int_contents, |of, integer| of.whole((*integer).into()))
        }
        Datatype::Int64 => Tensor::listed(head, &contents.int64_contents, |of, integer| of.whole((*integer).into())),
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => {
            Tensor::listed(head, &contents.uint_contents, |of, integer| of.whole((*integer).into()))
        }
        Datatype::Uint64 => Tensor::listed(head, &contents.uint64_contents, |of, integer| of.whole((*integer).into())),
        Datatype::Fp32 => Tensor::listed(head, &contents.fp32_contents, |of, real| of.real((*real).into())),
        Datatype::Fp64 => Tensor::listed(head, &contents.fp64_contents, |of, real| of.real(*real)),
        Datatype::Bytes => Tensor::texts(head, contents.bytes_contents.iter().map(|text| &text[..]).collect()),
        other @ (Datatype::Fp16 | Datatype::Bf16) => Err(format!("of {} is taken from `raw_input_contents` only", other.name())),
    }
}

/// What the values of something are said to be, beside their datatype.
fn content_type(parameters: &Parameters) -> Option<&str> {
    match parameters.get("content_type")?.parameter_choice.as_ref()? {
        ParameterChoice::StringParam(text) => Some(text),
        _ => None,
    }
}

fn of_content_type(text: &str) -> Parameters {
    let parameter = InferParameter { parameter_choice: Some(ParameterChoice::StringParam(text.to_owned())) };
    HashMap::from([("content_type".to_owned(), parameter)])
}

/// An answer's outputs in the form that the inputs came in: raw, or as lists; and readable as a data frame if they were one.
pub(super) fn answer(outputs: &[Output], raw: bool, for_pandas: bool) -> ModelInferResponse {
    let told = |output: &Output| InferOutputTensor {
        name: output.given.name().to_owned(),
        datatype: output.values.datatype().name().to_owned(),
        shape: vec![output.values.rows() as i64],
        parameters: if for_pandas { of_content_type(content_type_of(&output.values)) } else { Parameters::new() },
        contents: (!raw).then(|| contents(&output.values)),
    };
    ModelInferResponse {
        parameters: if for_pandas { of_content_type(FOR_PANDAS) } else { Parameters::new() },
        outputs: outputs.iter().map(told).collect(),
        raw_output_contents: if raw { outputs.iter().map(|output| output.values.packed().into()).collect() } else { Vec::new() },
        ..ModelInferResponse::default()
    }
}

/// Whether the rows of a request came as a data frame.
pub(super) fn is_for_pandas(request: &ModelInferRequest) -> bool {
    content_type(&request.parameters) == Some(FOR_PANDAS)
}

fn contents(values: &Values) -> InferTensorContents {
    let none = InferTensorContents::default();
    match values {
        Values::Booleans(values) => InferTensorContents { bool_contents: values.clone(), ..none },
        Values::Numbers(values) => InferTensorContents { fp64_contents: values.clone(), ..none },
        Values::Texts(values) => {
            InferTensorContents { bytes_contents: values.iter().map(|text| text.clone().into_bytes().into()).collect(), ..none }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_detection::{Field, Kind};

    fn schema() -> Schema {
        let note = Field { required: false, ..Field::new("note", Kind::Text) };
        Schema::new(vec![Field::new("amount", Kind::Number), Field::new("count", Kind::Integer), note]).unwrap()
    }

    fn input(name: &str, datatype: &str, contents: Option<InferTensorContents>) -> InferInputTensor {
        InferInputTensor { name: name.into(), datatype: datatype.into(), shape: vec![2, 1], contents, ..InferInputTensor::default() }
    }

    fn listed() -> ModelInferRequest {
        let none = InferTensorContents::default();
        let texts = vec![Bytes::from("x"), Bytes::new()];
        let inputs = vec![
            input("amount", "FP32", Some(InferTensorContents { fp32_contents: vec![0.1, -2.0], ..none.clone() })),
            input("count", "INT8", Some(InferTensorContents { int_contents: vec![3, -4], ..none.clone() })),
            input("note", "BYTES", Some(InferTensorContents { bytes_contents: texts, ..none })),
        ];
        ModelInferRequest { inputs, ..ModelInferRequest::default() }
    }

    #[test]
    fn listed_and_raw_contents_are_the_same_rows() {
        let raw = [&[0xcd, 0xcc, 0xcc, 0x3d, 0, 0, 0, 0xc0][..], &[3, 0xfc], &[1, 0, 0, 0, b'x', 0, 0, 0, 0]];
        let mut request = listed();
        request.inputs.iter_mut().for_each(|input| input.contents = None);
        request.inputs[0].contents = Some(InferTensorContents::default());
        request.raw_input_contents = raw.map(Bytes::from_static).to_vec();
        for batch in [batch(&schema(), 10, &listed()).unwrap(), batch(&schema(), 10, &request).unwrap()] {
            assert_eq!((batch.number(0, 0), batch.number(1, 1)), (0.10000000149011612, -4.0));
            assert_eq!((batch.text(2, 0), batch.text(2, 1)), (Some("x"), None));
        }
    }

    #[test]
    fn what_is_wrong_names_the_input() {
        let change = |change: &dyn Fn(&mut ModelInferRequest)| {
            let mut request = listed();
            change(&mut request);
            batch(&schema(), 10, &request).unwrap_err()
        };
        type Change<'a> = &'a dyn Fn(&mut ModelInferRequest);
        let cases: [(Change<'_>, &str); 7] = [
            (&|request| request.inputs.clear(), "input `amount` is missing"),
            (&|request| request.inputs[1].contents = None, "input `count` has neither"),
            (&|request| request.inputs[1].shape = vec![i64::MAX], "input `count` has the shape"),
            (&|request| request.inputs[1].datatype = "INT16X".into(), "input `count` has the datatype `INT16X`"),
            (&|request| request.inputs[1].datatype = "FP64".into(), "input `count` has 0 values, and a shape of 2"),
            (&|request| request.raw_input_contents = vec![Bytes::new()], "raw_input_contents has 1 entries"),
            (
                &|request| request.inputs[1].contents = Some(InferTensorContents { int_contents: vec![1, 200], ..Default::default() }),
                "input `count` has a wrong value, number 1: 200 is no INT8",
            ),
        ];
        for (how, what) in cases {
            let problem = change(how);
            assert!(problem.detail().starts_with(what) && problem.status() == 400, "{}", problem.detail());
        }
    }
}
