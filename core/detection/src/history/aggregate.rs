//! What can be asked of a key's events.

use serde::{Deserialize, Serialize};

/// What is asked of the events in the window. What it needs and does not find (a mean of nothing, a deviation of one value) is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// How many there are.
    Count,
    /// The sum of `of`; 0 for none.
    Sum,
    /// The mean of `of`.
    Mean,
    /// The sample standard deviation of `of` (n - 1 in the denominator), from two values on.
    StandardDeviation,
    /// The least value of `of`.
    Minimum,
    /// The greatest value of `of`.
    Maximum,
    /// How many different values the text field `of` had.
    Distinct,
    /// Seconds since the latest event.
    SinceLast,
    /// 1 if the row's own text in `of` is not the most frequent one; 0 if it is one of the most frequent, or there were none.
    NotMostFrequent,
    /// 1 if the row's own text in `of` was not there before.
    FirstSeen,
    /// How many standard deviations the row's own value of `of` lies from the mean.
    ZScore,
    /// The row's own value of `of` over the mean.
    RatioToMean,
}

/// What an aggregate asks for with `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    /// Nothing.
    None,
    /// A number of each event.
    Number,
    /// A text of each event.
    Text,
}

impl Aggregate {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::StandardDeviation => "standard_deviation",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Distinct => "distinct",
            Self::SinceLast => "since_last",
            Self::NotMostFrequent => "not_most_frequent",
            Self::FirstSeen => "first_seen",
            Self::ZScore => "z_score",
            Self::RatioToMean => "ratio_to_mean",
        }
    }

    pub(crate) fn operand(self) -> Operand {
        match self {
            Self::Count | Self::SinceLast => Operand::None,
            Self::Distinct | Self::NotMostFrequent | Self::FirstSeen => Operand::Text,
            _ => Operand::Number,
        }
    }

    /// The value over numbers, in the order of time; `own` is the row's.
    pub(crate) fn of_numbers(self, numbers: impl Iterator<Item = f64> + Clone, own: f64) -> f64 {
        let present = || numbers.clone().filter(|number| !number.is_nan());
        match self {
            Self::Sum => present().sum::<f64>() + 0.0,
            Self::Mean => mean(present()).0,
            Self::StandardDeviation => mean_and_deviation(present()).1,
            Self::Minimum => present().fold(f64::NAN, f64::min),
            Self::Maximum => present().fold(f64::NAN, f64::max),
            Self::ZScore => {
                let (mean, deviation) = mean_and_deviation(present());
                (own - mean) / deviation
            }
            Self::RatioToMean => own / mean(present()).0,
            Self::Count | Self::SinceLast | Self::Distinct | Self::NotMostFrequent | Self::FirstSeen => f64::NAN,
        }
    }

    /// The value over texts (by their marks, 0 where there is none); `own` is the row's. Sorts `marks`.
    pub(crate) fn of_texts(self, marks: &mut Vec<u64>, own: u64) -> f64 {
        marks.retain(|mark| *mark != 0);
        match self {
            Self::FirstSeen if own == 0 => f64::NAN,
            Self::FirstSeen => yes(!marks.contains(&own)),
            Self::Distinct => {
                marks.sort_unstable();
                marks.dedup();
                marks.len() as f64
            }
            Self::NotMostFrequent if own == 0 => f64::NAN,
            Self::NotMostFrequent => {
                marks.sort_unstable();
                let (mut most, mut of_own) = (0, 0);
                for run in marks.chunk_by(|a, b| a == b) {
                    most = most.max(run.len());
                    if run[0] == own {
                        of_own = run.len();
                    }
                }
                yes(of_own < most)
            }
            _ => f64::NAN,
        }
    }
}

fn yes(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

fn mean(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
    (sum / count, count)
}

/// Two passes: one pass with squares loses all digits when the deviation is small beside the mean.
fn mean_and_deviation(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (mean, count) = mean(numbers.clone());
    let squares: f64 = numbers.map(|number| (number - mean) * (number - mean)).sum();
    let deviation = if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { f64::NAN };
    (mean, deviation)
}

/// Which of a key's events before the row are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// All that are kept.
    All,
    /// The latest so many.
    Last(u32),
    /// Those not more than so many microseconds before the row.
    Time(i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let values = [2.0, f64::NAN, 4.0, 9.0];
        let table = [
            (Aggregate::Sum, 15.0),
            (Aggregate::Mean, 5.0),
            (Aggregate::StandardDeviation, 13.0_f64.sqrt()),
            (Aggregate::Minimum, 2.0),
            (Aggregate::Maximum, 9.0),
            (Aggregate::ZScore, 5.0 / 13.0_f64.sqrt()),
            (Aggregate::RatioToMean, 2.0),
        ];
        for (aggregate, expected) in table {
            assert_eq!(aggregate.of_numbers(values.iter().copied(), 10.0), expected, "{aggregate:?}");
        }
        assert_eq!(Aggregate::Sum.of_numbers([].into_iter(), 1.0), 0.0);
        for aggregate in [Aggregate::Mean, Aggregate::Minimum, Aggregate::ZScore, Aggregate::RatioToMean] {
            assert!(aggregate.of_numbers([].into_iter(), 1.0).is_nan(), "{aggregate:?}");
        }
        assert!(Aggregate::StandardDeviation.of_numbers([3.0].into_iter(), 1.0).is_nan());
    }

    #[test]
    fn texts() {
        let table = [
            (Aggregate::Distinct, vec![7, 8, 7, 0], 9, 2.0),
            (Aggregate::FirstSeen, vec![7, 8], 8, 0.0),
            (Aggregate::FirstSeen, vec![7, 8], 9, 1.0),
            (Aggregate::NotMostFrequent, vec![7, 8, 7], 7, 0.0),
            (Aggregate::NotMostFrequent, vec![7, 8, 7], 8, 1.0),
            (Aggregate::NotMostFrequent, vec![7, 8], 8, 0.0),
            (Aggregate::NotMostFrequent, vec![7, 8], 9, 1.0),
            (Aggregate::NotMostFrequent, vec![], 9, 0.0),
        ];
        for (aggregate, mut marks, own, expected) in table {
            assert_eq!(aggregate.of_texts(&mut marks, own), expected, "{aggregate:?} {own}");
        }
        assert!(Aggregate::FirstSeen.of_texts(&mut vec![7], 0).is_nan(), "a missing text is neither new nor known");
    }
}
