//! The model as an ONNX file (onnx.proto3 of ONNX 1.8; operators of set 13): from rows in their own units to their reconstruction in the same
//! units and to the raw score.
//!
//! The graph is single precision from its input on. The plugin itself standardises in double precision: where a feature's mean is very many
//! of its standard deviations (a time stamp in seconds), the file's answers are coarser than the plugin's.

use crate::{activation::Activation, model::Autoencoder, network::Layer, protobuf::Message, scale::LIMIT};
use synod_sdk::Error;

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;
/// `AttributeProto.AttributeType.INT` and `INTS`.
const INT: u64 = 2;
const INTS: u64 = 7;

/// The whole file.
///
/// # Errors
/// When a feature's mean or spread is beyond single precision.
pub(crate) fn file(model: &Autoencoder) -> Result<Vec<u8>, Error> {
    let kept = |value: &f64| (*value as f32).is_finite();
    if !model.scale.mean.iter().all(kept) || !model.scale.spread.iter().all(|spread| kept(spread) && (*spread as f32).is_normal()) {
        return Err(Error::Model("a feature's mean or spread is beyond single precision, which the file is in".into()));
    }
    let operators = Message::default().text(1, "").number(2, 13);
    let producer = Message::default().number(1, 8).text(2, "synod autoencoder").text(3, env!("CARGO_PKG_VERSION"));
    Ok(producer.message(7, graph(model)).message(8, operators).finish())
}

fn graph(model: &Autoencoder) -> Message {
    let width = model.scale.mean.len() as u64;
    Message::default()
        .messages(1, nodes(model))
        .text(2, "autoencoder")
        .messages(5, constants(model))
        .message(11, port("input", &[Size::Rows, Size::Fixed(width)]))
        .message(12, port("output", &[Size::Rows, Size::Fixed(width)]))
        .message(12, port("score", &[Size::Rows]))
}

fn nodes(model: &Autoencoder) -> Vec<Message> {
    let mut nodes = vec![
        node("Sub", &["input", "mean"], "centred"),
        node("Div", &["centred", "spread"], "measured"),
        node("Clip", &["measured", "least", "most"], "standardised"),
    ];
    let mut before = "standardised".to_owned();
    let layers = model.network.layers.len();
    for place in 0..layers {
        let sums = format!("sums_{place}");
        nodes.push(node("Gemm", &[&before, &format!("weights_{place}"), &format!("bias_{place}")], &sums));
        before = sums;
        if place + 1 < layers {
            let answers = format!("answers_{place}");
            let operator = if model.network.activation == Activation::Tanh { "Tanh" } else { "Relu" };
            nodes.push(node(operator, &[&before], &answers));
            before = answers;
        }
    }
    nodes.push(node("Mul", &[&before, "spread"], "unmeasured"));
    nodes.push(node("Add", &["unmeasured", "mean"], "output"));
    nodes.push(node("Sub", &["standardised", &before], "error"));
    nodes.push(node("Mul", &["error", "error"], "square"));
    let axes = Message::default().text(1, "axes").number(8, 1).number(20, INTS);
    let drop = Message::default().text(1, "keepdims").number(3, 0).number(20, INT);
    // weight · square / (unit + damping · square), see `error`.
    nodes.push(node("Mul", &["square", "damping"], "damped"));
    nodes.push(node("Add", &["damped", "unit"], "divisor"));
    nodes.push(node("Div", &["square", "divisor"], "shares"));
    nodes.push(node("ReduceMean", &["shares"], "score").message(5, axes).message(5, drop));
    nodes
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let fed = inputs.iter().fold(Message::default(), |message, input| message.text(1, input));
    fed.text(2, output).text(3, &format!("make_{output}")).text(4, operator)
}

fn constants(model: &Autoencoder) -> Vec<Message> {
    let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
    let width = model.scale.mean.len();
    let mut constants = vec![
        constant("mean", &[width], &single(&model.scale.mean)),
        constant("spread", &[width], &single(&model.scale.spread)),
        constant("least", &[], &[-LIMIT]),
        constant("most", &[], &[LIMIT]),
        constant("damping", &[], &single(&[model.judges[0].damping])),
        constant("unit", &[width], &single(&model.judges.iter().map(|judge| judge.unit).collect::<Vec<_>>())),
    ];
    constants.extend(model.network.layers.iter().enumerate().flat_map(|(place, layer)| layer_constants(place, layer)));
    constants
}

fn layer_constants(place: usize, layer: &Layer) -> [Message; 2] {
    [
        constant(&format!("weights_{place}"), &[layer.inputs, layer.outputs], &layer.weights().collect::<Vec<_>>()),
        constant(&format!("bias_{place}"), &[layer.outputs], &layer.biases().collect::<Vec<_>>()),
    ]
}

fn constant(name: &str, sizes: &[usize], values: &[f32]) -> Message {
    let sized = sizes.iter().fold(Message::default(), |message, size| message.number(1, *size as u64));
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    sized.number(2, FLOAT).text(8, name).bytes(9, &bytes)
}

/// A dimension of an input or output.
#[derive(Debug, Clone, Copy)]
enum Size {
    Rows,
    Fixed(u64),
}

fn port(name: &str, sizes: &[Size]) -> Message {
    let dimension = |size: &Size| match size {
        Size::Rows => Message::default().text(2, "N"),
        Size::Fixed(size) => Message::default().number(1, *size),
    };
    let shape = Message::default().messages(1, sizes.iter().map(dimension));
    let tensor = Message::default().number(1, FLOAT).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}
