//! What a query asks for: its selectors, each with the functions around it. It reads as much of PromQL as the rules need; whether all of it is
//! valid, Prometheus itself says (`tests/tests/dashboards.rs`).

/// Words before the labels of an aggregation or of a match.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words between operands.
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// Series that a query asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// Their name.
    pub name: String,
    /// Their matchers, as they are written.
    pub matchers: Vec<String>,
    /// How far back they are asked for.
    pub range: Option<String>,
    /// The functions and aggregations around them, the nearest one last.
    pub within: Vec<String>,
}

/// The selectors of a query.
///
/// # Errors
/// When its brackets or quotes are not closed.
pub(super) fn selectors(query: &str) -> Result<Vec<Selector>, String> {
    let mut found: Vec<Selector> = Vec::new();
    // Of each open bracket what stood before it.
    let mut within: Vec<String> = Vec::new();
    let mut before = String::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let (word, after) =
                rest.split_at(rest.find(|char: char| !char.is_ascii_alphanumeric() && !"_:".contains(char)).unwrap_or(rest.len()));
            rest = after;
            let next = rest.trim_start();
            if BEFORE_LABELS.contains(&word) {
                rest = enclosed(next, '(', ')')?.1;
            } else if next.starts_with('(') || BEFORE_LABELS.iter().any(|labels| next.starts_with(&format!("{labels} "))) {
                word.clone_into(&mut before);
            } else if !OPERATORS.contains(&word) {
                found.push(Selector { name: word.to_owned(), matchers: Vec::new(), range: None, within: within.clone() });
            }
            continue;
        }
        rest = match (first, found.last_mut()) {
            ('{', Some(selector)) => {
                let (matchers, after) = enclosed(rest, '{', '}')?;
                selector.matchers = matchers.split("\",").map(|matcher| format!("{}\"", matcher.trim_end_matches('"'))).collect();
                after
            }
            ('[', Some(selector)) => {
                let (range, after) = enclosed(rest, '[', ']')?;
                selector.range = Some(range.to_owned());
                after
            }
            ('(', _) => {
                within.push(std::mem::take(&mut before));
                &rest[1..]
            }
            (')', _) => {
                within.pop().ok_or("a bracket is closed that is not open")?;
                &rest[1..]
            }
            ('"', _) => enclosed(rest, '"', '"')?.1,
            // Numbers may have letters.
            _ if first.is_ascii_digit() => rest.trim_start_matches(|char: char| char.is_ascii_alphanumeric() || char == '.'),
            _ => &rest[first.len_utf8()..],
        };
    }
    if within.is_empty() { Ok(found) } else { Err("a bracket is not closed".to_owned()) }
}

/// What stands between two signs, the first of which is the next one, and what comes after.
fn enclosed(text: &str, open: char, close: char) -> Result<(&str, &str), String> {
    let inner = text.strip_prefix(open).ok_or_else(|| format!("there is no {open} before {text}"))?;
    inner.split_once(close).ok_or_else(|| format!("there is no {close} after {text}"))
}

#[test]
fn a_query_is_taken_apart() {
    let query = "histogram_quantile(0.99, sum by (le, job) (rate(a_bucket{job=~\"$job\",x=\"1, 2\"}[5m]))) / (b > 1e3) or vector(0)";
    let found = selectors(query).expect("it is well formed");
    let names: Vec<(&str, &[String])> = found.iter().map(|selector| (selector.name.as_str(), selector.within.as_slice())).collect();
    let around = ["histogram_quantile", "sum", "rate"].map(str::to_owned);
    assert_eq!(names, [("a_bucket", around.as_slice()), ("b", &[String::new()])]);
    assert_eq!(
        (found[0].matchers.as_slice(), found[0].range.as_deref()),
        (&["job=~\"$job\"".to_owned(), "x=\"1, 2\"".to_owned()][..], Some("5m"))
    );
    for wrong in ["sum(a", "a)", "a{x=\"1\"", "rate(a[5m)"] {
        assert!(selectors(wrong).is_err(), "{wrong}");
    }
}
