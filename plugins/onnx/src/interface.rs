//! What a graph takes and gives, as its file declares it, and why a graph is refused before it is run.

use crate::scaler;
use std::fmt;
use tract_onnx::{
    pb::{
        AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto::DataType, tensor_shape_proto,
        type_proto,
    },
    prelude::Framework,
};

/// One dimension of a tensor: a size, or a name for one that is not fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dimension {
    Fixed(i64),
    Open(String),
}

/// An input or an output.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) element: Option<DataType>,
    /// `None` where the file says nothing.
    pub(crate) shape: Option<Vec<Dimension>>,
}

/// All inputs that a caller must feed, and all outputs.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

/// Operators that draw random numbers: a score must depend on the model and the row alone.
const RANDOM: [&str; 6] = ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"];

/// Reads the file, and refuses a graph that could not keep a detector's promises.
pub(crate) fn read(file: &[u8]) -> Result<(ModelProto, Interface), String> {
    let mut reader = file;
    let proto = tract_onnx::onnx().proto_model_for_read(&mut reader);
    let mut proto = proto.map_err(|error| format!("the file is not an ONNX model: {error:#}"))?;
    let graph = proto.graph.as_mut().ok_or("the ONNX file has no graph")?;
    check_nodes(graph)?;
    scaler::replace(graph);
    let fed = graph.input.iter().filter(|input| graph.initializer.iter().all(|constant| constant.name != input.name));
    let interface = Interface { inputs: fed.map(port).collect(), outputs: graph.output.iter().map(port).collect() };
    Ok((proto, interface))
}

fn check_nodes(graph: &GraphProto) -> Result<(), String> {
    graph.initializer.iter().try_for_each(check_tensor)?;
    graph.node.iter().try_for_each(check_node)
}

fn check_node(node: &NodeProto) -> Result<(), String> {
    if RANDOM.contains(&node.op_type.as_str()) {
        return Err(format!(
            "the graph draws random numbers ({} {:?}): the same row would get another score each time",
            node.op_type, node.name
        ));
    }
    node.attribute.iter().try_for_each(check_attribute)
}

fn check_attribute(attribute: &AttributeProto) -> Result<(), String> {
    attribute.t.iter().chain(&attribute.tensors).try_for_each(check_tensor)?;
    attribute.g.iter().chain(&attribute.graphs).try_for_each(check_nodes)
}

fn check_tensor(tensor: &TensorProto) -> Result<(), String> {
    if tensor.external_data.is_empty() {
        return Ok(());
    }
    Err(format!("the weights {:?} are in a file beside the ONNX file: save the model as one file", tensor.name))
}

fn port(value: &ValueInfoProto) -> Port {
    let tensor = value.r#type.as_ref().and_then(|kind| kind.value.as_ref()).map(|type_proto::Value::TensorType(tensor)| tensor);
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.iter().map(dimension).collect());
    Port { name: value.name.clone(), element: tensor.and_then(|tensor| DataType::try_from(tensor.elem_type).ok()), shape }
}

fn dimension(dimension: &tensor_shape_proto::Dimension) -> Dimension {
    use tensor_shape_proto::dimension::Value;
    match &dimension.value {
        Some(Value::DimValue(size)) => Dimension::Fixed(*size),
        Some(Value::DimParam(name)) => Dimension::Open(name.clone()),
        None => Dimension::Open("?".into()),
    }
}

impl Interface {
    /// The position of the output with this name, or of the first where the name is empty.
    pub(crate) fn output(&self, name: &str) -> Result<usize, String> {
        position(&self.outputs, name).ok_or_else(|| format!("output: the graph has no output {name:?}. {self}"))
    }

    /// The only input, if it has this name and takes rows of this width.
    pub(crate) fn input(&self, name: &str, width: usize) -> Result<&Port, String> {
        let at = position(&self.inputs, name).ok_or_else(|| format!("input: the graph has no input {name:?}. {self}"))?;
        if self.inputs.len() > 1 {
            return Err(format!("the graph has more than one input, and a row is only one. {self}"));
        }
        let port = &self.inputs[at];
        match &port.shape {
            Some(shape) if shape.len() != 2 => Err(format!("the input must be rows by features. {self}")),
            Some(shape) if matches!(shape[1], Dimension::Fixed(fixed) if fixed != width as i64) => {
                Err(format!("the rows have {width} features, the graph's input has another number. {self}"))
            }
            _ => Ok(port),
        }
    }
}

fn position(ports: &[Port], name: &str) -> Option<usize> {
    if name.is_empty() { (!ports.is_empty()).then_some(0) } else { ports.iter().position(|port| port.name == name) }
}

impl Port {
    /// Whether the file says that only one row at a time can be fed.
    pub(crate) fn one_row(&self) -> bool {
        self.shape.as_ref().is_some_and(|shape| shape.first() == Some(&Dimension::Fixed(1)))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(shape) = &self.shape {
            let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
            write!(f, " [{}]", sizes.join(", "))?;
        }
        self.element.map_or(Ok(()), |element| write!(f, " {}", element.as_str_name().to_lowercase()))
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Open(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ports: &[Port]| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        write!(f, "Its inputs: {}. Its outputs: {}.", list(&self.inputs), list(&self.outputs))
    }
}
