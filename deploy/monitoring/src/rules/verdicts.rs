//! Whether verdicts are what people expect of them.

use super::series::{increase, series};
use super::{Alert, Board, Levels, RuleFile, Severity};
use synod_gateway::telemetry::names;

pub(super) fn rules(levels: &Levels) -> RuleFile {
    let alerts = vec![too_few_votes(), breaker_open(), block_share(levels.limits.block_share)];
    RuleFile::of_alerts("verdicts", "Whether verdicts are what people expect of them.", alerts)
}

fn within_ten_minutes(name: &names::Name, matcher: &str) -> String {
    format!("sum by (job) ({})", increase(name, matcher, "10m"))
}

fn too_few_votes() -> Alert {
    let (few, all) = (within_ten_minutes(&names::TOO_FEW_VOTES, ""), within_ten_minutes(&names::VERDICTS, ""));
    Alert::new("SynodTooFewVotes", Severity::Critical, Board::Overview)
        .when(format!("{few} / ({all} > 0) > 0.05\nand {few} >= 20"))
        .hold("5m")
        .says(
            "{{ $value | humanizePercentage }} of the verdicts of {{ $labels.job }} rest on too few votes",
            "So many detectors fail that fewer vote than `consensus` asks for: the outcome of those rows is `consensus.on_missing`, whatever they are.",
        )
}

fn breaker_open() -> Alert {
    Alert::new("SynodBreakerOpen", Severity::Critical, Board::Overview)
        .when(format!("{} > 0", series(&names::BREAKERS_OPEN, "")))
        .hold("1m")
        .says(
            "{{ $value | humanize }} breakers of {{ $labels.instance }} are open: nothing is blocked there",
            "More was to be blocked than `outcomes.breaker` allows, and `block` is `review` until an operator resets the breaker.",
        )
}

fn block_share(limit: f64) -> Alert {
    let (blocked, all) = (within_ten_minutes(&names::VERDICTS, "outcome=\"block\""), within_ten_minutes(&names::VERDICTS, ""));
    Alert::new("SynodBlockShareHigh", Severity::Warning, Board::Overview)
        .when(format!("{blocked} / ({all} >= 200) > {limit}"))
        .hold("5m")
        .says(
            "{{ $value | humanizePercentage }} of the verdicts of {{ $labels.job }} are block",
            "Either there is an attack, or a feed, a feature or a model has gone wrong. If it goes on, the breaker opens and nothing is blocked.",
        )
}
