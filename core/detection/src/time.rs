//! Moments as text: RFC 3339, with a space for the T if one likes; without an offset it is UTC.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Microseconds since 1970 (UTC), or nothing if the text is no moment.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_microsecond());
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

/// The calendar's view of a moment, in UTC. Nothing if it lies outside of the years -9999 to 9999.
pub(crate) fn civil(microseconds: i64) -> Option<DateTime> {
    Some(TimeZone::UTC.to_datetime(Timestamp::from_microsecond(microseconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_ways_to_write_a_moment() {
        let expected = Some(1_681_230_554_000_000);
        for text in
            ["2023-04-11 16:29:14", "2023-04-11T16:29:14", "2023-04-11T16:29:14Z", "2023-04-11T18:29:14+02:00", " 2023-04-11T16:29:14 "]
        {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse("2023-04-11"), Some(1_681_171_200_000_000));
        assert_eq!(parse("2023-13-11"), None);
        assert_eq!(parse("yesterday"), None);
    }
}
