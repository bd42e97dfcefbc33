//! What is counted for a level: which events there are, and which of them are errors.

use crate::rules::{routes, series};
use serde::Deserialize;
use synod_gateway::telemetry::metrics::SECONDS;
use synod_gateway::telemetry::names::{ALL, Kind, Name};

/// As it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum IndicatorText {
    /// Events of one counter; errors are those that a matcher picks.
    Share(Share),
    /// Observations of a histogram; those above a bound are errors.
    Bound(Bound),
    /// What went well and what did not, by two counters.
    Two(Two),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Share {
    events: String,
    routes: String,
    errors: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bound {
    histogram: String,
    routes: String,
    within: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Two {
    good: String,
    errors: String,
    #[serde(rename = "where")]
    of: String,
    #[serde(default)]
    by: Vec<String>,
}

/// A mistake in a field.
pub(super) struct IndicatorMistake {
    pub field: &'static str,
    pub wanted: String,
}

/// What is counted, checked.
#[derive(Debug, Clone)]
pub(in crate::rules) struct Indicator {
    /// What it is told apart by, beside the job.
    pub by: Vec<String>,
    /// The series of which the errors are the sum, and those that are to be taken away from it.
    errors: [Vec<String>; 2],
    /// Series of which all events are the sum.
    events: Vec<String>,
}

impl Indicator {
    pub(super) fn checked(text: IndicatorText) -> Result<Self, IndicatorMistake> {
        match text {
            IndicatorText::Share(share) => Self::of_share(&share),
            IndicatorText::Bound(bound) => Self::of_bound(&bound),
            IndicatorText::Two(two) => Self::of_two(two),
        }
    }

    fn of_share(share: &Share) -> Result<Self, IndicatorMistake> {
        let name = found("indicator.events", &share.events, Kind::Counter)?;
        label_of("indicator.errors", name, share.errors.split(['=', '!']).next().unwrap_or_default())?;
        let all = matcher(&share.routes)?;
        let errors = series::series(name, &format!("{},{all}", share.errors));
        Ok(Self { by: Vec::new(), errors: [vec![errors], Vec::new()], events: vec![series::series(name, &all)] })
    }

    fn of_bound(bound: &Bound) -> Result<Self, IndicatorMistake> {
        let name = found("indicator.histogram", &bound.histogram, Kind::Histogram)?;
        // Versions of Prometheus write the label of a whole number in different ways.
        if !SECONDS.contains(&bound.within) || bound.within.fract() == 0.0 {
            let wanted = format!("a bound of the histogram's buckets below a second: {:?}", SECONDS.map(|second| second));
            return Err(IndicatorMistake { field: "indicator.within", wanted });
        }
        let all = matcher(&bound.routes)?;
        let (count, good) = (series::part(name, "_count", &all), series::part(name, "_bucket", &format!("le=\"{}\",{all}", bound.within)));
        Ok(Self { by: Vec::new(), errors: [vec![count.clone()], vec![good]], events: vec![count] })
    }

    fn of_two(two: Two) -> Result<Self, IndicatorMistake> {
        let good = found("indicator.good", &two.good, Kind::Counter)?;
        let bad = found("indicator.errors", &two.errors, Kind::Counter)?;
        label_of("indicator.where", bad, two.of.split(['=', '!']).next().unwrap_or_default())?;
        for label in &two.by {
            label_of("indicator.by", good, label)?;
            label_of("indicator.by", bad, label)?;
        }
        let (good, bad) = (series::series(good, ""), series::series(bad, &two.of));
        Ok(Self { by: two.by, errors: [vec![bad.clone()], Vec::new()], events: vec![good, bad] })
    }

    /// How many events there are a second.
    pub(in crate::rules) fn events(&self, window: &str) -> String {
        self.sum(&self.events, window)
    }

    /// How many of them are errors.
    pub(in crate::rules) fn errors(&self, window: &str) -> String {
        let [errors, good] = &self.errors;
        let errors = self.sum(errors, window);
        if good.is_empty() { errors } else { format!("{errors}\n-\n{}", self.sum(good, window)) }
    }

    fn sum(&self, series: &[String], window: &str) -> String {
        let by = ["job"].into_iter().chain(self.by.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
        let sum = |series: &String| format!("sum by ({by}) (rate({series}[{window}]))");
        let sums: Vec<String> = series.iter().map(sum).collect();
        sums.join("\n+\n")
    }
}

/// The matcher of the routes that count: those that clients call with a purpose, or those that score.
fn matcher(routes: &str) -> Result<String, IndicatorMistake> {
    match routes {
        "clients" => Ok(routes::of_clients()),
        "scoring" => Ok(routes::that_score()),
        _ => Err(IndicatorMistake { field: "indicator.routes", wanted: "clients or scoring".into() }),
    }
}

fn found(field: &'static str, family: &str, kind: Kind) -> Result<&'static Name, IndicatorMistake> {
    let name = ALL.iter().copied().find(|name| name.family == family && name.kind == kind);
    name.ok_or_else(|| IndicatorMistake { field, wanted: format!("there is no metric of the kind {kind:?} called {family}") })
}

fn label_of(field: &'static str, name: &Name, label: &str) -> Result<(), IndicatorMistake> {
    let known = name.labels.contains(&label);
    if known { Ok(()) } else { Err(IndicatorMistake { field, wanted: format!("{} has no label `{label}`", name.family) }) }
}
