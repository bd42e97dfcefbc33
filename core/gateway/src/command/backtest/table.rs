//! The report for people.

use super::periods::brief;
use super::report::{Group, Measured, Part, PeriodReport, Report, Settings};
use super::thresholds::{Point, Thresholds};
use std::fmt::Write as _;
use synod_detection::measure::Decided;

/// About as many of the tried thresholds are shown; all of them are in the report for programs.
const THRESHOLDS_SHOWN: usize = 10;
/// Most values of the column of `--by` that are shown.
const GROUPS_SHOWN: usize = 40;

pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    let overall = &report.overall;
    let _ = writeln!(text, "{}, `{}`: {}", report.file, report.label, asked(&report.settings));
    let _ = writeln!(
        text,
        "{} rows in {:.1} days, {} anomalies, {} abstentions; {}\n",
        overall.rows,
        overall.days,
        overall.anomalies,
        overall.abstentions,
        outcomes(overall)
    );
    for period in &report.periods {
        if let Some(why) = &period.skipped {
            let _ = writeln!(text, "Period {}, {}, is skipped: {why}", period.number, brief(period.start));
        }
    }
    text += &of_one(report, "Policy", |part| Some(&part.policy));
    for name in overall.detectors.keys() {
        text += &of_one(report, name, |part| part.detectors.get(name));
    }
    text += &groups(report);
    text += &thresholds(&report.thresholds);
    text
}

fn asked(settings: &Settings) -> String {
    let days = |days: f64| format!("{} {}", (days * 100.0).round() / 100.0, if days == 1.0 { "day" } else { "days" });
    let mut asked = format!("fits on {}", days(settings.train_days));
    if settings.delay_days > 0.0 {
        asked += &format!(", judges {} later", days(settings.delay_days));
    }
    match settings.every_days {
        Some(every) => asked += &format!(", every {} ({} window)", days(every), settings.window),
        None => asked += ", once",
    }
    match (&settings.amount, settings.cost_missed) {
        (Some(amount), _) => asked += &format!("; a missed anomaly costs its {amount}"),
        (None, cost) => asked += &format!("; a missed anomaly costs {}", cost.unwrap_or_default()),
    }
    asked + &format!(", a false alarm {}", settings.cost_alarm)
}

fn outcomes(part: &Part) -> String {
    part.outcomes.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

/// A line for each period and one for all.
fn of_one<'a>(report: &'a Report, name: &str, of: impl Fn(&'a Part) -> Option<&'a Measured>) -> String {
    let mut text = format!(
        "{name:30} {:>8} {:>9} {:>10} {:>9} {:>7} {:>7} {:>7} {:>7} {:>7} {:>11} {:>12}\n",
        "rows", "anomalies", "flagged", "precision", "recall", "F1", "AUCROC", "AUC-PR", "P@100", "alarms/day", "cost"
    );
    let mut line = |name: &str, part: &'a Part| {
        let Some(one) = of(part) else { return };
        let Decided { precision, recall, f1, .. } = one.decided;
        let _ = writeln!(
            text,
            "{name:30} {:8} {:9} {:10} {precision:9.4} {recall:7.4} {f1:7.4} {:7.4} {:7.4} {:7.4} {:11.2} {:12.2}",
            part.rows, part.anomalies, one.flagged, one.aucroc, one.aucpr, one.precision_at_100, one.alarms_a_day, one.cost
        );
    };
    let named = |period: &PeriodReport| format!("{:>3}  {}", period.number, brief(period.start));
    report.periods.iter().filter_map(|period| Some((named(period), period.part.as_ref()?))).for_each(|(name, part)| line(&name, part));
    line("all", &report.overall);
    text + "\n"
}

fn groups(report: &Report) -> String {
    let Some(by) = report.settings.by.as_ref().filter(|_| !report.overall.by.is_empty()) else { return String::new() };
    let judged: Vec<(&PeriodReport, &Part)> = report.periods.iter().filter_map(|period| Some((period, period.part.as_ref()?))).collect();
    // A column for each period, as long as there is room for them.
    let shown = if judged.len() <= 8 { judged.as_slice() } else { &[] };
    let mut text = format!("{:30} {:>8} {:>10} {:>9}", format!("Flagged by {by}"), "rows", "flagged", "share");
    shown.iter().for_each(|(period, _)| {
        let _ = write!(text, " {:>9}", format!("period {}", period.number));
    });
    text += "\n";
    for (value, group) in report.overall.by.iter().take(GROUPS_SHOWN) {
        let name = if value.is_empty() { "(empty)" } else { value };
        let _ = write!(text, "{name:30} {:8} {:10} {:9.4}", group.rows, group.flagged, group.flag_rate);
        for (_, part) in shown {
            let _ = write!(text, " {:>9}", part.by.get(value).map_or("-".to_owned(), |group: &Group| format!("{:.4}", group.flag_rate)));
        }
        text += "\n";
    }
    if report.overall.by.len() > GROUPS_SHOWN {
        let _ = writeln!(text, "… and {} more values", report.overall.by.len() - GROUPS_SHOWN);
    }
    text + "\n"
}

fn thresholds(thresholds: &Thresholds) -> String {
    let mut text = format!(
        "{:30} {:>9} {:>10} {:>11} {:>9} {:>7} {:>12}\n",
        "Thresholds (hindsight)", "threshold", "flagged", "alarms/day", "precision", "recall", "cost"
    );
    let mut line = |name: &str, point: &Point| {
        let threshold = point.threshold.map_or("votes".to_owned(), |threshold| format!("{threshold:.4}"));
        let Point { flagged, alarms_a_day, precision, recall, cost, .. } = point;
        let _ = writeln!(text, "{name:30} {threshold:>9} {flagged:10} {alarms_a_day:11.2} {precision:9.4} {recall:7.4} {cost:12.2}");
    };
    let step = thresholds.points.len().div_ceil(THRESHOLDS_SHOWN).max(1);
    thresholds.points.iter().step_by(step).for_each(|point| line("", point));
    line("configured", &thresholds.configured);
    line("cheapest", &thresholds.cheapest);
    let _ =
        writeln!(text, "{:30} {:>9} {:10} {:11.2} {:>9} {:7.4} {:12.2}", "no alarms", "", 0, 0.0, "", 0.0, thresholds.cost_without_alarms);
    text + "\n" + &thresholds.advice + "\n"
}
