//! Parts of the calendar, and the circle that they run around.

use crate::time;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// A part of a moment, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarPart {
    /// 0 to 23.
    Hour,
    /// Hours since midnight with their fraction, 0 to below 24.
    TimeOfDay,
    /// 0 (Monday) to 6.
    DayOfWeek,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 366.
    DayOfYear,
    /// 1 to 12.
    Month,
    /// The year.
    Year,
    /// 1 on Saturday and Sunday, else 0.
    Weekend,
    /// 1 from midnight to 6 o'clock, else 0.
    Night,
}

/// Which coordinate of the circle: 23 o'clock is next to midnight there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cyclic {
    /// The sine.
    Sine,
    /// The cosine.
    Cosine,
}

impl CalendarPart {
    /// The part of a moment in microseconds since 1970; NaN beyond the calendar.
    pub fn of(self, microseconds: i64) -> f64 {
        let Some(civil) = time::civil(microseconds) else { return f64::NAN };
        let weekday = f64::from(civil.weekday().to_monday_zero_offset());
        match self {
            Self::Hour => f64::from(civil.hour()),
            Self::TimeOfDay => microseconds.rem_euclid(86_400_000_000) as f64 / 3.6e9,
            Self::DayOfWeek => weekday,
            Self::DayOfMonth => f64::from(civil.day()),
            Self::DayOfYear => f64::from(civil.day_of_year()),
            Self::Month => f64::from(civil.month()),
            Self::Year => f64::from(civil.year()),
            Self::Weekend => f64::from(u8::from(weekday >= 5.0)),
            Self::Night => f64::from(u8::from(civil.hour() < 6)),
        }
    }

    /// First value and number of values of a part that comes round again; nothing for the others.
    pub fn cycle(self) -> Option<(f64, f64)> {
        match self {
            Self::Hour | Self::TimeOfDay => Some((0.0, 24.0)),
            Self::DayOfWeek => Some((0.0, 7.0)),
            Self::DayOfMonth => Some((1.0, 31.0)),
            Self::DayOfYear => Some((1.0, 366.0)),
            Self::Month => Some((1.0, 12.0)),
            Self::Year | Self::Weekend | Self::Night => None,
        }
    }

    /// The part as a coordinate of its circle.
    pub(crate) fn on_circle(self, value: f64, coordinate: Cyclic) -> f64 {
        let (first, length) = self.cycle().unwrap_or((0.0, 1.0));
        let angle = TAU * (value - first) / length;
        match coordinate {
            Cyclic::Sine => angle.sin(),
            Cyclic::Cosine => angle.cos(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TUESDAY: i64 = 1_681_230_554_000_000; // 2023-04-11 16:29:14

    #[test]
    fn parts_are_those_of_the_calendar() {
        let parts = [CalendarPart::Hour, CalendarPart::DayOfWeek, CalendarPart::DayOfMonth, CalendarPart::DayOfYear, CalendarPart::Month];
        assert_eq!(parts.map(|part| part.of(TUESDAY)), [16.0, 1.0, 11.0, 101.0, 4.0]);
        assert_eq!((CalendarPart::Weekend.of(TUESDAY), CalendarPart::Night.of(TUESDAY)), (0.0, 0.0));
        assert!((CalendarPart::TimeOfDay.of(TUESDAY) - (16.0 + 29.0 / 60.0 + 14.0 / 3600.0)).abs() < 1e-12);
    }

    #[test]
    fn sine_and_cosine_are_not_the_same() {
        let six = CalendarPart::Hour.on_circle(6.0, Cyclic::Sine);
        assert!((six - 1.0).abs() < 1e-12);
        assert!(CalendarPart::Hour.on_circle(6.0, Cyclic::Cosine).abs() < 1e-12);
        let january = CalendarPart::Month.on_circle(1.0, Cyclic::Cosine);
        assert!((january - 1.0).abs() < 1e-12);
    }
}
