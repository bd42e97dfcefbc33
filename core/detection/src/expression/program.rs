//! Tree to a flat list of operations on a small stack: a row costs no allocation, and its value does not depend on its batch.

use super::DEPTH;
use super::parse::{Binary, Mistake, Node, NodeKind};
use crate::{Batch, Kind, Schema};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    Number(f64),
    Field(usize),
    /// A value of the row's past.
    Past(usize),
    PastMissing(usize),
    /// Whether a field's text is this one.
    IsText(usize, Box<str>),
    Missing(usize),
    Not,
    Negative,
    Binary(Binary),
    One(One),
    Two(Two),
    If,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum One {
    Abs,
    Ceil,
    Exp,
    Floor,
    Log,
    Log1p,
    Round,
    Sqrt,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Two {
    Min,
    Max,
}

const FUNCTIONS: &str = "abs, ceil, exp, floor, if, log, log1p, max, min, missing, round, sqrt";

/// Names that are no field are looked for in `past`.
pub(super) fn compile(tree: &Node, schema: &Schema, past: &[&str]) -> Result<Vec<Op>, Mistake> {
    let mut compiler = Compiler { schema, past, program: Vec::new(), waiting: 0 };
    compiler.node(tree)?;
    Ok(compiler.program)
}

struct Compiler<'a> {
    schema: &'a Schema,
    past: &'a [&'a str],
    program: Vec<Op>,
    /// How many values wait on the stack at this point.
    waiting: usize,
}

impl Compiler<'_> {
    fn emit(&mut self, node: &Node, op: Op) -> Result<(), Mistake> {
        match op {
            Op::Number(_) | Op::Field(_) | Op::Past(_) | Op::PastMissing(_) | Op::IsText(..) | Op::Missing(_) => self.waiting += 1,
            Op::Binary(_) | Op::Two(_) => self.waiting -= 1,
            Op::If => self.waiting -= 2,
            Op::Not | Op::Negative | Op::One(_) => {}
        }
        self.program.push(op);
        if self.waiting > DEPTH { Err((node.offset, format!("nested deeper than {DEPTH}"))) } else { Ok(()) }
    }

    fn node(&mut self, node: &Node) -> Result<(), Mistake> {
        match &node.kind {
            NodeKind::Number(number) => self.emit(node, Op::Number(*number)),
            NodeKind::Text(_) => Err((node.offset, "text can only be compared with a text field".into())),
            NodeKind::Field(name) if self.past(name).is_some() => {
                let place = self.past(name).unwrap_or_default();
                self.emit(node, Op::Past(place))
            }
            NodeKind::Field(name) => {
                let field = self.number_field(node, name)?;
                self.emit(node, Op::Field(field))
            }
            NodeKind::Not(inner) => {
                self.node(inner)?;
                self.emit(node, Op::Not)
            }
            NodeKind::Negative(inner) => {
                self.node(inner)?;
                self.emit(node, Op::Negative)
            }
            NodeKind::Binary(operator, left, right) => self.binary(node, *operator, left, right),
            NodeKind::Call(name, arguments) => self.call(node, name, arguments),
        }
    }

    /// A field goes before a value of the past of the same name.
    fn past(&self, name: &str) -> Option<usize> {
        if self.schema.index(name).is_some() { None } else { self.past.iter().position(|known| *known == name) }
    }

    fn field(&self, node: &Node, name: &str) -> Result<usize, Mistake> {
        let names =
            || self.schema.fields().iter().map(|field| field.name.as_str()).chain(self.past.iter().copied()).collect::<Vec<_>>().join(", ");
        self.schema.index(name).ok_or_else(|| (node.offset, format!("there is no field `{name}`; there are {}", names())))
    }

    fn number_field(&self, node: &Node, name: &str) -> Result<usize, Mistake> {
        let field = self.field(node, name)?;
        match self.schema.fields()[field].kind {
            Kind::Number | Kind::Integer | Kind::Boolean => Ok(field),
            Kind::Text => Err((node.offset, format!("field `{name}` holds text: encode it, or compare it with a text in quotes"))),
            Kind::Time => Err((node.offset, format!("field `{name}` holds a time: take a calendar part of it"))),
        }
    }

    fn binary(&mut self, node: &Node, operator: Binary, left: &Node, right: &Node) -> Result<(), Mistake> {
        if let Some((field, text)) = self.text_comparison(left, right)? {
            self.emit(node, Op::IsText(field, text.into()))?;
            return match operator {
                Binary::Equal => Ok(()),
                Binary::NotEqual => self.emit(node, Op::Not),
                _ => Err((node.offset, "text can only be compared with == and !=".into())),
            };
        }
        self.node(left)?;
        self.node(right)?;
        self.emit(node, Op::Binary(operator))
    }

    fn text_comparison<'n>(&self, left: &Node, right: &'n Node) -> Result<Option<(usize, &'n str)>, Mistake> {
        let NodeKind::Field(name) = &left.kind else { return Ok(None) };
        if self.past(name).is_some() {
            return Ok(None);
        }
        let field = self.field(left, name)?;
        match (&right.kind, self.schema.fields()[field].kind) {
            (NodeKind::Text(text), Kind::Text) => Ok(Some((field, text))),
            (NodeKind::Text(_), _) => Err((left.offset, format!("field `{name}` holds no text"))),
            (_, Kind::Text) => Err((left.offset, format!("field `{name}` holds text, and must be compared with text in quotes"))),
            _ => Ok(None),
        }
    }

    fn call(&mut self, node: &Node, name: &str, arguments: &[Node]) -> Result<(), Mistake> {
        if name == "missing" {
            let [Node { kind: NodeKind::Field(field), .. }] = arguments else {
                return Err((node.offset, "`missing` takes the name of a field".into()));
            };
            if let Some(place) = self.past(field) {
                return self.emit(node, Op::PastMissing(place));
            }
            let field = self.field(node, field)?;
            return self.emit(node, Op::Missing(field));
        }
        let (op, count) = function(name).ok_or_else(|| (node.offset, format!("there is no function `{name}`; there are {FUNCTIONS}")))?;
        if arguments.len() != count {
            return Err((node.offset, format!("`{name}` takes {count} arguments, not {}", arguments.len())));
        }
        for argument in arguments {
            self.node(argument)?;
        }
        self.emit(node, op)
    }
}

fn function(name: &str) -> Option<(Op, usize)> {
    Some(match name {
        "abs" => (Op::One(One::Abs), 1),
        "ceil" => (Op::One(One::Ceil), 1),
        "exp" => (Op::One(One::Exp), 1),
        "floor" => (Op::One(One::Floor), 1),
        "log" => (Op::One(One::Log), 1),
        "log1p" => (Op::One(One::Log1p), 1),
        "round" => (Op::One(One::Round), 1),
        "sqrt" => (Op::One(One::Sqrt), 1),
        "min" => (Op::Two(Two::Min), 2),
        "max" => (Op::Two(Two::Max), 2),
        "if" => (Op::If, 3),
        _ => return None,
    })
}

/// Computes the program for a row. The compiler has proved that the stack neither overflows nor runs dry.
pub(super) fn run(program: &[Op], batch: &Batch, row: usize, past: &[f64]) -> f64 {
    let mut stack = [0.0_f64; DEPTH + 1];
    let mut top = 0;
    for op in program {
        let (value, taken) = match op {
            Op::Number(number) => (*number, 0),
            Op::Field(field) => (batch.number(*field, row), 0),
            Op::Past(place) => (past[*place], 0),
            Op::PastMissing(place) => (truth(past[*place].is_nan()), 0),
            Op::IsText(field, text) => (batch.text(*field, row).map_or(f64::NAN, |found| truth(found == &**text)), 0),
            Op::Missing(field) => (truth(batch.is_missing(*field, row)), 0),
            Op::Not => (unless_missing(stack[top - 1], || truth(stack[top - 1] == 0.0)), 1),
            Op::Negative => (-stack[top - 1], 1),
            Op::One(function) => (one(*function, stack[top - 1]), 1),
            Op::Binary(operator) => (binary(*operator, stack[top - 2], stack[top - 1]), 2),
            Op::Two(function) => (two(*function, stack[top - 2], stack[top - 1]), 2),
            Op::If => {
                let [condition, yes, no] = [stack[top - 3], stack[top - 2], stack[top - 1]];
                (unless_missing(condition, || if condition != 0.0 { yes } else { no }), 3)
            }
        };
        top = top - taken + 1;
        stack[top - 1] = value;
    }
    stack[0]
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn unless_missing(value: f64, then: impl FnOnce() -> f64) -> f64 {
    if value.is_nan() { value } else { then() }
}

fn one(function: One, x: f64) -> f64 {
    match function {
        One::Abs => x.abs(),
        One::Ceil => x.ceil(),
        One::Exp => x.exp(),
        One::Floor => x.floor(),
        One::Log => x.ln(),
        One::Log1p => x.ln_1p(),
        One::Round => x.round_ties_even(),
        One::Sqrt => x.sqrt(),
    }
}

fn two(function: Two, x: f64, y: f64) -> f64 {
    // `f64::min` would answer the other value where one is missing.
    unless_missing(x + y, || match function {
        Two::Min => x.min(y),
        Two::Max => x.max(y),
    })
}

fn binary(operator: Binary, x: f64, y: f64) -> f64 {
    let compared = |holds: bool| if x.is_nan() || y.is_nan() { f64::NAN } else { truth(holds) };
    match operator {
        Binary::Or => compared(x != 0.0 || y != 0.0),
        Binary::And => compared(x != 0.0 && y != 0.0),
        Binary::Equal => compared(x == y),
        Binary::NotEqual => compared(x != y),
        Binary::Less => compared(x < y),
        Binary::LessOrEqual => compared(x <= y),
        Binary::Greater => compared(x > y),
        Binary::GreaterOrEqual => compared(x >= y),
        Binary::Add => x + y,
        Binary::Subtract => x - y,
        Binary::Multiply => x * y,
        Binary::Divide => x / y,
        Binary::Remainder => x % y,
        Binary::Power => x.powf(y),
    }
}
