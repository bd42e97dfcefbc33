//! What a client is told about a row.

use super::Problem;
use super::shown::{Shown, ShownAbstention, ShownVerdict, ShownVote};
use crate::decision::{AbstentionOf, Decision, VoteOf};
use crate::engine::{Call, Engine};
use serde::Serialize;
use synod_detection::{Ballot, Batch};
use uuid::Uuid;

/// A row's answer: the decision's verdict with what it rests on, one vote, or what is wrong with the row.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Row<'a> {
    Decided(Told<'a>),
    Voted(Box<Voted<'a>>),
    Refused { error: Problem },
}

/// What is told of a decision; `GET /v1/decisions/{id}` has all of it.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    decision: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
    verdict: ShownVerdict<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    votes: Option<&'a [VoteOf]>,
    abstentions: Vec<ShownAbstention<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<&'a [String]>,
}

/// One detector's vote, without a verdict.
#[derive(Serialize)]
pub(super) struct Voted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    detector: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vote: Option<ShownVote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    abstention: Option<ShownAbstention<'a>>,
}

pub(super) fn decided<'a>(shown: &Shown, decision: &'a Decision) -> Told<'a> {
    Told {
        decision: decision.id,
        id: decision.event.as_deref(),
        entity: decision.entity.as_deref(),
        verdict: shown.verdict(&decision.verdict),
        votes: shown.score(decision.votes.as_slice()),
        abstentions: shown.abstentions(&decision.abstentions),
        reasons: shown.explanation(decision.reasons.as_slice()).filter(|reasons| !reasons.is_empty()),
    }
}

pub(super) fn voted<'a>(
    shown: &Shown,
    engine: &'a Engine,
    detector: usize,
    batch: &Batch,
    place: usize,
    ballot: Ballot,
    call: &Call,
) -> Box<Voted<'a>> {
    let detector = &engine.detectors()[detector];
    let label = |field: Option<usize>| field.and_then(|field| batch.label(field, place));
    let (vote, abstention) = match ballot {
        Ballot::Vote(vote) => (Some(shown.vote(VoteOf::new(detector, vote, call))), None),
        Ballot::Abstention(abstention) => (None, Some(shown.abstention(AbstentionOf::new(detector, &abstention)))),
    };
    let (id, entity) = (label(engine.schema().id()), label(engine.schema().entity()));
    Box::new(Voted { id, entity, detector: detector.name(), vote, abstention })
}
