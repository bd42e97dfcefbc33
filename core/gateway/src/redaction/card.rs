//! Card numbers: 13 to 19 digits, in groups or not, with a prefix and a length that an issuer has, and the check digit of ISO/IEC 7812-1.

use super::Found;

const LENGTHS: std::ops::RangeInclusive<usize> = 13..=19;
/// Digits that stay readable.
const SHOWN: usize = 4;

/// Prefixes as numbers of so many digits, from and to, and the lengths that go with them. From the issuers' public tables; where those differ,
/// the wider range. What begins with 1 (UATP) is left out: so do all times of this decade in milli-, micro- and nanoseconds.
#[rustfmt::skip]
const ISSUERS: [(u32, u32, u32, &[usize]); 32] = [
    (1, 4, 4, &[13, 16, 18, 19]),                         // Visa
    (2, 51, 55, &[16]),                                   // Mastercard
    (4, 2221, 2720, &[16]),
    (2, 34, 34, &[15]),                                   // American Express
    (2, 37, 37, &[15]),
    (3, 300, 305, &[14, 15, 16, 17, 18, 19]),             // Diners Club
    (4, 3095, 3095, &[14, 15, 16, 17, 18, 19]),
    (2, 36, 36, &[14, 15, 16, 17, 18, 19]),
    (2, 38, 39, &[14, 15, 16, 17, 18, 19]),
    (4, 6011, 6011, &[16, 17, 18, 19]),                   // Discover
    (3, 644, 649, &[16, 17, 18, 19]),
    (2, 65, 65, &[16, 17, 18, 19]),                       // with RuPay, Verve, Elo
    (4, 3528, 3589, &[16, 17, 18, 19]),                   // JCB
    (2, 62, 62, &[16, 17, 18, 19]),                       // UnionPay
    (2, 81, 81, &[16, 17, 18, 19]),
    (4, 2200, 2204, &[16, 17, 18, 19]),                   // Mir
    (4, 2205, 2205, &[16]),                               // Borica
    (4, 5018, 5018, &[13, 14, 15, 16, 17, 18, 19]),       // Maestro
    (4, 5020, 5020, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 5038, 5038, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 5893, 5893, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 6304, 6304, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 6759, 6763, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 5019, 5019, &[16]),                               // Dankort
    (3, 506, 509, &[16, 18, 19]),                         // Elo, Verve, RuPay
    (2, 60, 60, &[16]),                                   // RuPay, Hipercard
    (3, 636, 639, &[16, 17, 18, 19]),                     // InterPayment, InstaPayment
    (4, 9792, 9792, &[16]),                               // Troy
    (4, 8600, 8600, &[16]),                               // UzCard
    (4, 9860, 9860, &[16]),                               // Humo
    (4, 9112, 9112, &[16]),                               // BelCard
    (2, 67, 67, &[16, 18, 19]),                           // national debit cards
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
    let at = at + escaped(text, at, end);
    let mut groups = vec![Group { start: at, end: at }];
    for place in at..end {
        match (text[place].is_ascii_digit(), groups.last_mut()) {
            (true, Some(group)) => group.end = place + 1,
            _ => groups.push(Group { start: place + 1, end: place + 1 }),
        }
    }
    groups
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
        let mut digits = 0;
        let fitting = groups[first..].iter().enumerate().take_while(|(_, group)| {
            digits += group.end - group.start;
            digits <= *LENGTHS.end()
        });
        // The longest one first: a shorter one within it would leave digits behind.
        let last = fitting.map(|(count, _)| first + count).collect::<Vec<_>>().into_iter().rev();
        let mut cards = last.filter(|last| is_card(text, groups, first, *last));
        match cards.next() {
            Some(last) => {
                found.push(Found::Card { start: groups[first].start, end: groups[last].end });
                first = last + 1;
            }
            None => first += 1,
        }
    }
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
        && is_written_as_one(text, &groups[first..=last])
        && !is_fraction(text, start)
        && !is_of_digest(text, start, end)
        && !is_of_uuid(text, start, end)
}

fn has_issuer(digits: &[u8]) -> bool {
    let prefix = |length: u32| digits.iter().take(length as usize).fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
    ISSUERS.iter().any(|(length, from, to, lengths)| (*from..=*to).contains(&prefix(*length)) && lengths.contains(&digits.len()))
}

/// The algorithm of Luhn.
fn passes_check(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit < 5 { 2 * digit } else { 2 * digit - 9 };
    let value = |(place, digit): (usize, &u8)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit });
    digits.iter().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

/// Whether groups look like one number: one kind of separator, and no lone digits, of which lists of small numbers are made. Points stand
/// between three groups at least, or it is a decimal number.
fn is_written_as_one(text: &[u8], groups: &[Group]) -> bool {
    let Some((last, others)) = groups.split_last() else { return false };
    let mut separators = others.iter().map(|group| text[group.end]);
    let first = separators.next();
    let long = |shortest: usize| others.iter().all(|group| group.end - group.start >= shortest);
    let points = first == Some(b'.');
    separators.all(|separator| Some(separator) == first)
        && long(if points { 3 } else { 2 })
        && (!points || others.len() >= 2)
        && last.end > last.start
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
