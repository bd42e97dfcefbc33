//! How the policy did in each period.

use super::super::super::picture::{Axis, Ink, Legend, Lettering, Panel, Picture, number};
use super::super::periods::brief;
use super::super::report::{Part, PeriodReport, Report};
use super::{LEFT, MIDDLE, PRECISION, RECALL, RIGHT, percent};

/// Bottom and top of the panel.
const PERIODS: (f64, f64) = (900.0, 734.0);
/// Dates that fit beside each other.
const MOST_DATES: usize = 10;
/// Share of a period's room that each of its two bars takes.
const BAR: f64 = 0.34;
const WIDEST_BAR: f64 = 46.0;
/// The narrowest bar that has room for its value above it.
const NARROWEST_WITH_VALUE: f64 = 30.0;

pub(super) fn draw(picture: &mut Picture, report: &Report) {
    let slots = report.periods.len() as f64;
    let across = Axis::between(0.0, slots, (LEFT, RIGHT));
    let judged = report.periods.iter().filter_map(|period| period.part.as_ref());
    let highest = judged.map(|part| part.policy.decided.precision.max(part.policy.decided.recall)).fold(0.05, f64::max);
    // Room for what is written above the highest bar.
    let up = Axis::between(0.0, (highest * 1.15).min(1.0), PERIODS);
    let panel = Panel { heading: "The policy by period", across: ("", across), up: ("share", up) };
    let legend = |name, color| Legend { name, ink: Ink::solid(color, 9.0) };
    panel.frame(picture, &[legend("precision", PRECISION), legend("recall", RECALL)], percent);
    let width = ((RIGHT - LEFT) / slots * BAR).min(WIDEST_BAR);
    let stride = report.periods.len().div_ceil(MOST_DATES).max(1);
    for (index, period) in report.periods.iter().enumerate() {
        let middle = across.place(index as f64 + 0.5);
        match &period.part {
            Some(part) => bars(picture, &panel, (middle, width), period, part),
            None if stride == 1 => picture.text((middle, PERIODS.0 - 6.0), "skipped", MIDDLE),
            None => {}
        }
        if index % stride == 0 {
            date(picture, middle, period);
        }
    }
    picture.text(((LEFT + RIGHT) / 2.0, PERIODS.0 + 51.0), "first day of the period (UTC), and its alarms a day", MIDDLE);
}

fn date(picture: &mut Picture, middle: f64, period: &PeriodReport) {
    let date = brief(period.start);
    picture.text((middle, PERIODS.0 + 17.0), date.get(..10).unwrap_or(&date), MIDDLE);
    if let Some(part) = &period.part {
        picture.text((middle, PERIODS.0 + 33.0), &number(part.policy.alarms_a_day), MIDDLE);
    }
}

/// The two bars of a period.
fn bars(picture: &mut Picture, panel: &Panel<'_>, (middle, width): (f64, f64), period: &PeriodReport, part: &Part) {
    let policy = &part.policy;
    let bars = [("precision", policy.decided.precision, PRECISION, -1.0), ("recall", policy.decided.recall, RECALL, 1.0)];
    for (name, value, color, side) in bars {
        let hint = format!(
            "period {}, from {}: {name} {}, {} alarms a day, cost {}",
            period.number,
            brief(period.start),
            percent(value),
            number(policy.alarms_a_day),
            number(policy.cost)
        );
        let top = panel.up.1.place(value);
        picture.bar((middle, PERIODS.0), (middle + side * width, top), color, &hint);
        if width >= NARROWEST_WITH_VALUE {
            picture.text((middle + side * width / 2.0, top - 5.0), &percent(value), Lettering { color, ..MIDDLE });
        }
    }
}
