//! Text to tree, by precedence climbing (Pratt 1973).

use super::DEPTH;

/// Most operators in one expression: the compiler walks the tree by recursion.
const OPERATIONS: usize = 500;

/// A mistake: where (byte offset) and what.
pub(super) type Mistake = (usize, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// Operators with their binding strength; the longer ones come first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Binary, u8); 15] = [
    ("or", Binary::Or, 1),
    ("and", Binary::And, 2),
    ("==", Binary::Equal, 4),
    ("!=", Binary::NotEqual, 4),
    ("<=", Binary::LessOrEqual, 4),
    (">=", Binary::GreaterOrEqual, 4),
    ("<", Binary::Less, 4),
    (">", Binary::Greater, 4),
    ("+", Binary::Add, 5),
    ("-", Binary::Subtract, 5),
    ("**", Binary::Power, 8),
    ("*", Binary::Multiply, 6),
    ("/", Binary::Divide, 6),
    ("%", Binary::Remainder, 6),
    ("^", Binary::Power, 8),
];
const NOT: u8 = 3;
const NEGATIVE: u8 = 7;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) offset: usize,
    pub(super) kind: NodeKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeKind {
    Number(f64),
    Text(String),
    Field(String),
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Call(String, Vec<Node>),
}

pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    let mut parser = Parser { text, offset: 0, depth: 0, operations: 0 };
    let node = parser.expression(0)?;
    match parser.rest().chars().next() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    depth: usize,
    operations: usize,
}

impl<'a> Parser<'a> {
    /// What is left, without leading blanks.
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.offset..];
        self.offset += rest.len() - rest.trim_start().len();
        &self.text[self.offset..]
    }

    fn unexpected(&mut self) -> Mistake {
        let word: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(20).collect();
        let message = if word.is_empty() { "the expression ends too early".into() } else { format!("unexpected `{word}`") };
        (self.offset, message)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.offset += symbol.len();
        }
        found
    }

    fn operator(&mut self) -> Option<(Binary, u8, usize)> {
        let rest = self.rest();
        let found = OPERATORS.iter().find(|(symbol, ..)| match symbol.as_bytes()[0] {
            b'a'..=b'z' => word(rest) == *symbol,
            _ => rest.starts_with(symbol),
        });
        found.map(|(symbol, operator, strength)| (*operator, *strength, symbol.len()))
    }

    fn expression(&mut self, weakest: u8) -> Result<Node, Mistake> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err((self.offset, format!("nested deeper than {DEPTH}")));
        }
        let mut left = self.prefix()?;
        while let Some((operator, strength, length)) = self.operator() {
            if strength < weakest {
                break;
            }
            self.operations += 1;
            if self.operations > OPERATIONS {
                return Err((self.offset, format!("more than {OPERATIONS} operations: split it")));
            }
            let offset = left.offset;
            self.offset += length;
            // Powers group to the right, everything else to the left.
            let right = self.expression(if operator == Binary::Power { strength } else { strength + 1 })?;
            left = Node { offset, kind: NodeKind::Binary(operator, Box::new(left), Box::new(right)) };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Node, Mistake> {
        let rest = self.rest();
        let offset = self.offset;
        let kind = match rest.chars().next() {
            Some('-') => {
                self.offset += 1;
                NodeKind::Negative(Box::new(self.expression(NEGATIVE)?))
            }
            Some('(') => {
                self.offset += 1;
                let inner = self.expression(0)?;
                self.closing()?;
                return Ok(inner);
            }
            Some('"') => NodeKind::Text(self.quoted('"')?),
            Some('`') => NodeKind::Field(self.quoted('`')?),
            Some(first) if first.is_ascii_digit() || first == '.' => NodeKind::Number(self.number()?),
            Some(first) if first.is_alphabetic() || first == '_' => return self.name(),
            _ => return Err(self.unexpected()),
        };
        Ok(Node { offset, kind })
    }

    fn closing(&mut self) -> Result<(), Mistake> {
        if self.take(")") { Ok(()) } else { Err((self.text.len().min(self.offset), "`)` is missing".into())) }
    }

    fn quoted(&mut self, mark: char) -> Result<String, Mistake> {
        let start = self.offset + 1;
        let length = self.text[start..].find(mark).ok_or((self.offset, format!("the closing {mark} is missing")))?;
        self.offset = start + length + 1;
        Ok(self.text[start..start + length].to_owned())
    }

    fn number(&mut self) -> Result<f64, Mistake> {
        let rest = self.rest();
        let mut length = 0;
        for (index, c) in rest.char_indices() {
            let sign_of_exponent = (c == '-' || c == '+') && rest[..index].ends_with(['e', 'E']);
            if !(c.is_ascii_digit() || c == '.' || c == 'e' || c == 'E' || sign_of_exponent) {
                break;
            }
            length = index + 1;
        }
        let number = rest[..length].parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| (self.offset, format!("`{}` is no number", &rest[..length])))?;
        self.offset += length;
        Ok(number)
    }

    fn name(&mut self) -> Result<Node, Mistake> {
        let (offset, name) = (self.offset, word(self.rest()));
        self.offset += name.len();
        let kind = if name == "not" {
            NodeKind::Not(Box::new(self.expression(NOT)?))
        } else if self.take("(") {
            NodeKind::Call(name.to_owned(), self.arguments()?)
        } else {
            NodeKind::Field(name.to_owned())
        };
        Ok(Node { offset, kind })
    }

    fn arguments(&mut self) -> Result<Vec<Node>, Mistake> {
        let mut arguments = Vec::new();
        while !self.take(")") {
            arguments.push(self.expression(0)?);
            if !self.take(",") {
                self.closing()?;
                break;
            }
        }
        Ok(arguments)
    }
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}
