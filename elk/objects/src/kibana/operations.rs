//! The dashboard of operations: requests, how long they took, what the service says of itself, and what was lost on the way here.

use super::column::Column;
use super::dashboard::{Control, Dashboard, Panel};
use super::data_view::View;
use super::lens::{Layer, Lens, Shape};
use super::search;
use crate::fields::Stream;

const REQUESTS: View = View::Of(Stream::Access);
const LOG: View = View::Of(Stream::App);
const DEAD_LETTERS: View = View::Of(Stream::DeadLetter);
const TOOK: &str = "event.duration";
const ROUTE: &str = "synod.route";
const FAILED: &str = "http.response.status_code >= 500";
const WARNED: &str = "log.level: (warn or error)";
/// Statuses by their classes.
const STATUSES: &[(&str, &str)] = &[
    ("2xx", "http.response.status_code >= 200 and http.response.status_code < 300"),
    ("3xx", "http.response.status_code >= 300 and http.response.status_code < 400"),
    ("4xx", "http.response.status_code >= 400 and http.response.status_code < 500"),
    ("5xx", FAILED),
];

pub(super) fn dashboard() -> Dashboard {
    // The panels are of three kinds of documents: only what all of them have can be chosen for all.
    let control = |title, field| Control { title, field, view: View::All };
    Dashboard {
        id: "synod-dashboard-operations",
        name: "Operations",
        description: "Requests, how long they took, what the service says of itself, and what was lost on the way here.",
        note: "Requests and lines of the log may be dropped before they are sent, when there are more than the spool takes: how many is below, \
               exactly. Decisions and audit records never are. Metrics say the same sooner, and alerts rest on those.",
        controls: vec![control("Instance", "service.node.name"), control("Namespace", "data_stream.namespace")],
        panels: [glance(), requests(), log(), vec![Panel::search(12, &search::WARNINGS), Panel::search(12, &search::DEAD_LETTERS)]]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn lens(id: &'static str, shape: Shape, title: &'static str, description: &'static str, layer: Layer) -> Lens {
    Lens { id, title, description, shape, query: "", layers: vec![layer] }
}

fn number(id: &'static str, title: &'static str, description: &'static str, view: View, column: Column) -> Panel {
    Panel::lens(8, 6, lens(id, Shape::Number, title, description, Layer::new(view).value(column)))
}

fn glance() -> Vec<Panel> {
    vec![
        number("synod-lens-requests", "Requests", "How many requests were answered.", REQUESTS, Column::count("Requests")),
        number(
            "synod-lens-failed-share",
            "Failed requests",
            "The share of requests answered with a status of 5xx. It should be 0.",
            REQUESTS,
            Column::share("Failed requests", FAILED, ""),
        ),
        number(
            "synod-lens-latency-now",
            "Latency, 99 of 100",
            "99 of 100 requests took less.",
            REQUESTS,
            Column::percentile("99 of 100 took less", TOOK, 99),
        ),
        number(
            "synod-lens-warned",
            "Warnings and errors",
            "Lines of the log that somebody should look at.",
            LOG,
            Column::count("Warnings and errors").of(WARNED),
        ),
        number(
            "synod-lens-dropped",
            "Dropped events",
            "Requests and lines of the log that are not here, because there were more than the spool takes.",
            LOG,
            Column::sum("Dropped events", "synod.dropped.count"),
        ),
        number(
            "synod-lens-refused",
            "Dead letters",
            "Documents that Elasticsearch refused for good. There should be none.",
            DEAD_LETTERS,
            Column::count("Dead letters"),
        ),
    ]
}

fn requests() -> Vec<Panel> {
    let over_time =
        |split| Layer::new(REQUESTS).across(Column::times()).split(split).value(Column::count("Requests a second").every_second());
    let percentile = |label, percentile| Column::percentile(label, TOOK, percentile);
    let latency = Layer::new(REQUESTS).across(Column::times()).value(percentile("p50", 50));
    let latency = latency.value(percentile("p95", 95)).value(percentile("p99", 99));
    let routes = Layer::new(REQUESTS)
        .across(Column::values("Route", ROUTE, 20))
        .value(Column::count("Requests"))
        .value(Column::share("Failed", FAILED, ""))
        .value(percentile("p50", 50))
        .value(percentile("p95", 95))
        .value(percentile("p99", 99));
    let errors = Layer::new(REQUESTS).across(Column::times()).split(Column::values("Route", ROUTE, 12)).value(Column::count("Errors"));
    let statuses = Layer::new(REQUESTS).across(Column::values("Status", "http.response.status_code", 12).and_others());
    let statuses = statuses.split(Column::values("Route", ROUTE, 5)).value(Column::count("Requests"));
    vec![
        Panel::lens(
            24,
            12,
            lens(
                "synod-lens-statuses",
                Shape::Bars,
                "Requests by status",
                "How requests were answered: 4xx is what clients do wrong or may not, 5xx what the service could not do.",
                over_time(Column::queries("Status", STATUSES)),
            ),
        ),
        Panel::lens(
            24,
            12,
            lens(
                "synod-lens-routes-rate",
                Shape::Bars,
                "Requests by route",
                "What was asked for.",
                over_time(Column::values("Route", ROUTE, 8).and_others()),
            ),
        ),
        Panel::lens(
            24,
            12,
            lens(
                "synod-lens-latency",
                Shape::Lines,
                "Latency",
                "What requests took: half of them less than p50, 95 of 100 less than p95, 99 of 100 less than p99.",
                latency,
            ),
        ),
        Panel::lens(
            24,
            12,
            Lens {
                query: "http.response.status_code >= 400",
                ..lens(
                    "synod-lens-errors",
                    Shape::Heat,
                    "Errors by route",
                    "Where and when requests were answered with 4xx or 5xx.",
                    errors,
                )
            },
        ),
        Panel::lens(
            28,
            13,
            lens("synod-lens-routes", Shape::Table, "Routes", "What each route was asked, how often it failed and what it took.", routes),
        ),
        Panel::lens(
            20,
            13,
            lens("synod-lens-status-table", Shape::Table, "Statuses", "Each status, and the routes that answered so.", statuses),
        ),
    ]
}

fn log() -> Vec<Panel> {
    let levels = Layer::new(LOG).across(Column::times()).split(Column::values("Level", "log.level", 5)).value(Column::count("Lines"));
    let parts = Layer::new(LOG).across(Column::values("Part", "log.logger", 12)).split(Column::values("Level", "log.level", 2));
    let dropped = Layer::new(LOG).across(Column::times()).split(Column::values("Dropped", "synod.dropped.stream", 2));
    let types = Layer::new(DEAD_LETTERS).across(Column::times()).split(Column::values("Error", "synod.dead_letter.type", 8).and_others());
    vec![
        Panel::lens(16, 11, lens("synod-lens-levels", Shape::Bars, "Log levels", "What the service says of itself.", levels)),
        Panel::lens(
            16,
            11,
            Lens {
                query: WARNED,
                ..lens(
                    "synod-lens-parts",
                    Shape::Table,
                    "Who warns",
                    "Which parts of the service warn or fail.",
                    parts.value(Column::count("Lines")),
                )
            },
        ),
        Panel::lens(
            16,
            11,
            lens(
                "synod-lens-dropped-over-time",
                Shape::Bars,
                "Dropped events over time",
                "Requests and lines of the log that are not here. Make the spool larger, or have fewer lines written.",
                dropped.value(Column::sum("Dropped", "synod.dropped.count")),
            ),
        ),
        Panel::lens(
            48,
            10,
            lens(
                "synod-lens-dead-letters",
                Shape::Bars,
                "Dead letters by type",
                "What Elasticsearch refused, by its own word for the error: most often a field whose values do not fit its mapping.",
                types.value(Column::count("Dead letters")),
            ),
        ),
    ]
}
