//! What a caller is shown: whose decisions, and what of them. Every answer that tells of decisions is made by this, so that here is all that
//! is withheld, and from whom.
//!
//! What is told in part is a list of what may be told: what a record gets later is withheld until it is added here.

use super::guard;
use super::{Live, Problem};
use crate::access::{Caller, Permission};
use crate::decision::{AbstentionOf, Decision, Degraded, LabelRecord, RequestKey, Standing, Verdict, VoteOf};
use crate::kibana::Kibana;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use synod_detection::{Outcome, Rule};
use synod_store::Whose;
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

/// A caller, as far as answers depend on it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    caller: Caller,
    scores: bool,
    explanations: bool,
}

impl FromRequestParts<Live> for Shown {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Live) -> Result<Self, Problem> {
        // Each request has a caller; one that had none would be shown nothing.
        parts.extensions.get::<Caller>().map(Self::to).ok_or_else(Problem::internal)
    }
}

impl Shown {
    /// What this caller is shown.
    pub(super) fn to(caller: &Caller) -> Self {
        let may = |permission| caller.may(&permission);
        Self { scores: may(Permission::ReadScores), explanations: may(Permission::ReadExplanations), caller: caller.clone() }
    }

    /// Who calls.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whose decisions there are for the caller.
    pub(super) fn whose(&self) -> Whose {
        self.caller.tenant().map_or(Whose::All, |tenant| Whose::Tenant(tenant.to_owned()))
    }

    /// Refuses to search by scores or votes: what is found would tell them.
    ///
    /// # Errors
    /// When the caller is not shown scores.
    pub(super) fn search_by_scores(&self) -> Result<(), Problem> {
        if self.scores { Ok(()) } else { Err(guard::lacks(&self.caller, &Permission::ReadScores)) }
    }

    /// A score, a threshold, a vote, or what one could be reckoned from.
    pub(super) fn score<T>(&self, value: T) -> Option<T> {
        self.scores.then_some(value)
    }

    /// Why a decision is what it is.
    pub(super) fn explanation<T>(&self, value: T) -> Option<T> {
        self.explanations.then_some(value)
    }

    /// What a decision came to.
    pub(super) fn verdict<'a>(&self, verdict: &'a Verdict) -> ShownVerdict<'a> {
        match self.scores {
            true => ShownVerdict::Whole(verdict),
            false => ShownVerdict::Outcome(OutcomeAlone {
                anomalous: verdict.anomalous,
                outcome: verdict.outcome,
                policy: verdict.policy,
                too_few_votes: verdict.too_few_votes,
                // Whoever acts on an outcome must know that it is not the policy's.
                degraded: verdict.degraded,
            }),
        }
    }

    /// A detector's vote, to a caller who asked for nothing else.
    pub(super) fn vote(&self, vote: VoteOf) -> ShownVote {
        match self.scores {
            true => ShownVote::Whole(vote),
            false => {
                let (anomalous, model_version) = (vote.vote.anomalous, vote.model_version);
                ShownVote::Answer(AnswerAlone { detector: vote.detector, anomalous, model_version })
            }
        }
    }

    /// Who did not vote.
    pub(super) fn abstentions<'a>(&self, abstentions: &'a [AbstentionOf]) -> Vec<ShownAbstention<'a>> {
        let one = |abstention: &'a AbstentionOf| ShownAbstention {
            detector: Cow::Borrowed(&abstention.detector),
            reason: Cow::Borrowed(&abstention.reason),
            detail: self.score(Cow::Borrowed(abstention.detail.as_str())),
            model_version: abstention.model_version,
        };
        abstentions.iter().map(one).collect()
    }

    /// That a detector did not vote, to a caller who asked for nothing else.
    pub(super) fn abstention(&self, abstention: AbstentionOf) -> ShownAbstention<'static> {
        ShownAbstention {
            detector: Cow::Owned(abstention.detector),
            reason: Cow::Owned(abstention.reason),
            detail: self.score(Cow::Owned(abstention.detail)),
            model_version: abstention.model_version,
        }
    }

    /// A decision as it is recorded.
    pub(super) fn decision<'a>(&self, decision: &'a Decision) -> ShownDecision<'a> {
        match self.scores && self.explanations {
            true => ShownDecision::Whole(decision),
            false => ShownDecision::Part(Box::new(self.part(decision))),
        }
    }

    fn part<'a>(&self, decision: &'a Decision) -> Part<'a> {
        Part {
            id: decision.id,
            event: decision.event.as_deref(),
            entity: decision.entity.as_deref(),
            tenant: decision.tenant.as_deref(),
            principal: decision.principal.as_deref(),
            request: decision.request.as_ref(),
            content: &decision.content,
            at: decision.at,
            decided: decision.decided,
            row: &decision.row,
            past: decision.past,
            features: self.explanation(&decision.features),
            configuration: &decision.configuration,
            verdict: self.verdict(&decision.verdict),
            votes: self.score(&decision.votes),
            abstentions: self.abstentions(&decision.abstentions),
            reasons: self.explanation(decision.reasons.as_slice()).filter(|reasons| !reasons.is_empty()),
        }
    }

    /// A decision with what was said about it.
    pub(super) fn labelled<'a>(&self, decision: &'a Decision, labels: &'a [LabelRecord], kibana: Option<&Kibana>) -> ShownLabelled<'a> {
        let links = kibana.map(|kibana| DecisionLinks { kibana: kibana.decision(decision.id, decision.decided) });
        ShownLabelled { decision: self.decision(decision), labels, links }
    }
}

/// Two forms of an answer, for those who are shown all and for those who are shown a part. For the OpenAPI document it is either: what is
/// whole has everything that the part has.
macro_rules! either {
    ($name:ty, $whole:ty, $part:ty) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let [whole, part] = [<$whole as ToSchema>::name(), <$part as ToSchema>::name()].map(Ref::from_schema_name);
                AnyOfBuilder::new().item(whole).item(part).into()
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push((<$whole as ToSchema>::name().into_owned(), <$whole as PartialSchema>::schema()));
                <$whole as ToSchema>::schemas(schemas);
                schemas.push((<$part as ToSchema>::name().into_owned(), <$part as PartialSchema>::schema()));
                <$part as ToSchema>::schemas(schemas);
            }
        }
    };
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ShownVerdict<'a> {
    Whole(&'a Verdict),
    Outcome(OutcomeAlone),
}

/// What a verdict came to, without the scores that it rests on.
#[derive(Serialize, ToSchema)]
pub(super) struct OutcomeAlone {
    anomalous: bool,
    #[schema(value_type = crate::described::Outcome)]
    outcome: Outcome,
    #[schema(value_type = crate::described::Rule)]
    policy: Rule,
    too_few_votes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<Degraded>,
}

either!(ShownVerdict<'_>, Verdict, OutcomeAlone);

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ShownVote {
    Whole(VoteOf),
    Answer(AnswerAlone),
}

/// A vote without its score.
#[derive(Serialize, ToSchema)]
pub(super) struct AnswerAlone {
    detector: String,
    anomalous: bool,
    model_version: u64,
}

either!(ShownVote, VoteOf, AnswerAlone);

/// Why a detector did not vote.
#[derive(Serialize, ToSchema)]
#[schema(as = AbstentionShown)]
pub(super) struct ShownAbstention<'a> {
    detector: Cow<'a, str>,
    reason: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<Cow<'a, str>>,
    model_version: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ShownDecision<'a> {
    Whole(&'a Decision),
    Part(Box<Part<'a>>),
}

either!(ShownDecision<'_>, Decision, Part<'_>);

/// What may be told of a decision to whoever is not shown all of it.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionInPart)]
pub(super) struct Part<'a> {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    entity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request: Option<&'a RequestKey>,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    at: Option<Timestamp>,
    decided: Timestamp,
    #[schema(value_type = crate::described::StoredRow)]
    row: &'a Map<String, Value>,
    past: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<crate::described::Numbers>)]
    features: Option<&'a IndexMap<String, Option<f64>>>,
    configuration: &'a str,
    verdict: ShownVerdict<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    votes: Option<&'a Vec<VoteOf>>,
    abstentions: Vec<ShownAbstention<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reasons: Option<&'a [String]>,
}

/// Where else a decision is looked at.
#[derive(Serialize, ToSchema)]
pub(super) struct DecisionLinks {
    /// The decision and its labels in Kibana.
    #[schema(format = "uri")]
    kibana: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DecisionWithLabels)]
pub(super) struct ShownLabelled<'a> {
    #[serde(flatten)]
    decision: ShownDecision<'a>,
    labels: &'a [LabelRecord],
    /// Where else it is looked at, if anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    links: Option<DecisionLinks>,
}
