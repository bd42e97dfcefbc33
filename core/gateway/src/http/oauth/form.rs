//! A form in a request's body, as OAuth 2.0 has it (RFC 6749, section 3.2 and appendix B): what is empty is as if it were not there, and
//! nothing is there twice.

pub(super) use crate::http::decisions::query::decoded;

/// The most parameters that are read.
const MOST: usize = 32;

/// Names and values, each name once.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(body).map_err(|_| "the body is no form")?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = decoded(name).zip(decoded(value)).ok_or("the body is no form of texts in UTF-8")?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err("a parameter is there twice");
            }
            if parameters.len() == MOST {
                return Err("there are too many parameters");
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// A value that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read() {
        let form = Form::read(b"grant_type=client_credentials&scope=score%3Apolicy+score&empty=&&alone").unwrap();
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
        assert_eq!(form.get("scope"), Some("score:policy score"));
        assert_eq!((form.get("empty"), form.get("alone"), form.get("other")), (None, None, None));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for body in [&b"a=1&a=2"[..], b"a=&a=1", b"a=1&%61=2", b"a=%ff", b"a=\xff"] {
            assert!(Form::read(body).is_err(), "{body:?}");
        }
        let many = (0..33).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
        assert!(Form::read(many.as_bytes()).is_err());
    }
}
