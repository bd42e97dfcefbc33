//! What the thresholds find, and what they cost, from few alarms to many.

use super::super::super::picture::{Anchor, Axis, Ink, Legend, Lettering, MUTED, Panel, Picture, Place, Scale, number};
use super::super::report::Report;
use super::super::thresholds::Point;
use super::{LEFT, MIDDLE, RIGHT, SMALL, percent, shortened};

/// Bottom and top of the panels.
const QUALITY: (f64, f64) = (372.0, 160.0);
const COST: (f64, f64) = (640.0, 466.0);
/// Shares of the rows that are marked above the first panel.
const SHARES: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
/// Pixels that a cost takes.
const ROOM: f64 = 100.0;
const ALARMS: &str = "alarms a day (logarithmic)";

const PRECISION: Ink = Ink::solid(super::PRECISION, 2.0);
const RECALL: Ink = Ink::solid(super::RECALL, 2.0);
const PRICE: Ink = Ink::solid("#00795a", 2.0);
const CONFIGURED: Ink = Ink::dashed("#44484f", 1.5);
const CHEAPEST: Ink = Ink::solid("#8e3fa8", 1.5);
const WITHOUT: Ink = Ink::dashed("#a3a7ad", 1.5);

pub(super) fn draw(picture: &mut Picture, report: &Report) {
    let thresholds = &report.thresholds;
    let alarms = thresholds.points.iter().chain([&thresholds.configured]).map(|point| point.alarms_a_day);
    let across = Axis::of(Scale::Logarithmic, alarms, (LEFT, RIGHT));
    quality(picture, report, across);
    cost(picture, report, across);
}

fn quality(picture: &mut Picture, report: &Report, across: Axis) {
    let up = Axis::between(0.0, 1.0, QUALITY);
    let panel = Panel { heading: "What a threshold finds", across: (ALARMS, across), up: ("share", up) };
    let marked = marked(report);
    let mut legend = vec![Legend { name: "precision", ink: PRECISION }, Legend { name: "recall", ink: RECALL }];
    legend.extend(marked.iter().map(|(name, _, ink)| Legend { name, ink: *ink }));
    panel.frame(picture, &legend, percent);
    shares_of_rows(picture, report, across);
    marked.iter().for_each(|(_, point, ink)| upright(picture, across, QUALITY, point, *ink));
    let points = &report.thresholds.points;
    curve(picture, &panel, points, |point| point.precision, PRECISION, "precision");
    curve(picture, &panel, points, |point| point.recall, RECALL, "recall");
    for (_, point, _) in &marked {
        for (value, ink) in [(point.precision, PRECISION), (point.recall, RECALL)] {
            picture.dot(panel.place(point.alarms_a_day, value), 4.5, ink.color, &hint(point));
        }
    }
}

/// The alert volume as a share of all rows, above the panel.
fn shares_of_rows(picture: &mut Picture, report: &Report, across: Axis) {
    let a_day = report.overall.rows as f64 / report.overall.days;
    let top = QUALITY.1;
    for share in SHARES {
        let x = across.place(share * a_day);
        if (LEFT..=RIGHT - 90.0).contains(&x) {
            picture.line((x, top - 4.0), (x, top), Ink::solid(MUTED, 1.0));
            picture.text((x, top - 8.0), &percent(share), MIDDLE);
        }
    }
    picture.text((RIGHT, top - 8.0), "of all rows", Lettering { anchor: Anchor::End, ..SMALL });
}

fn cost(picture: &mut Picture, report: &Report, across: Axis) {
    let thresholds = &report.thresholds;
    let prices = thresholds.points.iter().chain([&thresholds.configured]).map(|point| point.cost);
    let up = Axis::of(Scale::Linear, prices.chain([thresholds.cost_without_alarms]), COST);
    let panel = Panel { heading: "What its mistakes cost", across: (ALARMS, across), up: ("cost of all mistakes", up) };
    panel.frame(picture, &[Legend { name: &price(report), ink: PRICE }, Legend { name: "no alarms at all", ink: WITHOUT }], number);
    let without = up.place(thresholds.cost_without_alarms);
    picture.line((LEFT, without), (RIGHT, without), WITHOUT);
    let marked = marked(report);
    marked.iter().for_each(|(_, point, ink)| upright(picture, across, COST, point, *ink));
    curve(picture, &panel, &thresholds.points, |point| point.cost, PRICE, "cost");
    for (_, point, ink) in &marked {
        let place = panel.place(point.alarms_a_day, point.cost);
        picture.dot(place, 4.5, ink.color, &hint(point));
        // The leftmost is written to its left, the others to their right: below the curve there, as it falls first and rises then.
        let leftmost = marked.len() > 1 && marked.iter().all(|(_, other, _)| point.alarms_a_day <= other.alarms_a_day);
        beside(picture, place, leftmost, &number(point.cost), ink.color);
    }
}

/// Writes beside a place and below it, if there is room.
fn beside(picture: &mut Picture, (x, y): Place, to_the_left: bool, words: &str, color: &'static str) {
    let left = if to_the_left { x > LEFT + ROOM } else { x > RIGHT - ROOM };
    let (anchor, across) = if left { (Anchor::End, -7.0) } else { (Anchor::Start, 7.0) };
    let down = if y + 20.0 < COST.0 { 17.0 } else { -9.0 };
    picture.text((x + across, y + down), words, Lettering { bold: true, ..Lettering::new(12.0, color, anchor) });
}

/// What the cost is made of.
fn price(report: &Report) -> String {
    let settings = &report.settings;
    let missed = match (&settings.amount, settings.cost_missed) {
        (Some(amount), _) => format!("its {}", shortened(amount, 20)),
        (None, cost) => number(cost.unwrap_or_default()),
    };
    format!("cost (missed anomaly {missed}, false alarm {})", number(settings.cost_alarm))
}

/// The thresholds that stand out, with their names and how they are drawn. One of no alarms has no place among logarithms.
fn marked(report: &Report) -> Vec<(String, &Point, Ink)> {
    let thresholds = &report.thresholds;
    let same = thresholds.configured == thresholds.cheapest;
    let named = |name: &str, point: &Point| match point.threshold {
        Some(threshold) => format!("{name} {}", number(threshold)),
        None => name.to_owned(),
    };
    let name = if same { "configured and cheapest" } else { "configured" };
    let mut marked = vec![(named(name, &thresholds.configured), &thresholds.configured, CONFIGURED)];
    if !same {
        marked.push((named("cheapest", &thresholds.cheapest), &thresholds.cheapest, CHEAPEST));
    }
    marked.retain(|(_, point, _)| point.flagged > 0);
    marked
}

/// A line from the bottom of a panel to its top.
fn upright(picture: &mut Picture, across: Axis, (bottom, top): (f64, f64), point: &Point, ink: Ink) {
    let x = across.place(point.alarms_a_day);
    picture.line((x, bottom), (x, top), ink);
}

fn curve(picture: &mut Picture, panel: &Panel<'_>, points: &[Point], of: impl Fn(&Point) -> f64, ink: Ink, name: &str) {
    let places: Vec<Place> = points.iter().map(|point| panel.place(point.alarms_a_day, of(point))).collect();
    picture.curve(&places, ink, name);
    for (place, point) in places.iter().zip(points) {
        picture.dot(*place, 2.5, ink.color, &hint(point));
    }
}

fn hint(point: &Point) -> String {
    format!(
        "{}: {} alarms a day ({} of the rows), precision {}, recall {}, cost {}",
        point.threshold.map_or_else(|| "as the votes say".to_owned(), |threshold| format!("threshold {threshold}")),
        number(point.alarms_a_day),
        percent(point.flag_rate),
        percent(point.precision),
        percent(point.recall),
        number(point.cost)
    )
}
