//! Why a row is unusual: what its features are beside what is usual for them, in words.

use crate::decision::Decision;
use crate::engine::{Engine, JudgedRow};
use indexmap::IndexMap;
use synod_detection::history::{Aggregate, Past};
use synod_detection::{Ballot, Source, Typical};

/// Most reasons on a record.
const MOST_REASONS: usize = 3;
/// Decisions of an entity that say what is usual for it.
pub const LATEST: usize = 100;

/// What is unusual about a row, the most unusual first. Empty if every feature lies within what is usual.
pub fn reasons(engine: &Engine, features: &IndexMap<String, Option<f64>>, row: &JudgedRow) -> Vec<String> {
    let says_yes = |ballot: &Ballot| ballot.vote().is_some_and(|vote| vote.anomalous);
    let some_say_yes = row.ballots.iter().any(says_yes);
    // Where some detectors voted yes, their features are what matters.
    let views = (0..row.ballots.len()).filter(|view| !some_say_yes || says_yes(&row.ballots[*view]));
    let mut found: IndexMap<&str, (f64, String)> = IndexMap::new();
    for (view, (column, source)) in views.flat_map(|view| engine.sources(view).map(move |source| (view, source))) {
        let name = engine.value_name(view, column);
        let value = features.get(name).copied().flatten();
        let (Some(value), Some(typical)) = (value, engine.plan().typical(view, column)) else { continue };
        let distance = distance(value, &typical);
        if distance > 1.0 {
            found.entry(name).or_insert_with(|| (distance, in_words(name, value, &typical, source)));
        }
    }
    found.sort_by(|_, a, _, b| b.0.total_cmp(&a.0));
    found.into_values().take(MOST_REASONS).map(|(_, reason)| reason).collect()
}

/// How far a value lies from the median, where 1 is the border of the usual.
pub fn distance(value: f64, typical: &Typical) -> f64 {
    let border = if value >= typical.median { typical.high } else { typical.low };
    let width = (border - typical.median).abs();
    if width > 0.0 { (value - typical.median).abs() / width } else { f64::from(u8::from(value != typical.median)) * 2.0 }
}

/// What was usual for each feature in these decisions, as far as it was recorded.
pub fn usual(decisions: &[Decision]) -> IndexMap<String, Typical> {
    let mut values: IndexMap<&str, Vec<f64>> = IndexMap::new();
    for (name, value) in decisions.iter().flat_map(|decision| &decision.features) {
        if let Some(value) = value {
            values.entry(name).or_default().push(*value);
        }
    }
    values.into_iter().map(|(name, values)| (name.to_owned(), typical(values))).collect()
}

/// The quantiles of values of which there is at least one.
fn typical(mut values: Vec<f64>) -> Typical {
    values.sort_by(f64::total_cmp);
    let [low, median, high] = [0.05, 0.5, 0.95].map(|share| synod_detection::quantile(&values, share));
    Typical { low, median, high }
}

/// A feature in words, of which the value may be missing, or nothing may be known that is usual.
pub fn words(name: &str, value: Option<f64>, typical: Option<&Typical>, source: &Source) -> String {
    match (value, typical) {
        (Some(value), Some(typical)) => in_words(name, value, typical, source),
        (Some(value), None) => format!("{name} {}", number(value)),
        (None, Some(typical)) => format!("{name} is missing (usually {} to {})", number(typical.low), number(typical.high)),
        (None, None) => format!("{name} is missing"),
    }
}

/// One feature in words.
pub fn in_words(name: &str, value: f64, typical: &Typical, source: &Source) -> String {
    let usual = format!("usually {} to {}", number(typical.low), number(typical.high));
    let Source::History(past) = source else { return format!("{name} {} ({usual})", number(value)) };
    let of = past.of.as_deref().unwrap_or("events");
    let whose = whose(past);
    match past.aggregate {
        Aggregate::RatioToMean => format!("{name} {}: {of} is {} times the mean of {whose} ({usual})", number(value), number(value)),
        Aggregate::ZScore => {
            let (side, size) = if value < 0.0 { ("below", -value) } else { ("above", value) };
            format!("{name} {}: {of} is {} standard deviations {side} the mean of {whose} ({usual})", number(value), number(size))
        }
        Aggregate::FirstSeen => format!("{name} {}: {of} was not seen before in {whose}", number(value)),
        Aggregate::NotMostFrequent => format!("{name} {}: {of} is not the most frequent one of {whose}", number(value)),
        Aggregate::SinceLast => format!("{name} {}: {} seconds since the last event of {whose} ({usual})", number(value), number(value)),
        Aggregate::Count => format!("{name} {}: {} events of {whose} ({usual})", number(value), number(value)),
        aggregate => format!("{name} {}: the {} of {of} of {whose} ({usual})", number(value), aggregate.name().replace('_', " ")),
    }
}

fn whose(past: &Past) -> String {
    let keys = past.per.join(" and ");
    match past.window {
        synod_detection::history::Window::All => format!("this {keys}"),
        _ => {
            let text = past.to_string();
            let window = text.rsplit_once(" over ").map_or("", |(_, window)| window);
            format!("this {keys} over {window}")
        }
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_detection::history::Window;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let table = [(14.04, "14"), (0.0, "0"), (1234.5, "1234"), (2.5, "2.5"), (0.1234, "0.123"), (-3.0, "-3")];
        for (value, expected) in table {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let typical = Typical { low: 0.2, median: 1.0, high: 2.5 };
        let source = Source::Expression("amount".into());
        assert_eq!(words("amount", Some(3.0), Some(&typical), &source), "amount 3 (usually 0.2 to 2.5)");
        assert_eq!(words("amount", Some(3.0), None, &source), "amount 3");
        assert_eq!(words("amount", None, Some(&typical), &source), "amount is missing (usually 0.2 to 2.5)");
        assert_eq!(super::typical(vec![3.0, 1.0, 2.0]), Typical { low: 1.1, median: 2.0, high: 2.9 });
    }

    #[test]
    fn a_ratio_is_told_as_one() {
        let typical = Typical { low: 0.2, median: 1.0, high: 2.5 };
        let past = Past {
            aggregate: Aggregate::RatioToMean,
            of: Some("amount".into()),
            per: vec!["account".into()],
            window: Window::Time(30 * 86_400_000_000),
        };
        let words = in_words("amount_ratio", 14.0, &typical, &Source::History(past));
        assert_eq!(words, "amount_ratio 14: amount is 14 times the mean of this account over 30 days (usually 0.2 to 2.5)");
        assert!((distance(14.0, &typical) - 13.0 / 1.5).abs() < 1e-12);
        assert_eq!(distance(1.0, &Typical { low: 1.0, median: 1.0, high: 1.0 }), 0.0);
    }
}
