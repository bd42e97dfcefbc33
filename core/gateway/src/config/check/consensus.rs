//! The section `consensus`: the policy, and those that are asked beside it.

use super::{Checker, ThresholdKeys, threshold};
use crate::config::text::{self, OnFailure, RuleName, Text};
use synod_detection::{Policy, Rule};

/// The name under which the policy in force is known.
const IN_FORCE: &str = "consensus";
/// Most policies that are asked beside it.
const MOST_SHADOWS: usize = 16;

/// A policy that is asked beside the one in force, and counts for nothing.
#[derive(Debug, Clone)]
pub struct ShadowPolicy {
    /// Its name.
    pub name: String,
    /// The detectors whose votes it counts.
    pub detectors: Vec<String>,
    /// How it counts them; its reference is still empty.
    pub policy: Policy,
}

pub(super) fn policy(at: &mut Checker<'_>, text: &Text) -> Policy {
    for (key, step) in [("outcomes.review", text.outcomes.review), ("outcomes.block", text.outcomes.block)] {
        at.within(key, step.unwrap_or(0.5), 0.0, 1.0, "a score from 0 to 1");
    }
    if let (Some(review), Some(block)) = (text.outcomes.review, text.outcomes.block)
        && review > block
    {
        at.mistake("outcomes.review", format!("{review} is above `outcomes.block` {block}"));
    }
    let voting: Vec<&text::Detector> = text.detectors.values().filter(|detector| !detector.shadow).collect();
    let text::Consensus { rule, votes, contamination, threshold, false_discovery_rate, minimum_votes, on_missing, .. } = text.consensus;
    let (review, block) = (text.outcomes.review, text.outcomes.block);
    // Written as a policy beside it would be, so that both are read in one way.
    let own = text::ShadowPolicy {
        rule,
        votes,
        contamination,
        threshold,
        false_discovery_rate,
        minimum_votes,
        on_missing,
        review,
        block,
        ..text::ShadowPolicy::default()
    };
    one(at, "consensus", &own, &voting, text)
}

pub(super) fn shadows(at: &mut Checker<'_>, text: &Text) -> Vec<ShadowPolicy> {
    let shadows = &text.consensus.shadows;
    if shadows.len() > MOST_SHADOWS {
        at.mistake("consensus.shadows", format!("{} policies are more than {MOST_SHADOWS}", shadows.len()));
    }
    shadows.iter().map(|(name, shadow)| self::shadow(at, name, shadow, text)).collect()
}

fn shadow(at: &mut Checker<'_>, name: &str, text: &text::ShadowPolicy, whole: &Text) -> ShadowPolicy {
    let key = format!("consensus.shadows.{name}");
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.chars().all(letters) || name == IN_FORCE {
        at.mistake(
            &key,
            "a policy's name has 1 to 64 lower-case letters, digits, `_` and `-`, does not begin with `-`, and is not `consensus`",
        );
    }
    let voting = || whole.detectors.iter().filter(|(_, detector)| !detector.shadow).map(|(name, _)| name.clone()).collect();
    let detectors: Vec<String> = text.detectors.clone().unwrap_or_else(voting);
    for (index, name) in detectors.iter().enumerate() {
        let place = format!("{key}.detectors[{index}]");
        if !whole.detectors.contains_key(name) {
            let known = whole.detectors.keys().cloned().collect::<Vec<_>>().join(", ");
            at.mistake(&place, format!("there is no detector `{name}`; there are {known}"));
        }
        if detectors[..index].contains(name) {
            at.mistake(&place, format!("`{name}` is named twice"));
        }
    }
    for (step, value) in [("review", text.review), ("block", text.block)] {
        at.within(&format!("{key}.{step}"), value.unwrap_or(0.5), 0.0, 1.0, "a score from 0 to 1");
    }
    let members: Vec<&text::Detector> = detectors.iter().filter_map(|name| whole.detectors.get(name)).collect();
    let outcomes = &whole.outcomes;
    let text = text::ShadowPolicy { review: text.review.or(outcomes.review), block: text.block.or(outcomes.block), ..text.clone() };
    if let (Some(review), Some(block)) = (text.review, text.block)
        && review > block
    {
        at.mistake(&format!("{key}.review"), format!("{review} is above `block` {block}"));
    }
    let policy = one(at, &key, &text, &members, whole);
    ShadowPolicy { name: name.to_owned(), detectors, policy }
}

/// A policy over the votes of these detectors.
fn one(at: &mut Checker<'_>, key: &str, text: &text::ShadowPolicy, voting: &[&text::Detector], whole: &Text) -> Policy {
    let detectors = voting.len();
    let keys =
        ThresholdKeys { threshold: text.threshold, contamination: text.contamination, false_discovery_rate: text.false_discovery_rate };
    let policy = Policy {
        weights: voting.iter().map(|detector| detector.weight).collect(),
        threshold: threshold(at, key, &keys, whole.fit.clean),
        minimum_votes: text.minimum_votes.unwrap_or(detectors),
        on_missing: text.on_missing,
        needed: voting.iter().map(|detector| detector.on_failure == OnFailure::Veto).collect(),
        review: text.review,
        block: text.block,
        ..Policy::new(rule(at, key, text), detectors, 0.01)
    };
    if detectors > 0
        && let Err(mistake) = policy.check()
    {
        at.mistake(key, mistake.to_string());
    }
    policy
}

fn rule(at: &mut Checker<'_>, key: &str, text: &text::ShadowPolicy) -> Rule {
    match (text.rule, text.votes) {
        (RuleName::AtLeast, None) => {
            at.mistake(&format!("{key}.votes"), "is missing: `rule: at_least` needs a number of votes");
            Rule::Any
        }
        (RuleName::AtLeast, Some(votes)) => Rule::AtLeast(votes),
        (_, Some(_)) => {
            at.mistake(&format!("{key}.votes"), "only `rule: at_least` takes a number of votes");
            Rule::Any
        }
        (RuleName::All, None) => Rule::All,
        (RuleName::Any, None) => Rule::Any,
        (RuleName::Majority, None) => Rule::Majority,
        (RuleName::WeightedMean, None) => Rule::WeightedMean,
        (RuleName::Mean, None) => Rule::Mean,
        (RuleName::Maximum, None) => Rule::Maximum,
        (RuleName::Median, None) => Rule::Median,
    }
}
