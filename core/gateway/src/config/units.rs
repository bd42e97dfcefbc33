//! Quantities with units.

use jiff::{Span, SpanRelativeTo};
use std::time::Duration;

/// A span of time, as `100ms`, `10s`, `1h 30m` or `7d`; a day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>().ok().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let parsed = span.and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("`{text}` is no time span above 0; write for instance 100ms, 10s, 1h or 7d"))
}

/// A number of bytes, as `4MiB`, `64 kB` or `1000`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no size; write for instance 64KiB, 4MiB or 1GiB");
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let number: usize = trimmed[..digits].parse().map_err(|_| wrong())?;
    let factor = match trimmed[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// How often, as `200/s`, `50/m` or `1000/h`: the number, and the time.
pub(super) fn rate(text: &str) -> Result<(u32, Duration), String> {
    let wrong = || format!("`{text}` is no rate above 0; write for instance 200/s, 50/m or 1000/h");
    let (number, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let count = number.trim().parse().ok().filter(|count| (1..=1_000_000_000).contains(count)).ok_or_else(wrong)?;
    Ok((count, Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!((duration("7d"), duration("1d 12h")), (Ok(Duration::from_secs(604_800)), Ok(Duration::from_secs(129_600))));
        assert_eq!((bytes("4MiB"), bytes("64 kB"), bytes("12")), (Ok(4 << 20), Ok(64_000), Ok(12)));
        assert_eq!((rate("200/s"), rate(" 50 / m ")), (Ok((200, Duration::from_secs(1))), Ok((50, Duration::from_secs(60)))));
        for text in ["", "200", "0/s", "-1/s", "1.5/s", "200/d", "4294967297/s", "/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in ["", "ms", "-1s", "0s", "5 parsecs"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "99999999999999999999", "0"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
