//! Card numbers: 13 to 19 digits, in groups or not, with a prefix and a length that an issuer has, and the check digit of ISO/IEC 7812-1.

use super::Found;

const LENGTHS: std::ops::RangeInclusive<usize> = 13..=19;
/// Digits that stay readable.
const SHOWN: usize = 4;

/// The first four digits, from and to, and the lengths that go with them. From the issuers' public tables; where those differ, the wider range.
/// What begins with 1 (UATP) is left out: so do all times of this decade in milli-, micro- and nanoseconds.
#[rustfmt::skip]
const ISSUERS: [(u32, u32, &[usize]); 32] = [
    (4000, 4999, &[13, 16, 18, 19]),                      // Visa
    (5100, 5599, &[16]),                                  // Mastercard
    (2221, 2720, &[16]),
    (3400, 3499, &[15]),                                  // American Express
    (3700, 3799, &[15]),
    (3000, 3059, &[14, 15, 16, 17, 18, 19]),              // Diners Club
    (3095, 3095, &[14, 15, 16, 17, 18, 19]),
    (3600, 3699, &[14, 15, 16, 17, 18, 19]),
    (3800, 3999, &[14, 15, 16, 17, 18, 19]),
    (6011, 6011, &[16, 17, 18, 19]),                      // Discover
    (6440, 6499, &[16, 17, 18, 19]),
    (6500, 6599, &[16, 17, 18, 19]),                      // with RuPay, Verve, Elo
    (3528, 3589, &[16, 17, 18, 19]),                      // JCB
    (6200, 6299, &[16, 17, 18, 19]),                      // UnionPay
    (8100, 8199, &[16, 17, 18, 19]),
    (2200, 2204, &[16, 17, 18, 19]),                      // Mir
    (2205, 2205, &[16]),                                  // Borica
    (5018, 5018, &[13, 14, 15, 16, 17, 18, 19]),          // Maestro
    (5020, 5020, &[13, 14, 15, 16, 17, 18, 19]),
    (5038, 5038, &[13, 14, 15, 16, 17, 18, 19]),
    (5893, 5893, &[13, 14, 15, 16, 17, 18, 19]),
    (6304, 6304, &[13, 14, 15, 16, 17, 18, 19]),
    (6759, 6763, &[13, 14, 15, 16, 17, 18, 19]),
    (5019, 5019, &[16]),                                  // Dankort
    (5060, 5099, &[16, 18, 19]),                          // Elo, Verve, RuPay
    (6000, 6099, &[16]),                                  // RuPay, Hipercard
    (6360, 6399, &[16, 17, 18, 19]),                      // InterPayment, InstaPayment
    (9792, 9792, &[16]),                                  // Troy
    (8600, 8600, &[16]),                                  // UzCard
    (9860, 9860, &[16]),                                  // Humo
    (9112, 9112, &[16]),                                  // BelCard
    (6700, 6799, &[16, 18, 19]),                          // national debit cards
];

/// Digits without anything between them.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

/// Notes the card numbers in the digits that begin here, and answers where to go on.
pub(super) fn look(text: &[u8], at: usize, found: &mut Vec<Found>) -> usize {
    let (end, digits) = extent(text, at);
    // Most numbers are short.
    if digits >= *LENGTHS.start() {
        windows(text, &groups(text, at, end), found);
    }
    end
}

/// Where the groups of digits end that begin here, and how many digits they have. One space, dash or point stands between two groups.
fn extent(text: &[u8], at: usize) -> (usize, usize) {
    let (mut end, mut digits) = (at, 0);
    loop {
        match text.get(end) {
            Some(b'0'..=b'9') => digits += 1,
            Some(b' ' | b'-' | b'.') if text.get(end + 1).is_some_and(u8::is_ascii_digit) => {}
            _ => return (end, digits),
        }
        end += 1;
    }
}

fn groups(text: &[u8], at: usize, end: usize) -> Vec<Group> {
    let mut start = at + escaped(text, at, end);
    let all = text[start..end].split(|byte| !byte.is_ascii_digit());
    let place = |digits: &[u8]| {
        let group = Group { start, end: start + digits.len() };
        start = group.end + 1;
        group
    };
    all.map(place).collect()
}

/// How many of the first digits belong to an escape of JSON (`\u0007`) that stands before them.
fn escaped(text: &[u8], at: usize, end: usize) -> usize {
    let hexadecimal = text[..at].iter().rev().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    match (0..=hexadecimal).find(|before| text[..at - before].ends_with(b"\\u")) {
        Some(before) => (4 - before).min(end - at),
        None => 0,
    }
}

/// Looks at all groups, side by side, that have as many digits together as a card number.
fn windows(text: &[u8], groups: &[Group], found: &mut Vec<Found>) {
    let mut first = 0;
    while first < groups.len() {
        first = match longest(text, groups, first) {
            Some(last) => {
                found.push(Found::Card { start: groups[first].start, end: groups[last].end });
                last + 1
            }
            None => first + 1,
        };
    }
}

/// The last group of the longest card number that begins with this group: a shorter one within it would leave digits behind.
fn longest(text: &[u8], groups: &[Group], first: usize) -> Option<usize> {
    let (mut digits, mut found) = (0, None);
    for last in first..groups.len() {
        digits += groups[last].end - groups[last].start;
        if digits > *LENGTHS.end() || (last > first && !goes_on(text, groups, first, last)) {
            break;
        }
        if digits >= *LENGTHS.start() && is_card(text, groups, first, last) {
            found = Some(last);
        }
    }
    found
}

/// Whether a group looks like a part of the number that the groups before it begin: the same separator, and no lone digits, of which lists of
/// small numbers are made.
fn goes_on(text: &[u8], groups: &[Group], first: usize, last: usize) -> bool {
    let separator = text[groups[first].end];
    let before = &groups[last - 1];
    let shortest = if separator == b'.' { 3 } else { 2 };
    text[before.end] == separator && before.end - before.start >= shortest
}

fn is_card(text: &[u8], groups: &[Group], first: usize, last: usize) -> bool {
    let (start, end) = (groups[first].start, groups[last].end);
    let mut digits = [0; 19];
    let mut length = 0;
    for digit in text[start..end].iter().filter(|byte| byte.is_ascii_digit()) {
        let Some(place) = digits.get_mut(length) else { return false };
        *place = digit - b'0';
        length += 1;
    }
    let digits = &digits[..length];
    LENGTHS.contains(&length)
        && has_issuer(digits)
        && passes_check(digits)
        && is_no_decimal(text, &groups[first..=last])
        && !is_fraction(text, start)
        && !is_of_digest(text, start, end)
        && !is_of_uuid(text, start, end)
}

fn has_issuer(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
    ISSUERS.iter().any(|(from, to, lengths)| (*from..=*to).contains(&prefix) && lengths.contains(&digits.len()))
}

/// The algorithm of Luhn.
fn passes_check(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit < 5 { 2 * digit } else { 2 * digit - 9 };
    let value = |(place, digit): (usize, &u8)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit });
    digits.iter().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

/// Whether groups with points between them are no decimal number: there are three at least.
fn is_no_decimal(text: &[u8], groups: &[Group]) -> bool {
    !matches!(groups, [one, _] if text[one.end] == b'.')
}

/// Whether it stands behind the point of a decimal number.
fn is_fraction(text: &[u8], start: usize) -> bool {
    matches!(text[..start], [.., digit, b'.'] if digit.is_ascii_digit())
}

/// Whether it is a part of a hexadecimal number: letters before and behind it, or more digits beyond the letters. Letters on one side are a
/// word.
fn is_of_digest(text: &[u8], start: usize, end: usize) -> bool {
    let before = text[..start].iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let after = text[end..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    // An escape of JSON is no part of the word behind it.
    let escape = if before >= 4 && text[..start - before].ends_with(b"\\u") { 4 } else { 0 };
    let (before, after) = (&text[start - before + escape..start], &text[end..end + after]);
    let digits = |part: &[u8]| part.iter().any(u8::is_ascii_digit);
    (!before.is_empty() && !after.is_empty()) || digits(before) || digits(after)
}

/// Whether a UUID holds all of it.
fn is_of_uuid(text: &[u8], start: usize, end: usize) -> bool {
    const LENGTH: usize = 36;
    let is_uuid = |place: usize| {
        let Some(part) = text.get(place..place + LENGTH) else { return false };
        let fits = |(place, byte): (usize, &u8)| if matches!(place, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() };
        let free = |byte: Option<&u8>| !byte.is_some_and(u8::is_ascii_hexdigit);
        part.iter().enumerate().all(fits) && free(text.get(place + LENGTH)) && (place == 0 || free(text.get(place - 1)))
    };
    (end.saturating_sub(LENGTH)..=start).any(is_uuid)
}

/// The same digits behind stars.
pub(super) fn stars(card: &[u8]) -> impl Iterator<Item = u8> {
    let mut digits = card.iter().filter(|byte| byte.is_ascii_digit()).count();
    card.iter().map(move |byte| {
        let hidden = byte.is_ascii_digit() && digits > SHOWN;
        digits -= usize::from(byte.is_ascii_digit());
        if hidden { b'*' } else { *byte }
    })
}
