//! Decisions as documents. Their rows and features are passed on as they are recorded, without being looked into.

use super::{Document, EventFields, Head, Id, Named, Stream, is_drawn};
use crate::decision::{Degraded, RolloutOf, Standing};
use jiff::Timestamp;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use synod_detection::{Outcome, Rule};
use uuid::Uuid;

/// What is read of a recorded decision.
#[derive(Debug, Deserialize)]
struct Recorded<'a> {
    id: Uuid,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    entity: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    principal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(borrow)]
    row: &'a RawValue,
    past: Standing,
    #[serde(borrow)]
    features: &'a RawValue,
    #[serde(borrow)]
    configuration: Cow<'a, str>,
    #[serde(default)]
    rollout: Option<RolloutOf>,
    verdict: Verdict,
    #[serde(borrow)]
    votes: Vec<Vote<'a>>,
    #[serde(borrow)]
    abstentions: Vec<Abstention<'a>>,
    #[serde(borrow, default)]
    reasons: Vec<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    anomalous: bool,
    outcome: Outcome,
    score: f64,
    #[serde(default)]
    threshold: Option<f64>,
    policy: Rule,
    combined: f64,
    votes: usize,
    too_few_votes: bool,
    #[serde(default)]
    degraded: Option<Degraded>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Vote<'a> {
    #[serde(borrow, skip_serializing)]
    detector: Cow<'a, str>,
    raw_score: f64,
    score: f64,
    #[serde(default)]
    extrapolated: bool,
    threshold: f64,
    anomalous: bool,
    model_version: u64,
    #[serde(borrow)]
    model_digest: Cow<'a, str>,
    #[serde(borrow)]
    plugin_digest: Cow<'a, str>,
    duration_us: f64,
}

#[derive(Debug, Deserialize, Serialize)]
struct Abstention<'a> {
    #[serde(borrow, skip_serializing)]
    detector: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    detail: Cow<'a, str>,
    model_version: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    message: String,
    event: EventFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Named<'a>>,
    synod: Synod<'a>,
}

#[derive(Serialize)]
struct Synod<'a> {
    decision: OfDecision<'a>,
    verdict: OfVerdict,
    votes: OfVotes<'a>,
    detectors: OfDetectors<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'a [Cow<'a, str>],
    row: &'a RawValue,
    features: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Share>,
}

/// `synod.sample.*`.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub(super) share: f64,
}

#[derive(Serialize)]
struct OfDecision<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    configuration: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<&'a RolloutOf>,
    content: &'a str,
    #[serde(flatten)]
    past: Standing,
}

#[derive(Serialize)]
struct OfVerdict {
    anomalous: bool,
    outcome: Outcome,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    policy: &'static str,
    combined: f64,
    votes: usize,
    too_few_votes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<Degraded>,
}

#[derive(Serialize)]
struct OfVotes<'a> {
    anomalous: Vec<&'a str>,
    normal: Vec<&'a str>,
    abstained: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    abstentions: Vec<String>,
}

/// What each detector said, by its name.
struct OfDetectors<'a>(&'a Recorded<'a>);

impl Serialize for OfDetectors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(recorded) = self;
        let mut map = serializer.serialize_map(Some(recorded.votes.len() + recorded.abstentions.len()))?;
        for vote in &recorded.votes {
            map.serialize_entry(&vote.detector, vote)?;
        }
        for abstention in &recorded.abstentions {
            map.serialize_entry(&abstention.detector, abstention)?;
        }
        map.end()
    }
}

/// The document of a decision; none if it is not drawn. Of what is not simply approved all are.
pub(super) fn document(head: Head<'_>, share: f64) -> Result<Option<Document>, serde_json::Error> {
    let recorded: Recorded<'_> = serde_json::from_slice(&head.record.payload)?;
    let is_plain = recorded.verdict.outcome == Outcome::Approve && recorded.abstentions.is_empty() && !recorded.verdict.too_few_votes;
    let sample = (is_plain && share < 1.0).then_some(Share { share });
    if sample.is_some() && !is_drawn(drawn_by(recorded.id), share) {
        return Ok(None);
    }
    let id = recorded.id.to_string();
    let body = Body {
        message: message(&recorded),
        event: EventFields {
            id: &id,
            dataset: Stream::Decision.dataset(),
            kind: if recorded.verdict.anomalous { "alert" } else { "event" },
            action: Some("decision"),
            sequence: Some(head.sequence()),
            ..EventFields::default()
        },
        organization: Id::of(recorded.tenant.as_deref()),
        user: Named::of(recorded.principal.as_deref()),
        synod: synod(&recorded, &id, sample),
    };
    let document = head.document(Stream::Decision, id.clone(), &body)?;
    Ok(Some(document))
}

fn synod<'a>(recorded: &'a Recorded<'a>, id: &'a str, sample: Option<Share>) -> Synod<'a> {
    let verdict = &recorded.verdict;
    Synod {
        decision: OfDecision {
            id,
            event: recorded.event.as_deref(),
            entity: recorded.entity.as_deref(),
            at: recorded.at,
            configuration: &recorded.configuration,
            rollout: recorded.rollout.as_ref(),
            content: &recorded.content,
            past: recorded.past,
        },
        verdict: OfVerdict {
            anomalous: verdict.anomalous,
            outcome: verdict.outcome,
            score: verdict.score,
            threshold: verdict.threshold,
            policy: verdict.policy.name(),
            combined: verdict.combined,
            votes: verdict.votes,
            too_few_votes: verdict.too_few_votes,
            degraded: verdict.degraded,
        },
        votes: OfVotes {
            anomalous: names(&recorded.votes, true),
            normal: names(&recorded.votes, false),
            abstained: recorded.abstentions.iter().map(|abstention| &*abstention.detector).collect(),
            abstentions: recorded.abstentions.iter().map(|of| format!("{}: {}", of.detector, of.reason)).collect(),
        },
        detectors: OfDetectors(recorded),
        reasons: &recorded.reasons,
        row: recorded.row,
        features: recorded.features,
        sample,
    }
}

fn names<'a>(votes: &'a [Vote<'a>], anomalous: bool) -> Vec<&'a str> {
    votes.iter().filter(|vote| vote.anomalous == anomalous).map(|vote| &*vote.detector).collect()
}

fn message(recorded: &Recorded<'_>) -> String {
    let verdict = &recorded.verdict;
    let mut message = format!("{} with score {:.3} by {}", verdict.outcome.name(), verdict.score, verdict.policy.name());
    for (index, reason) in recorded.reasons.iter().enumerate() {
        message.push_str(if index == 0 { ": " } else { "; " });
        message.push_str(reason);
    }
    message
}

/// A number that is as good as random and follows from the id.
fn drawn_by(id: Uuid) -> u64 {
    // Ids of one millisecond are counted through in their middle, so that their bits have to be mixed (the finaliser of MurmurHash3).
    let mixed = (id.as_u128() as u64 ^ (id.as_u128() >> 64) as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}
