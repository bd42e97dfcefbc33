//! When each period learns, and when it judges.

use super::super::CommandError;
use super::super::dataset::spelled;
use crate::cli::{Backtest, Window};
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Each period costs a fit: more are a slip of the keyboard.
const MOST_PERIODS: i64 = 1000;
const MICROSECONDS_A_DAY: f64 = 86_400e6;

/// One fit and what it judges; times in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    /// From 1.
    pub(super) number: usize,
    /// What the fit learns from.
    pub(super) training: Range<i64>,
    /// What it judges.
    pub(super) scored: Range<i64>,
}

impl Period {
    /// How long it judges.
    pub(super) fn days(&self) -> f64 {
        (self.scored.end - self.scored.start) as f64 / MICROSECONDS_A_DAY
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} to {}, fitted on {} to {}",
            brief(self.scored.start),
            brief(self.scored.end),
            brief(self.training.start),
            brief(self.training.end)
        )
    }
}

/// A moment for people: without the time of day at midnight, and to the second otherwise.
pub(super) fn brief(microseconds: i64) -> String {
    let text = spelled(microseconds.div_euclid(1_000_000).saturating_mul(1_000_000));
    text.strip_suffix("T00:00:00Z").map_or(text.clone(), str::to_owned)
}

/// The periods of rows from the moment `from` to just before the moment `end`.
pub(super) fn plan(arguments: &Backtest, from: i64, end: i64) -> Result<Vec<Period>, CommandError> {
    let learnt = from.saturating_add(microseconds(arguments.train));
    let first = learnt.saturating_add(microseconds(arguments.delay));
    if first >= end {
        let (first, last) = (brief(first), brief(end - 1));
        return Err(CommandError::Usage(format!(
            "--train and --delay leave nothing to judge: the first period would begin at {first}, and the rows end at {last}"
        )));
    }
    let every = arguments.every.map_or(end - first, microseconds).max(1);
    let count = (end - first - 1) / every + 1;
    if count > MOST_PERIODS {
        return Err(CommandError::Usage(format!("--every makes {count} periods of these rows, and {MOST_PERIODS} are the most")));
    }
    let period = |index: i64| {
        let shift = index * every;
        let start = if arguments.window == Window::Growing { from } else { from + shift };
        let scored = first + shift..first.saturating_add(shift).saturating_add(every).min(end);
        Period { number: index as usize + 1, training: start..learnt + shift, scored }
    };
    Ok((0..count).map(period).collect())
}

fn microseconds(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    const DAY: i64 = 86_400_000_000;

    fn planned(words: &str, days: i64) -> Result<Vec<Period>, CommandError> {
        let words = format!("synod backtest --data x.csv --label y {words}");
        match Cli::try_parse_from(words.split_whitespace()).unwrap().command {
            Command::Backtest(arguments) => plan(&arguments, 0, days * DAY),
            other => panic!("{other:?}"),
        }
    }

    fn days(words: &str, days: i64) -> Vec<[i64; 4]> {
        let whole = |period: &Period| {
            [period.training.start, period.training.end, period.scored.start, period.scored.end].map(|moment| moment / DAY)
        };
        planned(words, days).unwrap().iter().map(whole).collect()
    }

    #[test]
    fn periods_follow_each_other_without_a_gap() {
        assert_eq!(days("--train 7d --delay 2d --every 5d", 20), [[0, 7, 9, 14], [5, 12, 14, 19], [10, 17, 19, 20]]);
        assert_eq!(days("--train 7d --every 5d --window growing", 15), [[0, 7, 7, 12], [0, 12, 12, 15]]);
        assert_eq!(days("--train 7d --delay 1d", 30), [[0, 7, 8, 30]]);
        assert_eq!(days("--train 7d --every 5d", 12), [[0, 7, 7, 12]]);
    }

    #[test]
    fn nothing_to_judge_and_too_much_of_it_are_mistakes() {
        assert!(planned("--train 7d --delay 3d", 10).unwrap_err().to_string().contains("leave nothing to judge"));
        assert!(planned("--train 1d --every 1m", 10).unwrap_err().to_string().contains("12960 periods"));
        assert!(planned("--train 1d --every 1ns", 10).is_err());
        assert!(planned("--train 7000000d", 10).is_err());
    }

    #[test]
    fn moments_are_short_where_they_can_be() {
        assert_eq!((brief(0).as_str(), brief(61_500_000).as_str()), ("1970-01-01", "1970-01-01T00:01:01Z"));
    }
}
