//! What is asked of which server, and how an answer must look. A new measurement is a new entry of [`TARGETS`].

use crate::bare;
use crate::connection::request;
use crate::fault::{Doing, Fault};
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// Detectors of `config/examples/three-fields.yaml`.
const DETECTORS: usize = 3;
/// Rows of a large request.
const BATCH: usize = 100;
/// What the schema of the example takes; a file of labelled rows has more.
const FIELDS: [&str; 3] = ["Transaction_Amount", "Average_Transaction_Amount", "Frequency_of_Transactions"];

/// A server of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The bare handler.
    Bare,
    /// Synod as it comes.
    Synod,
    /// Synod without counting and log lines of requests.
    Quiet,
    /// Synod that stores no decisions.
    Unstored,
    /// The same, without counting, log lines and traces.
    Silent,
    /// The same, with a trace of each hundredth request going to a collector.
    Traced,
    /// With a trace of each request.
    TracedAll,
    /// Synod that stores no decisions, by TLS.
    Encrypted,
}

/// What a request proves who sends it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    None,
    /// An API key.
    Key,
    /// An access token, signed by Synod.
    Token,
}

/// A request that is measured.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) server: Which,
    pub(crate) path: &'static str,
    /// Rows of a request; with none it is a GET.
    pub(crate) rows: usize,
    pub(crate) credential: Credential,
    /// The bare target with the same bodies.
    pub(crate) beside: &'static str,
    /// What is wrong with an answer, if something is.
    pub(crate) wrong: fn(&Value) -> Option<&'static str>,
}

const BARE_ONE: &str = "bare axum";
const BARE_BATCH: &str = "bare axum, 100 rows";
const DETECTOR: &str = "/v1/detectors/isolation_forest/score";
const DECLARED: &str = "/predict_isolation_forest";

/// All that is measured, in this order in each round.
#[rustfmt::skip]
pub(crate) const TARGETS: [Target; 15] = [
    Target { name: BARE_ONE, server: Which::Bare, path: bare::ONE, rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_flag },
    Target { name: "synod /healthz (no row)", server: Which::Synod, path: "/healthz", rows: 0, credential: Credential::None, beside: BARE_ONE, wrong: nothing },
    Target { name: "synod /predict_isolation_forest", server: Which::Synod, path: DECLARED, rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_declared },
    Target { name: "synod /v1/detectors/…/score", server: Which::Synod, path: DETECTOR, rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_vote },
    Target { name: "synod /v1/score", server: Which::Synod, path: "/v1/score", rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, no telemetry", server: Which::Quiet, path: "/v1/score", rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, nothing stored", server: Which::Unstored, path: "/v1/score", rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, nothing stored, no telemetry", server: Which::Silent, path: "/v1/score", rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, nothing stored, 1 % traced", server: Which::Traced, path: "/v1/score", rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, nothing stored, all traced", server: Which::TracedAll, path: "/v1/score", rows: 1, credential: Credential::None, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, nothing stored, API key", server: Which::Unstored, path: "/v1/score", rows: 1, credential: Credential::Key, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, nothing stored, access token", server: Which::Unstored, path: "/v1/score", rows: 1, credential: Credential::Token, beside: BARE_ONE, wrong: no_verdict },
    Target { name: "synod /v1/score, nothing stored, access token, TLS", server: Which::Encrypted, path: "/v1/score", rows: 1, credential: Credential::Token, beside: BARE_ONE, wrong: no_verdict },
    Target { name: BARE_BATCH, server: Which::Bare, path: bare::SEVERAL, rows: BATCH, credential: Credential::None, beside: BARE_BATCH, wrong: no_flags },
    Target { name: "synod /v1/score, 100 rows", server: Which::Synod, path: "/v1/score", rows: BATCH, credential: Credential::None, beside: BARE_BATCH, wrong: no_verdicts },
];

impl Target {
    /// The requests that are sent in turns: all rows, so that no server's processor learns a few of them by heart.
    pub(crate) fn requests(&self, rows: &[String], credential: Option<&str>) -> Arc<[Vec<u8>]> {
        let request = |body: Option<&str>| request(self.path, body, credential);
        match self.rows {
            0 => Arc::new([request(None)]),
            1 => rows.iter().map(|row| request(Some(row))).collect(),
            several => rows.chunks_exact(several).map(|list| request(Some(&format!("[{}]", list.join(","))))).collect(),
        }
    }
}

/// Reads the rows to ask about: JSON lines, of which only the schema's fields are kept.
///
/// # Errors
/// When the file cannot be read, a line has not all fields, or there are not enough for one large request.
pub(crate) fn read_rows(path: &Path) -> Result<Vec<String>, Fault> {
    let text = std::fs::read_to_string(path).doing(path.display())?;
    let row = |line: &str| -> Result<String, Fault> {
        let all: Map<String, Value> = serde_json::from_str(line).doing(path.display())?;
        let field = |name: &&str| Some(((*name).to_owned(), all.get(*name)?.clone()));
        let kept: Map<String, Value> = FIELDS.iter().filter_map(field).collect();
        if kept.len() < FIELDS.len() { Err(format!("a row lacks a field: {line}").into()) } else { Ok(Value::Object(kept).to_string()) }
    };
    let rows = text.lines().map(row).collect::<Result<Vec<_>, _>>()?;
    if rows.len() < BATCH { Err(format!("{} rows are not enough to ask about, {BATCH} are", rows.len()).into()) } else { Ok(rows) }
}

fn nothing(_: &Value) -> Option<&'static str> {
    None
}

fn no_flag(answer: &Value) -> Option<&'static str> {
    (!answer["anomalous"].is_boolean()).then_some("no `anomalous`")
}

fn no_declared(answer: &Value) -> Option<&'static str> {
    (!answer["is_anomaly"].is_boolean()).then_some("no `is_anomaly`")
}

fn no_vote(answer: &Value) -> Option<&'static str> {
    (!answer["vote"]["score"].is_number()).then_some("no vote")
}

fn no_verdict(answer: &Value) -> Option<&'static str> {
    let votes = answer["votes"].as_array().map_or(0, |votes| votes.iter().filter(|vote| vote["score"].is_number()).count());
    match answer["verdict"]["anomalous"].is_boolean() {
        true if votes == DETECTORS => None,
        true => Some("not a vote of each detector"),
        false => Some("no verdict"),
    }
}

fn no_flags(answer: &Value) -> Option<&'static str> {
    each_of_a_batch(answer, no_flag)
}

fn no_verdicts(answer: &Value) -> Option<&'static str> {
    each_of_a_batch(answer, no_verdict)
}

fn each_of_a_batch(answer: &Value, wrong: fn(&Value) -> Option<&'static str>) -> Option<&'static str> {
    match answer.as_array() {
        Some(rows) if rows.len() == BATCH => rows.iter().find_map(wrong),
        _ => Some("not an answer to each row"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_target_is_beside_a_bare_one_with_as_many_rows() {
        for target in &TARGETS {
            let beside = TARGETS.iter().find(|other| other.name == target.beside).unwrap();
            assert_eq!(beside.server, Which::Bare, "{}", target.name);
            assert!(target.rows == 0 || beside.rows == target.rows, "{}", target.name);
        }
    }

    #[test]
    fn a_verdict_needs_the_vote_of_each_detector() {
        let answer = |votes: usize| json!({"verdict": {"anomalous": false}, "votes": vec![json!({"score": 0.5}); votes]});
        assert_eq!(no_verdict(&answer(3)), None);
        assert!(no_verdict(&answer(2)).is_some() && no_verdict(&json!({})).is_some());
        assert_eq!(no_verdicts(&json!(vec![answer(3); BATCH])), None);
        assert!(no_verdicts(&json!(vec![answer(3); BATCH - 1])).is_some());
    }

    #[test]
    fn a_batch_has_its_rows_and_the_next_batch_the_next_rows() {
        let rows: Vec<String> = (0..250).map(|row| row.to_string()).collect();
        let requests = TARGETS[14].requests(&rows, None);
        let body = |request: &[u8]| String::from_utf8(request.to_vec()).unwrap().split_once("\r\n\r\n").unwrap().1.to_owned();
        let second: Vec<usize> = serde_json::from_str(&body(&requests[1])).unwrap();
        assert_eq!((second.len(), second[0]), (BATCH, BATCH));
    }
}
