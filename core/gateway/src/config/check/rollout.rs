//! The section `rollout`.

use super::Checker;
use crate::config::{text, units};
use std::time::Duration;

/// How other models are tried on rows before they judge all of them.
#[derive(Debug, Clone)]
pub struct RolloutConfig {
    /// How many rows they judge, and for how long at least.
    pub steps: Vec<RolloutStep>,
    /// Whether they are promoted after the last step, or wait for somebody.
    pub promote: bool,
    /// What must hold all the while.
    pub guards: Guards,
}

/// A step of a rollout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RolloutStep {
    /// The share of the entities whose rows are judged by what is tried, 0 to 1. Of all other rows it is only asked.
    pub share: f64,
    /// How long it takes at least.
    pub hold: Duration,
}

/// What must hold of what is tried, compared with what is in force on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guards {
    /// The latest so many rows are compared, and nothing is said of fewer.
    pub rows: usize,
    /// At so many looks in a row, each with new rows, a guard must not hold before it counts.
    pub looks: u32,
    /// Most that scores may be distributed otherwise: population stability index.
    pub score_shift: f64,
    /// Most times as many, or as few, rows that are anomalous.
    pub flag_rate: f64,
    /// Largest share of rows with another outcome.
    pub disagreement: f64,
    /// Most times as long as the detectors may take, at the 99th percentile.
    pub slower: f64,
    /// Largest share of votes that fail.
    pub failures: f64,
}

/// Most steps that there may be.
pub(crate) const MOST_STEPS: usize = 20;

pub(super) fn rollout(at: &mut Checker<'_>, text: &text::Rollout) -> RolloutConfig {
    if text.steps.is_empty() || text.steps.len() > MOST_STEPS {
        at.mistake("rollout.steps", format!("there are {}, and 1 to {MOST_STEPS} are needed", text.steps.len()));
    }
    let steps: Vec<RolloutStep> = text.steps.iter().enumerate().map(|(index, step)| self::step(at, index, step)).collect();
    if let Some(index) = steps.windows(2).position(|pair| pair[1].share < pair[0].share) {
        at.mistake(&format!("rollout.steps[{}].share", index + 1), "is less than at the step before: shares only grow");
    }
    RolloutConfig { steps, promote: text.promote, guards: guards(at, &text.guards) }
}

fn step(at: &mut Checker<'_>, index: usize, text: &text::RolloutStep) -> RolloutStep {
    let key = format!("rollout.steps[{index}]");
    at.within(&format!("{key}.share"), text.share, 0.0, 1.0, "a share from 0 to 1");
    let hold = at.taken(&format!("{key}.hold"), units::duration(&text.hold), Duration::from_secs(1));
    RolloutStep { share: text.share, hold }
}

fn guards(at: &mut Checker<'_>, text: &text::Guards) -> Guards {
    let within = |at: &mut Checker<'_>, key: &str, value: f64, low: f64, high: f64| {
        at.within(&format!("rollout.guards.{key}"), value, low, high, &format!("a number from {low} to {high}"));
    };
    within(at, "rows", text.rows as f64, 50.0, 100_000.0);
    within(at, "looks", f64::from(text.looks), 1.0, 1000.0);
    within(at, "score_shift", text.score_shift, 0.01, 100.0);
    within(at, "flag_rate", text.flag_rate, 1.01, 1e6);
    within(at, "disagreement", text.disagreement, 0.0, 1.0);
    within(at, "slower", text.slower, 1.01, 1e6);
    within(at, "failures", text.failures, 0.0, 1.0);
    let text::Guards { rows, looks, score_shift, flag_rate, disagreement, slower, failures } = *text;
    Guards { rows, looks, score_shift, flag_rate, disagreement, slower, failures }
}
