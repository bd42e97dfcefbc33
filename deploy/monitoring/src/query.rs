//! Expressions of PromQL, made from the entries of the list of metrics: a metric or a label that does not exist cannot be written, nor can a
//! counter be used as a gauge, and what two sides of an operation are matched by is known.

use std::collections::BTreeSet;
use synod_gateway::telemetry::names::{Kind, Name};

/// What Prometheus tells targets apart by: every series has them, whatever the list says.
pub const TARGET: [&str; 2] = ["job", "instance"];
/// The label of a classic histogram's buckets.
const LE: &str = "le";

/// Series of one metric, narrowed down by their labels.
#[derive(Debug, Clone)]
pub struct Series {
    series: String,
    grows: bool,
    labels: BTreeSet<&'static str>,
    matchers: Vec<String>,
}

/// An expression, and the labels that its series have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: String,
    /// None if it is a plain number.
    labels: Option<BTreeSet<&'static str>>,
    /// Whether it can be part of an operation as it stands.
    whole: bool,
}

impl Series {
    /// Those of a counter, a gauge or an info.
    ///
    /// # Panics
    /// If it is a histogram, which has no series of its own name (but see [`Series::native`]).
    #[must_use]
    #[track_caller]
    pub fn of(name: &'static Name) -> Self {
        assert!(name.kind != Kind::Histogram, "{} is a histogram", name.family);
        Self::new(name, "")
    }

    /// The buckets of a histogram.
    #[must_use]
    #[track_caller]
    pub fn buckets(name: &'static Name) -> Self {
        let mut series = Self::part(name, "_bucket");
        series.labels.insert(LE);
        series
    }

    /// How many observations a histogram had.
    #[must_use]
    #[track_caller]
    pub fn count(name: &'static Name) -> Self {
        Self::part(name, "_count")
    }

    /// The sum of a histogram's observations.
    #[must_use]
    #[track_caller]
    pub fn sum(name: &'static Name) -> Self {
        Self::part(name, "_sum")
    }

    /// A native histogram, which is one series.
    #[must_use]
    #[track_caller]
    pub fn native(name: &'static Name) -> Self {
        Self::part(name, "")
    }

    #[track_caller]
    fn part(name: &'static Name, end: &str) -> Self {
        assert!(name.kind == Kind::Histogram, "{} is no histogram", name.family);
        Self::new(name, end)
    }

    fn new(name: &'static Name, end: &str) -> Self {
        let grows = matches!(name.kind, Kind::Counter | Kind::Histogram);
        let labels = name.labels.iter().copied().chain(TARGET).collect();
        Self { series: name.series() + end, grows, labels, matchers: Vec::new() }
    }

    /// Those that a rule records, with these labels.
    #[must_use]
    pub fn recorded(series: String, labels: &[&'static str]) -> Self {
        Self { series, grows: false, labels: labels.iter().copied().collect(), matchers: Vec::new() }
    }

    #[track_caller]
    fn matching(mut self, label: &str, operator: &str, value: &str) -> Self {
        assert!(self.labels.contains(label), "{} has no label {label}", self.series);
        self.matchers.push(format!("{label}{operator}\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
        self
    }

    /// Only those whose label is this.
    #[must_use]
    #[track_caller]
    pub fn with(self, label: &str, value: &str) -> Self {
        self.matching(label, "=", value)
    }

    /// Only those whose label is not this.
    #[must_use]
    #[track_caller]
    pub fn without(self, label: &str, value: &str) -> Self {
        self.matching(label, "!=", value)
    }

    /// Only those whose whole label matches a regular expression.
    #[must_use]
    #[track_caller]
    pub fn like(self, label: &str, pattern: &str) -> Self {
        self.matching(label, "=~", pattern)
    }

    /// Only those whose whole label does not match it.
    #[must_use]
    #[track_caller]
    pub fn unlike(self, label: &str, pattern: &str) -> Self {
        self.matching(label, "!~", pattern)
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> String {
        match self.matchers.as_slice() {
            [] => self.series.clone(),
            matchers => format!("{}{{{}}}", self.series, matchers.join(",")),
        }
    }

    /// The values now.
    ///
    /// # Panics
    /// If it only grows: its value says nothing.
    #[must_use]
    #[track_caller]
    pub fn now(self) -> Query {
        assert!(!self.grows, "{} grows: what counts is its rate", self.series);
        let text = self.text();
        self.becomes(text)
    }

    /// By how much it grows a second.
    ///
    /// # Panics
    /// If it does not only grow.
    #[must_use]
    #[track_caller]
    pub fn rate(self, range: &str) -> Query {
        self.grown("rate", range)
    }

    /// By how much it has grown.
    ///
    /// # Panics
    /// If it does not only grow.
    #[must_use]
    #[track_caller]
    pub fn increase(self, range: &str) -> Query {
        self.grown("increase", range)
    }

    #[track_caller]
    fn grown(self, function: &str, range: &str) -> Query {
        assert!(self.grows, "{} does not only grow", self.series);
        let text = format!("{function}({}[{range}])", self.text());
        self.becomes(text)
    }

    /// What a function makes of a gauge's values over a time: `avg_over_time`, `deriv`, `changes`, …
    ///
    /// # Panics
    /// If it only grows.
    #[must_use]
    #[track_caller]
    pub fn through(self, function: &str, range: &str) -> Query {
        assert!(!self.grows, "{} grows: what counts is its rate", self.series);
        let text = format!("{function}({}[{range}])", self.text());
        self.becomes(text)
    }

    fn becomes(self, text: String) -> Query {
        Query { text, labels: Some(self.labels), whole: true }
    }
}

impl Query {
    /// A number.
    #[must_use]
    pub fn number(number: f64) -> Self {
        Self { text: number.to_string(), labels: None, whole: true }
    }

    /// One series without labels, whose value is this number.
    #[must_use]
    pub fn vector(number: f64) -> Self {
        Self { text: format!("vector({number})"), labels: Some(BTreeSet::new()), whole: true }
    }

    /// The time now, in seconds since 1970.
    #[must_use]
    pub fn time() -> Self {
        Self { text: "time()".to_owned(), labels: None, whole: true }
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether its series have this label.
    #[must_use]
    pub fn has(&self, label: &str) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.contains(label))
    }

    /// All of them together.
    #[must_use]
    #[track_caller]
    pub fn total(self) -> Self {
        self.by("sum", &[])
    }

    /// Added up by these labels.
    #[must_use]
    #[track_caller]
    pub fn sum_by(self, labels: &[&'static str]) -> Self {
        self.by("sum", labels)
    }

    /// Put together by these labels, in a way of PromQL's: `max`, `min`, `avg`, `count`.
    ///
    /// # Panics
    /// If there is no such label.
    #[must_use]
    #[track_caller]
    pub fn by(self, way: &str, labels: &[&'static str]) -> Self {
        for label in labels {
            assert!(self.has(label), "{} has no label {label}", self.text);
        }
        let by = if labels.is_empty() { String::new() } else { format!(" by ({}) ", labels.join(", ")) };
        Self { text: format!("{way}{by}({})", self.text), labels: Some(labels.iter().copied().collect()), whole: true }
    }

    /// The value below which this share of a histogram's observations lies.
    ///
    /// # Panics
    /// If these are no buckets.
    #[must_use]
    #[track_caller]
    pub fn quantile(self, share: f64) -> Self {
        assert!(self.has(LE), "{} has no buckets", self.text);
        let mut quantile = self.of_native(share);
        quantile.labels = quantile.labels.map(|labels| labels.into_iter().filter(|label| *label != LE).collect());
        quantile
    }

    /// The same of native histograms.
    #[must_use]
    pub fn of_native(self, share: f64) -> Self {
        Self { text: format!("histogram_quantile({share}, {})", self.text), ..self }
    }

    /// The highest ones.
    #[must_use]
    pub fn top(self, many: usize) -> Self {
        Self { text: format!("topk({many}, {})", self.text), ..self }
    }

    /// Divided by another one.
    #[must_use]
    #[track_caller]
    pub fn over(self, other: Self) -> Self {
        self.and("/", other)
    }

    /// The other one taken away.
    #[must_use]
    #[track_caller]
    pub fn minus(self, other: Self) -> Self {
        self.and("-", other)
    }

    /// With another one added.
    #[must_use]
    #[track_caller]
    pub fn plus(self, other: Self) -> Self {
        self.and("+", other)
    }

    /// Multiplied by another one.
    #[must_use]
    #[track_caller]
    pub fn times(self, other: Self) -> Self {
        self.and("*", other)
    }

    /// Only those that are above a number.
    #[must_use]
    #[track_caller]
    pub fn above(self, number: f64) -> Self {
        self.and(">", Self::number(number))
    }

    /// Those of another one where there is none.
    #[must_use]
    #[track_caller]
    pub fn or(self, other: Self) -> Self {
        self.and("or", other)
    }

    /// The share that this is of the other one: 0 where this has no series yet, and no series where there is nothing that it could be a
    /// share of.
    #[must_use]
    #[track_caller]
    pub fn share_of(self, all: Self) -> Self {
        let none = Self::number(0.0).times(all.clone());
        self.or(none).over(all.above(0.0))
    }

    /// Two expressions of one operation. Series that are to be matched have the same labels, or some would be dropped without a word.
    #[track_caller]
    fn and(self, operator: &str, other: Self) -> Self {
        if let (Some(left), Some(right)) = (&self.labels, &other.labels) {
            assert_eq!(left, right, "{} and {} have other labels", self.text, other.text);
        }
        let labels = self.labels.clone().or(other.labels.clone());
        Self { text: format!("{} {operator} {}", self.operand(), other.operand()), labels, whole: false }
    }

    fn operand(&self) -> String {
        if self.whole { self.text.clone() } else { format!("({})", self.text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;
    use synod_gateway::telemetry::names::{DETECTOR_READY, REQUEST_DURATION, REQUESTS, VERDICTS};

    #[test]
    fn expressions_are_what_prometheus_reads() {
        let failed = Series::of(&REQUESTS).like("status", "5..").rate("5m").total();
        let share = failed.clone().share_of(Series::of(&REQUESTS).rate("5m").total());
        let all = "sum(rate(synod_http_requests_total[5m]))";
        assert_eq!(share.text(), format!("(sum(rate(synod_http_requests_total{{status=~\"5..\"}}[5m])) or (0 * {all})) / ({all} > 0)"));
        let quantile = Series::buckets(&REQUEST_DURATION).rate("5m").sum_by(&["route", "le"]).quantile(0.99);
        let text = "histogram_quantile(0.99, sum by (route, le) (rate(synod_http_request_duration_seconds_bucket[5m])))";
        assert_eq!((quantile.text(), quantile.has("route"), quantile.has("le")), (text, true, false));
        let quoted = Series::of(&VERDICTS).with("outcome", "a\"b\\").rate("5m");
        assert_eq!(quoted.text(), r#"rate(synod_verdicts_total{outcome="a\"b\\"}[5m])"#);
    }

    #[test]
    fn what_does_not_exist_cannot_be_written() {
        let mistakes: [fn() -> Query; 8] = [
            || Series::of(&REQUEST_DURATION).rate("5m"),
            || Series::buckets(&REQUESTS).rate("5m"),
            || Series::of(&REQUESTS).now(),
            || Series::of(&DETECTOR_READY).rate("5m"),
            || Series::of(&DETECTOR_READY).with("route", "x").now(),
            || Series::of(&REQUESTS).rate("5m").sum_by(&["outcome"]),
            || Series::of(&REQUESTS).rate("5m").quantile(0.5),
            || Series::of(&REQUESTS).rate("5m").sum_by(&["route"]).over(Series::of(&REQUESTS).rate("5m").total()),
        ];
        for (place, mistake) in mistakes.into_iter().enumerate() {
            assert!(catch_unwind(mistake).is_err(), "mistake {place}");
        }
    }
}
