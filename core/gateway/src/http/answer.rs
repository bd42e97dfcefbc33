//! What a client is told about a row.

use super::Problem;
use crate::decision::{AbstentionOf, Decision, Verdict, VoteOf};
use crate::engine::{Call, Engine};
use serde::Serialize;
use synod_detection::{Ballot, Batch};
use utoipa::ToSchema;
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
#[derive(Serialize, ToSchema)]
#[schema(as = DecidedRow)]
pub(super) struct Told<'a> {
    decision: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    entity: Option<&'a str>,
    verdict: &'a Verdict,
    votes: &'a [VoteOf],
    abstentions: &'a [AbstentionOf],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reasons: &'a [String],
}

/// One detector's vote, without a verdict.
#[derive(Serialize, ToSchema)]
#[schema(as = VotedRow)]
pub(super) struct Voted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    entity: Option<String>,
    detector: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    vote: Option<VoteOf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    abstention: Option<AbstentionOf>,
}

pub(super) fn decided(decision: &Decision) -> Told<'_> {
    Told {
        decision: decision.id,
        id: decision.event.as_deref(),
        entity: decision.entity.as_deref(),
        verdict: &decision.verdict,
        votes: &decision.votes,
        abstentions: &decision.abstentions,
        reasons: &decision.reasons,
    }
}

pub(super) fn voted<'a>(engine: &'a Engine, detector: usize, batch: &Batch, place: usize, ballot: Ballot, call: &Call) -> Box<Voted<'a>> {
    let detector = &engine.detectors()[detector];
    let label = |field: Option<usize>| field.and_then(|field| batch.label(field, place));
    let (vote, abstention) = match ballot {
        Ballot::Vote(vote) => (Some(VoteOf::new(detector, vote, call)), None),
        Ballot::Abstention(abstention) => (None, Some(AbstentionOf::new(detector, &abstention))),
    };
    let (id, entity) = (label(engine.schema().id()), label(engine.schema().entity()));
    Box::new(Voted { id, entity, detector: detector.name(), vote, abstention })
}
