//! Whether the service is there and does its work.

use super::series::{increase, rate, series};
use super::{Alert, Board, Levels, RuleFile, Severity, routes};
use synod_gateway::telemetry::names;

/// What requests are refused for when there is too little of Synod, and not too much of a caller.
pub(super) const OVERLOAD: [&str; 4] = ["queue_full", "queue_age", "reads", "memory"];

pub(super) fn rules(levels: &Levels) -> RuleFile {
    let job = format!("job=\"{}\"", levels.job);
    let alerts = vec![
        watchdog(),
        down(&job),
        absent(&job),
        nothing_judged(),
        restarts(&job),
        files_run_out(&job),
        reload_fails(),
        overloaded(),
        connections_refused(),
        spans_dropped(),
    ];
    RuleFile::of_alerts("service", "Whether the service is there and does its work.", alerts)
}

fn watchdog() -> Alert {
    Alert::new("SynodWatchdog", Severity::Info, Board::Overview).when("vector(1)").says(
        "Prometheus and Alertmanager can call people",
        "This alert always fires. It goes to a service that calls people when it does not come any more: without it, silence means nothing.",
    )
}

fn down(job: &str) -> Alert {
    Alert::new("SynodDown", Severity::Critical, Board::Overview).when(format!("up{{{job}}} == 0")).hold("2m").says(
        "Synod {{ $labels.instance }} cannot be reached",
        "Prometheus gets no metrics of it. Most likely nothing is judged there either: callers get no answer.",
    )
}

fn absent(job: &str) -> Alert {
    Alert::new("SynodAbsent", Severity::Critical, Board::Overview).when(format!("absent(up{{{job}}})")).hold("5m").says(
        "Prometheus knows no Synod",
        "There is no target of the job {{ $labels.job }}: all other alerts are blind. Either its discovery or the configuration of Prometheus is broken.",
    )
}

fn nothing_judged() -> Alert {
    let requests = increase(&names::REQUESTS, &format!("method=\"POST\",status=~\"2..|5..\",{}", routes::that_score()), "10m");
    let growing = |name| format!("sum by (job) ({}) > 0", rate(name, "", "10m"));
    let [verdicts, votes, abstentions, repeated] =
        [&names::VERDICTS, &names::DETECTOR_VOTES, &names::DETECTOR_ABSTENTIONS, &names::ROWS_REPEATED].map(growing);
    Alert::new("SynodNothingJudged", Severity::Critical, Board::Overview)
        .when(format!(
            "sum by (job) ({requests}) >= 3\nunless ({verdicts})\nunless ({votes})\nunless ({abstentions})\nunless ({repeated})"
        ))
        .hold("10m")
        .says(
            "Requests arrive at {{ $labels.job }}, and nothing is judged",
            "{{ $value | humanize }} requests to score came within ten minutes that were no mistakes of callers, and no detector was asked.",
        )
}

fn restarts(job: &str) -> Alert {
    let starts = series(&names::PROCESS_START, job);
    Alert::new("SynodRestarts", Severity::Warning, Board::Own).when(format!("changes({starts}[1h]) > 3")).says(
        "Synod {{ $labels.instance }} has started {{ $value | humanize }} times within an hour",
        "Each start ends the requests under way and takes a while. The log of the last seconds before a start says why it ended.",
    )
}

fn files_run_out(job: &str) -> Alert {
    let (open, most) = (series(&names::PROCESS_OPEN_FDS, job), series(&names::PROCESS_MAX_FDS, job));
    Alert::new("SynodFilesRunOut", Severity::Warning, Board::Own).when(format!("{open} / {most} > 0.8")).hold("10m").says(
        "Synod {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its file descriptors",
        "At the limit no connection is accepted and no file opened. Raise it (LimitNOFILE), or see who holds so many connections.",
    )
}

fn reload_fails() -> Alert {
    Alert::new("SynodReloadFails", Severity::Warning, Board::Own)
        .when(format!("{} == 1", series(&names::RELOAD_FAILING, "")))
        .hold("5m")
        .says(
            "Synod {{ $labels.instance }} cannot use its new {{ $labels.part }}",
            "What was there before is still used; a restart would fail or come up without it. The log names the file and the mistake.",
        )
}

fn overloaded() -> Alert {
    let refused =
        format!("sum by (job, instance) ({})", increase(&names::REQUESTS_LIMITED, &format!("limit=~\"{}\"", OVERLOAD.join("|")), "10m"));
    let all = format!("sum by (job, instance) ({})", increase(&names::REQUESTS, "", "10m"));
    Alert::new("SynodOverloaded", Severity::Warning, Board::Overview)
        .when(format!("{refused} / ({all} > 0) > 0.01\nand {refused} >= 20"))
        .hold("10m")
        .says(
            "Synod {{ $labels.instance }} refuses {{ $value | humanizePercentage }} of requests for overload",
            "They waited too long for a detector, for a read of decisions or for memory, and were answered with 503. Callers should try again later.",
        )
}

fn connections_refused() -> Alert {
    let refused = rate(&names::CONNECTIONS_REFUSED, "", "5m");
    Alert::new("SynodConnectionsRefused", Severity::Warning, Board::Edge)
        .when(format!("sum by (job, instance, listener, reason) ({refused}) > 1"))
        .hold("10m")
        .says(
            "Synod {{ $labels.instance }} refuses {{ $value | humanize }} connections a second ({{ $labels.reason }})",
            "As many connections are open on the listener {{ $labels.listener }} as `listen.limits` allows. That is either a flood, or a limit that is too low.",
        )
}

fn spans_dropped() -> Alert {
    let spans = |matcher: &str| format!("sum by (job, instance) ({})", rate(&names::TRACE_SPANS, matcher, "10m"));
    Alert::new("SynodSpansDropped", Severity::Info, Board::Own)
        .when(format!("{} / ({} > 0) > 0.01", spans("result!=\"exported\""), spans("")))
        .hold("30m")
        .says(
            "{{ $value | humanizePercentage }} of the spans of {{ $labels.instance }} are lost",
            "Traces have gaps: the collector cannot be reached or is too slow. Judging is not affected.",
        )
}
