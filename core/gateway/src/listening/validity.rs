//! When a certificate ends. Only this is read of it, so a few lines of DER (X.690) do; what TLS itself needs, its library reads.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The `notAfter` of a certificate in DER (RFC 5280, section 4.1), if it can be found.
pub(super) fn end(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(certificate)?;
    let (_, to_be_signed, _) = element(certificate)?;
    let rest = match element(to_be_signed)? {
        (VERSION, _, rest) => rest,
        // Version 1 is not written down.
        _ => to_be_signed,
    };
    let (_, _, rest) = element(rest)?; // serial number
    let (_, _, rest) = element(rest)?; // signature algorithm
    let (_, _, rest) = element(rest)?; // issuer
    let (_, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?; // not before
    let (kind, not_after, _) = element(rest)?;
    moment(kind, std::str::from_utf8(not_after).ok()?)
}

/// The tag and the contents of the first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// A time as RFC 5280, section 4.1.2.5, wants it: to the second, in UTC.
fn moment(kind: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match kind {
        UTC_TIME if digits.len() == 12 => {
            let year: i16 = digits[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        GENERALIZED_TIME if digits.len() == 14 => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |place: usize| rest[2 * place..2 * place + 2].parse::<i8>().ok();
    let civil = DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], contents].concat()
    }

    fn certificate(version: &[u8], end: (u8, &str)) -> Vec<u8> {
        let validity = wrapped(0x30, &[wrapped(UTC_TIME, b"200101000000Z"), wrapped(end.0, end.1.as_bytes())].concat());
        let parts = [version, &[2, 1, 7], &[0x30, 0], &[0x30, 0], &validity, &[0x30, 0]].concat();
        wrapped(0x30, &[wrapped(0x30, &parts), vec![0x30, 0, 3, 1, 0]].concat())
    }

    #[test]
    fn the_end_is_found_in_either_form() {
        let version: &[u8] = &[VERSION, 3, 2, 1, 2];
        let text = |certificate: Vec<u8>| end(&certificate).map(|end| end.to_string());
        assert_eq!(text(certificate(version, (UTC_TIME, "491231235959Z"))).as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(text(certificate(&[], (UTC_TIME, "500101000000Z"))).as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(text(certificate(version, (GENERALIZED_TIME, "20530228120000Z"))).as_deref(), Some("2053-02-28T12:00:00Z"));
        assert_eq!(text(certificate(version, (GENERALIZED_TIME, "20531328120000Z"))), None);
    }

    #[test]
    fn whatever_is_cut_or_changed_ends_in_nothing_worse_than_no_end() {
        let whole = certificate(&[VERSION, 3, 2, 1, 2], (UTC_TIME, "491231235959Z"));
        for cut in 0..whole.len() {
            assert_eq!(end(&whole[..cut]), None);
            let mut changed = whole.clone();
            changed[cut] = 0xff;
            let _ = end(&changed);
        }
    }
}
