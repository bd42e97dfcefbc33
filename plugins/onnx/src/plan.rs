//! A graph made ready to run: optimised once, fed rows, answering the one output that the score is made of.

use crate::{
    chain::Chain,
    interface::read,
    parameters::{Parameters, Score},
};
use ndarray::{ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use std::{cell::RefCell, collections::HashMap, sync::Arc};
use tract_onnx::{
    pb::{ModelProto, tensor_proto::DataType},
    prelude::*,
    tract_hir::infer::{InferenceFact, InferenceModelExt},
};

/// The most rows that the graph sees at once. Past it nothing is won, and [`Plan::keeps_rows_apart`] has to try the sizes below.
pub(crate) const LARGEST_BLOCK: usize = 256;

/// What the number of rows is called in a graph that takes any.
const ROWS: &str = "N";

/// How many rows the graph is fed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Block {
    /// One: the graph says so, or its rows would depend on their neighbours.
    One,
    /// Up to [`LARGEST_BLOCK`].
    Many,
    /// Up to [`LARGEST_BLOCK`], and a row alone goes through a copy of the graph that is optimised for one row and answers the same bits.
    Both,
}

/// A graph that can be run.
#[derive(Debug)]
pub(crate) struct Plan {
    way: Way,
    double: bool,
    /// Numbers that the output has for each row.
    outputs: usize,
}

/// How a graph is run.
#[derive(Debug)]
enum Way {
    Chain(Chain),
    Tract(Box<Graph>),
}

/// A graph that tract runs.
#[derive(Debug)]
struct Graph {
    /// For any number of rows; absent if the graph is run row by row.
    many: Option<Running>,
    /// For one row.
    one: Option<Running>,
}

/// An optimised graph, and the state of its last run: to set one up takes as long as a small graph.
#[derive(Debug)]
struct Running {
    graph: Arc<TypedRunnableModel>,
    state: RefCell<Option<TypedSimpleState>>,
}

impl Running {
    fn new(model: TypedModel) -> Result<Self, String> {
        let graph = model.into_runnable().map_err(|error| format!("the graph cannot be run: {error:#}"))?;
        Ok(Self { graph, state: RefCell::default() })
    }

    fn run(&self, input: Tensor) -> TractResult<TVec<TValue>> {
        let kept = self.state.take();
        let mut state = kept.map_or_else(|| self.graph.spawn(), Ok)?;
        let answer = state.run(tvec!(input.into_tvalue()))?;
        // An operator that remembers the last row (a recurrent one) has to start afresh. So has a run that failed.
        if state.op_states.iter().all(Option::is_none) {
            self.state.replace(Some(state));
        }
        Ok(answer)
    }
}

impl Graph {
    /// Optimises the graph.
    fn new(typed: TypedModel, block: Block) -> Result<Self, String> {
        let failed = |error: TractError| format!("the graph cannot be run: {error:#}");
        let one = match block {
            Block::Many => None,
            Block::One => Some(typed.clone()),
            Block::Both => Some(for_one_row(&typed).map_err(failed)?),
        };
        let many = (block != Block::One).then_some(typed);
        let running = |model: TypedModel| model.into_optimized().map_err(failed).and_then(Running::new);
        Ok(Self { many: many.map(running).transpose()?, one: one.map(running).transpose()? })
    }
}

impl Plan {
    /// Reads and optimises the graph for rows of `width` features. The text of an error names the graph's inputs and outputs.
    pub(crate) fn new(file: &[u8], parameters: &Parameters, width: usize, block: Block) -> Result<Self, String> {
        let (proto, interface) = read(file)?;
        let double = match interface.input(&parameters.input, width)?.element {
            Some(DataType::Float) => false,
            Some(DataType::Double) => true,
            _ => return Err(format!("the input must be float or double. {interface}")),
        };
        let output = interface.output(&parameters.output)?;
        let kind = if double { f64::datum_type() } else { f32::datum_type() };
        let outputs = if parameters.score == Score::Output { 1 } else { width };
        let failed = |error: TractError| format!("the graph cannot be run: {error:#}. {interface}");
        let typed = typed(&proto, kind, width, output, block).map_err(failed)?;
        check_output(&typed, block, parameters.score, width).map_err(|text| format!("{text}. {interface}"))?;
        let way = match Chain::of(&typed, width) {
            Some(chain) => Way::Chain(chain),
            None => Way::Tract(Box::new(Graph::new(typed, block).map_err(|error| format!("{error}. {interface}"))?)),
        };
        Ok(Self { way, double, outputs })
    }

    /// The output for each row, row-major.
    pub(crate) fn run(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, String> {
        let graph = match &self.way {
            Way::Chain(chain) => return Ok(chain.run(rows)),
            Way::Tract(graph) => graph,
        };
        let size = if graph.many.is_some() { LARGEST_BLOCK } else { 1 };
        let mut found = Vec::with_capacity(rows.nrows() * self.outputs);
        for block in rows.axis_chunks_iter(Axis(0), size) {
            let before = found.len();
            self.run_block(graph, block, &mut found).map_err(|error| format!("the graph failed: {error:#}"))?;
            if found.len() - before != block.nrows() * self.outputs {
                return Err(format!("the graph gave {} numbers for {} rows", found.len() - before, block.nrows()));
            }
        }
        Ok(found)
    }

    fn run_block(&self, graph: &Graph, rows: ArrayView2<'_, f64>, found: &mut Vec<f64>) -> TractResult<()> {
        let alone = graph.one.as_ref().filter(|_| rows.nrows() == 1);
        let running = alone.or(graph.many.as_ref()).ok_or_else(|| TractError::msg(format!("no graph takes {} rows", rows.nrows())))?;
        let answer = running.run(self.tensor(rows)?)?;
        if answer[0].datum_type() == f32::datum_type() {
            found.extend(answer[0].try_as_plain_ram()?.as_slice::<f32>()?.iter().copied().map(f64::from));
        } else {
            let output = answer[0].cast_to::<f64>()?;
            found.extend_from_slice(output.try_as_plain_ram()?.as_slice::<f64>()?);
        }
        Ok(())
    }

    fn tensor(&self, rows: ArrayView2<'_, f64>) -> TractResult<Tensor> {
        let shape = [rows.nrows(), rows.ncols()];
        if self.double {
            return Tensor::from_shape(&shape, &rows.iter().copied().collect::<Vec<f64>>());
        }
        let mut tensor = Tensor::zero::<f32>(&shape)?;
        let mut plain = tensor.try_as_plain_ram_mut()?;
        plain.as_slice_mut::<f32>()?.iter_mut().zip(rows).for_each(|(place, value)| *place = single(*value));
        Ok(tensor)
    }

    /// Whether each of these rows gets the same output, bit for bit, alone and in blocks of many sizes. A matrix product may add in
    /// another order where the number of rows is another, and a graph may even mix its rows.
    pub(crate) fn keeps_rows_apart(&self, rows: ArrayView2<'_, f64>) -> Result<bool, String> {
        let alone = rows.axis_chunks_iter(Axis(0), 1).take(64).map(|row| self.run(row)).collect::<Result<Vec<_>, _>>()?;
        for size in (2..=33).chain([48, 63, 64, 100, 127, 200, LARGEST_BLOCK]) {
            // Each size starts at another row, so that a row meets many places in a block.
            let picked: Vec<usize> = (0..size).map(|place| (place + size) % alone.len()).collect();
            let together = self.run(rows.select(Axis(0), &picked).view())?;
            let expected = picked.iter().flat_map(|row| &alone[*row]);
            if !together.iter().map(|value| value.to_bits()).eq(expected.map(|value| value.to_bits())) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A value beyond the range of 32 bits becomes the largest: an infinity would make most graphs answer with no number at all.
pub(crate) fn single(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

fn typed(proto: &ModelProto, kind: DatumType, width: usize, output: usize, block: Block) -> TractResult<TypedModel> {
    // What the file says of shapes between input and output is left out: its names for the number of rows would not be ours.
    let reader = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let model = reader.model_for_proto_model(proto)?;
    let rows = if block == Block::One { 1.to_dim() } else { model.sym(ROWS).to_dim() };
    let chosen = model.output_outlets()?[output];
    let model = model.with_output_outlets(&[chosen])?;
    model.with_input_fact(0, InferenceFact::dt_shape(kind, &[rows, width.to_dim()]))?.into_typed()?.into_decluttered()
}

/// The graph with one for the number of rows.
fn for_one_row(model: &TypedModel) -> TractResult<TypedModel> {
    model.set_symbols(&HashMap::from([(model.sym(ROWS), 1.to_dim())]))
}

fn check_output(model: &TypedModel, block: Block, score: Score, width: usize) -> Result<(), String> {
    let fact = model.output_fact(0).map_err(|error| format!("{error:#}"))?;
    let shape = fact.shape.to_tvec();
    let rows = if block == Block::One { 1.to_dim() } else { model.sym(ROWS).to_dim() };
    let fits = match score {
        Score::ReconstructionError => shape[..] == [rows, width.to_dim()],
        Score::Output => shape[..] == [rows.clone()] || shape[..] == [rows, 1.to_dim()],
    };
    let wanted = if score == Score::Output { "one number a row".into() } else { format!("{width} numbers a row, as the input has") };
    if fits { Ok(()) } else { Err(format!("the output must have {wanted}, but its shape is {:?}", fact.shape)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use ndarray::Array2;

    const BLOCK: Block = Block::Both;

    fn file(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/../../tests/parity-networks/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn a_chain_answers_as_tract_does() {
        for (name, width) in [("autoencoder.onnx", 8), ("mlp.onnx", 6)] {
            let parameters = Parameters::default();
            let chain = Plan::new(&file(name), &parameters, width, BLOCK).unwrap();
            assert!(matches!(chain.way, Way::Chain(_)), "{name} is no chain");
            let graph = typed(&read(&file(name)).unwrap().0, f32::datum_type(), width, 0, BLOCK).unwrap();
            let tract = Plan { way: Way::Tract(Box::new(Graph::new(graph, BLOCK).unwrap())), ..chain };
            let chain = Plan::new(&file(name), &parameters, width, BLOCK).unwrap();
            let rows = Array2::from_shape_fn((43, width), |(row, column)| f64::from((row * 29 + column * 13) as u32 % 31) / 5.0 - 3.0);
            for (own, theirs) in chain.run(rows.view()).unwrap().iter().zip(tract.run(rows.view()).unwrap()) {
                assert!((own - theirs).abs() <= 1e-5 * theirs.abs().max(1.0), "{name}: {own}, by tract {theirs}");
            }
            assert!(chain.keeps_rows_apart(rows.view()).unwrap(), "{name}");
        }
    }

    #[test]
    fn what_is_no_chain_is_left_to_tract() {
        let output = Parameters { score: Score::Output, ..Parameters::default() };
        for (name, parameters, width) in [
            ("mixes_rows.onnx", Parameters::default(), 3),
            ("scores_double.onnx", output, 3),
            ("keras.onnx", Parameters::default(), 8),
            ("pytorch.onnx", Parameters::default(), 8),
        ] {
            assert!(matches!(Plan::new(&file(name), &parameters, width, Block::Many).unwrap().way, Way::Tract(_)), "{name}");
        }
    }
}
