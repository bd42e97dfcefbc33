//! The last net before text leaves the process: what looks like a card number or a credential in a log line, an error or a panic is made
//! unreadable, whoever wrote it there. Nobody should write it there in the first place; this is for what clients put into names, ids and
//! wrong fields, and for what plugins and libraries say.
//!
//! It looks at text, not at meaning: a card number is told by its length, its issuer's prefix and its check digit, a credential by its form.
//! What is encoded in another way (base64, digits in words, digits that are no ASCII) passes.

mod card;
mod secret;

use std::borrow::Cow;
use std::io;
use tracing_subscriber::fmt::MakeWriter;

/// What takes a credential's place.
const REDACTED: &[u8] = b"[redacted]";

/// A part of a text that must not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// A card number: its digits, but the last four, become stars. Separators stay, and so does the length.
    Card { start: usize, end: usize },
    /// A credential.
    Secret { start: usize, end: usize },
}

/// The text with card numbers behind stars, all but their last four digits, and without credentials.
pub fn redacted(text: &str) -> Cow<'_, str> {
    match found(text.as_bytes()).as_slice() {
        [] => Cow::Borrowed(text),
        found => Cow::Owned(into_text(covered(text.as_bytes(), found, &mut |_| true))),
    }
}

/// As [`redacted`], of a line that may be a JSON object: it stays one. None if nothing has to be changed.
pub fn redacted_line(line: &[u8]) -> Option<Vec<u8>> {
    let found = found(line);
    if found.is_empty() {
        return None;
    }
    let mut strings = Strings { line, at: 0, inside: false };
    let is_json = line.first() == Some(&b'{');
    Some(covered(line, &found, &mut |place| !is_json || strings.holds(place)))
}

/// For serde: the field is written as [`redacted`] has it.
///
/// # Errors
/// When it cannot be written.
pub fn serialize<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&redacted(text))
}

/// As [`serialize`], of a text that may be missing.
///
/// # Errors
/// When it cannot be written.
#[allow(clippy::ref_option)] // Serde wants it so.
pub fn serialize_some<S: serde::Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => serializer.serialize_some(&redacted(text)),
        None => serializer.serialize_none(),
    }
}

/// A writer of lines, each by one call, that lets nothing through that must not be read.
#[derive(Debug, Clone)]
pub struct Redacting<W>(pub W);

impl<W: io::Write> io::Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match redacted_line(line) {
            None => self.0.write_all(line)?,
            Some(redacted) => self.0.write_all(&redacted)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a, W: Clone + io::Write + 'a> MakeWriter<'a> for Redacting<W> {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a byte can be the beginning of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Nothing,
    Digit,
    Secret,
}

/// The class of each byte: most bytes of most lines are passed over by one look at it.
static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Nothing; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        classes[digit as usize] = Class::Digit;
        digit += 1;
    }
    let mut place = 0;
    while place < secret::INITIALS.len() {
        classes[secret::INITIALS[place] as usize] = Class::Secret;
        place += 1;
    }
    classes
}

/// Everything that must not be read, in order and apart from one another.
fn found(text: &[u8]) -> Vec<Found> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        at = match CLASSES[usize::from(*byte)] {
            Class::Nothing => at + 1,
            Class::Digit => card::look(text, at, &mut found),
            Class::Secret => match secret::look(text, at) {
                None => at + 1,
                Some((start, end)) => {
                    found.push(Found::Secret { start, end });
                    end
                }
            },
        };
    }
    found
}

/// The text with all that was found covered. `in_text` says whether a place lies where stars may stand; elsewhere it is a number of JSON,
/// which becomes a text.
fn covered(text: &[u8], found: &[Found], in_text: &mut dyn FnMut(usize) -> bool) -> Vec<u8> {
    let (mut covered, mut at) = (Vec::with_capacity(text.len() + 16), 0);
    for found in found {
        match *found {
            Found::Secret { start, end } => {
                covered.extend_from_slice(&text[at..start]);
                covered.extend_from_slice(REDACTED);
                at = end;
            }
            Found::Card { start, end } if in_text(start) => {
                covered.extend_from_slice(&text[at..start]);
                covered.extend(card::stars(&text[start..end]));
                at = end;
            }
            Found::Card { start, end } => {
                let (first, last) = number(text, start, end);
                covered.extend_from_slice(&text[at..first.max(at)]);
                covered.push(b'"');
                covered.extend_from_slice(&text[first.max(at)..start]);
                covered.extend(card::stars(&text[start..end]));
                covered.extend_from_slice(&text[end..last]);
                covered.push(b'"');
                at = last;
            }
        }
    }
    covered.extend_from_slice(&text[at.min(text.len())..]);
    covered
}

/// The whole number of JSON around a part of it.
fn number(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let belongs = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(*byte);
    let before = text[..start].iter().rev().take_while(belongs).count();
    let after = text[end..].iter().take_while(belongs).count();
    (start - before, end + after)
}

/// Where the strings of a JSON text are; asked from front to back.
struct Strings<'a> {
    line: &'a [u8],
    at: usize,
    inside: bool,
}

impl Strings<'_> {
    fn holds(&mut self, place: usize) -> bool {
        while self.at < place {
            match self.line[self.at] {
                b'\\' if self.inside => self.at += 1,
                b'"' => self.inside = !self.inside,
                _ => {}
            }
            self.at += 1;
        }
        self.inside
    }
}

/// Only ASCII was replaced, and by ASCII.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
