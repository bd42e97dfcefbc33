//! Which issuer a token says it is from, before anything of it is verified.

use crate::strict_json;
use crate::token;
use serde_json::Value;

/// The longest name of an issuer that is looked for, in bytes.
const LONGEST: usize = 2048;

/// The issuer that a token names. It chooses whose keys the token is verified with, and is good for nothing else: anybody can write it. The
/// verifier that is chosen by it compares `iss` again, behind the signature.
///
/// Nothing comes of a text that is no token in its compact form, or whose payload no verifier would read.
#[must_use]
pub fn unverified_issuer(token: &str) -> Option<String> {
    let mut claims = strict_json::object(&token::unverified_payload(token)?)?;
    match claims.remove("iss")? {
        Value::String(issuer) if !issuer.is_empty() && issuer.len() <= LONGEST => Some(issuer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn the_issuer_is_read_of_what_a_verifier_would_read() {
        let issuer = "https://issuer.example/realms/bank";
        assert_eq!(unverified_issuer(&token(&format!(r#"{{"iss":"{issuer}","sub":"a"}}"#))).as_deref(), Some(issuer));
        let long = format!(r#"{{"iss":"{}"}}"#, "x".repeat(LONGEST + 1));
        for payload in [r#"{"iss":"a","iss":"b"}"#, r#"{"iss":1}"#, r#"{"iss":""}"#, r#"{"iss":["a"]}"#, "{}", "[]", "", "{", &long] {
            assert_eq!(unverified_issuer(&token(payload)), None, "{payload}");
        }
        let good = token(r#"{"iss":"a"}"#);
        for text in ["", "a", "..", "a.b", &format!("{good}.x"), &good.replace("e30.", ""), &format!("{good}{}", "A".repeat(9000))] {
            assert_eq!(unverified_issuer(text), None, "{text}");
        }
        assert_eq!(unverified_issuer("sk_abc"), None, "an API key is no token");
    }
}
