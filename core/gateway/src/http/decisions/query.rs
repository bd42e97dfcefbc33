//! What is asked for behind the `?` of a path.

use super::refused;
use crate::decision::Label;
use crate::http::Problem;
use crate::http::shown::Shown;
use crate::ledger::Ledger;
use jiff::Timestamp;
use std::ops::RangeInclusive;
use synod_detection::Outcome;
use synod_store::{Cursor, Filter, VoteFilter, Whose};

/// What decisions can be asked for by.
pub(in crate::http) const OF_DECISIONS: [&str; 13] = [
    "entity",
    "outcome",
    "anomalous",
    "detector",
    "vote",
    "from",
    "until",
    "minimum_score",
    "maximum_score",
    "label",
    "tenant",
    "limit",
    "cursor",
];
/// Those that say something of scores.
const OF_SCORES: [&str; 4] = ["minimum_score", "maximum_score", "detector", "vote"];
/// How a list that is limited by its path is paged.
pub(in crate::http) const OF_PAGES: [&str; 3] = ["limit", "cursor", "tenant"];
/// From when to when, and whose.
pub(in crate::http) const OF_QUALITY: [&str; 3] = ["from", "until", "tenant"];
/// Whose.
pub(in crate::http) const OF_ENTITIES: [&str; 1] = ["tenant"];

/// Bytes of a value.
pub(in crate::http) const LONGEST_VALUE: usize = 256;
/// Characters of a wrong name or value that are said again.
const SHOWN: usize = 40;
/// Decisions on a page.
const LIMITS: RangeInclusive<usize> = 1..=200;
const USUAL_LIMIT: usize = 50;

/// Names and values, each name one that is known, and there once.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Query(Vec<(String, String)>);

/// A search through the decisions.
#[derive(Debug)]
pub(in crate::http) struct Search {
    pub(in crate::http) filter: Filter,
    pub(in crate::http) cursor: Option<Cursor>,
    pub(in crate::http) limit: usize,
}

impl Query {
    /// Reads what is behind the `?` (the URL standard's `application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// When a name is unknown or given twice, or a value is too long or no text.
    pub(in crate::http) fn read(text: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).filter(|name| known.contains(&name.as_str())).ok_or_else(|| unknown(name, known))?;
            let value = decoded(value).ok_or_else(|| Problem::bad_query(format!("`{name}` is no text in UTF-8, percent-encoded")))?;
            if value.len() > LONGEST_VALUE {
                return Err(Problem::bad_query(format!("`{name}` must have at most {LONGEST_VALUE} bytes, not {}", value.len())));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Problem::bad_query(format!("`{name}` must be given once")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn parsed<T>(&self, name: &str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = || Problem::bad_query(format!("`{name}` must be {allowed}, not `{}`", shown(value)));
        parse(value).map(Some).ok_or_else(wrong)
    }

    /// One of a few words.
    fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let find = |value: &str| words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
        self.parsed(name, &format!("one of {}", allowed.join(", ")), find)
    }

    /// From when to when, in microseconds since 1970.
    ///
    /// # Errors
    /// When a moment is none, or the end lies before the beginning.
    pub(in crate::http) fn times(&self) -> Result<(Option<i64>, Option<i64>), Problem> {
        let allowed = "a time such as 2026-01-31T12:00:00Z (a `+` in it is written %2B)";
        let moment = |name| self.parsed(name, allowed, synod_detection::moment);
        let (from, until) = (moment("from")?, moment("until")?);
        if matches!((from, until), (Some(from), Some(until)) if until < from) {
            return Err(Problem::bad_query("`until` must not be before `from`"));
        }
        Ok((from, until))
    }

    /// How many decisions, and from where on.
    ///
    /// # Errors
    /// When either is none.
    pub(in crate::http) fn page(&self) -> Result<(Option<Cursor>, usize), Problem> {
        let allowed = format!("a number from {} to {}", LIMITS.start(), LIMITS.end());
        let limit = self.parsed("limit", &allowed, |text| text.parse().ok().filter(|limit| LIMITS.contains(limit)))?;
        let cursor = self.get("cursor").map(str::parse::<Cursor>).transpose();
        let cursor = cursor.map_err(|error| Problem::bad_cursor(&format!("`cursor`: {error}")))?;
        Ok((cursor, limit.unwrap_or(USUAL_LIMIT)))
    }

    /// Whose decisions are meant. A caller of the whole installation may ask for those of one tenant, or with an empty text for those of
    /// none; a caller with a tenant has its own.
    ///
    /// # Errors
    /// When a caller asks for another tenant, whether there is such a tenant or not.
    pub(in crate::http) fn whose(&self, shown: &Shown) -> Result<Whose, Problem> {
        match (shown.whose(), self.get("tenant")) {
            (whose, None) => Ok(whose),
            (Whose::Tenant(own), Some(asked)) if own != asked => {
                Err(Problem::bad_query("`tenant` must be left out: the caller sees its own tenant's decisions, and no others"))
            }
            (_, Some("")) => Ok(Whose::WithoutTenant),
            (_, Some(tenant)) => Ok(Whose::Tenant(tenant.to_owned())),
        }
    }

    /// All of [`OF_DECISIONS`].
    ///
    /// # Errors
    /// The first value that is wrong, with its name and what is allowed; or that the caller may not search by it.
    pub(in crate::http) fn search(&self, ledger: &Ledger, shown: &Shown) -> Result<Search, Problem> {
        if OF_SCORES.iter().any(|name| self.get(name).is_some()) {
            shown.search_by_scores()?;
        }
        let (cursor, limit) = self.page()?;
        let filter = Filter { entity: self.entity(ledger)?, ..self.filter(self.whose(shown)?)? };
        Ok(Search { filter, cursor, limit })
    }

    fn entity(&self, ledger: &Ledger) -> Result<Option<String>, Problem> {
        let Some(name) = self.get("entity") else { return Ok(None) };
        let probe = ledger.probe(name, Timestamp::now().as_microsecond());
        Ok(Some(probe.map_err(|error| Problem::bad_query(format!("`entity`: {}", refused(&error).detail())))?.name))
    }

    /// Everything but the entity, which is looked for in its stored form.
    fn filter(&self, whose: Whose) -> Result<Filter, Problem> {
        let (from, until) = self.times()?;
        let outcomes = [Outcome::Approve, Outcome::Review, Outcome::Block].map(|outcome| (outcome.name(), outcome as u8));
        let labels = [("fraud", Label::Fraud), ("legitimate", Label::Legitimate), ("unsure", Label::Unsure)];
        let (lowest, highest) = (self.score("minimum_score")?, self.score("maximum_score")?);
        if matches!((lowest, highest), (Some(lowest), Some(highest)) if highest < lowest) {
            return Err(Problem::bad_query("`maximum_score` must not be below `minimum_score`"));
        }
        Ok(Filter {
            whose,
            entity: None,
            outcome: self.word("outcome", &outcomes)?,
            anomalous: self.word("anomalous", &[("true", true), ("false", false)])?,
            vote: self.vote()?,
            from,
            until,
            lowest,
            highest,
            label: self.word("label", &labels)?.map(|label| label as u8),
        })
    }

    fn score(&self, name: &str) -> Result<Option<f64>, Problem> {
        self.parsed(name, "a score from 0 to 1", |text| text.parse().ok().filter(|score| (0.0..=1.0).contains(score)))
    }

    fn vote(&self) -> Result<Option<(String, VoteFilter)>, Problem> {
        let votes = [("yes", VoteFilter::Yes), ("no", VoteFilter::No), ("abstained", VoteFilter::Abstained)];
        match (self.get("detector"), self.word("vote", &votes)?) {
            (Some(detector), Some(vote)) => Ok(Some((detector.to_owned(), vote))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(Problem::bad_query("`detector` needs `vote`: one of yes, no, abstained")),
            (None, Some(_)) => Err(Problem::bad_query("`vote` needs `detector`: whose vote")),
        }
    }

    /// The same query with another value of this name.
    pub(in crate::http) fn with(&self, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(known, _)| known != name).map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = others.chain([(name, value)]).map(|(name, value)| format!("{name}={}", encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    Problem::bad_query(format!("`{}` is no parameter of this path, which knows {}", shown(name), known.join(", ")))
}

fn shown(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

/// A name or a value as it was meant; none if it is no text. A `%` that begins no byte stands for itself, as browsers have it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, others)) = rest.split_first() {
        rest = others;
        match (*byte, others) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, others @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |digit: u8| (digit as char).to_digit(16).unwrap_or_default() as u8;
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = others;
            }
            (byte, _) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// A value so that every part of a URL can hold it: all but the unreserved characters (RFC 3986, section 2.3) as bytes.
fn encoded(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::read(Some(text), &OF_DECISIONS).unwrap()
    }

    fn detail<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        result.unwrap_err().detail().to_owned()
    }

    #[test]
    fn values_are_decoded_and_encoded_again() {
        let table = [("a+b", "a b"), ("%C3%A4%2b", "ä+"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%00", "\0"), ("", "")];
        for (text, expected) in table {
            assert_eq!(decoded(text).as_deref(), Some(expected));
            assert_eq!(decoded(&encoded(expected)).as_deref(), Some(expected));
        }
        assert_eq!(decoded("%ff"), None);
        assert_eq!(encoded("a b&c=\">\u{e4}"), "a%20b%26c%3D%22%3E%C3%A4");
        assert_eq!(query("limit=3&entity=x%26y&cursor=1").with("cursor", "2"), "limit=3&entity=x%26y&cursor=2");
        assert_eq!(Query::read(None, &OF_PAGES).unwrap().with("cursor", "2"), "cursor=2");
    }

    #[test]
    fn a_whole_filter_is_read() {
        let text = "outcome=block&anomalous=true&detector=forest&vote=abstained&from=2026-01-01T00:00:00Z&until=2026-01-01T01:00:00%2B01:00\
                    &minimum_score=0.25&maximum_score=1&label=unsure&limit=200";
        let filter = query(text).filter(Whose::All).unwrap();
        let start = Timestamp::from_second(1_767_225_600).unwrap().as_microsecond();
        let expected = Filter {
            whose: Whose::All,
            entity: None,
            outcome: Some(2),
            anomalous: Some(true),
            vote: Some(("forest".into(), VoteFilter::Abstained)),
            from: Some(start),
            until: Some(start),
            lowest: Some(0.25),
            highest: Some(1.0),
            label: Some(2),
        };
        assert_eq!((filter, query(text).page().unwrap().1), (expected, 200));
        assert_eq!((query("").filter(Whose::All).unwrap(), query("").page().unwrap()), (Filter::of(Whose::All), (None, 50)));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let table = [
            ("outcome=deny", "`outcome` must be one of approve, review, block, not `deny`"),
            ("anomalous=1", "`anomalous` must be one of true, false, not `1`"),
            ("label=", "`label` must be one of fraud, legitimate, unsure, not ``"),
            ("vote=yes", "`vote` needs `detector`"),
            ("detector=forest", "`detector` needs `vote`: one of yes, no, abstained"),
            ("detector=forest&vote=maybe", "`vote` must be one of yes, no, abstained"),
            ("from=yesterday", "`from` must be a time such as"),
            ("until=2026-01-01T00:00:00+01:00", "(a `+` in it is written %2B)"),
            ("from=2026-01-02&until=2026-01-01", "`until` must not be before `from`"),
            ("minimum_score=NaN", "`minimum_score` must be a score from 0 to 1"),
            ("maximum_score=-0.1", "`maximum_score` must be a score from 0 to 1"),
            ("minimum_score=0.5&maximum_score=0.25", "`maximum_score` must not be below `minimum_score`"),
        ];
        for (text, expected) in table {
            let detail = detail(query(text).filter(Whose::All));
            assert!(detail.contains(expected), "{text}: {detail}");
        }
        for text in ["limit=0", "limit=201", "limit=-1", "limit=ten", "limit="] {
            assert!(detail(query(text).page()).contains("`limit` must be a number from 1 to 200"), "{text}");
        }
        assert!(detail(query("cursor=abc").page()).contains("`cursor`: this is not a cursor"));
        let long = format!("entity={}", "x".repeat(LONGEST_VALUE + 1));
        let table = [
            ("accountt=1", "`accountt` is no parameter of this path, which knows entity, outcome"),
            ("limit=1&limit=2", "`limit` must be given once"),
            ("entity=%ff", "`entity` is no text"),
            ("%ff=1", "`%ff` is no parameter"),
            (&long, "`entity` must have at most 256 bytes, not 257"),
        ];
        for (text, expected) in table {
            let detail = detail(Query::read(Some(text), &OF_DECISIONS));
            assert!(detail.contains(expected), "{text}: {detail}");
        }
    }
}
