//! The models: each detector, and the policy over all of them.

use super::{Datatype, POLICY};
use crate::engine::{Detector, Engine};
use synod_detection::{Field, Kind, Schema, TimeFormat};

/// The version of the policy: what it rests on is the configuration, which has no number.
const VERSION_OF_POLICY: &str = "1";

/// What a client can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// All detectors, for a verdict, which is stored.
    Policy,
    /// One detector by its place, for its vote.
    Detector(usize),
}

/// Why there is no such model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoModel {
    /// None has this name: those that there are.
    Name(Vec<String>),
    /// It has another version: this one.
    Version(String),
}

impl Model {
    /// All models of an engine: the policy first.
    pub fn all(engine: &Engine) -> impl Iterator<Item = Self> {
        std::iter::once(Self::Policy).chain((0..engine.detectors().len()).map(Self::Detector))
    }

    /// The model of a name, and of a version if one is asked for.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(engine: &Engine, name: &str, version: &str) -> Result<Self, NoModel> {
        let model = match name {
            POLICY => Some(Self::Policy),
            name => engine.detector(name).map(Self::Detector),
        };
        let names = || Self::all(engine).map(|model| model.name(engine).to_owned()).collect();
        let model = model.ok_or_else(|| NoModel::Name(names()))?;
        let served = model.version(engine);
        if version.is_empty() || version == served { Ok(model) } else { Err(NoModel::Version(served)) }
    }

    fn detector(self, engine: &Engine) -> Option<&Detector> {
        match self {
            Self::Policy => None,
            Self::Detector(place) => engine.detectors().get(place).map(AsRef::as_ref),
        }
    }

    /// Its name.
    pub fn name(self, engine: &Engine) -> &str {
        self.detector(engine).map_or(POLICY, Detector::name)
    }

    /// The version that is served.
    pub fn version(self, engine: &Engine) -> String {
        self.detector(engine).map_or_else(|| VERSION_OF_POLICY.into(), |detector| detector.identity().version.to_string())
    }

    /// What makes it.
    pub fn platform(self) -> &'static str {
        match self {
            Self::Policy => "synod_policy",
            Self::Detector(_) => "synod_detector",
        }
    }

    /// Whether it can be asked: the policy when so many detectors can vote as it asks for.
    pub fn is_ready(self, engine: &Engine) -> bool {
        match self.detector(engine) {
            Some(detector) => detector.is_ready(),
            None => engine.detectors().iter().filter(|detector| detector.is_ready()).count() >= engine.policy().minimum_votes.max(1),
        }
    }

    /// What it gives for each row.
    pub fn gives(self) -> &'static [Given] {
        match self {
            Self::Policy => &Given::OF_POLICY,
            Self::Detector(_) => &Given::OF_DETECTOR,
        }
    }
}

/// What a model gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The calibrated score; NaN where a detector abstained.
    Score,
    /// Whether it is anomalous; false where a detector abstained.
    Anomalous,
    /// The detector's own score; NaN where it abstained.
    RawScore,
    /// Why a detector abstained; empty where it voted.
    Abstention,
    /// What to do.
    Outcome,
    /// The decision's id.
    Decision,
    /// Whether fewer detectors voted than the policy asks for.
    TooFewVotes,
}

impl Given {
    const OF_DETECTOR: [Self; 4] = [Self::Score, Self::Anomalous, Self::RawScore, Self::Abstention];
    const OF_POLICY: [Self; 5] = [Self::Outcome, Self::Anomalous, Self::Score, Self::Decision, Self::TooFewVotes];

    /// The output's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Anomalous => "anomalous",
            Self::RawScore => "raw_score",
            Self::Abstention => "abstention",
            Self::Outcome => "outcome",
            Self::Decision => "decision",
            Self::TooFewVotes => "too_few_votes",
        }
    }

    /// The type of its values.
    pub fn datatype(self) -> Datatype {
        match self {
            Self::Score | Self::RawScore => Datatype::Fp64,
            Self::Anomalous | Self::TooFewVotes => Datatype::Bool,
            Self::Abstention | Self::Outcome | Self::Decision => Datatype::Bytes,
        }
    }

    /// Whether it is a score, which not everybody may see who may score.
    pub fn is_score(self) -> bool {
        matches!(self, Self::Score | Self::RawScore)
    }
}

/// What a model takes: a tensor of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken<'a> {
    /// The field's name.
    pub name: &'a str,
    /// The type that every value of the field has a form in; others are taken where nothing is lost.
    pub datatype: Datatype,
    /// Whether it can be left out.
    pub optional: bool,
}

/// What all models take.
pub fn taken(schema: &Schema) -> impl Iterator<Item = Taken<'_>> {
    schema.fields().iter().map(|field| Taken { name: &field.name, datatype: datatype(field), optional: !field.required })
}

fn datatype(field: &Field) -> Datatype {
    match field.kind {
        Kind::Number => Datatype::Fp64,
        Kind::Integer => Datatype::Int64,
        Kind::Boolean => Datatype::Bool,
        Kind::Text => Datatype::Bytes,
        Kind::Time if field.format == TimeFormat::Text => Datatype::Bytes,
        Kind::Time => Datatype::Int64,
    }
}

/// The fields that one tensor of all fields holds, in its order.
///
/// # Errors
/// When a field is no number, so that there is no such tensor: that field.
pub fn matrix(schema: &Schema) -> Result<Vec<&str>, usize> {
    let is_number = |field: &Field| matches!(datatype(field), Datatype::Fp64 | Datatype::Int64);
    match schema.fields().iter().position(|field| !is_number(field)) {
        Some(other) => Err(other),
        None => Ok(schema.fields().iter().map(|field| field.name.as_str()).collect()),
    }
}
