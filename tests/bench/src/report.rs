//! What was measured, as a table for people and as JSON for programs.

use crate::fault::{Doing, Fault};
use crate::load::Measured;
use crate::pinning::Pinning;
use crate::statistics::{median, quantile};
use crate::target::Target;
use serde::Serialize;
use std::fmt;

/// One measurement of one target.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    requests: usize,
    processor_us: f64,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

impl Round {
    /// The numbers of a measurement. It has at least one request.
    pub(crate) fn new(measured: &Measured) -> Self {
        let requests = measured.latencies.len();
        let latency = |share| quantile(&measured.latencies, share).unwrap_or_default().as_secs_f64() * 1e6;
        Self {
            requests,
            processor_us: measured.processor.as_secs_f64() * 1e6 / requests as f64,
            requests_per_second: requests as f64 / measured.elapsed.as_secs_f64(),
            p50_us: latency(0.5),
            p99_us: latency(0.99),
        }
    }
}

/// All rounds of a target with so many connections.
#[derive(Debug, Serialize)]
struct Line {
    target: &'static str,
    connections: usize,
    rows: usize,
    /// The target to compare with.
    beside: &'static str,
    rounds: Vec<Round>,
}

impl Line {
    fn median(&self, value: fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(value).collect::<Vec<_>>())
    }

    fn processor_us(&self) -> f64 {
        self.median(|round| round.processor_us)
    }

    fn summary(&self, times_bare: Option<f64>) -> Summary<'_> {
        Summary {
            line: self,
            processor_us: self.processor_us(),
            least_processor_us: self.least(),
            times_bare,
            requests_per_second: self.median(|round| round.requests_per_second),
            p50_us: self.median(|round| round.p50_us),
            p99_us: self.median(|round| round.p99_us),
        }
    }

    fn least(&self) -> f64 {
        self.rounds.iter().map(|round| round.processor_us).fold(f64::INFINITY, f64::min)
    }
}

/// A line of the table: medians over the rounds.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    line: &'a Line,
    processor_us: f64,
    least_processor_us: f64,
    times_bare: Option<f64>,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Everything that one run measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Machine,
    seconds: f64,
    rounds: u32,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    processors: usize,
    pinning: Pinning,
}

impl Machine {
    fn new(pinning: Pinning) -> Self {
        let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let lines = || information.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim()));
        let model = lines().find(|(key, _)| *key == "model name").map_or("unknown processor", |(_, value)| value);
        Self { processor: model.to_owned(), processors: lines().filter(|(key, _)| *key == "processor").count(), pinning }
    }
}

impl Report {
    /// A report without measurements.
    pub(crate) fn new(pinning: Pinning, seconds: f64, rounds: u32) -> Self {
        Self { machine: Machine::new(pinning), seconds, rounds, lines: Vec::new() }
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, target: &Target, connections: usize, round: Round) {
        match self.lines.iter_mut().find(|line| (line.target, line.connections) == (target.name, connections)) {
            Some(line) => line.rounds.push(round),
            None => {
                self.lines.push(Line { target: target.name, connections, rows: target.rows, beside: target.beside, rounds: vec![round] })
            }
        }
    }

    /// Everything, with each round.
    pub(crate) fn json(&self) -> Result<Vec<u8>, Fault> {
        #[derive(Serialize)]
        struct Whole<'a> {
            machine: &'a Machine,
            seconds: f64,
            rounds: u32,
            lines: Vec<Summary<'a>>,
        }
        let whole = Whole { machine: &self.machine, seconds: self.seconds, rounds: self.rounds, lines: self.summaries().collect() };
        serde_json::to_vec_pretty(&whole).doing("cannot write the report")
    }

    fn summaries(&self) -> impl Iterator<Item = Summary<'_>> {
        self.lines.iter().map(|line| line.summary(self.ratio(line)))
    }

    /// How many times the CPU time of the bare target a line takes.
    fn ratio(&self, line: &Line) -> Option<f64> {
        let beside = self.lines.iter().find(|other| (other.target, other.connections) == (line.beside, line.connections))?;
        Some(line.processor_us() / beside.processor_us())
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times_bare = self.times_bare.map_or_else(String::new, |times| format!("{times:.2}"));
        write!(f, "| {:<32} | {:>4} ", self.line.target, self.line.connections)?;
        write!(f, "| {:>8.1} | {:>8.1} | {times_bare:>6} ", self.processor_us, self.least_processor_us)?;
        write!(f, "| {:>10.0} | {:>7.0} | {:>7.0} |", self.requests_per_second, self.p50_us, self.p99_us)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, processors, pinning } = &self.machine;
        writeln!(f, "{processor}, {processors} processors; {}; {} rounds of {} s", pinning.describe(), self.rounds, self.seconds)?;
        writeln!(f)?;
        writeln!(f, "| target                           | conn | CPU µs   | least    | × bare | requests/s | p50 µs  | p99 µs  |")?;
        writeln!(f, "|----------------------------------|-----:|---------:|---------:|-------:|-----------:|--------:|--------:|")?;
        self.summaries().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::TARGETS;
    use std::time::Duration;

    fn round(processor: u64) -> Round {
        let latencies = (1..=100).map(Duration::from_micros).collect();
        Round::new(&Measured { latencies, elapsed: Duration::from_millis(10), processor: Duration::from_micros(processor) })
    }

    #[test]
    fn a_round_is_told_by_the_request() {
        let round = round(1500);
        assert_eq!((round.requests, round.processor_us, round.p50_us, round.p99_us), (100, 15.0, 50.0, 99.0));
        assert!((round.requests_per_second - 10_000.0).abs() < 1e-6);
    }

    #[test]
    fn a_ratio_is_that_of_medians_at_as_many_connections() {
        let mut report = Report::new(Pinning::None, 1.0, 3);
        for processor in [1000, 1100, 9000] {
            report.add(&TARGETS[0], 1, round(processor));
            report.add(&TARGETS[4], 1, round(4 * processor));
        }
        report.add(&TARGETS[4], 16, round(1));
        assert_eq!(report.lines.len(), 3);
        assert_eq!(report.ratio(&report.lines[1]), Some(4.0));
        assert_eq!(report.ratio(&report.lines[2]), None);
        assert!(report.to_string().contains("|     44.0 |     40.0 |   4.00 |"), "{report}");
    }
}
