//! Decisions in a log, as the gateway writes them, many and fast: what a shipper finds after an outage.

use crate::fault::{Doing, Fault};
use clap::Args;
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use synod_detection::{Outcome, Rule, Vote};
use synod_gateway::decision::{Decision, RecordKind, Standing, Verdict, VoteOf};
use synod_store::{Archive, DataDirectory, Entry, Log, LogSettings};
use uuid::Uuid;

/// Decisions that are appended at a time.
const AT_A_TIME: usize = 1000;
/// When the first of them was made.
const BEGUN: &str = "2026-01-05T08:00:00Z";

/// `synod-bench decisions`
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The configuration that the decisions name: that of three fields.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Whose log they are appended to. No server may run.
    #[arg(long, value_name = "FOLDER")]
    data_directory: PathBuf,
    /// How many.
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000)]
    documents: u64,
}

/// Appends the decisions.
///
/// # Errors
/// When the log does not take them.
pub(crate) fn make(settings: &Settings) -> Result<(), Fault> {
    let directory = DataDirectory::open(&settings.data_directory)?;
    let _lock = directory.lock_exclusive()?;
    let configuration = Archive::open(&directory)?.put(&std::fs::read(&settings.config).doing(settings.config.display())?)?;
    let (log, _) = Log::open(&directory, LogSettings::default())?;
    let maker = Maker { configuration, begun: BEGUN.parse()? };
    let mut bytes = 0;
    for first in (0..settings.documents).step_by(AT_A_TIME) {
        let entries = (first..settings.documents.min(first + AT_A_TIME as u64)).map(|number| maker.entry(number, &mut bytes));
        let (sender, answer) = sync_channel(1);
        log.append(entries.collect::<Result<_, Fault>>()?, move |positions| drop(sender.send(positions)));
        answer.recv()??;
    }
    log.close()?;
    println!("{} decisions of {} bytes on average", settings.documents, bytes / settings.documents.max(1));
    Ok(())
}

struct Maker {
    configuration: String,
    begun: Timestamp,
}

impl Maker {
    fn entry(&self, number: u64, bytes: &mut u64) -> Result<Entry, Fault> {
        let decision = self.decision(number)?;
        let payload = serde_json::to_vec(&decision)?;
        *bytes += payload.len() as u64;
        Ok(Entry::new(RecordKind::Decision as u8, decision.decided.as_microsecond(), payload)?)
    }

    /// About 1 KB of JSON. No two are alike, and the same number gives the same.
    fn decision(&self, number: u64) -> Result<Decision, Fault> {
        let share = |salt: u64| (mixed(number ^ (salt << 32)) >> 11) as f64 / (1_u64 << 53) as f64;
        let decided = self.begun.checked_add(i64::try_from(number)?.milliseconds())?;
        let score = share(1);
        let anomalous = score > 0.98;
        let row = json!({
            "Transaction_Amount": (share(2) * 1e5).round() / 100.0,
            "Average_Transaction_Amount": (share(3) * 1e5).round() / 100.0,
            "Frequency_of_Transactions": mixed(number) % 30,
        });
        let features = [("amount_ratio", 4), ("amount", 5), ("frequency", 6)];
        Ok(Decision {
            id: id(decided, number),
            event: None,
            entity: None,
            tenant: None,
            principal: Some("key:3f9a0c51d2e87b46".to_owned()),
            request: None,
            content: format!("{:016x}{:016x}{:016x}{:016x}", mixed(number), mixed(number + 1), mixed(number + 2), mixed(number + 3)),
            at: None,
            decided,
            row: row.as_object().cloned().unwrap_or_default(),
            past: Standing { remembered: false, late: false, full: false },
            features: features.into_iter().map(|(name, salt)| (name.to_owned(), Some(share(salt) * 8.0))).collect(),
            configuration: self.configuration.clone(),
            rollout: None,
            verdict: Verdict {
                anomalous,
                outcome: if anomalous { Outcome::Block } else { Outcome::Approve },
                score,
                threshold: Some(0.98),
                policy: Rule::WeightedMean,
                combined: score,
                votes: 1,
                too_few_votes: false,
                degraded: None,
            },
            votes: vec![vote("isolation_forest", score, share(7))],
            abstentions: Vec::new(),
            reasons: if anomalous { vec!["amount_ratio is higher than in 99 % of the training rows".to_owned()] } else { Vec::new() },
        })
    }
}

fn vote(detector: &str, score: f64, raw_score: f64) -> VoteOf {
    VoteOf {
        detector: detector.to_owned(),
        vote: Vote { raw_score, score, extrapolated: false, threshold: 0.98, anomalous: score > 0.98 },
        model_version: 1,
        model_digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        plugin_digest: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752".to_owned(),
        duration_us: raw_score * 300.0,
    }
}

/// A UUIDv7 of this moment, made unlike others by its number.
fn id(moment: Timestamp, number: u64) -> Uuid {
    let milliseconds = u64::try_from(moment.as_millisecond()).unwrap_or_default();
    let mut random = [0; 10];
    random[..8].copy_from_slice(&mixed(number).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

/// Bits without a pattern (SplitMix64's last step).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn decisions_are_of_about_a_kilobyte_and_none_is_like_another() {
        let maker = Maker { configuration: "c".repeat(64), begun: BEGUN.parse().unwrap() };
        let written: Vec<String> = (0..500).map(|number| serde_json::to_string(&maker.decision(number).unwrap()).unwrap()).collect();
        assert!(written.iter().all(|text| (850..1250).contains(&text.len())), "{}", written[0].len());
        let ids: HashSet<Uuid> = (0..500).map(|number| maker.decision(number).unwrap().id).collect();
        assert_eq!(ids.len(), 500);
        let read: Decision = serde_json::from_str(&written[7]).unwrap();
        assert_eq!(read, maker.decision(7).unwrap());
    }
}
