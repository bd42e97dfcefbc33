//! Links into Kibana: to the decision, the entity, the trace or the request that somebody looks at. They rest on the ids of the saved objects in
//! `elk/kibana`, which never change. `elk/kibana/README.md` says what they are made of.
//!
//! What a link holds may be what a client wrote. It is a literal of Kibana's query language, within a text of its notation for state (rison),
//! within a URL: three layers, each with marks of its own, and all that is left in the end are letters, digits and `%`.

use jiff::{SignedDuration, Timestamp};
use url::Url;
use uuid::Uuid;

/// The saved search of decisions and their labels.
const DECISIONS: &str = "synod-search-decisions";
/// The saved search of all documents.
const EVERYTHING: &str = "synod-search-everything";
/// How far around a moment is looked. Clocks differ, and a request may take long.
const AROUND: SignedDuration = SignedDuration::from_mins(15);
/// How far back an entity is looked for.
const LATELY: &str = "now-30d";

/// Kibana as people reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kibana {
    /// Without a slash at its end.
    base: String,
}

impl Kibana {
    /// Kibana at a URL, with its path if it has one, and with the space if it is not the default one (`…/s/SPACE`).
    pub fn at(url: &Url) -> Self {
        Self { base: url.as_str().trim_end_matches('/').to_owned() }
    }

    /// A decision and its labels, from a little before the decision on: labels come days later.
    pub fn decision(&self, id: Uuid, decided: Timestamp) -> String {
        let from = shifted(decided, -AROUND);
        self.found(DECISIONS, (&from, "now"), &equals("synod.decision.id", &id.to_string()))
    }

    /// The decisions of an entity in the last 30 days, of its tenant if it has one.
    pub fn entity(&self, entity: &str, tenant: Option<&str>) -> String {
        let whose = tenant.map_or_else(String::new, |tenant| format!(" and {}", equals("organization.id", tenant)));
        self.found(DECISIONS, (LATELY, "now"), &format!("{}{whose}", equals("synod.decision.entity", entity)))
    }

    /// All that belongs to a trace that was under way at this time.
    pub fn trace(&self, trace: &str, at: Timestamp) -> String {
        self.found(EVERYTHING, (&shifted(at, -AROUND), &shifted(at, AROUND)), &equals("trace.id", trace))
    }

    /// All that belongs to a request that was under way at this time.
    pub fn request(&self, request: &str, at: Timestamp) -> String {
        self.found(EVERYTHING, (&shifted(at, -AROUND), &shifted(at, AROUND)), &equals("http.request.id", request))
    }

    /// What a saved search has between two times, asked for by another query.
    fn found(&self, search: &str, (from, to): (&str, &str), query: &str) -> String {
        let times = format!("(time:(from:{},to:{}))", quoted(from), quoted(to));
        let state = format!("(query:(language:kuery,query:{}))", quoted(query));
        format!("{}/app/discover#/view/{search}?_g={}&_a={}", self.base, encoded(&times), encoded(&state))
    }
}

fn shifted(at: Timestamp, by: SignedDuration) -> String {
    // At the ends of time there is nothing before or after it.
    at.checked_add(by).unwrap_or(at).to_string()
}

/// A query for the documents whose field is exactly this.
fn equals(field: &str, value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\\' | '"' => literal.extend(['\\', letter]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            letter => literal.push(letter),
        }
    }
    format!("{field}: \"{literal}\"")
}

/// A text in rison.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('!', "!!").replace('\'', "!'"))
}

/// A text as a part of a URL in which it can mean nothing but itself.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `elk/kibana` has Kibana import.
    const OBJECTS: &str = include_str!("../../../elk/kibana/synod.ndjson");

    fn kibana(url: &str) -> Kibana {
        Kibana::at(&Url::parse(url).unwrap())
    }

    fn at() -> Timestamp {
        "2026-11-26T12:00:00Z".parse().unwrap()
    }

    /// A part of a URL, decoded.
    fn decoded(text: &str) -> String {
        let mut bytes = text.bytes();
        let mut found = Vec::new();
        while let Some(byte) = bytes.next() {
            found.push(match byte {
                b'%' => u8::from_str_radix(std::str::from_utf8(&[bytes.next().unwrap(), bytes.next().unwrap()]).unwrap(), 16).unwrap(),
                byte => byte,
            });
        }
        String::from_utf8(found).unwrap()
    }

    /// The value that a text of rison, or of Kibana's queries, begins with: up to its own end mark, each mark's `escape` taken away; and the rest.
    fn literal(text: &str, end: char, escape: char) -> (String, String) {
        let mut letters = text.chars();
        assert_eq!(letters.next(), Some(end), "{text}");
        let mut found = String::new();
        loop {
            match letters.next().unwrap() {
                letter if letter == end => return (found, letters.collect()),
                letter if letter == escape => found.push(match letters.next().unwrap() {
                    'n' if escape == '\\' => '\n',
                    'r' if escape == '\\' => '\r',
                    't' if escape == '\\' => '\t',
                    letter => letter,
                }),
                letter => found.push(letter),
            }
        }
    }

    /// The times and the query of a link, as Kibana reads them.
    fn read(link: &str) -> (String, String) {
        let (times, state) = link.split_once("?_g=").unwrap().1.split_once("&_a=").unwrap();
        let state = decoded(state);
        let (query, rest) = literal(state.strip_prefix("(query:(language:kuery,query:").unwrap(), '\'', '!');
        assert_eq!(rest, "))", "{link}");
        (decoded(times), query)
    }

    #[test]
    fn links_lead_to_saved_searches_that_are_imported() {
        for id in [DECISIONS, EVERYTHING] {
            assert!(OBJECTS.contains(&format!("\"id\":\"{id}\",\"managed\":false")), "{id}");
        }
    }

    #[test]
    fn a_decision_is_found_by_its_id_and_its_time() {
        let id = Uuid::parse_str("0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07").unwrap();
        let link = kibana("https://kibana.example/s/fraud/").decision(id, at());
        assert!(link.starts_with("https://kibana.example/s/fraud/app/discover#/view/synod-search-decisions?_g=%28time%3A"), "{link}");
        let (times, query) = read(&link);
        assert_eq!(times, "(time:(from:'2026-11-26T11:45:00Z',to:'now'))");
        assert_eq!(query, "synod.decision.id: \"0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07\"");
        let earliest = kibana("http://kibana:5601").decision(id, Timestamp::MIN);
        assert!(earliest.starts_with("http://kibana:5601/app/discover#/view/") && earliest.contains("-009999"), "{earliest}");
    }

    #[test]
    fn a_trace_and_a_request_are_looked_for_around_their_time() {
        let kibana = kibana("https://kibana.example");
        let times = "(time:(from:'2026-11-26T11:45:00Z',to:'2026-11-26T12:15:00Z'))".to_owned();
        for (link, query) in [(kibana.trace("4bf9", at()), "trace.id: \"4bf9\""), (kibana.request("r-1", at()), "http.request.id: \"r-1\"")]
        {
            assert!(link.contains("#/view/synod-search-everything?"), "{link}");
            assert_eq!(read(&link), (times.clone(), query.to_owned()));
        }
    }

    #[test]
    fn what_a_client_wrote_means_nothing_but_itself() {
        for hostile in [
            "ACC-1",
            "\" or synod.decision.id: *",
            "\\",
            "\\\" or \\",
            "'))&_a=(query:(language:lucene,query:'*",
            "!'!!",
            "a' b&c#d?e%27f+g/h",
            "*",
            "<script>alert(1)</script>",
            "line\nbreak\r\ttab\0null\u{202e}rtl\u{7f}",
            "Zoë – 東京 🏦",
            "",
        ] {
            let link = kibana("https://kibana.example").entity(hostile, Some(hostile));
            let state = link.split_once("?_g=").unwrap().1.replace("&_a=", "");
            assert!(state.chars().all(|letter| letter.is_ascii_alphanumeric() || "%-_.".contains(letter)), "{link}");
            let (times, query) = read(&link);
            assert_eq!(times, "(time:(from:'now-30d',to:'now'))");
            let (entity, rest) = literal(query.strip_prefix("synod.decision.entity: ").unwrap(), '"', '\\');
            let (tenant, rest) = literal(rest.strip_prefix(" and organization.id: ").unwrap(), '"', '\\');
            assert_eq!((entity.as_str(), tenant.as_str(), rest.as_str()), (hostile, hostile, ""));
        }
        assert_eq!(read(&kibana("https://kibana.example").entity("x", None)).1, "synod.decision.entity: \"x\"");
    }
}
