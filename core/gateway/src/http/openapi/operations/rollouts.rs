//! Rollouts.

use super::{MODELS, json};
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::operations::models::{body, busy, needs_another};
use crate::http::openapi::shape::{list, named};
use serde_json::json;

pub(super) fn all() -> Description {
    Description::new(
        "listRollouts",
        MODELS,
        "List rollouts",
        "What is tried and was tried, newest first, with what both sides said of the same rows.",
    )
    .answer(200, json("The rollouts.", list(named("Rollout"))))
    .problems([unreadable(), Problem::too_many_reads()])
}

pub(super) fn begin() -> Description {
    let words = "Tries versions or a policy: beside what judges, then for a share of the entities, step by step. If a guard does not hold, it is rolled back \
                 by itself.";
    Description::new("beginRollout", MODELS, "Begin a rollout", words)
        .body(body(
            "What is to be tried.",
            "RolloutRequest",
            json!({"versions": {"forest": "candidate"}, "steps": [{"share": 0.05, "hold": "30m"}]}),
        ))
        .answer(201, json("The rollout. It is under way within a second.", named("Rollout")))
        .problems([
            Problem::invalid_request("there is no candidate: name versions, as forest=4, or a policy of `consensus.shadows`"),
            Problem::rollout_under_way("a rollout is under way already: end it first"),
            unreadable(),
            Problem::too_many_reads(),
        ])
}

pub(super) fn next() -> Description {
    Description::new(
        "stepRollout",
        MODELS,
        "Go on to the next step",
        "Whether or not the step before has taken its time. At the last step nothing changes.",
    )
    .answer(200, json("The rollout.", named("Rollout")))
    .problems([Problem::no_rollout(), unreadable(), Problem::too_many_reads()])
}

pub(super) fn promote() -> Description {
    Description::new("promoteRollout", MODELS, "Promote what is tried", "Has what is tried judge all rows.")
        .answer(200, json("The rollout, which has ended.", named("Rollout")))
        .problems([
            Problem::no_rollout(),
            Problem::invalid_request("the policy `strict` is put in force by writing it into the configuration"),
            Problem::cannot_load("detector forest, version 4: bad_output: golden row 0 has another raw score"),
            Problem::no_model_version("detector `forest`, version `9`: there is no such version"),
            needs_another(),
            busy(),
        ])
}

pub(super) fn stop() -> Description {
    Description::new("stopRollout", MODELS, "End a rollout", "Has what judged before judge all rows again.")
        .body(body("Why.", "RolloutStopRequest", json!({"why": "chargebacks of the canary"})))
        .answer(200, json("The rollout, which has ended.", named("Rollout")))
        .problems([Problem::no_rollout(), Problem::invalid_request("unknown field `because`"), unreadable(), Problem::too_many_reads()])
}

fn unreadable() -> Problem {
    Problem::not_stored("the rollouts cannot be read or stored at the moment")
}
