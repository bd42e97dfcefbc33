//! Credentials, by their form: our API keys, JSON Web Tokens, what stands behind `Bearer` and `Basic`, private keys in PEM.

/// What their forms begin with.
pub(super) const INITIALS: &[u8] = b"-BSbes";

const KEY: &[u8] = b"synod_";
/// Characters of a key behind its prefix, at least: names of metrics and modules begin alike, and have few digits.
const KEY_LENGTH: usize = 16;
const KEY_DIGITS: usize = 4;
/// The first letters of `{"` in base64url, with which the header of a token begins.
const TOKEN: &[u8] = b"eyJ";
const BEGIN: &[u8] = b"-----BEGIN ";
const PRIVATE: &[u8] = b"PRIVATE KEY";
const END: &[u8] = b"-----END ";

/// The credential that begins here, if one does: from where to where it must not be read.
pub(super) fn look(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = &text[at..];
    match rest.first()? {
        b's' | b'S' => api_key(rest).map(|length| (at, at + length)),
        b'e' => token(rest).map(|length| (at, at + length)),
        b'-' => private_key(rest).map(|length| (at, at + length)),
        _ => behind(rest, b"bearer", |_| true).or_else(|| behind(rest, b"basic", is_encoded)).map(|(from, to)| (at + from, at + to)),
    }
}

fn length_of(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| belongs(**byte)).count()
}

fn begins(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn of_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn api_key(text: &[u8]) -> Option<usize> {
    let rest = begins(text, KEY).then(|| &text[KEY.len()..])?;
    let length = length_of(rest, of_base64url);
    let digits = rest[..length].iter().filter(|byte| byte.is_ascii_digit()).count();
    (length >= KEY_LENGTH && digits >= KEY_DIGITS).then_some(KEY.len() + length)
}

/// At least a header and what follows it: a token that was cut off tells as much.
fn token(text: &[u8]) -> Option<usize> {
    text.starts_with(TOKEN).then_some(())?;
    let header = length_of(text, of_base64url);
    let behind = text.get(header..)?.strip_prefix(b".")?;
    let length = length_of(behind, |byte| of_base64url(byte) || byte == b'.');
    let is_token = behind.starts_with(TOKEN) || behind[..length].contains(&b'.');
    (header > TOKEN.len() && is_token).then_some(header + 1 + length)
}

/// What stands behind the name of a scheme (RFC 9110, section 11.2): its place and its end.
fn behind(text: &[u8], scheme: &[u8], is_credential: impl Fn(&[u8]) -> bool) -> Option<(usize, usize)> {
    let rest = begins(text, scheme).then(|| &text[scheme.len()..])?;
    let spaces = length_of(rest, |byte| matches!(byte, b' ' | b'\t'));
    let credential = &rest[spaces..];
    let length = length_of(credential, |byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    let start = scheme.len() + spaces;
    (spaces > 0 && length > 0 && is_credential(&credential[..length])).then_some((start, start + length))
}

/// `basic` is a word that other words follow; what is encoded has capitals, digits or padding.
fn is_encoded(credential: &[u8]) -> bool {
    credential.len() >= 4 && credential.iter().skip(1).any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'=')
}

/// To the end of the block, or of the text or the string that it was cut off in.
fn private_key(text: &[u8]) -> Option<usize> {
    let label = text.strip_prefix(BEGIN)?;
    let label = &label[..length_of(label, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')];
    label.windows(PRIVATE.len()).any(|part| part == PRIVATE).then_some(())?;
    let text = &text[..block(text)];
    let Some(end) = text.windows(END.len()).position(|part| part == END) else { return Some(text.len()) };
    let dashes = text[end + END.len()..].windows(5).position(|part| part == b"-----");
    Some(dashes.map_or(text.len(), |dashes| end + END.len() + dashes + 5))
}

/// How far a text can be a block: line ends may be written as escapes of JSON, and nothing else is written as one.
fn block(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += match text.get(at..) {
            Some([b'\\', b'n' | b'r' | b't', ..]) => 2,
            Some([b'\\' | b'"', ..] | []) | None => return at,
            Some(_) => 1,
        };
    }
}
