//! The operator `Scaler` of `ai.onnx.ml`, `(x - offset) · scale`, which every scikit-learn pipeline with a scaler has and tract has not: its
//! nodes are replaced by the two that it stands for.

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, tensor_proto::DataType};

/// Replaces the graph's scalers.
pub(crate) fn replace(graph: &mut GraphProto) {
    for place in (0..graph.node.len()).rev() {
        if graph.node[place].op_type == "Scaler" && graph.node[place].domain == "ai.onnx.ml" {
            let scaler = graph.node.remove(place);
            let (nodes, constants) = parts(&scaler);
            graph.node.splice(place..place, nodes);
            graph.initializer.extend(constants);
        }
    }
}

fn parts(scaler: &NodeProto) -> ([NodeProto; 2], [TensorProto; 2]) {
    let answer = scaler.output.first().cloned().unwrap_or_default();
    let row = scaler.input.first().cloned().unwrap_or_default();
    let [offset, scale, centred] = ["offset", "scale", "centred"].map(|part| format!("{answer}/{part}"));
    let constants = [constant(&offset, scaler, "offset", 0.0), constant(&scale, scaler, "scale", 1.0)];
    ([node("Sub", [row, offset], centred.clone()), node("Mul", [centred, scale], answer)], constants)
}

/// The attribute's numbers, or the one that changes nothing where the file leaves them out.
fn constant(name: &str, scaler: &NodeProto, attribute: &str, neutral: f32) -> TensorProto {
    let given = scaler.attribute.iter().find(|given| given.name == attribute).map(|given: &AttributeProto| given.floats.clone());
    let values = given.filter(|values| !values.is_empty()).unwrap_or_else(|| vec![neutral]);
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Float as i32,
        float_data: values,
        ..TensorProto::default()
    }
}

fn node(operator: &str, input: [String; 2], output: String) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: format!("{output}/{operator}"),
        input: input.into(),
        output: vec![output],
        ..NodeProto::default()
    }
}
