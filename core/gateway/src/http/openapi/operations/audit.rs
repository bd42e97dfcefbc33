//! Who did what.

use super::decisions::{next_page, of_query, pages, query, times};
use super::{AUDIT, json, of_reading};
use crate::auditing::Action;
use crate::config::Config;
use crate::http::Problem;
use crate::http::decisions::query::LONGEST_VALUE;
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{named, one_of, text};

pub(super) fn list(config: &Config) -> Description {
    let words = "Audit records that all of these admit, newest first; for whoever belongs to a tenant, those of that tenant. A parameter that \
                 is not listed here is refused.";
    let action = query("action", "What was done.", one_of(Action::KNOWN.iter().map(Action::name)));
    let actor = query("actor", "Who did it, by the whole name.", text().max_length(Some(LONGEST_VALUE)));
    Description::new("listAuditRecords", AUDIT, "Search the audit records", words)
        .parameters([action, actor])
        .parameters(times())
        .parameters(pages("records"))
        .answer(200, json("A page of records.", named("PageOfAuditRecords")).header("Link", next_page()))
        .problems(of_query())
        .problems([Problem::bad_cursor("`cursor`: this is not a cursor")])
        .problems(of_reading(config))
}
