//! What keeps a policy from blocking too much.

use super::{BREAKERS, json, parameter};
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{named, text};
use utoipa::openapi::path::ParameterIn;

pub(super) fn list() -> Description {
    let words = "The breakers that have counted anything lately, and all that are open; for whoever belongs to a tenant, those of that tenant. \
                 While one is open, outcomes of `block` are `review`, and verdicts say so in `degraded`.";
    Description::new("listBreakers", BREAKERS, "List the breakers", words).answer(200, json("The breakers.", named("ListOfBreakers")))
}

pub(super) fn reset() -> Description {
    let words = "Closes a breaker, which then counts from nothing. One that is closed stays so.";
    let id = parameter(ParameterIn::Path, "id", "The breaker's id.", text());
    Description::new("resetBreaker", BREAKERS, "Reset a breaker", words)
        .parameters([id])
        .answer(200, json("The breaker, as it is now.", named("Breaker")))
        .problems([
            Problem::no_breaker(),
            Problem::not_stored("the breaker cannot be reset at the moment, and stays open"),
            Problem::too_many_reads(),
        ])
}
