//! The picture of a backtest: what the thresholds come to, what they cost, and how each period did.

mod curves;
mod periods;

use super::super::picture::{Anchor, DARK, Lettering, MUTED, Picture, number};
use super::report::{Part, Report};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 926.0;
/// Where the title and the notes begin.
const MARGIN: f64 = 20.0;
const FOOTER: f64 = 982.0;
const LINE: f64 = 17.0;
/// Letters of small text that fit beside each other.
const LETTERS: usize = 140;

const PRECISION: &str = "#0072b2";
const RECALL: &str = "#d55e00";
const SMALL: Lettering = Lettering::new(12.0, MUTED, Anchor::Start);
const MIDDLE: Lettering = Lettering::new(12.0, MUTED, Anchor::Middle);

/// The picture, as the text of an SVG file.
pub(super) fn picture(report: &Report) -> String {
    let notes = wrapped(&format!("{} Found with hindsight, on the rows that are shown.", report.thresholds.advice));
    let height = FOOTER + notes.len() as f64 * LINE;
    let title = format!("Backtest: {}, {}", shortened(&report.file, 60), span(report));
    let description =
        "Precision, recall and cost of the policy for thresholds from few alarms to many, and its precision and recall by period.";
    let mut picture = Picture::new(WIDTH, height, &title, description);
    picture.text((MARGIN, 42.0), &title, Lettering { bold: true, ..Lettering::new(19.0, DARK, Anchor::Start) });
    lines(&mut picture, 66.0, &subtitle(report));
    curves::draw(&mut picture, report);
    periods::draw(&mut picture, report);
    lines(&mut picture, FOOTER, &notes);
    picture.finish()
}

fn lines(picture: &mut Picture, top: f64, lines: &[String]) {
    lines.iter().enumerate().for_each(|(index, line)| picture.text((MARGIN, top + index as f64 * LINE), line, SMALL));
}

/// From when to when rows were judged.
fn span(report: &Report) -> String {
    let day = |text: &str| text.get(..10).unwrap_or(text).to_owned();
    let mut judged = report.periods.iter().filter(|period| period.part.is_some());
    let first = judged.next();
    let last = judged.next_back().or(first);
    let ends = first.zip(last).map(|(first, last)| (day(&first.judged.from), day(&last.judged.until)));
    ends.map_or_else(String::new, |(from, until)| format!("{from} to {until}"))
}

fn subtitle(report: &Report) -> [String; 2] {
    let Part { rows, anomalies, policy, .. } = &report.overall;
    let judged = report.periods.iter().filter(|period| period.part.is_some()).count();
    let periods = if judged == 1 { "1 period".to_owned() } else { format!("{judged} periods") };
    let label = shortened(&report.label, 40);
    let counted = format!("{} rows in {periods}, {} anomalies by `{label}`", number(*rows as f64), number(*anomalies as f64));
    let configured = format!(
        "As configured: {} alarms a day, precision {}, recall {}, cost {}",
        number(policy.alarms_a_day),
        percent(policy.decided.precision),
        percent(policy.decided.recall),
        number(policy.cost)
    );
    [counted, configured]
}

fn percent(share: f64) -> String {
    format!("{} %", number((share * 1e4).round() / 100.0))
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// Lines of whole words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].chars().count() + word.chars().count() >= LETTERS {
            lines.push(word.to_owned());
        } else {
            let line = &mut lines[last];
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit() {
        let text = "word ".repeat(100);
        let lines = wrapped(&text);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= LETTERS), "{lines:?}");
        assert_eq!(lines.join(" "), text.trim());
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!((percent(0.5).as_str(), percent(0.001_23).as_str(), percent(1.0).as_str()), ("50 %", "0.12 %", "100 %"));
    }
}
