//! The generated year: 52 weeks from Monday 2023-01-02 on, busy in the late afternoon and quiet at night and on weekends.

use std::fmt;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const WEEKS: f64 = 52.0;

/// How busy each hour of a day is.
#[rustfmt::skip]
const HOURS: [f64; 24] = [
    0.4, 0.3, 0.2, 0.2, 0.2, 0.3, 0.6, 1.0, 2.0, 3.0, 3.5, 4.0,
    4.0, 4.0, 4.5, 5.0, 35.0, 25.0, 14.0, 5.0, 3.0, 2.0, 1.2, 0.8,
];

/// How busy each day of a week is, from Monday on.
const DAYS: [f64; 7] = [1.4, 1.0, 1.0, 1.0, 1.1, 0.5, 0.3];

/// Seconds since 2023-01-02 00:00:00; shown as `2023-01-02 16:00:06`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64);

impl Moment {
    pub(super) fn later(self, seconds: i64) -> Self {
        Self(self.0 + seconds)
    }

    /// The given second of the next day.
    pub(super) fn next_day_at(self, second_of_day: i64) -> Self {
        Self((self.0.div_euclid(DAY) + 1) * DAY + second_of_day)
    }

    pub(super) fn days_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / DAY as f64
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(DAY));
        let second = self.0.rem_euclid(DAY);
        let (hour, minute, second) = (second / HOUR, second / 60 % 60, second % 60);
        write!(formatter, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// Year, month and day of the day with this number, 2023-01-02 being 0 (Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013,
/// `civil_from_days`).
fn civil(day: i64) -> (i64, i64, i64) {
    // The algorithm's day 0 is the first of March of the year 0.
    let day = day + 738_827;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// Turns a share of the year's transactions into the moment by which so many of them have happened.
pub(super) struct Calendar {
    /// For each hour of a week and its end, the share of the week's transactions before it.
    shares: Vec<f64>,
}

impl Calendar {
    pub(super) fn new() -> Self {
        let weights = DAYS.iter().flat_map(|day| HOURS.iter().map(move |hour| day * hour));
        let total: f64 = weights.clone().sum();
        let mut before = 0.0;
        let mut shares = vec![0.0];
        shares.extend(weights.map(|weight| {
            before += weight / total;
            before
        }));
        Self { shares }
    }

    /// The moment at a share of the year, 0 to 1; a little more than 1 is in the days after it. A larger share is never earlier.
    pub(super) fn moment(&self, share_of_year: f64) -> Moment {
        let weeks = share_of_year * WEEKS;
        let share_of_week = weeks - weeks.floor();
        let hours_begun = self.shares.partition_point(|share| *share <= share_of_week);
        let hour = hours_begun.clamp(1, self.shares.len() - 1) - 1;
        let (begin, end) = (self.shares[hour], self.shares[hour + 1]);
        let share_of_hour = ((share_of_week - begin) / (end - begin)).clamp(0.0, 1.0);
        Moment(weeks.floor() as i64 * WEEK + hour as i64 * HOUR + ((share_of_hour * HOUR as f64) as i64).min(HOUR - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_dates() {
        for (days, expected) in [
            (0, "2023-01-02 16:00:06"),
            (57, "2023-02-28 16:00:06"),
            (58, "2023-03-01 16:00:06"),
            (363, "2023-12-31 16:00:06"),
            (364, "2024-01-01 16:00:06"),
            (423, "2024-02-29 16:00:06"),
            (424, "2024-03-01 16:00:06"),
        ] {
            assert_eq!(Moment(days * DAY + 16 * HOUR + 6).to_string(), expected);
        }
    }

    #[test]
    fn the_year_runs_forward_from_end_to_end() {
        let calendar = Calendar::new();
        let moments: Vec<Moment> = (0..=100_000).map(|step| calendar.moment(f64::from(step) / 100_000.0)).collect();
        assert!(moments.is_sorted());
        assert_eq!(moments[0], Moment(0));
        assert_eq!(moments[100_000].to_string(), "2024-01-01 00:00:00");
    }

    #[test]
    fn most_of_a_day_is_late_afternoon() {
        let calendar = Calendar::new();
        let late_afternoon = |moment: &Moment| (16..19).contains(&(moment.0 % DAY / HOUR));
        let share = (0..10_000).map(|step| calendar.moment(f64::from(step) / 10_000.0)).filter(late_afternoon).count() as f64 / 10_000.0;
        assert!((share - 74.0 / 119.2).abs() < 0.01, "{share}");
    }

    #[test]
    fn the_next_day_begins_at_midnight() {
        assert_eq!(Moment(0).later(DAY - 1).next_day_at(3 * HOUR), Moment(DAY + 3 * HOUR));
        assert_eq!(Moment(DAY + DAY / 2).days_since(Moment(DAY)), 0.5);
    }
}
