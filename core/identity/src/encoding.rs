//! The alphabet of tokens and keys: base64url without padding (RFC 7515, section 2), in its one canonical form.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The bytes of a text, or nothing if it has padding, white space, a character of another alphabet, or bits that no byte uses: a second
/// spelling of the same bytes would be a second token with the same signature.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_is_read() {
        assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
        assert!(decode("").unwrap().is_empty());
        for text in ["-_8=", "+/8", "-_9", "-_ 8", " -_8", "-_8\n", "-_8é", "a", "-_8?"] {
            assert!(decode(text).is_none(), "{text:?}");
        }
    }
}
