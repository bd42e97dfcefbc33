//! A plugin that misbehaves on demand. The parameter `behaviour` says how; it is stored in the model. What happens in `score` and `explain`
//! happens only for a batch with a row whose first feature is above [`TRIGGER`], so that one pool sees the plugin well and ill; any other
//! row gets the honest score, the sum of its features.

use ndarray::{Array2, ArrayView1, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use synod_sdk::{Description, Detector, Error, Explanation, Training, decode, encode, log};

/// The first feature's value above which a row brings out the behaviour.
pub const TRIGGER: f64 = 0.5;

/// Rows above which a model misbehaves that only does with many.
pub const MANY: usize = 300;
/// About thirty milliseconds.
const TURNS: u64 = 30_000_000;

const FORMAT: u32 = 1;

/// How the plugin misbehaves, and where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Not at all.
    #[default]
    Honest,
    /// Never returns from `score`.
    Spin,
    /// Allocates in `score` until it is refused.
    Bomb,
    /// Calls itself in `score` without end.
    Recursion,
    /// Panics in `score`.
    Panic,
    /// Scores NaN.
    Nan,
    /// Scores infinity.
    Infinity,
    /// Returns one score too few.
    Short,
    /// Returns four million scores.
    Huge,
    /// Refuses the rows, at great length and with control characters.
    Refuse,
    /// Writes lines in `score` without end.
    EndlessLog,
    /// Writes 20,000 lines in `score`, one of them 100,000 characters long, then answers honestly.
    LogFlood,
    /// Counts its own calls in the score: state that survives from call to call.
    Counter,
    /// Never returns from `load`.
    SlowStart,
    /// Panics in `load`.
    PanicInLoad,
    /// Allocates in `load` until it is refused.
    BombInLoad,
    /// Never returns from `fit`.
    SpinInFit,
    /// Allocates in `fit` until it is refused.
    BombInFit,
    /// Panics in `fit`.
    PanicInFit,
    /// Writes 20,000 lines in `fit`, then answers honestly.
    LogFloodInFit,
    /// Learns a model of no bytes.
    EmptyModel,
    /// Never returns from `check`.
    SpinInCheck,
    /// Finds 1,000 mistakes.
    ManyMistakes,
    /// Takes its time for every row, if it has learnt from more than [`MANY`] rows.
    SlowWithMany,
    /// Panics in `score`, if it has learnt from more than [`MANY`] rows.
    PanicWithMany,
}

/// What the test sets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How the plugin misbehaves.
    pub behaviour: Behaviour,
}

/// The fitted model: the behaviour, and how many features a row has.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hostile {
    behaviour: Behaviour,
    width: usize,
    many: bool,
    #[serde(skip)]
    calls: std::cell::Cell<u32>,
}

impl Detector for Hostile {
    type Parameters = Parameters;

    fn description() -> Description {
        Description { name: "hostile", version: "1.0.0", summary: "Misbehaves on demand", explains: true, ..Description::default() }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        match parameters.behaviour {
            Behaviour::SpinInCheck => spin(),
            Behaviour::ManyMistakes => vec!["mistake".to_owned(); 1_000],
            _ => Vec::new(),
        }
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        match parameters.behaviour {
            Behaviour::SpinInFit => spin(),
            Behaviour::BombInFit => bomb(),
            Behaviour::PanicInFit => panic!("as asked"),
            Behaviour::LogFloodInFit => flood(20_000),
            _ => {}
        }
        let (count, width) = training.rows.dim();
        Ok(Self { behaviour: parameters.behaviour, width, many: count > MANY, calls: 0.into() })
    }

    fn to_bytes(&self) -> Vec<u8> {
        if self.behaviour == Behaviour::EmptyModel { Vec::new() } else { encode(FORMAT, self) }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let model: Self = decode(FORMAT, bytes)?;
        match model.behaviour {
            Behaviour::SlowStart => spin(),
            Behaviour::PanicInLoad => panic!("as asked"),
            Behaviour::BombInLoad => bomb(),
            _ => Ok(model),
        }
    }

    fn width(&self) -> usize {
        self.width
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        self.calls.set(self.calls.get() + 1);
        // Finite for every finite row.
        let mut scores: Vec<f64> = rows.rows().into_iter().map(|row| row.sum().clamp(f64::MIN, f64::MAX)).collect();
        if rows.rows().into_iter().any(triggers) {
            self.misbehave(&mut scores)?;
        }
        match self.behaviour {
            Behaviour::SlowWithMany if self.many => waste(TURNS),
            Behaviour::PanicWithMany if self.many && rows.rows().into_iter().any(triggers) => panic!("as asked"),
            _ => {}
        }
        Ok(scores)
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let ill = rows.rows().into_iter().any(triggers);
        match self.behaviour {
            Behaviour::Nan if ill => Ok(Explanation { base: 0.0, contributions: rows.mapv(|_| f64::NAN) }),
            Behaviour::Short if ill => Ok(Explanation { base: 0.0, contributions: Array2::zeros((rows.nrows(), rows.ncols() - 1)) }),
            Behaviour::Spin if ill => spin(),
            _ => Ok(Explanation { base: 0.0, contributions: rows.to_owned() }),
        }
    }
}

impl Hostile {
    fn misbehave(&self, scores: &mut Vec<f64>) -> Result<(), Error> {
        match self.behaviour {
            Behaviour::Spin => spin(),
            Behaviour::Bomb => bomb(),
            Behaviour::Recursion => scores[0] = f64::from(descend(1)),
            Behaviour::Panic => panic!("as asked"),
            Behaviour::Nan => scores[0] = f64::NAN,
            Behaviour::Infinity => scores[0] = f64::INFINITY,
            Behaviour::Short => scores.truncate(scores.len() - 1),
            Behaviour::Huge => *scores = vec![0.25; 4 << 20],
            Behaviour::Refuse => return Err(Error::Data("\u{1b}[31mno\n".repeat(10_000))),
            Behaviour::EndlessLog => flood(usize::MAX),
            Behaviour::LogFlood => flood(20_000),
            Behaviour::Counter => scores[0] = f64::from(self.calls.get()),
            _ => {}
        }
        Ok(())
    }
}

fn triggers(row: ArrayView1<'_, f64>) -> bool {
    row.first().is_some_and(|first| *first > TRIGGER)
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn waste(turns: u64) {
    (0..turns).for_each(|turn| {
        black_box(turn);
    });
}

fn bomb() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

// Not a tail call, and a frame too small to exhaust the guest's own stack before the host's limit.
#[allow(unconditional_recursion)]
fn descend(depth: u32) -> u32 {
    black_box(descend(black_box(depth.wrapping_add(1)))) + 1
}

fn flood(lines: usize) {
    log::warn(&"long ".repeat(20_000));
    for line in 1..lines {
        log::info(&format!("line {line}\u{7}"));
    }
}

synod_sdk::export!(Hostile);
