//! Service levels, from their declaration in `levels.yaml` to recorded series and alerts: multi-window, multi-burn-rate alerts, as chapter 5 of
//! the Site Reliability Workbook has them.

mod declared;
mod indicator;

pub use declared::{Levels, LevelsMistake};

use super::{Alert, Board, Group, Recording, RuleFile, Severity};
use declared::Level;

/// What of the budget may be used up within the longer window before an alert fires; the shorter window ends it.
struct Burn {
    long: &'static str,
    short: &'static str,
    hours: f64,
    budget: f64,
}

const FAST: [Burn; 2] =
    [Burn { long: "1h", short: "5m", hours: 1.0, budget: 0.02 }, Burn { long: "6h", short: "30m", hours: 6.0, budget: 0.05 }];
const SLOW: [Burn; 2] =
    [Burn { long: "1d", short: "2h", hours: 24.0, budget: 0.1 }, Burn { long: "3d", short: "6h", hours: 72.0, budget: 0.1 }];
/// All windows of [`FAST`] and [`SLOW`].
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// The levels that are shipped.
///
/// # Panics
/// If the file has a mistake, which a test would have found.
pub(super) fn shipped() -> Levels {
    match Levels::read(include_str!("../../levels.yaml")) {
        Ok(levels) => levels,
        Err(mistake) => panic!("levels.yaml: {mistake}"),
    }
}

/// What dashboards show of a level.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Burning {
    /// Its name.
    pub level: String,
    /// Which share of its events has to be good.
    pub objective: f64,
    /// The recorded series of the share of errors, by job at least.
    pub error_ratio: String,
}

/// The levels that are shipped, with their shares of errors within a window.
pub(crate) fn burning(window: &str) -> Vec<Burning> {
    let levels = shipped().levels.into_iter();
    let burning =
        |level: Level| Burning { error_ratio: level.series("error_ratio", window), objective: level.objective, level: level.name };
    levels.map(burning).collect()
}

impl Levels {
    pub(super) fn rules(&self) -> RuleFile {
        let groups = self.levels.iter().flat_map(|level| [level.recordings(), level.alerts()]);
        RuleFile { name: "levels", about: "Service levels: how fast errors use up what is allowed of them.", groups: groups.collect() }
    }
}

impl Level {
    fn recordings(&self) -> Group {
        Group::of_recordings(&self.name, None, WINDOWS.iter().flat_map(|window| self.recorded(window)).collect())
    }

    /// What there was, the errors among it (0 while there are none), and their share (nothing where there was nothing).
    fn recorded(&self, window: &str) -> [Recording; 3] {
        let [events, errors, ratio] = ["events", "errors", "error_ratio"].map(|what| self.series(what, window));
        let of_errors = format!("{}\nor\n0 * {events}", self.indicator.errors(window));
        let of_ratio = format!("{errors} / ({events} > 0)");
        let recording = |name, expr| Recording { name, expr };
        [recording(events, self.indicator.events(window)), recording(errors, of_errors), recording(ratio, of_ratio)]
    }

    fn series(&self, what: &str, window: &str) -> String {
        format!("synod:{}:{what}_rate{window}", self.name)
    }

    fn alerts(&self) -> Group {
        let fast = self.alert("Fast", &FAST, self.severity.fast, "2m");
        let slow = self.alert("Slow", &SLOW, self.severity.slow, "15m");
        Group::of_alerts(&self.name, vec![fast, slow])
    }

    fn alert(&self, speed: &str, burns: &[Burn; 2], severity: Severity, hold: &'static str) -> Alert {
        let title = capitalised(&self.name);
        let of = if self.indicator.by.is_empty() { "" } else { " of {{ $labels.detector }}" };
        let windows = burns.iter().map(|burn| burn.long).collect::<Vec<_>>().join(" or ");
        let (percent, days) = (self.objective * 100.0, self.days);
        Alert {
            name: format!("Synod{title}BurnsBudget{speed}"),
            expr: burns.iter().map(|burn| self.burning(burn)).collect::<Vec<_>>().join("\nor\n"),
            hold,
            severity,
            labels: vec![("level", self.name.clone())],
            board: if of.is_empty() { Board::Overview } else { Board::Detectors },
            summary: format!("{title}{of}: {{{{ $value | humanizePercentage }}}} {}", self.missed),
            description: format!(
                "{percent} % of {} in {days} days. The errors of the last {windows} use up what is allowed of them {}.",
                self.meaning,
                if speed == "Fast" { "within a few days" } else { "before these days end" }
            ),
        }
    }

    fn burning(&self, burn: &Burn) -> String {
        let factor = burn.budget * self.days * 24.0 / burn.hours;
        let limit = format!("({} * {})", rounded(factor), rounded(1.0 - self.objective));
        let [long, short] = [burn.long, burn.short].map(|window| self.series("error_ratio", window));
        let (errors, seconds) = (self.series("errors", burn.long), burn.hours * 3600.0);
        format!("(\n  {long} > {limit}\n  and {short} > {limit}\n  and {errors} * {seconds} >= {}\n)", self.minimum)
    }
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// Without what binary fractions leave behind.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_have_the_factors_of_the_workbook() {
        let of = |burn: &Burn| rounded(burn.budget * 30.0 * 24.0 / burn.hours);
        assert_eq!((FAST.each_ref().map(of), SLOW.each_ref().map(of)), ([14.4, 6.0], [3.0, 1.0]));
        assert!(FAST.iter().chain(&SLOW).all(|burn| WINDOWS.contains(&burn.long) && WINDOWS.contains(&burn.short)));
    }
}
