//! Is all well, and if not, which dashboard says more.

use super::dashboard::{Dashboard, Row};
use super::panel::{Panel, Unit};
use super::scope::{
    INTERVAL, buckets, burns, distribution, firing, now, of, of_detectors, quantile, rate, request_times, requests, verdicts,
};
use crate::query::Query;
use synod_gateway::telemetry::names;

/// Colours of outcomes.
pub(super) const OUTCOMES: [(&str, &str); 3] = [("approve", "green"), ("review", "yellow"), ("block", "red")];

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "overview",
        title: "Overview",
        description: "Is all well? Requests, verdicts and detectors at a glance; the other dashboards say more.",
        by_detector: true,
        rows: vec![
            Row::new("At a glance", glance()),
            Row::new("Service levels", of_levels()),
            Row::new("Requests", of_requests()),
            Row::new("Verdicts", of_verdicts()),
            Row::new("Detectors", of_all_detectors()),
        ],
    }
}

fn all_requests() -> Query {
    requests().rate(INTERVAL).total()
}

fn failed() -> Query {
    requests().like("status", "5..").rate(INTERVAL).total().share_of(all_requests())
}

fn anomalous() -> Query {
    rate(&names::VERDICTS_ANOMALOUS, &[]).share_of(verdicts())
}

fn blocked() -> Query {
    of(&names::VERDICTS).with("outcome", "block").rate(INTERVAL).total().share_of(verdicts())
}

fn glance() -> Vec<Panel> {
    vec![
        Panel::number(
            "Requests",
            Unit::Requests,
            "Requests of clients a second, without those for health and metrics. Normal is what your clients send at this hour; none at all \
             while they work means that they cannot reach Synod: look at Edge.",
        )
        .query(all_requests(), "requests")
        .levels("blue", &[]),
        Panel::number(
            "Failed requests",
            Unit::Share,
            "Share of requests answered with a status of 5xx. Normal is 0. Above 0.1 % look at the answers by status below: 503 is overload \
             (Edge, Limits), 500 is a defect (the log lines of the requests say which).",
        )
        .query(failed(), "failed")
        .levels("green", &[(0.001, "orange"), (0.01, "red")])
        .if_nothing("no requests"),
        Panel::number(
            "Response time",
            Unit::Seconds,
            "How long half of the requests and 99 of 100 take at most, over all routes. If only the second rises, look at the time of the \
             detectors; if both do, at the queue (Edge) and the log's syncs (Self).",
        )
        .query(quantile(0.5, request_times(), &[]), "p50")
        .query(quantile(0.99, request_times(), &[]), "p99")
        .levels("green", &[(0.25, "orange"), (1.0, "red")])
        .if_nothing("no requests"),
        Panel::number(
            "Anomalous verdicts",
            Unit::Share,
            "Share of verdicts that call a row anomalous. Normal is about consensus.contamination. Far above it the rows have changed or an \
             attack is on: look at Drift and labels; exactly 0 for hours means that the detectors see nothing any more.",
        )
        .query(anomalous(), "anomalous")
        .levels("green", &[(0.1, "orange"), (0.25, "red")])
        .if_nothing("no verdicts"),
        Panel::number(
            "Blocked verdicts",
            Unit::Share,
            "Share of verdicts that block. Normal is what outcomes.block was chosen for. Beyond outcomes.breaker.maximum_share the breaker \
             opens: look before it does whether the rows or the model changed.",
        )
        .query(blocked(), "blocked")
        .levels("green", &[(0.02, "orange"), (0.04, "red")])
        .if_nothing("no verdicts"),
        Panel::number(
            "Detectors ready",
            Unit::Share,
            "Share of the configured detectors that can vote. Normal is 100 %. A detector that is not ready abstains, and rows with too few \
             votes are reviewed: Detectors says which one, GET /readyz?verbose why.",
        )
        .query(now(&names::DETECTOR_READY).by("avg", &[]), "ready")
        .levels("red", &[(0.5, "orange"), (1.0, "green")]),
        Panel::number(
            "Alerts firing",
            Unit::Count,
            "Alerts of Synod's rules that fire now, whichever instance they are about. Normal is 0 (the dead man's switch, which always \
             fires, is not counted). Each alert links its runbook.",
        )
        .query(firing().by("count", &[]).or(Query::vector(0.0)), "alerts")
        .levels("green", &[(1.0, "red")]),
        Panel::number(
            "Burn of budgets",
            Unit::Count,
            "How many times faster than they may errors of the last hour use up what the service levels allow. Normal is below 1. At 14 the \
             budget of a month is gone in two days, and an alert fires. It needs the rules of alertmanager/rules.",
        )
        .queries(burns("1h"))
        .levels("green", &[(1.0, "orange"), (14.4, "red")])
        .if_nothing("no rules"),
    ]
    .into_iter()
    .map(|panel| panel.wide(3))
    .collect()
}

fn of_levels() -> Vec<Panel> {
    let panel = |title, window, description| {
        Panel::lines(title, Unit::Count, description).queries(burns(window)).levels("green", &[(1.0, "red")]).if_nothing("no rules")
    };
    vec![
        panel(
            "Burn of the last hour",
            "1h",
            "How many times faster than they may errors of the last hour use up the budget of each service level. Normal is below 1, with \
             short peaks. Above 14.4 an alert fires.",
        ),
        panel(
            "Burn of the last six hours",
            "6h",
            "The same of the last six hours. Above 6 an alert fires: something fails all the time, though not much.",
        ),
        panel(
            "Burn of the last three days",
            "3d",
            "The same of the last three days. Above 1 the budget does not last for its window: plan what mends it.",
        ),
    ]
}

fn of_requests() -> Vec<Panel> {
    vec![
        Panel::stack(
            "Requests by route",
            Unit::Requests,
            "Requests a second by route. Normal is a steady mix; a new route in front is a new client.",
        )
            .query(requests().rate(INTERVAL).sum_by(&["route"]), "{{route}}"),
        Panel::stack(
            "Answers by status",
            Unit::Requests,
            "Answers a second by status. Normal is 2xx. 401 and 403: a client's credential ended or lacks a role (Edge). 413 and 422: a \
             client sends what the schema refuses. 429: a quota. 503: overload.",
        )
        .query(requests().rate(INTERVAL).sum_by(&["status"]), "{{status}}")
        .coloured(&[("200", "green"), ("500", "dark-red"), ("503", "red"), ("429", "orange")]),
        Panel::lines(
            "Response times",
            Unit::Seconds,
            "Times that 50, 90 and 99 of 100 requests take at most. The points are single requests: each opens its trace. Normal is a flat \
             line well below limits.timeout.",
        )
        .query(quantile(0.5, request_times(), &[]), "p50")
        .query(quantile(0.9, request_times(), &[]), "p90")
        .query(quantile(0.99, request_times(), &[]), "p99")
        .with_traces(),
        Panel::heat(
            "Distribution of response times",
            Unit::Seconds,
            "How many requests took how long. Normal is one band. A second band above it is one kind of request, or one detector, that is \
             slow: compare the response times by route.",
        )
        .query(distribution(request_times()), "{{le}}")
        .with_traces(),
        Panel::lines(
            "Response time by route (p99)",
            Unit::Seconds,
            "Times that 99 of 100 requests of a route take at most. Scoring is meant to be fast; pages of decisions may take longer.",
        )
            .query(quantile(0.99, request_times(), &["route"]), "{{route}}")
            .with_traces(),
        Panel::lines(
            "Refused by limits",
            Unit::Requests,
            "Requests a second that were refused before they were worked on, by limit. Normal is 0. address, principal, tenant, route, rows \
             and concurrent are quotas of callers; queue_full, queue_age, reads and memory mean that there is more than Synod can do.",
        )
        .query(rate(&names::REQUESTS_LIMITED, &["limit"]), "{{limit}}"),
    ]
}

fn of_verdicts() -> Vec<Panel> {
    vec![
        Panel::stack(
            "Outcomes",
            Unit::PerSecond,
            "Verdicts a second by outcome. Normal is mostly approve, with a steady thin part of the others.",
        )
            .query(rate(&names::VERDICTS, &["outcome"]), "{{outcome}}")
            .coloured(&OUTCOMES),
        Panel::lines(
            "Anomalous and blocked",
            Unit::Share,
            "Shares of verdicts that are anomalous, and of those that block. Normal is about what is expected by the rows that the models \
             were calibrated on, at every hour. A step up after a deployment is a defect of the rows or the model; a slow rise is drift.",
        )
        .query(anomalous(), "anomalous")
        .query(now(&names::POLICY_EXPECTED_FLAG_RATE).by("max", &[]), "expected")
        .query(blocked(), "blocked"),
        Panel::heat(
            "Scores of verdicts",
            Unit::Score,
            "How the calibrated scores of verdicts are distributed: 0.25 is the highest in 10 rows, 0.5 in 100, 0.75 in 1000. Normal is most \
             of it at the bottom. If it moves up as a whole, the model no longer fits the rows.",
        )
        .query(distribution(buckets(&names::VERDICT_SCORE)), "{{le}}"),
        Panel::lines(
            "Too few votes",
            Unit::Share,
            "Share of verdicts for which fewer detectors voted than consensus.minimum_votes asks for; they are reviewed at least. Normal is \
             0: above it, Detectors says who abstains and why.",
        )
        .query(rate(&names::TOO_FEW_VOTES, &[]).share_of(verdicts()), "too few votes")
        .levels("green", &[(0.01, "red")]),
        Panel::lines(
            "Rows without a new verdict",
            Unit::PerSecond,
            "Rows a second that the schema refused, whose decision was told again, or whose id came with other content. Repetitions are \
             normal where clients try again; refusals and conflicts are mistakes of a client.",
        )
        .query(rate(&names::ROWS_REFUSED, &[]), "refused")
        .query(rate(&names::ROWS_REPEATED, &[]), "repeated")
        .query(rate(&names::ROWS_CONFLICTING, &[]), "conflicting"),
        Panel::lines(
            "Breaker",
            Unit::Count,
            "Breakers that are open: for their tenants and policies block is review until an operator has looked. Normal is 0. GET \
             /v1/breakers, and Self for the share of block that opens one.",
        )
        .query(now(&names::BREAKERS_OPEN).total(), "open")
        .levels("green", &[(1.0, "red")]),
    ]
}

fn of_all_detectors() -> Vec<Panel> {
    let votes = || of_detectors(&names::DETECTOR_VOTES).rate(INTERVAL).sum_by(&["detector"]);
    let abstentions = || of_detectors(&names::DETECTOR_ABSTENTIONS).rate(INTERVAL).sum_by(&["detector"]);
    let yes = of_detectors(&names::DETECTOR_VOTES).with("vote", "yes").rate(INTERVAL).sum_by(&["detector"]);
    let scoring = buckets(&names::DETECTOR_DURATION).like("detector", "$detector").with("phase", "scoring");
    vec![
        Panel::lines(
            "Votes for anomalous",
            Unit::Share,
            "Share of a detector's votes that are yes. Normal is about its contamination. One that leaves the others has drifted, or was \
             fitted on other rows.",
        )
        .query(yes.share_of(votes()), "{{detector}}"),
        Panel::lines("Abstentions", Unit::Share, "Share of rows that a detector did not vote on. Normal is 0. Detectors has the reasons.")
            .query(abstentions().share_of(votes().plus(abstentions())), "{{detector}}")
            .levels("green", &[(0.01, "red")]),
        Panel::lines(
            "Scoring time (p99)",
            Unit::Seconds,
            "Time in a detector's sandbox that 99 of 100 calls take at most. Normal is far below limits.timeout, at which it abstains.",
        )
        .query(quantile(0.99, scoring, &["detector"]), "{{detector}}"),
    ]
}
