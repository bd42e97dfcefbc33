//! What was measured of the shippers, beside rsyslog.

use super::shipper::Seen;
use crate::fault::{Doing, Fault};
use crate::pinning::Pinning;
use crate::statistics::median;
use serde::Serialize;
use std::fmt;

/// Which shipper the others are compared with.
pub(crate) const BESIDE: &str = "rsyslog";

/// All rounds of one shipper.
#[derive(Debug, Serialize)]
struct Line {
    shipper: &'static str,
    /// Without documents.
    idle: Seen,
    rounds: Vec<Seen>,
}

/// Everything that one run measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pinning: Pinning,
    documents: u64,
    lines: Vec<Line>,
}

impl Line {
    fn median(&self, value: impl Fn(&Seen) -> f64) -> f64 {
        median(&self.rounds.iter().map(value).collect::<Vec<_>>())
    }

    /// What a document takes beyond what the process takes anyhow, in microseconds.
    fn processor_us(&self, seen: &Seen) -> f64 {
        (seen.processor - self.idle.processor).max(0.0) * 1e6 / seen.documents as f64
    }

    fn least(&self) -> f64 {
        self.rounds.iter().map(|seen| self.processor_us(seen)).fold(f64::INFINITY, f64::min)
    }
}

impl Report {
    /// A report without measurements.
    pub(crate) fn new(pinning: Pinning, documents: u64) -> Self {
        Self { pinning, documents, lines: Vec::new() }
    }

    /// Begins a shipper, with what it takes without documents.
    pub(crate) fn begin(&mut self, shipper: &'static str, idle: Seen) {
        self.lines.push(Line { shipper, idle, rounds: Vec::new() });
    }

    /// Adds a round of a shipper.
    pub(crate) fn add(&mut self, shipper: &'static str, seen: Seen) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.shipper == shipper) {
            line.rounds.push(seen);
        }
    }

    /// Everything, with each round.
    pub(crate) fn json(&self) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec_pretty(self).doing("cannot write the report")
    }

    fn write(&self, line: &Line, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, processor) = (line.median(rate), line.median(|seen| line.processor_us(seen)));
        let beside = self.lines.iter().find(|other| other.shipper == BESIDE).filter(|other| other.shipper != line.shipper);
        let times = |of: fn(&Line) -> f64, own: f64| beside.map_or_else(String::new, |other| format!("{:.2}", own / of(other)));
        let times_rate = times(|other| other.median(rate_of), rate);
        let times_processor = times(|other| other.median(|seen| other.processor_us(seen)), processor);
        let (bytes, requests) = (line.median(|seen| seen.bytes as f64 / seen.documents as f64), line.median(per_request));
        write!(
            f,
            "| {:<16} | {rate:>11.0} | {times_rate:>5} | {processor:>6.2} | {:>6.2} | {times_processor:>5} ",
            line.shipper,
            line.least()
        )?;
        let megabytes = |seen: &Seen| seen.peak_bytes as f64 / 1e6;
        write!(f, "| {:>7.1} | {:>7.1} ", line.median(megabytes), megabytes(&line.idle))?;
        writeln!(f, "| {bytes:>9.0} | {requests:>11.0} | {:>9.2} |", line.median(|seen| seen.of_server * 1e6 / seen.documents as f64))
    }
}

/// Documents a second. The first request came when the clock began.
fn rate(seen: &Seen) -> f64 {
    (seen.documents as f64 - per_request(seen)) / seen.seconds.max(1e-9)
}

fn rate_of(seen: &Seen) -> f64 {
    rate(seen)
}

fn per_request(seen: &Seen) -> f64 {
    seen.documents as f64 / seen.requests as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.pinning {
            Pinning::Apart => "shippers on processor 0, the server on processor 1",
            Pinning::None => "shippers and server share all processors",
        };
        writeln!(f, "{} documents a round; {place}\n", self.documents)?;
        writeln!(
            f,
            "| shipper          | documents/s | ×     | CPU µs | least  | ×     | peak MB | idle MB | bytes/doc | docs/request | server µs |"
        )?;
        writeln!(
            f,
            "|------------------|------------:|------:|-------:|-------:|------:|--------:|--------:|----------:|-------------:|----------:|"
        )?;
        self.lines.iter().try_for_each(|line| self.write(line, f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(documents: u64, seconds: f64, processor: f64) -> Seen {
        Seen { documents, bytes: documents * 1000, requests: documents / 100, seconds, processor, of_server: 0.1, peak_bytes: 30_000_000 }
    }

    #[test]
    fn what_a_process_takes_anyhow_is_no_part_of_a_document() {
        let mut report = Report::new(Pinning::None, 1000);
        report.begin("rsyslog", Seen { documents: 0, ..seen(0, 0.0, 0.5) });
        report.begin("synod", Seen { documents: 0, ..seen(0, 0.0, 1.0) });
        for (processor, of_synod) in [(0.52, 1.01), (0.56, 1.03), (0.6, 1.02)] {
            report.add("rsyslog", seen(1000, 0.5, processor));
            report.add("synod", seen(1000, 0.25, of_synod));
        }
        let text = report.to_string();
        assert!(text.contains("| rsyslog          |        1800 |       |  60.00 |  20.00 |       |    30.0 |"), "{text}");
        assert!(text.contains("| synod            |        3600 |  2.00 |  20.00 |  10.00 |  0.33 |"), "{text}");
    }
}
